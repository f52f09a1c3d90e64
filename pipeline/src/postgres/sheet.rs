//! The rows of a draft for one table, on disk when they are many, until they are committed.

use std::io::{Read, Seek, SeekFrom, Write as _};
use std::path::Path;

use arrow::array::RecordBatch;
use sqlx::postgres::PgConnection;
use tempfile::SpooledTempFile;

use super::columns::WireColumn;
use super::copy::{HEAD, TAIL, encode};
use super::{failure, quoted, quoted_all};
use crate::definition::TableSpec;
use crate::target::{Fold, TargetError, Write};

/// Rows that stay in memory weigh no more than that.
const IN_MEMORY: usize = 8 << 20;

/// What one COPY sends. A worker that is suspended in it is ended by the limit of a statement,
/// which a large batch as a whole must not reach.
const PIECE: usize = 4 << 20;

/// What is sent at once.
const SEND: usize = 256 << 10;

/// Rows for one table.
pub(super) struct Sheet {
    table: String,
    columns: Vec<WireColumn>,
    write: Write,
    bytes: SpooledTempFile,
    /// The lengths of the parts that one COPY takes.
    pieces: Vec<usize>,
    pub(super) rows: u64,
}

impl Sheet {
    pub(super) fn new(table: &str, columns: Vec<WireColumn>, write: Write, spool: &Path) -> Sheet {
        Sheet {
            table: table.to_owned(),
            columns,
            write,
            bytes: SpooledTempFile::new_in(IN_MEMORY, spool),
            pieces: Vec::new(),
            rows: 0,
        }
    }

    /// Keeps rows that are of the table's contract.
    pub(super) fn keep(&mut self, rows: &RecordBatch, spec: &TableSpec) -> Result<(), TargetError> {
        debug_assert_eq!(rows.schema().fields().len(), spec.schema.fields().len());
        let mut bytes = Vec::new();
        encode(rows, &self.columns, &mut bytes);
        let doing = || format!("keep the rows of a draft for {}", spec.dataset);
        self.bytes
            .write_all(&bytes)
            .map_err(|source| TargetError::File { doing: doing(), source })?;
        match self.pieces.last_mut() {
            Some(last) if *last + bytes.len() <= PIECE => *last += bytes.len(),
            _ => self.pieces.push(bytes.len()),
        }
        self.rows += rows.num_rows() as u64;
        Ok(())
    }

    /// Sends the rows within a transaction.
    pub(super) async fn send(&mut self, to: &mut PgConnection) -> Result<(), SendError> {
        if self.rows == 0 {
            return Ok(());
        }
        match self.write.clone() {
            Write::Merge { key, folds } => {
                let staging = quoted(&format!("assay_{}", self.table.replace('.', "_")));
                let names: Vec<String> = self.columns.iter().map(|c| c.name.clone()).collect();
                let (columns, table) = (quoted_all(&names), quoted(&self.table));
                // It is made once for each connection, and is empty after every commit.
                let made = format!(
                    "CREATE TEMPORARY TABLE IF NOT EXISTS {staging} ON COMMIT DELETE ROWS AS \
                     SELECT {columns} FROM {table} WITH NO DATA"
                );
                sqlx::query(&made).persistent(false).execute(&mut *to).await?;
                self.copy(&staging, to).await?;
                let merged = merged(&table, &staging, &names, &key, &folds);
                sqlx::query(&merged).execute(&mut *to).await?;
                Ok(())
            }
            _ => {
                let table = quoted(&self.table);
                self.copy(&table, to).await
            }
        }
    }

    async fn copy(&mut self, table: &str, to: &mut PgConnection) -> Result<(), SendError> {
        let names: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        let sql = format!("COPY {table} ({}) FROM STDIN (FORMAT binary)", quoted_all(&names));
        self.bytes.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; SEND];
        for piece in self.pieces.clone() {
            let mut copy = to.copy_in_raw(&sql).await?;
            copy.send(HEAD).await?;
            let mut left = piece;
            while left > 0 {
                let part = left.min(SEND);
                self.bytes.read_exact(&mut buffer[..part])?;
                copy.send(&buffer[..part]).await?;
                left -= part;
            }
            copy.send(TAIL).await?;
            copy.finish().await?;
        }
        Ok(())
    }
}

/// Adds what is staged to the rows that are there, in the order of the keys, so that workers who
/// do so at once wait for each other and never in a circle.
fn merged(
    table: &str,
    staging: &str,
    columns: &[String],
    key: &[String],
    folds: &[(String, Fold)],
) -> String {
    let (keys, all) = (quoted_all(key), quoted_all(columns));
    let fold = |name: &str| folds.iter().find(|(folded, _)| folded == name).map(|(_, fold)| fold);
    let selected = columns.iter().map(|name| {
        let column = quoted(name);
        match fold(name) {
            None => column,
            Some(Fold::Sum) => format!("sum({column})"),
            Some(Fold::Min) => format!("min({column})"),
            Some(Fold::Max) => format!("max({column})"),
        }
    });
    let selected = selected.collect::<Vec<_>>().join(", ");
    let set = folds.iter().map(|(name, fold)| {
        let column = quoted(name);
        let both = match fold {
            Fold::Sum => format!(
                "coalesce(kept.{column} + excluded.{column}, kept.{column}, excluded.{column})"
            ),
            Fold::Min => format!("least(kept.{column}, excluded.{column})"),
            Fold::Max => format!("greatest(kept.{column}, excluded.{column})"),
        };
        format!("{column} = {both}")
    });
    let set = set.collect::<Vec<_>>().join(", ");
    let conflict = if set.is_empty() { "NOTHING".to_owned() } else { format!("UPDATE SET {set}") };
    format!(
        "INSERT INTO {table} AS kept ({all}) SELECT {selected} FROM {staging} GROUP BY {keys} \
         ORDER BY {keys} ON CONFLICT ({keys}) DO {conflict}"
    )
}

/// Why rows could not be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    File(#[from] std::io::Error),
}

impl SendError {
    pub(super) fn told(self, doing: String) -> TargetError {
        match self {
            SendError::Database(error) => failure::of(doing, error),
            SendError::File(source) => TargetError::File { doing, source },
        }
    }
}

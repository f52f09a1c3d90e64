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

/// What is sent at once.
const SEND: usize = 256 << 10;

/// Rows for one table.
pub(super) struct Sheet {
    table: String,
    columns: Vec<WireColumn>,
    write: Write,
    bytes: SpooledTempFile,
    length: u64,
    pub(super) rows: u64,
}

impl Sheet {
    pub(super) fn new(table: &str, columns: Vec<WireColumn>, write: Write, spool: &Path) -> Sheet {
        Sheet {
            table: table.to_owned(),
            columns,
            write,
            bytes: SpooledTempFile::new_in(IN_MEMORY, spool),
            length: 0,
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
        self.length += bytes.len() as u64;
        self.rows += rows.num_rows() as u64;
        Ok(())
    }

    /// The table of this connection where the rows wait: it is made once, and empty after every
    /// commit. Made outside of a transaction, it leaves no lock on the table that it is like.
    pub(super) async fn prepare(&self, on: &mut PgConnection) -> Result<(), sqlx::Error> {
        let (staging, table) = (self.staging(), quoted(&self.table));
        let made = format!(
            "CREATE TEMPORARY TABLE IF NOT EXISTS {staging} ON COMMIT DELETE ROWS AS \
             SELECT {} FROM {table} WITH NO DATA",
            quoted_all(&self.names())
        );
        sqlx::query(&made).persistent(false).execute(on).await.map(drop)
    }

    /// Sends the rows to where they wait. The server gives up no COPY whose sender is silent, so
    /// nothing may be locked meanwhile that others want.
    pub(super) async fn send(&mut self, to: &mut PgConnection) -> Result<(), SendError> {
        if self.rows == 0 {
            return Ok(());
        }
        let names = quoted_all(&self.names());
        let sql = format!("COPY {} ({names}) FROM STDIN (FORMAT binary)", self.staging());
        self.bytes.seek(SeekFrom::Start(0))?;
        let mut buffer = vec![0; SEND];
        let mut copy = to.copy_in_raw(&sql).await?;
        copy.send(HEAD).await?;
        let mut left = self.length;
        while left > 0 {
            let part = SEND.min(usize::try_from(left).unwrap_or(SEND));
            self.bytes.read_exact(&mut buffer[..part])?;
            copy.send(&buffer[..part]).await?;
            left -= part as u64;
        }
        copy.send(TAIL).await?;
        copy.finish().await?;
        Ok(())
    }

    /// Takes the rows that wait into the table.
    pub(super) async fn take(&self, within: &mut PgConnection) -> Result<(), sqlx::Error> {
        if self.rows == 0 {
            return Ok(());
        }
        let (table, staging, names) = (quoted(&self.table), self.staging(), self.names());
        let sql = match &self.write {
            Write::Merge { key, folds } => merged(&table, &staging, &names, key, folds),
            _ => {
                let columns = quoted_all(&names);
                format!("INSERT INTO {table} ({columns}) SELECT {columns} FROM {staging}")
            }
        };
        sqlx::query(&sql).execute(within).await.map(drop)
    }

    fn staging(&self) -> String {
        quoted(&format!("assay_{}", self.table.replace('.', "_")))
    }

    fn names(&self) -> Vec<&str> {
        self.columns.iter().map(|column| column.name.as_str()).collect()
    }
}

/// Adds what is staged to the rows that are there, in the order of the keys, so that workers who
/// do so at once wait for each other and never in a circle.
fn merged(
    table: &str,
    staging: &str,
    columns: &[&str],
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

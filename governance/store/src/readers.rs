//! Stages that read a topic into a database: how far they are is written there, not in a table of
//! the lake, so whoever deletes messages learns of them here.

use assay_core::ReaderId;
use chrono::{DateTime, Utc};

use crate::column::from_time;
use crate::database::{Row, statement};
use crate::{AuditEntry, Store, StoreError, audit};

impl Store {
    /// Remembers that `reader` reads `topic` into a database.
    pub async fn read_into_database(
        &self,
        reader: &ReaderId,
        topic: &str,
        at: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        statement(
            "INSERT INTO database_readers (reader, topic, at) VALUES ($1, $2, $3)
             ON CONFLICT (reader, topic) DO UPDATE SET at = excluded.at",
        )
        .bind(&reader.0)
        .bind(topic)
        .bind(from_time(at))
        .execute(self.pool())
        .await
        .map_err(self.failed("remember who reads into a database"))?;
        Ok(())
    }

    /// Who reads which topic into a database.
    pub async fn database_readers(&self) -> Result<Vec<(ReaderId, String)>, StoreError> {
        let failed = self.failed("see who reads into a database");
        let rows = statement("SELECT reader, topic FROM database_readers ORDER BY reader, topic")
            .fetch_all(self.pool())
            .await
            .map_err(&failed)?;
        let one = |row: &Row| Ok((ReaderId(row.try_get("reader")?), row.try_get("topic")?));
        rows.iter().map(one).collect::<Result<_, _>>().map_err(failed)
    }

    /// Forgets a reader that will never come again, and keeps who said so and why, together; false
    /// when there is none of that name.
    pub async fn forget_database_reader(
        &self,
        reader: &ReaderId,
        entry: &AuditEntry,
    ) -> Result<bool, StoreError> {
        let forgotten = async {
            let mut transaction = self.write().await?;
            let gone = statement("DELETE FROM database_readers WHERE reader = $1")
                .bind(&reader.0)
                .execute(&mut transaction)
                .await?;
            if gone.rows_affected() == 0 {
                return Ok(false);
            }
            audit::put(&mut transaction, entry).await?;
            transaction.commit().await?;
            Ok(true)
        };
        forgotten.await.map_err(self.failed("forget a reader"))
    }
}

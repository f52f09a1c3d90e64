use uuid::Uuid;

use crate::database::statement;
use crate::{Store, StoreError};

impl Store {
    /// The name by which others know this store: `made` when it had none, and for ever after.
    pub async fn identity(&self, made: Uuid) -> Result<String, StoreError> {
        let failed = self.failed("read the store's name");
        let name = async {
            let known = "SELECT id FROM identity";
            if let Some(row) = statement(known).fetch_optional(self.pool()).await? {
                return row.try_get("id");
            }
            statement(
                "INSERT INTO identity (id) SELECT $1 WHERE NOT EXISTS (SELECT 1 FROM identity)",
            )
            .bind(made.to_string())
            .execute(self.pool())
            .await?;
            statement("SELECT id FROM identity").fetch_one(self.pool()).await?.try_get("id")
        };
        name.await.map_err(failed)
    }
}

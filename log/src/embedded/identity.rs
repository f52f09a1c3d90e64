use super::file::LogFile;
use crate::LogError;

/// The name of this log, whatever its file is called. It is made when somebody first asks for it.
pub(super) async fn identity(file: &LogFile) -> Result<String, LogError> {
    const DOING: &str = "read the name of the log";
    const NAME: &str = "SELECT id FROM identity";
    let failed = |error| file.failed(DOING, error);
    let known = sqlx::query_scalar(NAME).fetch_optional(&mut *file.view(DOING).await?).await;
    // There is no such table before.
    if let Ok(Some(id)) = known {
        return Ok(id);
    }
    let mut connection = file.writer(DOING).await?;
    for sql in [
        "CREATE TABLE IF NOT EXISTS identity (id TEXT NOT NULL PRIMARY KEY)",
        "INSERT INTO identity (id) SELECT lower(hex(randomblob(16)))
         WHERE NOT EXISTS (SELECT 1 FROM identity)",
    ] {
        sqlx::query(sql).execute(&mut *connection).await.map_err(failed)?;
    }
    sqlx::query_scalar(NAME).fetch_one(&mut *connection).await.map_err(failed)
}

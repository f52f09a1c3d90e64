//! A statement with its values, for either database.

use std::borrow::Cow;

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Postgres, Sqlite};

use super::{Pool, Row, Session};

/// What a statement runs on.
pub(crate) enum On<'o> {
    Pool(&'o Pool),
    Session(&'o mut Session),
}

impl<'o> From<&'o Pool> for On<'o> {
    fn from(pool: &'o Pool) -> On<'o> {
        On::Pool(pool)
    }
}

impl<'o> From<&'o mut Session> for On<'o> {
    fn from(session: &'o mut Session) -> On<'o> {
        On::Session(session)
    }
}

/// Of the types that both databases have. What is not there has one as well: PostgreSQL asks.
#[derive(Debug, Clone)]
pub(crate) enum Value<'q> {
    Text(Option<Cow<'q, str>>),
    Integer(Option<i64>),
    Real(Option<f64>),
}

/// SQL that both databases understand, and the values of its `$1`, `$2` and so on.
#[derive(Debug)]
pub(crate) struct Statement<'q> {
    sql: &'q str,
    values: Vec<Value<'q>>,
    /// Whether the same words may come again, so that it pays for a server to remember them.
    again: bool,
}

/// What a statement that writes did.
#[derive(Debug)]
pub(crate) struct Done(u64);

impl Done {
    pub(crate) fn rows_affected(&self) -> u64 {
        self.0
    }
}

pub(crate) fn statement(sql: &str) -> Statement<'_> {
    Statement { sql, values: Vec::new(), again: true }
}

impl<'q> Statement<'q> {
    pub(super) fn of(sql: &'q str, values: Vec<Value<'q>>) -> Statement<'q> {
        Statement { sql, values, again: false }
    }

    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Statement<'q> {
        self.values.push(value.into());
        self
    }

    /// For words that hardly come again.
    pub(crate) fn once(self) -> Statement<'q> {
        Statement { again: false, ..self }
    }

    /// The same values for other words.
    pub(crate) fn saying<'s>(&'s self, sql: &'s str) -> Statement<'s> {
        let again = |value: &'s Value<'q>| match value {
            Value::Text(text) => Value::Text(text.as_deref().map(Cow::Borrowed)),
            Value::Integer(number) => Value::Integer(*number),
            Value::Real(number) => Value::Real(*number),
        };
        Statement { sql, values: self.values.iter().map(again).collect(), again: true }
    }

    /// Runs statements that write and have these values together. The thread of a connection to
    /// SQLite takes them at one go, others one by one.
    pub(crate) async fn run_all(
        &self,
        parts: &[&str],
        session: &mut Session,
    ) -> Result<(), sqlx::Error> {
        match session {
            Session::Sqlite(_) if parts.is_empty() => {}
            Session::Sqlite(_) => {
                self.saying(&parts.concat()).within(session).await?;
            }
            Session::Here(_) | Session::Postgres(..) => {
                for part in parts {
                    self.saying(part).within(session).await?;
                }
            }
        }
        Ok(())
    }

    /// The same of statements that write to different tables each, which PostgreSQL takes at one go;
    /// how many rows the last of them changed.
    pub(crate) async fn run_together(
        &self,
        parts: &[&str],
        session: &mut Session,
    ) -> Result<u64, sqlx::Error> {
        if let Session::Postgres(..) = session {
            let row = self.saying(&together(parts)).fetch_one(session).await?;
            return row.try_get::<i64, _>("changed").map(i64::unsigned_abs);
        }
        let mut changed = 0;
        for part in parts {
            changed = self.saying(part).within(session).await?.rows_affected();
        }
        Ok(changed)
    }

    /// Runs what writes. Outside of a transaction it is one by itself.
    pub(crate) async fn execute(self, on: impl Into<On<'_>>) -> Result<Done, sqlx::Error> {
        match on.into() {
            On::Pool(Pool::Sqlite(pool)) => {
                let done = self.sqlite().execute(pool).await?;
                Ok(Done(done.rows_affected()))
            }
            On::Pool(pool @ Pool::Postgres(..)) => {
                let mut session = pool.write().await?;
                let done = self.within(&mut session).await?;
                session.commit().await?;
                Ok(done)
            }
            On::Session(session) => self.within(session).await,
        }
    }

    async fn within(self, session: &mut Session) -> Result<Done, sqlx::Error> {
        Ok(Done(match session {
            Session::Sqlite(transaction) => {
                self.sqlite().execute(&mut **transaction).await?.rows_affected()
            }
            Session::Here(here) => here.execute(self.sql, &self.values)?,
            Session::Postgres(transaction, _) => {
                self.postgres().execute(&mut **transaction).await?.rows_affected()
            }
        }))
    }

    pub(crate) async fn fetch_all(self, on: impl Into<On<'_>>) -> Result<Vec<Row>, sqlx::Error> {
        let sqlite = |rows: Vec<_>| rows.into_iter().map(Row::Sqlite).collect();
        let postgres = |rows: Vec<_>| rows.into_iter().map(Row::Postgres).collect();
        match on.into() {
            On::Pool(Pool::Sqlite(pool)) => self.sqlite().fetch_all(pool).await.map(sqlite),
            On::Pool(Pool::Postgres(pool, _)) => {
                self.postgres().fetch_all(pool).await.map(postgres)
            }
            On::Session(Session::Sqlite(transaction)) => {
                self.sqlite().fetch_all(&mut **transaction).await.map(sqlite)
            }
            On::Session(Session::Here(here)) => {
                Ok(here.rows(self.sql, &self.values)?.into_iter().map(Row::Here).collect())
            }
            On::Session(Session::Postgres(transaction, _)) => {
                self.postgres().fetch_all(&mut **transaction).await.map(postgres)
            }
        }
    }

    pub(crate) async fn fetch_optional(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Option<Row>, sqlx::Error> {
        Ok(match on.into() {
            On::Pool(Pool::Sqlite(pool)) => {
                self.sqlite().fetch_optional(pool).await?.map(Row::Sqlite)
            }
            On::Pool(Pool::Postgres(pool, _)) => {
                self.postgres().fetch_optional(pool).await?.map(Row::Postgres)
            }
            On::Session(Session::Sqlite(transaction)) => {
                self.sqlite().fetch_optional(&mut **transaction).await?.map(Row::Sqlite)
            }
            On::Session(Session::Here(here)) => {
                here.rows(self.sql, &self.values)?.into_iter().next().map(Row::Here)
            }
            On::Session(Session::Postgres(transaction, _)) => {
                self.postgres().fetch_optional(&mut **transaction).await?.map(Row::Postgres)
            }
        })
    }

    pub(crate) async fn fetch_one(self, on: impl Into<On<'_>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(on).await?.ok_or(sqlx::Error::RowNotFound)
    }

    /// Hands the rows over `each` by each, so that they are not in memory together; false ends it.
    pub(crate) async fn each(
        self,
        pool: &Pool,
        mut each: impl FnMut(&Row) -> Result<bool, sqlx::Error> + Send,
    ) -> Result<(), sqlx::Error> {
        let mut rows: BoxStream<'_, Result<Row, sqlx::Error>> = match pool {
            Pool::Sqlite(pool) => self.sqlite().fetch(pool).map_ok(Row::Sqlite).boxed(),
            Pool::Postgres(pool, _) => self.postgres().fetch(pool).map_ok(Row::Postgres).boxed(),
        };
        while let Some(row) = rows.try_next().await? {
            if !each(&row)? {
                break;
            }
        }
        Ok(())
    }

    fn sqlite(&self) -> sqlx::query::Query<'_, Sqlite, SqliteArguments<'_>> {
        self.values.iter().fold(sqlx::query(self.sql), |query, value| match value {
            Value::Text(text) => query.bind(text.as_deref()),
            Value::Integer(number) => query.bind(number),
            Value::Real(number) => query.bind(number),
        })
    }

    fn postgres(&self) -> sqlx::query::Query<'_, Postgres, PgArguments> {
        let query = sqlx::query(self.sql).persistent(self.again);
        self.values.iter().fold(query, |query, value| match value {
            Value::Text(text) => query.bind(text.as_deref().map(without_nul)),
            Value::Integer(number) => query.bind(number),
            Value::Real(number) => query.bind(number),
        })
    }
}

/// One statement for several that do not see what the others do.
fn together(parts: &[&str]) -> String {
    let part = |(number, part): (usize, &&str)| {
        let part = part.trim().trim_end_matches(';');
        format!("part_{number} AS ({part} RETURNING 1)")
    };
    let all: Vec<String> = parts.iter().enumerate().map(part).collect();
    let last = parts.len().saturating_sub(1);
    format!("WITH {} SELECT COUNT(*) AS changed FROM part_{last}", all.join(", "))
}

/// PostgreSQL keeps no text with the character 0, and takes no JSON apart that has one: it gets the
/// sign that stands for it. What comes in from others may have one, and must not stop the rest.
fn without_nul(text: &str) -> Cow<'_, str> {
    const ESCAPED: &str = "\\u0000";
    if !text.contains('\0') && !text.contains(ESCAPED) {
        return Cow::Borrowed(text);
    }
    let text = text.replace('\0', "\u{2400}");
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(place) = rest.find(ESCAPED) {
        let (before, behind) = rest.split_at(place);
        kept.push_str(before);
        // Behind an odd number of backslashes this one is escaped itself, and means a backslash.
        let backslashes = kept.len() - kept.trim_end_matches('\\').len();
        let (sign, taken) =
            if backslashes.is_multiple_of(2) { ("\u{2400}", ESCAPED.len()) } else { ("\\", 1) };
        kept.push_str(sign);
        rest = &behind[taken..];
    }
    kept.push_str(rest);
    Cow::Owned(kept)
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(text: &'q str) -> Self {
        Value::Text(Some(Cow::Borrowed(text)))
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(text: &'q String) -> Self {
        Value::Text(Some(Cow::Borrowed(text)))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(Some(Cow::Owned(text)))
    }
}

impl<'q> From<Option<&'q str>> for Value<'q> {
    fn from(text: Option<&'q str>) -> Self {
        Value::Text(text.map(Cow::Borrowed))
    }
}

impl<'q> From<Option<&'q String>> for Value<'q> {
    fn from(text: Option<&'q String>) -> Self {
        Value::Text(text.map(|text| Cow::Borrowed(text.as_str())))
    }
}

impl<'q> From<&'q Option<String>> for Value<'q> {
    fn from(text: &'q Option<String>) -> Self {
        Value::Text(text.as_deref().map(Cow::Borrowed))
    }
}

impl From<Option<String>> for Value<'_> {
    fn from(text: Option<String>) -> Self {
        Value::Text(text.map(Cow::Owned))
    }
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Value::Integer(Some(number))
    }
}

impl From<u32> for Value<'_> {
    fn from(number: u32) -> Self {
        Value::Integer(Some(number.into()))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(number: Option<i64>) -> Self {
        Value::Integer(number)
    }
}

impl From<Option<u32>> for Value<'_> {
    fn from(number: Option<u32>) -> Self {
        Value::Integer(number.map(i64::from))
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Real(Some(number))
    }
}

impl From<Option<f64>> for Value<'_> {
    fn from(number: Option<f64>) -> Self {
        Value::Real(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_postgres_can_not_keep_is_a_sign() {
        assert_eq!(without_nul("as it is"), "as it is");
        assert_eq!(without_nul("a\0b"), "a\u{2400}b");
        assert_eq!(without_nul(r#"["a\u0000b\u0000"]"#), "[\"a\u{2400}b\u{2400}\"]");
        // A backslash and `u0000` behind it, as somebody wrote it.
        assert_eq!(without_nul(r#"["a\\u0000b"]"#), r#"["a\\u0000b"]"#);
        assert_eq!(without_nul(r#"["a\\\u0000b"]"#), "[\"a\\\\\u{2400}b\"]");
    }
}

use std::fmt::Write;

use super::statement::{Statement, Value};

/// A statement whose parts are put together, each with its values.
pub(crate) struct Building {
    sql: String,
    values: Vec<Value<'static>>,
}

impl Building {
    pub(crate) fn new(sql: impl Into<String>) -> Building {
        Building { sql: sql.into(), values: Vec::new() }
    }

    pub(crate) fn push(&mut self, sql: impl AsRef<str>) -> &mut Building {
        self.sql.push_str(sql.as_ref());
        self
    }

    pub(crate) fn push_bind(&mut self, value: impl Into<Value<'static>>) -> &mut Building {
        self.values.push(value.into());
        // To a text nothing fails to be written.
        let _ = write!(self.sql, "${}", self.values.len());
        self
    }

    pub(crate) fn build(&self) -> Statement<'_> {
        Statement::of(&self.sql, self.values.clone())
    }
}

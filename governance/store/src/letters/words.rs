//! What letters were ever asked by: stages, rules and the like that some letter names.

use crate::database::{Row, statement};
use crate::{Store, StoreError};

/// What a letter names, and may be asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterWord {
    Stage,
    Dataset,
    Rule,
    Class,
    Group,
}

impl LetterWord {
    pub fn name(self) -> &'static str {
        match self {
            LetterWord::Stage => "stage",
            LetterWord::Dataset => "dataset",
            LetterWord::Rule => "rule",
            LetterWord::Class => "class",
            LetterWord::Group => "group",
        }
    }

    fn source(self) -> &'static str {
        match self {
            LetterWord::Stage => "SELECT stage AS word FROM letter_causes",
            LetterWord::Dataset => "SELECT dataset AS word FROM letter_causes",
            LetterWord::Class => "SELECT class AS word FROM letter_causes",
            LetterWord::Group => "SELECT fingerprint AS word FROM letter_causes",
            LetterWord::Rule => {
                "SELECT value AS word FROM letter_causes, json_each(letter_causes.rules)"
            }
        }
    }
}

impl Store {
    /// Whether any letter names that word.
    pub async fn is_letter_word(&self, kind: LetterWord, word: &str) -> Result<bool, StoreError> {
        let failed = self.failed("look for what letters name");
        let sql = format!("SELECT 1 FROM ({}) w WHERE word = $1 LIMIT 1", kind.source());
        let found = statement(&sql).bind(word).fetch_optional(self.pool()).await;
        Ok(found.map_err(failed)?.is_some())
    }

    /// Every word of that kind that some letter names, by name, at most so many.
    pub async fn letter_words(
        &self,
        kind: LetterWord,
        limit: u32,
    ) -> Result<Vec<String>, StoreError> {
        let failed = self.failed("read what letters name");
        let from = kind.source();
        // What comes out of JSON is in the order of the database's language.
        let order = self.pool().either("word", "word COLLATE \"C\"");
        let sql = format!(
            "SELECT word FROM ({from}) w WHERE word IS NOT NULL GROUP BY word
             ORDER BY {order} LIMIT $1"
        );
        let rows = statement(&sql).bind(i64::from(limit)).fetch_all(self.pool()).await;
        let word = |row: &Row| row.try_get("word");
        rows.map_err(&failed)?.iter().map(word).collect::<Result<_, _>>().map_err(failed)
    }
}

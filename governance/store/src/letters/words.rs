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
            LetterWord::Stage => "stage AS word FROM letter_causes",
            LetterWord::Dataset => "dataset AS word FROM letter_causes",
            LetterWord::Class => "class AS word FROM letter_causes",
            LetterWord::Group => "fingerprint AS word FROM letter_causes",
            LetterWord::Rule => "value AS word FROM letter_causes, json_each(letter_causes.rules)",
        }
    }
}

impl Store {
    /// Whether any letter names that word.
    pub async fn is_letter_word(&self, kind: LetterWord, word: &str) -> Result<bool, StoreError> {
        let failed = self.failed("look for what letters name");
        let sql = format!("SELECT {} WHERE word = $1 LIMIT 1", kind.source());
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
        let sql = format!("SELECT DISTINCT {from} WHERE word IS NOT NULL ORDER BY 1 LIMIT $1");
        let rows = statement(&sql).bind(i64::from(limit)).fetch_all(self.pool()).await;
        let word = |row: &Row| row.try_get("word");
        rows.map_err(&failed)?.iter().map(word).collect::<Result<_, _>>().map_err(failed)
    }
}

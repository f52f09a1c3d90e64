use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far data has been refined, from the log to gold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// A topic of the log.
    Log,
    Bronze,
    Silver,
    Gold,
}

impl Layer {
    pub fn name(self) -> &'static str {
        match self {
            Layer::Log => "log",
            Layer::Bronze => "bronze",
            Layer::Silver => "silver",
            Layer::Gold => "gold",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A topic or a table, written `layer.name`: `log.raw_metrics_avro`, `silver.github_events`.
///
/// An invalid name cannot exist: the name part is made of letters, digits, `_` and `-`.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct DatasetName {
    layer: Layer,
    name: String,
}

/// Why a text is not the name of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a dataset: write layer.name, where the layer is log, bronze, silver or gold \
     and the name has only letters, digits, `_` and `-`"
)]
pub struct InvalidDatasetName(String);

impl DatasetName {
    pub fn layer(&self) -> Layer {
        self.layer
    }

    /// The part behind the layer.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl FromStr for DatasetName {
    type Err = InvalidDatasetName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDatasetName(text.to_owned());
        let (layer, name) = text.split_once('.').ok_or_else(invalid)?;
        let layer = [Layer::Log, Layer::Bronze, Layer::Silver, Layer::Gold]
            .into_iter()
            .find(|known| known.name() == layer)
            .ok_or_else(invalid)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(invalid());
        }
        Ok(DatasetName { layer, name: name.to_owned() })
    }
}

impl TryFrom<String> for DatasetName {
    type Error = InvalidDatasetName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DatasetName> for String {
    fn from(name: DatasetName) -> String {
        name.to_string()
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.layer, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_layer_and_its_own_part() {
        let name: DatasetName = "silver.github_events".parse().unwrap();
        assert_eq!(name.layer(), Layer::Silver);
        assert_eq!(name.name(), "github_events");
        assert_eq!(name.to_string(), "silver.github_events");
    }

    #[test]
    fn what_could_not_be_a_table_or_topic_is_refused() {
        for bad in ["", "silver", "silver.", "iron.x", "silver.a b", "silver.a.b", "silver.a/b"] {
            assert!(bad.parse::<DatasetName>().is_err(), "{bad} was accepted");
        }
    }
}

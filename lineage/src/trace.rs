//! A column followed back through every dataset that is known, to where its values come from.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use assay_core::DatasetName;
use serde::Serialize;

use crate::columns::{ColumnLineage, InputColumn};

/// A column, and those that it is made from.
///
/// Prints as a tree of text. A column that stands above itself is not followed again: a table may
/// be made from its own earlier rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    pub dataset: DatasetName,
    pub column: String,
    /// What the column above it does with this one.
    pub used_as: Option<String>,
    /// How it is made itself; absent for what goes through as it is.
    pub expression: Option<String>,
    /// Stands above itself.
    pub repeated: bool,
    pub branches: Vec<Trace>,
}

impl Trace {
    /// Follows `column` back through `known`.
    pub fn of(
        dataset: &DatasetName,
        column: &str,
        known: &BTreeMap<&DatasetName, &ColumnLineage>,
    ) -> Trace {
        follow(dataset, column, None, known, &mut vec![])
    }

    fn draw(&self, f: &mut fmt::Formatter<'_>, indent: &str) -> fmt::Result {
        for (index, branch) in self.branches.iter().enumerate() {
            let last = index + 1 == self.branches.len();
            let (corner, below) =
                if last { ("└── ", "    ") } else { ("├── ", "│   ") };
            write!(f, "\n{indent}{corner}{}", branch.line())?;
            branch.draw(f, &format!("{indent}{below}"))?;
        }
        Ok(())
    }

    fn line(&self) -> String {
        let mut line = format!("{}.{}", self.dataset, self.column);
        if let Some(used_as) = &self.used_as {
            let _ = write!(line, "  [{used_as}]");
        }
        match (&self.expression, self.repeated) {
            (_, true) => line.push_str("  (again)"),
            (Some(expression), false) => {
                let _ = write!(line, "  = {expression}");
            }
            (None, false) => {}
        }
        line
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())?;
        self.draw(f, "")
    }
}

fn follow(
    dataset: &DatasetName,
    column: &str,
    used_as: Option<String>,
    known: &BTreeMap<&DatasetName, &ColumnLineage>,
    above: &mut Vec<(DatasetName, String)>,
) -> Trace {
    let place = (dataset.clone(), column.to_owned());
    let made = known.get(dataset).and_then(|lineage| lineage.column(column));
    let repeated = above.contains(&place);
    let mut trace = Trace {
        dataset: dataset.clone(),
        column: column.to_owned(),
        used_as,
        expression: made.and_then(|made| made.expression.clone()),
        repeated,
        branches: vec![],
    };
    if let Some(made) = made.filter(|_| !repeated) {
        above.push(place);
        for input in &made.inputs {
            let used_as = Some(used_as_words(input));
            trace.branches.push(follow(&input.dataset, &input.column, used_as, known, above));
        }
        above.pop();
    }
    trace
}

/// What is done with an input, in words.
pub fn used_as_words(input: &InputColumn) -> String {
    let direct = input.direct.map(|kind| kind.name()).into_iter();
    let all = direct.chain(input.indirect.iter().map(|kind| kind.name()));
    let words = all.map(|name| name.to_lowercase().replace('_', " "));
    let mut words: Vec<String> = words.collect();
    if input.masked {
        words.push("masked".to_owned());
    }
    words.join(", ")
}

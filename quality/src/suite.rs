use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;

use assay_core::contract::ScoreThresholds;
use assay_core::{
    Contract, DatasetName, Drift, Lag, Mistakes, OnFail, Profile, Quality, Remembered, Rule,
    Season, Volume,
};

use crate::compile::Compiler;
use crate::measure::Measure;
use crate::profiler::{Profiler, Watched};
use crate::range::Range;
use crate::score::row_weight;
use crate::text::TextTest;
use crate::{KeyHasher, Mask, Tally};

/// The rules of one dataset, compiled against the schema of its rows.
#[derive(Debug, Clone)]
pub struct Suite {
    schema: SchemaRef,
    rules: Arc<[Compiled]>,
    /// Bit of a mask → place in `rules`.
    row_rules: Vec<usize>,
    references: Vec<Reference>,
    /// The different conditions under which rules look at a row.
    pub(crate) conditions: Vec<Arc<dyn PhysicalExpr>>,
    /// The bits of the rules whose broken rows leave as dead letters.
    quarantine: Mask,
    pub(crate) thresholds: ScoreThresholds,
    /// The columns that are profiled.
    watched: Vec<Watched>,
}

/// A rule with what it takes to judge it.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) rule: Rule,
    /// The columns it looks at, also those of an expression.
    pub(crate) columns: Vec<String>,
    /// Place among the conditions of the suite.
    pub(crate) condition: Option<usize>,
    /// The first rule that tests rows in the same way, where several do.
    pub(crate) twin: Option<usize>,
    pub(crate) test: Test,
}

pub(crate) enum Test {
    /// True for a row that breaks the rule.
    Breaks(Arc<dyn PhysicalExpr>),
    Null {
        column: usize,
    },
    Outside {
        column: usize,
        range: Range,
    },
    Text {
        column: usize,
        test: TextTest,
    },
    /// Answered by the facts of this place in the references.
    Known {
        reference: usize,
        columns: Vec<usize>,
    },
    /// The row could be read and brought into shape; broken by rows that never got here.
    Readable,
    /// The rows lack what the rule looks at.
    Unjudged {
        of_rows: bool,
        why: &'static str,
    },
    RowCount,
    Fresh {
        column: usize,
        warn_after_seconds: f64,
        error_after_seconds: f64,
    },
    Retained {
        column: usize,
        seconds: f64,
    },
    Unique(KeyHasher),
    Sql(Arc<Measure>),
    /// How the columns differ from those of the contract, which was found out already.
    Columns(Vec<String>),
    Volume(Volume),
    Lag {
        column: usize,
        lag: Lag,
    },
    Drift {
        column: String,
        drift: Drift,
    },
}

/// Keys that another dataset must know; to be looked up before the rows are judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The name of the rule that asks.
    pub rule: String,
    /// The columns of the judged rows, and their places.
    pub columns: Vec<String>,
    pub places: Vec<usize>,
    /// Where the values must be, in the same order.
    pub dataset: DatasetName,
    pub targets: Vec<String>,
}

/// What the rules of a suite want to know of earlier batches and runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asks {
    /// How many rows earlier batches had.
    pub volumes: bool,
    /// The rules that want to know how old the newest row of earlier batches was.
    pub lags: Vec<String>,
    /// So many earlier runs that are like the one of now, and what their rows look like.
    pub runs: BTreeMap<Season, u32>,
}

impl Asks {
    /// Whether no rule asks.
    pub fn is_empty(&self) -> bool {
        *self == Asks::default()
    }
}

impl Suite {
    /// Compiles every rule of `contract` for rows of `schema`, or tells all that stands against it.
    pub fn compile(contract: &Contract, schema: &Schema) -> Result<Suite, Mistakes> {
        Compiler::new(contract, schema)?.compile()
    }

    pub(crate) fn new(
        schema: SchemaRef,
        mut rules: Vec<Compiled>,
        references: Vec<Reference>,
        conditions: Vec<Arc<dyn PhysicalExpr>>,
        thresholds: ScoreThresholds,
        watched: Vec<Watched>,
    ) -> Suite {
        find_twins(&mut rules);
        let of_rows = |(_, compiled): &(usize, &Compiled)| compiled.test.of_rows();
        let row_rules: Vec<usize> =
            rules.iter().enumerate().filter(of_rows).map(|(place, _)| place).collect();
        let quarantines =
            |(_, place): &(usize, &usize)| rules[**place].rule.on_fail == OnFail::Quarantine;
        let quarantine =
            Mask::of(row_rules.iter().enumerate().filter(quarantines).map(|(bit, _)| bit));
        let rules = rules.into();
        Suite { schema, rules, row_rules, references, conditions, quarantine, thresholds, watched }
    }

    /// The same rules, of which every one about rows sends the rows away that break it, so that
    /// they are seen.
    pub fn strict(&self) -> Suite {
        Suite { quarantine: Mask::of(0..self.row_rules.len()), ..self.clone() }
    }

    /// What has to be looked up before rows are judged; `Facts` answer in the same order.
    pub fn references(&self) -> &[Reference] {
        &self.references
    }

    /// What is to be known of earlier batches before the report is made.
    pub fn asks(&self) -> Asks {
        let mut asks = Asks::default();
        for compiled in self.rules.iter() {
            match &compiled.test {
                Test::Volume(_) => asks.volumes = true,
                Test::Lag { .. } => asks.lags.push(compiled.rule.name.clone()),
                Test::Drift { drift, .. } => {
                    let runs = asks.runs.entry(drift.season).or_default();
                    *runs = drift.runs.max(*runs);
                }
                _ => {}
            }
        }
        asks
    }

    /// Takes down what the rows look like that are observed.
    pub fn profiler(&self) -> Profiler<'_> {
        Profiler::new(&self.watched)
    }

    /// What later batches are held against, of a batch that looks like `profile`.
    pub fn remember(&self, profile: Profile, quality: &Quality) -> Remembered {
        let asks = self.asks().lags;
        let told = quality.rules.iter().filter(|result| asks.contains(&result.rule));
        let told = told.filter_map(|result| Some((result.rule.clone(), result.observed?)));
        Remembered { profile, lags: told.collect() }
    }

    /// The tally of rows that could not be read or brought into shape, and so could not be judged
    /// by any other rule. They are rows of the batch all the same.
    pub fn unreadable(&self, rows: u64) -> Tally {
        let bit =
            self.row_rules().position(|(_, compiled)| matches!(compiled.test, Test::Readable));
        Tally { rows, masks: BTreeMap::from([(Mask::of(bit), rows)]), ..Tally::default() }
    }

    /// The names of the rules that a mask of a bad row stands for.
    pub fn names(&self, mask: &Mask) -> Vec<&str> {
        let name = |bit: usize| {
            let place = self.row_rules.get(bit)?;
            Some(self.rules[*place].rule.name.as_str())
        };
        mask.bits().filter_map(name).collect()
    }

    /// How many rows each rule sent away. A row that broke two of them counts for both.
    pub fn rejected_by(&self, tally: &Tally) -> BTreeMap<String, u64> {
        let mut rejected = BTreeMap::new();
        for (mask, rows) in tally.masks() {
            for name in self.names(&mask.and(&self.quarantine)) {
                *rejected.entry(name.to_owned()).or_default() += rows;
            }
        }
        rejected
    }

    pub(crate) fn rules(&self) -> impl Iterator<Item = (usize, &Compiled)> {
        self.rules.iter().enumerate()
    }

    /// The rules about single rows in the order of their bits, each with its place among all.
    pub(crate) fn row_rules(&self) -> impl Iterator<Item = (usize, &Compiled)> {
        self.row_rules.iter().map(|place| (*place, &self.rules[*place]))
    }

    pub(crate) fn rejects(&self, mask: &Mask) -> bool {
        mask.meets(&self.quarantine)
    }

    /// What the rules of a mask take from a row, 0–1: as much as the worst of them.
    pub(crate) fn loss(&self, mask: &Mask) -> f64 {
        let weights = self.row_rules().enumerate().filter(|(bit, _)| mask.has(*bit));
        weights.map(|(_, (_, rule))| row_weight(rule.rule.severity)).fold(0.0, f64::max)
    }

    /// Whether `rows` have the columns that the rules were compiled for.
    pub(crate) fn fits(&self, rows: &RecordBatch) -> bool {
        let schema = rows.schema_ref();
        schema.fields().len() == self.schema.fields().len()
            && schema.fields().iter().zip(self.schema.fields()).all(|(theirs, ours)| {
                theirs.name() == ours.name() && theirs.data_type() == ours.data_type()
            })
    }
}

/// Rules may ask for the same of other rows, or with other consequences.
fn find_twins(rules: &mut [Compiled]) {
    let mut first: HashMap<String, usize> = HashMap::new();
    for place in 0..rules.len() {
        if !matches!(rules[place].test, Test::Breaks(_) | Test::Outside { .. } | Test::Text { .. })
        {
            continue;
        }
        match first.entry(format!("{:?}", rules[place].rule.check)) {
            Entry::Vacant(free) => {
                free.insert(place);
            }
            Entry::Occupied(twin) => {
                let twin = *twin.get();
                rules[twin].twin = Some(twin);
                rules[place].twin = Some(twin);
            }
        }
    }
}

impl Test {
    pub(crate) fn of_rows(&self) -> bool {
        match self {
            Test::Breaks(_)
            | Test::Null { .. }
            | Test::Outside { .. }
            | Test::Text { .. }
            | Test::Known { .. }
            | Test::Readable => true,
            Test::Unjudged { of_rows, .. } => *of_rows,
            _ => false,
        }
    }
}

impl fmt::Debug for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Test::Breaks(expression) => write!(f, "Breaks({expression})"),
            Test::Null { column } => write!(f, "Null({column})"),
            Test::Outside { column, range } => write!(f, "Outside({column}, {range:?})"),
            Test::Text { column, test } => write!(f, "Text({column}, {test:?})"),
            Test::Known { reference, .. } => write!(f, "Known({reference})"),
            Test::Readable => f.write_str("Readable"),
            Test::Unjudged { why, .. } => write!(f, "Unjudged({why})"),
            Test::RowCount => f.write_str("RowCount"),
            Test::Fresh { .. } => f.write_str("Fresh"),
            Test::Retained { .. } => f.write_str("Retained"),
            Test::Unique(_) => f.write_str("Unique"),
            Test::Sql(measure) => write!(f, "Sql({measure:?})"),
            Test::Columns(problems) => write!(f, "Columns({problems:?})"),
            Test::Volume(volume) => write!(f, "{volume:?}"),
            Test::Lag { column, lag } => write!(f, "Lag({column}, {lag:?})"),
            Test::Drift { column, drift } => write!(f, "Drift({column}, {drift:?})"),
        }
    }
}

//! From what an ODCS file says to columns and rules that can be judged.

mod column;
mod custom;
mod history;
mod quality;
mod sla;

use std::collections::{BTreeMap, BTreeSet};

use super::extension::Extension;
use super::{Contract, OpenDataContract, SchemaObject, ScoreThresholds};
use crate::{
    Check, DatasetName, Dimension, Document, Mistake, Mistakes, OnFail, Rule, Severity, Threshold,
};

/// Collects rules and mistakes while a contract is read.
struct Compiler<'a> {
    document: &'a Document,
    dataset: &'a DatasetName,
    /// What the contract calls the table.
    table: String,
    rules: Vec<Rule>,
    mistakes: Vec<Mistake>,
}

/// What a contract says about a rule beside what it checks.
#[derive(Debug, Clone, Default)]
struct Manner {
    name: Option<String>,
    severity: Option<Severity>,
    on_fail: Option<OnFail>,
    threshold: Option<Threshold>,
    dimension: Option<String>,
    condition: Option<String>,
}

pub(super) fn compile(
    document: &Document,
    contract: &OpenDataContract,
    dataset: &DatasetName,
) -> Result<Contract, Mistakes> {
    let Some((place, object)) = find(contract, dataset) else {
        let what = format!("the contract has no schema for {dataset}");
        let fix = format!("name one `{}`, or give it the physicalName `{dataset}`", dataset.name());
        return Err(document.mistake("/schema", what, fix).into());
    };
    compile_schema(document, contract, dataset, (place, object))
}

/// Compiles the schema at `place`, whatever it is called.
fn compile_schema(
    document: &Document,
    contract: &OpenDataContract,
    dataset: &DatasetName,
    object: (usize, &SchemaObject),
) -> Result<Contract, Mistakes> {
    let (contract, mistakes) = compile_on(document, contract, dataset, object);
    mistakes.none_or(contract)
}

/// Compiles what can be compiled of the schema at `place`, and tells what is wrong with the rest.
pub(super) fn compile_on(
    document: &Document,
    contract: &OpenDataContract,
    dataset: &DatasetName,
    (place, object): (usize, &SchemaObject),
) -> (Contract, Mistakes) {
    let table = object.name.clone();
    let mut compiler =
        Compiler { document, dataset, table, rules: Vec::new(), mistakes: Vec::new() };
    let at = format!("/schema/{place}");
    let thresholds = compiler.thresholds(&at, object);
    let columns = compiler.columns(&at, object);
    compiler.table_rules(&at, object);
    compiler.service_levels(contract, object);
    compiler.check_names(object);
    compiler.check_drift(&columns);
    let contract = Contract {
        id: contract.id.clone(),
        version: contract.version.clone(),
        dataset: dataset.clone(),
        columns,
        rules: compiler.rules,
        thresholds,
        file: document.file().to_owned(),
    };
    (contract, Mistakes(compiler.mistakes))
}

/// The schema that describes the dataset: by its physical name, else by its own.
fn find<'a>(
    contract: &'a OpenDataContract,
    dataset: &DatasetName,
) -> Option<(usize, &'a SchemaObject)> {
    let full = dataset.to_string();
    let objects = || contract.schema.iter().enumerate();
    objects().find(|(_, object)| object.physical_name.as_deref() == Some(&full)).or_else(|| {
        objects()
            .find(|(_, object)| object.physical_name.is_none() && object.name == dataset.name())
    })
}

impl Compiler<'_> {
    fn mistake(&mut self, at: &str, what: impl Into<String>, fix: impl Into<String>) {
        self.mistakes.push(self.document.mistake(at, what, fix));
    }

    fn thresholds(&mut self, at: &str, object: &SchemaObject) -> ScoreThresholds {
        let mut ours = Extension::at(self.document, at, &object.custom_properties);
        let expected = "write a score from 0 to 100";
        let warn_below: Option<f64> = ours.take("warnBelow", expected, &mut self.mistakes);
        let halt_below: Option<f64> = ours.take("haltBelow", expected, &mut self.mistakes);
        let columns: Option<String> =
            ours.take("columns", "write exact or atLeast", &mut self.mistakes);
        ours.finish("warnBelow, haltBelow or columns", &mut self.mistakes);
        match columns.as_deref() {
            None => {}
            Some(word @ ("exact" | "atLeast")) => {
                let check = Check::Columns { exact: word == "exact" };
                self.add(at, "columns".to_owned(), check, Manner::default());
            }
            Some(word) => self.mistake(
                at,
                format!("`columns` can't be `{word}`"),
                "exact, when other columns are a mistake, else atLeast",
            ),
        }
        for score in [warn_below, halt_below].into_iter().flatten() {
            if !(0.0..=100.0).contains(&score) {
                self.mistake(at, format!("a score can't be {score}"), expected);
            }
        }
        ScoreThresholds { warn_below, halt_below }
    }

    /// Adds a rule; what the contract leaves open gets the default of its kind.
    fn add(&mut self, at: &str, default_name: String, check: Check, manner: Manner) {
        let severity = manner.severity.unwrap_or(Severity::Error);
        let rows = check.of_rows();
        let on_fail = manner.on_fail.unwrap_or(match severity {
            Severity::Error | Severity::Critical if rows => OnFail::Quarantine,
            _ => OnFail::Keep,
        });
        if on_fail == OnFail::Quarantine && !rows {
            let what = "a rule about the whole batch can't quarantine a row";
            self.mistake(at, what, "use keep (a warning) or halt");
        }
        let dimension = manner.dimension.unwrap_or_else(|| dimension_of(&check).to_owned());
        self.rules.push(Rule {
            name: manner.name.unwrap_or(default_name),
            check,
            severity,
            on_fail,
            condition: manner.condition,
            threshold: manner.threshold.unwrap_or(Threshold::NONE),
            dimension,
            line: self.document.line(at).unwrap_or_default(),
        });
    }

    /// Names are unique, and the columns that rules speak of exist.
    fn check_names(&mut self, object: &SchemaObject) {
        let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
        let columns: BTreeSet<&str> = object.properties.iter().map(|it| it.name.as_str()).collect();
        let mut found = Vec::new();
        for rule in &self.rules {
            let mut complain = |what: String, fix: String| {
                let file = self.document.file().to_owned();
                found.push(Mistake { file, line: Some(rule.line), what, fix: Some(fix) });
            };
            if let Some(line) = seen.insert(&rule.name, rule.line) {
                let what = format!("the rule `{}` is there twice, first on line {line}", rule.name);
                complain(what, "give one of them another id".to_owned());
            }
            for column in rule.check.columns() {
                if !columns.contains(column) {
                    let what = format!("`{}` looks at `{column}`, which is no column", rule.name);
                    complain(what, format!("use a column of {}", self.dataset));
                }
            }
        }
        self.mistakes.extend(found);
    }

    /// A condition of ours at some place of the contract.
    fn condition(&mut self, ours: &mut Extension<'_>) -> Option<String> {
        let expected = "SQL over the columns of a row, for example `country = 'VN'`";
        ours.take("where", expected, &mut self.mistakes)
    }

    fn dimension(&mut self, at: &str, word: Option<&str>) -> Option<String> {
        let word = word?;
        let known = Dimension::OF_THE_STANDARD.contains(&word);
        if !known {
            let fix = Dimension::OF_THE_STANDARD.join(", ");
            self.mistake(&format!("{at}/dimension"), format!("unknown dimension `{word}`"), fix);
        }
        known.then(|| word.to_owned())
    }

    fn severity(&mut self, at: &str, text: Option<&str>) -> Option<Severity> {
        let text = text?;
        let known = [Severity::Info, Severity::Warning, Severity::Error, Severity::Critical];
        let found = known.into_iter().find(|severity| severity.name() == text.to_ascii_lowercase());
        if found.is_none() {
            let at = format!("{at}/severity");
            self.mistake(
                &at,
                format!("unknown severity `{text}`"),
                "info, warning, error or critical",
            );
        }
        found
    }
}

/// The dimension of ODCS that a check speaks of when the contract does not say.
fn dimension_of(check: &Check) -> &'static str {
    match check {
        Check::NotNull { .. } | Check::NotMissing { .. } => "completeness",
        Check::OneOf { .. }
        | Check::Matches { .. }
        | Check::Valid { .. }
        | Check::Between { .. }
        | Check::Length { .. }
        | Check::Format { .. }
        | Check::MultipleOf { .. }
        | Check::Conforms { .. }
        | Check::Columns { .. } => "conformity",
        Check::Holds { .. }
        | Check::References { .. }
        | Check::Sql { .. }
        | Check::Drift { .. } => "consistency",
        Check::Unique { .. } => "uniqueness",
        Check::RowCount | Check::Volume(_) => "coverage",
        Check::Fresh { .. } | Check::Retained { .. } | Check::Lag { .. } => "timeliness",
    }
}

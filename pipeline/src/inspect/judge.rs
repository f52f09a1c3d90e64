use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use assay_core::{Check, Contract, OnFail, Outcome, Profile, Quality, Remembered, Verdict};
use assay_quality::{BatchFacts, Breaker, Suite, Tally};
use chrono::{DateTime, Utc};
use datafusion::error::DataFusionError;
use datafusion::physical_plan::SendableRecordBatchStream;
use futures::TryStreamExt;
use serde::Serialize;
use tokio::task::JoinSet;

use super::earlier::Earlier;
use super::fit::{Difference, Fit};
use super::references::References;
use super::refused::{Refused, RefusedRows};
use super::repeated::repeated;
use super::{InspectError, Subject};
use crate::lake::Lake;
use crate::stage::arrow_schema;

/// What stands in place of a value that nobody may see.
const REDACTED: &str = "•••";

/// Characters of a value that are shown.
const SHOWN: usize = 200;

/// How rows are judged.
pub struct Look<'a> {
    pub now: DateTime<Utc>,
    /// Rows that are shown of each rule that they broke.
    pub samples: usize,
    /// Columns whose values are not shown.
    pub redact: Vec<String>,
    /// Where rules find the other datasets that they refer to.
    pub lake: Option<&'a Lake>,
    /// What was judged before under the same name, where that is kept.
    pub earlier: Option<Earlier<'a>>,
    /// Counts rows while they are judged, for whoever waits.
    pub seen: Arc<AtomicU64>,
}

/// What judging found.
#[derive(Debug, Clone, Serialize)]
pub struct Judgement {
    pub quality: Quality,
    /// Rows that are there, also those that could not be read.
    pub rows: u64,
    /// Rows that a stage would set aside.
    pub rejected: u64,
    /// Rows that could not be read, or do not fit their types.
    pub refused: Vec<RefusedRows>,
    /// Rule → some of the rows that broke it.
    pub samples: BTreeMap<String, Sample>,
    /// What else a person should know.
    pub notes: Vec<String>,
    /// What later looks of the same name are held against; none of what was halted.
    #[serde(skip)]
    pub remembered: Option<Remembered>,
}

/// Some rows, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Sample {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

/// Judges all rows by a contract, in one pass; rules that refer to other tables ask those.
pub async fn judge(
    subject: &Subject,
    contract: &Contract,
    look: &Look<'_>,
) -> Result<Judgement, InspectError> {
    let schema = arrow_schema(contract);
    let (columns, mut notes) = columns(subject, contract, &schema)?;
    let bench = Bench::new(subject, contract, &schema, look).await?;
    notes.extend(unheld(look, contract));
    notes.extend(bench.references.unasked());
    let mut parts = JoinSet::new();
    for part in subject.parts(&columns).await? {
        parts.spawn(Arc::clone(&bench).judge(part));
    }
    let mut all = Part::new(subject);
    while let Some(done) = parts.join_next().await {
        let part = done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        all.merge(part?, look.samples)?;
    }
    let refused = subject.refused.rows();
    let unread: u64 = refused.iter().map(|refused| refused.rows).sum();
    all.tally.merge(bench.suite.unreadable(unread))?;
    let (rows, rejected) = (all.read + unread, all.rejected + unread);
    let breaker = Some(Breaker::default());
    let facts = BatchFacts { now: look.now, empty: rows == 0, read: rows, rejected, breaker };
    let (quality, remembered) = match look.earlier {
        Some(earlier) => {
            let (suite, profile) = (&bench.suite, all.profile.unwrap_or_default());
            let history = earlier.history(suite, look.now).await?;
            let quality = suite.report_among(&all.tally, &facts, &history, &profile)?;
            // What is halted is no example for what comes.
            let fine = quality.verdict != Verdict::Halt;
            let remembered = fine.then(|| suite.remember(profile, &quality));
            (quality, remembered)
        }
        None => (bench.suite.report(&all.tally, &facts)?, None),
    };
    let quality = match unread {
        1.. if contract.rules.is_empty() && quality.verdict == Verdict::Pass => {
            let because =
                vec![format!("{unread} of {rows} rows can't be read, and no rule says so")];
            Quality { verdict: Verdict::Warn, because, ..quality }
        }
        _ => quality,
    };
    let mut samples = all.samples;
    if look.samples > 0 {
        for rule in contract.rules.iter().filter(|rule| failed(&quality, &rule.name)) {
            if let Check::Unique { columns } = &rule.check {
                let found = repeated(subject, columns, &look.redact, look.samples).await?;
                samples.insert(rule.name.clone(), found);
            }
        }
    }
    Ok(Judgement { quality, rows, rejected, refused, samples, notes, remembered })
}

/// Says of rules that hold rows against earlier ones that there are none.
fn unheld(look: &Look<'_>, contract: &Contract) -> Option<String> {
    let asks =
        |check: &Check| matches!(check, Check::Volume(_) | Check::Lag { .. } | Check::Drift { .. });
    let rules = contract.rules.iter().filter(|rule| asks(&rule.check));
    let names: Vec<&str> = rules.map(|rule| rule.name.as_str()).collect();
    (look.earlier.is_none() && !names.is_empty()).then(|| {
        let names = names.join(", ");
        let fix = "keep one with --history NAME";
        format!("no history is kept of such runs, which these rules need: {names}; {fix}")
    })
}

fn failed(quality: &Quality, rule: &str) -> bool {
    quality.rules.iter().any(|result| result.rule == rule && result.outcome == Outcome::Failed)
}

/// The columns that are to be read, and what is remarkable about those that are there.
fn columns(
    subject: &Subject,
    contract: &Contract,
    schema: &SchemaRef,
) -> Result<(Vec<String>, Vec<String>), InspectError> {
    let rows = subject.schema();
    let there = subject.there().unwrap_or(&rows);
    let difference = Difference::between(there, schema);
    let name = subject.name();
    if !difference.changed.is_empty() {
        let list = difference.changed.join(", ");
        let fix = "correct the contract, or CAST in --sql";
        return Err(InspectError::Unfit(format!("{name} has other types: {list}; {fix}")));
    }
    let known = rows.fields().iter().map(|field| field.name());
    let known =
        known.filter(|name| contract.column(name).is_some() && !difference.missing.contains(name));
    let columns: Vec<String> = known.cloned().collect();
    if columns.is_empty() {
        let has: Vec<&str> = there.fields().iter().map(|field| field.name().as_str()).collect();
        let what = format!("{name} has no column of the contract; it has {}", has.join(", "));
        return Err(InspectError::Unfit(what));
    }
    let mut notes = Vec::new();
    if !difference.missing.is_empty() {
        let list = difference.missing.join(", ");
        notes.push(format!("missing, so read as NULL: {list}"));
    }
    if !difference.extra.is_empty() {
        notes.push(format!(
            "not in the contract, so not looked at: {}",
            difference.extra.join(", ")
        ));
    }
    Ok((columns, notes))
}

/// All that judging a part needs; parts share it.
struct Bench {
    name: String,
    suite: Suite,
    /// The same rules, by which every row that breaks one leaves, so that it is seen.
    strict: Suite,
    /// Names of the rules that send rows away.
    quarantining: Vec<String>,
    fit: Fit,
    references: References,
    samples: usize,
    redact: Vec<String>,
    refused: Refused,
    spill: PathBuf,
    seen: Arc<AtomicU64>,
    /// What the rows look like is kept.
    profiles: bool,
}

impl Bench {
    async fn new(
        subject: &Subject,
        contract: &Contract,
        schema: &SchemaRef,
        look: &Look<'_>,
    ) -> Result<Arc<Bench>, InspectError> {
        let suite = Suite::compile(contract, schema)?;
        let strict = suite.strict();
        let references = References::open(&suite, schema, look.lake).await?;
        // What nobody could be asked is told of the rule, and sends no row away.
        let away = contract
            .rules
            .iter()
            .filter(|rule| rule.on_fail == OnFail::Quarantine && references.asked(&rule.name));
        Ok(Arc::new(Bench {
            name: subject.name().to_owned(),
            quarantining: away.map(|rule| rule.name.clone()).collect(),
            suite,
            strict,
            fit: Fit::new(schema),
            references,
            samples: look.samples,
            redact: look.redact.clone(),
            refused: subject.refused.clone(),
            spill: subject.spill.clone(),
            seen: Arc::clone(&look.seen),
            profiles: look.earlier.is_some(),
        }))
    }

    async fn judge(
        self: Arc<Bench>,
        mut rows: SendableRecordBatchStream,
    ) -> Result<Part, InspectError> {
        let wrong = |error: DataFusionError| InspectError::rows(&self.name, &error);
        let mut part = Part { tally: Tally::new(&self.spill), ..Part::default() };
        let mut profiler = self.profiles.then(|| self.suite.profiler());
        while let Some(chunk) = rows.try_next().await.map_err(wrong)? {
            let written = self.chunk(&chunk, &mut part).await?;
            profiler.iter_mut().for_each(|profiler| profiler.take(&written));
        }
        part.profile = profiler.map(|profiler| profiler.finish());
        Ok(part)
    }

    /// Judges a chunk, and gives the rows that a stage would write.
    async fn chunk(
        &self,
        chunk: &RecordBatch,
        part: &mut Part,
    ) -> Result<RecordBatch, InspectError> {
        let wrong = |error: arrow::error::ArrowError| InspectError::rows(&self.name, &error.into());
        let (rows, misfits) = self.fit.apply(chunk).map_err(wrong)?;
        misfits.iter().for_each(|(_, why)| self.refused.add(why, None));
        part.read += rows.num_rows() as u64;
        self.seen.fetch_add(chunk.num_rows() as u64, Ordering::Relaxed);
        let facts = self.references.facts(&rows, &self.name).await?;
        let judged = self.strict.judge(&rows, &facts);
        let mut stays = vec![true; rows.num_rows()];
        for bad in &judged.bad {
            let broken = self.strict.names(&bad.mask);
            if broken.iter().any(|name| self.quarantining.iter().any(|away| away == name)) {
                stays[bad.row as usize] = false;
                part.rejected += 1;
            }
            for name in broken.into_iter().filter(|name| self.references.asked(name)) {
                part.sample(name, &rows, bad.row as usize, self).map_err(wrong)?;
            }
        }
        part.tally.merge(judged.tally)?;
        let written = match stays.contains(&false) {
            true => filter_record_batch(&rows, &BooleanArray::from(stays)).map_err(wrong)?,
            false => rows,
        };
        self.suite.observe(&written, &mut part.tally)?;
        Ok(written)
    }
}

/// What one part of the rows gave.
#[derive(Default)]
struct Part {
    tally: Tally,
    read: u64,
    rejected: u64,
    samples: BTreeMap<String, Sample>,
    profile: Option<Profile>,
}

impl Part {
    fn new(subject: &Subject) -> Part {
        Part { tally: Tally::new(&subject.spill), ..Part::default() }
    }

    fn merge(&mut self, other: Part, samples: usize) -> Result<(), InspectError> {
        self.tally.merge(other.tally)?;
        self.read += other.read;
        self.rejected += other.rejected;
        if let Some(theirs) = other.profile {
            self.profile.get_or_insert_default().merge(&theirs);
        }
        for (rule, sample) in other.samples {
            let ours = self.samples.entry(rule).or_default();
            ours.columns = sample.columns;
            ours.rows.extend(sample.rows);
            ours.rows.truncate(samples);
        }
        Ok(())
    }

    fn sample(
        &mut self,
        rule: &str,
        rows: &RecordBatch,
        row: usize,
        bench: &Bench,
    ) -> Result<(), arrow::error::ArrowError> {
        if bench.samples == 0 {
            return Ok(());
        }
        if !self.samples.contains_key(rule) {
            self.samples.insert(rule.to_owned(), Sample::of(&rows.schema()));
        }
        if let Some(sample) = self.samples.get_mut(rule).filter(|it| it.rows.len() < bench.samples)
        {
            sample.add(rows, row, &bench.redact)?;
        }
        Ok(())
    }
}

impl Sample {
    pub(super) fn of(schema: &SchemaRef) -> Sample {
        let columns = schema.fields().iter().map(|field| field.name().clone()).collect();
        Sample { columns, rows: Vec::new() }
    }

    pub(super) fn add(
        &mut self,
        rows: &RecordBatch,
        row: usize,
        redact: &[String],
    ) -> Result<(), arrow::error::ArrowError> {
        let options = FormatOptions::default().with_display_error(true);
        let mut cells = Vec::with_capacity(rows.num_columns());
        for (column, name) in rows.columns().iter().zip(&self.columns) {
            let cell = match (column.is_null(row), redact.contains(name)) {
                (true, _) => None,
                (false, true) => Some(REDACTED.to_owned()),
                (false, false) => {
                    let text = ArrayFormatter::try_new(column, &options)?.value(row).to_string();
                    Some(text.chars().take(SHOWN).collect())
                }
            };
            cells.push(cell);
        }
        self.rows.push(cells);
        Ok(())
    }
}

//! One batch between its first chunk and its report. Nothing here has an effect outside of the
//! process, but for letters that are spooled to disk.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::error::ArrowError;
use assay_core::{Column, Counts, DraftId, Evaluated, Position, Profile, Report, Run, Verdict};
use assay_dlq::{Closed, Letters};
use assay_quality::{BatchFacts, Breaker, Facts, KeyHasher, KeySet, Profiler, Tally};
use datafusion::error::DataFusionError;

use super::letters::Writer;
use super::times::Times;
use super::{RunError, Runner};
use crate::source::{Chunk, SourceError};
use crate::stage::{Broken, Reads, Shaped, Shaper, Stage, conform};
use crate::target::{Lookup, Snapshot, Target, TargetError, Write};

mod fates;
mod past;
mod timed;
mod windows;

use windows::{Marked, WindowScores};

/// Rows that may be written, and for each its index in the chunk.
struct Good {
    rows: RecordBatch,
    input: Vec<u32>,
}

impl Good {
    fn only(&self, keep: &[bool]) -> Result<Good, ArrowError> {
        let rows = filter_record_batch(&self.rows, &BooleanArray::from(keep.to_vec()))?;
        // The rows of an aggregate come from no row.
        let input = self.input.iter().zip(keep).filter(|(_, keep)| **keep);
        Ok(Good { rows, input: input.map(|(place, _)| *place).collect() })
    }
}

/// What of a chunk goes into the draft.
pub(super) struct Taken {
    pub(super) rows: RecordBatch,
    /// For each further table of the stage.
    pub(super) also: Vec<RecordBatch>,
}

/// A batch that is summed up.
pub(super) struct Summed {
    pub(super) report: Report,
    pub(super) letters: Letters,
    pub(super) keys: KeySet,
    /// Letters whose rows are in it, when it is a replay.
    pub(super) closed: Vec<Closed>,
}

pub(super) struct Batch<'a> {
    runner: &'a Runner,
    run: &'a Run,
    stage: &'a Stage,
    /// None for an aggregate stage, whose rows come shaped.
    shaper: Option<Shaper<'a>>,
    letters: Writer<'a>,
    tally: Tally,
    pub(super) counts: Counts,
    /// Letters whose rows this batch has taken, when it is a replay.
    closed: Vec<Closed>,
    breaker: Breaker,
    conserved: i128,
    seen: KeySet,
    keys: Option<(KeyHasher, Box<dyn Lookup>)>,
    references: Vec<Box<dyn Lookup>>,
    profiler: Profiler<'a>,
    times: Option<Times<'a>>,
    windows: Option<WindowScores<'a>>,
}

impl<'a> Batch<'a> {
    pub(super) async fn new(
        runner: &'a Runner,
        run: &'a Run,
        stage: &'a Stage,
        target: &dyn Target,
        (base, from): (Option<Snapshot>, &Position),
        write: &Write,
    ) -> Result<Batch<'a>, RunError> {
        let at = runner.clock.now();
        let shaper = match stage.aggregate {
            Some(_) => None,
            None => Some(stage.shaper(at)?),
        };
        let keys = match stage.deduplicate.as_slice() {
            [] => None,
            columns => {
                let hasher = KeyHasher::new(&stage.writes.schema, columns)
                    .map_err(|error| query(format!("compare the keys of {}", stage.id), error))?;
                let without = match write {
                    Write::Day(day) => Some(day),
                    _ => None,
                };
                Some((hasher, target.lookup(columns, base, without).await?))
            }
        };
        let mut references = Vec::new();
        if run.governed.quality {
            for reference in stage.suite.references() {
                let spec = stage.references.get(&reference.dataset);
                let spec = spec
                    .ok_or_else(|| TargetError::Missing { dataset: reference.dataset.clone() })?;
                let target = runner.targets.target(spec);
                references.push(target.lookup(&reference.targets, None, None).await?);
            }
        }
        Ok(Batch {
            runner,
            run,
            stage,
            shaper,
            letters: Writer::new(run, stage, Letters::new(&runner.spool), at),
            tally: Tally::new(&runner.spool),
            counts: Counts::default(),
            closed: Vec::new(),
            breaker: stage.breaker,
            conserved: 0,
            seen: KeySet::default(),
            keys,
            references,
            profiler: stage.suite.profiler(),
            times: timed::times(stage, from),
            windows: WindowScores::of(stage),
        })
    }

    pub(super) fn keys_held(&self) -> usize {
        self.seen.len()
    }

    /// Shapes and judges a chunk, and gives the rows that go into the draft.
    pub(super) async fn take(&mut self, chunk: Chunk) -> Result<Taken, RunError> {
        for refused in &chunk.refused {
            self.letters.refused(refused)?;
        }
        self.unreadable(chunk.refused.len())?;
        self.counts.duplicates += chunk.repeated;
        let shaped = self.shape(&chunk)?;
        self.counts.filtered += shaped.filtered;
        for broken in &shaped.broken {
            self.letters.broken(&chunk, broken)?;
        }
        self.unreadable(shaped.broken.len())?;

        let shaped_rows = shaped.input.clone();
        let (good, marked) = match self.run.governed.quality {
            true => self.judge(&chunk, &shaped).await?,
            false => (Good { input: shaped.input, rows: shaped.rows }, None),
        };
        let good = self.in_time(&chunk, good, marked)?;
        let Good { rows: fresh, input } = self.deduplicate(&chunk, good).await?;
        self.settle(&chunk, &shaped_rows, &input);
        if self.run.governed.quality {
            self.stage.suite.observe(&fresh, &mut self.tally)?;
            self.profiler.take(&fresh);
        }
        self.conserve(&fresh)?;
        self.counts.rejected = self.letters.rows();
        self.counts.written += fresh.num_rows() as u64;
        let also = self.also(&chunk, &fresh, &input).await?;
        Ok(Taken { rows: fresh, also })
    }

    /// Rows that could not be judged because they could not be read or transformed.
    fn unreadable(&mut self, rows: usize) -> Result<(), RunError> {
        if self.run.governed.quality && rows > 0 {
            self.tally.merge(self.stage.suite.unreadable(rows as u64))?;
        }
        Ok(())
    }

    fn shape(&self, chunk: &Chunk) -> Result<Shaped, RunError> {
        match &self.shaper {
            Some(shaper) => Ok(shaper.shape(&chunk.rows)?),
            None => {
                let wrong = |error| query(format!("fit the rows of {}", self.stage.id), error);
                let (rows, misfits) =
                    conform(&chunk.rows, &self.stage.writes.schema).map_err(wrong)?;
                if let Some((_, why)) = misfits.first() {
                    // Such a row has no input row to set aside.
                    let reason = format!("a row of the aggregate: {why}");
                    return Err(RunError::BadRow { stage: self.stage.id.clone(), reason });
                }
                Ok(Shaped { rows, input: Vec::new(), filtered: 0, broken: Vec::new() })
            }
        }
    }

    async fn judge(
        &mut self,
        chunk: &Chunk,
        shaped: &Shaped,
    ) -> Result<(Good, Option<Marked>), RunError> {
        let mut facts = Facts::default();
        for (reference, lookup) in self.stage.suite.references().iter().zip(&self.references) {
            let keys = renamed(&shaped.rows, &reference.places, &reference.targets)
                .map_err(|error| query("take the keys of a reference".to_owned(), error))?;
            facts.known.push(lookup.known(&keys).await?);
        }
        let judged = self.stage.suite.judge(&shaped.rows, &facts);
        for bad in &judged.bad {
            let rules = self.stage.suite.names(&bad.mask);
            self.letters.rule_broken(chunk, shaped.input[bad.row as usize], &rules)?;
        }
        self.tally.merge(judged.tally)?;
        let places = judged.good_rows.iter();
        // The rows of an aggregate stage come from no row.
        let input = places.filter_map(|row| shaped.input.get(*row as usize).copied()).collect();
        let marked = self.windows.is_some().then(|| Marked {
            rows: shaped.rows.clone(),
            lost: judged.lost,
            rejected: judged.bad.iter().map(|bad| bad.row).collect(),
            good: judged.good_rows,
        });
        Ok((Good { rows: judged.good, input }, marked))
    }

    /// The rows whose key is neither in the target nor in this draft. A table shows rows again: of
    /// a commit that was read in part, or that another engine compacted. A row of it without a key
    /// could not be known then, so it is set aside.
    async fn deduplicate(&mut self, chunk: &Chunk, found: Good) -> Result<Good, RunError> {
        let Some((hasher, lookup)) = &self.keys else { return Ok(found) };
        let Good { rows: good, input } = &found;
        let wrong = |stage: &Stage| format!("compare the keys of {}", stage.id);
        let places: Result<Vec<usize>, _> =
            self.stage.deduplicate.iter().map(|name| good.schema().index_of(name)).collect();
        let keys = places.and_then(|places| good.project(&places));
        let keys = keys.map_err(|error| query(wrong(self.stage), error))?;
        let known = lookup.known(&keys).await?;
        let hashes = hasher.hash(good).map_err(|error| query(wrong(self.stage), error))?;
        let shown_again = matches!(self.stage.reads, Reads::Table(_));
        let mut fresh = Vec::with_capacity(good.num_rows());
        for (row, hash) in hashes.into_iter().enumerate() {
            if hash.is_none() && shown_again {
                let why = without_key(self.stage);
                self.letters.broken(chunk, &Broken { row: input[row], why })?;
                fresh.push(false);
                continue;
            }
            let new = !known.value(row) && hash.is_none_or(|hash| self.seen.insert(hash));
            self.counts.duplicates += u64::from(!new);
            fresh.push(new);
        }
        found.only(&fresh).map_err(|error| query(wrong(self.stage), error))
    }

    /// From here on more may die than usual, or less.
    pub(super) fn trip_at(&mut self, breaker: Breaker) {
        self.breaker = breaker;
    }

    fn conserve(&mut self, rows: &RecordBatch) -> Result<(), RunError> {
        let Some(aggregate) = &self.stage.aggregate else { return Ok(()) };
        let wrong = |error| query(format!("sum up {}", aggregate.conserve), error);
        let column = rows.column_by_name(&aggregate.conserve);
        let Some(column) = column else { return Ok(()) };
        let numbers = cast(column, &DataType::Int64).map_err(wrong)?;
        let sum: i128 = numbers.as_primitive::<Int64Type>().iter().flatten().map(i128::from).sum();
        self.conserved += sum;
        Ok(())
    }

    /// Stops at the first bad row when nothing may be set aside.
    pub(super) fn check_keeping(&self) -> Result<(), RunError> {
        match self.letters.first_reason() {
            Some(reason) if !self.run.governed.dead_letters => {
                Err(RunError::BadRow { stage: self.stage.id.clone(), reason })
            }
            _ => Ok(()),
        }
    }

    /// Sums the batch up. The counts must balance, each from its own counter.
    pub(super) async fn report(
        mut self,
        read: u64,
        written: u64,
        draft: DraftId,
        from: &Position,
        upto: &Position,
    ) -> Result<Summed, RunError> {
        self.counts.read = read;
        self.counts.written = written;
        self.counts.rejected = self.letters.rows();
        let aggregate = self.stage.aggregate.is_some();
        let kept = if aggregate { self.conserved } else { i128::from(written) };
        let Counts { rejected, filtered, duplicates, .. } = self.counts;
        if i128::from(read) != kept + i128::from(rejected + filtered + duplicates) {
            let stage = self.stage.id.clone();
            return Err(RunError::Unbalanced {
                stage,
                read,
                written: kept,
                rejected,
                filtered,
                duplicates,
            });
        }
        if aggregate {
            // What balances is neither negative nor more than what was read.
            self.counts.written = u64::try_from(kept).unwrap_or_default();
        }
        let late = self.letters.late_rows();
        let (judged, refused) = (read - late.min(read), rejected - late.min(rejected));
        if !self.run.governed.quality && self.breaker.trips(refused, judged) {
            let (stage, first) = (self.stage.id.clone(), self.letters.first_reason());
            let first = first.unwrap_or_default();
            return Err(RunError::Outage { stage, rejected: refused, read: judged, first });
        }
        let now = self.runner.clock.now();
        let (quality, remembered) = match self.run.governed.quality {
            true => {
                let breaker = Some(self.breaker);
                let facts =
                    BatchFacts { now, empty: read == 0, read: judged, rejected: refused, breaker };
                let suite = &self.stage.suite;
                let profile: Profile = self.profiler.finish();
                let history = past::history(self.runner, self.run, self.stage, now).await?;
                let quality = suite.report_among(&self.tally, &facts, &history, &profile)?;
                // What is halted is no example for what comes.
                let fine = quality.verdict != Verdict::Halt;
                let remembered = fine.then(|| suite.remember(profile, &quality));
                (Evaluated::Judged(quality), remembered)
            }
            false => (Evaluated::NotEvaluated, None),
        };
        let letters = self.letters.finish();
        let contract = &self.stage.writes.contract;
        let column = |column: &assay_core::contract::ContractColumn| Column {
            name: column.name.clone(),
            kind: column.kind.name(),
        };
        let report = Report {
            run: self.run.clone(),
            draft,
            judged_at: now,
            inputs: vec![self.stage.reads.dataset().clone()],
            output: self.stage.writes.dataset.clone(),
            columns: contract.columns.iter().map(column).collect(),
            contract: Some(contract.reference()),
            counts: self.counts,
            rows_out: aggregate.then_some(written),
            rejected_by: letters.by_cause().clone(),
            letters: letters.by_topic().clone(),
            quality,
            from: from.clone(),
            upto: upto.clone(),
            accepted_at: None,
            recomputed: None,
            closed: Default::default(),
            remembered,
            trace: None,
            windows: self.windows.map(WindowScores::finish).unwrap_or_default(),
        };
        Ok(Summed { report, letters, keys: self.seen, closed: self.closed })
    }
}

/// Why a row is set aside that no later run could know again.
fn without_key(stage: &Stage) -> String {
    let columns = stage.deduplicate.join("`, `");
    format!("its key (`{columns}`) has a NULL, so it could not be known if it came again")
}

/// Columns under the names that they have in the other dataset.
fn renamed(
    rows: &RecordBatch,
    places: &[usize],
    names: &[String],
) -> Result<RecordBatch, ArrowError> {
    let column =
        |(place, name): (&usize, &String)| (name.clone(), Arc::clone(rows.column(*place)), true);
    RecordBatch::try_from_iter_with_nullable(places.iter().zip(names).map(column))
}

fn query(doing: String, error: impl std::error::Error + Send + Sync + 'static) -> RunError {
    let source = DataFusionError::External(Box::new(error));
    RunError::Source(SourceError::Query { what: doing, source })
}

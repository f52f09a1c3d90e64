use assay_core::{Column, Counts, Evaluated, Layer, Outcome, Report, RuleResult, Run, RunStatus};
use assay_store::{CommitRef, Event, EventKind, RunEnd};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::DatasetRef;
use crate::event::{
    self, EventType, InputDataset, InputFacets, OutputDataset, OutputFacets, RunEvent,
};
use crate::facet::{
    AssayQuality, AssayRun, AssayTrace, Assertion, DataQualityAssertions, DataQualityMetrics,
    DatasetType, DatasetVersion, ErrorMessage, Facet, Identifier, InputStatistics, JobType,
    NominalTime, OutputStatistics, ProcessingEngine, Schema, SchemaField, Symlinks,
};

/// The namespace of our jobs; their names are `pipeline.stage`.
pub(crate) const JOBS: &str = "assay";

/// Tells that a run has started. `nominal_at` is the time it is for, where it was given one.
pub fn started(
    run: &Run,
    nominal_at: Option<DateTime<Utc>>,
    inputs: &[DatasetRef],
    outputs: &[DatasetRef],
    id: Uuid,
    at: DateTime<Utc>,
) -> Event {
    let mut event = run_event(EventType::Start, run, at);
    event.run.facets.nominal_time =
        nominal_at.map(|nominal_start_time| NominalTime { nominal_start_time }.into());
    event.inputs = inputs.iter().map(input).collect();
    event.outputs = outputs.iter().map(output).collect();
    keep(event, EventKind::JobStart, run, inputs, outputs, id)
}

/// Tells that a batch is in. What goes into the log has no commit.
pub fn batch(
    report: &Report,
    inputs: &[DatasetRef],
    (to, also): (&DatasetRef, &[DatasetRef]),
    commit: Option<CommitRef>,
    id: Uuid,
    at: DateTime<Utc>,
) -> Event {
    let mut event = run_event(EventType::Running, &report.run, at);
    let trace = report.trace.clone().map(|context| AssayTrace { context });
    event.run.facets.assay_trace = trace.map(Facet::from);
    event.inputs = inputs.iter().map(input).collect();
    // Which rows came from which of several inputs is not known.
    if let [only] = event.inputs.as_mut_slice() {
        let statistics = InputStatistics { row_count: report.counts.read };
        only.input_facets = InputFacets { input_statistics: Some(statistics.into()) };
    }
    let mut written = judged(report, to, commit);
    let version =
        |commit: CommitRef| DatasetVersion { dataset_version: commit.snapshot.to_string() };
    written.facets.version = commit.map(|commit| version(commit).into());
    let statistics = OutputStatistics { row_count: report.rows_added() };
    written.output_facets.output_statistics = Some(statistics.into());
    event.outputs = [written].into_iter().chain(also.iter().map(output)).collect();
    let kind = match report.output.layer() {
        Layer::Log | Layer::Bronze => EventKind::Ingestion,
        Layer::Silver | Layer::Gold => EventKind::Transformation,
    };
    let outputs: Vec<DatasetRef> = [to].into_iter().chain(also).cloned().collect();
    keep(event, kind, &report.run, inputs, &outputs, id)
}

/// Tells how a run ended. `halt` is the report that halted it, where one did: it has no commit
/// that could tell it.
pub fn ended(
    end: &RunEnd,
    halt: Option<&Report>,
    inputs: &[DatasetRef],
    outputs: &[DatasetRef],
    id: Uuid,
) -> Event {
    let (kind, unsaid) = match end.status {
        RunStatus::Complete => (EventType::Complete, None),
        RunStatus::Failed => (EventType::Fail, Some("it failed and did not say why")),
        RunStatus::Halted => (EventType::Fail, Some("halted: the data was not good enough")),
        RunStatus::Aborted => (EventType::Abort, Some("it ended without saying how")),
        RunStatus::Running => (EventType::Other, None),
    };
    let mut event = run_event(kind, &end.run, end.ended_at);
    let message = end.message.as_deref().or(unsaid);
    event.run.facets.error_message = message.filter(|_| unsaid.is_some()).map(error);
    event.run.facets.assay_run = Some(sums(end).into());
    event.inputs = inputs.iter().map(input).collect();
    event.outputs = outputs.iter().map(output).collect();
    if let Some(report) = halt {
        let of_halt = |to: &&DatasetRef| to.dataset.as_ref() == Some(&report.output);
        for (to, told) in outputs.iter().zip(&mut event.outputs).filter(|(to, _)| of_halt(to)) {
            *told = judged(report, to, None);
        }
    }
    keep(event, EventKind::JobEnd, &end.run, inputs, outputs, id)
}

/// The share of the rows read that was neither written nor left out on purpose; 0 of no rows.
pub fn data_loss_percent(counts: &Counts) -> f64 {
    if counts.read == 0 {
        return 0.0;
    }
    let kept = counts.written + counts.filtered + counts.duplicates;
    #[allow(clippy::cast_precision_loss, reason = "row counts stay far below 2^53")]
    let share = counts.read.saturating_sub(kept) as f64 / counts.read as f64;
    100.0 * share
}

fn run_event(kind: EventType, run: &Run, at: DateTime<Utc>) -> RunEvent {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    let engine = ProcessingEngine { version, name: "assay".to_owned() };
    let job_type = JobType {
        processing_type: "BATCH".to_owned(),
        integration: "ASSAY".to_owned(),
        job_type: "STAGE".to_owned(),
    };
    RunEvent {
        event_type: kind,
        event_time: at,
        producer: event::PRODUCER.to_owned(),
        schema_url: event::SCHEMA_URL.to_owned(),
        run: event::Run {
            run_id: run.id.0,
            facets: event::RunFacets {
                processing_engine: Some(engine.into()),
                ..event::RunFacets::default()
            },
        },
        job: event::Job {
            namespace: JOBS.to_owned(),
            name: format!("{}.{}", run.stage.pipeline, run.stage.stage),
            facets: event::JobFacets { job_type: Some(job_type.into()) },
        },
        inputs: vec![],
        outputs: vec![],
    }
}

fn keep(
    event: RunEvent,
    kind: EventKind,
    run: &Run,
    inputs: &[DatasetRef],
    outputs: &[DatasetRef],
    id: Uuid,
) -> Event {
    Event {
        id,
        run: run.id,
        kind,
        at: event.event_time,
        body: serde_json::to_value(&event).expect("an event has only text as keys"),
        inputs: inputs.iter().map(DatasetRef::label).collect(),
        outputs: outputs.iter().map(DatasetRef::label).collect(),
    }
}

fn error(message: &str) -> Facet<ErrorMessage> {
    let programming_language = "RUST".to_owned();
    ErrorMessage { message: message.to_owned(), programming_language }.into()
}

fn sums(end: &RunEnd) -> AssayRun {
    let duration = (end.ended_at - end.run.started_at).as_seconds_f64();
    AssayRun {
        status: end.status.name().to_owned(),
        duration_seconds: duration.max(0.0),
        batches: end.batches,
        counts: end.counts,
        data_loss_percent: data_loss_percent(&end.counts),
    }
}

fn input(dataset: &DatasetRef) -> InputDataset {
    InputDataset {
        namespace: dataset.namespace.clone(),
        name: dataset.name.clone(),
        facets: identity(dataset, &dataset.columns),
        input_facets: InputFacets::default(),
    }
}

fn output(dataset: &DatasetRef) -> OutputDataset {
    OutputDataset {
        namespace: dataset.namespace.clone(),
        name: dataset.name.clone(),
        facets: identity(dataset, &dataset.columns),
        output_facets: OutputFacets::default(),
    }
}

/// An output with what judging it found.
fn judged(report: &Report, to: &DatasetRef, commit: Option<CommitRef>) -> OutputDataset {
    let columns = if report.columns.is_empty() { &to.columns } else { &report.columns };
    let mut dataset = OutputDataset { facets: identity(to, columns), ..output(to) };
    let quality = AssayQuality {
        score: report.score(),
        verdict: report.verdict_name().to_owned(),
        counts: report.counts,
        data_loss_percent: data_loss_percent(&report.counts),
        contract: report.contract.clone(),
        draft: report.draft.0,
        snapshot: commit.map(|commit| commit.snapshot),
        sequence: commit.map(|commit| commit.sequence),
    };
    dataset.output_facets.assay_quality = Some(quality.into());
    if let Evaluated::Judged(quality) = &report.quality {
        let column_metrics = Default::default();
        let metrics = DataQualityMetrics { row_count: quality.rows, column_metrics };
        let assertions = quality.rules.iter().map(assertion).collect();
        dataset.facets.data_quality_metrics = Some(metrics.into());
        dataset.facets.data_quality_assertions = Some(DataQualityAssertions { assertions }.into());
    }
    dataset
}

fn identity(dataset: &DatasetRef, columns: &[Column]) -> event::DatasetFacets {
    let field = |(index, column): (usize, &Column)| SchemaField {
        name: column.name.clone(),
        kind: column.kind.clone(),
        ordinal_position: index + 1,
    };
    let identifier = |link: &crate::Symlink| Identifier {
        namespace: link.namespace.clone(),
        name: link.name.clone(),
        kind: dataset.kind.name().to_owned(),
    };
    let schema = || Schema { fields: columns.iter().enumerate().map(field).collect() };
    let symlinks = || Symlinks { identifiers: dataset.symlinks.iter().map(identifier).collect() };
    let dataset_type = DatasetType { dataset_type: dataset.kind.name().to_owned() };
    event::DatasetFacets {
        schema: (!columns.is_empty()).then(|| schema().into()),
        dataset_type: Some(dataset_type.into()),
        symlinks: (!dataset.symlinks.is_empty()).then(|| symlinks().into()),
        lineage: dataset.column_lineage.as_ref().map(|columns| columns.explicit().into()),
        column_lineage: dataset.column_lineage.clone().map(Facet::from),
        ..event::DatasetFacets::default()
    }
}

fn assertion(result: &RuleResult) -> Assertion {
    let column = match result.columns.as_slice() {
        [only] => Some(only.clone()),
        _ => None,
    };
    let actual = match (&result.outcome, result.observed) {
        (Outcome::NotEvaluated { why }, _) => format!("not evaluated: {why}"),
        (_, Some(observed)) => observed.to_string(),
        (_, None) => format!("{} failed rows", result.failed),
    };
    Assertion {
        assertion: result.dimension.clone(),
        success: result.outcome == Outcome::Passed,
        column,
        severity: result.severity.name().to_owned(),
        name: result.rule.clone(),
        expected: result.expected.clone(),
        actual,
    }
}

use assay_store::{Replay, ReplayState};
use prometheus::proto::MetricFamily;

use crate::exposition::{Series, labels, number, plain};
use crate::{Observed, names};

/// The states of a job that is not over; each has its zero.
const OPEN: [ReplayState; 4] =
    [ReplayState::Waiting, ReplayState::Running, ReplayState::Stopped, ReplayState::Failed];

/// What is known of the jobs that send dead letters back.
pub(crate) fn of_jobs(observed: &Observed) -> Vec<MetricFamily> {
    let count = |state: ReplayState| {
        let jobs = observed.jobs.iter().filter(|job| job.state == state).count();
        (labels(&names::REPLAY_JOBS, &[state.name()]), number(jobs as u64))
    };
    // Those that a person has to look at are silent, and no process is to blame.
    let goes_on = |job: &&Replay| matches!(job.state, ReplayState::Waiting | ReplayState::Running);
    let heard = observed.jobs.iter().filter(goes_on);
    let heard = heard.map(|job| job.beat_at.unwrap_or(job.created_at)).min();
    let silent = heard.map(|at| (observed.at - at).as_seconds_f64().max(0.0));
    let silence = (labels(&names::REPLAY_SILENCE, &[]), silent.unwrap_or_default());
    vec![
        plain(&names::REPLAY_JOBS, OPEN.into_iter().map(count).collect()),
        plain(&names::REPLAY_SILENCE, Series::from([silence])),
    ]
}

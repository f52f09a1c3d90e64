//! How runs of a pipeline's tasks stand.

use serde_json::Value;

use super::OpenMetadata;
use super::api::{Change, Trouble};
use super::body::{PipelineStatus, TaskStatus};
use super::entity::Entity;
use super::name::in_path;
use super::told::{Stands, Told};
use crate::http::Method;

impl OpenMetadata {
    /// Tells how the run stands. The server keeps a status by its time, so that of a run is the time
    /// when it began; where its id does not say it, only its end is told.
    pub(super) async fn status(&self, pipeline: &Entity, told: &Told) -> Result<(), Trouble> {
        let Some(job) = &told.job else { return Ok(()) };
        let word = match told.stands {
            Stands::Started if told.began.is_some() => "Pending",
            Stands::Succeeded => "Successful",
            Stands::Failed => "Failed",
            Stands::Started | Stands::Goes => return Ok(()),
        };
        let timestamp = told.began.unwrap_or(told.at);
        let task = TaskStatus {
            name: job.task.clone(),
            execution_status: word.to_owned(),
            start_time: told.began,
            end_time: (told.stands != Stands::Started).then_some(told.at),
        };
        let path = format!("/pipelines/{}/status", in_path(&pipeline.name));
        let there = self.at(&path, timestamp).await?;
        let status = with(there.as_ref(), task, timestamp);
        if there.as_ref() == Some(&status) {
            return Ok(());
        }
        let change = || Change {
            what: "status",
            kind: "pipeline".to_owned(),
            name: format!("{} {word}", pipeline.name),
        };
        match self.api.change(Method::PUT, &path, &status, change()).await {
            // Two at once; the second time it is there and replaced.
            Err(Trouble::Exists(_)) => {
                let there = self.at(&path, timestamp).await?;
                let task = status.task_status.into_iter().find(|task| task.name == job.task);
                let Some(task) = task else { return Ok(()) };
                let status = with(there.as_ref(), task, timestamp);
                self.api.change(Method::PUT, &path, &status, change()).await?;
            }
            done => {
                done?;
            }
        }
        Ok(())
    }

    /// The status that the pipeline has at this very time.
    async fn at(&self, path: &str, timestamp: i64) -> Result<Option<PipelineStatus>, Trouble> {
        let (from, to) = (timestamp - 1, timestamp + 1);
        let all = self.api.get(&format!("{path}?startTs={from}&endTs={to}")).await?;
        let all = all["data"].as_array().cloned().unwrap_or_default();
        let here = all.into_iter().find(|status: &Value| status["timestamp"] == timestamp);
        Ok(here.and_then(|status| serde_json::from_value(status).ok()))
    }
}

/// The status with the task in it. Stages that follow begin in the same millisecond at times.
fn with(there: Option<&PipelineStatus>, task: TaskStatus, timestamp: i64) -> PipelineStatus {
    let mut tasks = there.map(|status| status.task_status.clone()).unwrap_or_default();
    match tasks.iter_mut().find(|known| known.name == task.name) {
        // An end that was told is not taken back by a start that comes late.
        Some(known) if task.execution_status == "Pending" && known.end_time.is_some() => {}
        Some(known) => *known = task,
        None => tasks.push(task),
    }
    let any = |word: &str| tasks.iter().any(|task| task.execution_status == word);
    let word = match (any("Failed"), any("Pending")) {
        (true, _) => "Failed",
        (_, true) => "Pending",
        _ => "Successful",
    };
    PipelineStatus { timestamp, execution_status: word.to_owned(), task_status: tasks }
}

//! One file per command on dead letters.

mod discard;
mod export;
mod forward;
mod jobs;
mod list;
mod replay;
mod trace;
mod which;
mod work;

use anyhow::Result;
use assay_dlq::{CaughtUp, Index, LetterId};

use crate::app::App;
use crate::args::DlqCommand;
use crate::exit::Usage;
use crate::output::{counted, json, line, number};
use crate::progress::Counting;
use crate::waiting::{away, elsewhere};

pub(crate) use self::list::{reason, stage_of};

pub(crate) async fn dlq(app: &App, command: &DlqCommand, as_json: bool) -> Result<()> {
    match command {
        DlqCommand::Topics => list::topics(app, as_json).await,
        DlqCommand::List(what) => list::list(app, what, as_json).await,
        DlqCommand::Groups(what) => list::groups(app, what, as_json).await,
        DlqCommand::Show { id, reveal } => list::show(app, id, *reveal, as_json).await,
        DlqCommand::Export(what) => export::export(app, what, as_json).await,
        DlqCommand::Discard(what) => discard::discard(app, what, as_json).await,
        DlqCommand::Replay(what) => replay::replay(app, what, as_json).await,
        DlqCommand::Jobs { job: Some(job), .. } => jobs::job(app, job, as_json).await,
        DlqCommand::Jobs { job: None, limit } => jobs::jobs(app, *limit, as_json).await,
        DlqCommand::Resume { job, pipeline } => {
            replay::resume(app, job, pipeline.as_deref(), as_json).await
        }
        DlqCommand::Cancel { job, pipeline, reason } => {
            replay::cancel(app, job, (pipeline.as_deref(), reason), as_json).await
        }
        DlqCommand::Trace { id } => trace::trace(app, id, as_json).await,
        DlqCommand::Work(what) => work::work(app, what, as_json).await,
        DlqCommand::Reindex => reindex(app, as_json).await,
    }
}

/// The index, with all that the topics gained; also of a topic of another system.
async fn caught_up(app: &App, topic: Option<&str>) -> Result<Index> {
    let index = app.index();
    let counting = Counting::new("letters taken into the index");
    let mut caught = match topic {
        Some(topic) => index.take_in(topic, &|read| counting.at(read)).await?,
        None => CaughtUp::default(),
    };
    caught.gone += index.catch_up(&|read| counting.at(read)).await?.gone;
    drop(counting);
    if caught.gone > 0 {
        eprintln!("gone: {}, which topics kept long enough", counted(caught.gone, "letter"));
    }
    Ok(index)
}

/// The index as well as it can be known: who only looks may do so while the log is away.
async fn as_known(app: &App) -> Result<Index> {
    match away(app.log.as_ref()).await {
        Some(error) => {
            eprintln!("the log is away, so this is how it was before: {error}");
            Ok(app.index())
        }
        None => match caught_up(app, None).await {
            Err(error) if error.downcast_ref().is_some_and(elsewhere) => {
                eprintln!("this is what the store knows: {error}");
                Ok(app.index())
            }
            index => index,
        },
    }
}

async fn reindex(app: &App, as_json: bool) -> Result<()> {
    let counting = Counting::new("letters taken into the index");
    let caught = app.index().rebuild(&|read| counting.at(read)).await?;
    drop(counting);
    match as_json {
        true => json(&caught),
        false => line(format!("the index was made anew from {} records", number(caught.read))),
    }
}

fn letter_id(id: &str) -> Result<LetterId> {
    let wrong = |_| Usage(format!("`{id}` is not the id of a dead letter: see `assay dlq list`"));
    Ok(id.parse().map_err(wrong)?)
}

fn no_letter(id: &str) -> Usage {
    Usage(format!("there is no dead letter {id}: see `assay dlq list`"))
}

//! The newest totals, pushed to a Pushgateway: what runs in batches has nobody who scrapes it.
//!
//! Each push replaces whole groups with what the store knows, so nothing is added up on the way: a
//! push that is lost, or comes twice, changes no number for good. Two pushes must not overlap,
//! else the older could come last; the caller sees to that.

mod gateway;
mod key;

use std::collections::BTreeSet;

pub use self::gateway::{Gateway, GatewayError, NoGateway};
pub use self::key::GroupKey;
use crate::exposition::{of_all, of_pipelines};
use crate::text::{part, text};
use crate::{Observed, RenderError};

/// What a push came to.
#[derive(Debug)]
pub struct Pushed {
    /// The groups that the gateway has of us now, as far as is known: to be given to the next push.
    pub groups: BTreeSet<String>,
    pub outcome: Result<(), GatewayError>,
}

/// Puts a group for each pipeline and one for what is of none, and deletes what an earlier push
/// left under other names. The first failure ends it: the gateway is away, or full.
pub async fn push(
    gateway: &Gateway,
    environment: &str,
    observed: &Observed,
    before: &BTreeSet<String>,
) -> Result<Pushed, RenderError> {
    let mut pushed = Pushed { groups: before.clone(), outcome: Ok(()) };
    let groups = groups(environment, observed)?;
    let now: BTreeSet<String> = groups.iter().map(|(key, _)| key.path()).collect();
    for (key, text) in groups {
        let path = key.path();
        // It may have got there although the answer did not come back.
        pushed.groups.insert(path.clone());
        pushed.outcome = gateway.put(&path, text).await;
        if pushed.outcome.is_err() {
            return Ok(pushed);
        }
    }
    for stale in before.difference(&now) {
        pushed.outcome = gateway.delete(stale).await;
        if pushed.outcome.is_err() {
            break;
        }
        pushed.groups.remove(stale);
    }
    Ok(pushed)
}

/// The groups and their texts: one for each pipeline, then the one of all.
fn groups(environment: &str, observed: &Observed) -> Result<Vec<(GroupKey, String)>, RenderError> {
    let (mut groups, mut dropped) = (vec![], 0);
    for pipeline in observed.pipelines() {
        let key = GroupKey::of_pipeline(environment, &pipeline);
        // Its own bound each: of one that ran away, the others keep theirs.
        let (text, less) = part(of_pipelines(&observed.of_pipeline(&pipeline)))?;
        dropped += less;
        groups.push((key, text));
    }
    groups.push((GroupKey::of_all(environment), text(of_all(observed), dropped)?));
    Ok(groups)
}

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;

use crate::LogError;

/// A place in a group whose members share the partitions of a topic.
///
/// Signs of life go out by themselves, however long a batch takes. What the member may read changes
/// only by [`Membership::assignment`]: the group takes nothing from it in the middle of a batch. A
/// member that was silent for too long loses its partitions without being asked; what it still
/// commits of them is for the target to refuse.
#[async_trait]
pub trait Membership: Send {
    /// Takes on what the group has decided, and returns the partitions that are ours from now on.
    ///
    /// Called while no batch is open: what the group wants back is given up by this call.
    async fn assignment(&mut self) -> Result<BTreeSet<u32>, LogError>;

    /// Says whether the group wants us to own something else than [`Membership::assignment`] gave
    /// last: a reader closes its batch then, commits it and asks.
    fn changed(&self) -> bool;

    /// Waits until one of our partitions has a record at the offset that it is given with, or
    /// behind it; until the group wants a change; or for that long. Which of them, it does not say.
    async fn wait(&mut self, next: &BTreeMap<u32, u64>, at_most: Duration) -> Result<(), LogError>;

    /// Tells the group how far our commits reach, for people and tools that look at its lag.
    ///
    /// Nobody goes on from there: the reader's position is in the table that it writes.
    async fn committed(&mut self, next: &BTreeMap<u32, u64>) -> Result<(), LogError>;

    /// Leaves the group, so that the others take over without waiting for our silence.
    async fn leave(self: Box<Self>) -> Result<(), LogError>;
}

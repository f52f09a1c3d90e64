//! Which partition a record goes to, and its sequence number there.

/// What one message may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MessageSize {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// The partitions of the topic. Records go to one until a message is full, then to the next, so
/// that messages are as large as they may be.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// The next sequence number of each.
    next: Vec<u64>,
    size: MessageSize,
    current: usize,
    events: usize,
    bytes: usize,
}

/// Where some records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) partition: u32,
    /// The sequence number of the first.
    pub(crate) first: u64,
    /// The message before them is complete.
    pub(crate) turned: bool,
}

impl Lanes {
    pub(crate) fn new(partitions: u32, from: u64, size: MessageSize) -> Lanes {
        let next = vec![from; partitions.max(1) as usize];
        Lanes { next, size, current: 0, events: 0, bytes: 0 }
    }

    /// The next place for so many records of so many bytes.
    pub(crate) fn take(&mut self, events: usize, bytes: usize) -> Lane {
        let turned = self.events > 0
            && (self.events + events > self.size.events || self.bytes + bytes > self.size.bytes);
        if turned {
            self.current = (self.current + 1) % self.next.len();
            (self.events, self.bytes) = (0, 0);
        }
        self.events += events;
        self.bytes += bytes;
        let first = self.next[self.current];
        self.next[self.current] += events as u64;
        Lane { partition: u32::try_from(self.current).unwrap_or(0), first, turned }
    }

    /// A sequence number that no record has, and none before it.
    pub(crate) fn highest(&self) -> u64 {
        self.next.iter().copied().max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_gets_a_whole_message_before_the_next_has_its_turn() {
        let mut lanes = Lanes::new(2, 100, MessageSize { events: 3, bytes: 50 });
        let taken: Vec<_> = [(1, 10), (2, 10), (1, 10), (1, 45), (2, 10), (1, 70), (1, 1)]
            .into_iter()
            .map(|(events, bytes)| {
                let lane = lanes.take(events, bytes);
                (lane.partition, lane.first, lane.turned)
            })
            .collect();
        assert_eq!(
            taken,
            [
                (0, 100, false),
                (0, 101, false),
                (1, 100, true),
                (0, 103, true),
                (1, 101, true),
                (0, 104, true),
                (1, 103, true),
            ]
        );
        assert_eq!(lanes.highest(), 105);
    }
}

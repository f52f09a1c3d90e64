//! The memory that queries share.

use std::sync::Mutex;

use datafusion::common::resources_datafusion_err;
use datafusion::error::Result;
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

/// What an operator that can spill may always have. With less it would spill every batch, and
/// there are few of them.
const ALWAYS: usize = 4 << 20;

/// A reservation as small as this belongs to one that has just given everything back.
const NOTHING: usize = 4 << 10;

/// Memory up to a limit, in which operators that can spill get out of the others' way.
///
/// A pool that divides the limit evenly gives each of the twenty operators of a large aggregate
/// too little even to sort what it wants to spill, and the query fails. Here whoever comes first
/// takes what it needs. When all is taken, those that can spill are refused, and spill; they are
/// never refused the little that this takes, nor what they need to sort what they have just
/// emptied, which was granted before. Those that can't spill are only refused by each other.
#[derive(Debug)]
pub(super) struct SharedMemory {
    limit: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    spillable: usize,
    lasting: usize,
}

impl SharedMemory {
    pub(super) fn new(limit: usize) -> SharedMemory {
        SharedMemory { limit, taken: Mutex::default() }
    }

    fn change(&self, consumer: &MemoryConsumer, change: impl FnOnce(usize) -> usize) {
        let mut taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let part = match consumer.can_spill() {
            true => &mut taken.spillable,
            false => &mut taken.lasting,
        };
        *part = change(*part);
    }
}

impl MemoryPool for SharedMemory {
    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.change(reservation.consumer(), |taken| taken.saturating_add(additional));
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.change(reservation.consumer(), |taken| taken.saturating_sub(shrink));
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let held = reservation.size();
        if reservation.consumer().can_spill() {
            let fits = taken.spillable + taken.lasting + additional <= self.limit;
            if fits || held + additional <= ALWAYS || held <= NOTHING {
                taken.spillable += additional;
                return Ok(());
            }
        } else if taken.lasting + additional <= self.limit {
            taken.lasting += additional;
            return Ok(());
        }
        Err(resources_datafusion_err!(
            "{} wants {} MB, of {} MB that queries may hold (`memory_mb` in the configuration)",
            reservation.consumer().name().split(' ').next().unwrap_or_default(),
            (held + additional) >> 20,
            self.limit >> 20
        ))
    }

    fn reserved(&self) -> usize {
        let taken = self.taken.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        taken.spillable + taken.lasting
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use datafusion::execution::memory_pool::{MemoryConsumer, MemoryPool};

    use super::SharedMemory;

    const MB: usize = 1 << 20;

    #[test]
    fn those_that_can_spill_give_way_and_can_always_spill() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedMemory::new(100 * MB));
        let spiller = |name: &str| MemoryConsumer::new(name).with_can_spill(true).register(&pool);
        let (first, second) = (spiller("first"), spiller("second"));
        let join = MemoryConsumer::new("join").register(&pool);
        first.try_grow(90 * MB).unwrap();
        second.try_grow(8 * MB).unwrap();
        // All but 2 MB is taken: one that can spill is told to, one that can't is not.
        assert!(second.try_grow(5 * MB).is_err());
        join.try_grow(60 * MB).unwrap();
        let refused = join.try_grow(50 * MB).unwrap_err().to_string();
        assert!(refused.contains("join wants 110 MB, of 100 MB"), "{refused}");
        // What was emptied may be sorted, however much others hold.
        assert_eq!(second.free(), 8 * MB);
        second.try_grow(16 * MB).unwrap();
        drop((first, second, join));
        assert_eq!(pool.reserved(), 0);
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many bytes of bodies are being taken in, so that many large ones at once are refused and
/// not the end of the process.
pub struct InFlight {
    bytes: Arc<AtomicUsize>,
    limit: usize,
}

/// The room of one body.
pub struct Room {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl InFlight {
    pub fn new(limit: usize) -> InFlight {
        InFlight { bytes: Arc::new(AtomicUsize::new(0)), limit }
    }

    /// Room for so many bytes; none when there is too little.
    pub fn room(&self, bytes: usize) -> Option<Room> {
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let room = Room { all: Arc::clone(&self.bytes), bytes };
        (before + bytes <= self.limit).then_some(room)
    }
}

impl Room {
    /// Takes so many bytes more; whether there are so many.
    pub fn grow(&mut self, bytes: usize, all: &InFlight) -> bool {
        let more = all.room(bytes);
        if let Some(mut more) = more {
            self.bytes += std::mem::take(&mut more.bytes);
            return true;
        }
        false
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_when_it_is_not_used_any_more() {
        let all = InFlight::new(10);
        let first = all.room(6);
        assert!(first.is_some() && all.room(5).is_none());
        assert!(all.room(4).is_some());
        drop(first);
        let mut grown = all.room(1).unwrap();
        assert!(grown.grow(9, &all) && !grown.grow(1, &all) && all.room(1).is_none());
        drop(grown);
        assert!(all.room(10).is_some());
    }
}

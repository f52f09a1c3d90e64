//! Others' code that may panic: planners and decoders meet input that nobody has tried them with.
//! What they do is without effects, so a panic of theirs is an answer: not this input.

use std::cell::Cell;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;

/// The code of others panicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panicked;

thread_local!(static INSIDE: Cell<bool> = const { Cell::new(false) });

/// Calls others' code.
pub fn surviving<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    let outer = INSIDE.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    INSIDE.set(outer);
    done.map_err(|_| Panicked)
}

/// Waits for others' code.
pub async fn surviving_future<T>(work: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut work = pin!(work);
    poll_fn(|context| match surviving(|| work.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        Err(panicked) => Poll::Ready(Err(panicked)),
    })
    .await
}

/// Says nothing of a panic that [`surviving`] answers for: its words may quote what was read.
pub fn hush_survived_panics() {
    let loud = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !INSIDE.get() {
            loud(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::{INSIDE, Panicked, surviving, surviving_future};

    #[test]
    fn a_panic_is_an_answer_and_is_inside_only_while_it_lasts() {
        assert_eq!(surviving(|| assert!(INSIDE.get())), Ok(()));
        let inner = surviving(|| {
            let inner = surviving(|| panic!("index out of bounds"));
            (inner, INSIDE.get())
        });
        assert_eq!(inner, Ok((Err::<(), _>(Panicked), true)));
        assert!(!INSIDE.get());
    }

    #[test]
    fn what_waits_is_survived_too() {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let mut poll = |panics: bool| {
            let work = async move {
                assert!(!panics, "index out of bounds");
                7
            };
            std::pin::pin!(surviving_future(work)).poll(&mut context)
        };
        assert_eq!(poll(false), std::task::Poll::Ready(Ok(7)));
        assert_eq!(poll(true), std::task::Poll::Ready(Err(Panicked)));
    }
}

//! Limits how far reading from a connection runs ahead of writing to it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Sleep, sleep};

/// How many requests in flight and unwritten messages there may be before reading slows down or stops.
pub(super) const MAX_PENDING: usize = 64;
/// How long the next line waits for an answer to go out while too many requests are in flight and no message is unwritten.
const PACE: Duration = Duration::from_millis(10);

/// Decides when the next line may be read.
///
/// While a message is unwritten, the client has to read before it is read. While none is, the client reads, and the
/// requests in flight wait for something else, such as the next change. Then reading slows down and does not stop,
/// because the next line may be the one that cancels such a request.
#[derive(Default)]
pub(super) struct WriteBacklog {
    unwritten: Arc<UnwrittenCount>,
    /// The wait for the next line. It is kept here because rmcp often drops and repeats the call that waits.
    pace: Option<Pin<Box<Sleep>>>,
}

#[derive(Default)]
struct UnwrittenCount {
    messages: AtomicUsize,
    /// Notified of each message that is written, even if nothing waits for it.
    written: Notify,
}

/// A message that is still to be written. It counts until this value is dropped, whether the write succeeds or not.
pub(super) struct Unwritten(Arc<UnwrittenCount>);

impl Drop for Unwritten {
    fn drop(&mut self) {
        self.0.messages.fetch_sub(1, Ordering::AcqRel);
        self.0.written.notify_one();
    }
}

impl WriteBacklog {
    /// Counts a message that is to be written.
    pub(super) fn add(&self) -> Unwritten {
        self.unwritten.messages.fetch_add(1, Ordering::AcqRel);
        Unwritten(Arc::clone(&self.unwritten))
    }

    /// Waits until the next line may be read. After a dropped future the next call continues the wait.
    pub(super) async fn room(&mut self, in_flight: impl Fn() -> usize) {
        loop {
            let unwritten = self.unwritten.messages.load(Ordering::Acquire);
            if unwritten + in_flight() < MAX_PENDING {
                break;
            }
            if unwritten > 0 {
                self.unwritten.written.notified().await;
                continue;
            }
            let pace = self.pace.get_or_insert_with(|| Box::pin(sleep(PACE)));
            tokio::select! {
                () = self.unwritten.written.notified() => {}
                () = pace => break,
            }
        }
        self.pace = None;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_read_while_too_many_messages_are_unwritten() {
        let mut backlog = WriteBacklog::default();
        let mut unwritten: Vec<Unwritten> = (1..MAX_PENDING).map(|_| backlog.add()).collect();
        backlog.room(|| 0).now_or_never().expect("there is room for one more");
        unwritten.push(backlog.add());
        let waiting = tokio::time::timeout(Duration::from_mins(1), backlog.room(|| 0)).await;
        assert!(waiting.is_err(), "no time opens what only the client can open");
        drop(unwritten.pop());
        backlog.room(|| 0).now_or_never().expect("a message was written");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_wait_for_something_else_slow_reading_down_and_do_not_stop_it() {
        let mut backlog = WriteBacklog::default();
        for _ in 0..3 {
            assert!(backlog.room(|| MAX_PENDING).now_or_never().is_none());
            backlog.room(|| MAX_PENDING).await;
        }
        let unwritten = backlog.add();
        let waiting = tokio::time::timeout(Duration::from_mins(1), backlog.room(|| MAX_PENDING)).await;
        assert!(waiting.is_err(), "with a message unwritten they do stop it");
        drop(unwritten);
        backlog.room(|| MAX_PENDING).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_is_dropped_again_and_again_still_ends() {
        let mut backlog = WriteBacklog::default();
        let mut dropped = 0;
        while tokio::time::timeout(PACE / 4, backlog.room(|| MAX_PENDING)).await.is_err() {
            dropped += 1;
            assert!(dropped < 20, "each call begins the wait anew");
        }
        assert!(dropped > 0, "the first call did not wait");
    }
}

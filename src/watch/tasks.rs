//! The tasks and threads of a server: started under a name, told to stop together, and waited for.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use parking_lot::Mutex;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long to wait after a task panicked.
pub(crate) const AFTER_PANIC: Duration = Duration::from_secs(30);

/// All tasks of one server. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
    running: Arc<Mutex<Running>>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    names: BTreeMap<u64, &'static str>,
}

/// Marks a task as running until dropped, whether it ends, is aborted or panics.
struct RunningTask {
    number: u64,
    running: Arc<Mutex<Running>>,
}

impl Tasks {
    /// A set without tasks.
    #[must_use]
    pub fn new() -> Self {
        Tasks::default()
    }

    /// A part of these tasks, which can be stopped alone and stops with them.
    #[must_use]
    pub fn part(&self) -> Self {
        Tasks { stop: self.stop.child_token(), ..self.clone() }
    }

    /// Tells the tasks of this part to stop, without waiting for them.
    pub fn end(&self) {
        self.stop.cancel();
    }

    /// A token that is cancelled when the tasks should stop.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Runs `task` until it ends by itself; it must end soon after [`Tasks::stopping`] is cancelled.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let entry = self.enter(name);
        self.tracker.spawn(async move {
            task.await;
            drop(entry);
        });
    }

    /// Like [`Tasks::spawn_until_stopped`]; a task that panicked is started again after a while.
    pub fn spawn_supervised<T>(&self, name: &'static str, task: impl Fn() -> T + Send + 'static)
    where
        T: Future<Output = ()> + Send + 'static,
    {
        self.spawn_until_stopped(name, async move {
            while AssertUnwindSafe(task()).catch_unwind().await.is_err() {
                tracing::error!(
                    task = name,
                    "failed because of a bug in Muster, please report it; the task starts again"
                );
                sleep(AFTER_PANIC).await;
            }
        });
    }

    /// Runs `task` until it ends or the tasks should stop, whichever is first; it may be cancelled at any await.
    pub fn spawn_until_stopped(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stopping();
        self.spawn(name, async move {
            stop.run_until_cancelled(task).await;
        });
    }

    /// Runs `work` on a thread that may block; it must end soon after [`Tasks::stopping`] is cancelled.
    pub fn spawn_blocking(&self, name: &'static str, work: impl FnOnce() + Send + 'static) {
        let entry = self.enter(name);
        self.tracker.spawn_blocking(move || {
            work();
            drop(entry);
        });
    }

    /// Stops all tasks and waits for them; after `patience`, returns the names of those that still run.
    pub async fn stop(&self, patience: Duration) -> Vec<&'static str> {
        self.stop.cancel();
        self.tracker.close();
        match tokio::time::timeout(patience, self.tracker.wait()).await {
            Ok(()) => Vec::new(),
            Err(_) => self.running.lock().names.values().copied().collect(),
        }
    }

    fn enter(&self, name: &'static str) -> RunningTask {
        let mut running = self.running.lock();
        running.next += 1;
        let number = running.next;
        running.names.insert(number, name);
        RunningTask { number, running: Arc::clone(&self.running) }
    }
}

impl Drop for RunningTask {
    fn drop(&mut self) {
        self.running.lock().names.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_in_time_is_named() {
        let tasks = Tasks::new();
        let stopping = tasks.stopping();
        tasks.spawn("obeys", async move { stopping.cancelled().await });
        tasks.spawn_until_stopped("is dropped", std::future::pending());
        tasks.spawn("hangs", std::future::pending());
        assert_eq!(tasks.stop(Duration::from_secs(2)).await, ["hangs"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_part_stops_alone_and_with_the_whole() {
        let tasks = Tasks::new();
        let (one, other) = (tasks.part(), tasks.part());
        for part in [&one, &other] {
            part.spawn_until_stopped("rests", std::future::pending());
        }
        one.end();
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(tasks.running.lock().names.len(), 1);
        assert_eq!(tasks.stop(Duration::from_secs(2)).await, Vec::<&str>::new());
        assert!(other.stopping().is_cancelled());
    }

    #[tokio::test]
    async fn a_task_that_panics_is_not_waited_for() {
        let tasks = Tasks::new();
        tasks.spawn("panics", async { panic!("on purpose") });
        assert_eq!(tasks.stop(Duration::from_secs(2)).await, Vec::<&str>::new());
    }
}

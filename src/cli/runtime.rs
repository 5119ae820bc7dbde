//! The async runtimes of commands, and the end of the process.

use anyhow::Context;
use tokio::runtime::{self, Runtime};

use crate::telemetry;

/// Runs `work` to its end, and does not wait for other tasks: a read of standard input cannot be cancelled, and tasks that did
/// not stop in time have already been logged.
pub(super) fn finish<T>(runtime: Runtime, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    DetachedRuntime(Some(runtime)).block_on(work)
}

/// A runtime whose threads are not waited for when it is dropped, even after a panic.
struct DetachedRuntime(Option<Runtime>);

impl DetachedRuntime {
    fn block_on<T>(&self, work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
        self.0.as_ref().context("the runtime has ended")?.block_on(work)
    }
}

impl Drop for DetachedRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// When dropped, waits until everything that was logged is written.
pub(super) struct FlushOnExit;

impl Drop for FlushOnExit {
    fn drop(&mut self) {
        telemetry::flush();
    }
}

/// A runtime of one thread, for front ends, of which there may be many.
pub(super) fn single() -> std::io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

/// A runtime of several threads, for a process that serves.
pub(super) fn parallel() -> std::io::Result<Runtime> {
    runtime::Builder::new_multi_thread().enable_all().build()
}

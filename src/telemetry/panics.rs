//! Panics as log lines, where they cannot block whoever panics.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::PanicHookInfo;

/// Logs every panic of this process from now on, with a backtrace where `RUST_BACKTRACE` asks for one.
///
/// Rust's own hook writes to standard error and waits for its reader; in a detached server it would write to nobody.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let backtrace = Backtrace::capture();
        let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        tracing::error!(backtrace, "{}", said(panic));
    }));
}

/// What happened and where, in one line.
fn said(panic: &PanicHookInfo<'_>) -> String {
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("without a name");
    let place = panic.location().map(|place| format!(" at {place}")).unwrap_or_default();
    format!("thread '{thread}' panicked{place}: {}", panic.payload_as_str().unwrap_or("without a message"))
}

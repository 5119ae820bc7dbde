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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write, pipe};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use crate::telemetry::{self, Format, LogDestination};

    /// Tells the process that panics from the one that watches it.
    const CHILD: &str = "MUSTER_TEST_PANICS";

    /// This test again, in a process whose standard error is `errors`: a thread of it panics. Whether it ends well.
    fn panics(errors: Stdio) -> bool {
        let name = "telemetry::panics::tests::a_panic_delays_nobody_though_standard_error_is_not_read";
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture"])
            .env(CHILD, "1")
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .unwrap();
        for _ in 0..1200 {
            if let Some(status) = child.try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        false
    }

    #[test]
    fn a_panic_delays_nobody_though_standard_error_is_not_read() {
        if std::env::var_os(CHILD).is_some() {
            // Also when the filter wants nothing of others.
            telemetry::start(Some("off"), Format::Text, &LogDestination::Stderr).unwrap();
            super::log_panics();
            let ended = std::thread::Builder::new().name("thrower".to_owned()).spawn(|| panic!("on purpose"));
            assert!(ended.unwrap().join().is_err());
            telemetry::flush();
            return;
        }
        let (_unread, mut full) = pipe().unwrap();
        full.write_all(&vec![b'.'; 64 << 10]).unwrap();
        assert!(panics(full.into()), "it waits for a reader");
        let (mut reader, writer) = pipe().unwrap();
        assert!(panics(writer.into()));
        let mut said = String::new();
        reader.read_to_string(&mut said).unwrap();
        assert!(said.contains("thread 'thrower' panicked at src") && said.contains(": on purpose"), "{said}");
    }
}

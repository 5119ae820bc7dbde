//! Logs, as `tracing` events on standard error or in a file. Standard output belongs to the protocol.
//!
//! Logging never blocks: a thread of its own writes the lines, and where nobody reads standard error, or the disk of the log
//! file is full, lines are dropped and counted ([`dropped`]). Panics and what a command says to a person go the same way.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;

mod backlog;
pub mod log_file;
pub mod metrics;
pub mod panics;
mod sink;

pub use log_file::LogFile;
pub use panics::log_panics;

use sink::LogSink;

/// What goes to standard error: one queue for log lines and for what is said to a person, so that they keep their order.
static STDERR: OnceLock<LogSink> = OnceLock::new();

/// What goes to the log file of this process, if it has one.
static FILE: OnceLock<LogSink> = OnceLock::new();

/// Dropped lines and panics are logged whatever the filter says.
const OWN: &str = "muster::telemetry=warn";

/// The levels of libraries that the filter does not name. The SDK's credential chain logs every source that it tries.
const LIBRARIES: &str = "aws_config=error,aws_smithy_runtime=warn,hyper=warn";

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where log lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogDestination {
    /// Standard error.
    Stderr,
    /// A bounded file, for a process without a terminal.
    File(PathBuf),
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("`{filter}` is not a log filter: give a level or target=level pairs, for example info,muster=debug")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
}

/// Starts logging for this process; `info` without a filter. A second start is ignored, which only tests do.
///
/// # Errors
/// A filter that does not parse. A log file that cannot be opened costs log lines, and is no error.
pub fn start(filter: Option<&str>, format: Format, destination: &LogDestination) -> Result<(), TelemetryError> {
    let given = filter.filter(|text| !text.trim().is_empty()).unwrap_or("info");
    // Of two directives for one target the later counts.
    let filter = EnvFilter::try_new(format!("{},{LIBRARIES},{OWN},{given}", crate::mcp::LOG))
        .map_err(|source| TelemetryError::Filter { filter: given.to_owned(), source })?;
    let sink = match destination {
        LogDestination::Stderr => stderr(),
        LogDestination::File(path) => FILE.get_or_init(|| LogSink::start(LogFile::at(path.clone()))),
    };
    let colours = *destination == LogDestination::Stderr && io::IsTerminal::is_terminal(&io::stderr());
    // A line that cannot be written is nobody's loss; reporting it on a closed standard error would panic.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || sink.clone())
        .with_ansi(colours)
        .log_internal_errors(false);
    let started = match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    drop(started);
    Ok(())
}

/// Says a line, or several, to a person on standard error, if there is one. It does not wait: see [`flush`].
pub fn say(text: &str) {
    stderr().push(format!("{text}\n").as_bytes());
}

/// Waits until everything said and logged so far is written, for as long as somebody reads it; to be called at the end of the
/// process.
pub fn flush() {
    for sink in STDERR.get().into_iter().chain(FILE.get()) {
        sink.flush();
    }
}

/// How many log lines this process has dropped, because nobody read them or because they could not be written.
#[must_use]
pub fn dropped() -> u64 {
    STDERR.get().into_iter().chain(FILE.get()).map(LogSink::dropped).sum()
}

fn stderr() -> &'static LogSink {
    STDERR.get_or_init(|| {
        // A descriptor of its own: the standard library's handle has a lock, which the writing thread would hold for as long
        // as nobody reads.
        match io::stderr().as_fd().try_clone_to_owned() {
            Ok(descriptor) => LogSink::start(File::from(descriptor)),
            Err(_) => LogSink::start(NoStderr),
        }
    })
}

/// A destination that takes nothing.
struct NoStderr;

impl Write for NoStderr {
    fn write(&mut self, _line: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

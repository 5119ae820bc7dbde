//! Logs, as `tracing` events on standard error or in a file, traces of what clients ask for, and metrics. Standard output belongs to
//! the protocol.
//!
//! Logging never blocks: a thread of its own writes the lines, and where nobody reads standard error, or the disk of the log
//! file is full, lines are dropped and counted ([`dropped`]). Panics and what a command says to a person go the same way.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::OnceLock;

use tracing_subscriber::EnvFilter;
#[cfg(feature = "otlp")]
use tracing_subscriber::Layer;

mod backlog;
pub mod log_file;
pub mod metrics;
pub mod panics;
mod sink;
#[cfg(feature = "otlp")]
mod traces;

pub use log_file::LogFile;
pub use panics::log_panics;

#[cfg(feature = "otlp")]
use tracing_subscriber::filter::{FilterFn, LevelFilter};

use crate::model::spans::SPANS;
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
    log_lines(read(filter)?, format, destination);
    Ok(())
}

/// Starts logging as [`start`] does, and traces of what clients ask for, where OpenTelemetry's variables name a collector.
///
/// # Errors
/// As [`start`]. What is wrong with those variables costs traces, and is logged.
#[cfg(feature = "otlp")]
pub fn start_traced(filter: Option<&str>, format: Format, destination: &LogDestination) -> Result<(), TelemetryError> {
    let filter = read(filter)?;
    let traces::Tracing { tracer, remarks } =
        traces::Tracing::start(traces::TraceSettings::capture(), format == Format::Json);
    match tracer {
        Some(tracer) => log_and_trace(tracer, filter, format, destination),
        None => log_lines(filter, format, destination),
    }
    for remark in remarks {
        tracing::warn!("{remark}");
    }
    Ok(())
}

/// Starts logging as [`start`] does: this build knows no traces.
///
/// # Errors
/// As [`start`].
#[cfg(not(feature = "otlp"))]
pub fn start_traced(filter: Option<&str>, format: Format, destination: &LogDestination) -> Result<(), TelemetryError> {
    start(filter, format, destination)
}

fn read(filter: Option<&str>) -> Result<EnvFilter, TelemetryError> {
    let given = filter.filter(|text| !text.trim().is_empty()).unwrap_or("info");
    // Of two directives for one target the later counts. What traces are made of is for collectors.
    EnvFilter::try_new(format!("{},{LIBRARIES},{OWN},{SPANS}=off,{given}", crate::mcp::LOG))
        .map_err(|source| TelemetryError::Filter { filter: given.to_owned(), source })
}

/// Where lines go, and whether they may be coloured.
fn sink(destination: &LogDestination) -> (&'static LogSink, bool) {
    match destination {
        LogDestination::Stderr => (stderr(), io::IsTerminal::is_terminal(&io::stderr())),
        LogDestination::File(path) => (FILE.get_or_init(|| LogSink::start(LogFile::at(path.clone()))), false),
    }
}

fn log_lines(filter: EnvFilter, format: Format, destination: &LogDestination) {
    let (sink, colours) = sink(destination);
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
}

#[cfg(feature = "otlp")]
fn log_and_trace(
    tracer: opentelemetry_sdk::trace::SdkTracer,
    filter: EnvFilter,
    format: Format,
    destination: &LogDestination,
) {
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;

    let is_ours = FilterFn::new(|about| about.is_span() && about.target() == SPANS);
    let spans = traces::Tracing::layer(tracer).with_filter(is_ours.with_max_level_hint(LevelFilter::INFO));
    let (sink, colours) = sink(destination);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(move || sink.clone())
        .with_ansi(colours)
        .log_internal_errors(false);
    let all = tracing_subscriber::registry().with(spans);
    let started = match format {
        Format::Text => all.with(lines.with_filter(filter)).try_init(),
        Format::Json => {
            let lines = lines.json().flatten_event(true).map_event_format(traces::TracedLines);
            all.with(lines.with_filter(filter)).try_init()
        }
    };
    drop(started);
}

/// Says a line, or several, to a person on standard error, if there is one. It does not wait: see [`flush`].
pub fn say(text: &str) {
    stderr().push(format!("{text}\n").as_bytes());
}

/// Waits until everything said, logged and traced so far is written, for as long as somebody reads it; to be called at the end of
/// the process.
pub fn flush() {
    #[cfg(feature = "otlp")]
    traces::flush();
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

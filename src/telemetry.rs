//! Logs, as `tracing` events on standard error or in a file. Standard output belongs to the protocol.

use std::io;
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

pub mod log_file;

pub use log_file::LogFile;

/// What is logged of libraries unless they are named in the filter. The SDK's credential chain tells of every source it tries.
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
pub enum Destination {
    /// Standard error.
    Stderr,
    /// A bounded file, for a process without a terminal.
    File(PathBuf),
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("--log `{filter}` is not a log filter: give a level or target=level pairs, for example info,muster=debug")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The log file cannot be written.
    #[error("cannot open the log file {}: check that the directory is writable", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// Starts logging for this process; `info` without a filter. A second start is ignored, which only tests do.
///
/// # Errors
/// A filter that does not parse; a log file that cannot be opened.
pub fn start(filter: Option<&str>, format: Format, destination: &Destination) -> Result<(), TelemetryError> {
    let given = filter.filter(|text| !text.trim().is_empty()).unwrap_or("info");
    // Of two directives for one target the later counts.
    let filter = EnvFilter::try_new(format!("{},{LIBRARIES},{given}", crate::mcp::LOG))
        .map_err(|source| TelemetryError::Filter { filter: given.to_owned(), source })?;
    let writer = match destination {
        Destination::Stderr => BoxMakeWriter::new(io::stderr),
        Destination::File(path) => {
            let file = LogFile::open(path).map_err(|source| TelemetryError::File { path: path.clone(), source })?;
            BoxMakeWriter::new(move || file.clone())
        }
    };
    let colours = *destination == Destination::Stderr && io::IsTerminal::is_terminal(&io::stderr());
    // A line that cannot be written is nobody's loss; reporting it on a closed standard error would panic.
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(colours)
        .log_internal_errors(false);
    let started = match format {
        Format::Text => lines.try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
    drop(started);
    Ok(())
}

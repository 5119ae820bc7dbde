//! Work of an operation that gets a task of its own, and goes on belonging to the operation.

use tracing::Instrument;

/// The same work, for a task of its own: its calls and commits belong to the operation that is being served, and so do its log lines.
#[cfg(feature = "otlp")]
pub(super) fn within_operation<F: Future>(work: F) -> impl Future<Output = F::Output> {
    use opentelemetry::trace::FutureExt;

    // The current span alone may be one that is only logged.
    work.in_current_span().with_current_context()
}

/// The same work, for a task of its own: its log lines belong to the operation that is being served.
#[cfg(not(feature = "otlp"))]
pub(super) fn within_operation<F: Future>(work: F) -> impl Future<Output = F::Output> {
    work.in_current_span()
}

//! Which spans become traces: those of operations that a client asked for, and what lies below one.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

/// Leaves out what begins without an operation, as the calls of a sweep do, and decides about the rest as another sampler does.
#[derive(Clone, Debug)]
pub(super) struct AskedOnly(Box<dyn ShouldSample>);

impl AskedOnly {
    /// Decides about operations as `sampler` does.
    pub(super) fn new(sampler: Box<dyn ShouldSample>) -> Self {
        AskedOnly(sampler)
    }
}

impl ShouldSample for AskedOnly {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let is_below = parent.is_some_and(|parent| parent.span().span_context().is_valid());
        if is_below || *kind == SpanKind::Server {
            return self.0.should_sample(parent, trace, name, kind, attributes, links);
        }
        SamplingResult { decision: SamplingDecision::Drop, attributes: Vec::new(), trace_state: TraceState::default() }
    }
}

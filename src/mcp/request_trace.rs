//! The span of an operation, as OpenTelemetry's conventions for MCP have it, below the span that its client names.
//!
//! The id of the session is left out: over HTTP it is all that a request needs to speak in it.

#[cfg(feature = "otlp")]
use std::collections::HashMap;

use axum::http::request::Parts;
use rmcp::model::RequestId;
use rmcp::service::{RequestContext, RoleServer};
use tracing::field::Empty;
use tracing::{Level, Span};

use super::operations::{AskedOperation, NetworkTransport};
use crate::model::spans::SPANS;
use crate::model::text::shown;

/// How much of a request's id is told.
const TOLD: usize = 64;
/// The longest text of another's span that is read.
const LONGEST: usize = 512;

/// What a request says about the trace that it belongs to. Nothing is read where nobody collects traces.
pub(super) struct RequestTrace(Option<Box<TracedRequest>>);

struct TracedRequest {
    id: String,
    /// The span in the request itself.
    meta: CarriedSpan,
    /// The span of the HTTP request that brought it.
    ambient: CarriedSpan,
}

/// A span of somebody else, in the form of W3C's Trace Context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct CarriedSpan {
    parent: Option<String>,
    state: Option<String>,
}

impl CarriedSpan {
    fn of(parent: Option<&str>, state: Option<&str>) -> Self {
        let short = |text: &&str| text.len() <= LONGEST;
        CarriedSpan { parent: parent.filter(short).map(str::to_owned), state: state.filter(short).map(str::to_owned) }
    }

    fn of_http(parts: &Parts) -> Self {
        let header = |name: &str| parts.headers.get(name)?.to_str().ok();
        CarriedSpan::of(header("traceparent"), header("tracestate"))
    }
}

impl RequestTrace {
    /// That of a request.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Self {
        if !is_collected() {
            return RequestTrace(None);
        }
        let meta = CarriedSpan::of(context.meta.get_traceparent(), context.meta.get_tracestate());
        let ambient = context.extensions.get::<Parts>().map(CarriedSpan::of_http).unwrap_or_default();
        RequestTrace(Some(Box::new(TracedRequest { id: told(&context.id), meta, ambient })))
    }

    /// The span of the operation that the request asks for.
    pub(super) fn span(&self, asked: &AskedOperation) -> Span {
        let Some(request) = &self.0 else { return Span::none() };
        let span = span(asked, &request.id);
        request.place(&span);
        span
    }
}

impl TracedRequest {
    /// Puts a span where it belongs. That of the HTTP request is the parent where the request itself names none.
    #[cfg(feature = "otlp")]
    fn place(&self, span: &Span) {
        use opentelemetry::trace::TraceContextExt;
        use tracing_opentelemetry::OpenTelemetrySpanExt;

        let ambient = self.ambient.context();
        match self.meta.context() {
            Some(parent) => {
                // Fails for a span that nobody collects.
                drop(span.set_parent(parent));
                if let Some(ambient) = ambient {
                    span.add_link(ambient.span().span_context().clone());
                }
            }
            None => {
                if let Some(parent) = ambient {
                    drop(span.set_parent(parent));
                }
            }
        }
    }

    #[cfg(not(feature = "otlp"))]
    fn place(&self, _: &Span) {
        let TracedRequest { meta: CarriedSpan { parent, state }, ambient, .. } = self;
        let _: (&Option<String>, &Option<String>, &CarriedSpan) = (parent, state, ambient);
    }
}

#[cfg(feature = "otlp")]
impl CarriedSpan {
    /// The context with that span; `None` where there is none, or no valid one.
    fn context(&self) -> Option<opentelemetry::Context> {
        use opentelemetry::propagation::TextMapPropagator;
        use opentelemetry::trace::TraceContextExt;
        use opentelemetry_sdk::propagation::TraceContextPropagator;

        let mut carrier = HashMap::from([("traceparent".to_owned(), self.parent.clone()?)]);
        carrier.extend(self.state.clone().map(|state| ("tracestate".to_owned(), state)));
        let context = TraceContextPropagator::new().extract_with_context(&opentelemetry::Context::new(), &carrier);
        let is_valid = context.span().span_context().is_valid();
        is_valid.then_some(context)
    }
}

/// Whether somebody collects traces.
pub(super) fn is_collected() -> bool {
    tracing::span_enabled!(target: SPANS, Level::INFO)
}

/// The span of an operation that is answered without rmcp, and belongs to no trace of its client's.
pub(super) fn plain(asked: &AskedOperation, id: &RequestId) -> Span {
    if is_collected() { span(asked, &told(id)) } else { Span::none() }
}

/// Leaves out a span that [`plain`] made, whose operation is answered by somebody else.
pub(super) fn leave_out(span: &Span) {
    // What nobody asked for is not collected.
    span.record("otel.kind", "internal");
}

fn told(id: &RequestId) -> String {
    shown(&id.to_string(), TOLD)
}

fn span(asked: &AskedOperation, id: &str) -> Span {
    let AskedOperation { method, tool, prompt, protocol, transport } = *asked;
    let name = match tool.or(prompt) {
        Some(target) => format!("{method} {target}"),
        None => method.to_owned(),
    };
    let (transport, network) = match transport {
        NetworkTransport::Unix => ("unix", None),
        NetworkTransport::Tcp => ("tcp", Some("http")),
    };
    tracing::info_span!(
        target: SPANS,
        "operation",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        mcp.method.name = method,
        mcp.protocol.version = protocol,
        gen_ai.tool.name = tool,
        gen_ai.prompt.name = prompt,
        gen_ai.operation.name = tool.map(|_| "execute_tool"),
        network.transport = transport,
        network.protocol.name = network,
        jsonrpc.request.id = id,
        error.r#type = Empty,
    )
}

//! Traces: what an operation of a client took, with its calls of AWS and its commits, sent to an OpenTelemetry collector by OTLP over
//! HTTP.
//!
//! The variables are OpenTelemetry's own, and a mistake in one costs traces and not the server: they are often meant for other
//! programs. Nothing is sent unless one names a collector. What nobody asked for, as a sweep, is not traced: metrics count it.

mod asked_only;
mod collector;
mod traced_lines;

use std::env;
use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Config, SdkTracer, SdkTracerProvider};
use tracing_opentelemetry::OpenTelemetryLayer;

pub(super) use traced_lines::TracedLines;

use asked_only::AskedOnly;
use collector::Collector;

/// Name the collector; the first is the whole URL, to the second a path is added.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
/// Name the protocol of the collector.
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
/// Name how long a collector may take, in milliseconds.
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
/// How long a collector may take that no variable gives a time.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of the process waits for the last spans.
const END: Duration = Duration::from_secs(2);
/// The protocol that is spoken.
const SPOKEN: &str = "http/protobuf";
/// The samplers that OpenTelemetry's library knows.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// What sends the spans of this process, if anything does.
static PROVIDER: OnceLock<SdkTracerProvider> = OnceLock::new();

/// What the variables of OpenTelemetry ask for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TraceSettings {
    /// The collector that spans are sent to, by the variable that names it; `None` where none are.
    collector: Option<(&'static str, String)>,
    /// How long the collector may take.
    patience: Duration,
    /// What is wrong with the variables, in whole sentences.
    remarks: Vec<String>,
}

/// Makes spans of operations, and sends them where the settings say so.
pub(super) struct Tracing {
    /// Makes the spans; `None` where nothing needs them.
    pub(super) tracer: Option<SdkTracer>,
    /// What went wrong, to be logged once logging has begun.
    pub(super) remarks: Vec<String>,
}

/// What is left of a variable's value that is not blank.
fn filled(value: Option<String>) -> Option<String> {
    value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

impl TraceSettings {
    /// As the environment has them.
    pub(super) fn capture() -> Self {
        TraceSettings::of(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// As `variable` tells them. Blank ones count as not set.
    fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let given = |name: &str| filled(variable(name));
        let first = |names: [&'static str; 2]| names.into_iter().find_map(|name| Some((name, given(name)?)));
        let mut remarks = Vec::new();
        let is_off = given("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || given("OTEL_TRACES_EXPORTER").is_some_and(|value| value.eq_ignore_ascii_case("none"));
        let mut collector = first(ENDPOINTS).filter(|_| !is_off);
        if collector.is_some()
            && let Some((name, protocol)) = first(PROTOCOLS).filter(|(_, protocol)| protocol != SPOKEN)
        {
            remarks.push(format!(
                "No traces are sent: {name} asks for {protocol:?}, and Muster speaks {SPOKEN} only. Set it to {SPOKEN}, and the \
                 endpoint to the collector's port for that (4318 by default)."
            ));
            collector = None;
        }
        if collector.is_some()
            && let Some(sampler) = given("OTEL_TRACES_SAMPLER").filter(|it| !SAMPLERS.contains(&it.as_str()))
        {
            remarks.push(format!(
                "OTEL_TRACES_SAMPLER is {sampler:?}, which is not known: parentbased_always_on is used. Known are {}.",
                SAMPLERS.join(", ")
            ));
        }
        let patience = first(TIMEOUTS).and_then(|(_, millis)| Some(Duration::from_millis(millis.parse().ok()?)));
        TraceSettings { collector, patience: patience.filter(|time| !time.is_zero()).unwrap_or(PATIENCE), remarks }
    }
}

impl Tracing {
    /// Starts as the settings say. Spans are needed by a collector, and by `logs` that name them.
    pub(super) fn start(settings: TraceSettings, logs: bool) -> Self {
        let TraceSettings { collector, patience, mut remarks } = settings;
        let resource = Resource::builder()
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", format!("{:032x}", fastrand::u128(..))));
        // As OpenTelemetry's own library finds it, where it is given.
        let is_named = filled(env::var("OTEL_SERVICE_NAME").ok()).is_some()
            || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|given| given.contains("service.name="));
        let resource = if is_named { resource } else { resource.with_service_name("muster") };
        let provider = SdkTracerProvider::builder()
            .with_sampler(AskedOnly::new(Config::default().sampler))
            .with_resource(resource.build());
        let exporter = collector
            .map(|(name, url)| exporter(name, &url, patience))
            .and_then(|made| made.inspect_err(|why| remarks.push(format!("No traces are sent: {why}."))).ok());
        let provider = match exporter {
            Some(exporter) => provider.with_batch_exporter(exporter).build(),
            None if logs => provider.build(),
            None => return Tracing { tracer: None, remarks },
        };
        Tracing { tracer: Some(PROVIDER.get_or_init(|| provider).tracer("muster")), remarks }
    }

    /// The layer that makes them of the spans of `tracing`.
    pub(super) fn layer<S>(tracer: SdkTracer) -> OpenTelemetryLayer<S, SdkTracer>
    where
        S: tracing::Subscriber + for<'span> tracing_subscriber::registry::LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
    }
}

/// What sends spans to the collector at `url`, which the variable `name` holds.
fn exporter(name: &str, url: &str, patience: Duration) -> Result<SpanExporter, String> {
    let collector = Collector::of(url, patience).map_err(|why| format!("{name} {why}"))?;
    let made = SpanExporter::builder().with_http().with_http_client(collector).build();
    // The error repeats values of variables, which can hold secrets.
    made.map_err(|_| {
        format!("{name} or another variable that begins with OTEL_EXPORTER_OTLP_ has a value that cannot be used")
    })
}

/// Sends the spans that wait, for a while.
pub(super) fn flush() {
    if let Some(provider) = PROVIDER.get() {
        // Its errors are those of the collector, which were logged.
        drop(provider.shutdown_with_timeout(END));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(given: &[(&str, &str)]) -> TraceSettings {
        TraceSettings::of(|name| Some(given.iter().find(|(known, _)| *known == name)?.1.to_owned()))
    }

    #[test]
    fn nothing_is_sent_unless_a_collector_is_named() {
        for given in [
            &[][..],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"), ("OTEL_SDK_DISABLED", "TRUE")],
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"), ("OTEL_TRACES_EXPORTER", "none")],
        ] {
            let TraceSettings { collector, remarks, .. } = settings(given);
            assert!(collector.is_none() && remarks.is_empty(), "{given:?}");
        }
        for name in ENDPOINTS {
            assert!(settings(&[(name, "http://127.0.0.1:4318")]).collector.is_some());
        }
    }

    #[test]
    fn a_protocol_that_is_not_spoken_is_named_and_costs_the_traces() {
        let given = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")];
        let TraceSettings { collector, remarks, .. } = settings(&given);
        assert!(
            collector.is_none() && remarks[0].contains("OTEL_EXPORTER_OTLP_PROTOCOL asks for \"grpc\""),
            "{remarks:?}"
        );
        // The one for traces alone counts more.
        let given = [given[0], given[1], ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", SPOKEN)];
        assert!(settings(&given).collector.is_some());
    }

    #[test]
    fn an_unknown_sampler_is_named_and_odd_times_are_the_default() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
        let odd = settings(&[endpoint, ("OTEL_TRACES_SAMPLER", "sometimes"), ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon")]);
        assert!(odd.collector.is_some() && odd.remarks[0].contains("\"sometimes\""), "{odd:?}");
        assert_eq!(odd.patience, PATIENCE);
        assert_eq!(settings(&[endpoint, ("OTEL_EXPORTER_OTLP_TIMEOUT", "0")]).patience, PATIENCE);
        assert_eq!(settings(&[endpoint, ("OTEL_EXPORTER_OTLP_TIMEOUT", "1500")]).patience, Duration::from_millis(1500));
    }
}

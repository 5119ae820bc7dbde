//! What clients ask for, and what they are told.

use super::metric_spec::{MetricForm, MetricSpec, MetricUnit};
use super::metrics_page::{LabelText, MetricValue, MetricsPage};
use crate::ec2_api::call_tally::Ec2CallTally;
use crate::mcp::operations::{AskedOperation, NetworkTransport, OperationKey, Operations};
use crate::notify::CountedNotifications;

static OPERATIONS: MetricSpec = MetricSpec {
    name: "mcp_server_operation_duration",
    unit: MetricUnit::Seconds,
    form: MetricForm::Histogram,
    labels: &[
        "mcp_method_name",
        "gen_ai_tool_name",
        "gen_ai_prompt_name",
        "error_type",
        "mcp_protocol_version",
        "network_transport",
    ],
    help: "How long requests of MCP took, by OpenTelemetry's attributes. error_type is the code of an error, or tool_error for \
           a tool that failed. A subscription is no operation: see muster_subscribers",
};

static SESSIONS: MetricSpec = MetricSpec {
    name: "mcp_server_session_duration",
    unit: MetricUnit::Seconds,
    form: MetricForm::Histogram,
    labels: &["network_transport"],
    help: "How long sessions lasted that have ended: connections of the socket, and sessions over HTTP of protocols before \
           2026-07-28",
};

static CLIENTS: MetricSpec = MetricSpec {
    name: "muster_clients",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["network_transport"],
    help: "MCP clients that are connected to the socket, and open connections of HTTP",
};

static REFUSED: MetricSpec = MetricSpec {
    name: "muster_http_refused",
    unit: MetricUnit::None,
    form: MetricForm::Counter,
    labels: &["reason"],
    help: "Requests over HTTP that were not served: too many connections, too many requests of one client (rate), too many calls \
           that wait, too large (size), or a host, origin or address that is not accepted (forbidden)",
};

static READ_API: MetricSpec = MetricSpec {
    name: "muster_read_api_duration",
    unit: MetricUnit::Seconds,
    form: MetricForm::Histogram,
    labels: &["action", "source", "error_type"],
    help: "How long answers of EC2's read API took, by action; source is copy, or aws where the call was passed on; error_type is the \
           code of an error, and empty for an answer, which is a call that AWS was saved where it came from the copy",
};

static SUBSCRIBERS: MetricSpec = MetricSpec {
    name: "muster_subscribers",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["era"],
    help: "Clients that are told of changes: modern ones by subscriptions/listen, older ones by resources/subscribe",
};

static NOTIFICATIONS: MetricSpec = MetricSpec {
    name: "muster_notifications",
    unit: MetricUnit::None,
    form: MetricForm::Counter,
    labels: &["outcome"],
    help: "Notifications to subscribers: sent; coalesced with one that was not taken yet; dropped, because the client had left or \
           did not read",
};

/// The metrics that are described here.
pub(super) static SPECS: &[&MetricSpec] =
    &[&OPERATIONS, &SESSIONS, &CLIENTS, &REFUSED, &READ_API, &SUBSCRIBERS, &NOTIFICATIONS];

/// Adds what clients asked for. `connected` are the MCP clients of the socket.
pub(super) fn add_operations(page: &mut MetricsPage, operations: &Operations, connected: usize) {
    let mut times = operations.times();
    // In an order, so that two pages can be compared.
    times.sort_by_key(|(key, _)| order(key));
    for (OperationKey { asked, error }, counted) in times {
        let AskedOperation { method, tool, prompt, protocol, transport } = asked;
        let rest = [tool, prompt, error, protocol].map(Option::unwrap_or_default);
        let labels: Vec<&'static str> = [method].into_iter().chain(rest).chain([named(transport)]).collect();
        page.add(&OPERATIONS, labels, MetricValue::Durations(counted));
    }
    for (transport, counted) in operations.sessions() {
        page.add(&SESSIONS, [named(transport)], MetricValue::Durations(counted));
    }
    page.add(&CLIENTS, [named(NetworkTransport::Unix)], MetricValue::Count(connected as u64));
    page.add(&CLIENTS, [named(NetworkTransport::Tcp)], MetricValue::Count(operations.connections() as u64));
    for (reason, count) in operations.refused() {
        page.add(&REFUSED, [reason], MetricValue::Count(count));
    }
}

/// Adds what clients of EC2's read API asked for.
pub(super) fn add_read_api(page: &mut MetricsPage, calls: &Ec2CallTally) {
    for (labels, counted) in calls.counted() {
        page.add(&READ_API, labels, MetricValue::Durations(counted));
    }
}

/// Adds what subscribers were told.
pub(super) fn add_notifications(page: &mut MetricsPage, counted: CountedNotifications) {
    let CountedNotifications { sent, coalesced, dropped, modern, older } = counted;
    for (era, count) in [("modern", modern), ("older", older)] {
        page.add(&SUBSCRIBERS, [era], MetricValue::Count(count as u64));
    }
    for (outcome, count) in [("sent", sent), ("coalesced", coalesced), ("dropped", dropped)] {
        page.add(&NOTIFICATIONS, [LabelText::from(outcome)], MetricValue::Count(count));
    }
}

fn order(key: &OperationKey) -> [&'static str; 6] {
    let AskedOperation { method, tool, prompt, protocol, transport } = key.asked;
    let [tool, prompt, protocol, error] = [tool, prompt, protocol, key.error].map(Option::unwrap_or_default);
    [method, tool, prompt, protocol, error, named(transport)]
}

fn named(transport: NetworkTransport) -> &'static str {
    match transport {
        NetworkTransport::Unix => "unix",
        NetworkTransport::Tcp => "tcp",
    }
}

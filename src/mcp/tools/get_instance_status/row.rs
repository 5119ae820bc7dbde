//! One instance with its status checks, read from the documents.

use rmcp::schemars::{self, JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::choice::place;
use crate::kinds::{INSTANCE, health};
use crate::mcp::lookup::FoundResource;
use crate::mcp::tools::table::{self, AnswerText};
use crate::mcp::uri::Address;
use crate::model::notice;
use crate::model::text::shown;
use crate::model::{Document, FailureCode, NoticeKind, Timestamp, Value as Field};

/// One instance.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StatusRow {
    /// The EC2 instance ID.
    pub(super) instance_id: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) known: Option<KnownInstance>,
    /// Why nothing is known about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// What kind of failure that is.
    #[serde(skip)]
    pub(super) failure: Option<FailureCode>,
}

/// What is known about an instance.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KnownInstance {
    /// Its worst check: impaired, insufficient-data, unknown, initializing, ok or not-applicable.
    verdict: &'static str,
    /// Its Name tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Where to read the whole instance.
    uri: String,
    /// The AWS account.
    account: String,
    /// The region.
    region: String,
    /// pending, running, stopping, stopped, shutting-down or terminated.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// Such as t3.micro.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_type: Option<String>,
    /// Such as eu-central-1a.
    #[serde(skip_serializing_if = "Option::is_none")]
    availability_zone: Option<String>,
    /// When it was last started.
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_time: Option<String>,
    /// CloudWatch detailed monitoring: enabled or disabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    monitoring: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_status: Option<StatusCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_status: Option<StatusCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attached_ebs_status: Option<StatusCheck>,
    /// The scheduled event that begins first, of those that are not over.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_event: Option<String>,
    /// Its earliest start.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_event_at: Option<String>,
    /// What AWS has scheduled for it.
    events: Vec<ScheduledEventRow>,
    /// What AWS announced in events. AWS withdraws none of these, so each is shown until it expires.
    notices: Vec<NoticeRow>,
    /// When the instance was last confirmed.
    #[schemars(with = "String")]
    as_of: Timestamp,
    /// When the status checks were last confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    checks_as_of: Option<Timestamp>,
    /// Why the status checks may be out of date, or are unknown; absent while fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    checks_stale: Option<String>,
    /// Whether AWS reported a state that no describe has confirmed yet.
    provisional: bool,
    /// Why this may be out of date; absent while fresh.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stale: Option<String>,
}

/// A status check.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StatusCheck {
    /// ok, impaired, initializing, insufficient-data or not-applicable.
    status: String,
    /// The single checks, unless all pass.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

/// One of the checks that a status sums up.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Detail {
    /// The check, such as reachability.
    name: String,
    /// passed, failed, insufficient-data or initializing.
    status: String,
    /// When it started to fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    impaired_since: Option<String>,
}

/// Something that AWS has scheduled for the instance.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ScheduledEventRow {
    /// Such as instance-reboot, system-maintenance or instance-retirement.
    code: String,
    /// AWS's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// The earliest start.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    /// The latest end.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
}

/// Something that AWS announced in an event, and that has not expired.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct NoticeRow {
    /// What AWS announced.
    #[schemars(schema_with = "notice_kinds")]
    what: NoticeKind,
    /// What will be done (terminate, stop, hibernate), or AWS Health's type of event.
    code: String,
    /// AWS's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    /// When AWS announced it.
    #[schemars(with = "String")]
    announced_at: Timestamp,
    /// When it is due to happen.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    begins: Option<Timestamp>,
    /// When it no longer applies.
    #[schemars(with = "String")]
    expires: Timestamp,
}

/// The kinds of notices.
fn notice_kinds(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["spot_interruption", "rebalance_recommendation", "health"]})
}

/// What is known about an instance that was found.
pub(super) fn known(found: &FoundResource, now: Timestamp) -> KnownInstance {
    let FoundResource { id, current, part, .. } = found;
    let document = &current.document;
    let text = |path: &str| document.text(path).map(str::to_owned);
    let status = part.as_ref().and_then(|part| part.known.as_ref());
    let checks = status.map(|(_, status)| &status.document);
    let unseen = || checks.is_none().then(|| "no status checks of it have been seen yet".to_owned());
    let checks_stale = part.as_ref().and_then(|part| part.stale.as_ref()).map(|stale| stale.why.clone());
    let check = |path: &str| checks.and_then(|checks| check(checks, path));
    let results = ["SystemStatus.Status", "InstanceStatus.Status", "AttachedEbsStatus.Status"];
    let results = results.iter().filter_map(|path| checks?.text(path));
    let next = checks.and_then(health::next_event);
    KnownInstance {
        verdict: health::verdict(results),
        name: document.tag("Name").map(|name| shown(name, 80)),
        uri: Address::of(INSTANCE, &id.id).to_string(),
        account: id.account.to_string(),
        region: id.region.to_string(),
        state: current.state().map(str::to_owned),
        instance_type: text("InstanceType"),
        availability_zone: text("Placement.AvailabilityZone"),
        launch_time: text("LaunchTime"),
        monitoring: text("Monitoring.State"),
        system_status: check("SystemStatus"),
        instance_status: check("InstanceStatus"),
        attached_ebs_status: check("AttachedEbsStatus"),
        next_event: next.map(|(code, _)| shown(code, 200)),
        next_event_at: next.map(|(_, at)| shown(at, 200)).filter(|at| !at.is_empty()),
        events: checks.map(events).unwrap_or_default(),
        notices: checks.map(|checks| notices(checks, now)).unwrap_or_default(),
        as_of: found.as_of,
        checks_as_of: status.map(|(as_of, _)| *as_of),
        checks_stale: checks_stale.or_else(unseen),
        provisional: current.provisional.is_some(),
        stale: found.stale.as_ref().map(|stale| stale.why.clone()),
    }
}

fn check(document: &Document, path: &str) -> Option<StatusCheck> {
    let status = document.text(&format!("{path}.Status"))?.to_owned();
    let path = format!("{path}.Details");
    let details = items(document, &path).map(|detail| Detail {
        name: field(detail, "Name").unwrap_or_default(),
        status: field(detail, "Status").unwrap_or_default(),
        impaired_since: field(detail, "ImpairedSince"),
    });
    let details = if status == "ok" { Vec::new() } else { details.collect() };
    Some(StatusCheck { status, details })
}

fn events(document: &Document) -> Vec<ScheduledEventRow> {
    let events = items(document, "Events").map(|event| ScheduledEventRow {
        code: field(event, "Code").unwrap_or_default(),
        description: field(event, "Description"),
        not_before: field(event, "NotBefore"),
        not_after: field(event, "NotAfter"),
    });
    events.collect()
}

fn notices(document: &Document, now: Timestamp) -> Vec<NoticeRow> {
    let holding = notice::of(document).into_iter().filter(|notice| notice.holds(now));
    let announced = holding.map(|notice| NoticeRow {
        what: notice.kind,
        code: shown(&notice.code, 100),
        description: notice.description.map(|description| shown(&description, 200)),
        announced_at: notice.at,
        begins: notice.begins,
        expires: notice.until,
    });
    announced.collect()
}

fn items<'a>(document: &'a Document, path: &str) -> impl Iterator<Item = &'a Field> {
    match document.get(path) {
        Some(Field::List(list)) => list.iter(),
        _ => [].iter(),
    }
}

fn field(value: &Field, name: &str) -> Option<String> {
    match value {
        Field::Map(map) => match map.get(name)? {
            Field::Text(text) => Some(shown(text, 200)),
            _ => None,
        },
        _ => None,
    }
}

impl KnownInstance {
    /// Where it stands among others: the least healthy come first, and of equally healthy ones those with a scheduled event.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        place(self.verdict, self.next_event.is_some())
    }
}

/// The columns of the text.
pub(super) const HEADER: &str =
    "verdict | instance | name | state | type | zone | system | instance check | ebs | launched | monitoring | as of";

/// A row as lines of text, each after a line end.
pub(super) fn lines(row: &StatusRow) -> String {
    let Some(known) = &row.known else {
        return format!("\n{}: {}", row.instance_id, row.error.as_deref().unwrap_or_default());
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let status = |check: &Option<StatusCheck>| check.as_ref().map(|check| check.status.clone()).unwrap_or_default();
    let state = format!("{}{}", text(&known.state), if known.provisional { " (provisional)" } else { "" });
    let cells = [
        known.verdict.to_owned(),
        row.instance_id.clone(),
        text(&known.name),
        state,
        text(&known.instance_type),
        text(&known.availability_zone),
        status(&known.system_status),
        status(&known.instance_status),
        status(&known.attached_ebs_status),
        text(&known.launch_time),
        text(&known.monitoring),
        known.as_of.to_string(),
    ];
    let mut out = AnswerText::new(format!("\n{}", table::line(cells.iter().map(String::as_str))));
    let checks =
        [("system", &known.system_status), ("instance", &known.instance_status), ("ebs", &known.attached_ebs_status)];
    for (name, check) in checks {
        for detail in check.iter().flat_map(|check| &check.details) {
            let since = detail.impaired_since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
            out.add(format_args!("\n  {name} check {}: {}{since}", detail.name, detail.status));
        }
    }
    for ScheduledEventRow { code, description, not_before, not_after } in &known.events {
        out.add(format_args!("\n  scheduled: {code} {}", description.as_deref().unwrap_or_default()));
        for (word, time) in [("from", not_before), ("to", not_after)] {
            if let Some(time) = time {
                out.add(format_args!(" {word} {time}"));
            }
        }
    }
    for NoticeRow { what, code, description, announced_at, begins, expires } in &known.notices {
        let what = match what {
            NoticeKind::SpotInterruption => "spot interruption",
            NoticeKind::RebalanceRecommendation => "rebalance recommendation",
            NoticeKind::Health => "AWS Health",
        };
        out.add(format_args!("\n  notice: {what} {code} {}", description.as_deref().unwrap_or_default()));
        if let Some(begins) = begins {
            out.add(format_args!(" from {begins}"));
        }
        out.add(format_args!(", announced at {announced_at}, expires {expires}"));
    }
    if let Some(stale) = &known.stale {
        out.add(format_args!("\n  stale: {stale}"));
    }
    if let Some(stale) = &known.checks_stale {
        out.add(format_args!("\n  checks stale: {stale}"));
    }
    out.into()
}

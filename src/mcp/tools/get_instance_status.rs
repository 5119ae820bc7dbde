//! `get_instance_status`: is it up, and is it well.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::schema;
use super::spec::{BUDGET, Call, Effect, ToolSpec};
use super::table::{self, Text};
use crate::kinds::INSTANCE;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::fresh::missing;
use crate::mcp::lookup::Found;
use crate::mcp::uri::Address;
use crate::model::notice;
use crate::model::text::shown;
use crate::model::{Document, NoticeKind, Seq, Timestamp, Value as Field};

const MOST: usize = 100;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "get_instance_status",
    title: "EC2 instance status",
    description: "Tells the state and health of up to 100 EC2 instances: state, type, zone, launch time, monitoring, \
                  system, instance and EBS status checks with details, scheduled events, and what AWS announced: spot \
                  interruptions, rebalance recommendations, AWS Health. Each row says at what time it \
                  was known to be so; a change reported by AWS a moment ago is marked provisional. Makes no AWS call.",
    effect: Effect::Read,
    input,
    output,
    example: r#"{"instance_ids": ["i-0123456789abcdef0", "i-0fedcba9876543210"]}"#,
    call,
};

/// One instance.
#[derive(Debug, Serialize)]
struct Row {
    instance_id: String,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    known: Option<Known>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Known {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    uri: String,
    account: String,
    region: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    availability_zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monitoring: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    system_status: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_status: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attached_ebs_status: Option<Check>,
    events: Vec<Event>,
    notices: Vec<Announced>,
    as_of: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks_as_of: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checks_stale: Option<String>,
    provisional: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale: Option<String>,
}

/// A status check. Details are left out while everything passes.
#[derive(Debug, Serialize)]
struct Check {
    status: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Detail>,
}

#[derive(Debug, Serialize)]
struct Detail {
    name: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    impaired_since: Option<String>,
}

/// Something that AWS has scheduled for the instance.
#[derive(Debug, Serialize)]
struct Event {
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_after: Option<String>,
}

/// Something that AWS announced in an event, and that has not expired.
#[derive(Debug, Serialize)]
struct Announced {
    what: NoticeKind,
    code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    told_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    begins: Option<Timestamp>,
    expires: Timestamp,
}

fn input() -> Value {
    schema::instances(MOST, json!({}))
}

fn output() -> Value {
    let detail = schema::object(
        &["name", "status"],
        json!({
            "name": schema::text("The check, such as reachability."),
            "status": schema::text("passed, failed, insufficient-data or initializing."),
            "impaired_since": schema::text("Since when it fails."),
        }),
    );
    let check = schema::object(
        &["status"],
        json!({
            "status": schema::text("ok, impaired, initializing, insufficient-data or not-applicable."),
            "details": schema::list(detail, "The single checks, unless all pass."),
        }),
    );
    let event = schema::object(
        &["code"],
        json!({
            "code": schema::text("Such as instance-reboot, system-maintenance or instance-retirement."),
            "description": schema::text("AWS's words."),
            "not_before": schema::text("The earliest start."),
            "not_after": schema::text("The latest end."),
        }),
    );
    let notice = schema::object(
        &["what", "code", "told_at", "expires"],
        json!({
            "what": {
                "type": "string",
                "enum": ["spot_interruption", "rebalance_recommendation", "health"],
                "description": "What AWS announced.",
            },
            "code": schema::text("What will be done (terminate, stop, hibernate), or AWS Health's type of event."),
            "description": schema::text("AWS's words."),
            "told_at": schema::text("When AWS said so."),
            "begins": schema::text("From when on it is to happen."),
            "expires": schema::text("From when on it says nothing any more."),
        }),
    );
    let row = schema::object(
        &["instance_id"],
        json!({
            "instance_id": schema::text("The EC2 instance ID."),
            "name": schema::text("Its Name tag."),
            "uri": schema::text("Where to read the whole instance."),
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "state": schema::text("pending, running, stopping, stopped, shutting-down or terminated."),
            "instance_type": schema::text("Such as t3.micro."),
            "availability_zone": schema::text("Such as eu-central-1a."),
            "launch_time": schema::text("When it was last started."),
            "monitoring": schema::text("CloudWatch detailed monitoring: enabled or disabled."),
            "system_status": check.clone(),
            "instance_status": check.clone(),
            "attached_ebs_status": check,
            "events": schema::list(event, "What AWS has scheduled for it."),
            "notices": schema::list(notice, "What AWS announced in events. Nobody takes these back: each is shown until it expires."),
            "as_of": schema::text("The instance was known to be so at this time."),
            "checks_as_of": schema::text("The status checks were known to be so at this time."),
            "checks_stale": schema::text("Why the status checks may be out of date, or are unknown; absent while fresh."),
            "provisional": {"type": "boolean", "description": "Whether AWS reported a state that no describe has confirmed yet."},
            "stale": schema::text("Why this may be out of date; absent while fresh."),
            "error": schema::text("Why nothing is known of it."),
        }),
    );
    schema::object(
        &["instances", "seq"],
        json!({
            "instances": schema::list(row, "One row for each id, in the order asked."),
            "not_shown": schema::list(json!({"type": "string"}), "Ids left out for the size of the answer: ask again with these."),
            "seq": schema::count("The log's end at this read."),
        }),
    )
}

fn call(call: Call) -> BoxFuture<'static, Result<Answer, Fault>> {
    async move {
        let Call { core, arguments, .. } = call;
        let ids = arguments.instance_ids(MOST)?;
        let seq = core.snapshot()?.seq();
        let rows = join_all(ids.into_iter().map(|id| row(Arc::clone(&core), id))).await;
        Ok(answer(&rows, seq))
    }
    .boxed()
}

async fn row(core: Arc<Core>, instance_id: String) -> Row {
    let known = match core.find(INSTANCE, &instance_id, None).await {
        Ok(found) => {
            let lacked = core.ingest.freshness().lacked(&found.id).map(missing);
            Ok(Known { stale: stale(&found).or(lacked), ..known(&found, core.now()) })
        }
        Err(fault) => Err(fault),
    };
    match known {
        Ok(known) => Row { instance_id, known: Some(known), error: None },
        Err(fault) => Row { instance_id, known: None, error: Some(fault.to_string()) },
    }
}

fn stale(found: &Found) -> Option<String> {
    found.stale.as_ref().map(|stale| stale.why.clone())
}

fn known(found: &Found, now: Timestamp) -> Known {
    let Found { id, current, part, .. } = found;
    let document = &current.document;
    let text = |path: &str| document.text(path).map(str::to_owned);
    let status = part.as_ref().and_then(|part| part.known.as_ref());
    let checks = status.map(|(_, status)| &status.document);
    let unseen = || checks.is_none().then(|| "no status checks of it were seen yet".to_owned());
    let checks_stale = part.as_ref().and_then(|part| part.stale.as_ref()).map(|stale| stale.why.clone());
    let check = |path: &str| checks.and_then(|checks| check(checks, path));
    Known {
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
        events: checks.map(events).unwrap_or_default(),
        notices: checks.map(|checks| notices(checks, now)).unwrap_or_default(),
        as_of: found.as_of,
        checks_as_of: status.map(|(as_of, _)| *as_of),
        checks_stale: checks_stale.or_else(unseen),
        provisional: current.provisional.is_some(),
        stale: stale(found),
    }
}

fn check(document: &Document, path: &str) -> Option<Check> {
    let status = document.text(&format!("{path}.Status"))?.to_owned();
    let path = format!("{path}.Details");
    let details = items(document, &path).map(|detail| Detail {
        name: field(detail, "Name").unwrap_or_default(),
        status: field(detail, "Status").unwrap_or_default(),
        impaired_since: field(detail, "ImpairedSince"),
    });
    let details = if status == "ok" { Vec::new() } else { details.collect() };
    Some(Check { status, details })
}

fn events(document: &Document) -> Vec<Event> {
    let events = items(document, "Events").map(|event| Event {
        code: field(event, "Code").unwrap_or_default(),
        description: field(event, "Description"),
        not_before: field(event, "NotBefore"),
        not_after: field(event, "NotAfter"),
    });
    events.collect()
}

fn notices(document: &Document, now: Timestamp) -> Vec<Announced> {
    let holding = notice::of(document).into_iter().filter(|notice| notice.holds(now));
    let announced = holding.map(|notice| Announced {
        what: notice.kind,
        code: shown(&notice.code, 100),
        description: notice.description.map(|description| shown(&description, 200)),
        told_at: notice.at,
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

fn answer(rows: &[Row], seq: Seq) -> Answer {
    let mut text = Text::new(HEADER);
    let (mut data, mut shown_rows) = (200, Vec::new());
    for row in rows {
        let lines = lines(row);
        let value = serde_json::to_value(row).unwrap_or(Value::Null);
        data += value.to_string().len() + 1;
        if !shown_rows.is_empty() && (data > BUDGET || text.len() + lines.len() > BUDGET) {
            break;
        }
        text.add(lines);
        shown_rows.push(value);
    }
    let left: Vec<&str> = rows.iter().skip(shown_rows.len()).map(|row| row.instance_id.as_str()).collect();
    let mut structured = json!({"instances": shown_rows, "seq": seq});
    if let (false, Value::Object(fields)) = (left.is_empty(), &mut structured) {
        text.add(format_args!("\nNot shown for size, ask again with these: {}", left.join(", ")));
        fields.insert("not_shown".to_owned(), json!(left));
    }
    Answer { text: text.into(), structured, failed: rows.iter().all(|row| row.known.is_none()) }
}

const HEADER: &str =
    "instance | name | state | type | zone | system | instance check | ebs | launched | monitoring | as of";

fn lines(row: &Row) -> String {
    let Some(known) = &row.known else {
        return format!("\n{}: {}", row.instance_id, row.error.as_deref().unwrap_or_default());
    };
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let status = |check: &Option<Check>| check.as_ref().map(|check| check.status.clone()).unwrap_or_default();
    let state = format!("{}{}", text(&known.state), if known.provisional { " (provisional)" } else { "" });
    let cells = [
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
    let mut out = Text::new(format!("\n{}", table::line(cells.iter().map(String::as_str))));
    let checks =
        [("system", &known.system_status), ("instance", &known.instance_status), ("ebs", &known.attached_ebs_status)];
    for (name, check) in checks {
        for detail in check.iter().flat_map(|check| &check.details) {
            let since = detail.impaired_since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
            out.add(format_args!("\n  {name} check {}: {}{since}", detail.name, detail.status));
        }
    }
    for Event { code, description, not_before, not_after } in &known.events {
        out.add(format_args!("\n  scheduled: {code} {}", description.as_deref().unwrap_or_default()));
        for (word, time) in [("from", not_before), ("to", not_after)] {
            if let Some(time) = time {
                out.add(format_args!(" {word} {time}"));
            }
        }
    }
    for Announced { what, code, description, told_at, begins, expires } in &known.notices {
        let what = match what {
            NoticeKind::SpotInterruption => "spot interruption",
            NoticeKind::RebalanceRecommendation => "rebalance recommendation",
            NoticeKind::Health => "AWS Health",
        };
        out.add(format_args!("\n  announced: {what} {code} {}", description.as_deref().unwrap_or_default()));
        if let Some(begins) = begins {
            out.add(format_args!(" from {begins}"));
        }
        out.add(format_args!(", told at {told_at}, expires {expires}"));
    }
    if let Some(stale) = &known.stale {
        out.add(format_args!("\n  stale: {stale}"));
    }
    if let Some(stale) = &known.checks_stale {
        out.add(format_args!("\n  checks stale: {stale}"));
    }
    out.into()
}

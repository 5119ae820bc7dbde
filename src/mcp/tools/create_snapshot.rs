//! `create_snapshot`: every attached EBS volume of an instance, at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::answer::Answer;
use super::table::Text;
use super::write_through::{Checked, Target, Verdict, check, dry_run, explain, failed, record, to_the_end};
use super::{BUDGET, Call, Effect, ToolSpec, schema};
use crate::aws::{Answer as AwsAnswer, CreateSnapshots, CreatedSnapshot, Priority};
use crate::ingest::Lane;
use crate::kinds::SNAPSHOT;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::model::text::shown;
use crate::model::{ActionId, Cause, Observation, Outcome, ResourceId, Scope, Seen, Seq, Source, Value as Field};

/// Instances in one call at most: the answer names every snapshot of each.
const MOST: usize = 20;
const DESCRIPTION: &str = "Automated snapshot via MCP";
/// How long a describe of new snapshots may take.
const SHOWING: Duration = Duration::from_secs(5);
/// About the bytes of a snapshot's line of text.
const LINE: usize = 80;
/// AWS's limit on a snapshot's description.
const LONGEST: usize = 255;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "create_snapshot",
    title: "Snapshot EC2 instances' volumes",
    description: "Creates one EBS snapshot of every volume attached to an instance, all at the same moment \
                  (crash-consistent), for up to 20 instances. Each call makes new snapshots, which cost storage until \
                  deleted. Answers the snapshot IDs by device; they complete in the background. The snapshots get their \
                  volumes' tags and a tag muster:action. With dry_run nothing is created.",
    effect: Effect::Creates,
    input,
    output,
    example: r#"{"instance_id": "i-0123456789abcdef0", "description": "before the upgrade"}"#,
    call,
};

#[derive(Debug, Serialize)]
struct Row {
    instance_id: String,
    verdict: Verdict,
    snapshots: Vec<Snapshot>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<ActionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

#[derive(Debug, Serialize)]
struct Snapshot {
    #[serde(rename = "snapshot_id")]
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_gib: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<bool>,
}

fn input() -> Value {
    schema::instances(
        MOST,
        json!({
            "description": {
                "type": "string",
                "maxLength": LONGEST,
                "default": DESCRIPTION,
                "description": "Description for the snapshots.",
            },
            "exclude_boot_volume": schema::flag("Leave out the volume that the instance boots from.", false),
            "dry_run": dry_run(),
        }),
    )
}

fn output() -> Value {
    let snapshot = schema::object(
        &["snapshot_id"],
        json!({
            "snapshot_id": schema::text("The snapshot."),
            "device": schema::text("The device name of its volume on the instance."),
            "volume_id": schema::text("Its volume."),
            "state": schema::text("`pending` until it is complete."),
            "size_gib": schema::count("The size of the volume."),
            "encrypted": {"type": "boolean", "description": "Whether it is encrypted."},
        }),
    );
    let row = schema::object(
        &["instance_id", "verdict", "snapshots"],
        json!({
            "instance_id": schema::text("The EC2 instance ID."),
            "verdict": Verdict::schema(),
            "snapshots": schema::list(snapshot, "What AWS has begun."),
            "action": schema::text("The recorded call; the tag muster:action of its snapshots."),
            "message": schema::text("Why not, or what to do next."),
        }),
    );
    schema::object(
        &["results", "dry_run"],
        json!({
            "results": schema::list(row, "One row for each instance."),
            "dry_run": {"type": "boolean", "description": "Whether this was only asked."},
            "seq": schema::count("The log holds the calls at this seq."),
        }),
    )
}

/// What was asked for, for every instance.
#[derive(Clone, Debug)]
struct Request {
    description: String,
    exclude_boot: bool,
    dry_run: bool,
}

fn call(call: Call) -> BoxFuture<'static, Result<Answer, Fault>> {
    async move {
        let Call { core, arguments, .. } = call;
        let ids = arguments.instance_ids(MOST)?;
        let description = arguments.text("description")?.filter(|text| !text.is_empty()).unwrap_or(DESCRIPTION);
        if description.chars().count() > LONGEST {
            let expected = format!("at most {LONGEST} characters");
            return Err(arguments.form("description", &expected, &json!(description)).into());
        }
        let request = Request {
            description: description.to_owned(),
            exclude_boot: arguments.flag("exclude_boot_volume", false)?,
            dry_run: arguments.flag("dry_run", false)?,
        };
        let work = {
            let (core, request) = (Arc::clone(&core), request.clone());
            async move { run(&core, &ids, &request).await }
        };
        let (rows, seq) = to_the_end(&core, work).await?;
        Ok(answer(&rows, seq, request.dry_run))
    }
    .boxed()
}

async fn run(core: &Core, ids: &[String], request: &Request) -> Result<(Vec<Row>, Option<Seq>), Fault> {
    let Checked { targets, problems, .. } = check(core, ids).await?;
    let mut seq = None;
    let problems = problems.into_iter().map(|(instance_id, verdict, message)| Row {
        instance_id,
        verdict,
        snapshots: Vec::new(),
        action: None,
        message: Some(message),
    });
    let mut rows: Vec<Row> = problems.collect();
    for target in targets {
        let (row, recorded) = snapshot(core, &target, request).await?;
        seq = seq.max(recorded);
        rows.push(row);
    }
    rows.sort_by_key(|row| ids.iter().position(|id| *id == row.instance_id));
    Ok((rows, seq))
}

async fn snapshot(core: &Core, target: &Target, request: &Request) -> Result<(Row, Option<Seq>), Fault> {
    let mut row = Row {
        instance_id: target.id.id.to_string(),
        verdict: Verdict::Refused,
        snapshots: Vec::new(),
        action: None,
        message: None,
    };
    let devices = devices(target);
    if devices.is_empty() {
        row.message = Some("it has no EBS volume attached, so there is nothing to snapshot".to_owned());
        return Ok((row, None));
    }
    // A dry run leaves no trace, and so has no action; AWS does not keep its tags either.
    let action = if request.dry_run {
        ActionId(0)
    } else {
        let action = core.ingest.begin(SPEC.name, vec![target.id.clone()]).await?;
        row.action = Some(action);
        action
    };
    let asked = CreateSnapshots {
        instance_id: target.id.id.to_string(),
        description: request.description.clone(),
        exclude_boot: request.exclude_boot,
        tags: Vec::new(),
        action,
        dry_run: request.dry_run,
    };
    let mut made = Vec::new();
    let outcome = match core.aws.create_snapshots(&target.id.region, &asked).await {
        Ok(AwsAnswer::WouldBeAllowed) => {
            row.verdict = Verdict::WouldBeAllowed;
            return Ok((row, None));
        }
        Ok(AwsAnswer::Done { result, .. }) => {
            row.verdict = Verdict::Done;
            let created: Vec<String> = result.iter().map(|snapshot| snapshot.snapshot_id.clone()).collect();
            made.clone_from(&created);
            row.snapshots = result.into_iter().map(|snapshot| by_device(snapshot, &devices)).collect();
            row.snapshots.sort_by(|a, b| a.device.cmp(&b.device));
            Outcome::Succeeded { created }
        }
        Err(error) => {
            let (outcome, verdict) = failed(&error);
            row.verdict = verdict;
            let next = match verdict {
                Verdict::Unknown => format!(
                    " It may have happened: before repeating it, look with `aws ec2 describe-snapshots --filters \
                     Name=tag:muster:action,Values={action}`."
                ),
                _ => String::new(),
            };
            row.message = Some(format!("{}{next}", explain(&error)));
            outcome
        }
    };
    if request.dry_run {
        return Ok((row, None));
    }
    let (mut seq, mut remark) = record(core, action, outcome, Vec::new()).await;
    if !made.is_empty() && remark.is_none() {
        match show(core, &target.id.scope(), &made).await {
            Some(shown) => seq = seq.max(Some(shown)),
            None => remark = Some("The inventory shows the snapshots after its next sweep of them.".to_owned()),
        }
    }
    row.message = row.message.or(remark);
    Ok((row, seq))
}

/// Describes new snapshots, so that whoever reads at the answer's seq sees them whole. `None` when AWS does not show them
/// yet, or does not let them be described: then the next sweep shows them.
async fn show(core: &Core, scope: &Scope, ids: &[String]) -> Option<Seq> {
    let described = core.aws.describe(scope, SNAPSHOT, ids, Priority::Tool);
    let listed = timeout(SHOWING, described).await.ok()?.ok()?;
    if listed.items.is_empty() {
        return None;
    }
    let observations = listed.items.into_iter().map(|item| Observation {
        source: Source::Refresh,
        at: listed.sent_at,
        id: ResourceId::new(scope, &SNAPSHOT.kind(), item.id),
        seen: Seen::Described(Arc::new(item.document)),
    });
    core.ingest.observe(Lane::Tools, observations.collect(), Cause::Refresh).await.ok().map(|observed| observed.seq)
}

/// The device name of each attached EBS volume.
fn devices(target: &Target) -> BTreeMap<String, String> {
    let mappings = match target.document.get("BlockDeviceMappings") {
        Some(Field::List(list)) => list.as_slice(),
        _ => &[],
    };
    let devices = mappings.iter().filter_map(|mapping| {
        let Field::Map(mapping) = mapping else { return None };
        let (Some(Field::Text(device)), Some(Field::Map(ebs))) = (mapping.get("DeviceName"), mapping.get("Ebs")) else {
            return None;
        };
        match ebs.get("VolumeId") {
            Some(Field::Text(volume)) => Some((volume.clone(), device.clone())),
            _ => None,
        }
    });
    devices.collect()
}

fn by_device(snapshot: CreatedSnapshot, devices: &BTreeMap<String, String>) -> Snapshot {
    Snapshot {
        device: snapshot.volume_id.as_ref().and_then(|volume| devices.get(volume)).map(|device| shown(device, 60)),
        id: snapshot.snapshot_id,
        volume_id: snapshot.volume_id,
        state: snapshot.state,
        size_gib: snapshot.volume_size,
        encrypted: snapshot.encrypted,
    }
}

fn answer(rows: &[Row], seq: Option<Seq>, dry_run: bool) -> Answer {
    let good = rows.iter().filter(|row| row.verdict.is_good()).count();
    let snapshots: usize = rows.iter().map(|row| row.snapshots.len()).sum();
    let mut text = Text::new(if dry_run {
        format!("Dry run: snapshots of {good} of {} instances would be allowed.", rows.len())
    } else {
        format!("{snapshots} snapshots begun for {good} of {} instances; they complete in the background.", rows.len())
    });
    let brief = rows.iter().map(|row| 60 + LINE * row.snapshots.len()).sum::<usize>() > BUDGET / 2;
    let mut messages: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows {
        let verdict = serde_json::to_value(row.verdict).ok().and_then(|v| v.as_str().map(str::to_owned));
        text.add(format_args!("\n{}: {}", row.instance_id, verdict.unwrap_or_default()));
        if let Some(message) = &row.message {
            match messages.iter_mut().find(|(known, _)| known == message) {
                Some((_, ids)) => ids.push(&row.instance_id),
                None => messages.push((message, vec![&row.instance_id])),
            }
        }
        for snapshot in &row.snapshots {
            let part = |part: &Option<String>| part.clone().unwrap_or_else(|| "?".to_owned());
            if brief {
                text.add(format_args!(" {}", snapshot.id));
                continue;
            }
            text.add(format_args!(
                "\n  {} | {} | {} | {}",
                part(&snapshot.device),
                part(&snapshot.volume_id),
                snapshot.id,
                part(&snapshot.state)
            ));
        }
    }
    for (message, ids) in messages {
        text.add(format_args!("\n{}: {message}", ids.join(", ")));
    }
    let mut structured = json!({"results": rows, "dry_run": dry_run});
    if structured.to_string().len() > BUDGET {
        shorten(&mut structured);
    }
    match (seq, &mut structured) {
        (Some(seq), Value::Object(fields)) => {
            fields.insert("seq".to_owned(), json!(seq));
            text.add(format_args!("\nRecorded at seq {seq}."));
        }
        _ if rows.iter().all(|row| row.action.is_none()) => text.add("\nLooked at live; nothing was created."),
        _ => {}
    }
    Answer { text: text.into(), structured, failed: good == 0 }
}

/// Leaves out what `describe-snapshots` tells too; never an id.
fn shorten(structured: &mut Value) {
    let rows = structured.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten();
    for snapshot in rows.filter_map(|row| row.get_mut("snapshots")?.as_array_mut()).flatten() {
        if let Value::Object(snapshot) = snapshot {
            snapshot.retain(|name, _| matches!(name.as_str(), "snapshot_id" | "device"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: usize, snapshots: usize, message: Option<&str>) -> Row {
        let snapshot = |at: usize| Snapshot {
            id: format!("snap-{:017x}", number * 1000 + at),
            device: Some("/dev/xvdba".to_owned()),
            volume_id: Some(format!("vol-{:017x}", number * 1000 + at)),
            state: Some("pending".to_owned()),
            size_gib: Some(100),
            encrypted: Some(true),
        };
        Row {
            instance_id: format!("i-{number:017x}"),
            verdict: if message.is_some() { Verdict::Refused } else { Verdict::Done },
            snapshots: (0..snapshots).map(snapshot).collect(),
            action: Some(ActionId(1)),
            message: message.map(str::to_owned),
        }
    }

    #[test]
    fn a_large_answer_keeps_every_snapshot_id_within_the_budget() {
        let rows: Vec<Row> = (0..MOST).map(|number| row(number, 20, None)).collect();
        let Answer { text, structured, .. } = answer(&rows, Some(Seq(1)), false);
        let data = structured.to_string();
        assert!(text.len() <= BUDGET && data.len() <= BUDGET, "{} {}", text.len(), data.len());
        for snapshot in rows.iter().flat_map(|row| &row.snapshots) {
            assert!(text.contains(&snapshot.id) && data.contains(&snapshot.id));
        }
    }

    #[test]
    fn what_is_the_same_for_many_is_said_once() {
        let denied = "denied ".repeat(60);
        let rows: Vec<Row> = (0..MOST).map(|number| row(number, 0, Some(&denied))).collect();
        let text = answer(&rows, Some(Seq(1)), false).text;
        assert_eq!(text.matches(&denied).count(), 1);
        assert!(rows.iter().all(|row| text.contains(&row.instance_id)));
    }
}

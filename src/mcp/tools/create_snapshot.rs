//! `create_snapshot`: every attached EBS volume of an instance, at one moment.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::schema;
use super::spec::{BUDGET, Call, Effect, ToolSpec};
use super::table::Text;
use super::verdict::Verdict;
use super::write_through::{
    ACTED, Checked, Intent, Target, check, distrust, dry_run, explain, to_the_end, uncalled, witness,
};
use crate::aws::{Answer as AwsAnswer, CreateSnapshots, CreatedSnapshot, Done, Pinned};
use crate::kinds::SNAPSHOT;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::model::text::shown;
use crate::model::{ActionId, Named, Outcome, Seq, Value as Field};

/// Instances in one call at most: the answer names every snapshot of each.
const MOST: usize = 20;
const DESCRIPTION: &str = "Automated snapshot via MCP";
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
    /// The snapshots of volumes that the look before the call did not show, or that were to be left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beyond_plan: Vec<String>,
    /// The volumes that were to be snapshotted and that the answer does not show.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_volumes: Vec<String>,
    /// Snapshots in the answer that belong to another account.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unasked: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<ActionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// Why nothing is called for the instances after this one.
    #[serde(skip)]
    distrust: Option<&'static str>,
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
            "beyond_plan": schema::list(json!({"type": "string"}), "Those of the snapshots whose volume the look before the call did not show as attached, or that was to be left out: AWS resolves an instance's volumes itself."),
            "missing_volumes": schema::list(json!({"type": "string"}), "Volumes that the look showed as attached and that the answer has no snapshot of."),
            "unasked": schema::list(json!({"type": "string"}), "Snapshots in AWS's answer that belong to another account. Such an answer is an error."),
            "action": schema::text("The recorded call; the tag muster:action of its snapshots."),
            "message": schema::text("Why not, or what to do next."),
        }),
    );
    schema::object(
        &["results", "dry_run"],
        json!({
            "results": schema::list(row, "One row for each instance that was named."),
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
        let named = arguments.named_instances(MOST)?;
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
            async move { run(&core, &named, &request).await }
        };
        let (rows, seq) = to_the_end(&core, work).await?;
        Ok(answer(&rows, seq, request.dry_run))
    }
    .boxed()
}

async fn run(core: &Core, named: &Named, request: &Request) -> Result<(Vec<Row>, Option<Seq>), Fault> {
    let aws = core.aws.pinned().await;
    let Checked { targets, problems } = check(core, &aws, named).await?;
    let mut seq = None;
    let problems = problems
        .into_iter()
        .map(|problem| Row { message: Some(problem.message), ..Row::new(problem.id, problem.verdict) });
    let mut rows: Vec<Row> = problems.collect();
    let mut distrust = None;
    for target in targets {
        if let Some(why) = distrust {
            let row = Row::new(target.id.id.to_string(), Verdict::AnswerNotTrusted);
            rows.push(Row { message: Some(uncalled(why)), ..row });
            continue;
        }
        let (row, recorded) = snapshot(core, &aws, named, &target, request).await?;
        distrust = row.distrust;
        seq = seq.max(recorded);
        rows.push(row);
    }
    rows.sort_by_key(|row| named.place(&row.instance_id));
    Ok((rows, seq))
}

async fn snapshot(
    core: &Core,
    aws: &Pinned,
    named: &Named,
    target: &Target,
    request: &Request,
) -> Result<(Row, Option<Seq>), Fault> {
    let mut row = Row::new(target.id.id.to_string(), Verdict::Refused);
    let devices = devices(target);
    if devices.is_empty() {
        row.message = Some("it has no EBS volume attached, so there is nothing to snapshot".to_owned());
        return Ok((row, None));
    }
    let scope = target.id.scope();
    let chosen = named.choose(&scope, |id| *id == *target.id.id);
    let intent = Intent::begin(core, SPEC.name, vec![target.id.clone()], request.dry_run).await?;
    let asked = CreateSnapshots {
        description: request.description.clone(),
        exclude_boot: request.exclude_boot,
        tags: Vec::new(),
        action: intent.action,
        dry_run: request.dry_run,
    };
    let action = intent.action;
    row.action = (!request.dry_run).then_some(action);
    let (outcome, made) = match aws.create_snapshots(&chosen, &asked).await {
        Ok(AwsAnswer::WouldBeAllowed) => {
            row.verdict = Verdict::WouldBeAllowed;
            return Ok((row, None));
        }
        Ok(AwsAnswer::Done(done)) => {
            row.action = Some(action);
            row.take(done, &plan(target, &devices, request.exclude_boot), &devices, request.dry_run)
        }
        Err(error) => {
            let (verdict, outcome) = Verdict::of_call(&error);
            row.verdict = verdict;
            row.distrust = distrust(&error, request.dry_run);
            let next = match verdict {
                Verdict::Unknown => format!(
                    " It may have happened: before repeating it, look with `aws ec2 describe-snapshots --filters \
                     Name=tag:muster:action,Values={action}`."
                ),
                _ => String::new(),
            };
            row.message = Some(format!("{}{next}", explain(&error)));
            if request.dry_run {
                return Ok((row, None));
            }
            (outcome, Vec::new())
        }
    };
    let (mut seq, mut remark) = intent.finish(core, outcome, Vec::new()).await;
    if !made.is_empty() && remark.is_none() {
        match witness(core, &scope, SNAPSHOT, &made).await {
            Some(shown) => seq = seq.max(Some(shown)),
            None => remark = Some("The inventory shows the snapshots after its next sweep of them.".to_owned()),
        }
    }
    row.remark(remark);
    Ok((row, seq))
}

impl Row {
    fn new(instance_id: String, verdict: Verdict) -> Self {
        Row {
            instance_id,
            verdict,
            snapshots: Vec::new(),
            beyond_plan: Vec::new(),
            missing_volumes: Vec::new(),
            unasked: Vec::new(),
            action: None,
            message: None,
            distrust: None,
        }
    }

    /// Takes in what AWS carried out. Gives how the log tells of it, and the ids of the snapshots.
    fn take(
        &mut self,
        done: Done<CreatedSnapshot>,
        plan: &BTreeMap<String, String>,
        devices: &BTreeMap<String, String>,
        dry_run: bool,
    ) -> (Outcome, Vec<String>) {
        let Done { result, others, .. } = done;
        let is_planned =
            |snapshot: &&CreatedSnapshot| snapshot.volume_id.as_ref().is_some_and(|volume| plan.contains_key(volume));
        let made: Vec<String> = result.iter().map(|snapshot| snapshot.snapshot_id.clone()).collect();
        let has = |volume: &str| result.iter().any(|snapshot| snapshot.volume_id.as_deref() == Some(volume));
        self.beyond_plan = result
            .iter()
            .filter(|snapshot| !is_planned(snapshot))
            .map(|snapshot| shown(&snapshot.snapshot_id, 60))
            .collect();
        self.missing_volumes = plan.keys().filter(|volume| !has(volume)).map(|volume| shown(volume, 60)).collect();
        self.unasked = others.iter().map(|snapshot| shown(&snapshot.snapshot_id, 60)).collect();
        self.snapshots = result.into_iter().map(|snapshot| by_device(snapshot, devices)).collect();
        self.snapshots.sort_by(|a, b| a.device.cmp(&b.device));
        self.verdict = match (dry_run, made.is_empty()) {
            (_, true) => Verdict::Unknown,
            (true, false) => Verdict::Acted,
            (false, false) => Verdict::Done,
        };
        if made.is_empty() {
            self.remark(Some(UNSAID.to_owned()));
        }
        self.distrust = match (dry_run, self.unasked.is_empty()) {
            (true, _) => Some(ACTED),
            (false, false) => Some(FOREIGN),
            (false, true) => None,
        };
        if !self.beyond_plan.is_empty() {
            let ids = self.beyond_plan.join(", ");
            self.remark(Some(format!(
                "AWS also made snapshots of volumes that were not planned, because the look before the call did not show them \
                 or they were to be left out: {ids}."
            )));
        }
        if !made.is_empty() && !self.missing_volumes.is_empty() {
            let volumes = self.missing_volumes.join(", ");
            self.remark(Some(format!("AWS's answer shows no snapshot of these attached volumes: {volumes}.")));
        }
        if self.unasked.is_empty() && !made.is_empty() {
            return (Outcome::Succeeded { created: made.clone() }, made);
        }
        let mut message = format!("AWS took the call; its answer names these snapshots: {}", made.join(", "));
        if !self.unasked.is_empty() {
            let ids = self.unasked.join(", ");
            self.remark(Some(format!(
                "ERROR: AWS's answer also names snapshots of another account, which were not asked for: {ids}."
            )));
            message = format!("{message}; it also names snapshots of another account: {ids}");
        }
        (Outcome::Unknown { message }, made)
    }

    /// Adds a sentence to the message.
    fn remark(&mut self, remark: Option<String>) {
        let Some(remark) = remark else { return };
        self.message = Some(match self.message.take() {
            Some(message) => format!("{message} {remark}"),
            None => remark,
        });
    }
}

const FOREIGN: &str = "It also names snapshots of another account, which were not asked for.";
const UNSAID: &str = "AWS took the call, but its answer names no snapshot. It may have made some: look with \
                      `aws ec2 describe-snapshots` for the tag muster:action before repeating it.";

/// The volumes to be snapshotted: those attached, but for the one the instance boots from where that is to be left out.
fn plan(target: &Target, devices: &BTreeMap<String, String>, exclude_boot: bool) -> BTreeMap<String, String> {
    let root = target.document.text("RootDeviceName").filter(|_| exclude_boot);
    let planned = devices.iter().filter(|(_, device)| Some(device.as_str()) != root);
    planned.map(|(volume, device)| (volume.clone(), device.clone())).collect()
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
    let acted = dry_run && rows.iter().any(|row| row.action.is_some());
    let unasked = rows.iter().any(|row| !row.unasked.is_empty());
    let mut text = Text::new(if dry_run {
        format!("Dry run: snapshots of {good} of {} instances would be allowed.", rows.len())
    } else {
        format!("{snapshots} snapshots begun for {good} of {} instances; they complete in the background.", rows.len())
    });
    if acted {
        text.add(
            "\nWARNING: the endpoint ignores DryRun. It carried out this dry run as if it was a real call: these snapshots exist.",
        );
    }
    let brief = rows.iter().map(|row| 60 + LINE * row.snapshots.len()).sum::<usize>() > BUDGET / 2;
    let mut messages: Vec<(&str, Vec<&str>)> = Vec::new();
    for row in rows {
        text.add(format_args!("\n{}: {}", row.instance_id, row.verdict.name()));
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
    Answer { text: text.into(), structured, failed: good == 0 || acted || unasked }
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
        let verdict = if message.is_some() { Verdict::Refused } else { Verdict::Done };
        Row {
            snapshots: (0..snapshots).map(snapshot).collect(),
            action: Some(ActionId(1)),
            message: message.map(str::to_owned),
            ..Row::new(format!("i-{number:017x}"), verdict)
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

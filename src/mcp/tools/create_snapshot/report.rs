//! The result for each instance, and the answer of a call.

use std::collections::BTreeMap;

use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;
use serde_json::Value;

use crate::aws::{CreatedSnapshot, WriteResult};
use crate::mcp::error::RequestError;
use crate::mcp::tools::agreement::ConfirmationOffer;
use crate::mcp::tools::answer::ToolResult;
use crate::mcp::tools::budget::BUDGET;
use crate::mcp::tools::plan::WritePlan;
use crate::mcp::tools::table::AnswerText;
use crate::mcp::tools::tokens::tokens;
use crate::mcp::tools::verdict::WriteVerdict;
use crate::mcp::tools::waiting::AwaitedChange;
use crate::mcp::tools::write_through::ACTED;
use crate::model::text::shown;
use crate::model::{ActionEnd, ActionId, ActionOutcome, FailureCode, Seq, Timestamp};

/// About the bytes of a snapshot's line of text.
const LINE: usize = 45;

/// The result for one instance.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SnapshotRow {
    /// The EC2 instance ID.
    pub(super) instance_id: String,
    pub(super) verdict: WriteVerdict,
    /// What AWS has started.
    snapshots: Vec<StartedSnapshot>,
    /// Snapshots of volumes that were not attached when Muster looked, or that were to be left out: AWS picks an instance's
    /// volumes itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beyond_plan: Vec<String>,
    /// Volumes that were attached when Muster looked, but have no snapshot in AWS's answer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_volumes: Vec<String>,
    /// Snapshots in AWS's answer that belong to another account. Such an answer is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unasked: Vec<String>,
    /// The ID of the recorded call, which its snapshots have as the tag muster:action.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub(super) action: Option<ActionId>,
    /// Why it failed, or what to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
    /// Why no call is made for the instances after this one.
    #[serde(skip)]
    pub(super) distrust: Option<&'static str>,
}

/// A snapshot that AWS has started.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StartedSnapshot {
    /// The snapshot.
    #[serde(rename = "snapshot_id")]
    id: String,
    /// The device name of its volume on the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// Its volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_id: Option<String>,
    /// `pending` until it is complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// The size of the volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u32>")]
    size_gib: Option<i32>,
    /// Whether it is encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    encrypted: Option<bool>,
}

/// The structured content of an answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SnapshotAnswer<'a> {
    /// One row for each instance that was named.
    results: &'a [SnapshotRow],
    /// How to confirm the call, whose plan the text shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation: Option<ConfirmationOffer>,
    /// Whether this was a dry run.
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "WritePlan::schema")]
    plan: Option<Value>,
    /// The log holds the calls from this seq on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    seq: Option<Seq>,
    /// With wait_seconds: how far the snapshots are.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<AwaitedChange>,
    /// Set where idempotency_key repeats a call: when that was made. Nothing was sent to AWS now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    repeats_call_at: Option<Timestamp>,
}

impl SnapshotRow {
    pub(super) fn new(instance_id: String, verdict: WriteVerdict) -> Self {
        SnapshotRow {
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

    pub(super) fn with_message(self, message: String) -> Self {
        SnapshotRow { message: Some(message), ..self }
    }

    /// Adds what AWS carried out to the row. Returns the outcome for the log, and the ids of the snapshots.
    pub(super) fn take(
        &mut self,
        done: WriteResult<CreatedSnapshot>,
        plan: &BTreeMap<String, String>,
        devices: &BTreeMap<String, String>,
        dry_run: bool,
    ) -> (ActionEnd, Vec<String>) {
        let WriteResult { result, others, request_id, .. } = done;
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
            (_, true) => WriteVerdict::Unknown,
            (true, false) => WriteVerdict::Acted,
            (false, false) => WriteVerdict::Done,
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
            let outcome = ActionOutcome::Succeeded { created: made.clone() };
            return (ActionEnd { outcome, request_id }, made);
        }
        let mut message = format!("AWS took the call; its answer names these snapshots: {}", made.join(", "));
        if !self.unasked.is_empty() {
            let ids = self.unasked.join(", ");
            self.remark(Some(format!(
                "ERROR: AWS's answer also names snapshots of another account, which were not asked for: {ids}."
            )));
            message = format!("{message}; it also names snapshots of another account: {ids}");
        }
        (ActionEnd { outcome: ActionOutcome::Unknown { message }, request_id }, made)
    }

    /// Adds a sentence to the message.
    pub(super) fn remark(&mut self, remark: Option<String>) {
        let Some(remark) = remark else { return };
        self.message = Some(match self.message.take() {
            Some(message) => format!("{message} {remark}"),
            None => remark,
        });
    }
}

const FOREIGN: &str = "That answer also names snapshots of another account.";
const UNSAID: &str = "AWS took the call, but its answer names no snapshot. It may have made some: before you repeat it, check \
    with search_inventory for the tag muster:action.";

fn by_device(snapshot: CreatedSnapshot, devices: &BTreeMap<String, String>) -> StartedSnapshot {
    StartedSnapshot {
        device: snapshot.volume_id.as_ref().and_then(|volume| devices.get(volume)).map(|device| shown(device, 60)),
        id: snapshot.snapshot_id,
        volume_id: snapshot.volume_id,
        state: snapshot.state,
        size_gib: snapshot.volume_size,
        encrypted: snapshot.encrypted,
    }
}

/// What a call came to.
#[derive(Debug, Default)]
pub(super) struct SnapshotOutcome {
    /// One row for each instance that was named.
    pub(super) rows: Vec<SnapshotRow>,
    /// What would be done, for a dry run.
    pub(super) plan: Option<WritePlan>,
    /// From which record on reads show it.
    pub(super) seq: Option<Seq>,
}

/// Makes the answer for all instances.
pub(super) fn answer(outcome: &SnapshotOutcome, dry_run: bool) -> Result<ToolResult, RequestError> {
    let SnapshotOutcome { rows, plan, seq } = outcome;
    let seq = *seq;
    let good = rows.iter().filter(|row| row.verdict.is_good()).count();
    let failure = WriteVerdict::failure(rows.iter().map(|row| row.verdict));
    let snapshots: usize = rows.iter().map(|row| row.snapshots.len()).sum();
    let acted = dry_run && rows.iter().any(|row| row.action.is_some());
    let unasked = rows.iter().any(|row| !row.unasked.is_empty());
    let mut text = AnswerText::new(if dry_run {
        format!("Dry run: snapshots of {good} of {} instances would be allowed.", rows.len())
    } else {
        {
            let are = if snapshots == 1 { "snapshot" } else { "snapshots" };
            format!(
                "{snapshots} {are} started for {good} of {} instances; they complete in the background.",
                rows.len()
            )
        }
    });
    if acted {
        text.add(
            "\nWARNING: the endpoint ignores DryRun. It carried out this dry run as if it were a real call: these snapshots \
             exist.",
        );
    }
    let brief = rows.iter().map(|row| 25 + LINE * row.snapshots.len()).sum::<usize>() > BUDGET / 2;
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
    let plan = plan.as_ref().map(WritePlan::shown);
    if let Some(plan) = &plan {
        text.add(format_args!("\n{}", plan.text));
    }
    match seq {
        Some(seq) => text.add(format_args!("\nRecorded at seq {seq}.")),
        None if rows.iter().all(|row| row.action.is_none()) => text.add("\nLooked at live; nothing was created."),
        None => {}
    }
    let mut answer = ToolResult::new(
        text,
        &SnapshotAnswer {
            results: rows,
            confirmation: None,
            dry_run,
            plan: plan.map(|plan| plan.data),
            seq,
            wait: None,
            repeats_call_at: None,
        },
    )?;
    for kept in [&["snapshot_id", "device"][..], &["snapshot_id"]] {
        if tokens(&answer.structured.to_string()) > BUDGET {
            shorten(&mut answer.structured, kept);
        }
    }
    let failure = if acted || unasked { Some(FailureCode::NotTrusted) } else { failure };
    Ok(ToolResult { failure, ..answer })
}

/// Leaves out all fields of snapshots but those `kept`; `describe-snapshots` shows the others too.
fn shorten(structured: &mut Value, kept: &[&str]) {
    let rows = structured.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten();
    for snapshot in rows.filter_map(|row| row.get_mut("snapshots")?.as_array_mut()).flatten() {
        if let Value::Object(snapshot) = snapshot {
            snapshot.retain(|name, _| kept.contains(&name.as_str()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::tools::create_snapshot::MAX_INSTANCES;

    fn row(number: usize, snapshots: usize, message: Option<&str>) -> SnapshotRow {
        let snapshot = |at: usize| StartedSnapshot {
            id: format!("snap-{:017x}", number * 1000 + at),
            device: Some("/dev/xvdba".to_owned()),
            volume_id: Some(format!("vol-{:017x}", number * 1000 + at)),
            state: Some("pending".to_owned()),
            size_gib: Some(100),
            encrypted: Some(true),
        };
        let verdict = if message.is_some() { WriteVerdict::Refused } else { WriteVerdict::Done };
        SnapshotRow {
            snapshots: (0..snapshots).map(snapshot).collect(),
            action: Some(ActionId(1)),
            message: message.map(str::to_owned),
            ..SnapshotRow::new(format!("i-{number:017x}"), verdict)
        }
    }

    #[test]
    fn a_large_answer_keeps_every_snapshot_id_within_the_budget() {
        let rows: Vec<SnapshotRow> = (0..MAX_INSTANCES).map(|number| row(number, 20, None)).collect();
        let outcome = SnapshotOutcome { rows, seq: Some(Seq(1)), ..SnapshotOutcome::default() };
        let ToolResult { text, structured, .. } = answer(&outcome, false).unwrap();
        let data = structured.to_string();
        assert!(tokens(&text) <= BUDGET && tokens(&data) <= BUDGET, "{} {}", tokens(&text), tokens(&data));
        for snapshot in outcome.rows.iter().flat_map(|row| &row.snapshots) {
            assert!(text.contains(&snapshot.id) && data.contains(&snapshot.id));
        }
    }

    #[test]
    fn what_is_the_same_for_many_is_said_once() {
        let denied = "denied ".repeat(60);
        let rows: Vec<SnapshotRow> = (0..MAX_INSTANCES).map(|number| row(number, 0, Some(&denied))).collect();
        let outcome = SnapshotOutcome { rows, seq: Some(Seq(1)), ..SnapshotOutcome::default() };
        let text = answer(&outcome, false).unwrap().text;
        assert_eq!(text.matches(&denied).count(), 1);
        assert!(outcome.rows.iter().all(|row| text.contains(&row.instance_id)));
    }
}

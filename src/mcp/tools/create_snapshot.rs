//! `create_snapshot`: snapshots every attached EBS volume of an instance at one moment.

mod encryption;
mod left_out;
mod report;

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::agreement::{self, AskedChange, Consent};
use super::answer::ToolResult;
use super::arguments::ArgumentError;
use super::arguments::confirmation::Confirmable;
use super::arguments::idempotency_key::Keyed;
use super::arguments::instances::InstanceArguments;
use super::arguments::wait_seconds::Awaited;
use super::gate::{GatedInstances, RefusedInstance, WriteGate};
use super::plan::{PlannedEffect, devices};
use super::schema::ToolSchema;
use super::spec::{CallSetting, ToolCall, ToolEffect, ToolSpec};
use super::verdict::WriteVerdict;
use super::write_through::{
    Intent, LiveCheck, LiveInstance, UncalledInstance, check, distrust, mention, to_the_end, uncalled, unrecorded,
    witness,
};
use crate::aws::actions::ACTION_TAG;
use crate::aws::{CreateSnapshots, Pinned, WriteAnswer};
use crate::kinds::{SNAPSHOT, VOLUME};
use crate::mcp::calls::RunningCall;
use crate::mcp::confirmer::{Agreement, Confirmer};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::{ActionId, Chosen, Named, ResourceId, Scope, Seq, Value};
use crate::policy::confirmation::is_needed;
use encryption::EncryptedVolume;
use left_out::{LeftOutVolumes, MAX_EXCLUDED};
use report::{SnapshotAnswer, SnapshotOutcome, SnapshotRow, answer};

/// The most instances in one call, because the answer names every snapshot of each.
pub const MAX_INSTANCES: usize = 20;
/// What is said of an instance with volumes that are not for the caller to change. They are not named: they may be hidden.
const OTHERS_VOLUMES: &str = "It has volumes that you may not change, and AWS would snapshot them too: exclude them. AWS was not called. \
     A person who runs the server can give you a grant with writes = true that holds them.";
/// AWS's limit on a snapshot's description.
const MAX_DESCRIPTION: usize = 255;

/// The tool.
pub static SPEC: ToolSpec = ToolSpec {
    name: "create_snapshot",
    title: "Snapshot EC2 instances' volumes",
    description: "Creates one EBS snapshot of every volume attached to an instance, all at the same moment \
                  (crash-consistent), for up to 20 instances. Each call makes new snapshots, which cost storage until \
                  deleted. Returns the snapshot IDs by device; the snapshots complete in the background. The snapshots get their \
                  volumes' tags and a tag muster:action. With dry_run nothing is created.",
    effect: ToolEffect::Creates,
    input: ToolSchema::of_arguments::<Keyed<Confirmable<Awaited<Arguments>>>>(),
    output: ToolSchema::of_answer::<SnapshotAnswer<'static>>(),
    example: r#"{"instance_id": "i-0123456789abcdef0", "description": "before the upgrade"}"#,
    call: |call, given| call.with(given, serve),
};

/// The instances to snapshot, and the options.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    #[serde(flatten)]
    instances: InstanceArguments<MAX_INSTANCES>,
    #[serde(flatten)]
    wish: Wish,
}

/// The options of a call, which apply to every instance.
#[derive(Debug, Deserialize, JsonSchema)]
struct Wish {
    /// Description for the snapshots.
    #[serde(default = "default_description")]
    #[schemars(length(max = MAX_DESCRIPTION))]
    description: String,
    /// Leave out the volume that the instance boots from.
    #[serde(default)]
    exclude_boot_volume: bool,
    /// Leave out these data volumes.
    #[serde(default)]
    #[schemars(length(max = MAX_EXCLUDED))]
    exclude_data_volume_ids: Vec<String>,
    /// Change nothing: say whether the rules and AWS would allow it, and what would happen.
    #[serde(default)]
    dry_run: bool,
}

/// What a call does to each instance.
struct SnapshotCall {
    description: String,
    left_out: LeftOutVolumes,
    dry_run: bool,
}

impl Wish {
    fn read(self) -> Result<SnapshotCall, ArgumentError> {
        let Wish { description, exclude_boot_volume, exclude_data_volume_ids, dry_run } = self;
        if description.chars().count() > MAX_DESCRIPTION {
            let expected = format!("at most {MAX_DESCRIPTION} characters");
            return Err(ArgumentError::form("description", &expected, description));
        }
        let left_out = LeftOutVolumes::named(exclude_boot_volume, exclude_data_volume_ids)?;
        Ok(SnapshotCall { description, left_out, dry_run })
    }
}

impl SnapshotCall {
    fn effect(&self) -> PlannedEffect {
        PlannedEffect::Snapshot { exclude_boot: self.left_out.boot, exclude_data: self.left_out.data.clone() }
    }

    /// Whether a call is made for an instance.
    fn will_call(&self, target: &LiveInstance) -> bool {
        !self.left_out.taken(target).is_empty()
    }

    /// Whether the caller may change every volume that a call would snapshot, by what the copy knows of it. AWS takes them all, also those
    /// that are hidden.
    fn may_take(&self, core: &Core, target: &LiveInstance) -> Result<bool, RequestError> {
        let visibility = core.visibility();
        if visibility.is_everything() {
            return Ok(true);
        }
        let (snapshot, kind, scope) = (core.snapshot()?, VOLUME.kind(), target.id.scope());
        for volume in self.left_out.taken(target).into_keys() {
            // One that is hidden, or not known yet, has no tags here: only a grant without tags holds it.
            let current = snapshot.current(&ResourceId::new(&scope, &kind, volume.as_str()))?;
            let tags: Vec<(&str, &str)> = current.iter().flat_map(|current| current.document.tags()).collect();
            if !visibility.may_change(scope.account.as_str(), scope.region.as_str(), &kind, &tags.iter().copied()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a call is made for an instance that the rules allow. Where the copy cannot be read none is.
    fn is_called(&self, core: &Core, target: &LiveInstance) -> bool {
        self.will_call(target) && self.may_take(core, target).unwrap_or(false)
    }
}

fn default_description() -> String {
    "Automated snapshot via MCP".to_owned()
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let Arguments { instances, wish } = arguments;
    let ToolCall { core, writes, setting, .. } = call;
    // What becomes of the new snapshots could not be told.
    core.watched_kind(SNAPSHOT)?;
    let named = instances.named()?;
    let wish = wish.read()?;
    if !wish.left_out.data.is_empty() {
        let LiveCheck { targets, problems } = check(&core, &core.aws.pinned().await, &named).await?;
        // A volume may belong to an instance that AWS does not show now.
        if problems.is_empty() {
            wish.left_out.check(&targets)?;
        }
    }
    let dry_run = wish.dry_run;
    let origin = setting.running.origin.clone();
    let gate = WriteGate { core: Arc::clone(&core), writes, origin, spec: &SPEC, dry_run };
    let mut agreement = None;
    if !dry_run {
        let change = AskedChange { spec: &SPEC, verb: "Snapshot the volumes of", named: &named, writes: &gate.writes };
        let effect = wish.effect();
        match change
            .consent(&core, &setting, || gate.preview(&named, &effect, |target| wish.is_called(&core, target)))
            .await?
        {
            Consent::Go(agreed) => agreement = agreed,
            Consent::Answer(answer) => return Ok(answer),
        }
    }
    let CallSetting { running, confirmer, .. } = setting;
    let work = async move { run(&gate, &named, &wish, running, (&confirmer, agreement.as_ref())).await };
    let outcome = to_the_end(&core, work).await?;
    answer(&outcome, dry_run)
}

async fn run(
    gate: &WriteGate,
    named: &Named,
    wish: &SnapshotCall,
    mut running: RunningCall,
    agreed: (&Confirmer, Option<&Agreement>),
) -> Result<SnapshotOutcome, RequestError> {
    let core: &Core = &gate.core;
    let aws = core.aws.pinned_for(gate.origin.by.as_ref()).await;
    let LiveCheck { targets, problems } = check(core, &aws, named).await?;
    let mut seq = None;
    let told = |problem: UncalledInstance| SnapshotRow::new(problem.id, problem.verdict).with_message(problem.message);
    let mut rows: Vec<SnapshotRow> = problems.into_iter().map(told).collect();
    let GatedInstances { allowed: admitted, refused, admission } =
        gate.pass(targets, |target| wish.is_called(core, target)).await?;
    rows.extend(refused.into_iter().map(|RefusedInstance { target, message, .. }| {
        SnapshotRow::new(target.id.id.to_string(), WriteVerdict::PolicyRefused).with_message(message)
    }));
    let mut allowed = Vec::with_capacity(admitted.len());
    for target in admitted {
        if wish.may_take(core, &target)? {
            allowed.push(target);
        } else {
            let row = SnapshotRow::new(target.id.id.to_string(), WriteVerdict::PolicyRefused);
            rows.push(row.with_message(OTHERS_VOLUMES.to_owned()));
        }
    }
    let planned: Vec<LiveInstance> = allowed.iter().filter(|target| wish.will_call(target)).cloned().collect();
    let plan = match planned.as_slice() {
        [_, ..] if !wish.dry_run && (agreed.1.is_some() || is_needed(SPEC.risk(), planned.len())) => {
            let planned = planned.as_slice();
            let plan = gate.plan(&wish.effect(), planned)?;
            if let Some(why) = agreement::settle(core, &SPEC, &mut running, agreed, &plan).await? {
                let left = |target: &LiveInstance| {
                    SnapshotRow::new(target.id.id.to_string(), WriteVerdict::Unconfirmed).with_message(why.told())
                };
                rows.extend(allowed.iter().map(left));
                rows.sort_by_key(|row| named.place(&row.instance_id));
                return Ok(SnapshotOutcome { rows, plan: None, seq: None });
            }
            None
        }
        [_, ..] if wish.dry_run => Some(gate.plan(&wish.effect(), &planned)?),
        _ => None,
    };
    let running = &running;
    let (mut distrust, mut has_called, mut left) = (None, false, None);
    for target in allowed {
        if let Some(why) = &left {
            rows.push(
                SnapshotRow::new(target.id.id.to_string(), WriteVerdict::NotSent).with_message(String::clone(why)),
            );
            continue;
        }
        if let Some(why) = distrust {
            let row = SnapshotRow::new(target.id.id.to_string(), WriteVerdict::AnswerNotTrusted);
            rows.push(row.with_message(uncalled(why)));
            continue;
        }
        let chosen = named.choose(&target.id.scope(), |id| *id == *target.id.id);
        let (row, recorded) = match snapshot(core, &aws, &chosen, &target, (wish, running)).await {
            Ok(taken) => taken,
            // What was called before is told, so that nobody repeats it.
            Err(error) if has_called => {
                let why = unrecorded(&error);
                rows.push(SnapshotRow::new(target.id.id.to_string(), WriteVerdict::NotSent).with_message(why.clone()));
                left = Some(why);
                continue;
            }
            Err(error) => return Err(error),
        };
        distrust = row.distrust;
        has_called |= row.action.is_some();
        seq = seq.max(recorded);
        rows.push(row);
    }
    drop(admission);
    rows.sort_by_key(|row| named.place(&row.instance_id));
    Ok(SnapshotOutcome { rows, plan, seq })
}

/// Snapshots the volumes of one instance. It fails only where the call could not be recorded, so that it was not made.
async fn snapshot(
    core: &Core,
    aws: &Pinned,
    chosen: &Chosen<'_>,
    target: &LiveInstance,
    (wish, running): (&SnapshotCall, &RunningCall),
) -> Result<(SnapshotRow, Option<Seq>), RequestError> {
    let mut row = SnapshotRow::new(target.id.id.to_string(), WriteVerdict::NotSent);
    let devices = devices(&target.document);
    if devices.is_empty() {
        row.message = Some("no EBS volume is attached to this instance, so there is nothing to snapshot".to_owned());
        return Ok((row, None));
    }
    let taken = wish.left_out.taken(target);
    if taken.is_empty() {
        row.message = Some("all its volumes are left out, so there is nothing to snapshot".to_owned());
        return Ok((row, None));
    }
    let scope = target.id.scope();
    let intent = Intent::begin(core, running, SPEC.name, vec![target.id.clone()], wish.dry_run).await?;
    let asked = CreateSnapshots {
        description: wish.description.clone(),
        exclude_boot: wish.left_out.boot,
        exclude_data: wish.left_out.of(target),
        tags: Vec::new(),
        action: intent.action,
        dry_run: wish.dry_run,
    };
    let action = intent.action;
    row.action = (!wish.dry_run).then_some(action);
    let (end, made) = match aws.create_snapshots(chosen, &asked).await {
        Ok(WriteAnswer::WouldBeAllowed) => {
            row.verdict = WriteVerdict::WouldBeAllowed;
            return Ok((row, None));
        }
        Ok(WriteAnswer::Done(done)) => {
            row.action = Some(action);
            row.take(done, &taken, &devices, wish.dry_run)
        }
        Err(error) => {
            let (verdict, end) = WriteVerdict::of_call(&error);
            row.verdict = verdict;
            row.distrust = distrust(&error, wish.dry_run);
            let next = match verdict {
                WriteVerdict::Unknown => format!(" {}", perhaps_made(action)),
                _ => String::new(),
            };
            row.message = Some(format!("{}{next}", error.explained()));
            // Where the copy cannot be read, the error is explained without the volumes.
            let volumes = encrypted(core, &scope, &taken).unwrap_or_default();
            row.remark(encryption::explained(error.code.as_deref(), &error.message, &volumes));
            row.remark(aws.denial(&scope, &error).await);
            row.message = row.message.map(|message| core.visibility().masked(&message));
            if wish.dry_run {
                return Ok((row, None));
            }
            (end, Vec::new())
        }
    };
    let (mut seq, mut remark) = intent.finish(core, end, Vec::new()).await;
    if !made.is_empty() && remark.is_none() {
        if let Some(shown) = witness(core, &scope, SNAPSHOT, &made).await {
            seq = seq.max(Some(shown));
        } else {
            let said = "AWS does not show the snapshots yet. The inventory shows them as soon as AWS does, or after the next \
                        sweep of snapshots.";
            remark = Some(said.to_owned());
        }
        // They are looked at again until they are complete, or shown at all.
        mention(core, &scope, SNAPSHOT, &made).await;
    }
    row.remark(remark);
    Ok((row, seq))
}

/// What to do where it is not known whether an action made snapshots.
#[must_use]
pub fn perhaps_made(action: ActionId) -> String {
    format!(
        "It may have happened: before you repeat it, look with search_inventory for kind snapshot and filters \
         {{\"tag:{ACTION_TAG}\": \"{action}\"}}."
    )
}

/// The encrypted ones of these volumes, as far as the copy knows them.
fn encrypted(
    core: &Core,
    scope: &Scope,
    volumes: &BTreeMap<String, String>,
) -> Result<Vec<EncryptedVolume>, RequestError> {
    let snapshot = core.snapshot()?;
    let mut found = Vec::new();
    for id in volumes.keys() {
        let Some(current) = snapshot.current(&ResourceId::new(scope, &VOLUME.kind(), id.as_str()))? else { continue };
        if current.document.get("Encrypted") == Some(&Value::Bool(true)) {
            found.push(EncryptedVolume { id: id.clone(), key: current.document.text("KmsKeyId").map(str::to_owned) });
        }
    }
    Ok(found)
}

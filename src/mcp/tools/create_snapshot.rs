//! `create_snapshot`: snapshots every attached EBS volume of an instance at one moment.

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
use super::gate::{GatedInstances, RefusedInstance, WriteGate};
use super::plan::{PlannedEffect, devices};
use super::schema::ToolSchema;
use super::spec::{CallSetting, ToolCall, ToolEffect, ToolSpec};
use super::verdict::WriteVerdict;
use super::write_through::{
    Intent, LiveCheck, LiveInstance, UncalledInstance, check, distrust, to_the_end, uncalled, witness,
};
use crate::aws::actions::ACTION_TAG;
use crate::aws::{CreateSnapshots, Pinned, WriteAnswer};
use crate::ingest::Lane;
use crate::kinds::SNAPSHOT;
use crate::mcp::calls::RunningCall;
use crate::mcp::confirmer::{Agreement, Confirmer};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::{ActionId, Cause, Chosen, Named, Observation, ResourceId, Scope, Seen, Seq, Source};
use crate::policy::confirmation::is_needed;
use report::{SnapshotAnswer, SnapshotOutcome, SnapshotRow, answer};

/// The most instances in one call, because the answer names every snapshot of each.
pub const MAX_INSTANCES: usize = 20;
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
    input: ToolSchema::of_arguments::<Keyed<Confirmable<Arguments>>>(),
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
    /// Change nothing: say whether the rules and AWS would allow it, and what would happen.
    #[serde(default)]
    dry_run: bool,
}

impl Wish {
    fn effect(&self) -> PlannedEffect {
        PlannedEffect::Snapshot { exclude_boot: self.exclude_boot_volume }
    }
}

fn default_description() -> String {
    "Automated snapshot via MCP".to_owned()
}

async fn serve(call: ToolCall, arguments: Arguments) -> Result<ToolResult, RequestError> {
    let Arguments { instances, wish } = arguments;
    let ToolCall { core, writes, setting, .. } = call;
    let named = instances.named()?;
    if wish.description.chars().count() > MAX_DESCRIPTION {
        let expected = format!("at most {MAX_DESCRIPTION} characters");
        return Err(ArgumentError::form("description", &expected, wish.description).into());
    }
    let dry_run = wish.dry_run;
    let origin = setting.running.origin.clone();
    let gate = WriteGate { core: Arc::clone(&core), writes, origin, spec: &SPEC, dry_run };
    let mut agreement = None;
    if !dry_run {
        let change = AskedChange { spec: &SPEC, verb: "Snapshot the volumes of", named: &named, writes: &gate.writes };
        match change.consent(&core, &setting, || gate.preview(&named, wish.effect(), has_volumes)).await? {
            Consent::Go(agreed) => agreement = agreed,
            Consent::Answer(answer) => return Ok(answer),
        }
    }
    let CallSetting { running, confirmer, .. } = setting;
    let work = async move { run(&gate, &named, &wish, running, (&confirmer, agreement.as_ref())).await };
    let outcome = to_the_end(&core, work).await?;
    answer(&outcome, dry_run)
}

fn has_volumes(target: &LiveInstance) -> bool {
    !devices(&target.document).is_empty()
}

async fn run(
    gate: &WriteGate,
    named: &Named,
    wish: &Wish,
    mut running: RunningCall,
    agreed: (&Confirmer, Option<&Agreement>),
) -> Result<SnapshotOutcome, RequestError> {
    let core: &Core = &gate.core;
    let aws = core.aws.pinned().await;
    let LiveCheck { targets, problems } = check(core, &aws, named).await?;
    let mut seq = None;
    let told = |problem: UncalledInstance| SnapshotRow::new(problem.id, problem.verdict).with_message(problem.message);
    let mut rows: Vec<SnapshotRow> = problems.into_iter().map(told).collect();
    let GatedInstances { allowed, refused, admission } = gate.pass(targets, has_volumes).await?;
    rows.extend(refused.into_iter().map(|RefusedInstance { target, message, .. }| {
        SnapshotRow::new(target.id.id.to_string(), WriteVerdict::PolicyRefused).with_message(message)
    }));
    let planned: Vec<LiveInstance> = allowed.iter().filter(|target| has_volumes(target)).cloned().collect();
    let plan = match planned.as_slice() {
        [_, ..] if !wish.dry_run && (agreed.1.is_some() || is_needed(SPEC.risk(), planned.len())) => {
            let planned = planned.as_slice();
            let plan = gate.plan(wish.effect(), planned)?;
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
        [_, ..] if wish.dry_run => Some(gate.plan(wish.effect(), &planned)?),
        _ => None,
    };
    let running = &running;
    let mut distrust = None;
    for target in allowed {
        if let Some(why) = distrust {
            let row = SnapshotRow::new(target.id.id.to_string(), WriteVerdict::AnswerNotTrusted);
            rows.push(row.with_message(uncalled(why)));
            continue;
        }
        let (row, recorded) = snapshot(
            core,
            &aws,
            &named.choose(&target.id.scope(), |id| *id == *target.id.id),
            &target,
            (wish, running),
        )
        .await?;
        distrust = row.distrust;
        seq = seq.max(recorded);
        rows.push(row);
    }
    drop(admission);
    rows.sort_by_key(|row| named.place(&row.instance_id));
    Ok(SnapshotOutcome { rows, plan, seq })
}

async fn snapshot(
    core: &Core,
    aws: &Pinned,
    chosen: &Chosen<'_>,
    target: &LiveInstance,
    (wish, running): (&Wish, &RunningCall),
) -> Result<(SnapshotRow, Option<Seq>), RequestError> {
    let mut row = SnapshotRow::new(target.id.id.to_string(), WriteVerdict::Refused);
    let devices = devices(&target.document);
    if devices.is_empty() {
        row.message = Some("no EBS volume is attached to this instance, so there is nothing to snapshot".to_owned());
        return Ok((row, None));
    }
    let scope = target.id.scope();
    let intent = Intent::begin(core, running, SPEC.name, vec![target.id.clone()], wish.dry_run).await?;
    let asked = CreateSnapshots {
        description: wish.description.clone(),
        exclude_boot: wish.exclude_boot_volume,
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
            row.take(done, &taken(target, &devices, wish.exclude_boot_volume), &devices, wish.dry_run)
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
        mention(core, &scope, &made).await;
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

/// Has snapshots described again in a moment.
async fn mention(core: &Core, scope: &Scope, made: &[String]) {
    let mention = |id: &String| Observation {
        source: Source::Tool,
        at: core.now(),
        id: ResourceId::new(scope, &SNAPSHOT.kind(), id.as_str()),
        seen: Seen::Mentioned,
    };
    let mentions = made.iter().map(mention).collect();
    // Where this fails, a sweep shows them later.
    drop(core.ingest.observe(Lane::Tools, mentions, Cause::Refresh).await);
}

/// The volumes to snapshot: all attached ones, without the boot volume if it is excluded.
fn taken(target: &LiveInstance, devices: &BTreeMap<String, String>, exclude_boot: bool) -> BTreeMap<String, String> {
    let root = target.document.text("RootDeviceName").filter(|_| exclude_boot);
    let planned = devices.iter().filter(|(_, device)| Some(device.as_str()) != root);
    planned.map(|(volume, device)| (volume.clone(), device.clone())).collect()
}

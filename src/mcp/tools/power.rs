//! Starting, stopping and rebooting instances: what `start_instance`, `stop_instance` and `reboot_instance` share.

pub mod report;

use std::collections::BTreeMap;
use std::sync::Arc;

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::agreement::{self, AskedChange, Consent};
use super::answer::ToolResult;
use super::arguments::instances::InstanceArguments;
use super::gate::{GatedInstances, RefusedInstance, WriteGate};
use super::plan::PlannedEffect;
use super::spec::{CallSetting, ToolCall, ToolSpec};
use super::verdict::WriteVerdict;
use super::write_through::{
    ACTED, Intent, LiveCheck, LiveInstance, check, distrust, mention, to_the_end, uncalled, unrecorded, witness,
};
use crate::aws::{AwsError, Pinned, StateChange, StopManner, WriteAnswer, WriteResult};
use crate::kinds::INSTANCE;
use crate::mcp::calls::RunningCall;
use crate::mcp::confirmer::{Agreement, Confirmer};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::{ActionEnd, ActionOutcome, Chosen, Named, Observation, Scope, Seen, Source, Value};
use crate::policy::confirmation::is_needed;
use report::{PowerReport, PowerRow, Unasked};

/// The most instances in one call.
pub const MAX_INSTANCES: usize = 50;

/// Which instances, and whether to act.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PowerArguments {
    #[serde(flatten)]
    instances: InstanceArguments<MAX_INSTANCES>,
    /// Change nothing: say whether the rules and AWS would allow it, and what would happen.
    #[serde(default)]
    dry_run: bool,
}

/// What to do to instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// From stopped to running.
    Start,
    /// From running to stopped.
    Stop(StopManner),
    /// From running to running, through the operating system's shutdown.
    Reboot,
}

impl Power {
    fn effect(self) -> PlannedEffect {
        match self {
            Power::Start => PlannedEffect::Start,
            Power::Stop(StopManner::Hibernating) => PlannedEffect::Hibernate,
            Power::Stop(manner) => PlannedEffect::Stop { force: manner == StopManner::Forced },
            Power::Reboot => PlannedEffect::Reboot,
        }
    }

    /// What it does to instances, for a question.
    fn verb(self) -> &'static str {
        match self {
            Power::Start => "Start",
            Power::Stop(StopManner::Orderly) => "Stop",
            Power::Stop(StopManner::Forced) => "Force-stop",
            Power::Stop(StopManner::Hibernating) => "Hibernate",
            Power::Reboot => "Reboot",
        }
    }

    /// Whether an instance in `state` is already in the requested state, or on its way.
    fn is_already(self, state: &str) -> bool {
        match self {
            Power::Start => matches!(state, "running" | "pending"),
            // Force is for an instance that hangs while it stops.
            Power::Stop(manner) => state == "stopped" || (state == "stopping" && manner != StopManner::Forced),
            // Each call reboots once more.
            Power::Reboot => false,
        }
    }

    /// Whether a call is made for an instance.
    fn will_call(self, target: &LiveInstance) -> bool {
        !self.is_already(target.state()) && self.refusal(target).is_none()
    }

    /// Why no call is made for an instance that is not in the requested state.
    fn refusal(self, target: &LiveInstance) -> Option<&'static str> {
        let is_enabled = || target.document.get("HibernationOptions.Configured") == Some(&Value::Bool(true));
        (self == Power::Stop(StopManner::Hibernating) && !is_enabled()).then_some(CANNOT_HIBERNATE)
    }

    /// Whether AWS surely accepts the call for an instance in `state`. Other instances are called one by one, because AWS accepts
    /// all instances of a call or none.
    fn is_ready(self, state: &str) -> bool {
        match self {
            Power::Start => state == "stopped",
            Power::Stop(_) | Power::Reboot => state == "running",
        }
    }

    /// The words of an answer: what a call does, which instances it counts as done, and what comes next.
    fn words(self) -> [&'static str; 3] {
        match self {
            Power::Start => [
                "starting",
                "accepted or already running",
                "Now starting, usually for less than a minute: wait_for with until running waits for it.",
            ],
            Power::Stop(_) => [
                "stopping",
                "accepted or already stopped",
                "Now stopping, usually for less than a minute, longer with large memory: wait_for with until stopped waits for it.",
            ],
            Power::Reboot => [
                "rebooting",
                "accepted",
                "AWS reports no state for a reboot. wait_for with until status_ok waits for status checks that are newer than it.",
            ],
        }
    }

    async fn call(
        self,
        aws: &Pinned,
        chosen: &Chosen<'_>,
        dry_run: bool,
    ) -> Result<WriteAnswer<StateChange>, AwsError> {
        match self {
            Power::Start => aws.start_instances(chosen, dry_run).await,
            Power::Stop(manner) => aws.stop_instances(chosen, manner, dry_run).await,
            Power::Reboot => aws.reboot_instances(chosen, dry_run).await,
        }
    }

    /// Explains AWS's refusal for an instance in `state`.
    fn hint(self, state: &str) -> &'static str {
        match (self, state) {
            (_, "terminated" | "shutting-down") => {
                " The instance is terminated or about to be, which cannot be undone."
            }
            (Power::Start, "stopping") => {
                " The instance is still stopping: start it once wait_for says that it is stopped."
            }
            (Power::Stop(_), "pending") => {
                " The instance is still starting: stop it once wait_for says that it is running."
            }
            (Power::Reboot, _) => " Only a running instance can be rebooted: start_instance starts a stopped one.",
            _ => "",
        }
    }
}

/// Serves a call of one of the tools.
///
/// # Errors
/// Bad arguments, or an inventory that cannot be read or written. What AWS refuses is in the answer.
pub async fn serve(
    call: ToolCall,
    arguments: PowerArguments,
    spec: &'static ToolSpec,
    power: Power,
) -> Result<ToolResult, RequestError> {
    let ToolCall { core, writes, setting, .. } = call;
    let named = arguments.instances.named()?;
    let dry_run = arguments.dry_run;
    let origin = setting.running.origin.clone();
    let gate = WriteGate { core: Arc::clone(&core), writes, origin, spec, dry_run };
    let mut agreement = None;
    if !dry_run {
        let change = AskedChange { spec, verb: power.verb(), named: &named, writes: &gate.writes };
        let effect = power.effect();
        match change
            .consent(&core, &setting, || gate.preview(&named, &effect, |target| power.will_call(target)))
            .await?
        {
            Consent::Go(agreed) => agreement = agreed,
            Consent::Answer(answer) => return Ok(answer),
        }
    }
    let CallSetting { running, confirmer, .. } = setting;
    let work = async move { Box::pin(run(&gate, power, &named, running, (&confirmer, agreement.as_ref()))).await };
    to_the_end(&core, work).await?.answer(power.words(), dry_run)
}

async fn run(
    gate: &WriteGate,
    power: Power,
    named: &Named,
    mut running: RunningCall,
    agreed: (&Confirmer, Option<&Agreement>),
) -> Result<PowerReport, RequestError> {
    let WriteGate { core, spec, dry_run, .. } = gate;
    let core: &Core = core;
    let aws = core.aws.pinned_for(gate.origin.by.as_ref()).await;
    let LiveCheck { targets, problems } = check(core, &aws, named).await?;
    let mut report = PowerReport::default();
    for problem in problems {
        report.rows.push(PowerRow {
            instance_id: problem.id,
            verdict: problem.verdict,
            previous_state: None,
            current_state: None,
            message: Some(problem.message),
        });
    }
    let GatedInstances { allowed, refused, admission } = gate.pass(targets, |target| power.will_call(target)).await?;
    for RefusedInstance { target, message, .. } in refused {
        report.rows.push(PowerRow::of(&target, WriteVerdict::PolicyRefused, Some(message)));
    }
    let (already, rest): (Vec<LiveInstance>, Vec<LiveInstance>) =
        allowed.into_iter().partition(|target| power.is_already(target.state()));
    for target in already {
        let state = Some(target.state().to_owned());
        let message = Some(format!("already {}: nothing was called", target.state()));
        report.rows.push(PowerRow {
            instance_id: target.id.id.to_string(),
            verdict: WriteVerdict::Already,
            previous_state: state.clone(),
            current_state: state,
            message,
        });
    }
    let (unfit, rest): (Vec<LiveInstance>, Vec<LiveInstance>) =
        rest.into_iter().partition(|target| power.refusal(target).is_some());
    for target in unfit {
        let message = power.refusal(&target).map(str::to_owned);
        report.rows.push(PowerRow::of(&target, WriteVerdict::NotSent, message));
    }
    if *dry_run {
        report.plan = Some(gate.plan(&power.effect(), &rest)?);
    } else if !rest.is_empty()
        && (agreed.1.is_some() || is_needed(spec.risk(), rest.len()))
        && let Some(why) =
            agreement::settle(core, spec, &mut running, agreed, &gate.plan(&power.effect(), &rest)?).await?
    {
        let message = why.told();
        let left = |target| PowerRow::of(target, WriteVerdict::Unconfirmed, Some(message.clone()));
        report.rows.extend(rest.iter().map(left));
        report.rows.sort_by_key(|row| named.place(&row.instance_id));
        return Ok(report);
    }
    let running = &running;
    let (ready, odd): (Vec<LiveInstance>, Vec<LiveInstance>) =
        rest.into_iter().partition(|target| power.is_ready(target.state()));
    let mut batches: BTreeMap<Scope, Vec<LiveInstance>> = BTreeMap::new();
    for target in ready {
        batches.entry(target.id.scope()).or_default().push(target);
    }
    let change = PowerCalls { core, aws: &aws, tool: spec.name, power, named, dry_run: *dry_run, running };
    for batch in batches.into_values().chain(odd.into_iter().map(|target| vec![target])) {
        change.make(batch, &mut report).await?;
    }
    drop(admission);
    report.rows.sort_by_key(|row| named.place(&row.instance_id));
    Ok(report)
}

/// The AWS calls of one tool call, which share these values.
struct PowerCalls<'a> {
    core: &'a Core,
    aws: &'a Pinned,
    tool: &'static str,
    power: Power,
    named: &'a Named,
    dry_run: bool,
    running: &'a RunningCall,
}

impl PowerCalls<'_> {
    /// One AWS call for instances of one account and region. When AWS refuses it for one of several, each is called alone.
    ///
    /// After an answer that cannot be trusted nothing is called.
    async fn make(&self, targets: Vec<LiveInstance>, report: &mut PowerReport) -> Result<(), RequestError> {
        if let Some(why) = report.distrust {
            let left = |target| PowerRow::of(target, WriteVerdict::AnswerNotTrusted, Some(uncalled(why)));
            report.rows.extend(targets.iter().map(left));
            return Ok(());
        }
        if let Some(why) = report.unrecorded.clone() {
            report.leave(&targets, &why);
            return Ok(());
        }
        let Some(scope) = targets.first().map(|target| target.id.scope()) else { return Ok(()) };
        let chosen = self.named.choose(&scope, |id| targets.iter().any(|target| *target.id.id == *id));
        let resources = targets.iter().map(|target| target.id.clone()).collect();
        let intent = match Intent::begin(self.core, self.running, self.tool, resources, self.dry_run).await {
            Ok(intent) => intent,
            Err(error) if report.has_called() => {
                report.leave(&targets, &unrecorded(&error));
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        match self.power.call(self.aws, &chosen, self.dry_run).await {
            Ok(WriteAnswer::WouldBeAllowed) => {
                report
                    .rows
                    .extend(targets.iter().map(|target| PowerRow::of(target, WriteVerdict::WouldBeAllowed, None)));
            }
            Ok(WriteAnswer::Done(done)) => self.take(intent, &targets, done, report).await,
            Err(error) => {
                let (verdict, end) = WriteVerdict::of_call(&error);
                report.distrust = distrust(&error, self.dry_run);
                if self.power == Power::Reboot && verdict == WriteVerdict::Unknown {
                    // Status checks of before it, if it happened, prove nothing.
                    for target in &targets {
                        self.core.looks.note_reboot(target.id.clone(), self.core.now());
                    }
                }
                if verdict == WriteVerdict::Unknown {
                    self.watch(&targets).await;
                }
                // A dry run that AWS refuses, or whose answer is lost, leaves no trace.
                if !self.dry_run {
                    report.finish(self.core, intent, end, Vec::new()).await;
                }
                if targets.len() > 1 && verdict == WriteVerdict::Refused && error.may_be_about_one() {
                    for target in targets {
                        let Some(why) = report.distrust else {
                            Box::pin(self.make(vec![target], report)).await?;
                            continue;
                        };
                        let message = format!(
                            "AWS refused the call for this instance together with others, and no other call was made for it, \
                            because an answer to another part of this request cannot be trusted. {why}"
                        );
                        report.rows.push(PowerRow::of(&target, WriteVerdict::AnswerNotTrusted, Some(message)));
                    }
                    return Ok(());
                }
                let mut denial = self.aws.denial(&scope, &error).await;
                for target in &targets {
                    let message = match verdict {
                        WriteVerdict::Unknown => format!(
                            "{} It may have happened: get_instance_status shows the state within two minutes.",
                            error.explained()
                        ),
                        _ => format!("{}{}", error.explained(), self.power.hint(target.state())),
                    };
                    let message = denial.take().map_or(message.clone(), |denial| format!("{message} {denial}"));
                    let message = self.core.visibility().masked(&message);
                    report.rows.push(PowerRow::of(target, verdict, Some(message)));
                }
            }
        }
        Ok(())
    }

    /// Records what AWS carried out. What its answer says about other instances is reported and recorded separately.
    async fn take(
        &self,
        intent: Intent,
        targets: &[LiveInstance],
        done: WriteResult<StateChange>,
        report: &mut PowerReport,
    ) {
        let WriteResult { result, others, answered_at, request_id } = done;
        if self.power == Power::Reboot {
            for target in targets {
                self.core.looks.note_reboot(target.id.clone(), answered_at);
            }
        }
        report.acted |= self.dry_run;
        report.distrust = match (self.dry_run, others.is_empty()) {
            (true, _) => Some(ACTED),
            (false, false) => Some(STRANGERS),
            (false, true) => None,
        };
        let of = |target: &LiveInstance| result.iter().find(|change| *change.id == *target.id.id);
        let observations = targets.iter().filter_map(|target| {
            let seen = Seen::StateAsserted(of(target)?.current.clone()?);
            Some(Observation { source: Source::Tool, at: answered_at, id: target.id.clone(), seen })
        });
        let observations: Vec<Observation> = observations.collect();
        let missing: Vec<&str> =
            targets.iter().filter(|target| of(target).is_none()).map(|target| &*target.id.id).collect();
        let end = ActionEnd { outcome: outcome(&missing, &others), request_id };
        let remark = report.finish(self.core, intent, end, observations).await;
        // Of the others the asserted state has them looked at again.
        let stateless = targets.iter().filter(|target| of(target).is_none_or(|change| change.current.is_none()));
        self.watch(&stateless.cloned().collect::<Vec<_>>()).await;
        for target in targets {
            report.rows.push(match of(target) {
                Some(change) => PowerRow::changed(target, change, self.dry_run, remark.clone()),
                None => PowerRow::of(target, WriteVerdict::Unknown, Some(UNSAID.to_owned())),
            });
        }
        if let Some(target) = targets.first() {
            let ids: Vec<String> = others.iter().take(MAX_INSTANCES).map(|change| change.id.clone()).collect();
            let seen = if ids.is_empty() { None } else { witness(self.core, &target.id.scope(), INSTANCE, &ids).await };
            report.seq = report.seq.max(seen);
        }
        report.unasked.extend(others.iter().map(Unasked::of));
    }

    /// Has instances looked at again for a minute, of which AWS says no state.
    async fn watch(&self, targets: &[LiveInstance]) {
        let Some(scope) = targets.first().map(|target| target.id.scope()) else { return };
        let ids: Vec<String> = targets.iter().map(|target| target.id.id.to_string()).collect();
        mention(self.core, &scope, INSTANCE, &ids).await;
    }
}

const CANNOT_HIBERNATE: &str = "It was not launched with hibernation enabled, so AWS cannot hibernate it: nothing was called. Stop it \
                                without hibernate.";
const STRANGERS: &str = "That answer is also about instances that the call did not name.";
const UNSAID: &str = "AWS took the call, but its answer says nothing about this instance. It may have happened: \
                      get_instance_status shows the state within two minutes.";

/// The outcome of a call that AWS carried out. It succeeded only if AWS's answer covers exactly the requested instances.
fn outcome(missing: &[&str], others: &[StateChange]) -> ActionOutcome {
    if missing.is_empty() && others.is_empty() {
        return ActionOutcome::Succeeded { created: Vec::new() };
    }
    let mut parts = vec!["AWS took the call".to_owned()];
    if !missing.is_empty() {
        parts.push(format!("its answer says nothing about {}", missing.join(", ")));
    }
    if !others.is_empty() {
        let others: Vec<String> = others.iter().take(MAX_INSTANCES).map(|change| Unasked::of(change).told()).collect();
        parts.push(format!("its answer is also about instances that nobody named: {}", others.join(", ")));
    }
    ActionOutcome::Unknown { message: parts.join("; ") }
}

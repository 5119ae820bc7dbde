//! The results of starting or stopping instances, and the answer of a call.

use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;
use serde_json::Value;

use crate::aws::StateChange;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::tools::agreement::ConfirmationOffer;
use crate::mcp::tools::answer::ToolResult;
use crate::mcp::tools::plan::WritePlan;
use crate::mcp::tools::table::{self, AnswerText};
use crate::mcp::tools::verdict::WriteVerdict;
use crate::mcp::tools::waiting::AwaitedChange;
use crate::mcp::tools::write_through::{Intent, LiveInstance};
use crate::model::known::state_name;
use crate::model::text::shown;
use crate::model::{ActionEnd, ActionId, FailureCode, Observation, Seq, Timestamp};

/// The most instances that nobody named to show.
const MAX_SHOWN: usize = 50;

/// The result for one instance.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PowerRow {
    /// The EC2 instance ID.
    pub(super) instance_id: String,
    pub(super) verdict: WriteVerdict,
    /// Its state before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) previous_state: Option<String>,
    /// Its state in AWS's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) current_state: Option<String>,
    /// Why it failed, or what to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// What AWS said about an instance that nobody named.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Unasked {
    /// An instance that was not named in the call.
    instance_id: String,
    /// Its state before, in AWS's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_state: Option<String>,
    /// Its state in AWS's answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    current_state: Option<String>,
}

/// The results for all instances.
#[derive(Debug, Default)]
pub(super) struct PowerReport {
    /// One row for each instance that was named.
    pub(super) rows: Vec<PowerRow>,
    pub(super) unasked: Vec<Unasked>,
    /// What would be done, for a dry run.
    pub(super) plan: Option<WritePlan>,
    /// Whether the endpoint carried out a dry run.
    pub(super) acted: bool,
    /// Why no further call is made.
    pub(super) distrust: Option<&'static str>,
    /// Why no further call can be recorded, so that none is made.
    pub(super) unrecorded: Option<String>,
    actions: Vec<ActionId>,
    pub(super) seq: Option<Seq>,
}

/// The structured content of an answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PowerAnswer {
    /// One row for each instance that was named.
    results: Vec<PowerRow>,
    /// What AWS's answer says about instances that nobody named. Such an answer is an error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unasked: Vec<Unasked>,
    /// How many instances that nobody named are in AWS's answer; `unasked` lists up to 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    unasked_total: Option<usize>,
    /// How to confirm the call, whose plan the text shows.
    #[serde(skip_serializing_if = "Option::is_none")]
    confirmation: Option<ConfirmationOffer>,
    /// Whether this was a dry run.
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "WritePlan::schema")]
    plan: Option<Value>,
    /// The IDs of the recorded calls.
    #[schemars(with = "Vec<String>")]
    actions: Vec<ActionId>,
    /// A read at this seq or a later one shows the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    seq: Option<Seq>,
    /// With wait_seconds: how far the instances are.
    #[serde(skip_serializing_if = "Option::is_none")]
    wait: Option<AwaitedChange>,
    /// Set where idempotency_key repeats a call: when that was made. Nothing was sent to AWS now.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    repeats_call_at: Option<Timestamp>,
}

fn state_of(state: Option<&crate::model::Value>) -> Option<String> {
    state.and_then(state_name).map(|name| shown(name, 40))
}

impl Unasked {
    pub(super) fn of(change: &StateChange) -> Self {
        Unasked {
            instance_id: shown(&change.id, 60),
            previous_state: state_of(change.previous.as_ref()),
            current_state: state_of(change.current.as_ref()),
        }
    }

    /// As text: `i-1 (running -> stopping)`.
    pub(super) fn told(&self) -> String {
        let state = |state: &Option<String>| state.clone().unwrap_or_else(|| "?".to_owned());
        format!("{} ({} -> {})", self.instance_id, state(&self.previous_state), state(&self.current_state))
    }
}

impl PowerRow {
    pub(super) fn of(target: &LiveInstance, verdict: WriteVerdict, message: Option<String>) -> Self {
        let previous_state = Some(target.state().to_owned());
        PowerRow { instance_id: target.id.id.to_string(), verdict, previous_state, current_state: None, message }
    }

    /// A row for what AWS says it did. After a dry run that means the endpoint ignored DryRun.
    pub(super) fn changed(target: &LiveInstance, change: &StateChange, dry_run: bool, remark: Option<String>) -> Self {
        let acted = dry_run.then(|| {
            "This was a dry run, but the endpoint ignores DryRun and carried it out. Undo it if it was not wanted."
                .to_owned()
        });
        let messages: Vec<String> = acted.into_iter().chain(remark).collect();
        PowerRow {
            instance_id: target.id.id.to_string(),
            verdict: if dry_run { WriteVerdict::Acted } else { WriteVerdict::Done },
            previous_state: state_of(change.previous.as_ref()).or_else(|| Some(target.state().to_owned())),
            current_state: state_of(change.current.as_ref()),
            message: Some(messages.join(" ")).filter(|message| !message.is_empty()),
        }
    }
}

impl PowerReport {
    /// Whether AWS was called, so that nothing may hide that.
    pub(super) fn has_called(&self) -> bool {
        !self.actions.is_empty()
    }

    /// Tells of instances that no call is made for, nor for any after them, because none can be recorded.
    pub(super) fn leave(&mut self, targets: &[LiveInstance], why: &str) {
        self.unrecorded = Some(why.to_owned());
        self.rows
            .extend(targets.iter().map(|target| PowerRow::of(target, WriteVerdict::NotSent, Some(why.to_owned()))));
    }

    /// Records how a call ended. Returns a remark for the answer, if one is needed.
    pub(super) async fn finish(
        &mut self,
        core: &Core,
        intent: Intent,
        end: ActionEnd,
        observations: Vec<Observation>,
    ) -> Option<String> {
        self.actions.push(intent.action);
        let (seq, remark) = intent.finish(core, end, observations).await;
        self.seq = self.seq.max(seq);
        remark
    }

    /// The answer of a tool, in the words of [`Power`](super::Power).
    pub(super) fn answer(self, [doing, counted, next]: [&str; 3], dry_run: bool) -> Result<ToolResult, RequestError> {
        let good = self.rows.iter().filter(|row| row.verdict.is_good()).count();
        let failure = WriteVerdict::failure(self.rows.iter().map(|row| row.verdict));
        let mut text = AnswerText::new(match (dry_run, good, self.rows.len()) {
            (true, good, all) => {
                format!("Dry run: {doing} {good} of {all} instances would be allowed or is not needed.")
            }
            (false, good, all) => format!("{good} of {all} instances {counted}."),
        });
        if self.acted {
            text.add("\nWARNING: the endpoint ignores DryRun. It carried out this dry run as if it were a real call.");
        }
        if !self.unasked.is_empty() {
            let told: Vec<String> = self.unasked.iter().take(MAX_SHOWN).map(Unasked::told).collect();
            text.add(format_args!(
                "\nERROR: AWS's answer is also about {} instances that nobody named: {}. Muster did not ask for them; check \
                which service answers at the endpoint.",
                self.unasked.len(),
                told.join(", ")
            ));
        }
        text.add("\ninstance | verdict | before | now | message");
        for row in &self.rows {
            let state = |state: &Option<String>| state.clone().unwrap_or_default();
            let cells = [
                row.instance_id.clone(),
                row.verdict.name().to_owned(),
                state(&row.previous_state),
                state(&row.current_state),
            ];
            text.add(format_args!("\n{}", table::line(cells.iter().map(String::as_str))));
            text.add(format_args!(" | {}", row.message.as_deref().unwrap_or("-")));
        }
        let plan = self.plan.as_ref().filter(|plan| !plan.instances.is_empty()).map(WritePlan::shown);
        if let Some(plan) = &plan {
            text.add(format_args!("\n{}", plan.text));
        }
        if self.rows.iter().any(|row| row.verdict == WriteVerdict::Done) {
            text.add(format_args!("\n{next}"));
        }
        if let Some(seq) = self.seq {
            text.add(format_args!("\nRecorded at seq {seq}."));
        }
        if self.actions.is_empty() {
            text.add("\nLooked at live; nothing was changed.");
        }
        let plan = plan.map(|plan| plan.data);
        let PowerReport { rows: results, mut unasked, acted, actions, seq, .. } = self;
        let unasked_total = (!unasked.is_empty()).then_some(unasked.len());
        unasked.truncate(MAX_SHOWN);
        let body = PowerAnswer {
            results,
            confirmation: None,
            unasked,
            unasked_total,
            dry_run,
            plan,
            actions,
            seq,
            wait: None,
            repeats_call_at: None,
        };
        let answer = ToolResult::new(text, &body)?;
        let failure = if acted || unasked_total.is_some() { Some(FailureCode::NotTrusted) } else { failure };
        Ok(ToolResult { failure, ..answer })
    }
}

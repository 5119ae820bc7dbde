//! The agreement that a call needs before it changes AWS: how it is asked for, and what a call without one answers.
//!
//! A call that interrupts something, or reaches more than one instance, shows its plan and asks ([`Confirmer`]). The plan is made of
//! what AWS shows at that moment. Once somebody has agreed, everything is looked at again, and the call acts only if its plan is still
//! the same.

use std::time::Duration;

use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::ToolResult;
use super::plan::WritePlan;
use super::spec::{CallSetting, ToolEffect, ToolSpec};
use super::table::AnswerText;
use super::verdict::WriteVerdict;
use crate::kinds::INSTANCE;
use crate::mcp::calls::RunningCall;
use crate::mcp::confirmer::{Agreement, AskedClient, Confirmer};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::model::{ConfirmationOutcome, ConfirmationWay, FailureCode, Named, ResourceId};
use crate::policy::confirmation::{HOLDS, Unconfirmed, is_needed};
use crate::policy::verdict::RuleRefusal;
use crate::policy::{RuleCheck, WriteRule};

/// What is said of an instance that was named and is not in the plan.
const UNPLANNED: &str = "Not part of the plan: it is in that state already, is refused, or is not found.";

/// What a call does next.
pub enum Consent {
    /// It acts, with the agreement that it has, if it needs one.
    Go(Option<Agreement>),
    /// It answers, and nothing is done.
    Answer(ToolResult),
}

/// How to confirm a call that was shown its plan.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConfirmationOffer {
    /// Send it as the argument `confirmation` of the same call, once the user agrees.
    token: String,
    /// How long it is valid.
    valid_seconds: u64,
}

/// What a tool does to the instances of one call.
#[derive(Clone, Copy)]
pub struct AskedChange<'a> {
    /// The tool.
    pub spec: &'static ToolSpec,
    /// What it does, such as `Stop`.
    pub verb: &'static str,
    /// The instances that were named.
    pub named: &'a Named,
    /// The rules.
    pub writes: &'a Writes,
}

impl AskedChange<'_> {
    /// Finds out whether the call may act. `plan` makes its plan, of the instances that it would change.
    ///
    /// # Errors
    /// When the plan cannot be made, or nobody waits for the call any more.
    pub async fn consent<F>(
        self,
        core: &Core,
        setting: &CallSetting,
        plan: impl FnOnce() -> F,
    ) -> Result<Consent, RequestError>
    where
        F: Future<Output = Result<WritePlan, RequestError>>,
    {
        let CallSetting { confirmer, running, note, .. } = setting;
        match confirmer.brought() {
            Ok(Some(agreement)) if self.without_person(agreement.way).is_none() => {
                return Ok(Consent::Go(Some(agreement)));
            }
            Ok(_) => {}
            Err(why) => {
                record(core, self.spec, running, (confirmer.way(), &self.known(core)?, None), why).await;
                return Ok(Consent::Answer(self.refused(why)?));
            }
        }
        if !is_needed(self.spec.risk(), self.named.ids().count()) {
            return Ok(Consent::Go(None));
        }
        let plan = plan().await?;
        if !is_needed(self.spec.risk(), plan.instances.len()) {
            return Ok(Consent::Go(None));
        }
        if let Some(check) = self.without_person(confirmer.way()) {
            return self.barred(core, running, &plan, &check).await;
        }
        let shown = plan.asked();
        let count = plan.instances.len();
        let title = format!("{} {count} EC2 instance{}", self.verb, if count == 1 { "" } else { "s" });
        let asked = confirmer.ask(&title, &format!("{title}?\n{shown}"), &plan.digest(), note).await?;
        match asked {
            Ok(AskedClient::Agreed(agreement)) => Ok(Consent::Go(Some(agreement))),
            Ok(AskedClient::Input(input)) => {
                let answer = self.unconfirmed(|_| "The plan waits for a person's answer.".to_owned(), None)?;
                Ok(Consent::Answer(ToolResult { input: Some(input), ..answer }))
            }
            Ok(AskedClient::Offered(token)) => match self.without_person(ConfirmationWay::Token) {
                Some(check) => self.barred(core, running, &plan, &check).await,
                None => Ok(Consent::Answer(self.offer(&title, &plan, token)?)),
            },
            Err(why) => {
                record(core, self.spec, running, (confirmer.way(), &plan.ids(), Some(plan.recorded())), why).await;
                Ok(Consent::Answer(self.refused(why)?))
            }
        }
    }

    /// The rule that demands a person, if none is asked in this way.
    fn without_person(self, way: ConfirmationWay) -> Option<RuleCheck> {
        let is_asked = way != ConfirmationWay::Token;
        let origin = self.writes.in_force().origin_of(&WriteRule::Human).filter(|_| !is_asked)?;
        Some(RuleCheck { origin, rule: WriteRule::Human, refusal: Some(RuleRefusal::NobodyToAsk) })
    }

    /// The answer of a call that nobody can be asked about, though a rule demands it. The refusal is recorded.
    async fn barred(
        self,
        core: &Core,
        running: &RunningCall,
        plan: &WritePlan,
        check: &RuleCheck,
    ) -> Result<Consent, RequestError> {
        core.record_refusal(running.origin.attempt(self.spec.name, plan.ids()), check.told()).await;
        let refused = self.writes.refused(check);
        let row = |id: &str| {
            if plan.names(id) {
                (WriteVerdict::PolicyRefused, refused.clone())
            } else {
                (WriteVerdict::Unconfirmed, UNPLANNED.to_owned())
            }
        };
        let answer = self.answer(row, None)?;
        Ok(Consent::Answer(ToolResult { text: refused, failure: Some(FailureCode::NothingDone), ..answer }))
    }

    /// The answer that shows the plan, with the token that confirms it.
    fn offer(self, title: &str, plan: &WritePlan, token: String) -> Result<ToolResult, RequestError> {
        let shown = plan.asked();
        let minutes = minutes(HOLDS);
        let (tool, valid_seconds) = (self.spec.name, HOLDS.as_secs());
        let text = format!(
            "Nothing is done yet: this needs a confirmation. {title}:\n{shown}\nShow this to the user and ask whether to do it. Only \
             if they agree, call {tool} again within {minutes} with the same arguments and confirmation \"{token}\"."
        );
        let why = |id: &str| {
            if plan.names(id) {
                return format!("Not done yet: ask the user, then call again with the confirmation within {minutes}.");
            }
            format!("{UNPLANNED} The confirmed call says which.")
        };
        let answer = self.unconfirmed(why, Some(ConfirmationOffer { token, valid_seconds }))?;
        Ok(ToolResult { text, ..answer })
    }

    /// The answer of a call whose confirmation does not count.
    fn refused(self, why: Unconfirmed) -> Result<ToolResult, RequestError> {
        let answer = self.unconfirmed(|_| why.told(), None)?;
        Ok(ToolResult { failure: Some(FailureCode::NothingDone), ..answer })
    }

    /// An answer that says why each instance waits for a confirmation.
    fn unconfirmed(
        self,
        message: impl Fn(&str) -> String,
        offer: Option<ConfirmationOffer>,
    ) -> Result<ToolResult, RequestError> {
        self.answer(|id| (WriteVerdict::Unconfirmed, message(id)), offer)
    }

    /// An answer in which no instance was changed, of the shape that all tools which change AWS have.
    fn answer(
        self,
        row: impl Fn(&str) -> (WriteVerdict, String),
        offer: Option<ConfirmationOffer>,
    ) -> Result<ToolResult, RequestError> {
        let is_snapshot = self.spec.effect == ToolEffect::Creates;
        let rows = self.named.ids().map(|id| {
            let (verdict, message) = row(id);
            let mut fields = Map::new();
            fields.insert("instance_id".to_owned(), json!(id));
            fields.insert("verdict".to_owned(), json!(verdict));
            fields.insert("message".to_owned(), json!(message));
            if is_snapshot {
                fields.insert("snapshots".to_owned(), json!([]));
            }
            fields
        });
        let mut body = Map::new();
        body.insert("results".to_owned(), rows.map(Value::Object).collect());
        body.insert("dry_run".to_owned(), json!(false));
        if !is_snapshot {
            body.insert("actions".to_owned(), json!([]));
        }
        if let Some(offer) = offer {
            body.insert("confirmation".to_owned(), json!(offer));
        }
        let first = self.named.ids().next().map_or_else(String::new, |id| row(id).1);
        Ok(ToolResult::new(AnswerText::new(first), &body)?)
    }

    /// The named instances that the inventory holds.
    fn known(self, core: &Core) -> Result<Vec<ResourceId>, RequestError> {
        let snapshot = core.snapshot()?;
        let mut known = Vec::new();
        for id in self.named.ids() {
            known.extend(snapshot.copies(&INSTANCE.kind(), id)?.into_iter().map(|copy| copy.id));
        }
        Ok(known)
    }
}

/// Uses the agreement of a call for its plan as it is now, and records how that ends. What it returns is the reason not to act.
///
/// # Errors
/// When an accepted confirmation cannot be recorded; then nothing may be done.
pub async fn settle(
    core: &Core,
    spec: &'static ToolSpec,
    running: &mut RunningCall,
    (confirmer, agreement): (&Confirmer, Option<&Agreement>),
    plan: &WritePlan,
) -> Result<Option<Unconfirmed>, RequestError> {
    let way = agreement.map_or_else(|| confirmer.way(), |agreement| agreement.way);
    let shown = plan.recorded();
    let agreed = match agreement {
        Some(agreement) => confirmer.is_awaited().and_then(|()| confirmer.spend(agreement, &plan.digest())),
        None => Err(Unconfirmed::Missing),
    };
    if let Err(why) = agreed {
        record(core, spec, running, (way, &plan.ids(), Some(shown)), why).await;
        return Ok(Some(why));
    }
    let attempt = running.origin.attempt(spec.name, plan.ids());
    let recorded = core.ingest.confirmed(attempt, Some(shown.clone()), way, ConfirmationOutcome::Accepted).await?;
    running.origin.confirmation = Some(recorded);
    running.origin.plan = Some(shown.into());
    running.origin.confirmed_by = Some(way);
    Ok(None)
}

/// Records that a confirmation does not count. The call is refused anyway, so a failure is only logged.
async fn record(
    core: &Core,
    spec: &'static ToolSpec,
    running: &RunningCall,
    (way, targets, plan): (ConfirmationWay, &[ResourceId], Option<String>),
    why: Unconfirmed,
) {
    let attempt = running.origin.attempt(spec.name, targets.to_vec());
    let outcome = match why {
        Unconfirmed::Declined => ConfirmationOutcome::Declined,
        Unconfirmed::Expired => ConfirmationOutcome::Expired,
        Unconfirmed::Replayed => ConfirmationOutcome::Replayed,
        Unconfirmed::Altered => ConfirmationOutcome::Altered,
        Unconfirmed::Restarted => ConfirmationOutcome::Restarted,
        Unconfirmed::Closed | Unconfirmed::Cancelled | Unconfirmed::Stopped => ConfirmationOutcome::Cancelled,
        Unconfirmed::Changed | Unconfirmed::Missing => ConfirmationOutcome::Changed,
    };
    if let Err(error) = core.ingest.confirmed(attempt, plan, way, outcome).await {
        tracing::warn!(%error, "a confirmation that does not count is not recorded");
    }
}

fn minutes(time: Duration) -> String {
    format!("{} minutes", time.as_secs() / 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::tests::World;
    use crate::mcp::tools::plan::PlannedEffect;
    use crate::mcp::tools::start_instance;
    use crate::model::{Event, Seq};

    #[tokio::test]
    async fn a_call_that_came_to_need_a_confirmation_since_it_was_made_is_refused_and_recorded() {
        let world = World::small().await;
        let plan = WritePlan { tool: start_instance::SPEC.name, effect: PlannedEffect::Start, instances: Vec::new() };
        let (confirmer, mut running) = (Confirmer::default(), RunningCall::default());
        let said = settle(&world.core, &start_instance::SPEC, &mut running, (&confirmer, None), &plan).await.unwrap();
        assert_eq!((said, running.origin.confirmation), (Some(Unconfirmed::Missing), None));
        let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
        let ended = records.iter().filter_map(|record| match &record.event {
            Event::ActionConfirmed { attempt, outcome, .. } => Some((attempt.tool.as_str(), *outcome)),
            _ => None,
        });
        assert_eq!(ended.collect::<Vec<_>>(), [("start_instance", ConfirmationOutcome::Changed)]);
    }
}

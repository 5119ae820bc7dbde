//! Questions that change nothing and are asked for their own sake: who is asking, what is allowed, which limits the account has.
//!
//! EC2 tells by a dry run whether a call would be allowed: the success is an error, `DryRunOperation`. An emulator that ignores
//! the flag answers the describe itself, which allows it just as well, so the describes ask for few and do not go on.
//! Sources: EC2 API reference, `DryRun` of each action; Service Quotas API reference, `ListServiceQuotas`.

use std::collections::BTreeMap;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::InstanceSpecification;
use futures::FutureExt;
use serde::Serialize;

use super::Aws;
use super::error::AwsError;
use super::identity::IDENTIFY;
use super::limiter::Priority;
use crate::kinds::describe::reduce;
use crate::kinds::{DescribeError, DescribeInput, KindSpec};
use crate::model::{AccountId, ErrorClass, LeftOut, Scope};

const DESCRIBE_INSTANCES: &str = "ec2:DescribeInstances";
const LIST_QUOTAS: &str = "servicequotas:ListServiceQuotas";

/// The fewest that AWS puts on a page.
const FEW: i32 = 5;
/// The most pages of quotas that are read: EC2 has a few hundred, a hundred to a page.
const QUOTA_PAGES: usize = 20;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub account: AccountId,
    /// The user, or the role's session; empty when AWS did not say.
    pub arn: String,
}

/// A limit of the account in a region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quota {
    /// What is limited, in AWS's words.
    pub name: String,
    /// How much.
    pub value: f64,
}

/// A call that changes something and that a dry run can be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// `ec2:StartInstances`.
    Start,
    /// `ec2:StopInstances`.
    Stop,
    /// `ec2:CreateSnapshots`, with the tags that Muster gives.
    Snapshot,
}

impl Change {
    /// Every one.
    pub const ALL: [Change; 3] = [Change::Start, Change::Stop, Change::Snapshot];

    /// The IAM action.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Change::Start => "ec2:StartInstances",
            Change::Stop => "ec2:StopInstances",
            Change::Snapshot => "ec2:CreateSnapshots",
        }
    }

    /// Asks whether it would be allowed. It can only be asked: the flag stands here and not in the caller's hands.
    async fn dry_run(self, client: &Client, instance: &str) -> Result<(), DescribeError> {
        match self {
            Change::Start => {
                let call = client.start_instances().instance_ids(instance).dry_run(true);
                call.send().await.map(drop).map_err(reduce)
            }
            Change::Stop => {
                let call = client.stop_instances().instance_ids(instance).dry_run(true);
                call.send().await.map(drop).map_err(reduce)
            }
            Change::Snapshot => {
                let of = InstanceSpecification::builder().instance_id(instance).build();
                // With tags, as the tool makes them: tagging takes a right of its own.
                let tags = super::actions::own_tags("muster doctor");
                let call = client.create_snapshots().instance_specification(of).tag_specifications(tags).dry_run(true);
                call.send().await.map(drop).map_err(reduce)
            }
        }
    }
}

impl Aws {
    /// Whose credentials are in use, with the ARN.
    ///
    /// # Errors
    /// [`AwsError`]: no credentials, no region, no connection.
    pub async fn caller(&self) -> Result<Caller, AwsError> {
        self.home().sdk().await;
        self.anywhere(IDENTIFY, |scope| async move { self.caller_in(&scope).await }.boxed()).await
    }

    async fn caller_in(&self, scope: &Scope) -> Result<Caller, AwsError> {
        let client = self.clients(scope, IDENTIFY).await?.identity;
        let send = || client.get_caller_identity().send();
        let (answer, _) = self.repeatable(scope, IDENTIFY, Priority::Tool, send).await?;
        let account = AccountId::new(answer.account.unwrap_or_default());
        self.account_of(scope).found.lock().account = Some(account.clone());
        Ok(Caller { account, arn: answer.arn.unwrap_or_default() })
    }

    /// Whether describing a kind is allowed.
    ///
    /// # Errors
    /// [`AwsError`] with [`ErrorClass::Denied`] when it is not; any other when AWS does not say.
    pub async fn may_describe(&self, scope: &Scope, spec: &KindSpec) -> Result<(), AwsError> {
        let action = spec.action();
        let client = self.clients(scope, action).await?.ec2;
        // What is optional is left out: whether an endpoint knows it is not the question.
        let left_out = LeftOut::of(spec.optional.iter().copied());
        let send = || (spec.describe)(client.clone(), DescribeInput::DryRun, left_out.clone());
        allowed(self.repeatable(scope, action, Priority::Tool, send).await.map(drop))
    }

    /// Whether a change of an instance is allowed. Nothing is changed, unless the endpoint ignores `DryRun`: so it is first
    /// asked for a dry run of a describe, and asked no more when it ignores that.
    ///
    /// # Errors
    /// [`AwsError`] with [`ErrorClass::Denied`] when it is not; with [`ErrorClass::NotFound`] when there is no such instance, which EC2 may
    /// say before it looks at permissions; with [`Trouble::Unasked`](super::Trouble::Unasked) when the endpoint ignores `DryRun` and
    /// was therefore not asked; with [`Trouble::Acted`](super::Trouble::Acted) when it carried the change out; any other when AWS
    /// does not say.
    pub async fn may_change(&self, scope: &Scope, change: Change, instance: &str) -> Result<(), AwsError> {
        let client = self.clients(scope, change.action()).await?.ec2;
        let heeds = || client.describe_instances().instance_ids(instance).dry_run(true).send();
        match self.repeatable(scope, DESCRIBE_INSTANCES, Priority::Tool, heeds).await {
            Ok(_) => {
                let what =
                    "it answered a dry run of a describe as if it was none, so a dry run of a change was not tried";
                return Err(AwsError::unasked(what, &self.call(scope, DESCRIBE_INSTANCES)));
            }
            Err(error) if error.class == ErrorClass::DryRun => {}
            Err(error) => return Err(error),
        }
        let admitted = self.0.limiter.admit(scope, change.action(), Priority::Tool, 0).await;
        let answer = change.dry_run(&client, instance).await;
        match self.finished(admitted, scope, change.action(), answer) {
            Err(error) if error.class == ErrorClass::DryRun => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                let what = format!("look at {instance}, which it changed");
                Err(AwsError::acted(&what, &self.call(scope, change.action())))
            }
        }
    }

    /// Any instance of a region that tools could act on; `None` when the first few are all on their way out, or there are none.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn an_instance(&self, scope: &Scope) -> Result<Option<String>, AwsError> {
        let client = self.clients(scope, DESCRIBE_INSTANCES).await?.ec2;
        let send = || client.describe_instances().max_results(FEW).send();
        let (answer, _) = self.repeatable(scope, DESCRIBE_INSTANCES, Priority::Tool, send).await?;
        let instances =
            answer.reservations.unwrap_or_default().into_iter().flat_map(|of| of.instances.unwrap_or_default());
        let usable = |state: &str| matches!(state, "running" | "stopped");
        let mut ids = instances.filter_map(|instance| {
            let state = instance.state?.name?;
            instance.instance_id.filter(|_| usable(state.as_str()))
        });
        Ok(ids.next())
    }

    /// The account's own quotas of EC2 in a region.
    ///
    /// # Errors
    /// [`AwsError`]: not allowed, or there is no such service (in emulators).
    pub async fn quotas(&self, scope: &Scope) -> Result<Vec<Quota>, AwsError> {
        let client = self.clients(scope, LIST_QUOTAS).await?.quotas;
        let (mut quotas, mut token) = (BTreeMap::new(), None);
        for _ in 0..QUOTA_PAGES {
            let send = || client.list_service_quotas().service_code("ec2").set_next_token(token.clone()).send();
            let (answer, _) = self.repeatable(scope, LIST_QUOTAS, Priority::Tool, send).await?;
            let listed = answer.quotas.unwrap_or_default().into_iter();
            quotas.extend(listed.filter_map(|quota| Some((quota.quota_name?, quota.value?))));
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        Ok(quotas.into_iter().map(|(name, value)| Quota { name, value }).collect())
    }
}

/// A dry run is allowed when it says so, and when it was none.
fn allowed(answer: Result<(), AwsError>) -> Result<(), AwsError> {
    answer.or_else(|error| if error.class == ErrorClass::DryRun { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Trouble;
    use crate::aws::scripted::{Answer as Reply, Scripted};
    use crate::kinds::KINDS;
    use crate::model::fixtures::scope;

    #[tokio::test]
    async fn every_kind_is_asked_for_by_a_dry_run() {
        let server = Scripted::new([Reply::error(412, "DryRunOperation", "Request would have succeeded")]).await;
        let aws = server.aws();
        for spec in KINDS {
            aws.may_describe(&scope(), spec).await.unwrap();
            assert_eq!(spec.actions.len(), 1, "{}: the others are not asked about", spec.slug);
        }
        let asked = server.asked();
        assert_eq!(asked.len(), KINDS.len());
        assert!(asked.iter().all(|body| body.contains("DryRun=true")), "{asked:?}");
    }

    #[tokio::test]
    async fn an_emulator_that_ignores_the_flag_allows_it_and_a_refusal_does_not() {
        let answers = [Reply::ok("<instanceStatusSet/>"), Reply::error(403, "UnauthorizedOperation", "no")];
        let server = Scripted::new(answers).await;
        let aws = server.aws();
        let status = KINDS.iter().find(|spec| spec.slug == "instance-status").unwrap();
        assert_eq!(aws.may_describe(&scope(), status).await, Ok(()));
        assert_eq!(aws.may_describe(&scope(), status).await.unwrap_err().class, ErrorClass::Denied);
    }

    #[tokio::test]
    async fn a_change_is_only_ever_asked_about() {
        let server = Scripted::new([Reply::error(412, "DryRunOperation", "Request would have succeeded")]).await;
        let aws = server.aws();
        for change in Change::ALL {
            aws.may_change(&scope(), change, "i-1").await.unwrap();
        }
        let asked = server.asked();
        assert!(asked.iter().all(|body| body.contains("DryRun=true")), "{asked:?}");
        let changes: Vec<&String> = asked.iter().filter(|body| !body.contains("Action=Describe")).collect();
        assert_eq!(changes.len(), Change::ALL.len());
        for (body, change) in changes.iter().zip(Change::ALL) {
            let action = change.action().trim_start_matches("ec2:");
            assert!(body.contains(&format!("Action={action}")), "{body}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_ignores_the_flag_on_a_describe_is_asked_for_no_change() {
        let server = Scripted::new([Reply::ok("<reservationSet/>")]).await;
        let aws = server.aws();
        for change in Change::ALL {
            let error = aws.may_change(&scope(), change, "i-1").await.unwrap_err();
            assert_eq!(error.trouble, Trouble::Unasked, "{error}");
        }
        assert!(server.asked().iter().all(|body| body.contains("Action=DescribeInstances")), "{:?}", server.asked());
    }

    #[tokio::test]
    async fn a_dry_run_that_was_carried_out_is_not_taken_for_an_allowance() {
        let heeded = Reply::error(412, "DryRunOperation", "Request would have succeeded");
        let server = Scripted::new([heeded, Reply::ok("<instancesSet/>")]).await;
        let error = server.aws().may_change(&scope(), Change::Stop, "i-1").await.unwrap_err();
        assert!(error.trouble == Trouble::Acted && error.to_string().contains("look at i-1"), "{error}");
    }
}

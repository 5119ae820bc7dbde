//! Read-only questions: who is calling, what is allowed, which limits the account has.
//!
//! A dry run shows whether EC2 would allow a call: its success is the error `DryRunOperation`. An emulator that ignores the flag
//! answers the describe itself, which also means that it is allowed; the describes therefore request few items and one page.
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

/// The smallest page size that AWS accepts.
const FEW: i32 = 5;
/// How many pages of quotas are read at most: EC2 has a few hundred quotas, a hundred per page.
const QUOTA_PAGES: usize = 20;

/// The caller's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdentity {
    /// The account.
    pub account: AccountId,
    /// The user or the role's session; empty if AWS did not say.
    pub arn: String,
}

/// A limit of the account in a region.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quota {
    /// The name of the limit, in AWS's words.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// A call that changes something and supports a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstanceChange {
    /// `ec2:StartInstances`.
    Start,
    /// `ec2:StopInstances`.
    Stop,
    /// `ec2:RebootInstances`.
    Reboot,
    /// `ec2:CreateSnapshots`, with Muster's tags.
    Snapshot,
}

impl InstanceChange {
    /// All of them.
    pub const ALL: [InstanceChange; 4] =
        [InstanceChange::Start, InstanceChange::Stop, InstanceChange::Reboot, InstanceChange::Snapshot];

    /// The IAM action.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            InstanceChange::Start => "ec2:StartInstances",
            InstanceChange::Stop => "ec2:StopInstances",
            InstanceChange::Reboot => "ec2:RebootInstances",
            InstanceChange::Snapshot => "ec2:CreateSnapshots",
        }
    }

    /// Makes a dry run of the call. The flag is set here, so callers cannot make the real call.
    async fn dry_run(self, client: &Client, instance: &str) -> Result<(), DescribeError> {
        match self {
            InstanceChange::Start => {
                let call = client.start_instances().instance_ids(instance).dry_run(true);
                call.send().await.map(drop).map_err(reduce)
            }
            InstanceChange::Stop => {
                let call = client.stop_instances().instance_ids(instance).dry_run(true);
                call.send().await.map(drop).map_err(reduce)
            }
            InstanceChange::Reboot => {
                let call = client.reboot_instances().instance_ids(instance).dry_run(true);
                call.send().await.map(drop).map_err(reduce)
            }
            InstanceChange::Snapshot => {
                let of = InstanceSpecification::builder().instance_id(instance).build();
                // With tags, as the tool makes them: tagging needs a permission of its own.
                let tags = super::actions::own_tags("muster doctor");
                let call = client.create_snapshots().instance_specification(of).tag_specifications(tags).dry_run(true);
                call.send().await.map(drop).map_err(reduce)
            }
        }
    }
}

impl Aws {
    /// The identity of the credentials, with the ARN.
    ///
    /// # Errors
    /// [`AwsError`]: no credentials, no region, no connection.
    pub async fn caller(&self) -> Result<CallerIdentity, AwsError> {
        self.home().sdk().await;
        self.anywhere(IDENTIFY, |scope| async move { self.caller_in(&scope).await }.boxed()).await
    }

    async fn caller_in(&self, scope: &Scope) -> Result<CallerIdentity, AwsError> {
        let client = self.clients(scope, IDENTIFY).await?.identity();
        let send = || client.get_caller_identity().send();
        let (answer, _) = self.repeatable(scope, IDENTIFY, Priority::Tool, send).await?;
        let account = AccountId::new(answer.account.unwrap_or_default());
        self.account_of(scope).found.lock().account = Some(account.clone());
        Ok(CallerIdentity { account, arn: answer.arn.unwrap_or_default() })
    }

    /// Checks that describing a kind is allowed.
    ///
    /// # Errors
    /// [`AwsError`] with [`ErrorClass::Denied`] if it is not; any other if AWS does not say.
    pub async fn may_describe(&self, scope: &Scope, spec: &KindSpec) -> Result<(), AwsError> {
        let action = spec.action();
        let client = self.clients(scope, action).await?.ec2();
        // Optional parameters are left out: it does not matter here whether the endpoint knows them.
        let left_out = LeftOut::of(spec.optional.iter().copied());
        let send = || (spec.describe)(client.clone(), DescribeInput::DryRun, left_out.clone());
        allowed(self.repeatable(scope, action, Priority::Tool, send).await.map(drop))
    }

    /// Checks that a change of an instance is allowed. Nothing is changed unless the endpoint ignores `DryRun`; so a dry run of a
    /// describe comes first, and if the endpoint ignores that flag, the change is not tried.
    ///
    /// # Errors
    /// [`AwsError`] with [`ErrorClass::Denied`] if it is not allowed; with [`ErrorClass::NotFound`] if there is no such instance,
    /// which EC2 may check before permissions; with [`AwsErrorKind::Unasked`](super::Trouble::Unasked) if the endpoint ignores `DryRun`
    /// and was therefore not asked; with [`AwsErrorKind::Acted`](super::Trouble::Acted) if it carried the change out; any other if AWS
    /// does not say.
    pub async fn may_change(&self, scope: &Scope, change: InstanceChange, instance: &str) -> Result<(), AwsError> {
        let client = self.clients(scope, change.action()).await?.ec2();
        let heeds = || client.describe_instances().instance_ids(instance).dry_run(true).send();
        match self.repeatable(scope, DESCRIBE_INSTANCES, Priority::Tool, heeds).await {
            Ok(_) => {
                let what = "it ignored DryRun for a describe, so a dry run of a change was not tried";
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

    /// Any instance of a region that tools could act on; `None` if there are none among the first few.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn an_instance(&self, scope: &Scope) -> Result<Option<String>, AwsError> {
        let client = self.clients(scope, DESCRIBE_INSTANCES).await?.ec2();
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

    /// The account's own EC2 quotas in a region.
    ///
    /// # Errors
    /// [`AwsError`]: not allowed, or the service does not exist (in emulators).
    pub async fn quotas(&self, scope: &Scope) -> Result<Vec<Quota>, AwsError> {
        let client = self.clients(scope, LIST_QUOTAS).await?.quotas();
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

/// A dry run is allowed if AWS says so, or if the endpoint ignored the flag.
fn allowed(answer: Result<(), AwsError>) -> Result<(), AwsError> {
    answer.or_else(|error| if error.class == ErrorClass::DryRun { Ok(()) } else { Err(error) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::AwsErrorKind;
    use crate::aws::scripted::{Reply, Scripted};
    use crate::kinds::KINDS;
    use crate::model::fixtures::scope;

    #[tokio::test]
    async fn every_kind_is_checked_by_a_dry_run() {
        let server = Scripted::new([Reply::error(412, "DryRunOperation", "Request would have succeeded")]).await;
        let aws = server.aws();
        for spec in KINDS {
            aws.may_describe(&scope(), spec).await.unwrap();
            assert_eq!(spec.actions.len(), 1, "{}: the other actions are not checked", spec.slug);
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
    async fn a_change_is_only_tried_as_a_dry_run() {
        let server = Scripted::new([Reply::error(412, "DryRunOperation", "Request would have succeeded")]).await;
        let aws = server.aws();
        for change in InstanceChange::ALL {
            aws.may_change(&scope(), change, "i-1").await.unwrap();
        }
        let asked = server.asked();
        assert!(asked.iter().all(|body| body.contains("DryRun=true")), "{asked:?}");
        let changes: Vec<&String> = asked.iter().filter(|body| !body.contains("Action=Describe")).collect();
        assert_eq!(changes.len(), InstanceChange::ALL.len());
        for (body, change) in changes.iter().zip(InstanceChange::ALL) {
            let action = change.action().trim_start_matches("ec2:");
            assert!(body.contains(&format!("Action={action}")), "{body}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_ignores_the_flag_on_a_describe_is_asked_for_no_change() {
        let server = Scripted::new([Reply::ok("<reservationSet/>")]).await;
        let aws = server.aws();
        for change in InstanceChange::ALL {
            let error = aws.may_change(&scope(), change, "i-1").await.unwrap_err();
            assert_eq!(error.kind, AwsErrorKind::Unasked, "{error}");
        }
        assert!(server.asked().iter().all(|body| body.contains("Action=DescribeInstances")), "{:?}", server.asked());
    }

    #[tokio::test]
    async fn a_dry_run_that_was_carried_out_does_not_count_as_allowed() {
        let heeded = Reply::error(412, "DryRunOperation", "Request would have succeeded");
        let server = Scripted::new([heeded, Reply::ok("<instancesSet/>")]).await;
        let error = server.aws().may_change(&scope(), InstanceChange::Stop, "i-1").await.unwrap_err();
        assert!(error.kind == AwsErrorKind::Acted && error.to_string().contains("look at i-1"), "{error}");
    }
}

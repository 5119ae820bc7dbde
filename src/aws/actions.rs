//! Calls that tools make to change something, with AWS's answers.
//!
//! Each takes a [`Chosen`]: ids that the caller of a tool named, with their account and region. No id of an answer can reach a
//! call, and no call leaves for an account other than the proved one.

use std::collections::BTreeSet;
use std::sync::Arc;

use aws_sdk_ec2::operation::RequestId;
use aws_sdk_ec2::types::{CopyTagsFromSource, InstanceSpecification, ResourceType, Tag, TagSpecification};

use super::error::AwsError;
use super::limiter::{Admitted, Priority};
use super::pinned::Pinned;
use super::sdk::Clients;
use crate::kinds;
use crate::model::text::shown;
use crate::model::{ActionId, Chosen, ErrorClass, Timestamp, Value};

/// The tag that names the creator of a snapshot, and its value for Muster.
pub const CREATED_BY: (&str, &str) = ("muster:created-by", "muster");
/// The tag with the [`ActionId`] that created a snapshot: after a lost answer it shows whether the call happened.
pub const ACTION_TAG: &str = "muster:action";

/// The longest id of a request: AWS's have 36 characters.
const MAX_REQUEST_ID: usize = 100;

/// AWS's answer to a call that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteAnswer<T> {
    /// It was done. After a dry run this means that the endpoint ignored `DryRun`.
    Done(WriteResult<T>),
    /// The dry run would have been allowed. Nothing was done.
    WouldBeAllowed,
}

/// The result of a call that AWS carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteResult<T> {
    /// What happened to the named resources, each once.
    pub result: Vec<T>,
    /// What the answer says about resources that nobody named. It proves nothing about the named ones.
    pub others: Vec<T>,
    /// When the answer arrived, in AWS time: the time of the evidence.
    pub answered_at: Timestamp,
    /// AWS's id of the request, if the answer has one.
    pub request_id: Option<String>,
}

/// What starting or stopping did to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The instance.
    pub id: String,
    /// Its state before (`{Code, Name}`); `None` if AWS did not say.
    pub previous: Option<Value>,
    /// Its state now (`{Code, Name}`); `None` if AWS did not say.
    pub current: Option<Value>,
}

/// How instances stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopManner {
    /// The operating system shuts down.
    Orderly,
    /// The operating system gets no chance to flush its caches.
    Forced,
    /// What is in memory is written to the root volume, and is there again after the next start.
    Hibernating,
}

/// A request for one snapshot of each volume of an instance, all taken at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSnapshots {
    /// The snapshots' description.
    pub description: String,
    /// Leaves out the boot volume of the instance.
    pub exclude_boot: bool,
    /// Data volumes of the instance to leave out.
    pub exclude_data: Vec<String>,
    /// Tags besides those copied from the volumes and Muster's own.
    pub tags: Vec<(String, String)>,
    /// The action that [`ACTION_TAG`] records.
    pub action: ActionId,
    /// Only asks whether the call would be allowed.
    pub dry_run: bool,
}

/// A snapshot that AWS has started.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CreatedSnapshot {
    /// The snapshot.
    pub snapshot_id: String,
    /// Its volume; `None` if AWS did not say.
    pub volume_id: Option<String>,
    /// `pending` at first; `None` if AWS did not say.
    pub state: Option<String>,
    /// The owning account; `None` if AWS did not say.
    pub owner: Option<String>,
    /// The volume's size in GiB.
    pub volume_size: Option<i32>,
    /// Whether it is encrypted.
    pub encrypted: Option<bool>,
}

impl Pinned {
    /// Starts stopped instances. AWS starts all or none; a running one stays as it is.
    ///
    /// # Errors
    /// [`AwsError`]; if `perhaps_done` is set, the answer was lost and the call may have happened.
    pub async fn start_instances(
        &self,
        chosen: &Chosen<'_>,
        dry_run: bool,
    ) -> Result<WriteAnswer<StateChange>, AwsError> {
        const ACTION: &str = "ec2:StartInstances";
        let (clients, admitted) = self.admitted(chosen, ACTION, chosen.ids().len(), dry_run).await?;
        let call = clients.ec2().start_instances().set_instance_ids(Some(chosen.texts())).dry_run(dry_run);
        let answer = self.aws.finished(admitted, chosen.scope(), ACTION, call.send().await);
        self.answer(answer, |output| changes(chosen, output.starting_instances))
    }

    /// Stops running instances. AWS stops all or none; a stopped one stays as it is.
    ///
    /// # Errors
    /// [`AwsError`]; if `perhaps_done` is set, the answer was lost and the call may have happened.
    pub async fn stop_instances(
        &self,
        chosen: &Chosen<'_>,
        manner: StopManner,
        dry_run: bool,
    ) -> Result<WriteAnswer<StateChange>, AwsError> {
        const ACTION: &str = "ec2:StopInstances";
        let (clients, admitted) = self.admitted(chosen, ACTION, chosen.ids().len(), dry_run).await?;
        let call = clients.ec2().stop_instances().set_instance_ids(Some(chosen.texts())).dry_run(dry_run);
        let call = match manner {
            StopManner::Orderly => call,
            StopManner::Forced => call.force(true),
            StopManner::Hibernating => call.hibernate(true),
        };
        let answer = self.aws.finished(admitted, chosen.scope(), ACTION, call.send().await);
        self.answer(answer, |output| changes(chosen, output.stopping_instances))
    }

    /// Reboots running instances. AWS takes all of them or none, and its answer says only that it took them: each change in the
    /// answer names an instance and no state.
    ///
    /// # Errors
    /// [`AwsError`]; where its `perhaps_done` is set, the answer was lost and the call may have happened.
    pub async fn reboot_instances(
        &self,
        chosen: &Chosen<'_>,
        dry_run: bool,
    ) -> Result<WriteAnswer<StateChange>, AwsError> {
        const ACTION: &str = "ec2:RebootInstances";
        let (clients, admitted) = self.admitted(chosen, ACTION, chosen.ids().len(), dry_run).await?;
        let call = clients.ec2().reboot_instances().set_instance_ids(Some(chosen.texts())).dry_run(dry_run);
        let answer = self.aws.finished(admitted, chosen.scope(), ACTION, call.send().await);
        let taken = |id: &Arc<str>| StateChange { id: id.to_string(), previous: None, current: None };
        self.answer(answer, |_| (chosen.ids().map(taken).collect(), Vec::new()))
    }

    /// Snapshots the volumes of the one chosen instance, all at one moment and crash-consistent. AWS determines the volumes.
    ///
    /// The snapshots get their volumes' tags, `request.tags`, [`CREATED_BY`] and [`ACTION_TAG`].
    ///
    /// # Errors
    /// [`AwsError`]; if `perhaps_done` is set, the answer was lost: look for [`ACTION_TAG`] before asking again.
    pub async fn create_snapshots(
        &self,
        chosen: &Chosen<'_>,
        request: &CreateSnapshots,
    ) -> Result<WriteAnswer<CreatedSnapshot>, AwsError> {
        const ACTION: &str = "ec2:CreateSnapshots";
        let Some(id) = chosen.single() else {
            let call = self.aws.call(chosen.scope(), ACTION);
            return Err(AwsError::unbuildable("it takes exactly one instance", &call));
        };
        let (clients, admitted) = self.admitted(chosen, ACTION, 0, request.dry_run).await?;
        let excluded = Some(request.exclude_data.clone()).filter(|ids| !ids.is_empty());
        let instance = InstanceSpecification::builder()
            .instance_id(&**id)
            .exclude_boot_volume(request.exclude_boot)
            .set_exclude_data_volume_ids(excluded)
            .build();
        let call = clients
            .ec2()
            .create_snapshots()
            .instance_specification(instance)
            .description(&request.description)
            .copy_tags_from_source(CopyTagsFromSource::Volume)
            .tag_specifications(tags(request))
            .dry_run(request.dry_run);
        let answer = self.aws.finished(admitted, chosen.scope(), ACTION, call.send().await);
        self.answer(answer, |output| snapshots(chosen, output.snapshots))
    }

    /// Admits a call once the account of its credentials is proved.
    ///
    /// A call that changes something is made once, since it has no idempotency token: a repeated `CreateSnapshots` would snapshot
    /// twice, and a repeated `StartInstances` would drain a bucket of two a second.
    async fn admitted(
        &self,
        chosen: &Chosen<'_>,
        action: &'static str,
        instances: usize,
        dry_run: bool,
    ) -> Result<(Clients, Admitted), AwsError> {
        let scope = chosen.scope();
        if chosen.is_empty() {
            let call = self.aws.call(scope, action);
            return Err(AwsError::unbuildable("it names no instance", &call));
        }
        self.prove(scope, None).await?;
        if dry_run {
            self.heeds_dry_run(chosen).await?;
        }
        let clients = self.clients(scope, action).await?;
        Ok((clients, self.aws.0.limiter.admit(scope, action, Priority::Tool, instances).await))
    }

    /// Checks by a dry run of a describe that the endpoint heeds `DryRun`, before a dry run of a change: nobody has agreed to that
    /// change. The endpoint of each region is checked once.
    async fn heeds_dry_run(&self, chosen: &Chosen<'_>) -> Result<(), AwsError> {
        const ACTION: &str = "ec2:DescribeInstances";
        let scope = chosen.scope();
        if self.heeding.lock().contains(scope) {
            return Ok(());
        }
        let client = self.clients(scope, ACTION).await?.ec2();
        let first = chosen.ids().next().map(ToString::to_string);
        let ids = Some(first.into_iter().collect::<Vec<String>>());
        let send = || client.describe_instances().set_instance_ids(ids.clone()).dry_run(true).send();
        match self.aws.repeatable(scope, ACTION, Priority::Tool, send).await {
            Ok(_) => Err(AwsError::dry_run_ignored(&self.aws.call(scope, ACTION))),
            Err(error) if error.class == ErrorClass::DryRun => {
                self.heeding.lock().insert(scope.clone());
                Ok(())
            }
            Err(error) => Err(error.before_a_change()),
        }
    }

    fn answer<O: RequestId, T>(
        &self,
        answer: Result<O, AwsError>,
        sorted: impl FnOnce(O) -> (Vec<T>, Vec<T>),
    ) -> Result<WriteAnswer<T>, AwsError> {
        match answer {
            Ok(output) => {
                let request_id = output.request_id().map(|id| shown(id, MAX_REQUEST_ID));
                let (result, others) = sorted(output);
                let answered_at = self.aws.clock().now();
                Ok(WriteAnswer::Done(WriteResult { result, others, answered_at, request_id }))
            }
            Err(error) if error.class == ErrorClass::DryRun => Ok(WriteAnswer::WouldBeAllowed),
            Err(error) => Err(error),
        }
    }
}

/// The changes of chosen instances, each once, and those of others. If an instance has two changes, the first counts.
fn changes(
    chosen: &Chosen<'_>,
    answered: Option<Vec<aws_sdk_ec2::types::InstanceStateChange>>,
) -> (Vec<StateChange>, Vec<StateChange>) {
    let changes = answered.unwrap_or_default().into_iter().filter_map(change);
    let (mut ours, others): (Vec<_>, Vec<_>) = changes.partition(|change: &StateChange| chosen.holds(&change.id));
    let mut seen = BTreeSet::new();
    ours.retain(|change| seen.insert(change.id.clone()));
    (ours, others)
}

/// The snapshots of the named account, each once, and those of other accounts.
fn snapshots(
    chosen: &Chosen<'_>,
    answered: Option<Vec<aws_sdk_ec2::types::SnapshotInfo>>,
) -> (Vec<CreatedSnapshot>, Vec<CreatedSnapshot>) {
    let account = chosen.scope().account.as_str();
    let is_foreign = |snapshot: &CreatedSnapshot| {
        snapshot.owner.as_deref().is_some_and(|owner| !owner.is_empty() && owner != account)
    };
    let snapshots = answered.unwrap_or_default().into_iter().filter_map(created);
    let (others, mut ours): (Vec<_>, Vec<_>) = snapshots.partition(is_foreign);
    let mut seen = BTreeSet::new();
    ours.retain(|snapshot| seen.insert(snapshot.snapshot_id.clone()));
    (ours, others)
}

/// The tags of new snapshots. Muster's own come last and take precedence over a caller's tags with the same key.
fn tags(request: &CreateSnapshots) -> TagSpecification {
    let action = request.action.to_string();
    let own = [CREATED_BY, (ACTION_TAG, action.as_str())];
    let given = request.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    specification(given.filter(|(key, _)| own.iter().all(|(own, _)| own != key)).chain(own))
}

/// Muster's own tags, for asking whether a call with tags is allowed.
pub(super) fn own_tags(action: &str) -> TagSpecification {
    specification([CREATED_BY, (ACTION_TAG, action)].into_iter())
}

fn specification<'a>(tags: impl Iterator<Item = (&'a str, &'a str)>) -> TagSpecification {
    let tags = tags.map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    TagSpecification::builder().resource_type(ResourceType::Snapshot).set_tags(Some(tags)).build()
}

fn change(change: aws_sdk_ec2::types::InstanceStateChange) -> Option<StateChange> {
    Some(StateChange {
        id: change.instance_id?,
        previous: change.previous_state.map(kinds::instance_state),
        current: change.current_state.map(kinds::instance_state),
    })
}

fn created(snapshot: aws_sdk_ec2::types::SnapshotInfo) -> Option<CreatedSnapshot> {
    Some(CreatedSnapshot {
        snapshot_id: snapshot.snapshot_id?,
        volume_id: snapshot.volume_id,
        owner: snapshot.owner_id,
        state: snapshot.state.map(|state| state.as_str().to_owned()),
        volume_size: snapshot.volume_size,
        encrypted: snapshot.encrypted,
    })
}

#[cfg(test)]
mod tests;

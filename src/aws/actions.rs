//! Calls that tools make: they change something, wait for nobody's sweep, and say what AWS answered.

use aws_sdk_ec2::types::{CopyTagsFromSource, InstanceSpecification, ResourceType, Tag, TagSpecification};

use super::error::{AwsError, Class};
use super::limiter::Priority;
use super::{Admitted, Aws, sdk::Clients};
use crate::kinds;
use crate::model::{ActionId, Region, Timestamp, Value};

/// A call that Muster makes beside the describes of [`kinds::KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActionSpec {
    /// What it does, as methods of [`Aws`] are named.
    pub name: &'static str,
    /// The IAM actions it takes; the first is the one called.
    pub iam: &'static [&'static str],
    /// Whether it changes anything.
    pub write: bool,
}

/// Every call beside the describes that serving and asking make.
pub const ACTIONS: &[ActionSpec] = &[
    ActionSpec { name: "identify", iam: &["sts:GetCallerIdentity"], write: false },
    ActionSpec { name: "enabled_regions", iam: &["ec2:DescribeRegions"], write: false },
    ActionSpec { name: "receive", iam: &["sqs:ReceiveMessage"], write: false },
    ActionSpec { name: "delete", iam: &["sqs:DeleteMessage"], write: false },
    ActionSpec { name: "extend", iam: &["sqs:ChangeMessageVisibility"], write: false },
    ActionSpec { name: "queue_url", iam: &["sqs:GetQueueUrl"], write: false },
    ActionSpec { name: "queue_attributes", iam: &["sqs:GetQueueAttributes"], write: false },
    ActionSpec { name: "put_events", iam: &["events:PutEvents"], write: false },
    ActionSpec { name: "calls_of", iam: &["cloudtrail:LookupEvents"], write: false },
    ActionSpec { name: "start_instances", iam: &["ec2:StartInstances"], write: true },
    ActionSpec { name: "stop_instances", iam: &["ec2:StopInstances"], write: true },
    ActionSpec { name: "create_snapshots", iam: &["ec2:CreateSnapshots", "ec2:CreateTags"], write: true },
];

/// Every call that `muster setup` and `muster teardown` make. Serving needs none of those that change anything.
pub const SETUP: &[ActionSpec] = &[
    ActionSpec { name: "identify", iam: &["sts:GetCallerIdentity"], write: false },
    ActionSpec { name: "enabled_regions", iam: &["ec2:DescribeRegions"], write: false },
    ActionSpec { name: "describe_rule", iam: &["events:DescribeRule"], write: false },
    ActionSpec { name: "rule_tags", iam: &["events:ListTagsForResource"], write: false },
    ActionSpec { name: "targets", iam: &["events:ListTargetsByRule"], write: false },
    ActionSpec { name: "test_pattern", iam: &["events:TestEventPattern"], write: false },
    ActionSpec { name: "queue_url", iam: &["sqs:GetQueueUrl"], write: false },
    ActionSpec { name: "queue_attributes", iam: &["sqs:GetQueueAttributes"], write: false },
    ActionSpec { name: "queue_tags", iam: &["sqs:ListQueueTags"], write: false },
    // A rule that is made with tags takes the right to tag, as does a queue.
    ActionSpec { name: "put_rule", iam: &["events:PutRule", "events:TagResource"], write: true },
    ActionSpec { name: "tag_rule", iam: &["events:TagResource"], write: true },
    ActionSpec { name: "enable_rule", iam: &["events:EnableRule"], write: true },
    ActionSpec { name: "delete_rule", iam: &["events:DeleteRule"], write: true },
    ActionSpec { name: "put_target", iam: &["events:PutTargets"], write: true },
    ActionSpec { name: "remove_targets", iam: &["events:RemoveTargets"], write: true },
    ActionSpec { name: "create_queue", iam: &["sqs:CreateQueue", "sqs:TagQueue"], write: true },
    ActionSpec { name: "set_queue_attributes", iam: &["sqs:SetQueueAttributes"], write: true },
    ActionSpec { name: "tag_queue", iam: &["sqs:TagQueue"], write: true },
    ActionSpec { name: "delete_queue", iam: &["sqs:DeleteQueue"], write: true },
];

/// Every call that `muster doctor` makes besides.
pub const DOCTOR: &[ActionSpec] = &[
    ActionSpec { name: "describe_rule", iam: &["events:DescribeRule"], write: false },
    ActionSpec { name: "targets", iam: &["events:ListTargetsByRule"], write: false },
    ActionSpec { name: "quotas", iam: &["servicequotas:ListServiceQuotas"], write: false },
];

/// The tag that names whoever made a snapshot, and its value here.
pub const CREATED_BY: (&str, &str) = ("muster:created-by", "muster");
/// The tag that holds the [`ActionId`] a snapshot was made by: after a lost answer it tells whether the call happened.
pub const ACTION_TAG: &str = "muster:action";

/// What AWS answered to a call that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<T> {
    /// It was done.
    Done {
        /// What AWS says came of it.
        result: T,
        /// When the answer was there, in AWS time: the result's evidence.
        answered_at: Timestamp,
    },
    /// A dry run: it would have been allowed. Nothing was done.
    WouldBeAllowed,
}

/// What starting or stopping did to one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The instance.
    pub id: String,
    /// Its state before (`{Code, Name}`); `None` when AWS did not say.
    pub previous: Option<Value>,
    /// Its state now (`{Code, Name}`); `None` when AWS did not say.
    pub current: Option<Value>,
}

/// A request for one snapshot of each volume of an instance, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateSnapshots {
    /// The instance.
    pub instance_id: String,
    /// The snapshots' description.
    pub description: String,
    /// Leaves out the volume that the instance boots from.
    pub exclude_boot: bool,
    /// Tags beside those copied from the volumes and Muster's own.
    pub tags: Vec<(String, String)>,
    /// The call, which [`ACTION_TAG`] records.
    pub action: ActionId,
    /// Only asks whether it would be allowed.
    pub dry_run: bool,
}

/// A snapshot that AWS has begun.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CreatedSnapshot {
    /// The snapshot.
    pub snapshot_id: String,
    /// The volume it is of; `None` when AWS did not say.
    pub volume_id: Option<String>,
    /// `pending` at first; `None` when AWS did not say.
    pub state: Option<String>,
    /// The volume's size in GiB.
    pub volume_size: Option<i32>,
    /// Whether it is encrypted.
    pub encrypted: Option<bool>,
}

impl Aws {
    /// Starts stopped instances. AWS takes all of them or none; one that runs already stays as it is.
    ///
    /// # Errors
    /// [`AwsError`]; where its `perhaps_done` is set, the answer was lost and the call may have happened.
    pub async fn start_instances(
        &self,
        region: &Region,
        ids: &[String],
        dry_run: bool,
    ) -> Result<Answer<Vec<StateChange>>, AwsError> {
        const ACTION: &str = "ec2:StartInstances";
        let (clients, admitted) = self.admitted(region, ACTION, ids.len()).await?;
        let call = clients.ec2.start_instances().set_instance_ids(Some(ids.to_vec())).dry_run(dry_run);
        let answer = self.finished(admitted, region, ACTION, call.send().await);
        self.answer(answer, |output| {
            output.starting_instances.unwrap_or_default().into_iter().filter_map(change).collect()
        })
    }

    /// Stops running instances. AWS takes all of them or none; one that is stopped already stays as it is.
    ///
    /// With `force` the operating system gets no chance to flush its caches.
    ///
    /// # Errors
    /// [`AwsError`]; where its `perhaps_done` is set, the answer was lost and the call may have happened.
    pub async fn stop_instances(
        &self,
        region: &Region,
        ids: &[String],
        force: bool,
        dry_run: bool,
    ) -> Result<Answer<Vec<StateChange>>, AwsError> {
        const ACTION: &str = "ec2:StopInstances";
        let (clients, admitted) = self.admitted(region, ACTION, ids.len()).await?;
        let call = clients.ec2.stop_instances().set_instance_ids(Some(ids.to_vec())).dry_run(dry_run);
        let call = if force { call.force(true) } else { call };
        let answer = self.finished(admitted, region, ACTION, call.send().await);
        self.answer(answer, |output| {
            output.stopping_instances.unwrap_or_default().into_iter().filter_map(change).collect()
        })
    }

    /// Snapshots the volumes of an instance at one moment, crash-consistent over all of them.
    ///
    /// The snapshots get their volumes' tags, `request.tags`, [`CREATED_BY`] and [`ACTION_TAG`].
    ///
    /// # Errors
    /// [`AwsError`]; where its `perhaps_done` is set, the answer was lost: look for [`ACTION_TAG`] before asking again.
    pub async fn create_snapshots(
        &self,
        region: &Region,
        request: &CreateSnapshots,
    ) -> Result<Answer<Vec<CreatedSnapshot>>, AwsError> {
        const ACTION: &str = "ec2:CreateSnapshots";
        let (clients, admitted) = self.admitted(region, ACTION, 0).await?;
        let instance = InstanceSpecification::builder()
            .instance_id(&request.instance_id)
            .exclude_boot_volume(request.exclude_boot)
            .build();
        let call = clients
            .ec2
            .create_snapshots()
            .instance_specification(instance)
            .description(&request.description)
            .copy_tags_from_source(CopyTagsFromSource::Volume)
            .tag_specifications(tags(request))
            .dry_run(request.dry_run);
        let answer = self.finished(admitted, region, ACTION, call.send().await);
        self.answer(answer, |output| output.snapshots.unwrap_or_default().into_iter().filter_map(created).collect())
    }

    /// A call that changes something is made once: it has no idempotency token, so a repeated `CreateSnapshots` would
    /// snapshot twice, and a repeated `StartInstances` would drain a bucket of two a second.
    async fn admitted(
        &self,
        region: &Region,
        action: &'static str,
        instances: usize,
    ) -> Result<(Clients, Admitted), AwsError> {
        let clients = self.clients(region, action).await?;
        let admitted = self.0.limiter.admit(&self.scope(region), action, Priority::Tool, instances).await;
        Ok((clients, admitted))
    }

    fn answer<O, T>(&self, answer: Result<O, AwsError>, result: fn(O) -> T) -> Result<Answer<T>, AwsError> {
        match answer {
            Ok(output) => Ok(Answer::Done { result: result(output), answered_at: self.clock().now() }),
            Err(error) if error.class == Class::DryRun => Ok(Answer::WouldBeAllowed),
            Err(error) => Err(error),
        }
    }
}

/// The tags of new snapshots. Muster's own come last and go before a caller's of the same key.
fn tags(request: &CreateSnapshots) -> TagSpecification {
    let action = request.action.to_string();
    let own = [CREATED_BY, (ACTION_TAG, action.as_str())];
    let given = request.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let given = given.filter(|(key, _)| own.iter().all(|(own, _)| own != key));
    let tags = given.chain(own).map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
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
        state: snapshot.state.map(|state| state.as_str().to_owned()),
        volume_size: snapshot.volume_size,
        encrypted: snapshot.encrypted,
    })
}

#[cfg(test)]
mod tests;

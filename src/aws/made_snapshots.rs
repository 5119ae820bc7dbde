//! The snapshots that a call made whose answer was lost: they carry the tag of its action.

use aws_sdk_ec2::types::{Filter, Snapshot};

use super::actions::ACTION_TAG;
use super::{Aws, AwsError, Priority};
use crate::model::{ActionId, Scope};

const ACTION: &str = "ec2:DescribeSnapshots";

impl Aws {
    /// The ids of the snapshots that `action` made, as far as AWS shows them yet.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn snapshots_of(&self, scope: &Scope, action: ActionId) -> Result<Vec<String>, AwsError> {
        let client = self.clients(scope, ACTION).await?.ec2();
        let action = action.to_string();
        let filter = Filter::builder().name(format!("tag:{ACTION_TAG}")).values(&action).build();
        let send = || client.describe_snapshots().owner_ids("self").filters(filter.clone()).send();
        let (answer, _) = self.repeatable(scope, ACTION, Priority::Tool, send).await?;
        // An emulator may ignore filters, and tags of another account say nothing.
        let is_made = |snapshot: &Snapshot| {
            let mut tags = snapshot.tags().iter();
            snapshot.owner_id() == Some(scope.account.as_str())
                && tags.any(|tag| tag.key() == Some(ACTION_TAG) && tag.value() == Some(action.as_str()))
        };
        let made = answer.snapshots.unwrap_or_default().into_iter().filter(is_made);
        Ok(made.filter_map(|snapshot| snapshot.snapshot_id).collect())
    }
}

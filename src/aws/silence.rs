//! The regions whose STS does not name the account of the credentials.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::error::AwsError;
use crate::model::{AccountId, Region, Timestamp};

/// How long a late answer of STS counts.
const COUNTS: Duration = Duration::from_mins(10);

/// STS does not name the account of the credentials, or not in time.
#[derive(Clone, Debug)]
pub(super) struct Silence {
    pub(super) cause: AwsError,
    pub(super) since: Timestamp,
    /// STS's late answer, and when it arrived.
    pub(super) said: Option<(AccountId, Instant)>,
}

/// The regions whose STS is silent.
pub(super) type Silences = BTreeMap<Region, Silence>;

impl Silence {
    pub(super) fn is_answered(&self) -> bool {
        self.said.as_ref().is_some_and(|(_, at)| at.elapsed() < COUNTS)
    }
}

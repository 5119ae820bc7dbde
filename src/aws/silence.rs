//! Where STS does not say whose the credentials are.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::error::AwsError;
use crate::model::{AccountId, Region, Timestamp};

/// How long an answer of an STS that is too slow to wait for counts.
const COUNTS: Duration = Duration::from_mins(10);

/// That STS does not say, or not in time, whose the credentials are.
#[derive(Clone, Debug)]
pub(super) struct Silence {
    pub(super) cause: AwsError,
    pub(super) since: Timestamp,
    /// What it said in the end, and when.
    pub(super) said: Option<(AccountId, Instant)>,
}

/// The regions whose STS is silent.
pub(super) type Silences = BTreeMap<Region, Silence>;

impl Silence {
    pub(super) fn is_answered(&self) -> bool {
        self.said.as_ref().is_some_and(|(_, at)| at.elapsed() < COUNTS)
    }
}

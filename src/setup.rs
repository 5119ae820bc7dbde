//! `muster setup` and `muster teardown`: what brings EventBridge's events into a queue that Muster reads, made, mended and
//! taken away again, region by region.
//!
//! ```text
//! desired (name, account, region) --+
//!                                   +--> plan: steps --> apply, one after the other
//! observed (what AWS describes)   --+
//! ```
//!
//! A plan is pure ([`plan`], [`removal`]): the same two give the same steps, and none when all is right, so a second run mends
//! what has drifted since and else does nothing. [`drift`] tells it without mending, for whoever only looks.
//!
//! # What is Muster's
//! Everything that is made bears the tag `muster:created-by=muster`. A queue or rule of one of these names without the tag is
//! another's, and nothing is done in its region unless `--adopt` says that it may be taken over; one that lost its tag but is
//! wired exactly as Muster wires it is mended. Teardown takes the tag's word alone: whatever has none stays.
//!
//! # When a step fails
//! the region's later steps are not tried, what was done before is told, and other regions go on. Running it again goes on from
//! there.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::aws::queue::Queue;
use crate::aws::{Aws, AwsError};
use crate::config::{Config, EventsName};
use crate::model::{AccountId, Region, Scope};

mod apply;
pub mod desired;
pub mod drift;
pub mod error;
pub mod list;
pub mod observed;
pub mod plan;
pub mod removal;
pub mod senders;
pub mod template;

pub use desired::{Desired, QueueRole, Thing};
pub use drift::{Drift, DriftEffect, DriftFault, drift};
pub use error::SetupError;
pub use list::listed;
pub use observed::ObservedSetup;
pub use plan::{Act, SetupStep};

/// How many regions are worked on at once.
const REGIONS_AT_ONCE: usize = 4;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupRequest {
    /// What everything's name begins with.
    pub name: EventsName,
    /// Only tell what would be done.
    pub dry_run: bool,
    /// Whether to make or to take away.
    pub work: SetupTask,
}

/// Whether to make or to take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupTask {
    /// Make what is missing, mend what has drifted.
    Setup {
        /// Take over what has one of the names and is not Muster's.
        adopt: bool,
    },
    /// Take away what setup made.
    Teardown {
        /// Also the dead-letter queue that has messages.
        discard_dead_letters: bool,
    },
}

/// What came of one region.
#[derive(Debug)]
pub struct RegionReport {
    /// Which.
    pub region: Region,
    /// What was to be done, in order; the first [`RegionReport::done`] of them were.
    pub steps: Vec<String>,
    /// How many steps were done.
    pub done: usize,
    /// Why the next one was not.
    pub failure: Option<SetupError>,
    /// What stays, and why.
    pub left: Vec<String>,
    /// What else there is to know.
    pub notes: Vec<String>,
    /// The queue of events, where there is one.
    pub queue: Option<Queue>,
}

impl RegionReport {
    fn new(region: &Region) -> Self {
        RegionReport {
            region: region.clone(),
            steps: Vec::new(),
            done: 0,
            failure: None,
            left: Vec::new(),
            notes: Vec::new(),
            queue: None,
        }
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "region": self.region.as_str(),
            "done": self.steps.iter().take(self.done).collect::<Vec<_>>(),
            "to_do": self.steps.iter().skip(self.done).collect::<Vec<_>>(),
            "left": self.left,
            "notes": self.notes,
            "queue_url": self.queue.as_ref().map(Queue::url),
            "error": self.failure.as_ref().map(ToString::to_string),
        })
    }
}

/// Does what was ordered in every watched region, and tells each region's report in the order of the regions, as soon as it
/// and those before it are there. Gives the account.
///
/// # Errors
/// [`AwsError`] before any region was looked at: who asks and which regions there are is not known. What fails in a region is in
/// its report.
pub async fn run(
    config: &Config,
    order: &SetupRequest,
    mut tell: impl FnMut(&AccountId, RegionReport),
) -> Result<AccountId, AwsError> {
    let aws = Aws::load(config.aws_settings()).await;
    let account = aws.identify().await?;
    let regions = if aws.watches_all() { aws.enabled_regions().await? } else { aws.regions() };
    let reports = regions.into_iter().map(|region| {
        let desired = Desired::new(Scope { account: account.clone(), region }, order.name.clone());
        let aws = aws.clone();
        async move { in_region(&aws, &desired, order).await }
    });
    let mut reports = stream::iter(reports).buffered(REGIONS_AT_ONCE);
    while let Some(report) = reports.next().await {
        tell(&account, report);
    }
    drop(reports);
    Ok(account)
}

async fn in_region(aws: &Aws, desired: &Desired, order: &SetupRequest) -> RegionReport {
    let mut report = RegionReport::new(&desired.scope.region);
    if let Err(error) = work(aws, desired, order, &mut report).await {
        report.failure = Some(error);
    }
    report
}

async fn work(aws: &Aws, desired: &Desired, order: &SetupRequest, report: &mut RegionReport) -> Result<(), SetupError> {
    let observed = observed::look(aws, desired).await?;
    let steps = match order.work {
        SetupTask::Setup { adopt } => {
            report.queue = observed.queues.get(&QueueRole::Events).map(|seen| seen.queue.clone());
            plan::plan(desired, &observed, adopt).map_err(|things| SetupError::Foreign {
                region: desired.scope.region.clone(),
                things: things.iter().map(|thing| desired.label(*thing)).collect(),
            })?
        }
        SetupTask::Teardown { discard_dead_letters } => {
            let removal = removal::plan(desired, &observed, discard_dead_letters);
            report.left = removal.left.iter().map(|(thing, why)| format!("{}: {why}", desired.label(*thing))).collect();
            report.notes = removal.notes;
            removal.steps
        }
    };
    report.steps = steps.iter().map(|step| step.told(desired)).collect();
    if !apply::try_patterns(aws, desired, &steps).await? {
        report.notes.push("the endpoint cannot try patterns out (TestEventPattern), so they were not".to_owned());
    }
    if order.dry_run {
        return Ok(());
    }
    let queues = observed.queues.iter().map(|(role, seen)| (*role, seen.queue.clone()));
    let mut applying = apply::Applying { aws, desired, queues: queues.collect::<BTreeMap<_, _>>() };
    for step in &steps {
        applying.step(step).await?;
        report.done += 1;
    }
    if matches!(order.work, SetupTask::Setup { .. }) {
        report.queue = applying.queues.remove(&QueueRole::Events);
    }
    Ok(())
}

#[cfg(test)]
mod tests;

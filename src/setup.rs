//! `muster setup` and `muster teardown`: make, mend and remove the queues and rules that bring EventBridge's events to Muster, in
//! each region.
//!
//! ```text
//! desired (name, account, region) --+
//!                                   +--> plan: steps --> apply, one after the other
//! observed (what AWS describes)   --+
//! ```
//!
//! A plan is pure ([`plan`], [`removal`]): equal input gives equal steps, and no steps when nothing is wrong. So a second run only
//! mends what has drifted since. [`drift`] finds what is wrong without mending it; `muster doctor` uses it.
//!
//! # What belongs to Muster
//! Everything that setup makes has the tag `muster:created-by=muster`. A queue or rule of the same name without the tag belongs to
//! somebody else, and nothing is done in its region unless `--adopt` allows to take it over. One that lost its tag but is wired
//! exactly as Muster wires it is mended. Teardown removes only what has the tag.
//!
//! # Many accounts
//! [`organization`] writes templates for the accounts of an organization. Nothing is deployed: stack sets are for tools and people
//! that may change every account.
//!
//! # When a step fails
//! The later steps of that region are not tried, the report lists the steps that were done, and other regions go on. Another run
//! continues from there.

use std::collections::BTreeMap;

use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::aws::queue::Queue;
use crate::aws::{Aws, AwsError};
use crate::config::{Config, EventsName};
use crate::model::{AccountId, Region, Scope};

mod apply;
pub mod desired;
mod documents;
pub mod drift;
pub mod error;
pub mod fault;
pub mod list;
pub mod observed;
pub mod organization;
pub mod plan;
pub mod removal;
pub mod senders;
pub mod template;
pub mod trusted;
pub mod wiring;

pub use desired::{Desired, QueueRole, Thing};
pub use drift::{Drift, drift};
pub use error::SetupError;
pub use fault::{DriftEffect, DriftFault};
pub use list::listed;
pub use observed::ObservedSetup;
pub use organization::{CentralSetup, MemberSetup};
pub use plan::{Act, SetupStep};
pub use trusted::TrustedPrincipal;
pub use wiring::{CentralPlace, EventWiring};

/// How many regions are worked on at the same time.
const REGIONS_AT_ONCE: usize = 4;

/// What `muster setup` or `muster teardown` is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetupRequest {
    /// What all names of queues and rules begin with.
    pub name: EventsName,
    /// Only report what would be done.
    pub dry_run: bool,
    /// Whether to make or to remove.
    pub work: SetupTask,
}

/// Whether to make or to remove queues and rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetupTask {
    /// Make what is missing, and mend what has drifted.
    Setup {
        /// Take over queues and rules of the same names that are not Muster's.
        adopt: bool,
    },
    /// Remove what setup made.
    Teardown {
        /// Also remove a dead-letter queue that holds messages.
        discard_dead_letters: bool,
    },
}

/// What was done in one region.
#[derive(Debug)]
pub struct RegionReport {
    /// The region.
    pub region: Region,
    /// The planned steps, in order. The first [`RegionReport::done`] of them were done.
    pub steps: Vec<String>,
    /// How many steps were done.
    pub done: usize,
    /// Why the next step was not done.
    pub failure: Option<SetupError>,
    /// What is left, and why.
    pub left: Vec<String>,
    /// Further remarks.
    pub notes: Vec<String>,
    /// The queue of events, if it exists.
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

    /// Writes the report for programs.
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

/// Carries out the request in every watched region. Passes each region's report to `tell`, in the order of the regions. Returns
/// the account.
///
/// # Errors
/// [`AwsError`] when AWS does not say whose the credentials are or which regions there are. A failure in a region is in its
/// report.
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
        report
            .notes
            .push("the endpoint cannot test event patterns (TestEventPattern), so they were not tested".to_owned());
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

//! The only connection to AWS: every call leaves through here, in the types of the rest of Muster.
//!
//! [`Aws`] limits the rate of calls ([`limiter`]), follows AWS's time ([`clock`]), classifies failures ([`error`]) and makes the
//! calls of tools ([`actions`]). Every call has its IAM action in [`permissions`]. Which describes a kind makes, and how answers become documents, is defined in [`crate::kinds`].

mod account;
pub mod account_plan;
mod accounts;
pub mod actions;
pub mod batch;
pub mod bus;
mod call;
pub mod canary;
mod client;
pub mod clock;
mod denial;
mod describe;
mod doubt;
pub mod error;
mod event_plan;
mod geography;
mod held_keys;
pub mod identity;
mod key_owner;
pub mod limiter;
mod listing_call;
mod made_snapshots;
mod markup;
mod masked;
mod members;
mod news;
mod options;
mod organization;
mod organization_plan;
pub mod origin;
pub mod own_call;
mod pass_turns;
mod passed;
pub mod peek;
pub mod permissions;
pub mod pinned;
pub mod probe;
pub mod profiles;
pub mod queue;
mod queue_place;
pub mod queues;
mod regions;
mod rescue;
mod sdk;
mod session_name;
mod settings;
pub mod signature;
mod signed_by;
mod silence;
mod split;
pub mod trail;
mod trust;
mod watched_regions;
pub mod web_documents;
mod whole;

pub use account_plan::{AccountPlan, AccountPlans, CredentialPlan, RolePlan};
pub use actions::{CreateSnapshots, CreatedSnapshot, StateChange, StopManner, WriteAnswer, WriteResult};
pub use batch::{DescribeResult, IdBatch};
pub use client::Aws;
pub use clock::AwsClock;
pub use error::{AwsError, AwsErrorKind, Details};
pub use event_plan::{EventPlan, EventWay};
pub use held_keys::HeldKeys;
pub use limiter::{CallCount, CountedCalls, DocumentedRate, Priority, UnansweredCall};
pub use organization::OrganizationListing;
pub use organization_plan::{AccountSources, OrganizationPlan};
pub use origin::Origin;
pub use pass_turns::{PassTurn, PassTurns};
pub use passed::{LONGEST_PASSED, PassFault, PassedAnswer};
pub use pinned::Pinned;
pub use settings::{AwsSettings, Purpose};
pub use watched_regions::Regions;

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;

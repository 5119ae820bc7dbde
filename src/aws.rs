//! The one seam to AWS: everything that leaves for AWS leaves through here, in the words of the rest of Muster.
//!
//! [`Aws`] paces calls ([`limiter`]), tells AWS's time ([`clock`]), classifies failures ([`error`]) and makes the calls of
//! tools ([`actions`]). What a kind's describe asks and how an answer becomes documents belongs to [`crate::kinds`].

mod account;
mod accounts;
pub mod actions;
pub mod batch;
pub mod bus;
mod call;
pub mod canary;
mod client;
pub mod clock;
mod describe;
pub mod error;
pub mod identity;
pub mod limiter;
mod markup;
mod options;
pub mod origin;
pub mod peek;
pub mod pinned;
pub mod probe;
pub mod profiles;
pub mod queue;
pub mod queues;
mod regions;
mod rescue;
mod sdk;
mod settings;
mod silence;
mod split;
pub mod trail;
mod trust;
mod whole;

pub use actions::{ACTIONS, ActionSpec, Answer, CreateSnapshots, CreatedSnapshot, DOCTOR, Done, SETUP, StateChange};
pub use batch::{Batch, Described};
pub use client::Aws;
pub use clock::AwsClock;
pub use describe::PAGE_SIZE;
pub use error::{AwsError, Details, Trouble};
pub use limiter::{CallCount, Priority};
pub use origin::Origin;
pub use pinned::Pinned;
pub use settings::{Regions, Settings};

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;

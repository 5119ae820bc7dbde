//! The vocabulary every other module speaks: identities, documents, observations and events.
//!
//! This module does no I/O and reads no clock: a [`Timestamp`] is always passed in by whoever measured it.

pub mod action;
pub mod action_request;
pub mod attempt;
pub mod difference;
pub mod document;
pub mod effect;
pub mod event;
pub mod evidence;
pub mod failure;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod form;
pub mod glob;
pub mod id;
pub mod keyed_call;
pub mod kind_rules;
pub mod known;
pub mod known_accounts;
pub mod listed_item;
pub mod named;
pub mod notice;
pub mod notification;
pub mod observation;
pub mod packed;
pub mod page;
pub mod parked;
pub mod principal;
pub mod row;
pub mod secret_tags;
pub mod shell_word;
pub mod sweep;
pub mod text;
pub mod time;
pub mod trouble;
pub mod unreadable;
pub mod written;

pub use action::{ActionEnd, ActionId, ActionOutcome};
pub use action_request::ActionRequest;
pub use attempt::{ConfirmationOutcome, ConfirmationWay, Repeats, WriteAttempt};
pub use difference::Difference;
pub use document::{Change, Document, Group, Map, Value};
pub use event::{ApiCall, Cause, Event, Recorded};
pub use evidence::{Evidence, GroupEvidence, Provisional, Tagging};
pub use failure::FailureCode;
pub use form::Form;
pub use id::{AccountId, Kind, LogId, Region, ResourceId, Scope, Seq};
pub use kind_rules::{KindRules, PassingState};
pub use known::Current;
pub use known_accounts::{KnownAccount, KnownAccounts};
pub use listed_item::{ItemHash, ItemMemory, KnownBytes, UnchangedItem};
pub use named::{Chosen, Named};
pub use notice::{Notice, NoticeKind};
pub use notification::{Called, Canary, Notification};
pub use observation::{Observation, Seen, Source, Wanted};
pub use page::{Item, LeftOut, Page};
pub use parked::Parked;
pub use principal::Principal;
pub use row::{Row, RowFields};
pub use secret_tags::SecretTags;
pub use sweep::{SweepMessage, SweepStep};
pub use time::{Clock, SharedClock, Timestamp};
pub use trouble::{ErrorClass, Trouble, TroubleClass};
pub use unreadable::{BadField, UnreadableItem};

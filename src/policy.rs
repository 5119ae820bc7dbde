//! Who may see and change what. Every decision is pure.
//!
//! - [`grant`] is a part of what there is, as the configuration gives it to somebody.
//! - [`grant_book`] holds the grants of a server by their names.
//! - [`visibility`] is what several grants let somebody see.
//! - [`masked_text`] is what they read of texts that name more than that.
//! - [`grantee`] is somebody whom a server knows, with what they may see.
//! - [`confirmation`] says which calls somebody must agree to, and when an agreement counts.
//! - [`write_rule`] is one condition that a change has to meet, as flags write it.
//! - [`write_policy`] holds the rules of a server or of a connection, as they pass between processes.
//! - [`change_request`] is a change that a tool is about to make to one instance.
//! - [`in_force`] puts the policies of a server and a connection together, and judges a change by them.
//! - [`verdict`] is what comes of that: each rule, and why it refuses.
//! - [`widening`] is what one policy lets happen that another one, whose place it takes, did not.

pub mod change_request;
pub mod confirmation;
pub mod grant;
pub mod grant_book;
pub mod grantee;
pub mod in_force;
pub mod masked_text;
pub mod verdict;
pub mod visibility;
pub mod widening;
pub mod write_policy;
pub mod write_rule;

pub use change_request::{ChangeRequest, KnownTags, TouchedInstances};
pub use grant::{Grant, TagValues};
pub use grant_book::GrantBook;
pub use grantee::Grantee;
pub use in_force::PolicyInForce;
pub use verdict::{PolicyVerdict, RuleCheck, RuleOrigin};
pub use visibility::{Visibility, VisiblePart};
pub use widening::PolicyWidening;
pub use write_policy::WritePolicy;
pub use write_rule::{DeniedTarget, WriteCap, WriteRule};

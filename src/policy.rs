//! Who may change what. Every decision is pure.
//!
//! - [`confirmation`] says which calls somebody must agree to, and when an agreement counts.
//! - [`write_policy`] holds the rules of a server and of a connection, and what applies where both have some.

pub mod confirmation;
pub mod write_policy;

pub use write_policy::WritePolicy;

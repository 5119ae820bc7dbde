//! Who may change what. Every decision is pure.
//!
//! - [`write_policy`] holds the rules of a server and of a connection, and what applies where both have some.

pub mod write_policy;

pub use write_policy::WritePolicy;

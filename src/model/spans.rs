//! What spans of traces are known by.

/// The target of every span that a trace is made of. What goes to logs has the targets of modules, so neither gets the other's.
pub const SPANS: &str = "muster::spans";

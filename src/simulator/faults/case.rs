//! A call, as faults see it.

use crate::simulator::request::{Params, Service};

/// The properties of a call that faults depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) service: Service,
    pub(crate) action: &'a str,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    /// The ARN of the caller.
    pub(crate) who: &'a str,
    /// Empty unless it is a Query call.
    pub(crate) params: &'a Params,
}

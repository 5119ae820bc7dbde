//! A call, as faults see it.

use crate::simulator::request::{Params, Service};

/// A call, as far as faults tell calls apart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case<'a> {
    pub(crate) service: Service,
    pub(crate) action: &'a str,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    /// Empty when it is no Query call.
    pub(crate) params: &'a Params,
}

//! How EventBridge's events reach one scope, and whether that is proved.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Canary, Timestamp};

/// What is known of the way events take to one scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EventPath {
    /// When the last canary came through each rule, by slug.
    pub canaries: BTreeMap<&'static str, Timestamp>,
    /// When an event of a call came last: proof that a trail logs.
    pub called: Option<Timestamp>,
}

impl EventPath {
    pub(super) fn canary_seen(&mut self, canary: &Canary, at: Timestamp) {
        self.canaries.insert(canary.rule, at);
    }

    pub(super) fn call_seen(&mut self, at: Timestamp) {
        self.called = Some(at);
    }
}

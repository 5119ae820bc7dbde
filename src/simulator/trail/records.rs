//! The recorded calls.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::simulator::happening::{Happening, What};

/// How many calls are kept.
pub(super) const MAX_RECORDS: usize = 10_000;

/// The records of all accounts, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Trail(pub(super) RwLock<VecDeque<Arc<Happening>>>);

impl Trail {
    /// Records a call; other happenings are ignored.
    pub(crate) fn record(&self, happening: &Happening) {
        if !matches!(happening.what, What::Call { .. }) {
            return;
        }
        let mut records = self.0.write();
        if records.len() >= MAX_RECORDS {
            records.pop_front();
        }
        records.push_back(Arc::new(happening.clone()));
    }
}

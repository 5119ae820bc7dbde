//! The ends of first sweeps that are to be saved.

use crate::model::{Kind, Scope};
use crate::store::Watermark;

/// The ends of first sweeps that are to be saved.
#[derive(Debug, Default)]
pub(super) struct DueMarks {
    /// The ends of runs of watching.
    pub(super) ended: Vec<Watermark>,
    /// What was swept.
    pub(super) swept: Vec<(Scope, Kind)>,
}

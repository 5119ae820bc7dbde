//! The beginning of a record of a first sweep.

use crate::model::Timestamp;

/// What the beginning of a record says that a first sweep made of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BaselineRecord<'b> {
    /// When it was committed.
    pub recorded_at: Timestamp,
    /// The kind, by its CloudFormation type name.
    pub kind: &'b str,
    /// AWS's id of the resource.
    pub id: &'b str,
    /// The observing account.
    pub account: &'b str,
    /// The observing region.
    pub region: &'b str,
}

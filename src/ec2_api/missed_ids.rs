//! Ids that are asked for and that the copy does not have.

use crate::kinds::KindSpec;
use crate::model::Scope;

/// Ids that the copy does not have, for AWS to be asked for.
#[derive(Clone, Debug)]
pub struct MissedIds {
    /// Their kind.
    pub kind: &'static KindSpec,
    /// The scope in which they are asked for.
    pub scope: Box<Scope>,
    /// The ids.
    pub ids: Vec<String>,
}

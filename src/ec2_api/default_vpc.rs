//! Which VPC is the default one of a scope: names of security groups without a VPC are of that one.

use std::ops::ControlFlow;

use crate::kinds::VPC;
use crate::model::{Scope, ScopeFilter, Value};
use crate::query::walk::{WalkQuery, WalkStep};
use crate::query::{Filters, PastError, Point};
use crate::store::Store;

/// The id of the default VPC of a scope as of a point, if it has one.
///
/// # Errors
/// When the log does not reach back to the point any more, or the store cannot be read.
pub(super) fn default_vpc(store: &Store, scope: &Scope, point: Point) -> Result<Option<String>, PastError> {
    let (kind, filter, filters) = (VPC.kind(), ScopeFilter::from(scope), Filters::default());
    let walk = WalkQuery { kind: &kind, scope: &filter, filters: &filters, conditions: &[], limit: None };
    let mut found = None;
    walk.page(store, &WalkStep { point, after: None, is_moved: false }, |_, id, document| {
        if document.get("IsDefault") == Some(&Value::Bool(true)) {
            found = Some(id.id.to_string());
        }
        ControlFlow::Continue(1)
    })?;
    Ok(found)
}

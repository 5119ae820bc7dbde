//! A hint where a question asks for a field that nothing held has: no change of it is then no fact about the account.

use std::collections::BTreeSet;

use crate::kinds::KINDS;
use crate::mcp::error::RequestError;
use crate::model::text::shown;
use crate::model::{Kind, ScopeFilter};
use crate::query::nearness::{NEAR, closest, near};
use crate::store::Snapshot;

/// How many resources of each kind are looked at.
const LOOKED_AT: usize = 50;

/// The longest name that a hint repeats.
const SHOWN: usize = 80;

/// A sentence about `field` where no resource of `kinds` that is looked at has a field of that name; all kinds where none is named.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn hint(snapshot: &Snapshot, kinds: &[Kind], field: &str) -> Result<Option<String>, RequestError> {
    let name = field.split(['.', '[']).next().unwrap_or_default();
    let (mut names, mut count) = (BTreeSet::new(), 0_usize);
    for spec in KINDS {
        let kind = spec.kind();
        if !kinds.is_empty() && !kinds.contains(&kind) {
            continue;
        }
        for row in snapshot.rows(&kind, &ScopeFilter::Everywhere, None, LOOKED_AT)? {
            let Some(current) = snapshot.current(&row.id)? else { continue };
            count += 1;
            names.extend(current.document.fields().iter().map(|(name, _)| name.clone().into_owned()));
        }
    }
    if count == 0 || names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(None);
    }
    let near = near(closest(name, names.iter().map(|name| &**name), NEAR));
    let name = shown(name, SHOWN);
    Ok(Some(format!(
        "None of the {count} resources that were looked at has a field `{name}`{near}: fields are named as in the AWS CLI's JSON, such as State.Name"
    )))
}

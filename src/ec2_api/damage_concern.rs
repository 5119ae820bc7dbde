//! Which damage of the store an answer may lack: not all that was ever found, or one old record of the log would keep every list from
//! being answered.

use crate::model::{Kind, ResourceId, ScopeFilter};
use crate::store::DamagedRecord;

/// Whether an answer about `kind` in `scope` may lack what a damaged record holds. `is_rebuilt` says of a resource whether it has
/// changed since the moment of the answer, so that it is rebuilt from its own records; `goes_on`, that the answer is a page of a
/// moment that was chosen before.
#[must_use]
pub fn may_lack(
    damaged: &DamagedRecord,
    kind: &Kind,
    scope: &ScopeFilter,
    goes_on: bool,
    is_rebuilt: impl Fn(&ResourceId) -> bool,
) -> bool {
    match &damaged.id {
        Some(id) => damaged.concerns(Some(kind), scope) && (damaged.is_of_now() || is_rebuilt(id)),
        // A record of the log that something is rebuilt from is noted with what it is about.
        None => damaged.is_of_now() || (goes_on && !damaged.is_of_log()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{INSTANCE, VOLUME};
    use crate::model::fixtures::{scope, scope_in};

    #[test]
    fn an_answer_may_lack_what_is_there_now_and_what_is_rebuilt_from_damaged_records() {
        let id = ResourceId::new(&scope(), &INSTANCE.kind(), "i-1");
        let damaged = |table: &'static str, id: Option<&ResourceId>| DamagedRecord {
            table,
            key: "1".to_owned(),
            id: id.cloned(),
            why: "made up".to_owned(),
        };
        let here = ScopeFilter::from(&scope());
        let lacks = |table, id, goes_on, is_rebuilt| {
            may_lack(&damaged(table, id), &INSTANCE.kind(), &here, goes_on, |_| is_rebuilt)
        };
        for table in ["rows", "current", "bodies"] {
            assert!(lacks(table, Some(&id), false, false) && lacks(table, None, false, false), "{table}");
        }
        for table in ["events", "by_resource"] {
            assert!(!lacks(table, Some(&id), true, false), "{table}: it is as it was");
            assert!(lacks(table, Some(&id), false, true), "{table}");
            assert!(!lacks(table, None, true, true), "{table}: nothing was rebuilt from it");
        }
        assert!(lacks("tombstones", None, true, false) && !lacks("tombstones", None, false, false));
        let rows = damaged("rows", Some(&id));
        assert!(!may_lack(&rows, &VOLUME.kind(), &here, true, |_| true), "of another kind");
        assert!(!may_lack(&rows, &INSTANCE.kind(), &ScopeFilter::from(&scope_in("eu-west-3")), true, |_| true));
    }
}

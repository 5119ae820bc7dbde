//! Counts changes by what they have in common.

use std::collections::{BTreeSet, HashMap};

use super::change_filter::{CauseKind, meets};
use crate::model::{Event, Kind, Recorded};

/// What changes that are counted together have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeGroup {
    /// The kind of the resource; `None` for what is about no resource, such as the end of a tool's call.
    pub kind: Option<Kind>,
    /// What happened, in the word that answers have for it.
    pub what: &'static str,
    /// The field that changed; `None` for what is no change of a field.
    pub path: Option<String>,
    /// How it was learned of.
    pub cause: CauseKind,
}

/// Changes, counted.
#[derive(Clone, Debug, Default)]
pub struct ChangeTally {
    groups: HashMap<ChangeGroup, u64>,
    records: u64,
}

/// The largest groups, and how much the others hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LargestGroups {
    /// The largest, the largest first.
    pub groups: Vec<(ChangeGroup, u64)>,
    /// How many groups there are besides.
    pub others: u64,
    /// The changes in those.
    pub others_count: u64,
}

impl ChangeTally {
    /// Counts a record: once for each field that changed, of those at or below `field` where one is asked for.
    pub fn add(&mut self, record: &Recorded, field: Option<&str>) {
        self.records += 1;
        let kind = record.event.resource().or_else(|| record.event.targets().first());
        let group = ChangeGroup {
            kind: kind.map(|id| id.kind.clone()),
            what: record.word(),
            path: None,
            cause: CauseKind::of(&record.cause),
        };
        let paths: BTreeSet<&str> = match &record.event {
            Event::Changed { changes, .. } | Event::Remapped { changes, .. } => changes
                .iter()
                .map(|change| &*change.path)
                .filter(|path| field.is_none_or(|field| meets(field.split('[').next().unwrap_or_default(), path)))
                .collect(),
            _ => BTreeSet::new(),
        };
        if paths.is_empty() {
            *self.groups.entry(group).or_default() += 1;
            return;
        }
        for path in paths {
            let group = ChangeGroup { path: Some(path.to_owned()), ..group.clone() };
            *self.groups.entry(group).or_default() += 1;
        }
    }

    /// How many records were counted.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The `limit` largest groups.
    #[must_use]
    pub fn largest(self, limit: usize) -> LargestGroups {
        let mut groups: Vec<(ChangeGroup, u64)> = self.groups.into_iter().collect();
        groups.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let rest = groups.split_off(limit.min(groups.len()));
        LargestGroups { groups, others: rest.len() as u64, others_count: rest.iter().map(|(_, count)| count).sum() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Overlay;
    use crate::model::{Cause, Change, Seq, Timestamp};
    use crate::query::samples::id;

    fn changed(paths: &[&str], cause: Cause) -> Recorded {
        let change = |path: &&str| Change { path: (*path).into(), before: None, after: Some("x".into()) };
        let changes = paths.iter().map(change).collect();
        let event = Event::Changed { id: id(0), changes, evidence: Vec::new(), overlay: Overlay::Keep };
        Recorded { seq: Seq(1), recorded_at: Timestamp::default(), cause, event }
    }

    #[test]
    fn records_are_counted_by_field_and_cause_and_the_smallest_groups_together() {
        let mut tally = ChangeTally::default();
        for _ in 0..3 {
            tally.add(&changed(&["State.Code", "State.Name"], Cause::Sweep), Some("State.Name"));
        }
        tally.add(&changed(&["Tags"], Cause::Refresh), Some("Tags[Name]"));
        tally.add(&changed(&["KeyName"], Cause::Refresh), None);
        assert_eq!(tally.records(), 5);
        let all = tally.clone().largest(10);
        let told = all.groups.iter().map(|(group, count)| (group.path.as_deref().unwrap(), group.cause, *count));
        let expected =
            [("State.Name", CauseKind::Sweep, 3), ("KeyName", CauseKind::Refresh, 1), ("Tags", CauseKind::Refresh, 1)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        let few = tally.largest(1);
        assert_eq!((few.groups.len(), few.others, few.others_count), (1, 2, 2));
    }
}

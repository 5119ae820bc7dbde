//! What the token of a walk carries of its moment, beside the moment itself.

use crate::model::Timestamp;
use crate::query::walk::WalkStep;
use crate::query::{Cursor, SortedAfter};

/// What is known of the moment of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkMark {
    /// How fresh the copy was then: the start of the last complete sweep before.
    pub as_of: Timestamp,
    /// The id after which the moment began, where the walk moved.
    pub begun: Option<String>,
}

impl WalkMark {
    /// That of a page that begins with `step`, which `cursor` led to. `as_of` is how fresh the copy is now.
    #[must_use]
    pub fn of(step: &WalkStep, cursor: Option<&Cursor>, as_of: Timestamp) -> Self {
        let kept = cursor.filter(|_| !step.is_moved).and_then(|cursor| Self::read(cursor.sorted.as_ref()?));
        let begun = step.after.as_ref().filter(|_| step.is_moved).map(|after| after.id.to_string());
        match kept {
            Some(WalkMark { as_of: then, begun }) => WalkMark { as_of: then.min(as_of), begun },
            None => WalkMark { as_of: as_of.min(step.point.at), begun },
        }
    }

    /// Where what follows `cursor` begins as of the same moment, with what is known of that; `None` if the cursor names none.
    #[must_use]
    pub fn going_on(cursor: &Cursor) -> Option<(WalkStep, Self)> {
        Some((WalkStep::going_on(cursor)?, Self::read(cursor.sorted.as_ref()?)?))
    }

    /// That of a token; `None` where it is none.
    #[must_use]
    pub fn read(sorted: &SortedAfter) -> Option<Self> {
        let (as_of, begun) = sorted.value.as_deref()?.split_once(' ')?;
        let as_of = Timestamp::from_millis(as_of.parse().ok()?);
        Some(WalkMark { as_of, begun: (!begun.is_empty()).then(|| begun.to_owned()) })
    }

    /// As a token carries it.
    #[must_use]
    pub fn sorted(&self) -> SortedAfter {
        let begun = self.begun.as_deref().unwrap_or_default();
        SortedAfter { value: Some(format!("{} {begun}", self.as_of.as_millis())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::VOLUME;
    use crate::model::fixtures::{at_millis, scope};
    use crate::model::{LogId, ResourceId, Seq};
    use crate::query::Point;

    #[test]
    fn a_page_is_no_fresher_than_the_copy_was_at_its_moment() {
        let after = ResourceId::new(&scope(), &VOLUME.kind(), "vol-1");
        let point = Point { at: at_millis(50), seq: Seq(1) };
        let step = |after: Option<&ResourceId>, is_moved| WalkStep { point, after: after.cloned(), is_moved };
        let first = WalkMark::of(&step(None, false), None, at_millis(10));
        assert_eq!(first, WalkMark { as_of: at_millis(10), begun: None });
        let mut cursor = Cursor { log: LogId(1), question: 0, point: Some(point), after, sorted: Some(first.sorted()) };
        let of =
            |cursor: &Cursor, is_moved| WalkMark::of(&step(Some(&cursor.after), is_moved), Some(cursor), at_millis(40));
        assert_eq!(of(&cursor, false), first, "seen whole again since then");
        let moved = WalkMark { as_of: at_millis(40), begun: Some("vol-1".to_owned()) };
        assert_eq!(of(&cursor, true), moved);
        cursor.sorted = Some(moved.sorted());
        assert_eq!(of(&cursor, false), moved, "also where the page before moved");
        for none in [None, Some(String::new()), Some("vol-1".to_owned()), Some("x vol-1".to_owned())] {
            assert_eq!(WalkMark::read(&SortedAfter { value: none }), None);
        }
    }
}

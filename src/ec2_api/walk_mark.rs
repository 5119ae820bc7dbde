//! What the token of a walk carries of its moment, beside the moment itself.

use crate::model::{Seq, Timestamp};
use crate::query::walk::WalkStep;
use crate::query::{Cursor, SortedAfter};

/// How many earlier legs a token tells of: the last ones. It has about 40 bytes for each.
pub const MOST_LEGS: usize = if cfg!(test) { 16 } else { 100 };

/// What is known of the moment of a walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WalkMark {
    /// How fresh the copy was then: the start of the last complete sweep before.
    pub as_of: Timestamp,
    /// The id after which the moment began, where the walk moved.
    pub begun: Option<String>,
    /// The parts of the walk that were of earlier moments, in their order, where they are asked for.
    pub legs: Vec<WalkLeg>,
    /// The key of the last tag that was shown of the resource where the page before ended, if it has more of them.
    pub within: Option<String>,
}

/// A part of a walk that was of one moment, which ends where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkLeg {
    /// The id after which it began, unless that was the beginning of the walk.
    pub begun: Option<String>,
    /// The newest record of its moment.
    pub seq: Seq,
}

/// A mark as a token carries it: how fresh, where it began, and the record and beginning of each leg.
type TokenMark = (i64, Option<String>, Vec<(u64, Option<String>)>);

/// The same of a page that ended within the tags of a resource: after which key.
type TornMark = (i64, Option<String>, Vec<(u64, Option<String>)>, String);

impl WalkMark {
    /// That of a page that begins with `step`, which `cursor` led to. `as_of` is how fresh the copy is now.
    #[must_use]
    pub fn of(step: &WalkStep, cursor: Option<&Cursor>, as_of: Timestamp) -> Self {
        let kept = cursor.filter(|_| !step.is_moved).and_then(|cursor| Self::read(cursor.sorted.as_ref()?));
        let begun = step.after.as_ref().filter(|_| step.is_moved).map(|after| after.id.to_string());
        match kept {
            Some(kept) => WalkMark { as_of: kept.as_of.min(as_of), within: None, ..kept },
            None => WalkMark { as_of: as_of.min(step.point.at), begun, ..WalkMark::default() },
        }
    }

    /// The same, which tells of the legs before it, as far as something can be known of them: those since `horizon`, and none before one
    /// that the token does not tell of.
    #[must_use]
    pub fn with_legs(self, step: &WalkStep, cursor: Option<&Cursor>, horizon: Seq) -> Self {
        let Some(cursor) = cursor.filter(|_| step.is_moved) else { return self };
        let before = cursor.sorted.as_ref().and_then(Self::read);
        let (Some(before), Some(point)) = (before, cursor.point) else { return self };
        let ended = WalkLeg { begun: before.begun, seq: point.seq };
        let mut legs: Vec<WalkLeg> = before.legs.into_iter().chain([ended]).collect();
        legs.retain(|leg| leg.seq >= horizon);
        legs.drain(..legs.len().saturating_sub(MOST_LEGS));
        WalkMark { legs, ..self }
    }

    /// Where what follows `cursor` begins as of the same moment, with what is known of that; `None` if the cursor names none.
    #[must_use]
    pub fn going_on(cursor: &Cursor) -> Option<(WalkStep, Self)> {
        Some((WalkStep::going_on(cursor)?, Self::read(cursor.sorted.as_ref()?)?))
    }

    /// That of a token; `None` where it is none.
    #[must_use]
    pub fn read(sorted: &SortedAfter) -> Option<Self> {
        let text = sorted.value.as_deref()?;
        let ((as_of, begun, legs), within) = match serde_json::from_str::<TornMark>(text) {
            Ok((as_of, begun, legs, within)) => ((as_of, begun, legs), Some(within)),
            Err(_) => (serde_json::from_str::<TokenMark>(text).ok()?, None),
        };
        let is_known = legs.len() <= MOST_LEGS && is_one_walk(&legs, begun.as_deref());
        let legs = legs.into_iter().map(|(seq, begun)| WalkLeg { begun, seq: Seq(seq) }).collect();
        is_known.then_some(WalkMark { as_of: Timestamp::from_millis(as_of), begun, legs, within })
    }

    /// As a token carries it.
    #[must_use]
    pub fn sorted(&self) -> SortedAfter {
        let legs = self.legs.iter().map(|leg| (leg.seq.0, leg.begun.clone())).collect();
        let (as_of, begun) = (self.as_of.as_millis(), self.begun.clone());
        let mark = match &self.within {
            Some(within) => serde_json::to_string::<TornMark>(&(as_of, begun, legs, within.clone())),
            None => serde_json::to_string::<TokenMark>(&(as_of, begun, legs)),
        };
        SortedAfter { value: mark.ok() }
    }
}

/// Whether legs are of one walk: each begins after the one before, by place and by record. What others make up could cost much to judge.
fn is_one_walk(legs: &[(u64, Option<String>)], begun: Option<&str>) -> bool {
    let seqs = legs.iter().map(|(seq, _)| seq);
    let places = legs.iter().map(|(_, begun)| begun.as_deref()).chain((!legs.is_empty()).then_some(begun));
    seqs.is_sorted() && places.is_sorted_by(|one, next| one < next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::VOLUME;
    use crate::model::fixtures::{at_millis, scope};
    use crate::model::{LogId, ResourceId};
    use crate::query::Point;

    fn step(after: Option<&ResourceId>, is_moved: bool) -> WalkStep {
        let point = Point { at: at_millis(50), seq: Seq(1) };
        WalkStep { point, after: after.cloned(), is_moved }
    }

    fn cursor(mark: &WalkMark, seq: u64) -> Cursor {
        let after = ResourceId::new(&scope(), &VOLUME.kind(), "vol-1");
        let point = Some(Point { at: at_millis(50), seq: Seq(seq) });
        Cursor { log: LogId(1), question: 0, point, after, sorted: Some(mark.sorted()) }
    }

    #[test]
    fn a_page_is_no_fresher_than_the_copy_was_at_its_moment() {
        let first = WalkMark::of(&step(None, false), None, at_millis(10));
        assert_eq!(first, WalkMark { as_of: at_millis(10), ..WalkMark::default() });
        let of =
            |cursor: &Cursor, is_moved| WalkMark::of(&step(Some(&cursor.after), is_moved), Some(cursor), at_millis(40));
        assert_eq!(of(&cursor(&first, 1), false), first, "seen whole again since then");
        let moved = WalkMark { as_of: at_millis(40), begun: Some("vol-1".to_owned()), ..WalkMark::default() };
        assert_eq!(of(&cursor(&first, 1), true), moved);
        assert_eq!(of(&cursor(&moved, 1), false), moved, "also where the page before moved");
        let torn = WalkMark { within: Some("team \"a\"".to_owned()), ..moved.clone() };
        assert_eq!(WalkMark::read(&torn.sorted()), Some(torn.clone()));
        assert_eq!(of(&cursor(&torn, 1), false), moved, "the next page may end elsewhere");
        for none in ["", "vol-1", "0 vol-1", "[]", "[0,null]", "[0,1,[]]", "[0,null,[[-1,null]]]", "[0,null,[],7]"] {
            assert_eq!(WalkMark::read(&SortedAfter { value: Some(none.to_owned()) }), None, "{none}");
        }
        assert_eq!(WalkMark::read(&SortedAfter { value: None }), None);
    }

    #[test]
    fn a_walk_that_moves_tells_of_its_legs_the_last_ones_only() {
        let first = step(None, false);
        let mut mark = WalkMark::of(&first, None, at_millis(10)).with_legs(&first, None, Seq::ZERO);
        let place = |moves: u64| ResourceId::new(&scope(), &VOLUME.kind(), format!("vol-{moves:03}"));
        for moves in 1..=2 * MOST_LEGS as u64 {
            for is_moved in [false, true] {
                let (before, token) = (mark.legs.clone(), Cursor { after: place(moves), ..cursor(&mark, moves) });
                let step = step(Some(&token.after), is_moved);
                mark = WalkMark::of(&step, Some(&token), at_millis(10)).with_legs(&step, Some(&token), Seq::ZERO);
                assert!(is_moved || mark.legs == before, "a page of the same moment is of the same leg");
                assert_eq!(Cursor::read(&token.encode()), Ok(token));
            }
            let begun = (moves > 1).then(|| place(moves - 1).id.to_string());
            assert_eq!(mark.legs.last(), Some(&WalkLeg { begun, seq: Seq(moves) }));
            assert_eq!(mark.legs.len() as u64, moves.min(MOST_LEGS as u64));
        }
        let mut many = mark.clone();
        many.legs.extend(mark.legs.clone());
        assert_eq!(WalkMark::read(&many.sorted()), None, "more than a token of Muster's has");
        for made_up in [
            "[0,null,[[1,null]]]",
            r#"[0,"vol-2",[[1,null],[2,null]]]"#,
            r#"[0,"vol-2",[[1,null],[2,"vol-3"]]]"#,
            r#"[0,"vol-3",[[2,null],[1,"vol-2"]]]"#,
        ] {
            assert_eq!(WalkMark::read(&SortedAfter { value: Some(made_up.to_owned()) }), None, "{made_up}");
        }
        assert!(
            WalkMark::read(&SortedAfter { value: Some(r#"[0,"vol-3",[[1,null],[2,"vol-2"]]]"#.to_owned()) }).is_some()
        );
    }

    #[test]
    fn a_walk_that_moves_tells_of_no_leg_of_which_nothing_is_known_any_more() {
        let leg = |begun: Option<&str>, seq| WalkLeg { begun: begun.map(str::to_owned), seq: Seq(seq) };
        let legs = vec![leg(None, 1), leg(Some("vol-0"), 5)];
        let before = WalkMark { begun: Some("vol-00".to_owned()), legs, ..WalkMark::default() };
        let token = cursor(&before, 9);
        let told = |token: &Cursor, horizon| {
            let step = step(Some(&token.after), true);
            let mark = WalkMark::of(&step, Some(token), at_millis(10)).with_legs(&step, Some(token), Seq(horizon));
            mark.legs.iter().map(|leg| leg.seq.0).collect::<Vec<_>>()
        };
        for (horizon, seqs) in [(0, vec![1, 5, 9]), (1, vec![1, 5, 9]), (2, vec![5, 9]), (9, vec![9]), (10, vec![])] {
            assert_eq!(told(&token, horizon), seqs, "{horizon}");
        }
        // What tells nothing of its leg may be of a walk that moved.
        assert!(told(&Cursor { sorted: None, ..token.clone() }, 0).is_empty());
        assert!(told(&Cursor { point: None, ..token }, 0).is_empty());
    }
}

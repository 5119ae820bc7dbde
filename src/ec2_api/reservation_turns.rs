//! Where a page of a walk shows the instances of one reservation: all of them together, where it reaches the first of them.
//!
//! A walk that moved does so anew in each leg: it shows the instances that met the question at the moment of the leg and lie after its
//! beginning, also those that lie after its end. A later leg reaches these again, and leaves out what an earlier one has shown.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::reservation_book::ReservationMembers;
use super::walk_mark::WalkMark;
use crate::model::{Document, Seq};
use crate::query::PastError;
use crate::query::document_walk::WalkedDocument;

/// The reservations that a page has come to.
pub struct ReservationTurns<'m> {
    mark: &'m WalkMark,
    /// Of each reservation, by its first instance: those that are still to be shown. They are read once, not for each of them again.
    open: HashMap<Arc<str>, OpenMembers>,
}

/// Those of a reservation that are still to be shown.
#[derive(Clone, Default)]
struct OpenMembers {
    ids: Vec<Arc<str>>,
    /// Whether some of the mark's legs are forgotten: an earlier page of the same leg may have known of them, and so have had others still
    /// to show.
    is_unsure: bool,
}

/// Reads the instances of reservations.
pub trait ReadMember {
    /// An instance that meets the question as of the page.
    ///
    /// # Errors
    /// When the log does not reach back to that any more, or the store cannot be read.
    fn found(&self, id: &str) -> Result<Option<Document>, PastError>;

    /// Whether an instance met the question right after the record `then`; `None` where the log does not reach back to that any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn has_met(&self, id: &str, then: Seq) -> Result<Option<bool>, PastError>;

    /// The last record that is folded away: of what was before it nothing is known any more.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn horizon(&self) -> Result<Seq, PastError>;
}

impl<'m> ReservationTurns<'m> {
    /// Those of a page with this mark, which has shown nothing yet.
    #[must_use]
    pub fn new(mark: &'m WalkMark) -> Self {
        ReservationTurns { mark, open: HashMap::new() }
    }

    /// What the page shows where it reaches the instance `id` of a reservation with these `members`: nothing, unless it is the first of
    /// those that are still to be shown, and then all of these. Where nobody knows whether an earlier page showed them, they are shown.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn shown_at(
        &mut self,
        members: &ReservationMembers,
        id: &str,
        document: WalkedDocument,
        read: &impl ReadMember,
    ) -> Result<Vec<WalkedDocument>, PastError> {
        let Some(first) = members.first() else { return Ok(vec![document]) };
        let open = match self.open.get(first) {
            Some(open) => open.clone(),
            None => self.still_open(members, read)?,
        };
        if !open.ids.iter().any(|other| **other == *id) {
            self.open.insert(Arc::clone(first), open);
            return Ok(Vec::new());
        }
        // This is their turn, or it was at one before.
        self.open.insert(Arc::clone(first), OpenMembers::default());
        let mut together = vec![document];
        for other in open.ids.iter().filter(|other| ***other != *id) {
            let is_before = **other < *id;
            if is_before && open.is_unsure {
                continue;
            }
            match read.found(other)? {
                Some(_) if is_before => return Ok(Vec::new()),
                found => together.extend(found.map(WalkedDocument::from)),
            }
        }
        Ok(together)
    }

    /// Those of a reservation that this leg shows. What is not after its beginning was passed as of another moment, and neither comes
    /// again nor leaves anything out.
    fn still_open(&self, members: &ReservationMembers, read: &impl ReadMember) -> Result<OpenMembers, PastError> {
        // Read after the members, among which is everything that was there since then.
        let horizon = read.horizon()?;
        let (shown, is_sure) = shown_before(members, self.mark, horizon, |id, then| read.has_met(id, then))?;
        let begun = self.mark.begun.as_deref();
        let is_open = |id: &&Arc<str>| begun.is_none_or(|begun| ***id > *begun) && !shown.contains(*id);
        Ok(OpenMembers { ids: members.iter().filter(is_open).map(Arc::clone).collect(), is_unsure: !is_sure })
    }
}

/// Those of `members` that the legs before the moment of `mark` have surely shown, and whether all legs that it tells of are known: those
/// since `horizon`. `has_met` says whether an instance met the question at the moment of a leg, if that is known.
///
/// What met it within a leg was shown by then: by this leg, or by one before. What lies after the leg's end was shown only if the leg took
/// the turn of the reservation, which nobody knows unless everything before the leg is known: else one that seems to have taken it may
/// have been shown before. So where something is not known, an instance may be shown again, and is never left out.
fn shown_before<E>(
    members: &BTreeSet<Arc<str>>,
    mark: &WalkMark,
    horizon: Seq,
    mut has_met: impl FnMut(&str, Seq) -> Result<Option<bool>, E>,
) -> Result<(BTreeSet<Arc<str>>, bool), E> {
    let (mut shown, mut is_sure) = (BTreeSet::new(), true);
    let is_whole = mark.legs.first().is_none_or(|leg| leg.begun.is_none());
    let ends = mark.legs.iter().skip(1).map(|leg| leg.begun.as_deref()).chain([mark.begun.as_deref()]);
    for (leg, end) in mark.legs.iter().zip(ends) {
        if leg.seq < horizon {
            is_sure = false;
            continue;
        }
        let is_open = |id: &&Arc<str>| leg.begun.as_deref().is_none_or(|begun| ***id > *begun) && !shown.contains(*id);
        let open: Vec<&Arc<str>> = members.iter().filter(is_open).collect();
        let reached = open.partition_point(|id| end.is_some_and(|end| ***id <= *end));
        let (mut found, is_known_before) = (Vec::new(), is_whole && is_sure);
        for (n, id) in open.into_iter().enumerate() {
            if n >= reached && (found.is_empty() || !is_known_before) {
                break;
            }
            match has_met(id, leg.seq)? {
                Some(true) => found.push(Arc::clone(id)),
                Some(false) => {}
                None => is_sure = false,
            }
        }
        shown.extend(found);
    }
    Ok((shown, is_sure))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::walk_mark::WalkLeg;
    use crate::model::{Map, Timestamp, Value};

    /// What is known of a walk: where each leg began, in the order of their records, and where the leg of the page did.
    fn mark(legs: &[(Option<&str>, &str)], begun: &str) -> WalkMark {
        let legs = legs.iter().zip(0..).map(|((begun, _), n)| WalkLeg { begun: begun.map(str::to_owned), seq: Seq(n) });
        let as_of = Timestamp::from_millis(0);
        WalkMark { as_of, begun: Some(begun.to_owned()), legs: legs.collect(), within: None }
    }

    fn members(ids: &str) -> BTreeSet<Arc<str>> {
        ids.chars().map(|id| id.to_string().into()).collect()
    }

    /// What was shown of a reservation of `ids`, where each leg began and which met the question at its moment, before the leg that began
    /// after `begun`; where the first `forgotten` legs are too long ago.
    fn shown_since(forgotten: u64, ids: &str, legs: &[(Option<&str>, &str)], begun: &str) -> String {
        let has_met = |id: &str, then: Seq| {
            assert!(then.0 >= forgotten, "{then} is too long ago");
            Ok::<_, ()>(Some(legs[usize::try_from(then.0).unwrap()].1.contains(id)))
        };
        let (shown, is_sure) = shown_before(&members(ids), &mark(legs, begun), Seq(forgotten), has_met).unwrap();
        assert_eq!(is_sure, forgotten == 0);
        shown.iter().map(|id| &**id).collect()
    }

    fn shown(ids: &str, legs: &[(Option<&str>, &str)], begun: &str) -> String {
        shown_since(0, ids, legs, begun)
    }

    #[test]
    fn a_reservation_was_shown_where_its_first_instance_was_reached() {
        assert_eq!(shown("bdf", &[(None, "bdf")], "c"), "bdf");
        assert_eq!(shown("bdf", &[(None, "df")], "c"), "", "the leg ended before it reached one");
        assert_eq!(shown("bdf", &[(None, "bf")], "c"), "bf", "what did not meet the question was not shown");
        assert_eq!(shown("bdf", &[(None, "bdf")], "b"), "bdf", "the last of the leg");
        assert_eq!(shown("bdf", &[], "c"), "", "nothing is known");
    }

    #[test]
    fn a_later_leg_shows_what_none_before_it_has() {
        assert_eq!(shown("bdf", &[(None, "bf"), (Some("c"), "bdf")], "c"), "bf", "the second leg reached none");
        assert_eq!(shown("bdf", &[(None, "bf"), (Some("c"), "bdf")], "e"), "bdf");
        assert_eq!(shown("bdfh", &[(None, "bf"), (Some("c"), "bfh")], "e"), "bf", "d was not there to take h along");
        assert_eq!(shown("bdf", &[(Some("b"), "bdf")], "c"), "", "what lies before a leg's beginning is not of it");
    }

    /// f was left out of the whole walk: it came to meet the question after the first leg had shown d, and the second leg, which reached
    /// only d, was taken for one that had the turn of both because the first was forgotten.
    #[test]
    fn a_leg_before_which_something_is_forgotten_had_no_turn_that_it_may_not_have_had() {
        assert_eq!(shown("bdf", &[(Some("c"), "df")], "e"), "d");
        let legs = [(None, "bd"), (Some("c"), "df")];
        assert_eq!(shown("bdf", &legs, "e"), "bd", "d was shown by the first leg, and took nothing along");
        assert_eq!(shown_since(1, "bdf", &legs, "e"), "d");
        assert_eq!(shown_since(2, "bdf", &legs, "e"), "");
        let later = [(None, "b"), (Some("c"), "bdf"), (Some("e"), "bdfh")];
        assert_eq!(shown("bdfh", &later, "g"), "bdf", "h is not reached");
        assert_eq!(shown_since(1, "bdfh", &later, "g"), "df", "nor does f take it along");
        // One that is forgotten itself may have taken the others along.
        assert_eq!(shown_since(1, "fh", &later, "g"), "f");
        let is_met = |_: &str, then: Seq| Ok::<_, ()>((then > Seq(0)).then_some(true));
        let (shown, is_sure) = shown_before(&members("bdfh"), &mark(&later, "g"), Seq(0), is_met).unwrap();
        assert!(shown == members("df") && !is_sure, "it was forgotten meanwhile: {shown:?}");
    }

    /// A reservation of which the legs before the page met the question as its mark says.
    struct PlainMembers<'t> {
        legs: &'t [(Option<&'t str>, &'t str)],
        now: &'t str,
        horizon: u64,
    }

    impl ReadMember for PlainMembers<'_> {
        fn found(&self, id: &str) -> Result<Option<Document>, PastError> {
            Ok(self.now.contains(id).then(|| document(id)))
        }

        fn has_met(&self, id: &str, then: Seq) -> Result<Option<bool>, PastError> {
            Ok(Some(self.legs[usize::try_from(then.0).unwrap()].1.contains(id)))
        }

        fn horizon(&self) -> Result<Seq, PastError> {
            Ok(Seq(self.horizon))
        }
    }

    fn document(id: &str) -> Document {
        Document::new(Map::from([("InstanceId", Value::Text(id.into()))]))
    }

    /// What each of `ids` shows of a reservation of these `members` on a page that reaches them.
    fn page(ids: &str, of: &str, read: &PlainMembers<'_>, mark: &WalkMark) -> Vec<String> {
        let (mut turns, members) = (ReservationTurns::new(mark), Arc::new(members(of)));
        let reached = ids.chars().map(|id| {
            let id = id.to_string();
            let shown = turns.shown_at(&members, &id, document(&id).into(), read).unwrap();
            shown.iter().map(|shown| shown.parts.text("InstanceId").unwrap()).collect::<String>()
        });
        reached.collect()
    }

    #[test]
    fn a_page_shows_what_pages_before_it_took_for_shown_by_a_leg_that_is_forgotten_since() {
        let legs = [(None, "bd")];
        let mark = mark(&legs, "c");
        let read = |horizon| PlainMembers { legs: &legs, now: "bdfh", horizon };
        assert_eq!(page("dfh", "bdfh", &read(0), &mark), ["", "fh", ""]);
        // The page before ended with d, which the first leg had shown.
        assert_eq!(page("fh", "bdfh", &read(1), &mark), ["fh", ""]);
        assert_eq!(page("dfh", "bdfh", &read(1), &mark), ["dfh", "", ""]);
        let begun_anew = WalkMark { legs: Vec::new(), ..mark };
        assert_eq!(page("fh", "bdfh", &read(1), &begun_anew), ["", ""], "the page before has shown them");
    }
}

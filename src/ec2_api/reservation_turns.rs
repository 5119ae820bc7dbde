//! Where a page of a walk shows the instances of one reservation: all of them together, where it reaches the first of them.
//!
//! A walk that moved does so anew in each leg: it shows the instances that met the question at the moment of the leg and lie after its
//! beginning, also those that lie after its end. A later leg reaches these again, and leaves out what an earlier one has shown.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::reservation_book::ReservationMembers;
use super::walk_mark::{WalkLeg, WalkMark};
use crate::model::{Document, Seq};
use crate::query::document_walk::WalkedDocument;

/// The reservations that a page has come to.
pub struct ReservationTurns<'m> {
    mark: &'m WalkMark,
    /// Of each reservation, by its first instance: those that are still to be shown. They are read once, not for each of them again.
    open: HashMap<Arc<str>, Vec<Arc<str>>>,
}

/// Reads an instance that meets the question: as of the page, or as of a record, where it is not an error that the log does not reach
/// back to that any more.
pub trait ReadMember<E>: FnMut(&str, Option<Seq>) -> Result<Option<Document>, E> {}

impl<E, F: FnMut(&str, Option<Seq>) -> Result<Option<Document>, E>> ReadMember<E> for F {}

impl<'m> ReservationTurns<'m> {
    /// Those of a page with this mark, which has shown nothing yet.
    #[must_use]
    pub fn new(mark: &'m WalkMark) -> Self {
        ReservationTurns { mark, open: HashMap::new() }
    }

    /// What the page shows where it reaches the instance `id` of a reservation with these `members`: nothing, unless it is the first of
    /// those that are still to be shown, and then all of these.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn shown_at<E>(
        &mut self,
        members: &ReservationMembers,
        id: &str,
        document: WalkedDocument,
        mut read: impl ReadMember<E>,
    ) -> Result<Vec<WalkedDocument>, E> {
        let Some(first) = members.first() else { return Ok(vec![document]) };
        let open = match self.open.get(first) {
            Some(open) => open.clone(),
            None => self.still_open(members, &mut read)?,
        };
        if !open.iter().any(|other| **other == *id) {
            self.open.insert(Arc::clone(first), open);
            return Ok(Vec::new());
        }
        // This is their turn, or it was at one before.
        self.open.insert(Arc::clone(first), Vec::new());
        let mut together = vec![document];
        for other in open.iter().filter(|other| ***other != *id) {
            match read(other, None)? {
                Some(_) if **other < *id => return Ok(Vec::new()),
                found => together.extend(found.map(WalkedDocument::from)),
            }
        }
        Ok(together)
    }

    /// Those of a reservation that this leg shows. What is not after its beginning was passed as of another moment, and neither comes
    /// again nor leaves anything out.
    fn still_open<E>(&self, members: &ReservationMembers, read: &mut impl ReadMember<E>) -> Result<Vec<Arc<str>>, E> {
        let shown = shown_before(members, self.mark, |id, leg| Ok(read(id, Some(leg.seq))?.is_some()))?;
        let begun = self.mark.begun.as_deref();
        let is_open = |id: &&Arc<str>| begun.is_none_or(|begun| ***id > *begun) && !shown.contains(*id);
        Ok(members.iter().filter(is_open).map(Arc::clone).collect())
    }
}

/// Those of `members` that the legs before the moment of `mark` have shown. `is_met` says whether an instance met the question at the
/// moment of a leg; where that is not known any more, it did not, so that it is shown again rather than left out.
fn shown_before<E>(
    members: &BTreeSet<Arc<str>>,
    mark: &WalkMark,
    mut is_met: impl FnMut(&str, &WalkLeg) -> Result<bool, E>,
) -> Result<BTreeSet<Arc<str>>, E> {
    let mut shown = BTreeSet::new();
    let ends = mark.legs.iter().skip(1).map(|leg| leg.begun.as_deref()).chain([mark.begun.as_deref()]);
    for (leg, end) in mark.legs.iter().zip(ends) {
        let is_open = |id: &&Arc<str>| leg.begun.as_deref().is_none_or(|begun| ***id > *begun) && !shown.contains(*id);
        let open: Vec<&Arc<str>> = members.iter().filter(is_open).collect();
        let reached = open.partition_point(|id| end.is_some_and(|end| ***id <= *end));
        let mut found = Vec::new();
        for (n, id) in open.into_iter().enumerate() {
            if n >= reached && found.is_empty() {
                break;
            }
            if is_met(id, leg)? {
                found.push(Arc::clone(id));
            }
        }
        shown.extend(found);
    }
    Ok(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    /// What was shown of a reservation of `members`, where each leg began and which met the question at its moment, before the leg
    /// that began after `begun`.
    fn shown(members: &str, legs: &[(Option<&str>, &str)], begun: &str) -> String {
        let members = members.chars().map(|id| id.to_string().into()).collect();
        let told = legs.iter().zip(0..).map(|((begun, _), n)| WalkLeg { begun: begun.map(str::to_owned), seq: Seq(n) });
        let mark = WalkMark {
            as_of: Timestamp::from_millis(0),
            begun: Some(begun.to_owned()),
            legs: told.collect(),
            within: None,
        };
        let met: Vec<&str> = legs.iter().map(|(_, met)| *met).collect();
        let is_met = |id: &str, leg: &WalkLeg| Ok::<_, ()>(met[usize::try_from(leg.seq.0).unwrap()].contains(id));
        shown_before(&members, &mark, is_met).unwrap().iter().map(|id| &**id).collect()
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
}

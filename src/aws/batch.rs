//! One question for several ids, of which AWS may not know some (rule 4).
//!
//! AWS answers nothing at all when a single id of a call does not exist. It usually names the ids: those are taken out, and the
//! rest is asked for again. When it names none of them, the question is halved until it fits.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The ids still to ask for, and those that AWS does not know.
#[derive(Debug)]
pub struct Batch {
    open: Vec<Vec<Arc<str>>>,
    unknown: Vec<Arc<str>>,
}

impl Batch {
    /// A question for `ids`.
    #[must_use]
    pub fn new(ids: Vec<Arc<str>>) -> Self {
        Batch { open: Vec::from_iter(Some(ids).filter(|ids| !ids.is_empty())), unknown: Vec::new() }
    }

    /// The ids to ask for next, together; `None` when all are answered.
    pub fn ask(&mut self) -> Option<Vec<Arc<str>>> {
        self.open.pop()
    }

    /// Takes in that a call for `asked` answered NotFound, naming `named`.
    pub fn not_found(&mut self, asked: Vec<Arc<str>>, named: &[String]) {
        let named: BTreeSet<&str> = named.iter().map(String::as_str).collect();
        let (gone, mut rest): (Vec<_>, Vec<_>) = asked.into_iter().partition(|id| named.contains(id.as_ref()));
        if !gone.is_empty() {
            self.unknown.extend(gone);
            self.open.extend(Some(rest).filter(|rest| !rest.is_empty()));
        } else if rest.len() > 1 {
            let other = rest.split_off(rest.len() / 2);
            self.open.extend([other, rest]);
        } else {
            self.unknown.extend(rest);
        }
    }

    /// The ids that AWS does not know, so far.
    #[must_use]
    pub fn unknown(&self) -> &[Arc<str>] {
        &self.unknown
    }

    /// Ends the questions after the call for `asked` failed; the ids that are not answered, `asked` included.
    pub fn left_with(&mut self, asked: Vec<Arc<str>>) -> Vec<Arc<str>> {
        std::mem::take(&mut self.open).into_iter().flatten().chain(asked).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Asks as AWS answers; returns what was found, what was not, and how many calls it took.
    fn ask(ids: usize, missing: &BTreeSet<usize>, names: bool) -> (BTreeSet<usize>, BTreeSet<usize>, usize) {
        let number = |id: &Arc<str>| id.parse::<usize>().unwrap();
        let mut batch = Batch::new((0..ids).map(|n| n.to_string().into()).collect());
        let (mut found, mut calls) = (BTreeSet::new(), 0);
        while let Some(asked) = batch.ask() {
            calls += 1;
            let lacking: Vec<String> =
                asked.iter().filter(|id| missing.contains(&number(id))).map(ToString::to_string).collect();
            if lacking.is_empty() {
                found.extend(asked.iter().map(number));
            } else {
                batch.not_found(asked, if names { &lacking } else { &[] });
            }
        }
        (found, batch.unknown().iter().map(number).collect(), calls)
    }

    proptest! {
        #[test]
        fn every_id_is_found_or_not_exactly_as_aws_knows_it(
            ids in 0_usize..60,
            missing in proptest::collection::btree_set(0_usize..60, 0..20),
            names: bool,
        ) {
            let (found, unknown, _) = ask(ids, &missing, names);
            let all: BTreeSet<usize> = (0..ids).collect();
            prop_assert_eq!(unknown, all.intersection(&missing).copied().collect::<BTreeSet<_>>());
            prop_assert_eq!(found, all.difference(&missing).copied().collect::<BTreeSet<_>>());
        }
    }

    #[test]
    fn named_ids_cost_one_more_call_and_unnamed_ones_a_search() {
        let missing = BTreeSet::from([7, 80]);
        assert_eq!(ask(100, &missing, true).2, 2);
        assert!(ask(100, &BTreeSet::from([7]), false).2 <= 15);
    }
}

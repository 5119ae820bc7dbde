//! One question for several ids, of which AWS may not know some (rule 4).
//!
//! AWS answers nothing at all when a single id of a call does not exist. It usually names the ids: those are taken out, and the
//! rest is asked for again. When it names none of them, the question is halved until it fits. An answer that names other ids
//! than those asked for proves nothing about any of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::AwsError;
use crate::model::{ErrorClass, Page};

/// The most ids that one describe names: the limit of `DescribeInstanceStatus`, and few enough to bisect.
const IDS_PER_CALL: usize = 100;

/// The ids that are still to be asked for, and what the answers so far showed.
///
/// ```text
/// while let Some(ids) = batch.ask() { batch.answered(ids, describe(&ids).await) }
/// ```
#[derive(Debug, Default)]
pub struct Batch {
    open: Vec<Vec<Arc<str>>>,
    described: Described,
}

/// What AWS says about ids that it was asked for. Each of the ids is in one of the fields.
#[derive(Debug, Default)]
pub struct Described {
    /// The answers that show resources, in the order in which they came.
    pub answers: Vec<Page>,
    /// The ids that do not exist, as AWS says.
    pub not_found: Vec<Arc<str>>,
    /// The ids that an answer left out without a word: whether they exist is not known.
    pub silent: Vec<Arc<str>>,
    /// The ids that an answer shows in a form that cannot be read, and what of it cannot be read.
    pub unreadable: Vec<(Arc<str>, String)>,
    /// The ids that no answer came for, and why.
    pub failed: Option<(Vec<Arc<str>>, AwsError)>,
}

impl Batch {
    /// A question for `ids`, at most [`IDS_PER_CALL`] of them in a call.
    #[must_use]
    pub fn new(ids: &[Arc<str>]) -> Self {
        let open = ids.chunks(IDS_PER_CALL).rev().map(<[Arc<str>]>::to_vec).collect();
        Batch { open, described: Described::default() }
    }

    /// The ids to ask for next, together; `None` when all are answered, or a call has failed.
    pub fn ask(&mut self) -> Option<Vec<Arc<str>>> {
        self.open.pop()
    }

    /// Takes in what AWS answered to a call for `asked`. A failure ends the question.
    pub fn answered(&mut self, asked: Vec<Arc<str>>, answer: Result<Page, AwsError>) {
        match answer {
            Ok(listed) => {
                let shown: BTreeSet<&str> = listed.items.iter().map(|item| &*item.id).collect();
                for id in asked {
                    match listed.unreadable.iter().find(|item| item.id.as_ref() == Some(&id)) {
                        Some(item) => self.described.unreadable.push((id, item.why())),
                        None if shown.contains(&*id) => {}
                        None => self.described.silent.push(id),
                    }
                }
                self.described.answers.push(listed);
            }
            Err(error) if error.class == ErrorClass::NotFound => self.not_found(asked, &error.ids),
            Err(error) => {
                let left = std::mem::take(&mut self.open).into_iter().flatten().chain(asked).collect();
                self.described.failed = Some((left, error));
            }
        }
    }

    /// What AWS said, once there is nothing left to ask.
    #[must_use]
    pub fn described(self) -> Described {
        self.described
    }

    /// Takes in that a call for `asked` answered NotFound, naming `named`.
    fn not_found(&mut self, asked: Vec<Arc<str>>, named: &[String]) {
        let lacking: BTreeSet<&str> = named.iter().map(String::as_str).collect();
        let (gone, mut rest): (Vec<_>, Vec<_>) = asked.into_iter().partition(|id| lacking.contains(id.as_ref()));
        if !gone.is_empty() {
            self.described.not_found.extend(gone);
            self.open.extend(Some(rest).filter(|rest| !rest.is_empty()));
        } else if rest.iter().any(|id| named.iter().any(|name| is_same_kind(id, name))) {
            // It is about resources that nobody asked for: asking again for fewer of ours would not make it about them.
            self.described.silent.extend(rest);
        } else if rest.len() > 1 {
            let other = rest.split_off(rest.len() / 2);
            self.open.extend([other, rest]);
        } else {
            self.described.not_found.extend(rest);
        }
    }
}

/// Whether two ids begin alike, as `i-1` and `i-2` do. A message may name what a resource lies in beside the resource.
fn is_same_kind(one: &str, other: &str) -> bool {
    let prefix = |id: &str| id.rsplit_once('-').map(|(prefix, _)| prefix.to_owned());
    prefix(one).is_some_and(|prefix_of_one| Some(prefix_of_one) == prefix(other))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::aws::scripted::{failure, not_found};
    use crate::model::{BadField, Document, Item, Map, Timestamp, UnreadableItem};

    fn listed(ids: &[Arc<str>]) -> Page {
        let items = ids.iter().map(|id| Item::new(Arc::clone(id), Document::new(Map::new()))).collect();
        Page { items, sent_at: Timestamp::EPOCH, ..Page::default() }
    }

    fn ids(ids: &[&str]) -> Vec<Arc<str>> {
        ids.iter().map(|id| (*id).into()).collect()
    }

    /// Asks as AWS answers; returns what was found, what was not, and how many calls it took.
    fn ask(ids: usize, missing: &BTreeSet<usize>, names: bool) -> (BTreeSet<usize>, BTreeSet<usize>, usize) {
        let number = |id: &Arc<str>| id.parse::<usize>().unwrap();
        let all: Vec<Arc<str>> = (0..ids).map(|n| n.to_string().into()).collect();
        let mut batch = Batch::new(&all);
        let mut calls = 0;
        while let Some(asked) = batch.ask() {
            calls += 1;
            let lacking: Vec<String> =
                asked.iter().filter(|id| missing.contains(&number(id))).map(ToString::to_string).collect();
            let answer = if lacking.is_empty() {
                Ok(listed(&asked))
            } else {
                Err(not_found(if names { &lacking } else { &[] }))
            };
            batch.answered(asked, answer);
        }
        let Described { answers, not_found, silent, unreadable, failed } = batch.described();
        assert!(silent.is_empty() && unreadable.is_empty() && failed.is_none());
        let found = answers.iter().flat_map(|listed| &listed.items).map(|item| item.id.parse().unwrap()).collect();
        (found, not_found.iter().map(number).collect(), calls)
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

    #[test]
    fn a_not_found_that_names_only_ids_nobody_asked_for_proves_none_of_them_gone() {
        for asked in [ids(&["i-1"]), ids(&["i-1", "i-2", "i-3"])] {
            let mut batch = Batch::new(&asked);
            let first = batch.ask().unwrap();
            batch.answered(first, Err(not_found(&["i-9".to_owned()])));
            assert_eq!(batch.ask(), None, "asking again would not make it about them");
            let described = batch.described();
            assert_eq!((described.not_found, described.silent), (Vec::new(), asked));
        }
    }

    #[test]
    fn what_a_message_names_beside_the_resource_is_not_taken_for_it() {
        let mut batch = Batch::new(&ids(&["i-1"]));
        let asked = batch.ask().unwrap();
        batch.answered(asked, Err(not_found(&["us-east-1".to_owned(), "vpc-12345678".to_owned()])));
        assert_eq!(batch.described().not_found, ids(&["i-1"]));
    }

    #[test]
    fn an_id_that_an_answer_leaves_out_is_neither_there_nor_gone() {
        let mut batch = Batch::new(&ids(&["i-1", "i-2"]));
        let asked = batch.ask().unwrap();
        batch.answered(asked, Ok(listed(&ids(&["i-2", "i-7"]))));
        let described = batch.described();
        assert_eq!((described.not_found, described.silent), (Vec::new(), ids(&["i-1"])));
    }

    #[test]
    fn an_id_that_is_shown_in_a_form_that_cannot_be_read_is_not_taken_for_silence() {
        let mut batch = Batch::new(&ids(&["i-1", "i-2", "i-3"]));
        let asked = batch.ask().unwrap();
        let bad = UnreadableItem { id: Some("i-1".into()), fields: vec![BadField::missing("launchTime")] };
        batch.answered(asked, Ok(Page { unreadable: vec![bad], ..listed(&ids(&["i-2"])) }));
        let Described { silent, unreadable, .. } = batch.described();
        assert_eq!(unreadable, [("i-1".into(), "launchTime is missing".to_owned())]);
        assert_eq!(silent, ids(&["i-3"]));
    }

    #[test]
    fn a_failure_keeps_what_was_answered_before_it_and_names_all_that_was_not() {
        let all: Vec<Arc<str>> = (0..250).map(|n| n.to_string().into()).collect();
        let mut batch = Batch::new(&all);
        let first = batch.ask().unwrap();
        assert_eq!(first, all[..100], "in order, a hundred at a time");
        batch.answered(first.clone(), Ok(listed(&first)));
        let second = batch.ask().unwrap();
        batch.answered(second, Err(failure(ErrorClass::Throttled, "RequestLimitExceeded")));
        assert_eq!(batch.ask(), None);
        let described = batch.described();
        let (left, _) = described.failed.unwrap();
        assert_eq!(left.into_iter().collect::<BTreeSet<_>>(), all[100..].iter().cloned().collect());
        assert_eq!(described.answers[0].items.len(), 100);
    }
}

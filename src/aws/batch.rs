//! A describe of several ids, some of which AWS may not know (rule 4).
//!
//! AWS answers nothing at all if one id of a call does not exist. If its error names the missing ids, they are taken out and the
//! rest is described again; if it names none of them, the batch is halved until the describes succeed. An error that names only
//! other ids proves nothing about any of these.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::error::AwsError;
use crate::model::{ErrorClass, Page};

/// How many ids one describe names at most: the limit of `DescribeInstanceStatus`, and few enough to bisect.
const IDS_PER_CALL: usize = 100;

/// The ids still to be described, and the answers so far.
///
/// ```text
/// while let Some(ids) = batch.ask() { batch.answered(ids, describe(&ids).await) }
/// ```
#[derive(Debug, Default)]
pub struct IdBatch {
    open: Vec<Vec<Arc<str>>>,
    described: DescribeResult,
}

/// What AWS said about the ids. Each id is in one of the other fields.
#[derive(Debug, Default)]
pub struct DescribeResult {
    /// The answers with resources, in order of arrival.
    pub answers: Vec<Page>,
    /// The ids that do not exist, according to AWS.
    pub not_found: Vec<Arc<str>>,
    /// Those of them that AWS does not take for ids.
    pub malformed: BTreeSet<Arc<str>>,
    /// The ids that an answer omitted without an error: it is unknown whether they exist.
    pub silent: Vec<Arc<str>>,
    /// The ids whose description cannot be read, and the fields that cannot be read.
    pub unreadable: Vec<(Arc<str>, String)>,
    /// The ids without an answer, and the reason.
    pub failed: Option<(Vec<Arc<str>>, AwsError)>,
}

impl IdBatch {
    /// A describe of `ids`, at most [`IDS_PER_CALL`] per call.
    #[must_use]
    pub fn new(ids: &[Arc<str>]) -> Self {
        let open = ids.chunks(IDS_PER_CALL).rev().map(<[Arc<str>]>::to_vec).collect();
        IdBatch { open, described: DescribeResult::default() }
    }

    /// The ids of the next call; `None` once all are answered or a call has failed.
    pub fn ask(&mut self) -> Option<Vec<Arc<str>>> {
        self.open.pop()
    }

    /// Records AWS's answer to a call for `asked`. A failure ends the batch.
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
            Err(error) if error.class == ErrorClass::NotFound => {
                let known = self.described.not_found.len();
                self.not_found(asked, &error.ids);
                if error.is_malformed() {
                    self.described.malformed.extend(self.described.not_found.iter().skip(known).cloned());
                }
            }
            Err(error) => {
                let left = std::mem::take(&mut self.open).into_iter().flatten().chain(asked).collect();
                self.described.failed = Some((left, error));
            }
        }
    }

    /// Returns what AWS said, once no call is left.
    #[must_use]
    pub fn described(self) -> DescribeResult {
        self.described
    }

    /// Records that a call for `asked` answered NotFound and named `named`.
    fn not_found(&mut self, asked: Vec<Arc<str>>, named: &[String]) {
        let lacking: BTreeSet<&str> = named.iter().map(String::as_str).collect();
        let (gone, mut rest): (Vec<_>, Vec<_>) = asked.into_iter().partition(|id| lacking.contains(id.as_ref()));
        if !gone.is_empty() {
            self.described.not_found.extend(gone);
            self.open.extend(Some(rest).filter(|rest| !rest.is_empty()));
        } else if rest.iter().any(|id| named.iter().any(|name| is_same_kind(id, name))) {
            // It names only resources that nobody asked for: asking for fewer ids would not change that.
            self.described.silent.extend(rest);
        } else if rest.len() > 1 {
            let other = rest.split_off(rest.len() / 2);
            self.open.extend([other, rest]);
        } else {
            self.described.not_found.extend(rest);
        }
    }
}

/// Whether two ids have the same prefix, like `i-1` and `i-2`. A message may also name what contains the resource.
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

    /// Asks as AWS answers; returns the found ids, the missing ids, and the number of calls.
    fn ask(ids: usize, missing: &BTreeSet<usize>, names: bool) -> (BTreeSet<usize>, BTreeSet<usize>, usize) {
        let number = |id: &Arc<str>| id.parse::<usize>().unwrap();
        let all: Vec<Arc<str>> = (0..ids).map(|n| n.to_string().into()).collect();
        let mut batch = IdBatch::new(&all);
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
        let DescribeResult { answers, not_found, silent, unreadable, failed, malformed } = batch.described();
        assert!(malformed.is_empty() && silent.is_empty() && unreadable.is_empty() && failed.is_none());
        let found = answers.iter().flat_map(|listed| &listed.items).map(|item| item.id.parse().unwrap()).collect();
        (found, not_found.iter().map(number).collect(), calls)
    }

    proptest! {
        #[test]
        fn every_id_is_found_exactly_if_aws_knows_it(
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
    fn missing_ids_cost_one_more_call_if_named_and_a_search_if_not() {
        let missing = BTreeSet::from([7, 80]);
        assert_eq!(ask(100, &missing, true).2, 2);
        assert!(ask(100, &BTreeSet::from([7]), false).2 <= 15);
    }

    #[test]
    fn a_not_found_that_names_only_ids_nobody_asked_for_proves_none_of_them_gone() {
        for asked in [ids(&["i-1"]), ids(&["i-1", "i-2", "i-3"])] {
            let mut batch = IdBatch::new(&asked);
            let first = batch.ask().unwrap();
            batch.answered(first, Err(not_found(&["i-9".to_owned()])));
            assert_eq!(batch.ask(), None, "asking again would not make it about them");
            let described = batch.described();
            assert_eq!((described.not_found, described.silent), (Vec::new(), asked));
        }
    }

    #[test]
    fn other_ids_in_a_message_are_not_taken_for_the_resource() {
        let mut batch = IdBatch::new(&ids(&["i-1"]));
        let asked = batch.ask().unwrap();
        batch.answered(asked, Err(not_found(&["us-east-1".to_owned(), "vpc-12345678".to_owned()])));
        assert_eq!(batch.described().not_found, ids(&["i-1"]));
    }

    #[test]
    fn an_id_that_aws_does_not_take_for_one_is_known_to_be_none() {
        let mut batch = IdBatch::new(&ids(&["sg-0123456789abcdef0", "sg-1", "sg-2"]));
        let asked = batch.ask().unwrap();
        let said = "Invalid id: \"sg-0123456789abcdef0\"";
        batch.answered(asked, Err(AwsError::made_up("InvalidGroupId.Malformed", said)));
        let asked = batch.ask().unwrap();
        assert_eq!(asked, ids(&["sg-1", "sg-2"]), "AWS names the first such id only");
        batch.answered(asked, Err(not_found(&["sg-1".to_owned(), "sg-2".to_owned()])));
        let described = batch.described();
        assert_eq!(described.not_found, ids(&["sg-0123456789abcdef0", "sg-1", "sg-2"]));
        assert_eq!(described.malformed.into_iter().collect::<Vec<_>>(), ids(&["sg-0123456789abcdef0"]));
    }

    #[test]
    fn an_id_that_an_answer_omits_is_neither_present_nor_gone() {
        let mut batch = IdBatch::new(&ids(&["i-1", "i-2"]));
        let asked = batch.ask().unwrap();
        batch.answered(asked, Ok(listed(&ids(&["i-2", "i-7"]))));
        let described = batch.described();
        assert_eq!((described.not_found, described.silent), (Vec::new(), ids(&["i-1"])));
    }

    #[test]
    fn an_id_with_an_unreadable_description_does_not_count_as_omitted() {
        let mut batch = IdBatch::new(&ids(&["i-1", "i-2", "i-3"]));
        let asked = batch.ask().unwrap();
        let bad = UnreadableItem { id: Some("i-1".into()), fields: vec![BadField::missing("launchTime")] };
        batch.answered(asked, Ok(Page { unreadable: vec![bad], ..listed(&ids(&["i-2"])) }));
        let DescribeResult { silent, unreadable, .. } = batch.described();
        assert_eq!(unreadable, [("i-1".into(), "launchTime is missing".to_owned())]);
        assert_eq!(silent, ids(&["i-3"]));
    }

    #[test]
    fn a_failure_keeps_earlier_answers_and_names_all_unanswered_ids() {
        let all: Vec<Arc<str>> = (0..250).map(|n| n.to_string().into()).collect();
        let mut batch = IdBatch::new(&all);
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

//! A cache of answers that are requested again and again while nothing changes.
//!
//! An answer depends on the store, on freshness and, where it may turn stale, on time. It is kept with the revision of store and
//! freshness that it was made from, and used only while that revision is current and the answer is not stale. So a kept answer
//! never differs from a new one. An answer that was requested only once is not kept, so a client that reads everything does not
//! fill the cache.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::{LogId, Seq, Timestamp};

/// How many questions are remembered, to recognise a repeated one. A question displaces another with the same hash slot, so a
/// thousand frequent ones need many more slots.
const REMEMBERED: usize = 1 << 16;

/// The state of everything that answers are made from, except time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revision {
    log: LogId,
    seq: Seq,
    freshness: u64,
    /// What whoever is answered may see: an answer for one is none for others.
    visibility: u128,
}

/// Kept answers by question, in two generations. When the young one is full, the old one is dropped and the young one takes its
/// place. A used answer moves to the young one, so frequent answers stay.
pub struct AnswerCache<T> {
    most: usize,
    inner: Mutex<Generations<T>>,
}

struct Generations<T> {
    young: HashMap<String, Kept<T>>,
    old: HashMap<String, Kept<T>>,
    /// The bytes of the young generation.
    weight: usize,
    asked: Vec<LastAsked>,
    /// How many questions were asked.
    count: u32,
    /// Whether a generation was ever dropped.
    full: bool,
}

/// A question's hash, 0 for none, and how many were asked when it was last asked. An array of numbers, so that a table of them is zeroed
/// memory that takes no place until it is used.
type LastAsked = [u32; 2];

struct Kept<T> {
    revision: Revision,
    until: Timestamp,
    weight: usize,
    answer: Arc<T>,
}

/// What the cache knows about a question.
#[derive(Debug)]
pub enum CacheLookup<T> {
    /// Its answer.
    Answer(Arc<T>),
    /// It was asked before, so its answer is worth keeping.
    Again,
    /// Nothing.
    New,
}

impl Revision {
    /// The current revision. Read it before making an answer, so that a change meanwhile makes the answer outdated.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn now(core: &Core) -> Result<Self, RequestError> {
        let freshness = *core.ingest.freshness().changes().borrow();
        let visibility = core.store.visibility().digest();
        Ok(Revision { log: core.log(), seq: core.snapshot()?.seq(), freshness, visibility })
    }

    /// A question as it is kept: whoever sees something else asks something else, so that nobody's answer displaces another's.
    fn keyed(self, question: &str) -> Cow<'_, str> {
        match self.visibility {
            0 => Cow::Borrowed(question),
            digest => Cow::Owned(format!("{digest:032x} {question}")),
        }
    }
}

impl<T> AnswerCache<T> {
    /// Makes a cache of at most `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let (young, old) = (HashMap::new(), HashMap::new());
        let asked = vec![[0_u32; 2]; REMEMBERED];
        AnswerCache { most, inner: Mutex::new(Generations { young, old, weight: 0, asked, count: 0, full: false }) }
    }

    /// Looks up the answer to `question`. Without a valid one, it returns whether the question is asked so often that its answer
    /// is worth keeping.
    pub fn ask(&self, question: &str, revision: Revision, now: Timestamp) -> CacheLookup<T> {
        let keyed = revision.keyed(question);
        let question = &*keyed;
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.count = inner.count.wrapping_add(1);
        let valid = |kept: &&Kept<T>| kept.revision == revision && now < kept.until;
        if let Some(kept) = inner.young.get(question).filter(valid) {
            return CacheLookup::Answer(Arc::clone(&kept.answer));
        }
        if inner.old.get(question).as_ref().is_some_and(valid)
            && let Some((question, kept)) = inner.old.remove_entry(question)
        {
            let answer = Arc::clone(&kept.answer);
            inner.weight += kept.weight;
            inner.young.insert(question, kept);
            return CacheLookup::Answer(answer);
        }
        let hash = xxh3_64(question.as_bytes());
        let place = usize::try_from(hash % REMEMBERED as u64).unwrap_or(0);
        let Some(asked) = inner.asked.get_mut(place) else { return CacheLookup::New };
        // 0 marks an empty slot.
        let hash = u32::try_from(hash >> 32).unwrap_or(0) | 1;
        let [before, asked_at] = std::mem::replace(asked, [hash, inner.count]);
        let held = u32::try_from(inner.young.len() + inner.old.len()).unwrap_or(u32::MAX);
        let recent = !inner.full || inner.count.wrapping_sub(asked_at) <= held.saturating_mul(2);
        if before == hash && recent { CacheLookup::Again } else { CacheLookup::New }
    }

    /// Keeps an answer of about `weight` bytes, made at or after `revision`, until it is replaced or `until` comes.
    pub fn keep(&self, question: &str, revision: Revision, until: Timestamp, weight: usize, answer: Arc<T>) {
        if weight > self.most / 2 {
            return;
        }
        let question = revision.keyed(question);
        let kept = Kept { revision, until, weight, answer };
        let mut inner = self.inner.lock();
        inner.old.remove(&*question);
        inner.weight += weight;
        if let Some(replaced) = inner.young.insert(question.into_owned(), kept) {
            inner.weight -= replaced.weight;
        }
        if inner.weight > self.most / 2 {
            inner.weight = 0;
            inner.full = true;
            let young = std::mem::take(&mut inner.young);
            let forgotten = std::mem::replace(&mut inner.old, young);
            drop(inner);
            drop(forgotten);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::at;

    fn revision(seq: u64) -> Revision {
        Revision { log: LogId(1), seq: Seq(seq), freshness: 1, visibility: 0 }
    }

    fn answer(cache: &AnswerCache<u32>, question: &str, revision: Revision, now: Timestamp) -> Option<u32> {
        match cache.ask(question, revision, now) {
            CacheLookup::Answer(answer) => Some(*answer),
            CacheLookup::Again | CacheLookup::New => None,
        }
    }

    #[test]
    fn an_answer_holds_for_its_moment_and_its_time_only() {
        let cache = AnswerCache::new(100);
        assert!(matches!(cache.ask("a", revision(1), at(0)), CacheLookup::New));
        assert!(matches!(cache.ask("a", revision(1), at(0)), CacheLookup::Again));
        cache.keep("a", revision(1), at(10), 10, Arc::new(7));
        assert_eq!(answer(&cache, "a", revision(1), at(9)), Some(7));
        assert_eq!(answer(&cache, "a", revision(2), at(9)), None, "something was committed");
        let other = Revision { visibility: 7, ..revision(1) };
        assert_eq!(answer(&cache, "a", other, at(9)), None, "somebody else asks");
        assert_eq!(answer(&cache, "a", revision(1), at(10)), None, "it would be stale");
    }

    #[test]
    fn answers_of_those_who_see_different_things_do_not_displace_each_other() {
        let cache = AnswerCache::new(1_000);
        let of = |visibility| Revision { visibility, ..revision(1) };
        for (visibility, own) in [(0, 1), (7, 2), (8, 3)] {
            assert!(matches!(cache.ask("a", of(visibility), at(0)), CacheLookup::New), "nobody like them asked");
            assert!(matches!(cache.ask("a", of(visibility), at(0)), CacheLookup::Again));
            cache.keep("a", of(visibility), at(10), 10, Arc::new(own));
        }
        let held = [0, 7, 8].map(|visibility| answer(&cache, "a", of(visibility), at(1)));
        assert_eq!(held, [Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn what_is_kept_stays_within_its_weight_and_what_is_asked_for_stays() {
        let cache = AnswerCache::new(40);
        cache.keep("a", revision(1), at(10), 10, Arc::new(1));
        for question in ["b", "c", "d", "e", "f", "g"] {
            assert_eq!(answer(&cache, "a", revision(1), at(0)), Some(1), "asked for all the time");
            cache.keep(question, revision(1), at(10), 10, Arc::new(2));
            let inner = cache.inner.lock();
            let kept: usize = inner.young.values().chain(inner.old.values()).map(|kept| kept.weight).sum();
            assert!(kept <= 50, "{kept}");
        }
        assert_eq!(answer(&cache, "b", revision(1), at(0)), None, "not asked for again");
        cache.keep("huge", revision(1), at(10), 21, Arc::new(6));
        assert_eq!(answer(&cache, "huge", revision(1), at(0)), None);
    }

    #[test]
    fn what_would_be_forgotten_before_it_is_asked_again_is_not_worth_keeping() {
        let cache = AnswerCache::new(40);
        for round in 0..3 {
            for question in 0..100 {
                let known = cache.ask(&question.to_string(), revision(1), at(0));
                let keeps = matches!(known, CacheLookup::Again);
                assert!(!keeps || (round == 1 && question < 10), "round {round}, question {question}");
                if keeps {
                    cache.keep(&question.to_string(), revision(1), at(10), 10, Arc::new(1));
                }
            }
        }
    }
}

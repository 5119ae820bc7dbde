//! Answers that are asked for again and again while nothing changes.
//!
//! An answer is a function of the store, the freshness and, where it may turn stale, of time. It is kept with the moment
//! it was made at, and given again only at the very same moment of store and freshness, before the time at which it would
//! turn stale. So a kept answer never differs from a new one; it only saves making it. What is asked for once is not
//! kept: a client that reads everything leaves nothing behind.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use xxhash_rust::xxh3::xxh3_64;

use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::model::{LogId, Seq, Timestamp};

/// Questions remembered to tell a second one from a first. One that hashes to the place of another displaces it.
const REMEMBERED: usize = 4096;

/// A state of everything that answers are made of, but for the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    log: LogId,
    seq: Seq,
    freshness: u64,
}

/// Kept answers, by question.
pub struct Hot<T> {
    most: usize,
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    kept: HashMap<String, Kept<T>>,
    weight: usize,
    asked: Vec<u64>,
}

struct Kept<T> {
    moment: Moment,
    until: Timestamp,
    weight: usize,
    answer: Arc<T>,
}

/// What is known of a question.
#[derive(Debug)]
pub enum Known<T> {
    /// Its answer.
    Answer(Arc<T>),
    /// It was asked before, so its answer is worth keeping.
    Again,
    /// Nothing.
    New,
}

impl Moment {
    /// The moment before an answer is made: whatever changes meanwhile makes it another.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn now(core: &Core) -> Result<Self, Fault> {
        let freshness = *core.ingest.freshness().changes().borrow();
        Ok(Moment { log: core.log(), seq: core.snapshot()?.seq(), freshness })
    }
}

impl<T> Hot<T> {
    /// Keeps answers of at most `most` bytes together.
    #[must_use]
    pub fn new(most: usize) -> Self {
        let inner = Inner { kept: HashMap::new(), weight: 0, asked: vec![0; REMEMBERED] };
        Hot { most, inner: Mutex::new(inner) }
    }

    /// The answer to `question` if it would be the same now, else whether the question was asked before.
    pub fn ask(&self, question: &str, moment: Moment, now: Timestamp) -> Known<T> {
        let mut inner = self.inner.lock();
        if let Some(kept) = inner.kept.get(question)
            && kept.moment == moment
            && now < kept.until
        {
            return Known::Answer(Arc::clone(&kept.answer));
        }
        let hash = xxh3_64(question.as_bytes());
        let place = usize::try_from(hash % REMEMBERED as u64).unwrap_or(0);
        match inner.asked.get_mut(place) {
            Some(asked) if *asked == hash => Known::Again,
            Some(asked) => {
                *asked = hash;
                Known::New
            }
            None => Known::New,
        }
    }

    /// Keeps an answer of about `weight` bytes, made at or after `moment`, until it is replaced or `until` comes.
    pub fn keep(&self, question: &str, moment: Moment, until: Timestamp, weight: usize, answer: T) {
        if weight > self.most {
            return;
        }
        let kept = Kept { moment, until, weight, answer: Arc::new(answer) };
        let mut inner = self.inner.lock();
        let inner = &mut *inner;
        inner.weight += weight;
        if let Some(replaced) = inner.kept.insert(question.to_owned(), kept) {
            inner.weight -= replaced.weight;
        }
        if inner.weight <= self.most {
            return;
        }
        // First what no question can get any more, then whatever comes; but not what has just been kept.
        for outdated in [true, false] {
            let weight = &mut inner.weight;
            inner.kept.retain(|key, kept| {
                let goes = key != question && *weight > self.most && (!outdated || kept.moment != moment);
                if goes {
                    *weight -= kept.weight;
                }
                !goes
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(seq: u64) -> Moment {
        Moment { log: LogId(1), seq: Seq(seq), freshness: 1 }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_millis(second * 1000)
    }

    fn answer(hot: &Hot<u32>, question: &str, moment: Moment, now: Timestamp) -> Option<u32> {
        match hot.ask(question, moment, now) {
            Known::Answer(answer) => Some(*answer),
            Known::Again | Known::New => None,
        }
    }

    #[test]
    fn an_answer_holds_for_its_moment_and_its_time_only() {
        let hot = Hot::new(100);
        assert!(matches!(hot.ask("a", moment(1), at(0)), Known::New));
        assert!(matches!(hot.ask("a", moment(1), at(0)), Known::Again));
        hot.keep("a", moment(1), at(10), 10, 7);
        assert_eq!(answer(&hot, "a", moment(1), at(9)), Some(7));
        assert_eq!(answer(&hot, "a", moment(2), at(9)), None, "something was committed");
        assert_eq!(answer(&hot, "a", moment(1), at(10)), None, "it would be stale");
    }

    #[test]
    fn what_is_kept_stays_within_its_weight_and_outdated_answers_go_first() {
        let hot = Hot::new(30);
        hot.keep("old", moment(1), at(10), 10, 1);
        hot.keep("a", moment(2), at(10), 10, 2);
        hot.keep("b", moment(2), at(10), 10, 3);
        hot.keep("c", moment(2), at(10), 10, 4);
        assert_eq!(answer(&hot, "old", moment(1), at(0)), None);
        assert!(["a", "b", "c"].iter().all(|question| answer(&hot, question, moment(2), at(0)).is_some()));
        hot.keep("d", moment(2), at(10), 20, 5);
        assert_eq!(answer(&hot, "d", moment(2), at(0)), Some(5));
        assert_eq!(hot.inner.lock().weight, 30);
        hot.keep("huge", moment(2), at(10), 31, 6);
        assert_eq!(answer(&hot, "huge", moment(2), at(0)), None);
        hot.keep("d", moment(3), at(10), 10, 8);
        assert_eq!(hot.inner.lock().weight, 20);
    }
}

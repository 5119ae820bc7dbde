use std::collections::BTreeSet;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::kinds::{self, INSTANCE};
use crate::model::fixtures::scope;
use crate::model::{ActionId, ActionRequest, Cause};
use crate::store::retain::Due;
use crate::store::{self, CommitBatch, StoreOptions, Writer};

const SPAN: Duration = Duration::from_secs(100);

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(1_000_000_000 + second * 1000)
}

struct Log {
    _dir: TempDir,
    writer: Writer,
    store: Store,
}

impl Log {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (writer, store) = store::open(StoreOptions::new(dir.path(), kinds::project)).unwrap();
        Log { _dir: dir, writer, store }
    }

    fn record(&mut self, ids: &[&str], second: i64) {
        self.record_by(None, ids, second);
    }

    fn record_by(&mut self, by: Option<&Principal>, ids: &[&str], second: i64) {
        let targets = ids.iter().map(|id| ResourceId::new(&scope(), &INSTANCE.kind(), *id)).collect();
        let action = ActionId(fastrand::u64(..));
        let request = ActionRequest { by: by.cloned(), ..ActionRequest::of("stop_instance", targets) };
        let event = request.requested(action);
        let entries = vec![(Cause::Tool { action }, event)];
        self.writer.commit(CommitBatch { recorded_at: at(second), entries, ..CommitBatch::default() }).unwrap();
    }

    /// What a book knows at a time, of a span.
    fn known(&self, book: &TouchBook, span: Duration, second: i64) -> TouchedInstances {
        self.known_to(book, span, second, None).by_server
    }

    fn known_to(&self, book: &TouchBook, span: Duration, second: i64, by: Option<&Principal>) -> TouchedLately {
        book.admit(&self.store, span, at(second), by, |touched| (Vec::new(), touched.clone())).unwrap().1
    }
}

fn ids(touched: &TouchedInstances) -> Vec<&str> {
    touched.last.keys().map(String::as_str).collect()
}

#[test]
fn a_book_that_knows_nothing_finds_in_the_log_what_one_that_was_there_knows() {
    let mut log = Log::new();
    let old = TouchBook::default();
    log.record(&["i-1", "i-2"], 0);
    assert_eq!(ids(&log.known(&old, SPAN, 1)), ["i-1", "i-2"]);
    log.record(&["i-3"], 5);
    assert_eq!(log.known(&old, SPAN, 6).last, log.known(&TouchBook::default(), SPAN, 6).last);
    log.record(&["i-1"], 300);
    let later = log.known(&old, SPAN, 301);
    assert!(later.last.get("i-1") == Some(&at(300)) && !later.last.contains_key("i-3"), "{later:?}");
    // One that looks further back is read anew.
    assert_eq!(ids(&log.known(&old, SPAN * 4, 301)), ["i-1", "i-2", "i-3"]);
    assert_eq!(ids(&log.known(&old, SPAN, 301)), ["i-1", "i-2", "i-3"], "what is known stays known");
}

#[test]
fn what_was_let_through_counts_until_the_log_tells_of_it() {
    let mut log = Log::new();
    let book = TouchBook::default();
    let (admission, ()) = book.admit(&log.store, SPAN, at(0), None, |_| (vec!["i-1".to_owned()], ())).unwrap();
    assert_eq!(ids(&log.known(&book, SPAN, 1)), ["i-1"], "before it is recorded");
    log.record(&["i-1"], 2);
    drop(admission);
    assert_eq!(ids(&log.known(&book, SPAN, 3)), ["i-1"]);
    assert_eq!(book.0.admitted.lock().len(), 0, "the log speaks for it");
    // A call that ended without a record, because AWS could not be reached.
    let (admission, ()) = book.admit(&log.store, SPAN, at(4), None, |_| (vec!["i-2".to_owned()], ())).unwrap();
    drop(admission);
    assert_eq!(ids(&log.known(&book, SPAN, 5)), ["i-1"]);
}

#[test]
fn a_server_counts_everybody_and_a_connection_its_client_and_itself() {
    let client = |user: &str, name: &str, session: &str| {
        Principal::of_user(user).with_client(Some(name), Some(session)).in_session(Some(session))
    };
    let mut log = Log::new();
    log.record_by(Some(&client("uid:1", "agent", "a")), &["i-1"], 0);
    log.record_by(Some(&client("uid:1", "other", "b")), &["i-2"], 1);
    log.record_by(Some(&client("http", "agent", "c")), &["i-3"], 2);
    log.record(&["i-4"], 3);
    let book = TouchBook::default();
    let known = log.known_to(&book, SPAN, 4, Some(&client("uid:1", "agent", "z")));
    assert_eq!(ids(&known.by_connection), ["i-1", "i-4"], "and the one of which nobody knows whose it was");
    assert_eq!(ids(&known.by_server), ["i-1", "i-2", "i-3", "i-4"], "whoever it was, over HTTP as well");
    let renamed = log.known_to(&book, SPAN, 4, Some(&client("uid:1", "agent", "b")));
    assert_eq!(ids(&renamed.by_connection), ["i-1", "i-2", "i-4"], "a connection under another name is the same one");
    let another = log.known_to(&book, SPAN, 4, Some(&client("uid:2", "agent", "a")));
    assert_eq!(ids(&another.by_connection), ["i-4"]);
}

#[test]
fn where_the_log_was_folded_away_it_says_since_when_it_knows() {
    let mut log = Log::new();
    for second in 0..10 {
        log.record(&["i-1"], second * 10);
    }
    assert_eq!(log.known(&TouchBook::default(), SPAN, 91).known_since, None, "it holds everything that ever was");
    log.writer.fold(Due { until: at(55), down_to: 0 }, 1_000, || true).unwrap();
    let known = log.known(&TouchBook::default(), SPAN, 91).known_since;
    assert!(known.is_some_and(|known| known > at(91) - SPAN && known <= at(60)), "{known:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn it_knows_exactly_the_instances_of_its_span(
        steps in prop::collection::vec((0..5_usize, 0..60_i64, any::<bool>()), 1..25)
    ) {
        const IDS: [&str; 5] = ["i-0", "i-1", "i-2", "i-3", "i-4"];
        let (mut log, book, mut now) = (Log::new(), TouchBook::default(), 0);
        let mut done: Vec<(&str, i64)> = Vec::new();
        for (which, pause, look) in steps {
            now += pause;
            log.record(&[IDS[which]], now);
            done.push((IDS[which], now));
            if look {
                let touched = log.known(&book, SPAN, now);
                let begin = at(now) - SPAN;
                let known: BTreeSet<&str> =
                    touched.last.iter().filter(|(_, last)| **last > begin).map(|(id, _)| id.as_str()).collect();
                let expected: BTreeSet<&str> =
                    done.iter().filter(|(_, then)| at(*then) > begin).map(|(id, _)| *id).collect();
                prop_assert_eq!(known, expected);
                prop_assert!(touched.known_since.is_none_or(|known| known <= begin));
            }
        }
    }
}

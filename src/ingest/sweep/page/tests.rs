use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use futures::FutureExt as _;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::freshness::Signal;
use crate::ingest::first_commits::FirstCommits;
use crate::ingest::tests::{instance, instances};
use crate::ingest::{IngestHandle, MAX_BYTES, MAX_ROWS, WantedReceiver};
use crate::model::fixtures::{SetClock, at, id, kind, scope, state, tags};
use crate::model::{ActionRequest, Document, Event, ItemHash, Seq, SweepMessage, SweepStep};
use crate::notify::ChangeHub;
use crate::store::Store;
use crate::store::fixtures::{flip_row, open_in};

/// A loop that nobody runs, with what it wants described.
struct Sweeps {
    ingest: Ingest,
    store: Store,
    handle: IngestHandle,
    wanted: WantedReceiver,
    dir: TempDir,
}

impl Sweeps {
    fn new() -> Self {
        Sweeps::over(tempfile::tempdir().unwrap())
    }

    /// The same with a store that was changed while nobody had it open.
    fn reopened(self, change: impl FnOnce(&Path)) -> Self {
        let Sweeps { ingest, store, handle, dir, .. } = self;
        drop((ingest, store, handle));
        change(dir.path());
        Sweeps::over(dir)
    }

    fn over(dir: TempDir) -> Self {
        let (writer, store) = open_in(&dir);
        let clock = Arc::new(SetClock::new(at(10_000)));
        let hub = ChangeHub::new(Vec::new());
        let (ingest, handle, wanted) =
            Ingest::new(writer, hub, clock, vec![instances(1)], CancellationToken::new()).expect("a loop");
        ingest.freshness.signal(Signal::Expected { scope: scope(), kind: kind(), interval: Duration::from_mins(5) });
        Sweeps { ingest, store, handle, wanted, dir }
    }

    fn step(&mut self, step: SweepStep) {
        self.ingest.sweep(SweepMessage { scope: scope(), kind: kind(), step });
    }

    /// What is remembered of these items, and the rest of them.
    fn cut(&self, second: i64, items: &[(&str, Arc<Document>)]) -> Page {
        let hash = |document: &Document| ItemHash::new(document.digest());
        let hashes: Vec<_> = items.iter().map(|(id, document)| (*id, hash(document))).collect();
        let known = self.ingest.freshness.known_items(&scope(), &kind()).unchanged(&hashes);
        let new = items.iter().zip(&known).filter(|(_, known)| known.is_none());
        let item = |(id, document): &(&str, Arc<Document>)| Item {
            hash: Some(hash(document)),
            ..Item::new(*id, Arc::clone(document))
        };
        let items = new.map(|(new, _)| item(new)).collect();
        Page { sent_at: at(second), items, unchanged: known.into_iter().flatten().collect(), ..Page::default() }
    }

    /// A complete sweep of one page, cut when it arrives; returns how many items were not decoded.
    fn sweep(&mut self, second: i64, items: &[(&str, Arc<Document>)]) -> usize {
        self.step(SweepStep::Started { at: at(second) });
        let page = self.cut(second, items);
        let unchanged = page.unchanged.len();
        self.step(SweepStep::Page(page));
        self.step(SweepStep::Completed { ended: at(second + 2) });
        unchanged
    }

    fn see(&mut self, source: Source, second: i64, name: &str, seen: Seen) {
        let observation = Observation { source, at: at(second), id: id(name), seen };
        let mut queue = VecDeque::from([observation]);
        self.ingest.commit_chunk(Draft::default(), &mut queue, &Cause::Refresh).unwrap();
    }

    fn wanted(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.wanted.try_recv().ok()).map(|wanted| wanted.id.id.to_string()).collect()
    }

    fn state(&self, name: &str) -> Option<String> {
        let current = self.store.snapshot().unwrap().current(&id(name)).unwrap();
        current.and_then(|current| current.state().map(str::to_owned))
    }

    /// Since when everything is known to be as stored, and how many resources are missing.
    fn settled(&self) -> (Option<Timestamp>, u64) {
        let state = self.ingest.freshness.of(&scope(), &kind()).expect("watched");
        (state.settled, state.missing)
    }
}

#[test]
fn what_is_stored_as_it_was_shown_is_not_decoded_again_and_counts_as_shown() {
    let mut sweeps = Sweeps::new();
    let (one, two) = (("i-1", instance("running", "t3")), ("i-2", instance("terminated", "t3")));
    assert_eq!(sweeps.sweep(100, &[one.clone(), two.clone()]), 0);
    assert_eq!(sweeps.sweep(200, &[one.clone(), two.clone()]), 2, "remembered once it is stored as it was read");
    let before = sweeps.store.write_transactions();
    assert_eq!(sweeps.sweep(300, &[two.clone(), one.clone()]), 2);
    assert_eq!(sweeps.sweep(400, &[one.clone(), two]), 2);
    assert_eq!(sweeps.store.write_transactions(), before);
    assert_eq!(sweeps.settled(), (Some(at(400)), 0));
    let confirmed = |watched: Option<&WatchedScope>| watched.and_then(|watched| watched.memory.confirmed("i-1"));
    assert_eq!(sweeps.ingest.freshness.view(&scope(), &kind(), confirmed), Some(at(400)));
    // What is lacking after that is judged as ever.
    assert_eq!(sweeps.sweep(500, std::slice::from_ref(&one)), 1);
    assert_eq!(sweeps.settled(), (Some(at(400)), 1));
    assert_eq!(sweeps.sweep(600, &[one]), 1);
    assert_eq!((sweeps.state("i-2"), sweeps.settled()), (None, (Some(at(600)), 0)));
}

#[test]
fn a_change_and_its_way_back_are_both_seen() {
    let mut sweeps = Sweeps::new();
    let [a, b] = ["running", "stopped"].map(|state| ("i-1", instance(state, "t3")));
    for (second, item, unchanged) in
        [(1, &a, 0), (2, &a, 1), (3, &b, 0), (4, &b, 1), (5, &a, 0), (6, &a, 1), (7, &b, 0)]
    {
        assert_eq!(sweeps.sweep(second * 100, std::slice::from_ref(item)), unchanged, "{second}");
        assert_eq!(sweeps.state("i-1"), item.1.text("State.Name").map(str::to_owned));
    }
}

#[test]
fn an_assertion_makes_the_next_listing_be_read() {
    let mut sweeps = Sweeps::new();
    let one = ("i-1", instance("running", "t3"));
    for second in [100, 200, 300] {
        sweeps.sweep(second, std::slice::from_ref(&one));
    }
    sweeps.see(Source::Tool, 390, "i-1", Seen::StateAsserted(state("stopping")));
    assert_eq!(sweeps.sweep(400, std::slice::from_ref(&one)), 0);
    assert_eq!(sweeps.state("i-1").as_deref(), Some("stopping"), "the sweep lags");
    assert_eq!(
        sweeps.sweep(410, std::slice::from_ref(&one)),
        0,
        "what is not stored as it was shown is not remembered"
    );
}

#[test]
fn a_listing_without_the_tags_that_are_stored_is_read_each_time() {
    let mut sweeps = Sweeps::new();
    let bare = ("i-1", instance("running", "t3"));
    let mut fields = bare.1.fields().clone();
    fields.insert("Tags", tags([("Name", "web")]));
    let tagged = ("i-1", Arc::new(Document::new(fields)));
    sweeps.sweep(100, std::slice::from_ref(&tagged));
    sweeps.sweep(200, std::slice::from_ref(&bare));
    let name = |sweeps: &Sweeps| {
        let current = sweeps.store.snapshot().unwrap().current(&id("i-1")).unwrap().unwrap();
        current.document.tag("Name").map(str::to_owned)
    };
    assert_eq!(name(&sweeps).as_deref(), Some("web"), "AWS may have left them out");
    assert_eq!(
        sweeps.sweep(201, std::slice::from_ref(&bare)),
        0,
        "what is not stored as it was shown is not remembered"
    );
}

#[test]
fn what_changed_between_cutting_and_recording_is_only_listed_and_asked_by_id() {
    let mut sweeps = Sweeps::new();
    let items =
        [("i-1", instance("running", "t3")), ("i-2", instance("running", "t3")), ("i-3", instance("running", "t3"))];
    for second in [100, 200] {
        sweeps.sweep(second, &items);
    }
    sweeps.step(SweepStep::Started { at: at(300) });
    let page = sweeps.cut(300, &items);
    assert_eq!(page.unchanged.len(), 3);
    sweeps.see(Source::Refresh, 301, "i-1", Seen::Described(instance("stopped", "t3")));
    sweeps.see(Source::Tool, 301, "i-2", Seen::StateAsserted(state("stopping")));
    assert_eq!(sweeps.wanted(), ["i-2"], "for its assertion");
    sweeps.step(SweepStep::Page(page));
    sweeps.step(SweepStep::Completed { ended: at(302) });
    assert_eq!(sweeps.wanted(), ["i-1", "i-2"]);
    assert_eq!(["i-1", "i-2", "i-3"].map(|name| sweeps.state(name).unwrap()), ["stopped", "stopping", "running"]);
    assert_eq!(sweeps.settled(), (Some(at(200)), 0), "the sweep leaves two of them open");
    assert_eq!(sweeps.sweep(400, &items), 1);
}

#[test]
fn a_resource_removed_between_cutting_and_recording_is_asked_by_id_and_leaves_the_sweep_open() {
    let mut sweeps = Sweeps::new();
    let (one, two) = (("i-1", instance("running", "t3")), ("i-2", instance("running", "t3")));
    for second in [100, 200] {
        sweeps.sweep(second, &[one.clone(), two.clone()]);
    }
    let page = sweeps.cut(500, &[one.clone(), two]);
    for second in [300, 400] {
        sweeps.sweep(second, std::slice::from_ref(&one));
    }
    assert_eq!(sweeps.state("i-2"), None);
    sweeps.wanted();
    sweeps.step(SweepStep::Started { at: at(500) });
    sweeps.step(SweepStep::Page(page));
    sweeps.step(SweepStep::Completed { ended: at(502) });
    assert_eq!(sweeps.wanted(), ["i-2"]);
    assert_eq!((sweeps.state("i-2"), sweeps.settled()), (None, (Some(at(400)), 0)));
}

#[test]
fn too_many_that_are_not_as_they_were_are_left_to_the_next_sweep_which_reads_all() {
    let mut sweeps = Sweeps::new();
    let names: Vec<String> = (0..=MAX_DOUBTED + 1).map(|n| format!("i-{n:03}")).collect();
    let items: Vec<(&str, Arc<Document>)> = names.iter().map(|name| (&**name, instance("running", "t3"))).collect();
    for second in [100, 200] {
        sweeps.sweep(second, &items);
    }
    sweeps.step(SweepStep::Started { at: at(300) });
    let page = sweeps.cut(300, &items);
    for name in &names[1..] {
        sweeps.see(Source::Refresh, 301, name, Seen::Described(instance("stopped", "t3")));
    }
    sweeps.step(SweepStep::Page(page));
    sweeps.step(SweepStep::Completed { ended: at(302) });
    assert_eq!(sweeps.wanted(), Vec::<String>::new());
    assert_eq!(sweeps.sweep(400, &items), 0, "also the one that was as it was");
    assert_eq!((sweeps.state("i-001").as_deref(), sweeps.settled()), (Some("running"), (Some(at(400)), 0)));
}

fn many(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("i-{n:04}")).collect()
}

fn all_in<'n>(names: &'n [String], state: &str) -> Vec<(&'n str, Arc<Document>)> {
    names.iter().map(|name| (&**name, instance(state, "t3"))).collect()
}

#[test]
fn a_first_sweep_that_nobody_waits_for_commits_more_at_once_than_a_later_one() {
    let mut sweeps = Sweeps::new();
    sweeps.ingest.first_commits = FirstCommits::grown(MAX_ROWS);
    let names = many(1_000);
    let transactions = |sweeps: &Sweeps| sweeps.store.write_transactions();
    let before = transactions(&sweeps);
    sweeps.sweep(100, &all_in(&names, "running"));
    let first = transactions(&sweeps) - before;
    // Two for the page, or up to four where this machine is slow, and one for the end of the baseline. Small ones would be five and one.
    assert!((3..=5).contains(&first), "{first}");
    let before = transactions(&sweeps);
    sweeps.sweep(200, &all_in(&names, "stopped"));
    assert!(transactions(&sweeps) - before >= (names.len() / MAX_ROWS) as u64);
}

#[test]
fn a_first_sweep_that_a_tool_waits_for_commits_as_few_rows_as_a_later_one() {
    let mut sweeps = Sweeps::new();
    sweeps.ingest.first_commits = FirstCommits::grown(MAX_ROWS);
    let handle = sweeps.handle.clone();
    let mut waiting = pin!(handle.begin(ActionRequest::of("stop_instance", vec![id("i-0999")])));
    assert!(waiting.as_mut().now_or_never().is_none());
    sweeps.sweep(100, &all_in(&many(1_000), "running"));
    assert!(waiting.now_or_never().is_some_and(|begun| begun.is_ok()));
    let records = sweeps.store.snapshot().unwrap().records(Seq::ZERO, 2_000).unwrap();
    let place = records.iter().position(|record| matches!(record.event, Event::ActionRequested { .. }));
    assert!(place.is_some_and(|place| place <= MAX_ROWS), "{place:?}");
}

#[test]
fn a_commit_holds_large_documents_up_to_a_limit() {
    let mut sweeps = Sweeps::new();
    let large = Arc::new(Document::new([("Text".to_owned(), "x".repeat(MAX_BYTES / 4).into())].into_iter().collect()));
    let names = many(8);
    let items: Vec<_> = names.iter().map(|name| (&**name, Arc::clone(&large))).collect();
    let before = sweeps.store.write_transactions();
    sweeps.sweep(100, &items);
    assert_eq!(sweeps.store.write_transactions() - before, 3, "two for the page, and one for the end of the baseline");
}

#[test]
fn a_resource_with_a_damaged_row_is_read_by_every_sweep() {
    let mut sweeps = Sweeps::new();
    let one = ("i-1", instance("running", "t3"));
    sweeps.sweep(100, std::slice::from_ref(&one));
    let mut sweeps = sweeps.reopened(|dir| flip_row(dir, &id("i-1")));
    for second in [200, 300, 400] {
        assert_eq!(sweeps.sweep(second, std::slice::from_ref(&one)), 0);
        assert_eq!(sweeps.settled(), (Some(at(second)), 0));
    }
    assert_eq!(sweeps.wanted(), Vec::<String>::new());
}

//! Which notifications are for somebody who does not see everything.
//!
//! The hub says that something may have changed; here the records say what. A URI is told when a record about it is visible, so one that
//! is hidden is as silent as one that nobody knows. A resource that comes into sight or goes out of it is told once, as any change is.
//! What changes without a record, such as how fresh a scope is, is told where it can be seen.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;

use super::core::Core;
use super::error::RequestError;
use crate::freshness::ScopeFreshness;
use crate::kinds;
use crate::model::{Document, Event, Kind, Map, ResourceId, Scope, Seq, Value};
use crate::notify::{ChangeTopic, Dirty, UnjudgedChanges};
use crate::store::{Health, ReadError, Snapshot};

/// How many records are read from one snapshot.
const STEP: usize = if cfg!(test) { 3 } else { 2_000 };
/// How many records are read in one go: others want the thread as well.
const TURN: usize = if cfg!(test) { 5 } else { 20_000 };
/// How much later is read again what could not be read.
const AGAIN: Duration = Duration::from_secs(1);

/// What was read of the log for one subscriber.
pub struct LimitedWatch {
    core: Arc<Core>,
    read: Mutex<AlreadyRead>,
}

#[derive(Clone)]
struct AlreadyRead {
    /// Up to which record, by URI, where that is further than `begun`.
    uris: HashMap<Arc<str>, Seq>,
    /// The same for all URIs, and for the list.
    begun: Seq,
    /// The same for the list alone, where that is further.
    list: Seq,
    /// What was visible of freshness.
    freshness: u64,
    /// What was visible of what is watched.
    watched: u64,
}

/// What is told of changes, and what was read for it.
struct ToldChanges {
    theirs: Dirty,
    newest: Seq,
    freshness: u64,
    watched: u64,
}

/// What visible records are about.
struct Told {
    /// The next record to be read.
    next: Seq,
    /// The last one.
    newest: Seq,
    /// The topics that may have changed, each with the last visible record about it.
    topics: HashMap<Arc<ChangeTopic>, Option<Seq>>,
    /// The last one that the list shows.
    list: Option<Seq>,
}

impl LimitedWatch {
    /// Begins to watch for a subscriber; `None` for one who sees everything, and whom the hub tells all there is to tell.
    #[must_use]
    pub fn begin(core: &Arc<Core>) -> Option<Self> {
        if core.visibility().is_everything() {
            return None;
        }
        let now = core.snapshot().map_or(Seq::ZERO, |snapshot| snapshot.seq());
        let (freshness, watched) = (freshness_of(core), watched_of(core));
        let read = AlreadyRead { uris: HashMap::new(), begun: now, list: now, freshness, watched };
        Some(LimitedWatch { core: Arc::clone(core), read: Mutex::new(read) })
    }

    /// Notes that a URI is subscribed to from now on.
    pub fn add(&self, uri: &Arc<str>) {
        let now = self.core.snapshot().map_or(Seq::ZERO, |snapshot| snapshot.seq());
        self.read.lock().uris.entry(Arc::clone(uri)).or_insert(now);
    }

    /// Of what may have changed, what is told.
    ///
    /// # Errors
    /// When it cannot be read what is visible of it. It is to be judged again then.
    pub async fn theirs(
        self: &Arc<Self>,
        topics: Vec<(Arc<ChangeTopic>, Arc<str>)>,
        unjudged: UnjudgedChanges,
    ) -> Result<Dirty, RequestError> {
        let mut told = self.unread(&topics, &unjudged)?;
        while told.is_behind() {
            told = self.core.walk(move |core| told.read(core)).await?;
        }
        let (watch, changes) = (Arc::clone(self), unjudged.clone());
        let judged = self.core.walk(move |core| watch.judge(core, &topics, &changes, &told)).await?;
        // Noted only now, so that nothing is lost where nobody waits for this any more.
        self.read.lock().note(unjudged, &judged);
        Ok(judged.theirs)
    }

    /// Waits before what could not be read is read again.
    pub async fn rest(&self) {
        sleep(AGAIN).await;
        drop(self.core.store.health().wait_for(Health::is_well).await);
    }

    /// What is to be read of the log to judge what may have changed.
    fn unread(
        &self,
        topics: &[(Arc<ChangeTopic>, Arc<str>)],
        UnjudgedChanges { dirty, silent, .. }: &UnjudgedChanges,
    ) -> Result<Told, RequestError> {
        let newest = self.core.snapshot()?.seq();
        let read = self.read.lock();
        let dirty_topics = || topics.iter().filter(|(_, uri)| dirty.uris.contains(uri));
        let since = dirty_topics().map(|(_, uri)| read.since(uri)).chain(dirty.list_changed.then(|| read.since_list()));
        // Long may have passed since something was read for them: what is about others alone is not read.
        let since = since.min().unwrap_or(newest).max(*silent);
        let topics = dirty_topics().map(|(topic, _)| (Arc::clone(topic), None)).collect();
        Ok(Told { next: since.next(), newest, topics, list: None })
    }

    fn judge(
        &self,
        core: &Core,
        topics: &[(Arc<ChangeTopic>, Arc<str>)],
        UnjudgedChanges { dirty, marked, own, .. }: &UnjudgedChanges,
        told: &Told,
    ) -> Result<ToldChanges, RequestError> {
        let snapshot = core.snapshot()?;
        let read = self.read.lock().clone();
        let dirty_topics: Vec<_> = topics.iter().filter(|(_, uri)| dirty.uris.contains(uri)).collect();
        let is_of_freshness = |(topic, _): &&(Arc<ChangeTopic>, Arc<str>)| {
            matches!(**topic, ChangeTopic::Summary | ChangeTopic::Freshness)
        };
        let is_fresh_asked = dirty_topics.iter().any(is_of_freshness);
        let freshness = if is_fresh_asked { freshness_of(core) } else { read.freshness };
        let is_fresh_news = freshness != read.freshness;
        let watched = if dirty.list_changed { watched_of(core) } else { read.watched };
        let mut theirs = Dirty::default();
        for (topic, uri) in dirty_topics {
            let is_recorded = told.topics.get(topic).copied().flatten().is_some_and(|seq| seq > read.since(uri));
            let by_mark = marked.uris.contains(uri);
            let is_told = is_recorded
                || own.uris.contains(uri)
                || match &**topic {
                    ChangeTopic::Resource { kind, id, scope } => {
                        by_mark && is_held(&snapshot, kind, id, scope.as_ref())?
                    }
                    ChangeTopic::Collection { scope, kind } => {
                        let (account, region) = (scope.account.as_str(), scope.region.as_str());
                        by_mark && core.visibility().may_see_any_of(account, region, kind)
                    }
                    ChangeTopic::Summary | ChangeTopic::Freshness => by_mark && is_fresh_news,
                    ChangeTopic::Changes => false,
                };
            if is_told {
                theirs.uris.insert(Arc::clone(uri));
            }
        }
        let is_list_news =
            own.list_changed || watched != read.watched || told.list.is_some_and(|seq| seq > read.since_list());
        theirs.list_changed = dirty.list_changed && is_list_news;
        Ok(ToldChanges { theirs, newest: told.newest, freshness, watched })
    }
}

impl AlreadyRead {
    /// Up to which record something was read for a URI.
    fn since(&self, uri: &Arc<str>) -> Seq {
        self.uris.get(uri).copied().unwrap_or(self.begun).max(self.begun)
    }

    /// The same for the list.
    fn since_list(&self) -> Seq {
        self.list.max(self.begun)
    }

    /// Notes that changes were judged. What is not among them was not changed up to the last record that is.
    fn note(&mut self, changes: UnjudgedChanges, judged: &ToldChanges) {
        let UnjudgedChanges { dirty, published, .. } = changes;
        let newest = judged.newest;
        self.begun = self.begun.max(published);
        self.uris.extend(dirty.uris.into_iter().map(|uri| (uri, newest)));
        let begun = self.begun;
        self.uris.retain(|_, seq| *seq > begun);
        self.list = if dirty.list_changed { newest } else { self.list };
        (self.freshness, self.watched) = (judged.freshness, judged.watched);
    }
}

/// Whether a resource is visible, in a scope or in any. One that cannot be read is not.
fn is_held(snapshot: &Snapshot, kind: &Kind, id: &str, scope: Option<&Scope>) -> Result<bool, RequestError> {
    let copies = match snapshot.copies(kind, id) {
        Err(ReadError::Damaged(_)) => Vec::new(),
        copies => copies?,
    };
    Ok(copies.iter().any(|copy| scope.is_none_or(|scope| copy.id.scope() == *scope)))
}

impl Told {
    /// Whether there is more to be read.
    fn is_behind(&self) -> bool {
        self.next <= self.newest
    }

    /// Reads on.
    fn read(mut self, core: &Core) -> Result<Self, RequestError> {
        let visibility = core.visibility();
        let mut looked = 0;
        while self.is_behind() && looked < TURN {
            // Each time a new one: none may live long.
            let snapshot: Snapshot = core.snapshot()?;
            let has_no_more = snapshot.each_sealed(self.next, STEP, |sealed| {
                if sealed.seq > self.newest {
                    // Records may be missing right before it.
                    self.next = self.newest.next();
                    return ControlFlow::Break(());
                }
                (self.next, looked) = (sealed.seq.next(), looked + 1);
                if let Some(baseline) = sealed.baseline() {
                    let scope = Scope {
                        account: crate::model::AccountId::new(baseline.account),
                        region: crate::model::Region::new(baseline.region),
                    };
                    let id = ResourceId::new(&scope, &Kind::new(baseline.kind), baseline.id);
                    self.note(&id, sealed.seq, true, true);
                } else if let Some(record) = sealed.open() {
                    self.put(&ChangeTopic::Changes, sealed.seq);
                    if let Some(id) = record.event.resource() {
                        let is_quiet = matches!(record.event, Event::Remapped { .. });
                        self.note(id, sealed.seq, is_quiet, shows_in_lists(&record.event));
                        let has_turned = matches!(record.event, Event::Discovered { .. } | Event::Removed { .. });
                        if has_turned && visibility.goes_by_tags(&id.kind) {
                            self.note_parts(id, sealed.seq);
                        }
                    }
                }
                ControlFlow::Continue(())
            })?;
            if has_no_more {
                self.next = self.newest.next();
            }
        }
        Ok(self)
    }

    /// Notes that a visible record is about a topic.
    fn put(&mut self, topic: &ChangeTopic, seq: Seq) {
        if let Some(last) = self.topics.get_mut(topic) {
            *last = Some(seq);
        }
    }

    fn note(&mut self, id: &ResourceId, seq: Seq, is_quiet: bool, is_listed: bool) {
        let whole = kinds::of(&id.kind).and_then(|spec| kinds::by_slug(spec.status_of?)).map(kinds::KindSpec::kind);
        for kind in whole.into_iter().chain([id.kind.clone()]) {
            self.note_as(id, &kind, seq, is_quiet);
        }
        self.put(&ChangeTopic::Summary, seq);
        self.put(&ChangeTopic::Changes, seq);
        if is_listed {
            self.put(&ChangeTopic::Freshness, seq);
            self.list = Some(seq);
        }
    }

    /// Notes that a resource came into sight or went out of it, and with it the parts that are seen by its tags.
    fn note_parts(&mut self, id: &ResourceId, seq: Seq) {
        let Some(whole) = kinds::of(&id.kind) else { return };
        for part in kinds::KINDS.iter().filter(|part| part.status_of == Some(whole.slug)) {
            self.note_as(id, &part.kind(), seq, false);
        }
    }

    /// Notes a record about the resource of a kind with this id and scope.
    fn note_as(&mut self, id: &ResourceId, kind: &Kind, seq: Seq, is_quiet: bool) {
        let scope = id.scope();
        for of in [None, Some(scope.clone())].into_iter().filter(|_| !is_quiet) {
            self.put(&ChangeTopic::Resource { kind: kind.clone(), id: Arc::clone(&id.id), scope: of }, seq);
        }
        self.put(&ChangeTopic::Collection { scope, kind: kind.clone() }, seq);
    }
}

/// Whether a list of resources shows an event: it came, went, or was renamed.
fn shows_in_lists(event: &Event) -> bool {
    match event {
        Event::Discovered { .. } | Event::Removed { .. } => true,
        Event::Changed { id, changes, .. } | Event::Remapped { id, changes, .. } => {
            let named_by = kinds::of(&id.kind).and_then(|spec| spec.name_field);
            changes.iter().any(|change| {
                named_by == Some(change.path.as_str())
                    || (change.path == "Tags" && name_in(change.before.as_ref()) != name_in(change.after.as_ref()))
            })
        }
        _ => false,
    }
}

/// The name in a list of tags.
fn name_in(tags: Option<&Value>) -> Option<String> {
    let tags = Document::new(tags.map(|tags| Map::from([("Tags", tags.clone())])).unwrap_or_default());
    tags.tag("Name").filter(|name| !name.is_empty()).map(str::to_owned)
}

/// A number that differs when what can be seen of freshness does.
fn freshness_of(core: &Core) -> u64 {
    let freshness = core.ingest.freshness();
    let seen: BTreeSet<String> =
        freshness.scopes().iter().chain(&freshness.unwatched()).map(|state| format!("{state:?}")).collect();
    // Since when it lasts is no news: that nothing may be seen lasts as long as anybody asks.
    let trouble = freshness.trouble().map(|trouble| (trouble.class, trouble.what, trouble.fix, trouble.retry_at));
    let mut hasher = DefaultHasher::new();
    (seen, trouble).hash(&mut hasher);
    hasher.finish()
}

/// A number that differs when what can be seen of what is watched does.
fn watched_of(core: &Core) -> u64 {
    let freshness = core.ingest.freshness();
    let seen = |states: Vec<ScopeFreshness>| -> BTreeSet<(Scope, Kind)> {
        states.into_iter().map(|state| (state.scope, state.kind)).collect()
    };
    let mut hasher = DefaultHasher::new();
    (seen(freshness.scopes()), seen(freshness.unwatched())).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_comes_into_sight_with_its_status() {
        let scope = crate::model::fixtures::scope();
        let (instance, status) = (kinds::INSTANCE.kind(), kinds::by_slug("instance-status").unwrap().kind());
        let topic = |of| ChangeTopic::Resource { kind: status.clone(), id: "i-1".into(), scope: of };
        let collection = ChangeTopic::Collection { scope: scope.clone(), kind: status.clone() };
        let own = [topic(None), topic(Some(scope.clone())), collection].map(Arc::new);
        let topics = own.iter().cloned().chain([Arc::new(ChangeTopic::Summary)]).map(|topic| (topic, None)).collect();
        let mut told = Told { next: Seq(1), newest: Seq(4), topics, list: None };
        told.note_parts(&ResourceId::new(&scope, &instance, "i-1"), Seq(4));
        for topic in &own {
            assert_eq!(told.topics.get(topic), Some(&Some(Seq(4))), "{topic:?}");
        }
        assert_eq!(told.topics.get(&ChangeTopic::Summary), Some(&None));
        assert_eq!((told.topics.len(), told.list), (4, None), "the list does not show it");
        told.note(&ResourceId::new(&scope, &instance, "i-2"), Seq(5), false, true);
        assert_eq!((told.topics.len(), told.list), (4, Some(Seq(5))), "nobody asked about it");
    }

    #[tokio::test]
    async fn that_nothing_may_be_seen_is_no_news_after_a_while() {
        let world = crate::mcp::tests::World::small().await;
        let grant = crate::policy::Grant::of_accounts("elsewhere", ["999999999999"]);
        let core = world.core.seen_by(&crate::policy::Visibility::of([grant]));
        assert!(core.ingest.freshness().trouble().is_some());
        let before = freshness_of(&core);
        sleep(Duration::from_millis(5)).await;
        assert_eq!(freshness_of(&core), before);
    }

    #[tokio::test]
    async fn what_came_before_the_first_record_that_may_be_about_it_is_not_read() {
        let world = crate::mcp::tests::World::small().await;
        let grant = crate::policy::Grant::of_accounts("elsewhere", ["999999999999"]);
        let core = Arc::new(world.core.seen_by(&crate::policy::Visibility::of([grant])));
        let watch = LimitedWatch::begin(&core).unwrap();
        let begun = watch.read.lock().begun;
        let uri = Arc::<str>::from("ec2://instance/i-1");
        let topic = ChangeTopic::Resource { kind: kinds::INSTANCE.kind(), id: "i-1".into(), scope: None };
        let topics = [(Arc::new(topic), Arc::clone(&uri))];
        let dirty = Dirty { uris: [uri].into(), list_changed: false };
        let next = |silent| {
            let changes = UnjudgedChanges { dirty: dirty.clone(), silent, ..UnjudgedChanges::default() };
            watch.unread(&topics, &changes).unwrap().next
        };
        assert_eq!(next(Seq::ZERO), begun.next());
        assert_eq!(next(Seq(begun.0 + 1_000_000)), Seq(begun.0 + 1_000_001));
    }

    #[test]
    fn what_was_quiet_is_read_from_the_last_record_that_was_judged() {
        let uri = |name: &str| Arc::<str>::from(name);
        let uris = [(uri("added"), Seq(7))].into();
        let mut read = AlreadyRead { uris, begun: Seq(5), list: Seq(5), freshness: 0, watched: 0 };
        let dirty = Dirty { uris: [uri("heard")].into(), list_changed: false };
        let changes = UnjudgedChanges { dirty, published: Seq(60_000), ..UnjudgedChanges::default() };
        let judged = ToldChanges { theirs: Dirty::default(), newest: Seq(60_004), freshness: 1, watched: 2 };
        read.note(changes, &judged);
        let since = ["heard", "quiet", "added"].map(|name| read.since(&uri(name)));
        assert_eq!(since, [Seq(60_004), Seq(60_000), Seq(60_000)]);
        assert_eq!((read.uris.len(), read.since_list()), (1, Seq(60_000)));
    }
}

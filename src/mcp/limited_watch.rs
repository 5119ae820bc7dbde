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
use crate::model::{Event, Kind, ResourceId, Scope, Seq};
use crate::notify::{ChangeTopic, Dirty, UnjudgedChanges};
use crate::store::{Health, ReadError, Snapshot};

/// How many records are read in one go.
const STEP: usize = 2_000;
/// How many records are read at most; when there are more, what can be seen is told.
const MOST: usize = 50_000;
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
#[derive(Default)]
struct Told {
    /// The last visible record of each topic.
    topics: HashMap<ChangeTopic, Seq>,
    list: Option<Seq>,
    /// Whether there were more records than are read.
    more: bool,
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
        let (watch, changes) = (Arc::clone(self), unjudged.clone());
        let judged = self.core.walk(move |core| watch.judge(core, &topics, &changes)).await?;
        // Noted only now, so that nothing is lost where nobody waits for this any more.
        self.read.lock().note(unjudged, &judged);
        Ok(judged.theirs)
    }

    /// Waits before what could not be read is read again.
    pub async fn rest(&self) {
        sleep(AGAIN).await;
        drop(self.core.store.health().wait_for(Health::is_well).await);
    }

    fn judge(
        &self,
        core: &Core,
        topics: &[(Arc<ChangeTopic>, Arc<str>)],
        UnjudgedChanges { dirty, marked, own, .. }: &UnjudgedChanges,
    ) -> Result<ToldChanges, RequestError> {
        let snapshot = core.snapshot()?;
        let newest = snapshot.seq();
        let read = self.read.lock().clone();
        let dirty_topics: Vec<_> = topics.iter().filter(|(_, uri)| dirty.uris.contains(uri)).collect();
        let list = read.list.max(read.begun);
        let from = dirty_topics.iter().map(|(_, uri)| read.since(uri)).chain(dirty.list_changed.then_some(list)).min();
        let told = match from {
            Some(from) => told(core, from, newest)?,
            None => Told::default(),
        };
        let is_of_freshness = |(topic, _): &&(Arc<ChangeTopic>, Arc<str>)| {
            matches!(**topic, ChangeTopic::Summary | ChangeTopic::Freshness)
        };
        let is_fresh_asked = dirty_topics.iter().any(is_of_freshness);
        let freshness = if is_fresh_asked { freshness_of(core) } else { read.freshness };
        let is_fresh_news = freshness != read.freshness;
        let watched = if dirty.list_changed { watched_of(core) } else { read.watched };
        // Of what was not read something may be visible, unless nothing is.
        let is_more = told.more && sees_any(core);
        let mut theirs = Dirty::default();
        for (topic, uri) in dirty_topics {
            let is_recorded = told.topics.get(&**topic).is_some_and(|seq| *seq > read.since(uri));
            let by_mark = marked.uris.contains(uri) || is_more;
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
                    ChangeTopic::Summary | ChangeTopic::Freshness => is_more || (by_mark && is_fresh_news),
                    ChangeTopic::Changes => is_more,
                };
            if is_told {
                theirs.uris.insert(Arc::clone(uri));
            }
        }
        let is_list_news =
            own.list_changed || watched != read.watched || is_more || told.list.is_some_and(|seq| seq > list);
        theirs.list_changed = dirty.list_changed && is_list_news;
        Ok(ToldChanges { theirs, newest, freshness, watched })
    }
}

impl AlreadyRead {
    /// Up to which record something was read for a URI.
    fn since(&self, uri: &Arc<str>) -> Seq {
        self.uris.get(uri).copied().unwrap_or(self.begun).max(self.begun)
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

/// What the visible records after `from` are about.
fn told(core: &Core, from: Seq, newest: Seq) -> Result<Told, RequestError> {
    let (mut told, mut next, mut looked) = (Told::default(), from.next(), 0);
    let visibility = core.visibility();
    loop {
        // Each time a new one: none may live long.
        let snapshot: Snapshot = core.snapshot()?;
        let has_no_more = snapshot.each_sealed(next, STEP, |sealed| {
            if sealed.seq > newest {
                return ControlFlow::Break(());
            }
            (next, looked) = (sealed.seq.next(), looked + 1);
            if let Some(baseline) = sealed.baseline() {
                let scope = Scope {
                    account: crate::model::AccountId::new(baseline.account),
                    region: crate::model::Region::new(baseline.region),
                };
                let id = ResourceId::new(&scope, &Kind::new(baseline.kind), baseline.id);
                told.note(&id, sealed.seq, true, true);
            } else if let Some(record) = sealed.open() {
                told.topics.insert(ChangeTopic::Changes, sealed.seq);
                if let Some(id) = record.event.resource() {
                    let is_quiet = matches!(record.event, Event::Remapped { .. });
                    told.note(id, sealed.seq, is_quiet, shows_in_lists(&record.event));
                    let has_turned = matches!(record.event, Event::Discovered { .. } | Event::Removed { .. });
                    if has_turned && visibility.goes_by_tags(&id.kind) {
                        told.note_parts(id, sealed.seq);
                    }
                }
            }
            ControlFlow::Continue(())
        })?;
        if has_no_more || next > newest {
            return Ok(told);
        }
        if looked >= MOST {
            told.more = true;
            return Ok(told);
        }
    }
}

impl Told {
    fn note(&mut self, id: &ResourceId, seq: Seq, is_quiet: bool, is_listed: bool) {
        let whole = kinds::of(&id.kind).and_then(|spec| kinds::by_slug(spec.status_of?)).map(kinds::KindSpec::kind);
        for kind in whole.into_iter().chain([id.kind.clone()]) {
            let scope = id.scope();
            if !is_quiet {
                for scope in [None, Some(scope.clone())] {
                    let topic = ChangeTopic::Resource { kind: kind.clone(), id: Arc::clone(&id.id), scope };
                    self.topics.insert(topic, seq);
                }
            }
            self.topics.insert(ChangeTopic::Collection { scope, kind }, seq);
        }
        self.topics.insert(ChangeTopic::Summary, seq);
        self.topics.insert(ChangeTopic::Changes, seq);
        if is_listed {
            self.topics.insert(ChangeTopic::Freshness, seq);
            self.list = Some(seq);
        }
    }

    /// Notes that a resource came into sight or went out of it, and with it the parts that are seen by its tags.
    fn note_parts(&mut self, id: &ResourceId, seq: Seq) {
        let Some(whole) = kinds::of(&id.kind) else { return };
        for part in kinds::KINDS.iter().filter(|part| part.status_of == Some(whole.slug)) {
            let scope = id.scope();
            for of in [None, Some(scope.clone())] {
                let topic = ChangeTopic::Resource { kind: part.kind(), id: Arc::clone(&id.id), scope: of };
                self.topics.insert(topic, seq);
            }
            self.topics.insert(ChangeTopic::Collection { scope, kind: part.kind() }, seq);
        }
    }
}

/// Whether a list of resources may show an event: it came, went, or may have been renamed.
fn shows_in_lists(event: &Event) -> bool {
    match event {
        Event::Discovered { .. } | Event::Removed { .. } => true,
        Event::Changed { id, changes, .. } => {
            let named_by = kinds::of(&id.kind).and_then(|spec| spec.name_field);
            changes.iter().any(|change| change.path.starts_with("Tags") || named_by == Some(change.path.as_str()))
        }
        _ => false,
    }
}

/// A number that differs when what can be seen of freshness does.
fn freshness_of(core: &Core) -> u64 {
    let freshness = core.ingest.freshness();
    let seen: BTreeSet<String> =
        freshness.scopes().iter().chain(&freshness.unwatched()).map(|state| format!("{state:?}")).collect();
    let mut hasher = DefaultHasher::new();
    (seen, format!("{:?}", freshness.trouble())).hash(&mut hasher);
    hasher.finish()
}

/// Whether anything of what is or was watched can be visible.
fn sees_any(core: &Core) -> bool {
    let freshness = core.ingest.freshness();
    !(freshness.scopes().is_empty() && freshness.unwatched().is_empty())
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
        let mut told = Told::default();
        told.note_parts(&ResourceId::new(&scope, &instance, "i-1"), Seq(4));
        let topic = |of| ChangeTopic::Resource { kind: status.clone(), id: "i-1".into(), scope: of };
        let collection = ChangeTopic::Collection { scope: scope.clone(), kind: status.clone() };
        for topic in [topic(None), topic(Some(scope.clone())), collection] {
            assert_eq!(told.topics.get(&topic), Some(&Seq(4)), "{topic:?}");
        }
        assert_eq!((told.topics.len(), told.list), (3, None), "the list does not show it");
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
        assert_eq!((read.uris.len(), read.list.max(read.begun)), (1, Seq(60_000)));
    }
}

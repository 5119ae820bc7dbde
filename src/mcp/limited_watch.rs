//! Which notifications are for somebody who does not see everything.
//!
//! The hub says that something may have changed; here the records say what. A URI is told when a record about it is visible, so one that
//! is hidden is as silent as one that nobody knows. A resource that comes into sight or goes out of it is told once, as any change is.
//! What changes without a record, such as how fresh a scope is, is told where it can be seen.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;

use super::core::Core;
use super::error::RequestError;
use crate::kinds;
use crate::model::{Event, Kind, ResourceId, Seq};
use crate::notify::{ChangeTopic, Dirty};
use crate::store::Snapshot;

/// How many records are read in one go.
const STEP: usize = 2_000;
/// How many records are read at most; when there are more, what can be seen is told.
const MOST: usize = 50_000;

/// What was read of the log for one subscriber.
pub struct LimitedWatch {
    core: Arc<Core>,
    read: Mutex<AlreadyRead>,
}

#[derive(Clone)]
struct AlreadyRead {
    /// Up to which record, by URI.
    uris: HashMap<Arc<str>, Seq>,
    /// The same for URIs of which nothing was read yet.
    begun: Seq,
    /// The same for the list.
    list: Seq,
    /// What was visible of freshness.
    freshness: u64,
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
        let freshness = freshness_of(core);
        let read = AlreadyRead { uris: HashMap::new(), begun: now, list: now, freshness };
        Some(LimitedWatch { core: Arc::clone(core), read: Mutex::new(read) })
    }

    /// Notes that a URI is subscribed to from now on.
    pub fn add(&self, uri: &Arc<str>) {
        let now = self.core.snapshot().map_or(Seq::ZERO, |snapshot| snapshot.seq());
        self.read.lock().uris.entry(Arc::clone(uri)).or_insert(now);
    }

    /// Of what may have changed, what is told.
    pub async fn theirs(
        self: &Arc<Self>,
        topics: Vec<(Arc<ChangeTopic>, Arc<str>)>,
        dirty: Dirty,
        marked: Dirty,
    ) -> Dirty {
        let (watch, changed) = (Arc::clone(self), dirty.clone());
        match self.core.walk(move |core| watch.judge(core, &topics, &changed, &marked)).await {
            Ok((theirs, newest, freshness)) => {
                // Noted only now, so that nothing is lost where nobody waits for this any more.
                let mut read = self.read.lock();
                read.uris.extend(dirty.uris.into_iter().map(|uri| (uri, newest)));
                read.list = if dirty.list_changed { newest } else { read.list };
                read.freshness = freshness;
                theirs
            }
            Err(error) => {
                tracing::warn!(%error, "what a subscriber may see cannot be read: the next change tells it");
                Dirty::default()
            }
        }
    }

    fn judge(
        &self,
        core: &Core,
        topics: &[(Arc<ChangeTopic>, Arc<str>)],
        dirty: &Dirty,
        marked: &Dirty,
    ) -> Result<(Dirty, Seq, u64), RequestError> {
        let snapshot = core.snapshot()?;
        let newest = snapshot.seq();
        let AlreadyRead { uris, begun, list, freshness } = self.read.lock().clone();
        let dirty_topics: Vec<_> = topics.iter().filter(|(_, uri)| dirty.uris.contains(uri)).collect();
        let since = |uri: &Arc<str>| uris.get(uri).copied().unwrap_or(begun);
        let from = dirty_topics.iter().map(|(_, uri)| since(uri)).chain(dirty.list_changed.then_some(list)).min();
        let told = match from {
            Some(from) => told(core, from, newest)?,
            None => Told::default(),
        };
        let is_of_freshness = |(topic, _): &&(Arc<ChangeTopic>, Arc<str>)| {
            matches!(**topic, ChangeTopic::Summary | ChangeTopic::Freshness)
        };
        let fresh_now = if dirty_topics.iter().any(is_of_freshness) { freshness_of(core) } else { freshness };
        let is_fresh_news = fresh_now != freshness;
        let mut theirs = Dirty::default();
        for (topic, uri) in dirty_topics {
            let is_recorded = told.topics.get(&**topic).is_some_and(|seq| *seq > since(uri));
            let by_record = is_recorded || told.more;
            let by_mark = marked.uris.contains(uri) || told.more;
            let is_told = match &**topic {
                ChangeTopic::Resource { .. } if is_recorded => true,
                ChangeTopic::Resource { kind, id, scope } => {
                    let copies = if by_mark { snapshot.copies(kind, id)? } else { Vec::new() };
                    copies.iter().any(|copy| scope.as_ref().is_none_or(|scope| copy.id.scope() == *scope))
                }
                ChangeTopic::Collection { scope, kind } => {
                    let (account, region) = (scope.account.as_str(), scope.region.as_str());
                    by_record || (by_mark && core.visibility().may_see_any_of(account, region, kind))
                }
                ChangeTopic::Summary | ChangeTopic::Freshness => by_record || (by_mark && is_fresh_news),
                ChangeTopic::Changes => by_record,
            };
            if is_told {
                theirs.uris.insert(Arc::clone(uri));
            }
        }
        theirs.list_changed =
            dirty.list_changed && (marked.list_changed || told.more || told.list.is_some_and(|seq| seq > list));
        Ok((theirs, newest, fresh_now))
    }
}

/// What the visible records after `from` are about.
fn told(core: &Core, from: Seq, newest: Seq) -> Result<Told, RequestError> {
    let (mut told, mut next, mut looked) = (Told::default(), from.next(), 0);
    loop {
        // Each time a new one: none may live long.
        let snapshot: Snapshot = core.snapshot()?;
        let has_no_more = snapshot.each_sealed(next, STEP, |sealed| {
            if sealed.seq > newest {
                return ControlFlow::Break(());
            }
            (next, looked) = (sealed.seq.next(), looked + 1);
            if let Some(baseline) = sealed.baseline() {
                let scope = crate::model::Scope {
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

//! Tells subscribers what changed: takes committed changes, and keeps one set of changed URIs per subscriber.
//!
//! A subscriber that does not read costs at most one set of the URIs it subscribed to, however much changes meanwhile, and delays
//! nobody. A notification is a hint to read again: it carries no content, and repeating it is harmless.
//!
//! A subscription is registered here before it is acknowledged, so it is told of every change from its acknowledgement on. What
//! changed before that, a client reads.

mod notification_tally;
mod pending_changes;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use self::pending_changes::{MarkedBy, PendingChanges};
use crate::model::{Kind, ResourceId, Scope, Seq};
use crate::store::{ChangeKind, Committed, TouchedResource};

pub use notification_tally::{CountedNotifications, CountedSubscriber, NotificationTally};
pub use pending_changes::{Dirty, UnjudgedChanges};

/// Something that can be subscribed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeTopic {
    /// One resource, in one scope or in every scope that sees it.
    Resource {
        /// Its kind.
        kind: Kind,
        /// Its AWS id.
        id: Arc<str>,
        /// The scope, for the qualified form of a URI.
        scope: Option<Scope>,
    },
    /// The resources of one kind in one scope.
    Collection {
        /// The scope.
        scope: Scope,
        /// The kind.
        kind: Kind,
    },
    /// The counts of everything.
    Summary,
    /// How fresh everything is.
    Freshness,
    /// What was recorded.
    Changes,
}

/// Connects committed changes with subscribers. Clones share one hub.
#[derive(Clone)]
pub struct ChangeHub {
    hub: Arc<Mutex<Hub>>,
    newest: watch::Sender<Seq>,
    tally: Arc<NotificationTally>,
}

struct Hub {
    next: u64,
    subscribers: HashMap<u64, Subscriber>,
    /// Who subscribed to each topic, and under which URI; under several, a subscriber stands there as often.
    topics: HashMap<Arc<ChangeTopic>, Vec<(u64, Arc<str>)>>,
    list: HashSet<u64>,
    /// (part, whole): a change of the part is also a change of the whole with the same id.
    parts: Vec<(Kind, Kind)>,
    tally: Arc<NotificationTally>,
}

struct Subscriber {
    mailbox: Arc<PendingChanges>,
    /// What it subscribed to, once for each URI: nobody's end looks through the topics of all.
    topics: Vec<Arc<ChangeTopic>>,
}

impl ChangeHub {
    /// A hub without subscribers. `parts` names kinds that are served as part of another with the same id: an instance's status
    /// checks belong to the instance.
    #[must_use]
    pub fn new(parts: Vec<(Kind, Kind)>) -> Self {
        let tally = Arc::<NotificationTally>::default();
        let hub = Hub {
            next: 0,
            subscribers: HashMap::new(),
            topics: HashMap::new(),
            list: HashSet::new(),
            parts,
            tally: Arc::clone(&tally),
        };
        ChangeHub { hub: Arc::new(Mutex::new(hub)), newest: watch::Sender::new(Seq::ZERO), tally }
    }

    /// The counts of what subscribers were told.
    #[must_use]
    pub fn tally(&self) -> &Arc<NotificationTally> {
        &self.tally
    }

    /// Marks everything that `committed` touched for its subscribers. Never waits for a subscriber.
    pub fn publish(&self, committed: &Committed) {
        let hub = self.hub.lock();
        let mut topics = BTreeSet::new();
        for touched in &committed.touched {
            hub.collect(touched, &mut topics);
        }
        if committed.first <= committed.last {
            topics.insert(ChangeTopic::Changes);
        }
        let list_changed = committed.touched.iter().any(|touched| touched.listed);
        let by = MarkedBy::Commit(committed.first);
        hub.mark(&topics, list_changed, by);
        hub.mark_judged(&committed.touched, by);
        drop(hub);
        self.newest.send_replace(committed.last);
    }

    /// The newest published record, for whoever waits for the next. [`Seq::ZERO`] until the first.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<Seq> {
        self.newest.subscribe()
    }

    /// Marks topics that change without a commit, such as [`ChangeTopic::Freshness`].
    pub fn mark(&self, topics: impl IntoIterator<Item = ChangeTopic>) {
        self.hub.lock().mark(&topics.into_iter().collect(), false, MarkedBy::Mark);
    }

    /// Marks topics that change without a commit, and with them the list of resources.
    pub fn mark_with_list(&self, topics: impl IntoIterator<Item = ChangeTopic>) {
        self.hub.lock().mark(&topics.into_iter().collect(), true, MarkedBy::Mark);
    }

    /// Every topic that has subscribers.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<ChangeTopic>> {
        self.hub.lock().topics.keys().cloned().collect()
    }

    /// Marks everything that has subscribers: all of it may have changed.
    pub fn mark_all(&self) {
        let hub = self.hub.lock();
        for topic in hub.topics.keys() {
            hub.mark_topic(topic, MarkedBy::Doubt);
        }
        hub.mark_list(MarkedBy::Doubt);
    }

    /// Registers a subscriber: for the list of resources if `list_changed`, and for each topic under the URI as spelled.
    #[must_use]
    pub fn register(&self, list_changed: bool, topics: Vec<(ChangeTopic, Arc<str>)>) -> Subscription {
        self.subscribe(list_changed, topics, PendingChanges::default())
    }

    /// The same for a subscriber who does not see everything: what commits make dirty is to be judged by the records that they hold.
    #[must_use]
    pub fn register_judged(&self, list_changed: bool, topics: Vec<(ChangeTopic, Arc<str>)>) -> Subscription {
        self.subscribe(list_changed, topics, PendingChanges::judged())
    }

    fn subscribe(
        &self,
        list_changed: bool,
        topics: Vec<(ChangeTopic, Arc<str>)>,
        mailbox: PendingChanges,
    ) -> Subscription {
        let mailbox = Arc::new(mailbox);
        let mut hub = self.hub.lock();
        hub.next += 1;
        let subscriber = hub.next;
        hub.subscribers.insert(subscriber, Subscriber { mailbox: Arc::clone(&mailbox), topics: Vec::new() });
        if list_changed {
            hub.list.insert(subscriber);
        }
        for (topic, uri) in topics {
            hub.add(subscriber, topic, uri);
        }
        drop(hub);
        Subscription { hub: self.clone(), subscriber, mailbox }
    }

    /// Whether anybody subscribed to what is in `scope`: a list of it, or a resource. `holds` tells whether it holds a resource to
    /// which somebody subscribed without naming a scope.
    #[must_use]
    pub fn is_heard(&self, scope: &Scope, holds: impl Fn(&Kind, &Arc<str>) -> bool) -> bool {
        let mut anywhere = Vec::new();
        // Locked while nothing is read.
        for topic in self.hub.lock().topics.keys() {
            match &**topic {
                ChangeTopic::Collection { scope: of, .. } | ChangeTopic::Resource { scope: Some(of), .. } => {
                    if of == scope {
                        return true;
                    }
                }
                ChangeTopic::Resource { scope: None, .. } => anywhere.push(Arc::clone(topic)),
                ChangeTopic::Summary | ChangeTopic::Freshness | ChangeTopic::Changes => {}
            }
        }
        anywhere.iter().any(|topic| matches!(&**topic, ChangeTopic::Resource { kind, id, .. } if holds(kind, id)))
    }

    /// The number of subscribers.
    #[must_use]
    pub fn subscribers(&self) -> usize {
        self.hub.lock().subscribers.len()
    }
}

impl Hub {
    /// Collects the topics of a touched resource.
    fn collect(&self, touched: &TouchedResource, topics: &mut BTreeSet<ChangeTopic>) {
        let wholes = self.parts.iter().filter(|(part, _)| *part == touched.id.kind).map(|(_, whole)| whole);
        for kind in wholes.chain([&touched.id.kind]) {
            let scope = touched.id.scope();
            // What existed before Muster looked, or changed only by its own mapping, is not reported individually.
            if !touched.quiet {
                topics.extend(resource_topics(&touched.id, kind, &scope));
            }
            topics.insert(ChangeTopic::Collection { scope, kind: kind.clone() });
        }
        topics.insert(ChangeTopic::Summary);
        if touched.what != ChangeKind::Changed {
            topics.insert(ChangeTopic::Freshness);
        }
    }

    /// Marks for subscribers whose changes are judged what follows from tags: who sees a resource by its tags sees its parts with it,
    /// and where tags change, the list and the counts of freshness may show it to them from now on, or no more.
    fn mark_judged(&self, touched: &[TouchedResource], by: MarkedBy) {
        let is_judged = |subscriber: &Subscriber| subscriber.mailbox.is_judged();
        if !self.subscribers.values().any(is_judged) {
            return;
        }
        if touched.iter().any(|touched| touched.tagged && !touched.listed) {
            let listening = self.list.iter().filter_map(|subscriber| self.subscribers.get(subscriber));
            listening.filter(|subscriber| is_judged(subscriber)).for_each(|it| it.mailbox.put_list(by));
        }
        let mut topics = BTreeSet::new();
        if touched.iter().any(|touched| touched.tagged) {
            topics.insert(ChangeTopic::Freshness);
        }
        for touched in touched {
            let scope = touched.id.scope();
            for (part, _) in self.parts.iter().filter(|(_, whole)| *whole == touched.id.kind) {
                if !touched.quiet {
                    topics.extend(resource_topics(&touched.id, part, &scope));
                }
                topics.insert(ChangeTopic::Collection { scope: scope.clone(), kind: part.clone() });
            }
        }
        for (subscriber, uri) in topics.iter().filter_map(|topic| self.topics.get(topic)).flatten() {
            if let Some(subscriber) = self.subscribers.get(subscriber).filter(|subscriber| is_judged(subscriber)) {
                subscriber.mailbox.put_uri(uri, by);
            }
        }
    }

    fn mark(&self, topics: &BTreeSet<ChangeTopic>, list_changed: bool, by: MarkedBy) {
        for topic in topics {
            self.mark_topic(topic, by);
        }
        if list_changed {
            self.mark_list(by);
        }
    }

    fn mark_topic(&self, topic: &ChangeTopic, by: MarkedBy) {
        for (subscriber, uri) in self.topics.get(topic).into_iter().flatten() {
            if let Some(Subscriber { mailbox, .. }) = self.subscribers.get(subscriber)
                && !mailbox.put_uri(uri, by)
            {
                self.tally.note_coalesced();
            }
        }
    }

    fn mark_list(&self, by: MarkedBy) {
        for Subscriber { mailbox, .. } in self.list.iter().filter_map(|subscriber| self.subscribers.get(subscriber)) {
            mailbox.put_list(by);
        }
    }

    fn add(&mut self, subscriber: u64, topic: ChangeTopic, uri: Arc<str>) {
        let topic = self.topics.get_key_value(&topic).map_or_else(|| Arc::new(topic), |(known, _)| Arc::clone(known));
        let heard = self.topics.entry(Arc::clone(&topic)).or_default();
        if heard.iter().rev().any(|(other, known)| *other == subscriber && *known == uri) {
            return;
        }
        // Most name it alike, and then share the text.
        let uri = heard.last().filter(|(_, known)| *known == uri).map_or(uri, |(_, known)| Arc::clone(known));
        heard.push((subscriber, uri));
        if let Some(subscriber) = self.subscribers.get_mut(&subscriber) {
            subscriber.topics.push(topic);
        }
    }

    /// Ends what a subscriber has under `uri`, or all of it.
    fn remove(&mut self, subscriber: u64, uri: Option<&str>) {
        let Some(Subscriber { topics, .. }) = self.subscribers.get_mut(&subscriber) else { return };
        topics.retain(|topic| {
            let Some(heard) = self.topics.get_mut(topic) else { return false };
            let is_meant =
                |(other, known): &(u64, Arc<str>)| *other == subscriber && uri.is_none_or(|uri| **known == *uri);
            let Some(place) = heard.iter().position(is_meant) else { return true };
            heard.swap_remove(place);
            if heard.is_empty() {
                self.topics.remove(topic);
            }
            false
        });
    }

    fn forget(&mut self, subscriber: u64) {
        self.remove(subscriber, None);
        self.subscribers.remove(&subscriber);
        self.list.remove(&subscriber);
    }
}

fn resource_topics(id: &ResourceId, kind: &Kind, scope: &Scope) -> [ChangeTopic; 2] {
    let topic = |scope| ChangeTopic::Resource { kind: kind.clone(), id: Arc::clone(&id.id), scope };
    [topic(None), topic(Some(scope.clone()))]
}

/// A subscriber's registration; dropping it unsubscribes.
pub struct Subscription {
    hub: ChangeHub,
    subscriber: u64,
    mailbox: Arc<PendingChanges>,
}

impl Subscription {
    /// Also subscribes to `topic`, reported as `uri`.
    pub fn add(&self, topic: ChangeTopic, uri: Arc<str>) {
        self.hub.hub.lock().add(self.subscriber, topic, uri);
    }

    /// Reports all that it subscribes to as changed, because it may have changed unheard.
    pub fn mark_all(&self) {
        let hub = self.hub.hub.lock();
        let topics = hub.subscribers.get(&self.subscriber).into_iter().flat_map(|subscriber| &subscriber.topics);
        let heard = topics.filter_map(|topic| hub.topics.get(topic)).flatten();
        let own = heard.filter(|(subscriber, _)| *subscriber == self.subscriber).map(|(_, uri)| Arc::clone(uri));
        let (uris, list) = (own.collect::<BTreeSet<_>>(), hub.list.contains(&self.subscriber));
        drop(hub);
        self.mailbox.put_own(|dirty| {
            dirty.uris.extend(uris.iter().cloned());
            dirty.list_changed |= list;
        });
    }

    /// What it subscribes to, each with its URI.
    #[must_use]
    pub fn topics(&self) -> Vec<(Arc<ChangeTopic>, Arc<str>)> {
        let hub = self.hub.hub.lock();
        let topics = hub.subscribers.get(&self.subscriber).into_iter().flat_map(|subscriber| &subscriber.topics);
        let mut own = Vec::new();
        for topic in topics {
            let heard = hub.topics.get(topic).into_iter().flatten();
            let uris = heard.filter(|(subscriber, _)| *subscriber == self.subscriber).map(|(_, uri)| Arc::clone(uri));
            own.extend(uris.map(|uri| (Arc::clone(topic), uri)));
        }
        own
    }

    /// Ends the subscription to `uri`. A pending change may still be reported.
    pub fn remove(&self, uri: &str) {
        self.hub.hub.lock().remove(self.subscriber, Some(uri));
    }

    /// The counts of what subscribers were told.
    #[must_use]
    pub fn tally(&self) -> &Arc<NotificationTally> {
        self.hub.tally()
    }

    /// How many subscribe to anything, this one among them.
    #[must_use]
    pub fn crowd(&self) -> usize {
        self.hub.subscribers()
    }

    /// Whether changes were ever taken.
    #[must_use]
    pub fn has_told(&self) -> bool {
        self.mailbox.has_told()
    }

    /// Reports resources, and the list if `list_changed`, as changed to this subscriber alone.
    pub fn mark(&self, uris: impl IntoIterator<Item = Arc<str>>, list_changed: bool) {
        let uris: Vec<Arc<str>> = uris.into_iter().collect();
        self.mailbox.put_own(|dirty| {
            dirty.uris.extend(uris.iter().cloned());
            dirty.list_changed |= list_changed;
        });
    }

    /// Waits for changes, and takes all of them. Cancelling the wait loses nothing.
    pub async fn next(&self) -> Dirty {
        loop {
            if let Some(dirty) = self.mailbox.take() {
                self.mailbox.note_told();
                return dirty;
            }
            self.mailbox.added().await;
        }
    }

    /// The same for a subscriber whose changes are judged. They count as told only with [`Subscription::note_told`].
    pub async fn next_unjudged(&self) -> UnjudgedChanges {
        loop {
            // Read first: whatever it names is marked already.
            let published = *self.hub.newest.borrow();
            if let Some(unjudged) = self.mailbox.take_unjudged(published) {
                return unjudged;
            }
            self.mailbox.added().await;
        }
    }

    /// Notes that changes were taken of which something is told.
    pub fn note_told(&self) {
        self.mailbox.note_told();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.hub.hub.lock().forget(self.subscriber);
    }
}

#[cfg(test)]
mod tests;

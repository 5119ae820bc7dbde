//! Notifies clients of changes to subscribed resources, in both protocol eras.
//!
//! Each subscriber has one future and no queue: the hub keeps a set of changed URIs, so a client that does not read costs only
//! that set and delays nobody. A modern subscription ends when its client takes longer than [`SEND`] for a message: the client sees
//! its stream end and listens again. The older protocol cannot report an end, so there the notification waits as long as the
//! connection lasts.
//!
//! A modern subscription is registered before it is acknowledged ([`ListenSlot`]), so from its acknowledgement on no change is
//! missed.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::{JsonObject, ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, RoleServer, ServiceError, SubscriptionContext, SubscriptionSendError, SubscriptionSink};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::core::{Core, Readiness, View};
use super::error::RequestError;
use super::limited_watch::LimitedWatch;
use super::subscription_filter::MAX_URIS;
use super::uri::Address;
use crate::notify::{ChangeTopic, Dirty, Subscription, UnjudgedChanges};

/// `resources/subscribe` where nothing would ever be delivered.
pub const NO_SESSION: RequestError =
    RequestError::NoSession { method: "resources/subscribe", instead: "use subscriptions/listen" };
/// How long one message to a client may take.
pub const SEND: Duration = Duration::from_secs(10);
/// The longest pause between two rounds of notifications to one client while something changes all the time. What changes meanwhile
/// is told in one round.
const ROUND: Duration = Duration::from_millis(250);
/// The pause for each subscriber there is: with few of them each is told at once, and however many there are, all together are told
/// four thousand times a second at most.
const SHARE: Duration = Duration::from_micros(250);
/// The shortest time between two notifications that the list changed.
const LIST: Duration = Duration::from_secs(1);

/// The subscription of one `subscriptions/listen`, from before its acknowledgement until it ends. Dropping it unregisters.
#[derive(Default)]
pub struct ListenSlot {
    registered: Mutex<Option<Registered>>,
    begun: CancellationToken,
}

impl ListenSlot {
    /// Registers what a client is about to be told that it subscribed to. Before the store is open there is nothing to register
    /// with, and nothing changes.
    pub fn register(&self, readiness: &watch::Receiver<Readiness>, view: &View, accepted: &SubscriptionFilter) {
        if let Readiness::Ready(core) = &*readiness.borrow() {
            *self.registered.lock() = Some(register(&view.core(core), accepted));
        }
    }

    /// Cancelled once the client's connection took the acknowledgement.
    #[must_use]
    pub fn begun(&self) -> &CancellationToken {
        &self.begun
    }

    /// Runs the subscription until it is cancelled, the server stops, or the client does not read.
    pub async fn listen(
        &self,
        context: &SubscriptionContext,
        readiness: &watch::Receiver<Readiness>,
        view: &View,
        stop: &CancellationToken,
    ) {
        self.begun.cancel();
        let registered = self.registered.lock().take();
        let listening = async {
            let subscription = if let Some(subscription) = registered {
                subscription
            } else {
                let Some(core) = opened(readiness, view, stop).await else { return };
                let subscription = register(&core, context.accepted());
                // The client may have read before the store could tell of a change.
                subscription.changes.mark_all();
                subscription
            };
            if resumes(&context.request_context().meta) {
                subscription.changes.mark_all();
            }
            push(&subscription, context.sink(), SEND).await;
        };
        tokio::select! {
            () = context.cancelled() => {}
            () = stop.cancelled() => {}
            () = listening => {}
        }
    }
}

/// Whether the metadata of a request says that another server was lost with this subscription, so that changes may have been missed.
#[must_use]
pub fn resumes(meta: &JsonObject) -> bool {
    meta.get("muster/resumed") == Some(&Value::Bool(true))
}

/// A registration, with what judges its changes where the subscriber does not see everything.
struct Registered {
    changes: Subscription,
    limited: Option<Arc<LimitedWatch>>,
    /// What was taken and is not judged yet: a wait that is cancelled loses nothing.
    unjudged: Mutex<UnjudgedChanges>,
}

impl Registered {
    fn new(core: &Arc<Core>, list_changed: bool, topics: Vec<(ChangeTopic, Arc<str>)>) -> Self {
        // What is read up to now comes first: what changes while it registers is told.
        let limited = LimitedWatch::begin(core).map(Arc::new);
        let changes = match &limited {
            None => core.hub.register(list_changed, topics),
            Some(_) => core.hub.register_judged(list_changed, topics),
        };
        Registered { changes, limited, unjudged: Mutex::default() }
    }

    fn add(&self, topic: ChangeTopic, uri: Arc<str>) {
        if let Some(limited) = &self.limited {
            limited.add(&uri);
        }
        self.changes.add(topic, uri);
    }

    async fn next(&self) -> Dirty {
        let Some(limited) = &self.limited else { return self.changes.next().await };
        let mut has_warned = false;
        loop {
            let waiting = self.unjudged.lock().clone();
            let unjudged = if waiting.dirty == Dirty::default() {
                let taken = self.changes.next_unjudged().await;
                self.unjudged.lock().clone_from(&taken);
                taken
            } else {
                waiting
            };
            match limited.theirs(self.changes.topics(), unjudged).await {
                Ok(theirs) => {
                    *self.unjudged.lock() = UnjudgedChanges::default();
                    if theirs != Dirty::default() {
                        self.changes.note_told();
                        return theirs;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut has_warned, true) {
                        warn!(%error, "what a subscriber may see cannot be read: it is told as soon as it can");
                    }
                    limited.rest().await;
                }
            }
        }
    }
}

fn register(core: &Arc<Core>, accepted: &SubscriptionFilter) -> Registered {
    let uris = accepted.resource_subscriptions.iter().flatten();
    let topics: Vec<(ChangeTopic, Arc<str>)> =
        uris.filter_map(|uri| Some((Address::parse(uri).ok()?.topic(), Arc::from(uri.as_str())))).collect();
    let registered = Registered::new(core, accepted.resources_list_changed == Some(true), topics);
    // Only now: who sweeps a scope sees that somebody subscribed.
    for address in accepted.resource_subscriptions.iter().flatten().filter_map(|uri| Address::parse(uri).ok()) {
        core.rouse_subscribed(&address);
    }
    registered
}

/// Where notifications go.
trait NotificationSink {
    type Error: std::fmt::Display;
    /// Whether its client is of the protocol of 2026-07-28 or later.
    const IS_MODERN: bool;

    fn updated(&self, uri: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn list_changed(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl NotificationSink for SubscriptionSink {
    type Error = SubscriptionSendError;
    const IS_MODERN: bool = true;

    async fn updated(&self, uri: &str) -> Result<(), Self::Error> {
        self.notify_resource_updated(uri).await
    }

    async fn list_changed(&self) -> Result<(), Self::Error> {
        self.notify_resource_list_changed().await
    }
}

impl NotificationSink for Peer<RoleServer> {
    type Error = ServiceError;
    const IS_MODERN: bool = false;

    async fn updated(&self, uri: &str) -> Result<(), Self::Error> {
        self.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await
    }

    async fn list_changed(&self) -> Result<(), Self::Error> {
        self.notify_resource_list_changed().await
    }
}

/// Sends changes as they happen; ends when the client is gone or takes longer than `patience` for a message.
async fn push<S: NotificationSink>(subscription: &Registered, sink: &S, patience: Duration) {
    let tally = subscription.changes.tally();
    let _present = tally.enter(S::IS_MODERN);
    let mut list_due: Option<Instant> = None;
    let mut list_sent: Option<Instant> = None;
    let mut round = Instant::now();
    loop {
        let next = async {
            sleep_until(round).await;
            subscription.next().await
        };
        let dirty = tokio::select! {
            dirty = next => Some(dirty),
            () = sleep_until(list_due.unwrap_or_else(Instant::now)), if list_due.is_some() => None,
        };
        if let Some(dirty) = dirty {
            for (before, uri) in dirty.uris.iter().enumerate() {
                if !sent(sink.updated(uri), patience).await {
                    return tally.note_dropped(dirty.uris.len() - before);
                }
                tally.note_sent(1);
            }
            if dirty.list_changed && list_due.is_none() {
                let now = Instant::now();
                list_due = Some(list_sent.map_or(now, |sent| (sent + LIST).max(now)));
            }
            round = Instant::now() + pause(subscription.changes.crowd());
        }
        if list_due.is_some_and(|due| due <= Instant::now()) {
            if !sent(sink.list_changed(), patience).await {
                return tally.note_dropped(1);
            }
            tally.note_sent(1);
            (list_due, list_sent) = (None, Some(Instant::now()));
        }
    }
}

/// The pause after a round of one of so many subscribers.
fn pause(crowd: usize) -> Duration {
    u32::try_from(crowd).map_or(ROUND, |crowd| SHARE.saturating_mul(crowd).min(ROUND))
}

async fn sent<E: std::fmt::Display>(send: impl Future<Output = Result<(), E>>, patience: Duration) -> bool {
    match timeout(patience, send).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            debug!(%error, "a subscriber left");
            false
        }
        Err(_) => {
            warn!(seconds = patience.as_secs(), "ended the subscription of a client that does not read");
            false
        }
    }
}

/// The subscriptions of one client of the older era. Dropping it ends them.
#[derive(Default)]
pub struct SessionSubscriptions {
    active: Mutex<Option<Active>>,
    /// What goes on from an earlier server as soon as the store is open.
    wanted: Mutex<HashSet<String>>,
}

struct Active {
    subscription: Arc<Registered>,
    uris: HashSet<Arc<str>>,
    _end: DropGuard,
}

impl Active {
    fn add(&mut self, address: &Address, uri: &str) {
        let uri: Arc<str> = uri.into();
        if self.uris.insert(Arc::clone(&uri)) {
            self.subscription.add(address.topic(), uri);
        }
    }
}

impl SessionSubscriptions {
    /// Starts to notify `peer` of changes: of the list at once, of resources as they are subscribed. `earlier` returns the URIs to
    /// which the client subscribed before its session was restored; anything may have changed there. A second call does nothing.
    pub fn start(
        &self,
        core: &Arc<Core>,
        peer: Peer<RoleServer>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
        earlier: impl FnOnce() -> Vec<String>,
    ) {
        let mut active = self.active.lock();
        if active.is_some() {
            return;
        }
        let subscription = Arc::new(Registered::new(core, true, Vec::new()));
        let end = stop.child_token();
        let mut begun =
            Active { subscription: Arc::clone(&subscription), uris: HashSet::new(), _end: end.clone().drop_guard() };
        for uri in earlier() {
            if let Ok(address) = Address::parse(&uri) {
                begun.add(&address, &uri);
            }
        }
        if !begun.uris.is_empty() {
            begun.subscription.changes.mark_all();
        }
        *active = Some(begun);
        drop(tasks.spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = push(&subscription, &peer, Duration::MAX) => {}
            }
        }));
    }

    /// Marks everything as changed, for a client that was away.
    pub fn mark_all(&self) {
        if let Some(active) = &*self.active.lock() {
            active.subscription.changes.mark_all();
        }
    }

    /// Marks everything as changed, for a client that may have missed notifications, if there were any.
    pub fn mark_missed(&self) {
        if let Some(active) = self.active.lock().as_ref().filter(|active| active.subscription.changes.has_told()) {
            active.subscription.changes.mark_all();
        }
    }

    /// Subscribes to a resource.
    ///
    /// # Errors
    /// When `uri` is invalid, or there are [`MAX_URIS`] subscriptions already.
    pub fn add(&self, uri: &str) -> Result<(), RequestError> {
        let address = Address::parse(uri)?;
        let mut active = self.active.lock();
        let Some(active) = active.as_mut() else { return Err(NO_SESSION) };
        if active.uris.len() >= MAX_URIS && !active.uris.contains(uri) {
            return Err(RequestError::TooManySubscriptions(MAX_URIS));
        }
        active.add(&address, uri);
        Ok(())
    }

    /// Notes a subscription that is to go on.
    pub fn want(&self, uri: &str) {
        self.wanted.lock().insert(uri.to_owned());
    }

    /// Subscribes to a resource as [`SessionSubscriptions::add`] does, if it was noted and the client has not ended it since. Returns
    /// whether that was so.
    ///
    /// # Errors
    /// As [`SessionSubscriptions::add`].
    pub fn add_wanted(&self, uri: &str) -> Result<bool, RequestError> {
        // Locked until it is added, so that an end comes before or after both.
        let mut wanted = self.wanted.lock();
        if !wanted.remove(uri) {
            return Ok(false);
        }
        self.add(uri)?;
        Ok(true)
    }

    /// Reports a resource that is subscribed to, or else the list, as changed.
    pub fn mark(&self, uri: Option<&str>) {
        if let Some(active) = self.active.lock().as_ref() {
            active.subscription.changes.mark(uri.map(Arc::from), uri.is_none());
        }
    }

    /// Ends a subscription. An unknown one is not an error.
    pub fn remove(&self, uri: &str) {
        self.wanted.lock().remove(uri);
        if let Some(active) = self.active.lock().as_mut()
            && active.uris.remove(uri)
        {
            active.subscription.changes.remove(uri);
        }
    }
}

/// Waits for the store as long as the server runs, because a client does not repeat a subscription.
pub async fn opened(
    readiness: &watch::Receiver<Readiness>,
    view: &View,
    stop: &CancellationToken,
) -> Option<Arc<Core>> {
    let mut readiness = readiness.clone();
    let ready = readiness.wait_for(|readiness| matches!(readiness, Readiness::Ready(_)));
    tokio::select! {
        ready = ready => match &*ready.ok()? {
            Readiness::Ready(core) => Some(view.core(core)),
            _ => None,
        },
        () = stop.cancelled() => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;

    use serde_json::json;
    use tokio::sync::{Semaphore, mpsc};
    use tokio::time::sleep;

    use super::*;
    use crate::ingest::Lane;
    use crate::kinds::INSTANCE;
    use crate::mcp::tests::World;
    use crate::model::fixtures::{ACCOUNT, json_document, scope};
    use crate::model::{Cause, Observation, ResourceId, Seen, Source};
    use crate::notify::ChangeHub;
    use crate::policy::{Grant, Visibility};
    use crate::store::disk::memory::{FileCall, InjectedFaults, Memory};

    /// A client that reads only while it has permits.
    struct Reader {
        reads: Semaphore,
        heard: mpsc::UnboundedSender<String>,
    }

    impl NotificationSink for Reader {
        type Error = Infallible;
        const IS_MODERN: bool = true;

        async fn updated(&self, uri: &str) -> Result<(), Infallible> {
            self.reads.acquire().await.unwrap().forget();
            self.heard.send(uri.to_owned()).unwrap();
            Ok(())
        }

        async fn list_changed(&self) -> Result<(), Infallible> {
            self.updated("list").await
        }
    }

    #[test]
    fn what_was_to_go_on_does_not_where_the_client_ends_it_before() {
        let session = SessionSubscriptions::default();
        let uri = "ec2://summary";
        session.want(uri);
        session.remove(uri);
        assert!(matches!(session.add_wanted(uri), Ok(false)));
        session.want(uri);
        assert!(session.add_wanted(uri).is_err(), "it is added, and nobody has started to notify the client");
        assert!(matches!(session.add_wanted(uri), Ok(false)), "once");
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_told_at_once_and_many_in_rounds() {
        for (crowd, rounds) in [(1, 100), (20, 100), (200, 20), (2_000, 4)] {
            let hub = ChangeHub::new(Vec::new());
            let others: Vec<Subscription> = (1..crowd).map(|_| hub.register(false, Vec::new())).collect();
            let changes = hub.register(false, vec![(ChangeTopic::Summary, "summary".into())]);
            let subscription = Registered { changes, limited: None, unjudged: Mutex::default() };
            let (heard, mut messages) = mpsc::unbounded_channel();
            let reader = Reader { reads: Semaphore::new(1_000), heard };
            let changing = async {
                for _ in 0..100 {
                    hub.mark([ChangeTopic::Summary]);
                    sleep(Duration::from_millis(10)).await;
                }
            };
            tokio::select! {
                () = push(&subscription, &reader, SEND) => {}
                () = changing => {}
            }
            let told = std::iter::from_fn(|| messages.try_recv().ok()).count();
            assert!(told.abs_diff(rounds) <= 1, "{told} rounds in a second of {crowd} subscribers");
            drop(others);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_for_a_while_ends_a_modern_subscription_and_keeps_an_older_one() {
        for (patience, is_kept) in [(SEND, false), (Duration::MAX, true)] {
            let hub = ChangeHub::new(Vec::new());
            let changes = hub.register(false, vec![(ChangeTopic::Summary, "summary".into())]);
            let subscription = Registered { changes, limited: None, unjudged: Mutex::default() };
            let (heard, mut messages) = mpsc::unbounded_channel();
            let reader = Reader { reads: Semaphore::new(0), heard };
            let reading = async {
                hub.mark([ChangeTopic::Summary]);
                sleep(SEND * 30).await;
                hub.mark([ChangeTopic::Summary]);
                reader.reads.add_permits(10);
                sleep(SEND).await;
            };
            let is_over = tokio::select! {
                () = push(&subscription, &reader, patience) => true,
                () = reading => false,
            };
            assert_eq!(is_over, !is_kept);
            let told: Vec<String> = std::iter::from_fn(|| messages.try_recv().ok()).collect();
            assert_eq!(told, if is_kept { vec!["summary"; 2] } else { Vec::new() });
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_could_not_be_judged_is_judged_again() {
        let (disk, id) = (Memory::default(), "i-0aaaaaaaaaaaaaaa1");
        let world = World::on(&disk).await;
        let limited = Arc::new(world.core.seen_by(&Visibility::of([Grant::of_accounts("own", [ACCOUNT])])));
        let uri: Arc<str> = format!("ec2://instance/{id}").into();
        let topic = ChangeTopic::Resource { kind: INSTANCE.kind(), id: id.into(), scope: None };
        let subscription = Registered::new(&limited, false, vec![(topic, Arc::clone(&uri))]);
        let document = json_document(&json!({"InstanceId": id, "State": {"Name": "running"}}));
        let seen = Observation {
            source: Source::Refresh,
            at: world.core.now(),
            id: ResourceId::new(&scope(), &INSTANCE.kind(), id),
            seen: Seen::Described(Arc::new(document)),
        };
        world.core.ingest.observe(Lane::Tools, vec![seen], Cause::Refresh).await.unwrap();
        let failed = disk.failed();
        disk.fail(Some(InjectedFaults {
            from: 0,
            to: u64::MAX,
            calls: &[FileCall::Read],
            most: failed + 1,
            kind: io::ErrorKind::Other,
        }));
        let told = timeout(Duration::from_mins(1), subscription.next()).await.unwrap();
        assert!(told.uris.contains(&uri) && disk.failed() > failed);
    }
}

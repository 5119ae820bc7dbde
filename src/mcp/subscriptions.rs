//! Notifies clients of changes to subscribed resources, in both protocol eras.
//!
//! Each subscriber has one future and no queue: the hub keeps a set of changed URIs, so a client that does not read costs only
//! that set and delays nobody. A modern subscription ends when its client takes longer than [`SEND`] for a message: the client sees
//! its stream end and listens again. The older protocol cannot report an end, so there the notification waits as long as the
//! connection lasts.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, RoleServer, ServiceError, SubscriptionContext, SubscriptionSendError, SubscriptionSink};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::core::{Core, Readiness};
use super::error::RequestError;
use super::uri::Address;
use crate::notify::{ChangeTopic, Subscription};

/// How many URIs one subscription takes. rmcp searches them one by one for each notification.
pub const MAX_URIS: usize = 1024;
/// How long one message to a client may take.
const SEND: Duration = Duration::from_secs(10);
/// The shortest time between two rounds of notifications to one client. What changes meanwhile is told in one round.
const ROUND: Duration = Duration::from_millis(250);
/// The shortest time between two notifications that the list changed.
const LIST: Duration = Duration::from_secs(1);

/// The part of a requested filter that is honoured: valid URIs, at most [`MAX_URIS`], and the list of resources. Tools and
/// prompts never change, so they cause no notifications.
#[must_use]
pub fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut accepted = SubscriptionFilter::default();
    accepted.resources_list_changed = requested.resources_list_changed.filter(|wanted| *wanted);
    let mut known = HashSet::new();
    let uris = requested.resource_subscriptions.iter().flatten();
    let uris = uris.filter(|uri| known.insert(uri.as_str()) && Address::parse(uri).is_ok()).take(MAX_URIS);
    let uris: Vec<String> = uris.cloned().collect();
    accepted.resource_subscriptions = (!uris.is_empty()).then_some(uris);
    accepted
}

/// Registers a modern subscription.
#[must_use]
pub fn register(core: &Core, accepted: &SubscriptionFilter) -> Subscription {
    let uris = accepted.resource_subscriptions.iter().flatten();
    let topics: Vec<(ChangeTopic, Arc<str>)> =
        uris.filter_map(|uri| Some((Address::parse(uri).ok()?.topic(), Arc::from(uri.as_str())))).collect();
    core.hub.register(accepted.resources_list_changed == Some(true), topics, core.now())
}

/// Registers a modern subscription that was acknowledged earlier: anything may have changed since.
#[must_use]
pub fn register_late(core: &Core, accepted: &SubscriptionFilter) -> Subscription {
    let subscription = register(core, accepted);
    let uris = accepted.resource_subscriptions.iter().flatten();
    subscription.mark(accepted.resources_list_changed == Some(true), uris.map(|uri| Arc::from(uri.as_str())));
    subscription
}

/// Serves one modern subscription until it is cancelled, the server stops, or the client does not read.
pub async fn listen(context: &SubscriptionContext, subscription: &Subscription, stop: &CancellationToken) {
    tokio::select! {
        () = context.cancelled() => {}
        () = stop.cancelled() => {}
        () = push(subscription, context.sink(), SEND) => {}
    }
}

/// Where notifications go.
trait NotificationSink {
    type Error: std::fmt::Display;

    fn updated(&self, uri: &str) -> impl Future<Output = Result<(), Self::Error>> + Send;

    fn list_changed(&self) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

impl NotificationSink for SubscriptionSink {
    type Error = SubscriptionSendError;

    async fn updated(&self, uri: &str) -> Result<(), Self::Error> {
        self.notify_resource_updated(uri).await
    }

    async fn list_changed(&self) -> Result<(), Self::Error> {
        self.notify_resource_list_changed().await
    }
}

impl NotificationSink for Peer<RoleServer> {
    type Error = ServiceError;

    async fn updated(&self, uri: &str) -> Result<(), Self::Error> {
        self.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await
    }

    async fn list_changed(&self) -> Result<(), Self::Error> {
        self.notify_resource_list_changed().await
    }
}

/// Sends changes as they happen; ends when the client is gone or takes longer than `patience` for a message.
async fn push(subscription: &Subscription, sink: &impl NotificationSink, patience: Duration) {
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
            for uri in &dirty.uris {
                if !sent(sink.updated(uri), patience).await {
                    return;
                }
            }
            if dirty.list_changed && list_due.is_none() {
                let now = Instant::now();
                list_due = Some(list_sent.map_or(now, |sent| (sent + LIST).max(now)));
            }
            round = Instant::now() + ROUND;
        }
        if list_due.is_some_and(|due| due <= Instant::now()) {
            if !sent(sink.list_changed(), patience).await {
                return;
            }
            (list_due, list_sent) = (None, Some(Instant::now()));
        }
    }
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
pub struct SessionSubscriptions(Mutex<Option<Active>>);

struct Active {
    subscription: Arc<Subscription>,
    uris: HashSet<String>,
    _end: DropGuard,
}

impl Active {
    fn add(&mut self, core: &Core, address: &Address, uri: &str) {
        if self.uris.insert(uri.to_owned()) {
            self.subscription.add(address.topic(), uri.into(), core.now());
        }
    }

    fn mark(&self) {
        self.subscription.mark(true, self.uris.iter().map(|uri| Arc::from(uri.as_str())));
    }
}

impl SessionSubscriptions {
    /// Starts to notify `peer` of changes: of the list at once, of resources as they are subscribed. `earlier` returns the URIs to
    /// which the client subscribed before its session was restored; anything may have changed there. A second call does nothing.
    pub fn start(
        &self,
        core: &Core,
        peer: Peer<RoleServer>,
        tasks: &TaskTracker,
        stop: &CancellationToken,
        earlier: impl FnOnce() -> Vec<String>,
    ) {
        let mut active = self.0.lock();
        if active.is_some() {
            return;
        }
        let subscription = Arc::new(core.hub.register(true, Vec::new(), core.now()));
        let end = stop.child_token();
        let mut begun =
            Active { subscription: Arc::clone(&subscription), uris: HashSet::new(), _end: end.clone().drop_guard() };
        for uri in earlier() {
            if let Ok(address) = Address::parse(&uri) {
                begun.add(core, &address, &uri);
            }
        }
        if !begun.uris.is_empty() {
            begun.mark();
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
        if let Some(active) = &*self.0.lock() {
            active.mark();
        }
    }

    /// Marks everything as changed, for a client that may have missed notifications, if there were any.
    pub fn mark_missed(&self) {
        if let Some(active) = self.0.lock().as_ref().filter(|active| active.subscription.has_told()) {
            active.mark();
        }
    }

    /// Subscribes to a resource.
    ///
    /// # Errors
    /// When `uri` is invalid, or there are [`MAX_URIS`] subscriptions already.
    pub fn add(&self, core: &Core, uri: &str) -> Result<(), RequestError> {
        let address = Address::parse(uri)?;
        let mut active = self.0.lock();
        let Some(active) = active.as_mut() else { return Err(RequestError::NoSession) };
        if active.uris.len() >= MAX_URIS && !active.uris.contains(uri) {
            return Err(RequestError::TooManySubscriptions(MAX_URIS));
        }
        active.add(core, &address, uri);
        Ok(())
    }

    /// Ends a subscription. An unknown one is not an error.
    pub fn remove(&self, uri: &str) {
        if let Some(active) = self.0.lock().as_mut()
            && active.uris.remove(uri)
        {
            active.subscription.remove(uri);
        }
    }
}

/// Waits for the store as long as the server runs, because a client does not repeat a subscription.
pub async fn opened(
    readiness: &tokio::sync::watch::Receiver<Readiness>,
    stop: &CancellationToken,
) -> Option<Arc<Core>> {
    let mut readiness = readiness.clone();
    let ready = readiness.wait_for(|readiness| matches!(readiness, Readiness::Ready(_)));
    tokio::select! {
        ready = ready => match &*ready.ok()? {
            Readiness::Ready(core) => Some(Arc::clone(core)),
            _ => None,
        },
        () = stop.cancelled() => None,
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::sync::{Semaphore, mpsc};
    use tokio::time::sleep;

    use super::*;
    use crate::model::fixtures::at;
    use crate::notify::ChangeHub;

    /// A client that reads only while it has permits.
    struct Reader {
        reads: Semaphore,
        heard: mpsc::UnboundedSender<String>,
    }

    impl NotificationSink for Reader {
        type Error = Infallible;

        async fn updated(&self, uri: &str) -> Result<(), Infallible> {
            self.reads.acquire().await.unwrap().forget();
            self.heard.send(uri.to_owned()).unwrap();
            Ok(())
        }

        async fn list_changed(&self) -> Result<(), Infallible> {
            self.updated("list").await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_for_a_while_ends_a_modern_subscription_and_keeps_an_older_one() {
        for (patience, is_kept) in [(SEND, false), (Duration::MAX, true)] {
            let hub = ChangeHub::new(Vec::new());
            let subscription = hub.register(false, vec![(ChangeTopic::Summary, "summary".into())], at(0));
            let (heard, mut messages) = mpsc::unbounded_channel();
            let reader = Reader { reads: Semaphore::new(0), heard };
            let reading = async {
                hub.mark([ChangeTopic::Summary], at(1));
                sleep(SEND * 30).await;
                hub.mark([ChangeTopic::Summary], at(2));
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
}

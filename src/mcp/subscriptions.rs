//! Notifies clients of changes to subscribed resources, in both protocol eras.
//!
//! Each subscriber has one future and no queue: the hub keeps a set of changed URIs, so a client that does not read costs only
//! that set and delays nobody. A subscriber that takes longer than [`SEND`] for a message is dropped. A modern client sees its
//! stream end and listens again; the older protocol cannot report it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::{JsonObject, ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, RoleServer, ServiceError, SubscriptionContext, SubscriptionSendError, SubscriptionSink};
use serde_json::Value;
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

/// Whether the metadata of a request says that another server was lost with this subscription, so that changes may have been missed.
#[must_use]
pub fn resumes(meta: &JsonObject) -> bool {
    meta.get("muster/resumed") == Some(&Value::Bool(true))
}

/// Runs one modern subscription until it is cancelled, the server stops, or the client does not read.
pub async fn listen(context: &SubscriptionContext, core: &Core, stop: &CancellationToken) {
    let accepted = context.accepted();
    let uris = accepted.resource_subscriptions.iter().flatten();
    let topics: Vec<(ChangeTopic, Arc<str>)> =
        uris.clone().filter_map(|uri| Some((Address::parse(uri).ok()?.topic(), Arc::from(uri.as_str())))).collect();
    let list = accepted.resources_list_changed == Some(true);
    let subscription = core.hub.register(list, topics, core.now());
    if resumes(&context.request_context().meta) {
        subscription.mark(uris.map(|uri| Arc::from(uri.as_str())), list);
    }
    tokio::select! {
        () = context.cancelled() => {}
        () = stop.cancelled() => {}
        () = push(&subscription, context.sink()) => {}
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

/// Sends changes as they happen; ends when the client is gone or does not read.
async fn push(subscription: &Subscription, sink: &impl NotificationSink) {
    let mut list_due: Option<Instant> = None;
    let mut list_sent: Option<Instant> = None;
    loop {
        let dirty = tokio::select! {
            dirty = subscription.next() => Some(dirty),
            () = sleep_until(list_due.unwrap_or_else(Instant::now)), if list_due.is_some() => None,
        };
        if let Some(dirty) = dirty {
            for uri in &dirty.uris {
                if !sent(sink.updated(uri)).await {
                    return;
                }
            }
            if dirty.list_changed && list_due.is_none() {
                let now = Instant::now();
                list_due = Some(list_sent.map_or(now, |sent| (sent + LIST).max(now)));
            }
        }
        if list_due.is_some_and(|due| due <= Instant::now()) {
            if !sent(sink.list_changed()).await {
                return;
            }
            (list_due, list_sent) = (None, Some(Instant::now()));
        }
    }
}

async fn sent<E: std::fmt::Display>(send: impl Future<Output = Result<(), E>>) -> bool {
    match timeout(SEND, send).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            debug!(%error, "a subscriber left");
            false
        }
        Err(_) => {
            warn!(seconds = SEND.as_secs(), "dropped a subscriber that does not read");
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

impl SessionSubscriptions {
    /// Starts to notify `peer` of changes: of the list at once, of resources as they are subscribed. A second call does nothing.
    pub fn start(&self, core: &Core, peer: Peer<RoleServer>, tasks: &TaskTracker, stop: &CancellationToken) {
        let mut active = self.0.lock();
        if active.is_some() {
            return;
        }
        let subscription = Arc::new(core.hub.register(true, Vec::new(), core.now()));
        let end = stop.child_token();
        *active = Some(Active {
            subscription: Arc::clone(&subscription),
            uris: HashSet::new(),
            _end: end.clone().drop_guard(),
        });
        drop(tasks.spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = push(&subscription, &peer) => {}
            }
        }));
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
        if active.uris.insert(uri.to_owned()) {
            active.subscription.add(address.topic(), uri.into(), core.now());
        }
        Ok(())
    }

    /// Reports a resource that is subscribed to, or else the list, as changed.
    pub fn mark(&self, uri: Option<&str>) {
        if let Some(active) = self.0.lock().as_ref() {
            active.subscription.mark(uri.map(Arc::from), uri.is_none());
        }
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

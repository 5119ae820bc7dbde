//! What accounts share: the configurations with whose credentials their roles are assumed, and connections.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::config::SharedHttpClient;
use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::aws::account_plan::RolePlan;

/// The sources that are kept; the one that was loaded first goes first.
const KEPT: usize = 64;

/// The configurations with whose credentials roles are assumed: a hundred accounts whose roles one profile assumes, or one role in
/// the middle, load its credentials once. Clones share them.
pub(in crate::aws) struct RoleSources<T> {
    sources: Arc<Mutex<Vec<RoleSource<T>>>>,
    /// One pool of connections for each bundle of certificate authorities.
    connections: Arc<parking_lot::Mutex<Vec<Connection>>>,
}

/// The certificates that are trusted instead of the system's, and the pool of connections.
type Connection = (Option<Arc<str>>, SharedHttpClient);

/// A loaded configuration.
struct RoleSource<T> {
    key: String,
    roles: Vec<RolePlan>,
    loaded: Instant,
    configuration: Arc<T>,
}

impl<T> Clone for RoleSources<T> {
    fn clone(&self) -> Self {
        RoleSources { sources: Arc::clone(&self.sources), connections: Arc::clone(&self.connections) }
    }
}

impl<T> Default for RoleSources<T> {
    fn default() -> Self {
        RoleSources { sources: Arc::default(), connections: Arc::default() }
    }
}

impl<T> fmt::Debug for RoleSources<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleSources").finish_non_exhaustive()
    }
}

impl<T> RoleSources<T> {
    /// The configuration of `key` after these `roles`; with an `age`, it was loaded no longer than that ago. `load` makes that of
    /// the key, or the one that assumes a role as the one before it may.
    pub(super) async fn of<'l>(
        &self,
        key: &str,
        roles: &[RolePlan],
        age: Option<Duration>,
        load: impl Fn(Option<(Arc<T>, RolePlan)>) -> BoxFuture<'l, T>,
    ) -> Arc<T> {
        // Held meanwhile, so that whoever needs the same waits for it instead of loading it again.
        let mut sources = self.sources.lock().await;
        sources.retain(|source| age.is_none_or(|age| source.loaded.elapsed() <= age));
        let mut found: Option<Arc<T>> = None;
        let mut number = 0;
        loop {
            let part = roles.get(..number).unwrap_or(roles);
            let is_it = |source: &&RoleSource<T>| source.key == key && source.roles == part;
            let configuration = if let Some(known) = sources.iter().find(is_it) {
                Arc::clone(&known.configuration)
            } else {
                let configuration = Arc::new(load(found.take().zip(part.last().cloned())).await);
                let (key, roles) = (key.to_owned(), part.to_vec());
                let (loaded, configuration) = (Instant::now(), configuration);
                sources.push(RoleSource { key, roles, loaded, configuration: Arc::clone(&configuration) });
                configuration
            };
            if number >= roles.len() {
                let over = sources.len().saturating_sub(KEPT);
                sources.drain(..over);
                return configuration;
            }
            found = Some(configuration);
            number += 1;
        }
    }

    /// Forgets all configurations: they are loaded again for whoever needs them next.
    pub(super) async fn forget(&self) {
        self.sources.lock().await.clear();
    }

    /// The pool of connections for a bundle, which `connect` makes where there is none.
    pub(super) fn connection(
        &self,
        bundle: Option<&str>,
        connect: impl FnOnce() -> SharedHttpClient,
    ) -> SharedHttpClient {
        let mut connections = self.connections.lock();
        if let Some((_, known)) = connections.iter().find(|(known, _)| known.as_deref() == bundle) {
            return known.clone();
        }
        let connection = connect();
        connections.push((bundle.map(Arc::from), connection.clone()));
        connection
    }
}

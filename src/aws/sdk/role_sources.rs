//! The configurations with whose credentials the accounts' roles are assumed, and the connections that all accounts share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::config::SharedHttpClient;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::Sdk;
use crate::aws::account_plan::RolePlan;
use crate::aws::clock::AwsClock;
use crate::aws::settings::{AwsSettings, Purpose, Regions};

/// The sources that are kept; the one that was loaded first goes first.
const KEPT: usize = 64;

/// The configurations with whose credentials roles are assumed: a hundred accounts whose roles one profile assumes, or one role in
/// the middle, load its credentials once. Clones share them.
#[derive(Clone, Default)]
pub struct RoleSources {
    sources: Arc<Mutex<Vec<Source>>>,
    /// One pool of connections for each bundle of certificate authorities.
    connections: Arc<parking_lot::Mutex<Vec<Connection>>>,
}

/// The certificates that are trusted instead of the system's, and the pool of connections.
type Connection = (Option<Arc<str>>, SharedHttpClient);

/// A loaded configuration.
struct Source {
    profile: Option<String>,
    roles: Vec<RolePlan>,
    loaded: Instant,
    sdk: Arc<Sdk>,
}

impl fmt::Debug for RoleSources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RoleSources").finish_non_exhaustive()
    }
}

impl RoleSources {
    /// The configuration of the profile of `settings` after these `roles`; with an `age`, it was loaded no longer than that ago.
    pub(super) async fn of(
        &self,
        settings: &AwsSettings,
        roles: &[RolePlan],
        age: Option<Duration>,
        clock: &Arc<AwsClock>,
    ) -> Arc<Sdk> {
        // Held meanwhile, so that whoever needs the same waits for it instead of loading it again.
        let mut sources = self.sources.lock().await;
        sources.retain(|source| age.is_none_or(|age| source.loaded.elapsed() <= age));
        let mut found = source(&mut sources, settings, &[], clock, None).await;
        for number in 1..=roles.len() {
            let part = roles.get(..number).unwrap_or(roles);
            found = source(&mut sources, settings, part, clock, Some(&found)).await;
        }
        let over = sources.len().saturating_sub(KEPT);
        sources.drain(..over);
        found
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

/// The configuration after `roles`: the known one, or else the one that assumes the last of them as `before` may.
async fn source(
    sources: &mut Vec<Source>,
    settings: &AwsSettings,
    roles: &[RolePlan],
    clock: &Arc<AwsClock>,
    before: Option<&Sdk>,
) -> Arc<Sdk> {
    let is_it = |source: &&Source| source.profile == settings.profile && source.roles == roles;
    if let Some(known) = sources.iter().find(is_it) {
        return Arc::clone(&known.sdk);
    }
    let sdk = if let (Some(before), Some(role)) = (before, roles.last()) {
        before.assuming(role, &settings.regions, false)
    } else {
        let regions = Regions::Named(settings.regions.home().cloned().into_iter().collect());
        let own = AwsSettings { purpose: Purpose::Source, roles: Vec::new(), regions, ..settings.clone() };
        Box::pin(Sdk::load(&own, clock)).await
    };
    let sdk = Arc::new(sdk);
    let (profile, roles) = (settings.profile.clone(), roles.to_vec());
    sources.push(Source { profile, roles, loaded: Instant::now(), sdk: Arc::clone(&sdk) });
    sdk
}

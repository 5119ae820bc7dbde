//! Fetches the keys of an issuer, and keeps the last ones while it is down.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::key_age::KeyAge;
use super::key_set::{KeyMark, KeySet};
use super::public_url::may_lead;

/// How long whoever brings an unknown key waits for the keys to be fetched.
const WAITED: Duration = Duration::from_secs(8);

/// Fetches a document.
pub trait DocumentFetch: Send + Sync + fmt::Debug {
    /// The body of the answer to a GET of `url`, within bounds of its length and of time. The error says why there is none.
    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>>;
}

/// The keys of an issuer.
pub(super) struct KeySource {
    issuer: String,
    jwks_uri: Option<String>,
    fetch: Arc<dyn DocumentFetch>,
    state: watch::Sender<IssuerKeys>,
    wanted: Notify,
}

#[derive(Clone, Debug, Default)]
struct IssuerKeys {
    keys: Option<Arc<KeySet>>,
    age: KeyAge,
    is_fetching: bool,
    /// How often keys have come.
    revision: u64,
    /// Why none came the last time.
    fault: Option<String>,
}

/// Why there is no key for a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyFault {
    /// The issuer has no such key.
    Unknown,
    /// No keys could be fetched yet, for this reason.
    Unavailable(String),
}

#[derive(Deserialize)]
struct IssuerMetadata {
    issuer: String,
    jwks_uri: String,
}

impl KeySource {
    /// The keys of an issuer. Somebody has to [`attend`](Self::attend) to them.
    pub(super) fn new(issuer: &str, jwks_uri: Option<String>, fetch: Arc<dyn DocumentFetch>) -> Self {
        let state = watch::Sender::new(IssuerKeys::default());
        KeySource { issuer: issuer.to_owned(), jwks_uri, fetch, state, wanted: Notify::new() }
    }

    /// How often keys have come: what was judged by other keys has to be judged again.
    pub(super) fn revision(&self) -> u64 {
        self.state.borrow().revision
    }

    /// Whether these are the keys of an issuer that has them at `jwks_uri`, or where its metadata says.
    pub(super) fn is_of(&self, issuer: &str, jwks_uri: Option<&str>) -> bool {
        self.issuer == issuer && self.jwks_uri.as_deref() == jwks_uri
    }

    /// Whether the issuer still has a key.
    pub(super) fn has(&self, mark: KeyMark) -> bool {
        self.state.borrow().keys.as_ref().is_some_and(|keys| keys.has(mark))
    }

    /// Calls `told` now, and whenever keys have come. Never ends.
    pub(super) async fn each_time(&self, told: impl Fn()) {
        let mut changes = self.state.subscribe();
        loop {
            changes.borrow_and_update();
            told();
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The key of a name for an algorithm, with its mark and its [`revision`](Self::revision). A key that is not known makes the keys be
    /// fetched, if that is allowed again.
    pub(super) async fn get(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<(Arc<DecodingKey>, KeyMark, u64), KeyFault> {
        let mut changes = self.state.subscribe();
        let find = |state: &IssuerKeys| {
            let key = state.keys.as_ref().and_then(|keys| keys.find(kid, algorithm));
            key.map(|(key, mark)| (key, mark, state.revision))
        };
        {
            let state = changes.borrow_and_update();
            if let Some(key) = find(&state) {
                return Ok(key);
            }
            if !state.is_fetching && !state.age.may_fetch(Instant::now()) {
                return Err(fault(&state));
            }
        }
        self.wanted.notify_one();
        let settled = async {
            while changes.changed().await.is_ok() {
                let state = changes.borrow_and_update();
                if !state.is_fetching {
                    break;
                }
            }
        };
        // Whoever fetches goes on without those who wait.
        drop(timeout(WAITED, settled).await);
        let state = self.state.borrow();
        find(&state).ok_or_else(|| fault(&state))
    }

    /// Fetches the keys when they are due, and when one is wanted that is not known. Never ends.
    pub(super) async fn attend(&self) {
        if self.state.borrow().is_fetching {
            // Whoever attended before was interrupted.
            self.renew().await;
        }
        loop {
            let age = self.state.borrow().age;
            if let Some(due) = age.due() {
                tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.wanted.notified() => {
                        if !self.state.borrow().age.may_fetch(Instant::now()) {
                            continue;
                        }
                    }
                }
            }
            self.renew().await;
        }
    }

    async fn renew(&self) {
        self.state.send_modify(|state| {
            state.age = state.age.tried(Instant::now());
            state.is_fetching = true;
        });
        let fetched = self.fetched().await;
        let issuer = &self.issuer;
        self.state.send_modify(|state| {
            state.is_fetching = false;
            match fetched {
                Ok(keys) => {
                    tracing::debug!(issuer, "the keys of the issuer were fetched");
                    state.keys = Some(Arc::new(keys));
                    state.age = state.age.fetched(Instant::now());
                    state.revision += 1;
                    state.fault = None;
                }
                Err(why) => {
                    if state.fault.as_ref() != Some(&why) {
                        let kept = state.keys.is_some();
                        tracing::warn!(issuer, why, kept, "the keys of the issuer cannot be fetched");
                    }
                    state.fault = Some(why);
                }
            }
        });
    }

    async fn fetched(&self) -> Result<KeySet, String> {
        let url = match &self.jwks_uri {
            Some(url) => url.clone(),
            None => self.discovered().await?,
        };
        let bytes = self.fetch.fetch(&url).await?;
        KeySet::read(&bytes).ok_or_else(|| format!("{url} is no set of keys that can be used"))
    }

    /// Where the metadata of the issuer says that its keys are.
    async fn discovered(&self) -> Result<String, String> {
        let mut failures = Vec::new();
        for url in metadata_urls(&self.issuer) {
            let read = match self.fetch.fetch(&url).await {
                Ok(bytes) => serde_json::from_slice::<IssuerMetadata>(&bytes)
                    .map_err(|_| format!("{url} is no metadata of an issuer")),
                Err(why) => Err(why),
            };
            match read {
                // Somebody else's metadata would bring somebody else's keys.
                Ok(metadata) if metadata.issuer != self.issuer => {
                    failures.push(format!("{url} is of another issuer"));
                }
                Ok(metadata) if !may_lead(&self.issuer, &metadata.jwks_uri) => {
                    failures.push(format!("{url} names keys that are not at an https URL of another machine"));
                }
                Ok(metadata) => return Ok(metadata.jwks_uri),
                Err(why) => failures.push(why),
            }
        }
        Err(failures.join("; "))
    }
}

fn fault(state: &IssuerKeys) -> KeyFault {
    match (&state.keys, &state.fault) {
        (Some(_), _) => KeyFault::Unknown,
        (None, why) => KeyFault::Unavailable(why.clone().unwrap_or_else(|| "they are still being fetched".to_owned())),
    }
}

/// Where an issuer may have its metadata: as `OpenID` Connect says, and as RFC 8414 says.
fn metadata_urls(issuer: &str) -> Vec<String> {
    let issuer = issuer.trim_end_matches('/');
    let mut urls = vec![format!("{issuer}/.well-known/openid-configuration")];
    if let Some((scheme, place)) = issuer.split_once("://") {
        let (host, path) =
            place.split_once('/').map_or((place, String::new()), |(host, path)| (host, format!("/{path}")));
        urls.push(format!("{scheme}://{host}/.well-known/oauth-authorization-server{path}"));
    }
    urls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_looked_for_in_both_places() {
        assert_eq!(
            metadata_urls("https://id.example.com/realms/a"),
            [
                "https://id.example.com/realms/a/.well-known/openid-configuration",
                "https://id.example.com/.well-known/oauth-authorization-server/realms/a",
            ]
        );
        assert_eq!(
            metadata_urls("https://id.example.com/"),
            [
                "https://id.example.com/.well-known/openid-configuration",
                "https://id.example.com/.well-known/oauth-authorization-server",
            ]
        );
    }
}

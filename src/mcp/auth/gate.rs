//! Decides who is let in over HTTP.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::http::HeaderMap;
use futures::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::access_token::AccessToken;
use super::bearer::{BearerFault, BearerToken};
use super::caller::KnownCaller;
use super::held_tokens::HeldTokens;
use super::issuer_desk::IssuerDesk;
use super::issuer_plan::IssuerPlan;
use super::key_source::{DocumentFetch, KeySource};
use super::public_url::PublicUrl;
use super::refusal::{AuthRefusal, AuthWays};
use super::token_book::TokenBook;
use crate::model::SharedClock;
use crate::policy::GrantBook;

/// Decides who is let in. Clones share everything.
#[derive(Clone)]
pub struct AccessGate(Arc<GateState>);

struct GateState {
    public_url: Option<PublicUrl>,
    fetch: Arc<dyn DocumentFetch>,
    clock: SharedClock,
    rules: ArcSwap<GateRules>,
    /// Held while the rules are replaced.
    turn: Mutex<()>,
    changes: watch::Sender<()>,
}

/// Whom to let in, as files say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRules {
    /// The tokens of the server itself; `None` where there is no file for them.
    pub tokens: Option<TokenBook>,
    /// The issuers whose access tokens are accepted.
    pub issuers: Vec<IssuerPlan>,
    /// The grants to which both refer.
    pub grants: GrantBook,
}

#[derive(Default)]
struct GateRules {
    given: AccessRules,
    tokens: HeldTokens,
    issuers: Vec<Arc<IssuerDesk>>,
}

impl AccessGate {
    /// A gate by these rules. Somebody has to [`attend`](Self::attend) to it.
    #[must_use]
    pub fn new(
        rules: AccessRules,
        public_url: Option<PublicUrl>,
        fetch: Arc<dyn DocumentFetch>,
        clock: SharedClock,
    ) -> Self {
        let state = GateState {
            public_url,
            fetch,
            clock,
            rules: ArcSwap::default(),
            turn: Mutex::new(()),
            changes: watch::Sender::new(()),
        };
        let gate = AccessGate(Arc::new(state));
        gate.set(rules);
        gate
    }

    /// The rules that it goes by.
    #[must_use]
    pub fn rules(&self) -> AccessRules {
        self.0.rules.load().given.clone()
    }

    /// Goes by other rules from now on. Whoever was let in, and would not be let in any more or could see or change something else, is
    /// over.
    pub fn set(&self, rules: AccessRules) {
        let _turn = self.0.turn.lock();
        let before = self.0.rules.load_full();
        let book = rules.tokens.clone().unwrap_or_default();
        let tokens = HeldTokens::renewed(&before.tokens, &book, &rules.grants);
        let issuers = rules.issuers.iter().map(|plan| {
            let same = before.issuers.iter().find(|desk| desk.judges_by(plan, &rules.grants)).map(Arc::clone);
            same.unwrap_or_else(|| {
                let keys = self.keys(plan, &before.issuers);
                Arc::new(IssuerDesk::new(plan.clone(), rules.grants.clone(), keys))
            })
        });
        let issuers: Vec<Arc<IssuerDesk>> = issuers.collect();
        self.0.rules.store(Arc::new(GateRules { given: rules, tokens, issuers: issuers.clone() }));
        for desk in &before.issuers {
            if !issuers.iter().any(|other| Arc::ptr_eq(other, desk)) {
                desk.revoke();
            }
        }
        self.0.changes.send_replace(());
    }

    /// The keys of an issuer: those that one of these desks has already, since without any nobody could be let in until they are fetched.
    fn keys(&self, plan: &IssuerPlan, desks: &[Arc<IssuerDesk>]) -> Arc<KeySource> {
        let mut held = desks.iter().map(|desk| desk.keys());
        let same = held.find(|keys| keys.is_of(&plan.issuer, plan.jwks_uri.as_deref()));
        let new = || KeySource::new(&plan.issuer, plan.jwks_uri.clone(), Arc::clone(&self.0.fetch));
        same.map_or_else(|| Arc::new(new()), Arc::clone)
    }

    /// How many tokens of the server itself there are.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.0.rules.load().tokens.len()
    }

    /// Changes whenever the rules do.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.0.changes.subscribe()
    }

    /// The URL at which clients reach the server, if it was given. It does not change.
    #[must_use]
    pub fn public_url(&self) -> Option<&PublicUrl> {
        self.0.public_url.as_ref()
    }

    /// Its clock.
    #[must_use]
    pub fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    /// Fetches the keys of issuers when they are due. Never ends.
    pub async fn attend(&self) {
        let mut news = self.changes();
        loop {
            news.borrow_and_update();
            let issuers = self.0.rules.load().issuers.clone();
            let attending = async {
                join_all(issuers.iter().map(|desk| desk.attend())).await;
                // Without issuers there is nothing to do.
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = attending => {}
                told = news.changed() => {
                    if told.is_err() {
                        return;
                    }
                }
            }
        }
    }

    /// Lets whoever makes a request with these headers in.
    ///
    /// # Errors
    /// [`AuthRefusal`].
    pub async fn admit(&self, headers: &HeaderMap) -> Result<Arc<KnownCaller>, AuthRefusal> {
        let token = BearerToken::of(headers).map_err(|fault| match fault {
            BearerFault::Missing => AuthRefusal::Missing,
            BearerFault::Malformed(why) => AuthRefusal::Invalid(why.to_owned()),
        })?;
        let (rules, now, hash) = (self.0.rules.load_full(), self.0.clock.now(), token.hash());
        if let Some(caller) = rules.tokens.find(&hash) {
            return match caller.grantee().ends {
                Some(ends) if caller.is_over(now) => Err(AuthRefusal::Invalid(format!("it ended at {ends}"))),
                _ => Ok(Arc::clone(caller)),
            };
        }
        if rules.issuers.is_empty() || !AccessToken::is_like(&token) {
            return Err(AuthRefusal::Invalid("it is not known here, or was revoked".to_owned()));
        }
        let token = AccessToken::read(&token).map_err(|fault| AuthRefusal::Invalid(fault.to_string()))?;
        let desk = rules.issuers.iter().find(|desk| desk.plan().issuer == token.issuer);
        match desk {
            Some(desk) => desk.admit(&token, hash, now).await,
            None => Err(AuthRefusal::Invalid("it is of an issuer that is not trusted here".to_owned())),
        }
    }

    /// What a client can do to be let in, at a server that it reaches by `host`.
    #[must_use]
    pub fn ways(&self, host: &PublicUrl) -> AuthWays {
        let rules = self.0.rules.load();
        let url = self.0.public_url.as_ref().unwrap_or(host);
        AuthWays {
            has_tokens: rules.given.tokens.is_some(),
            metadata: (!rules.issuers.is_empty()).then(|| url.metadata()),
            scopes: scopes(&rules.given.issuers),
        }
    }

    /// The metadata of the server as a protected resource (RFC 9728); `None` where it trusts no issuer.
    #[must_use]
    pub fn metadata(&self, host: &PublicUrl) -> Option<Value> {
        let rules = self.0.rules.load();
        let issuers: Vec<&str> = rules.given.issuers.iter().map(|plan| plan.issuer.as_str()).collect();
        if issuers.is_empty() {
            return None;
        }
        let mut metadata = json!({
            "resource": self.0.public_url.as_ref().unwrap_or(host).to_string(),
            "authorization_servers": issuers,
            "bearer_methods_supported": ["header"],
            "resource_name": "Muster",
        });
        let scopes = scopes(&rules.given.issuers);
        if let (Value::Object(metadata), false) = (&mut metadata, scopes.is_empty()) {
            metadata.insert("scopes_supported".to_owned(), json!(scopes));
        }
        Some(metadata)
    }
}

/// The scopes that issuers must give.
fn scopes(issuers: &[IssuerPlan]) -> Vec<String> {
    let mut scopes: Vec<String> = issuers.iter().flat_map(|plan| plan.scopes.iter().cloned()).collect();
    scopes.sort_unstable();
    scopes.dedup();
    scopes
}

impl fmt::Debug for AccessGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessGate").field("tokens", &self.tokens()).finish_non_exhaustive()
    }
}

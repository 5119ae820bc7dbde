//! An issuer whose keys are made here, and the gate that judges its tokens.

mod attacks;
mod keys;
mod vendors;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use ring::rand::SystemRandom;
use ring::rsa::PublicKeyComponents;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};

use super::caller::KnownCaller;
use super::gate::{AccessGate, AccessRules};
use super::issuer_plan::IssuerPlan;
use super::key_source::DocumentFetch;
use super::refusal::AuthRefusal;
use crate::model::{Clock, Timestamp};
use crate::policy::{Grant, GrantBook};

/// The issuer of the tests.
pub(in crate::mcp) const ISSUER: &str = "https://id.example.com/realms/team";
/// The server that its tokens are for.
pub(in crate::mcp) const AUDIENCE: &str = "https://muster.example.com/mcp";
/// When the tests take place, in seconds.
pub(in crate::mcp) const NOW: i64 = 1_796_000_000;

const RSA: &[u8] = include_bytes!("../../../tests/fixtures/issuer/rsa.der");

/// A clock that a test sets.
pub(in crate::mcp) struct SetClock(AtomicI64);

impl SetClock {
    pub(in crate::mcp) fn set(&self, seconds: i64) {
        self.0.store(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A key of an issuer.
pub(in crate::mcp) enum TestKey {
    Rsa(Box<RsaKeyPair>),
    Curve(Box<EcdsaKeyPair>),
}

impl TestKey {
    pub(in crate::mcp) fn rsa() -> Self {
        TestKey::Rsa(Box::new(RsaKeyPair::from_pkcs8(RSA).unwrap()))
    }

    pub(in crate::mcp) fn curve() -> Self {
        let random = SystemRandom::new();
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, made.as_ref(), &random).unwrap();
        TestKey::Curve(Box::new(key))
    }

    pub(in crate::mcp) fn algorithm(&self) -> &'static str {
        match self {
            TestKey::Rsa(_) => "RS256",
            TestKey::Curve(_) => "ES256",
        }
    }

    /// The key as a key set lists it.
    pub(in crate::mcp) fn public(&self, kid: &str) -> Value {
        match self {
            TestKey::Rsa(key) => {
                let PublicKeyComponents::<Vec<u8>> { n, e } = key.public().into();
                json!({"kty": "RSA", "use": "sig", "kid": kid, "n": encoded(&n), "e": encoded(&e)})
            }
            TestKey::Curve(key) => {
                let point = key.public_key().as_ref();
                json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": encoded(&point[1..33]), "y": encoded(&point[33..])})
            }
        }
    }

    /// A signed token.
    pub(in crate::mcp) fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let random = SystemRandom::new();
        let signature = match self {
            TestKey::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).unwrap();
                signature
            }
            TestKey::Curve(key) => key.sign(&random, message.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{message}.{}", encoded(signature))
    }

    /// An access token as RFC 9068 says, with these claims over the usual ones.
    pub(in crate::mcp) fn token(&self, kid: &str, more: &Value) -> String {
        let header = json!({"typ": "at+jwt", "alg": self.algorithm(), "kid": kid});
        self.sign(&header, &claims(more))
    }
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The claims of an access token, with `more` over them. What is null there is left out.
fn claims(more: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "editor", "scope": "muster.read", "iat": NOW, "exp": NOW + 600,
        "jti": "1",
    });
    let all = claims.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    all.retain(|_, value| !value.is_null());
    claims
}

/// The documents of issuers, by their URLs.
#[derive(Debug, Default)]
pub(in crate::mcp) struct Documents {
    held: Mutex<HashMap<String, String>>,
    fetched: Mutex<Vec<String>>,
}

impl Documents {
    pub(in crate::mcp) fn put(&self, url: &str, document: &Value) {
        self.held.lock().insert(url.to_owned(), document.to_string());
    }

    /// The issuer is down.
    fn clear(&self) {
        self.held.lock().clear();
    }

    fn fetched(&self) -> usize {
        self.fetched.lock().len()
    }
}

impl DocumentFetch for Documents {
    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        self.fetched.lock().push(url.to_owned());
        let held = self.held.lock().get(url).map(|text| text.clone().into_bytes());
        async move { held.ok_or_else(|| format!("{url} does not answer")) }.boxed()
    }
}

/// A gate, and what it is by.
pub(in crate::mcp) struct Yard {
    pub(in crate::mcp) gate: AccessGate,
    pub(in crate::mcp) clock: Arc<SetClock>,
    pub(in crate::mcp) documents: Arc<Documents>,
}

/// Where the keys of the test's issuer are.
pub(in crate::mcp) const KEYS: &str = "https://id.example.com/keys";

/// The issuer of the tests: every one of its tokens has the grant `all`.
pub(in crate::mcp) fn plan() -> IssuerPlan {
    IssuerPlan {
        jwks_uri: Some(KEYS.to_owned()),
        audiences: [AUDIENCE.to_owned()].into(),
        grants: BTreeMap::from([("*".to_owned(), ["all".to_owned()].into())]),
        ..IssuerPlan::of(ISSUER)
    }
}

impl Yard {
    /// A gate that trusts these issuers, and no tokens of its own.
    pub(in crate::mcp) fn of(issuers: Vec<IssuerPlan>) -> Yard {
        let names = ["all", "payments", "search"];
        let grants = names.map(|name| Grant { name: name.into(), writes: name == "all", ..Grant::default() });
        let rules = AccessRules { tokens: None, issuers, grants: GrantBook::new(grants.into()) };
        let (clock, documents) = (Arc::new(SetClock(AtomicI64::new(NOW * 1000))), Arc::new(Documents::default()));
        let gate = AccessGate::new(rules, None, Arc::clone(&documents) as _, Arc::clone(&clock) as _);
        Yard { gate, clock, documents }
    }

    /// A gate for the issuer of the tests, which has these keys.
    pub(in crate::mcp) fn with_keys(keys: &[Value]) -> Yard {
        let yard = Yard::of(vec![plan()]);
        yard.documents.put(KEYS, &json!({"keys": keys}));
        yard
    }

    pub(in crate::mcp) async fn admit(&self, token: &str) -> Result<Arc<KnownCaller>, AuthRefusal> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
        self.gate.admit(&headers).await
    }

    /// Why a token is refused.
    async fn refused(&self, token: &str) -> String {
        match self.admit(token).await {
            Err(refusal @ AuthRefusal::Invalid(_)) => {
                assert_eq!(refusal.status(), 401);
                let AuthRefusal::Invalid(why) = refusal else { unreachable!() };
                why
            }
            other => panic!("{other:?}"),
        }
    }

    /// Does something while the gate is attended to.
    pub(in crate::mcp) async fn during<T>(&self, doing: impl Future<Output = T>) -> T {
        tokio::select! {
            () = self.gate.attend() => panic!("nobody attends to the gate"),
            done = doing => done,
        }
    }
}

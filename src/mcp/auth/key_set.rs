//! The keys of an issuer.

use std::sync::Arc;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use serde_json::Value;

use super::issuer_plan::IssuerPlan;

/// How many keys are kept. Issuers have two to ten.
const MOST: usize = 256;

/// The parts of a key that make it another one. Its name is not among them: an issuer may give that to the next key.
const PARTS: [&str; 6] = ["kty", "n", "e", "crv", "x", "y"];

/// What tells a key from all others: a digest of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyMark([u8; 32]);

/// The keys with which an issuer signs, as its key set lists them.
#[derive(Clone, Debug, Default)]
pub(super) struct KeySet {
    keys: Vec<IssuerKey>,
}

#[derive(Clone, Debug)]
struct IssuerKey {
    kid: Option<String>,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    key: Arc<DecodingKey>,
    mark: KeyMark,
}

#[derive(Deserialize)]
struct WrittenSet {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a key set. Keys that are for something else than signatures, or of an unknown kind, are left out. `None` where it is no
    /// key set, or has no key that could be used.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let WrittenSet { keys } = serde_json::from_slice(bytes).ok()?;
        let keys: Vec<IssuerKey> = keys.into_iter().filter_map(key).take(MOST).collect();
        (!keys.is_empty()).then_some(KeySet { keys })
    }

    /// Whether it lists a key, under whatever name.
    pub(super) fn has(&self, mark: KeyMark) -> bool {
        self.keys.iter().any(|key| key.mark == mark)
    }

    /// The key of a name for an algorithm. A token that names no key is checked with the only one for its algorithm, if there is one.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<(Arc<DecodingKey>, KeyMark)> {
        let fits = |key: &&IssuerKey| {
            key.key.family() == algorithm.family() && key.algorithm.is_none_or(|only| only == algorithm)
        };
        let of_name = |key: &&IssuerKey| kid.is_none() || key.kid.as_deref() == kid;
        let mut found = self.keys.iter().filter(fits).filter(of_name);
        let first = found.next()?;
        let is_clear = kid.is_some() || found.next().is_none();
        is_clear.then(|| (Arc::clone(&first.key), first.mark))
    }
}

fn key(value: Value) -> Option<IssuerKey> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_for_signatures = text("use").is_none_or(|purpose| purpose == "sig");
    let verifies = value
        .get("key_ops")
        .and_then(Value::as_array)
        .is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    let (kid, named) = (text("kid"), text("alg"));
    // A key for an algorithm that is not known here is for no token that could be accepted.
    let algorithm = match named {
        Some(named) => Some(IssuerPlan::algorithm(&named)?),
        None => None,
    };
    if !is_for_signatures || !verifies || value.get("kty").and_then(Value::as_str) == Some("oct") {
        return None;
    }
    let mark = mark(&value);
    let jwk: Jwk = serde_json::from_value(value).ok()?;
    Some(IssuerKey { kid, algorithm, key: Arc::new(DecodingKey::from_jwk(&jwk).ok()?), mark })
}

fn mark(key: &Value) -> KeyMark {
    let mut bytes = Vec::new();
    for part in PARTS {
        let part = key.get(part).and_then(Value::as_str).unwrap_or_default();
        bytes.extend_from_slice(&part.len().to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    let mut mark = [0; 32];
    mark.iter_mut().zip(digest(&SHA256, &bytes).as_ref()).for_each(|(to, from)| *to = *from);
    KeyMark(mark)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rsa(more: &Value) -> Value {
        let mut key = json!({"kty": "RSA", "n": "sXchDaQebHnPiGvyDOAT4saGEUetSyo9MKLOoWFsueri23bOdgWp4Dy1WlUzewbgBHod5pcM9H95GQRV3JDXboIRROSBigeC5yjU1hGzHHyXss8UDprecbAYxknTcQkhslANGRUZmdTOQ5qTRsLAt6BTYuyvVRdhS8exSZEy_c4gs_7svlJJQ4H9_NxsiIoLwAEk7-Q3UXERGYw_75IDrGA84-lA_-Ct4eTlXHBIY2EaV7t7LjJaynVJCpkv4LKjTTAumiGUIuQhrNhZLuF_RJLqHpM2kgWFLU7-VTdL1VbC2tejvcI2BlMkEpk1BzBZI0KQB0GaDWFLN-aEAw3vRw", "e": "AQAB"});
        key.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        key
    }

    fn set(keys: &[Value]) -> Option<KeySet> {
        KeySet::read(json!({"keys": keys}).to_string().as_bytes())
    }

    #[test]
    fn a_key_is_found_by_its_name_and_only_for_its_algorithms() {
        let keys = set(&[
            rsa(&json!({"kid": "a", "use": "sig", "alg": "RS256"})),
            rsa(&json!({"kid": "b", "key_ops": ["verify"]})),
            rsa(&json!({"kid": "enc", "use": "enc"})),
            rsa(&json!({"kid": "odd", "alg": "RSA-OAEP"})),
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "shared", "alg": "HS256"}),
            json!({"kty": "oct", "k": "c2VjcmV0", "kid": "shared2"}),
            json!({"kty": "QUANTUM", "kid": "new"}),
            json!("nonsense"),
        ])
        .unwrap();
        let has = |kid: &str, algorithm| keys.find(Some(kid), algorithm).is_some();
        assert!(has("a", Algorithm::RS256) && has("b", Algorithm::RS256) && has("b", Algorithm::PS512));
        assert!(!has("a", Algorithm::RS384), "it says what it is for");
        assert!(!has("a", Algorithm::ES256) && !has("b", Algorithm::HS256), "it is of another family");
        for gone in ["enc", "odd", "shared", "shared2", "new", "c"] {
            assert!(!has(gone, Algorithm::RS256) && !has(gone, Algorithm::HS256), "{gone}");
        }
        assert!(keys.find(None, Algorithm::RS256).is_none(), "two could be meant");
        assert!(keys.find(None, Algorithm::RS512).is_some(), "one can be meant");
    }

    #[test]
    fn a_key_is_the_same_under_another_name_and_another_one_is_not() {
        let [one, renamed] = ["a", "b"].map(|kid| set(&[rsa(&json!({"kid": kid}))]).unwrap());
        let other = set(&[rsa(&json!({"kid": "a", "e": "AQAC"}))]).unwrap();
        let (_, mark) = one.find(Some("a"), Algorithm::RS256).unwrap();
        assert!(one.has(mark) && renamed.has(mark) && !other.has(mark));
    }

    #[test]
    fn what_has_no_usable_key_is_no_key_set() {
        assert!(set(&[]).is_none() && set(&[json!({"kty": "oct", "k": "AA"})]).is_none());
        assert!(KeySet::read(b"<html>").is_none() && KeySet::read(b"{}").is_none());
    }
}

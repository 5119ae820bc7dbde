//! Whom to believe, and what their claims mean.

use std::collections::{BTreeMap, BTreeSet};

pub use jsonwebtoken::Algorithm;

/// The claim values that stand for every token that is valid.
pub const EVERYBODY: &str = "*";

/// The type of an access token (RFC 9068).
pub const ACCESS_TOKEN: &str = "at+jwt";

/// The type of a token that does not say whether it is one for access.
pub const PLAIN: &str = "jwt";

/// The algorithms that an issuer may sign with. Those with a shared secret are not among them: whoever could check a token could make one.
const ALGORITHMS: [(&str, Algorithm); 9] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// An OAuth issuer whose access tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerPlan {
    /// What its tokens say as `iss`.
    pub issuer: String,
    /// Where its keys are; `None`: where its metadata says.
    pub jwks_uri: Option<String>,
    /// What a token must be for: one of these. Empty where none are named; then no token is accepted.
    pub audiences: BTreeSet<String>,
    /// What tokens may be signed with.
    pub algorithms: Vec<Algorithm>,
    /// The types that a token may say it has, in small letters.
    pub types: BTreeSet<String>,
    /// Whether a token may be for the client that got it, where clients and this server are one application to the issuer. Of a token
    /// that does not say that it is for access, only its scopes then tell that it is.
    pub same_client: bool,
    /// The claim with the scopes; `None`: `scope`, else `scp`.
    pub scope_claim: Option<String>,
    /// The scopes without which nobody is let in.
    pub scopes: BTreeSet<String>,
    /// The claim with the name.
    pub principal_claim: String,
    /// The claim whose values have grants; `None`: the scopes.
    pub grant_claim: Option<String>,
    /// Values of that claim, with the names of grants. [`EVERYBODY`] stands for every token.
    pub grants: BTreeMap<String, BTreeSet<String>>,
}

impl IssuerPlan {
    /// An issuer as most are. Nobody has a grant of its tokens yet.
    #[must_use]
    pub fn of(issuer: &str) -> Self {
        IssuerPlan {
            issuer: issuer.to_owned(),
            jwks_uri: None,
            audiences: BTreeSet::new(),
            algorithms: vec![Algorithm::RS256, Algorithm::ES256],
            types: [ACCESS_TOKEN.to_owned()].into(),
            same_client: false,
            scope_claim: None,
            scopes: BTreeSet::new(),
            principal_claim: "sub".to_owned(),
            grant_claim: None,
            grants: BTreeMap::new(),
        }
    }

    /// The algorithm of a name, if an issuer may sign with it.
    #[must_use]
    pub fn algorithm(name: &str) -> Option<Algorithm> {
        ALGORITHMS.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
    }

    /// The names of the algorithms that an issuer may sign with.
    #[must_use]
    pub fn algorithms() -> Vec<&'static str> {
        ALGORITHMS.map(|(name, _)| name).into()
    }

    /// A type as tokens are compared by: in small letters, and without the part that may be left out. A token without a type may be
    /// anything, so it counts as a plain one.
    #[must_use]
    pub fn token_type(given: Option<&str>) -> String {
        let lower = given.unwrap_or(PLAIN).to_ascii_lowercase();
        lower.strip_prefix("application/").map(str::to_owned).unwrap_or(lower)
    }
}

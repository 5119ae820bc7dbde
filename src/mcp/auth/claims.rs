//! Judges what a token says, once its signature is known to be the issuer's. Pure.
//!
//! jsonwebtoken checks claims too, but by a clock of its own, and it does not say when a token ends.

use std::time::Duration;

use serde_json::{Map, Value};

use super::issuer_plan::{ACCESS_TOKEN, EVERYBODY, IssuerPlan};
use crate::model::Timestamp;
use crate::model::text::{hostile, shown};

/// How much the clocks of an issuer and of this machine may differ.
pub(super) const LEEWAY: Duration = Duration::from_secs(30);

/// Claims that tokens have which say who logged in, and no access token has.
const OF_LOGIN: [&str; 4] = ["nonce", "at_hash", "c_hash", "s_hash"];
/// The claims by which some issuers say what kind of token it is, and their values for access tokens.
const KINDS: [(&str, &[&str]); 2] = [("typ", &["Bearer", "at+jwt"]), ("token_use", &["access"])];
/// The claims with scopes.
const SCOPES: [&str; 2] = ["scope", "scp"];
/// The claim with the roles of a program that nobody logged in to. Tokens that say who logged in may have it too.
const ROLES: &str = "roles";
/// Claims that say who somebody is, or whom a token is of and for. Whatever a token is, it may have them: none tells that it is for
/// access.
const OF_PERSON: [&str; 34] = [
    "acr",
    "address",
    "amr",
    "aud",
    "auth_time",
    "azp",
    "birthdate",
    "email",
    "email_verified",
    "family_name",
    "gender",
    "given_name",
    "groups",
    "hd",
    "iss",
    "locale",
    "middle_name",
    "name",
    "nickname",
    "oid",
    "phone_number",
    "phone_number_verified",
    "picture",
    "preferred_username",
    "profile",
    "sid",
    "sub",
    "tid",
    "unique_name",
    "updated_at",
    "upn",
    "ver",
    "website",
    "zoneinfo",
];
/// The claims that say which client got an access token.
const CLIENTS: [&str; 4] = ["azp", "appid", "client_id", "cid"];
/// The longest name.
const LONGEST: usize = 200;

/// What a token says that counts here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JudgedClaims {
    /// Whose it is.
    pub(super) name: String,
    /// The names of its grants.
    pub(super) grants: Vec<String>,
    /// When it ends.
    pub(super) ends: Timestamp,
}

/// Why a token is not accepted, although its issuer signed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ClaimFault {
    #[error("it is of another issuer")]
    Issuer,
    #[error("its type is {0}, which is not accepted of this issuer")]
    Type(String),
    #[error("it says who logged in (it has {0}), and is not for access: send the access token")]
    Login(&'static str),
    #[error(
        "it has neither scopes nor roles together with the client that got it (azp, appid, client_id or cid), as a token has that says \
         who logged in: send the access token"
    )]
    NoAccess,
    #[error(
        "it is for the client that got it ({0} says so, and aud too), as a token is that says who logged in: send the access token. Where \
         clients and this server are one application to the issuer, same_client of the issuer has such tokens accepted"
    )]
    OwnClient(&'static str),
    #[error("its claim {0} is missing, or has another form than it must have")]
    Form(String),
    #[error("it ended at {0}: get a new one")]
    Expired(Timestamp),
    #[error("it does not count before {0}")]
    Early(Timestamp),
    #[error("it is for {0}, not for this server")]
    Audience(String),
    #[error("it lacks the scope {0}")]
    Scope(String),
}

/// Judges the claims of a token of the type `is`, by what `plan` says of its issuer.
pub(super) fn judge(
    claims: &Map<String, Value>,
    is: &str,
    plan: &IssuerPlan,
    now: Timestamp,
) -> Result<JudgedClaims, ClaimFault> {
    if claims.get("iss").and_then(Value::as_str) != Some(plan.issuer.as_str()) {
        return Err(ClaimFault::Issuer);
    }
    if !plan.types.contains(is) {
        return Err(ClaimFault::Type(shown(is, 40)));
    }
    let scopes = scopes(claims, plan)?;
    let audiences = texts(claims, "aud")?.ok_or_else(|| ClaimFault::Form("aud".to_owned()))?;
    if is != ACCESS_TOKEN {
        for_access(claims, plan, &audiences)?;
    }
    let ends = time(claims, "exp")?.ok_or_else(|| ClaimFault::Form("exp".to_owned()))?;
    if ends + LEEWAY <= now {
        return Err(ClaimFault::Expired(ends));
    }
    if let Some(begins) = time(claims, "nbf")?
        && begins > now + LEEWAY
    {
        return Err(ClaimFault::Early(begins));
    }
    if !audiences.iter().any(|audience| plan.audiences.contains(*audience)) {
        return Err(ClaimFault::Audience(shown(&audiences.join(", "), LONGEST)));
    }
    // One that looks like another is nobody's: what cannot be seen of a name is not left out.
    let name = claims.get(&plan.principal_claim).and_then(Value::as_str);
    let name = name.filter(|name| !name.is_empty() && name.len() <= LONGEST);
    let name = name.filter(|name| name.trim() == *name && !name.chars().any(hostile));
    let name = name.ok_or_else(|| ClaimFault::Form(plan.principal_claim.clone()))?;
    if let Some(missing) = plan.scopes.iter().find(|scope| !scopes.contains(&scope.as_str())) {
        return Err(ClaimFault::Scope(missing.clone()));
    }
    let values = match &plan.grant_claim {
        None => scopes,
        Some(claim) => values(at_path(claims, claim)),
    };
    let granted = plan.grants.iter().filter(|(value, _)| *value == EVERYBODY || values.contains(&value.as_str()));
    let mut grants: Vec<String> = granted.flat_map(|(_, grants)| grants.iter().cloned()).collect();
    grants.sort_unstable();
    grants.dedup();
    Ok(JudgedClaims { name: name.to_owned(), grants, ends: ends + LEEWAY })
}

/// Checks that a token is for access which does not say so by its type. One that says who logged in mostly has the client that got it
/// among its audiences; so a token that names its client is for another audience, or says by a claim that it is for access. Some issuers
/// name the application on a telephone as the client of such a token, and its server as the audience: therefore a token needs scopes, or
/// roles, as well.
fn for_access(claims: &Map<String, Value>, plan: &IssuerPlan, audiences: &[&str]) -> Result<(), ClaimFault> {
    let has = |claim: &str| claims.contains_key(claim);
    if let Some(claim) = OF_LOGIN.into_iter().find(|claim| has(claim)) {
        return Err(ClaimFault::Login(claim));
    }
    let kinds = || KINDS.into_iter().filter_map(|(claim, access)| Some((claim, access, claims.get(claim)?)));
    let is_access = |access: &[&str], kind: &Value| kind.as_str().is_some_and(|kind| access.contains(&kind));
    if let Some((claim, ..)) = kinds().find(|(_, access, kind)| !is_access(access, kind)) {
        return Err(ClaimFault::Login(claim));
    }
    let has_scopes = SCOPES.into_iter().any(has);
    let mut clients = CLIENTS.into_iter().filter_map(|claim| Some((claim, claims.get(claim)?.as_str()?))).peekable();
    let may_have_roles = clients.peek().is_some();
    if let Some((claim, _)) = clients.find(|(_, client)| audiences.contains(client))
        && kinds().next().is_none()
        && !(plan.same_client && has_scopes)
    {
        return Err(ClaimFault::OwnClient(claim));
    }
    let other_scopes = plan.scope_claim.as_deref().filter(|claim| !OF_PERSON.contains(claim));
    let has_roles = may_have_roles && [ROLES].into_iter().chain(other_scopes).any(has);
    if has_scopes || has_roles { Ok(()) } else { Err(ClaimFault::NoAccess) }
}

/// A time in seconds. A text is none: some readers take one for no time at all, and so for no end.
fn time(claims: &Map<String, Value>, claim: &str) -> Result<Option<Timestamp>, ClaimFault> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let fault = || ClaimFault::Form(claim.to_owned());
    let seconds = value.as_f64().filter(|seconds| (0.0..1e12).contains(seconds)).ok_or_else(fault)?;
    #[expect(clippy::cast_possible_truncation, reason = "it was just found to be in range")]
    Ok(Some(Timestamp::from_millis((seconds * 1000.0) as i64)))
}

/// A text, or a list of nothing but texts.
fn texts<'c>(claims: &'c Map<String, Value>, claim: &str) -> Result<Option<Vec<&'c str>>, ClaimFault> {
    let fault = || ClaimFault::Form(claim.to_owned());
    match claims.get(claim) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(vec![text])),
        Some(Value::Array(list)) => list.iter().map(Value::as_str).collect::<Option<_>>().map(Some).ok_or_else(fault),
        Some(_) => Err(fault()),
    }
}

/// The scopes: words of a text, or a list.
fn scopes<'c>(claims: &'c Map<String, Value>, plan: &IssuerPlan) -> Result<Vec<&'c str>, ClaimFault> {
    let named = plan.scope_claim.as_deref();
    let claim = named.or_else(|| SCOPES.into_iter().find(|claim| claims.contains_key(*claim)));
    let Some(claim) = claim else { return Ok(Vec::new()) };
    let texts = texts(claims, claim)?.unwrap_or_default();
    Ok(texts.into_iter().flat_map(str::split_whitespace).collect())
}

/// The claim of a name, or that of a path with dots, such as `realm_access.roles`.
fn at_path<'c>(claims: &'c Map<String, Value>, path: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let (first, rest) = path.split_once('.')?;
    at_path(claims.get(first)?.as_object()?, rest)
}

/// The values of a claim that may have several. What is no text has no grant.
fn values(claim: Option<&Value>) -> Vec<&str> {
    match claim {
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests;

//! Verifies who signed a request, and that it arrived as it was signed: Signature Version 4, in a header or in a URL.
//!
//! The SDK's own signer signs the request once more with the secret of the key, and both signatures must be the same.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningError, SigningSettings, sign};
use aws_sigv4::sign::v4;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use subtle::ConstantTimeEq;
use thiserror::Error;

use crate::model::Timestamp;

/// How far the time of a signature may be from now, as with AWS.
pub const SIGNATURE_WINDOW: Duration = Duration::from_mins(5);
/// The longest that a signed URL is good for, as with AWS.
const LONGEST_URL: Duration = Duration::from_hours(7 * 24);
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const END: &str = "aws4_request";
/// How a time is written in a signature.
const TIME: &str = "%Y%m%dT%H%M%SZ";
/// What carries the signature in a URL, and is added to what is signed.
const IN_URL: [&str; 6] =
    ["X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-Signature", "X-Amz-SignedHeaders"];
/// What stands in for the secret of a key that nobody knows, so that such a key takes as long to refuse as any other.
const NO_SECRET: &str = "0000000000000000000000000000000000000000";

/// A request as it arrived.
#[derive(Clone, Copy, Debug)]
pub struct SentRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// The path of its URL, as it was sent.
    pub path: &'a str,
    /// The query of its URL, as it was sent.
    pub query: &'a str,
    /// Its headers, with names in lower case, `host` among them.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body.
    pub body: &'a [u8],
}

/// Who signed a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The id of the access key.
    pub key: String,
    /// The region that it was signed for.
    pub region: String,
}

/// Why a signature is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureFault {
    /// There is none.
    #[error("The request is not signed: sign it with an access key that this server knows")]
    Missing,
    /// It lacks a part, or has one that is none.
    #[error("The signature cannot be read: {0}")]
    Malformed(&'static str),
    /// It is of a temporary key.
    #[error(
        "The request is signed with a temporary key (a session token, or an id that begins with ASIA), which only AWS can verify: sign \
         it with a static access key that this server knows"
    )]
    Temporary,
    /// It is for another service.
    #[error("The request is signed for the service {0}, and this is ec2")]
    OtherService(String),
    /// Its time is too far from now.
    #[error(
        "The signature is of {signed}, and it is {now}: they must be within 5 minutes of each other. Check the clock of the client"
    )]
    Skewed {
        /// The time of the signature.
        signed: Timestamp,
        /// Now.
        now: Timestamp,
    },
    /// It was for a URL that is not good any more.
    #[error("The signed URL was good until {0}: sign it anew")]
    Expired(Timestamp),
    /// It is not by a key that is known, or the request is not as it was signed. Which of the two, nobody is told.
    #[error(
        "The signature is not one of a key that this server knows for this very request: check the id and the secret of the key, and \
         that no proxy changes requests"
    )]
    NotValid,
}

impl SignatureFault {
    /// AWS's code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            SignatureFault::Missing => "MissingAuthenticationToken",
            SignatureFault::Malformed(_) => "IncompleteSignature",
            SignatureFault::Temporary | SignatureFault::NotValid => "AuthFailure",
            SignatureFault::OtherService(_) => "SignatureDoesNotMatch",
            SignatureFault::Skewed { .. } | SignatureFault::Expired(_) => "RequestExpired",
        }
    }

    /// The status of HTTP.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            SignatureFault::Missing | SignatureFault::OtherService(_) => 403,
            SignatureFault::Temporary | SignatureFault::NotValid => 401,
            SignatureFault::Malformed(_) | SignatureFault::Skewed { .. } | SignatureFault::Expired(_) => 400,
        }
    }
}

/// The parts of a signature.
struct SignatureParts<'a> {
    key: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    time: &'a str,
    signed: &'a str,
    signature: &'a str,
    /// For how long a signed URL is good.
    good_for: Option<Duration>,
    /// The query without what belongs to the signature.
    query: String,
}

/// Verifies that a request for `service` was signed with one of the static keys whose secrets `secret_of` has, within
/// [`SIGNATURE_WINDOW`] of `now` or as long as its URL is good.
///
/// # Errors
/// [`SignatureFault`].
pub fn verify<'k>(
    request: &SentRequest<'_>,
    service: &str,
    secret_of: impl FnOnce(&str) -> Option<&'k str>,
    now: Timestamp,
) -> Result<Signer, SignatureFault> {
    let decoded: Vec<(String, String)> = form_urlencoded::parse(request.query.as_bytes()).into_owned().collect();
    let parts = match header(request, "authorization")? {
        Some(authorization) => in_header(request, authorization)?,
        None => in_url(request, &decoded)?.ok_or(SignatureFault::Missing)?,
    };
    let has_token = decoded.iter().any(|(name, _)| name == "X-Amz-Security-Token");
    if has_token || header(request, "x-amz-security-token")?.is_some() || parts.key.starts_with("ASIA") {
        return Err(SignatureFault::Temporary);
    }
    if parts.service != service {
        return Err(SignatureFault::OtherService(parts.service.chars().take(40).collect()));
    }
    let signed_at = time(parts.time).ok_or(SignatureFault::Malformed("its time is not like 20261122T131510Z"))?;
    if !parts.time.starts_with(parts.date) || parts.date.len() != 8 {
        return Err(SignatureFault::Malformed("the date of its credential is not that of its time"));
    }
    is_in_time(signed_at, parts.good_for, now)?;
    let expected = signature(request, &parts, signed_at, secret_of(parts.key));
    let is_same = |expected: &str| bool::from(expected.as_bytes().ct_eq(parts.signature.as_bytes()));
    match expected {
        Ok((expected, true)) if is_same(&expected) => {
            Ok(Signer { key: parts.key.to_owned(), region: parts.region.to_owned() })
        }
        _ => Err(SignatureFault::NotValid),
    }
}

/// Whether a signature of `signed` is good now.
fn is_in_time(signed: Timestamp, good_for: Option<Duration>, now: Timestamp) -> Result<(), SignatureFault> {
    let until = signed + good_for.unwrap_or(SIGNATURE_WINDOW);
    if signed.since(now) > SIGNATURE_WINDOW || (good_for.is_none() && now > until) {
        return Err(SignatureFault::Skewed { signed, now });
    }
    if now > until { Err(SignatureFault::Expired(until)) } else { Ok(()) }
}

/// The one value of a header.
fn header<'a>(request: &SentRequest<'a>, name: &str) -> Result<Option<&'a str>, SignatureFault> {
    let mut values = request.headers.iter().filter(|(of, _)| *of == name).map(|(_, value)| *value);
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(SignatureFault::Malformed("a header of it is there twice")),
    }
}

/// Reads the header `Authorization`.
fn in_header<'a>(request: &SentRequest<'a>, authorization: &'a str) -> Result<SignatureParts<'a>, SignatureFault> {
    let parts = authorization.trim().strip_prefix(ALGORITHM).filter(|rest| rest.starts_with([' ', ',']));
    let parts =
        parts.ok_or(SignatureFault::Malformed("the header Authorization does not begin with AWS4-HMAC-SHA256"))?;
    let (mut credential, mut signed, mut signature) = (None, None, None);
    for part in parts.split(',') {
        let place = match part.trim().split_once('=') {
            Some(("Credential", value)) => (&mut credential, value),
            Some(("SignedHeaders", value)) => (&mut signed, value),
            Some(("Signature", value)) => (&mut signature, value),
            _ => return Err(SignatureFault::Malformed("the header Authorization has a part that is none")),
        };
        if place.0.replace(place.1).is_some() {
            return Err(SignatureFault::Malformed("the header Authorization has a part twice"));
        }
    }
    let (Some(credential), Some(signed), Some(signature)) = (credential, signed, signature) else {
        return Err(SignatureFault::Malformed("it needs Credential, SignedHeaders and Signature"));
    };
    let time = header(request, "x-amz-date")?.ok_or(SignatureFault::Malformed("there is no header X-Amz-Date"))?;
    let names: Vec<&str> = signed.split(';').collect();
    let is_signed = |name: &str| names.contains(&name);
    let amazon = request.headers.iter().map(|(name, _)| *name).filter(|name| name.starts_with("x-amz-"));
    if !is_signed("host") || !amazon.into_iter().all(is_signed) {
        return Err(SignatureFault::Malformed("Host and every header X-Amz-* must be signed"));
    }
    let query = request.query.to_owned();
    let (key, date, region, service) = scope(credential)?;
    Ok(SignatureParts { key, date, region, service, time, signed, signature, good_for: None, query })
}

/// Reads the signature in a URL; `None` if there is none.
fn in_url<'a>(
    request: &SentRequest<'_>,
    decoded: &'a [(String, String)],
) -> Result<Option<SignatureParts<'a>>, SignatureFault> {
    let one = |name: &str| {
        let mut values = decoded.iter().filter(|(of, _)| of == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (Some(value), None) => Ok(value),
            (None, _) => Err(SignatureFault::Malformed("the URL lacks a part of it")),
            (Some(_), Some(_)) => Err(SignatureFault::Malformed("the URL has a part of it twice")),
        }
    };
    if !decoded.iter().any(|(name, _)| name == "X-Amz-Signature") {
        return Ok(None);
    }
    if one("X-Amz-Algorithm")? != ALGORITHM {
        return Err(SignatureFault::Malformed("its algorithm is not AWS4-HMAC-SHA256"));
    }
    let good_for = one("X-Amz-Expires")?.parse().ok().map(Duration::from_secs);
    let good_for = good_for.filter(|good_for| (Duration::from_secs(1)..=LONGEST_URL).contains(good_for));
    let good_for = good_for.ok_or(SignatureFault::Malformed("X-Amz-Expires is not between 1 and 604800 seconds"))?;
    let signed = one("X-Amz-SignedHeaders")?;
    if !signed.split(';').any(|name| name == "host") {
        return Err(SignatureFault::Malformed("Host must be signed"));
    }
    let is_own = |part: &&str| {
        let name = part.split('=').next().unwrap_or_default();
        form_urlencoded::parse(name.as_bytes()).next().is_some_and(|(name, _)| IN_URL.contains(&name.as_ref()))
    };
    let query = request.query.split('&').filter(|part| !is_own(part)).collect::<Vec<_>>().join("&");
    let (key, date, region, service) = scope(one("X-Amz-Credential")?)?;
    let (time, signature) = (one("X-Amz-Date")?, one("X-Amz-Signature")?);
    Ok(Some(SignatureParts { key, date, region, service, time, signed, signature, good_for: Some(good_for), query }))
}

/// The key, date, region and service of a credential.
fn scope(credential: &str) -> Result<(&str, &str, &str, &str), SignatureFault> {
    // The id of a key may hold a slash, and nothing after it does.
    let mut parts = credential.trim().rsplitn(5, '/');
    let mut next = || parts.next().filter(|part| !part.is_empty());
    match (next(), next(), next(), next(), next()) {
        (Some(END), Some(service), Some(region), Some(date), Some(key)) => Ok((key, date, region, service)),
        _ => Err(SignatureFault::Malformed("its credential is not KEY/DATE/REGION/SERVICE/aws4_request")),
    }
}

/// A time as signatures write it.
fn time(written: &str) -> Option<Timestamp> {
    let at = DateTime::strptime(TIME, written).ok()?;
    // Nothing else may be written so.
    let is_whole = at.strftime(TIME).to_string() == written;
    let at = TimeZone::UTC.to_timestamp(at).ok().filter(|_| is_whole)?;
    Some(Timestamp::from_millis(at.as_millisecond()))
}

/// The signature that a request has if it was signed with a secret, and whether there is one.
fn signature(
    request: &SentRequest<'_>,
    parts: &SignatureParts<'_>,
    signed_at: Timestamp,
    secret: Option<&str>,
) -> Result<(String, bool), SigningError> {
    let headers = parts.signed.split(';').flat_map(|name| {
        let of = request.headers.iter().filter(move |(of, _)| *of == name);
        of.map(|(name, value)| (*name, *value))
    });
    let uri =
        if parts.query.is_empty() { request.path.to_owned() } else { format!("{}?{}", request.path, parts.query) };
    let sent = SignableRequest::new(request.method, uri, headers, SignableBody::Bytes(request.body))?;
    let mut settings = SigningSettings::default();
    // Whatever the client signed is signed.
    settings.excluded_headers = None;
    if let Some(good_for) = parts.good_for {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(good_for);
    }
    let known = secret.is_some();
    let keys = Credentials::new(parts.key, secret.unwrap_or(NO_SECRET), None, None, "a client's signature");
    let identity = keys.into();
    let millis = u64::try_from(signed_at.as_millis()).unwrap_or_default();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(parts.region)
        .name(parts.service)
        .time(SystemTime::UNIX_EPOCH + Duration::from_millis(millis))
        .settings(settings)
        .build();
    match params {
        Ok(params) => Ok((sign(sent, &params.into())?.into_parts().1, known)),
        Err(_) => Ok((String::new(), false)),
    }
}

#[cfg(test)]
mod tests;

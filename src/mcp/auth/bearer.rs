//! The bearer token of a request.

use std::fmt;

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};

use super::token_hash::TokenHash;

/// How the tokens begin that Muster makes, so that those who scan for secrets recognise one.
const PREFIX: &str = "muster_";
/// How many random bytes they have.
const RANDOM: usize = 32;
/// The longest token that is looked at. Access tokens with many groups have several thousand bytes.
const LONGEST: usize = 16 * 1024;

/// A bearer token. It is shown once, to the person who has it made, and else never.
pub struct BearerToken(String);

/// Why a request has no token that could be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BearerFault {
    /// It has none.
    Missing,
    /// What it has is none, for this reason.
    Malformed(&'static str),
}

impl BearerToken {
    /// The token in the `Authorization` header. One in the URL is never taken, since URLs are logged.
    ///
    /// # Errors
    /// [`BearerFault`].
    pub fn of(headers: &HeaderMap) -> Result<Self, BearerFault> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or(BearerFault::Missing)?;
        if values.next().is_some() {
            return Err(BearerFault::Malformed("there are several Authorization headers: send one"));
        }
        let text = value.to_str().map_err(|_| BearerFault::Malformed("the Authorization header is not text"))?;
        let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(BearerFault::Malformed("the Authorization header must be: Bearer TOKEN"));
        }
        let token = token.trim();
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        if token.is_empty() || token.len() > LONGEST || !token.bytes().all(is_part) {
            return Err(BearerFault::Malformed("what follows Bearer is no token"));
        }
        Ok(BearerToken(token.to_owned()))
    }

    /// A new token of 256 random bits; `None` where the system gives none.
    #[must_use]
    pub fn random() -> Option<Self> {
        let mut bytes = [0; RANDOM];
        SystemRandom::new().fill(&mut bytes).ok()?;
        Some(BearerToken(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// All that may be kept of it.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }

    /// Its text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Result<String, BearerFault> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        BearerToken::of(&headers).map(|token| token.reveal().to_owned())
    }

    #[test]
    fn a_token_is_what_follows_bearer_in_one_header() {
        assert_eq!(read(&["Bearer abc.def-_~+/="]).as_deref(), Ok("abc.def-_~+/="));
        assert_eq!(read(&["bearer  abc "]).as_deref(), Ok("abc"));
        assert_eq!(read(&[]), Err(BearerFault::Missing));
        let long = format!("Bearer {}", "x".repeat(LONGEST + 1));
        for wrong in ["Basic YTpi", "Bearer", "Bearer ", "abc", "Bearer a b", "Bearer a,b", "Bearer \"a\"", &long] {
            assert!(matches!(read(&[wrong]), Err(BearerFault::Malformed(_))), "{wrong:.20}");
        }
        assert!(matches!(read(&["Bearer a", "Bearer b"]), Err(BearerFault::Malformed(_))));
    }

    #[test]
    fn a_new_token_has_a_prefix_and_256_random_bits_and_is_not_shown_by_debug() {
        let [one, other] = [BearerToken::random().unwrap(), BearerToken::random().unwrap()];
        assert_ne!(one.reveal(), other.reveal());
        let random = one.reveal().strip_prefix(PREFIX).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(random).unwrap().len(), RANDOM);
        assert_eq!(format!("{one:?}"), "BearerToken(..)");
    }
}

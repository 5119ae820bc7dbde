//! An access token as a client sent it: a JSON Web Token, whose header and issuer are only a claim until its signature is checked.

use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::bearer::BearerToken;
use super::issuer_plan::IssuerPlan;

/// A token that can be read. Nothing that it says is proved.
pub(super) struct AccessToken<'t> {
    text: &'t str,
    /// The issuer that it names.
    pub(super) issuer: String,
    /// The algorithm that it names.
    pub(super) algorithm: Algorithm,
    /// The key that it names.
    pub(super) kid: Option<String>,
    /// Its type, as types are compared by.
    pub(super) is: String,
}

/// A token that cannot be read, or that its issuer did not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum AccessTokenFault {
    #[error("it is no signed JSON Web Token of an algorithm that is known here")]
    Unreadable,
    #[error("its signature is wrong")]
    Signature,
    #[error("its claims cannot be read")]
    Claims,
}

#[derive(Deserialize)]
struct NamedIssuer {
    iss: String,
}

impl<'t> AccessToken<'t> {
    /// Whether a token looks like one of an issuer.
    pub(super) fn is_like(token: &BearerToken) -> bool {
        token.reveal().bytes().filter(|byte| *byte == b'.').count() == 2
    }

    /// Reads a token.
    pub(super) fn read(token: &'t BearerToken) -> Result<Self, AccessTokenFault> {
        let text = token.reveal();
        let header = decode_header(text).map_err(|_| AccessTokenFault::Unreadable)?;
        let NamedIssuer { iss } = insecure_decode_claims(text).map_err(|_| AccessTokenFault::Unreadable)?;
        let is = IssuerPlan::token_type(header.typ.as_deref());
        Ok(AccessToken { text, issuer: iss, algorithm: header.alg, kid: header.kid, is })
    }

    /// What it says, if `key` signed it.
    pub(super) fn verified(&self, key: &DecodingKey) -> Result<Map<String, Value>, AccessTokenFault> {
        let mut validation = Validation::new(self.algorithm);
        validation.required_spec_claims.clear();
        (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
        let decoded = decode::<Map<String, Value>>(self.text, key, &validation);
        decoded.map(|token| token.claims).map_err(|error| match error.kind() {
            ErrorKind::Json(_) => AccessTokenFault::Claims,
            _ => AccessTokenFault::Signature,
        })
    }
}

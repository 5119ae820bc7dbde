//! Why somebody is not let in, as HTTP says it.

use axum::http::StatusCode;

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthRefusal {
    /// The request has no token.
    Missing,
    /// Its token does not count, for this reason.
    Invalid(String),
    /// Its token counts, but lacks this scope.
    Scope(String),
    /// Nobody can tell: the keys of the issuer cannot be fetched, for this reason. It may tell of the network of the server, so it is for
    /// the log only: whoever brings such a token need not be anybody.
    Unavailable(String),
}

/// What a client can do to be let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthWays {
    /// Whether there are tokens of the server's own.
    pub has_tokens: bool,
    /// The URL of the metadata that leads to the issuers, if there are any.
    pub metadata: Option<String>,
    /// The scopes to ask an issuer for.
    pub scopes: Vec<String>,
}

impl AuthRefusal {
    /// The status. A bad token is never forbidden: clients take that for a matter of scopes, and ask for other ones.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            AuthRefusal::Missing | AuthRefusal::Invalid(_) => StatusCode::UNAUTHORIZED,
            AuthRefusal::Scope(_) => StatusCode::FORBIDDEN,
            AuthRefusal::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The `WWW-Authenticate` header. It leads to an issuer only where there is one: clients begin to log in when it does.
    #[must_use]
    pub fn challenge(&self, ways: &AuthWays) -> Option<String> {
        let Some(metadata) = &ways.metadata else {
            return (self.status() == StatusCode::UNAUTHORIZED).then(|| "Bearer".to_owned());
        };
        let mut parts = Vec::new();
        match self {
            AuthRefusal::Missing => {}
            AuthRefusal::Invalid(why) => {
                parts.push("error=\"invalid_token\"".to_owned());
                parts.push(format!("error_description=\"{}\"", quotable(why)));
            }
            AuthRefusal::Scope(_) => parts.push("error=\"insufficient_scope\"".to_owned()),
            AuthRefusal::Unavailable(_) => return None,
        }
        parts.push(format!("resource_metadata=\"{}\"", quotable(metadata)));
        if !ways.scopes.is_empty() {
            parts.push(format!("scope=\"{}\"", quotable(&ways.scopes.join(" "))));
        }
        Some(format!("Bearer {}", parts.join(", ")))
    }

    /// The fact and the next step, for whoever reads the body.
    #[must_use]
    pub fn message(&self, ways: &AuthWays) -> String {
        let get = match (ways.has_tokens, &ways.metadata) {
            (_, None) => "send the header Authorization: Bearer TOKEN with a token of `muster token add`. There is no OAuth here, so \
                          logging in cannot help"
                .to_owned(),
            (true, Some(metadata)) => {
                format!("log in with an issuer that {metadata} names, or send a token of `muster token add`")
            }
            (false, Some(metadata)) => format!("log in with an issuer that {metadata} names"),
        };
        match self {
            AuthRefusal::Missing => format!("this server has to know who asks, and the request has no token: {get}"),
            AuthRefusal::Invalid(why) => {
                format!("the token of this request does not count: {why}. To be let in, {get}")
            }
            AuthRefusal::Scope(scope) => {
                format!("the token of this request lacks the scope {scope}: ask the issuer for it, or an administrator")
            }
            AuthRefusal::Unavailable(_) => {
                "the token of this request cannot be judged now: the keys of its issuer cannot be fetched, and \
                                            the log of the server says why. Try again in a few seconds"
                    .to_owned()
            }
        }
    }
}

/// What may stand between quotes in a header.
fn quotable(text: &str) -> String {
    text.chars().filter(|letter| (' '..='~').contains(letter) && !['"', '\\'].contains(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_there_is_an_issuer_does_a_refusal_lead_to_one() {
        let metadata = "https://m.test/.well-known/oauth-protected-resource/mcp".to_owned();
        let oauth = AuthWays { has_tokens: true, metadata: Some(metadata), scopes: vec!["muster.read".to_owned()] };
        let own = AuthWays { has_tokens: true, ..AuthWays::default() };
        let bad = AuthRefusal::Invalid("it \"ended\"\r\nat\\noon é".to_owned());
        assert_eq!(bad.status(), 401);
        assert_eq!(bad.challenge(&own).as_deref(), Some("Bearer"));
        assert!(bad.message(&own).contains("There is no OAuth here"));
        assert_eq!(
            bad.challenge(&oauth).unwrap(),
            "Bearer error=\"invalid_token\", error_description=\"it endedatnoon \", \
             resource_metadata=\"https://m.test/.well-known/oauth-protected-resource/mcp\", scope=\"muster.read\""
        );
        assert!(AuthRefusal::Missing.challenge(&oauth).unwrap().starts_with("Bearer resource_metadata="));
        let scope = AuthRefusal::Scope("muster.read".to_owned());
        assert_eq!(scope.status(), 403);
        assert!(scope.challenge(&oauth).unwrap().contains("insufficient_scope"));
        let unavailable = AuthRefusal::Unavailable("id.test: timed out".to_owned());
        assert_eq!((unavailable.status().as_u16(), unavailable.challenge(&oauth)), (503, None));
        let said = unavailable.message(&oauth);
        assert!(
            said.contains("cannot be fetched") && !said.contains("id.test") && !said.contains("timed out"),
            "{said}"
        );
    }
}

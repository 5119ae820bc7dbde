//! What a file of tokens says: TOML, with one `[[tokens]]` for each.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::token_hash::TokenHash;
use crate::model::Timestamp;

/// The comment that a written file begins with.
const HEAD: &str = "# The tokens of Muster's HTTP clients, written by `muster token`. It holds hashes, from which no token can be made.\n";
/// The longest name.
const LONGEST_NAME: usize = 64;

/// The tokens of a server, as their file lists them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenBook {
    /// In their order.
    entries: Vec<TokenEntry>,
}

/// A token of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenEntry {
    /// Whose it is.
    pub name: String,
    /// The hash of the token.
    pub hash: TokenHash,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it ends; `None` if it does not.
    pub expires: Option<Timestamp>,
    /// The grants that say what it lets see and change; `None`: all that the server does.
    pub grants: Option<Vec<String>>,
    /// Whether it lets change nothing, whatever its grants say.
    pub read_only: bool,
}

/// Why a file of tokens cannot be used. What stands there is not told, since it may be a token in the wrong place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenBookError {
    /// It is not TOML of the right form.
    #[error("line {line}: {what}")]
    Form {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        what: String,
    },
    /// A token is wrong.
    #[error("token {number}: {what}")]
    Token {
        /// Which, from 1.
        number: usize,
        /// What is wrong.
        what: String,
    },
    /// There is a token of this name already.
    #[error("there is a token named {0} already: revoke it with `muster token revoke {0}`, or give another name")]
    Taken(String),
    /// There is no such token.
    #[error("there is no token named {name}{}", if known.is_empty() { ": there is none at all".to_owned() } else { format!(": there are {known}") })]
    Unknown {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// A name that no token may have.
    #[error(
        "a token cannot have this name: give it up to {LONGEST_NAME} letters, digits and ._@+-, such as ci or alice@example.com"
    )]
    Name,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenBook {
    #[serde(default)]
    tokens: Vec<WrittenToken>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenToken {
    name: String,
    hash: String,
    created: Option<String>,
    expires: Option<String>,
    grants: Option<Vec<String>>,
    #[serde(default)]
    read_only: bool,
}

impl TokenBook {
    /// Reads what a file says.
    ///
    /// # Errors
    /// [`TokenBookError`]: one mistake makes the whole file unusable.
    pub fn parse(text: &str) -> Result<Self, TokenBookError> {
        let form = |error: toml::de::Error| {
            let at = error.span().map_or(0, |span| span.start);
            let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            TokenBookError::Form { line, what: said(error.message()) }
        };
        let written: WrittenBook = toml::from_str(text).map_err(form)?;
        let (mut entries, mut names) = (Vec::new(), BTreeSet::new());
        for (number, token) in (1..).zip(written.tokens) {
            let wrong = |what: String| TokenBookError::Token { number, what };
            let time = |what: &str, text: Option<String>| match text.map(|text| Timestamp::parse(&text)) {
                Some(None) => Err(wrong(format!("{what} must be a time such as 2026-11-30T12:00:00Z"))),
                at => Ok(at.flatten()),
            };
            check_name(&token.name).map_err(|error| wrong(error.to_string()))?;
            if !names.insert(token.name.clone()) {
                return Err(wrong("its name stands twice: give each token a name of its own".to_owned()));
            }
            let hash = token.hash.parse().map_err(|error| wrong(format!("{error}")))?;
            let (created, expires) = (time("created", token.created)?, time("expires", token.expires)?);
            let WrittenToken { name, grants, read_only, .. } = token;
            entries.push(TokenEntry { name, hash, created, expires, grants, read_only });
        }
        Ok(TokenBook { entries })
    }

    /// The text of a file that says this.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for TokenEntry { name, hash, created, expires, grants, read_only } in &self.entries {
            let mut put = |key: &str, value: String| text.extend([key, " = ", value.as_str(), "\n"]);
            let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            put("\n[[tokens]]\nname", quoted(name));
            put("hash", quoted(&hash.to_string()));
            for (key, at) in [("created", created), ("expires", expires)] {
                if let Some(at) = at {
                    put(key, quoted(&at.to_string()));
                }
            }
            if let Some(grants) = grants {
                let grants: Vec<String> = grants.iter().map(|grant| quoted(grant)).collect();
                put("grants", format!("[{}]", grants.join(", ")));
            }
            if *read_only {
                put("read_only", "true".to_owned());
            }
        }
        text
    }

    /// The tokens, in their order.
    #[must_use]
    pub fn entries(&self) -> &[TokenEntry] {
        &self.entries
    }

    /// Adds a token.
    ///
    /// # Errors
    /// When its name cannot be used.
    pub fn add(&mut self, entry: TokenEntry) -> Result<(), TokenBookError> {
        check_name(&entry.name)?;
        if self.entries.iter().any(|held| held.name == entry.name) {
            return Err(TokenBookError::Taken(entry.name));
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Removes the token of a name.
    ///
    /// # Errors
    /// [`TokenBookError::Unknown`].
    pub fn revoke(&mut self, name: &str) -> Result<(), TokenBookError> {
        let held = self.entries.len();
        self.entries.retain(|entry| entry.name != name);
        if self.entries.len() < held {
            return Ok(());
        }
        let known: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        let name = name.chars().filter(|letter| !letter.is_control()).take(LONGEST_NAME).collect();
        Err(TokenBookError::Unknown { name, known: known.join(", ") })
    }
}

/// A message of the parser without the value that it may quote.
fn said(message: &str) -> String {
    let mut parts = message.lines().next().unwrap_or_default().split(['"', '`']);
    let first = parts.next().unwrap_or_default();
    if parts.next().is_some() { format!("{first}..") } else { first.to_owned() }
}

fn check_name(name: &str) -> Result<(), TokenBookError> {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
    let is_name = (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_part);
    if is_name { Ok(()) } else { Err(TokenBookError::Name) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn entries() -> impl Strategy<Value = TokenEntry> {
        let at = || prop::option::of((0..4_000_000_000_000_i64).prop_map(Timestamp::from_millis));
        let grants = prop::option::of(prop::collection::vec("[a-z\"\\\\ é]{0,8}", 0..3));
        ("[a-zA-Z0-9._@+-]{1,64}", any::<u32>(), at(), at(), grants, any::<bool>()).prop_map(
            |(name, hash, created, expires, grants, read_only)| TokenEntry {
                name,
                hash: TokenHash::of(&hash.to_string()),
                created,
                expires,
                grants,
                read_only,
            },
        )
    }

    proptest! {
        #[test]
        fn a_book_is_written_and_read_back(tokens in prop::collection::vec(entries(), 0..5)) {
            let mut book = TokenBook::default();
            for token in tokens {
                // A name that is taken is refused.
                let is_new = book.entries().iter().all(|held| held.name != token.name);
                prop_assert_eq!(book.add(token).is_ok(), is_new);
            }
            prop_assert_eq!(TokenBook::parse(&book.text()).unwrap(), book);
        }
    }

    #[test]
    fn a_token_in_the_wrong_place_is_not_told() {
        let secret = "muster_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
        for text in [
            format!("[[tokens]]\nname = \"a\"\nhash = \"{secret}\""),
            format!("[[tokens]]\nname = \"a\"\n\"{secret}\" = 1"),
            format!("[[tokens]]\nname = \"a\"\nhash = \"{secret}"),
            format!("[[tokens]]\nname = \"a\"\nhash = {secret}"),
            format!("[[tokens]]\nname = \"{secret} {secret}\"\nhash = \"a\""),
            format!("tokens = \"{secret}\""),
            format!("{secret} = 1"),
            secret.to_owned(),
        ] {
            let error = TokenBook::parse(&text).unwrap_err().to_string();
            assert!(!error.contains("c2Vjc"), "{error}");
            assert!(error.contains("line ") || error.contains("token 1"), "{error}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_token_is_said() {
        let hash = TokenHash::of("x").to_string();
        let of = |more: &str| {
            let text = format!("[[tokens]]\nname = \"a\"\nhash = \"{hash}\"\n{more}");
            TokenBook::parse(&text).unwrap_err().to_string()
        };
        assert!(of("expires = \"tomorrow\"").contains("expires must be a time"));
        assert!(of("grant = \"payments\"").contains("unknown field"));
        assert!(of(&format!("[[tokens]]\nname = \"a\"\nhash = \"{hash}\"")).contains("token 2: its name stands twice"));
        assert!(TokenBook::default().revoke("a").unwrap_err().to_string().contains("none at all"));
    }
}

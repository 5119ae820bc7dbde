//! The hash of a token, which is all that is kept of it.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use ring::digest::{SHA256, digest};
use subtle::ConstantTimeEq;

/// How a hash is written.
const PREFIX: &str = "sha256:";

/// The SHA-256 of a token.
///
/// A fast hash is enough here. Slow ones with a salt protect passwords, which can be guessed; of a token of 256 random bits nobody can
/// guess anything, however fast the hash is, and every request needs it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

/// A text that is no hash of a token. The text is not told: it may be the token itself, put in the wrong place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is sha256: and 64 digits from 0 to f: `muster token add` makes token and hash")]
pub struct TokenHashError;

impl TokenHash {
    /// The hash of a token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        let mut hash = [0; 32];
        hash.iter_mut().zip(digest(&SHA256, token.as_bytes()).as_ref()).for_each(|(to, from)| *to = *from);
        TokenHash(hash)
    }

    /// Whether both are the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn is(&self, other: &TokenHash) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl FromStr for TokenHash {
    type Err = TokenHashError;

    fn from_str(text: &str) -> Result<Self, TokenHashError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let digits = text.strip_prefix(PREFIX).filter(|digits| digits.len() == 64 && digits.bytes().all(is_digit));
        let digits = digits.ok_or(TokenHashError)?;
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_| TokenHashError)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| TokenHashError)?;
        }
        Ok(TokenHash(hash))
    }
}

impl fmt::Display for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write!(text, "{self}")?;
        f.write_str(text.get(..PREFIX.len() + 8).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_and_read_back_and_other_texts_are_refused_without_being_told() {
        let hash = TokenHash::of("abc");
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert!(text.parse::<TokenHash>().unwrap().is(&hash));
        assert!(!TokenHash::of("abd").is(&hash));
        let long = format!("{text}0");
        for wrong in ["", "muster_secret", "sha256:ba78", &text[7..], &long, &text.replace('b', "+")] {
            let error = wrong.parse::<TokenHash>().unwrap_err();
            assert!(wrong.is_empty() || !error.to_string().contains(wrong), "{wrong}");
        }
    }
}

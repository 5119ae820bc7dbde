//! Tags in which somebody keeps a secret, and the mark that stands in place of their values.
//!
//! A tag is no place for a password, but people put passwords there, and every reader of the inventory would have it then: the
//! model and its provider, the store, its backups and exports, the terminal. So the value of a tag whose key looks secret is
//! replaced as soon as AWS's words become documents and observations, before anything else sees it.
//!
//! The mark is `redacted:` and 32 bits of a keyed hash of the resource, the key and the value. With a constant in its place, nobody
//! could see that a token was changed, when and by whom, which is what people ask of a history. A hash without a key could be tried
//! against a list of passwords by everybody who sees an answer. The key is random and belongs to one data directory, where it
//! stands beside the store, not in it: exports, backups and answers do not hold it. Whoever can read that directory can try
//! passwords, and a fitting one is not certain with 32 bits. Since the resource and the key are hashed with the value, equal
//! secrets have different marks, and a value tried on another resource tells nothing.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use ring::hmac;
use wildmatch::WildMatch;

use super::document::{Document, Map, Value};

/// The patterns of keys whose values are redacted unless others are set.
pub const SECRET_KEYS: [&str; 10] = [
    "*password*",
    "*passwd*",
    "*passphrase*",
    "*pwd*",
    "*secret*",
    "*token*",
    "*apikey*",
    "*accesskey*",
    "*privatekey*",
    "*credential*",
];

/// What a mark begins with.
const MARK: &str = "redacted:";
/// How many bytes of the hash a mark shows.
const SHOWN: usize = 4;
/// How many keys are remembered as secret or not.
const REMEMBERED: usize = 4_096;

/// The key of the hashes in marks.
pub type MarkKey = [u8; 32];

/// Which tags are redacted, and how.
pub struct SecretTags {
    patterns: Vec<WildMatch>,
    key: hmac::Key,
    /// Whether keys that were met are secret: an account has few, and every resource has several of them.
    met: RwLock<HashMap<String, bool>>,
}

impl SecretTags {
    /// Redacts tags whose keys match one of the patterns, with marks of this key. `*` and `?` are wildcards; letter case and the
    /// separators of words in a key do not matter.
    #[must_use]
    pub fn new<P: AsRef<str>>(patterns: &[P], key: &MarkKey) -> Self {
        let patterns = patterns.iter().map(|pattern| WildMatch::new(&plain(pattern.as_ref()))).collect();
        SecretTags { patterns, key: hmac::Key::new(hmac::HMAC_SHA256, key), met: RwLock::default() }
    }

    /// Whether the values of any tags are redacted.
    #[must_use]
    pub fn redacts_any(&self) -> bool {
        !self.patterns.is_empty()
    }

    /// Whether the values of the tag `key` are redacted.
    #[must_use]
    pub fn is_secret(&self, key: &str) -> bool {
        if let Some(known) = self.met.read().get(key) {
            return *known;
        }
        let bare = plain(key);
        let is_secret = self.patterns.iter().any(|pattern| pattern.matches(&bare));
        let mut met = self.met.write();
        if met.len() < REMEMBERED {
            met.insert(key.to_owned(), is_secret);
        }
        is_secret
    }

    /// The document of a resource without the secrets in its tags.
    #[must_use]
    pub fn redacted(&self, resource: &str, document: Arc<Document>) -> Arc<Document> {
        if !document.tags().any(|(key, value)| self.hides(key, value)) {
            return document;
        }
        let mut fields = document.fields().clone();
        if let Some(tags) = fields.remove(TAGS) {
            fields.insert(TAGS, self.redacted_tags(resource, tags));
        }
        Arc::new(Document::new(fields))
    }

    /// The list of a resource's tags without the secrets in it.
    #[must_use]
    pub fn redacted_tags(&self, resource: &str, tags: Value) -> Value {
        let Value::List(mut list) = tags else { return tags };
        for tag in &mut list {
            if let Value::Map(tag) = tag
                && let Some(mark) = self.mark_of(resource, tag)
            {
                tag.insert(VALUE, mark.into());
            }
        }
        Value::List(list)
    }

    /// The mark of a tag's value; the empty value, which hides nothing, has none.
    fn mark_of(&self, resource: &str, tag: &Map) -> Option<String> {
        match (tag.get(KEY), tag.get(VALUE)) {
            (Some(Value::Text(key)), Some(Value::Text(value))) if self.hides(key, value) => {
                Some(self.mark(resource, key, value))
            }
            _ => None,
        }
    }

    fn hides(&self, key: &str, value: &str) -> bool {
        !value.is_empty() && self.is_secret(key)
    }

    /// What stands in place of a secret value.
    #[must_use]
    pub fn mark(&self, resource: &str, key: &str, value: &str) -> String {
        let mut hash = hmac::Context::with_key(&self.key);
        for part in [resource, key, value] {
            // With its length, so that no two triples are hashed alike.
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let hash = hash.sign();
        hash.as_ref().iter().take(SHOWN).fold(MARK.to_owned(), |mark, byte| format!("{mark}{byte:02x}"))
    }
}

const TAGS: &str = "Tags";
const KEY: &str = "Key";
const VALUE: &str = "Value";

/// Whether a value has the form of a mark. A value of that form that somebody wrote counts as one too: it tells as little.
#[must_use]
pub fn is_mark(value: &str) -> bool {
    value.strip_prefix(MARK).is_some_and(|hash| hash.len() == 2 * SHOWN && hash.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// A key or pattern in small letters, without what separates its words: `API-Key`, `api_key` and `apiKey` are alike.
fn plain(key: &str) -> String {
    let is_separator = |c: &char| matches!(c, '-' | '_' | '.' | ':' | '/' | ' ');
    key.chars().filter(|c| !is_separator(c)).flat_map(char::to_lowercase).collect()
}

impl Default for SecretTags {
    /// The usual patterns, and a key that everybody knows: for connections whose documents nobody keeps or shows.
    fn default() -> Self {
        SecretTags::new(&SECRET_KEYS, &[0; 32])
    }
}

impl fmt::Debug for SecretTags {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretTags").field("patterns", &self.patterns.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::tags;

    fn secrets() -> SecretTags {
        SecretTags::new(&SECRET_KEYS, &[7; 32])
    }

    #[test]
    fn keys_that_look_secret_are_however_they_are_written() {
        for key in [
            "password",
            "DB_PASSWORD",
            "api-key",
            "ApiKey",
            "x.api_key",
            "aws/access key",
            "GITHUB_TOKEN",
            "private-key",
        ] {
            assert!(secrets().is_secret(key), "{key}");
        }
        for key in ["Name", "team", "key", "api", "keypair", "cost-center", "aws:autoscaling:groupName", ""] {
            assert!(!secrets().is_secret(key), "{key}");
        }
        let own = SecretTags::new(&["login", "pin-?"], &[7; 32]);
        assert!(
            own.is_secret("Login") && own.is_secret("PIN_1") && !own.is_secret("password") && !own.is_secret("pin")
        );
        assert!(!SecretTags::new::<&str>(&[], &[7; 32]).is_secret("password"));
    }

    #[test]
    fn a_document_has_marks_in_place_of_secrets_and_everything_else_as_it_was() {
        let listed = [("Name", "web"), ("password", "hunter2"), ("token", "")];
        let document = Arc::new(Document::new(Map::from([("InstanceId", "i-1".into()), (TAGS, tags(listed))])));
        let secrets = secrets();
        let redacted = secrets.redacted("i-1", Arc::clone(&document));
        let mark = secrets.mark("i-1", "password", "hunter2");
        assert_eq!(redacted.tags().collect::<Vec<_>>(), [("Name", "web"), ("password", mark.as_str()), ("token", "")]);
        assert_eq!(redacted.text("InstanceId"), Some("i-1"));
        assert!(is_mark(&mark) && !is_mark("redacted:") && !is_mark("redacted:by hand") && !is_mark("hunter2"));
        let again = secrets.redacted("i-1", Arc::clone(&document));
        assert_eq!(again, redacted, "the same value has the same mark");
        let harmless = Arc::new(Document::new(Map::from([(TAGS, tags([("Name", "web")]))])));
        assert!(Arc::ptr_eq(&secrets.redacted("i-1", Arc::clone(&harmless)), &harmless), "nothing is copied");
    }

    #[test]
    fn a_mark_differs_by_value_resource_tag_and_data_directory_and_shows_nothing_else() {
        let secrets = secrets();
        let mark = secrets.mark("i-1", "password", "hunter2");
        assert!(mark.starts_with(MARK) && mark.len() == MARK.len() + 2 * SHOWN, "{mark}");
        for (resource, key, value) in
            [("i-1", "password", "hunter3"), ("i-2", "password", "hunter2"), ("i-1", "token", "hunter2")]
        {
            assert_ne!(secrets.mark(resource, key, value), mark);
        }
        assert_ne!(SecretTags::new(&SECRET_KEYS, &[8; 32]).mark("i-1", "password", "hunter2"), mark);
        assert!(!format!("{secrets:?}").contains('7'));
    }
}

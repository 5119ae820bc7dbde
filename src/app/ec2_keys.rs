//! The static keys that requests of EC2's read API are signed with: a file that its owner alone can read.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::model::AccountId;
use crate::model::text::shown;
use crate::policy::{GrantBook, Visibility};

/// The bits of a mode that let others read or write.
const OTHERS: u32 = 0o077;
/// The lengths that the id of a key may have, as with AWS.
const ID: std::ops::RangeInclusive<usize> = 16..=128;
/// The least length of a secret.
const SECRET: usize = 20;

/// The keys, by id.
#[derive(Default)]
pub struct Ec2Keys(HashMap<String, StaticKey>);

/// What a key is good for.
pub struct StaticKey {
    secret: String,
    /// The account that it stands for, if it stands for one.
    pub account: Option<AccountId>,
    /// What it lets see.
    pub visibility: Visibility,
}

/// Why a file of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Ec2KeysError {
    /// Others can read or write it.
    #[error("{} holds secrets, and others than its owner can read or write it (mode {mode:o}): run `chmod 600 {}`", path.display(), path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It cannot be read.
    #[error("the file {} of --ec2-api-keys cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system answered.
        #[source]
        source: io::Error,
    },
    /// It is no file of keys.
    #[error("{}: {what}. It has entries such as: [[keys]] with id = \"AKIA...\", secret = \"...\" and, if the key is to see only a part, grants = [\"team\"]", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    keys: Vec<ListedKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListedKey {
    id: String,
    secret: String,
    account: Option<String>,
    grants: Option<Vec<String>>,
}

impl Ec2Keys {
    /// Reads a file. The grants that it names are those of `book`.
    ///
    /// # Errors
    /// [`Ec2KeysError`]; no error holds a secret.
    pub fn read(path: &Path, book: &GrantBook) -> Result<Self, Ec2KeysError> {
        let failed = |source| Ec2KeysError::Read { path: path.to_owned(), source };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & OTHERS != 0 {
            return Err(Ec2KeysError::Open { path: path.to_owned(), mode });
        }
        let text = fs::read_to_string(path).map_err(failed)?;
        let wrong = |what: String| Ec2KeysError::Form { path: path.to_owned(), what };
        // The message alone: what is around it shows lines of the file.
        let file: KeysFile = toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        if file.keys.is_empty() {
            return Err(wrong("it lists no keys".to_owned()));
        }
        let mut keys = HashMap::new();
        for ListedKey { id, secret, account, grants } in file.keys {
            let of = |what: &str| wrong(format!("the key {} {what}", shown(&id, 130)));
            if !ID.contains(&id.len()) || !id.bytes().all(|letter| letter.is_ascii_alphanumeric()) {
                return Err(of("has an id that is not 16 to 128 letters and digits"));
            }
            if id.starts_with("ASIA") {
                return Err(of("has the id of a temporary key: only AWS can verify those"));
            }
            if secret.len() < SECRET {
                return Err(of("has a secret of fewer than 20 letters"));
            }
            if account.as_deref().is_some_and(|account| !AccountId::is_valid(account)) {
                return Err(of("has an account that is not 12 digits"));
            }
            let visibility = match grants {
                None => Visibility::everything(),
                Some(names) => match names.iter().find(|name| !book.has(name)) {
                    Some(unknown) => {
                        return Err(of(&format!("names the grant {}, which there is not", shown(unknown, 80))));
                    }
                    None => book.visibility(names.iter().map(String::as_str)),
                },
            };
            let key = StaticKey { secret, account: account.map(AccountId::new), visibility };
            if keys.contains_key(&id) {
                return Err(of("is listed twice"));
            }
            keys.insert(id, key);
        }
        Ok(Ec2Keys(keys))
    }

    /// The key with an id.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&StaticKey> {
        self.0.get(id)
    }
}

impl StaticKey {
    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

/// Shows no secret.
impl fmt::Debug for Ec2Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ec2Keys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Grant;

    fn read(text: &str, mode: u32) -> Result<Ec2Keys, Ec2KeysError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Ec2Keys::read(&path, &GrantBook::new(vec![Grant::of_accounts("payments", ["111111111111"])]))
    }

    #[test]
    fn a_key_sees_everything_or_what_its_grants_let_see() {
        let text = "[[keys]]\nid = \"AKIAMUSTEREXAMPLE1\"\nsecret = \"0123456789012345678901234567890123456789\"\n\
                    [[keys]]\nid = \"AKIAMUSTEREXAMPLE2\"\nsecret = \"9876543210987654321098765432109876543210\"\n\
                    grants = [\"payments\"]\naccount = \"111111111111\"\n";
        let keys = read(text, 0o600).unwrap();
        let [one, two] = ["AKIAMUSTEREXAMPLE1", "AKIAMUSTEREXAMPLE2"].map(|id| keys.of(id).unwrap());
        assert!(one.visibility.is_everything() && one.account.is_none());
        assert!(two.visibility.sees_account("111111111111") && !two.visibility.sees_account("222222222222"));
        assert_eq!(two.secret(), "9876543210987654321098765432109876543210");
        assert!(keys.of("AKIAMUSTEREXAMPLE3").is_none());
        assert_eq!(format!("{keys:?}"), "Ec2Keys(2)");
    }

    #[test]
    fn a_file_with_a_fault_is_refused_without_its_secrets() {
        let key = |rest: &str| {
            format!("[[keys]]\nid = \"AKIAMUSTEREXAMPLE1\"\nsecret = \"hush-hush-hush-hush-hush\"\n{rest}")
        };
        let twice = format!("{}{}", key(""), key(""));
        for (text, mode, said) in [
            (key(""), 0o640, "chmod 600"),
            (String::new(), 0o600, "lists no keys"),
            (key("colour = 1"), 0o600, "colour"),
            (key("grants = [\"search\"]"), 0o600, "the grant search"),
            (key("account = \"1\""), 0o600, "12 digits"),
            (twice, 0o600, "listed twice"),
            (key("").replace("AKIA", "ASIA"), 0o600, "temporary key"),
            (key("").replace("AKIAMUSTER", "A-"), 0o600, "16 to 128"),
            (key("").replace("hush-hush-hush-hush-hush", "hush"), 0o600, "fewer than 20"),
            (key("").replace("secret = ", "secret "), 0o600, "[[keys]]"),
        ] {
            let error = read(&text, mode).unwrap_err().to_string();
            assert!(error.contains(said) && !error.contains("hush"), "{error}");
        }
    }
}

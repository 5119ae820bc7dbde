//! The static keys that requests of EC2's read API are signed with: a file that its owner alone can read, and that is read again while
//! a server runs.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::model::AccountId;
use crate::model::text::{chain, shown};
use crate::policy::{GrantBook, Visibility};

/// The bits of a mode that let others read or write.
const OTHERS: u32 = 0o077;
/// The lengths that the id of a key may have, as with AWS.
const ID: std::ops::RangeInclusive<usize> = 16..=128;
/// The least length of a secret.
const SECRET: usize = 20;

/// The keys of a server, as its file and its grants have them now. Clones share them.
#[derive(Clone, Debug)]
pub struct Ec2KeyDesk {
    path: Arc<Path>,
    keys: Arc<ArcSwap<Ec2Keys>>,
}

/// The keys, by id.
pub struct Ec2Keys {
    keys: HashMap<String, StaticKey>,
    /// The grants that they go by.
    book: GrantBook,
}

/// What a key is good for.
#[derive(Clone)]
pub struct StaticKey {
    secret: String,
    /// The grants that it names, if it names any.
    grants: Option<Vec<String>>,
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

impl Ec2KeyDesk {
    /// Reads a file. The grants that it names are those of `book`.
    ///
    /// # Errors
    /// [`Ec2KeysError`]; no error holds a secret.
    pub fn open(path: &Path, book: &GrantBook) -> Result<Self, Ec2KeysError> {
        let keys = Ec2Keys::read(path, book)?;
        Ok(Ec2KeyDesk { path: Arc::from(path), keys: Arc::new(ArcSwap::from_pointee(keys)) })
    }

    /// The keys as they are now.
    #[must_use]
    pub fn keys(&self) -> Arc<Ec2Keys> {
        self.keys.load_full()
    }

    /// Reads the file again, and has its keys go by the grants of `book`, where those were read again too. The answer says how many keys
    /// there are.
    ///
    /// # Errors
    /// Why the file cannot be used. The keys that were known before count then, with the grants of `book`.
    pub async fn reload(&self, book: Option<&GrantBook>) -> Result<Value, String> {
        let (path, before) = (Arc::clone(&self.path), self.keys());
        let book = book.unwrap_or(&before.book).clone();
        let named = book.clone();
        let read = spawn_blocking(move || Ec2Keys::read(&path, &named)).await;
        let read = read.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| chain(&error)));
        match read {
            Ok(keys) => {
                let count = keys.count();
                self.keys.store(Arc::new(keys));
                Ok(json!({"ec2_api_keys": count}))
            }
            Err(why) => {
                self.keys.store(Arc::new(before.under(book)));
                Err(why)
            }
        }
    }
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
            if let Some(unknown) = grants.iter().flatten().find(|name| !book.has(name)) {
                return Err(of(&format!("names the grant {}, which there is not", shown(unknown, 80))));
            }
            let visibility = visibility(grants.as_deref(), book);
            let key = StaticKey { secret, grants, account: account.map(AccountId::new), visibility };
            if keys.contains_key(&id) {
                return Err(of("is listed twice"));
            }
            keys.insert(id, key);
        }
        Ok(Ec2Keys { keys, book: book.clone() })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.keys.len()
    }

    /// The same keys, which go by other grants. A grant that is gone takes its rights with it.
    fn under(&self, book: GrantBook) -> Self {
        let keys = self.keys.iter().map(|(id, key)| {
            let visibility = visibility(key.grants.as_deref(), &book);
            (id.clone(), StaticKey { visibility, ..key.clone() })
        });
        Ec2Keys { keys: keys.collect(), book }
    }

    /// The key with an id.
    #[must_use]
    pub fn of(&self, id: &str) -> Option<&StaticKey> {
        self.keys.get(id)
    }
}

impl StaticKey {
    /// The secret.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

/// What a key lets see that names these grants: everything where it names none.
fn visibility(grants: Option<&[String]>, book: &GrantBook) -> Visibility {
    grants.map_or_else(Visibility::everything, |names| book.visibility(names.iter().map(String::as_str)))
}

/// Shows no secret.
impl fmt::Debug for Ec2Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ec2Keys({})", self.keys.len())
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

    #[tokio::test]
    async fn a_key_that_was_revoked_or_narrowed_is_so_at_once_and_a_file_with_a_fault_keeps_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");
        let write = |text: &str| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        };
        let key = |id: &str| format!("[[keys]]\nid = \"{id}\"\nsecret = \"hush-hush-hush-hush-hush\"\n");
        let [one, two] = ["AKIAMUSTEREXAMPLE1", "AKIAMUSTEREXAMPLE2"];
        let both = format!("{}{}grants = [\"payments\"]\n", key(one), key(two));
        write(&both);
        let book = |account: &str| GrantBook::new(vec![Grant::of_accounts("payments", [account])]);
        let desk = Ec2KeyDesk::open(&path, &book("111111111111")).unwrap();
        let sees = |account: &str| desk.keys().of(two).unwrap().visibility.sees_account(account);
        assert!(sees("111111111111") && !sees("222222222222"));
        assert_eq!(desk.reload(Some(&book("222222222222"))).await, Ok(json!({"ec2_api_keys": 2})));
        assert!(!sees("111111111111") && sees("222222222222"));
        assert_eq!(desk.reload(None).await, Ok(json!({"ec2_api_keys": 2})));
        assert!(sees("222222222222"), "the grants that were read last count");
        write("keys = 1");
        let error = desk.reload(Some(&book("333333333333"))).await.unwrap_err();
        assert!(error.contains("keys.toml") && !error.contains("hush"), "{error}");
        assert!(desk.keys().of(one).is_some());
        assert!(!sees("222222222222") && sees("333333333333"), "grants do not wait for the keys");
        write(&key(one));
        assert_eq!(desk.reload(None).await, Ok(json!({"ec2_api_keys": 1})));
        assert!(desk.keys().of(one).is_some() && desk.keys().of(two).is_none());
    }
}

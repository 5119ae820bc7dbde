//! What people call the accounts that are or were watched, and when and why an account stopped being watched: answers about what was
//! known of an account take its last name, also after a restart.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::json_file;
use crate::model::{AccountId, AccountRetirement, KnownAccount, KnownAccounts, Timestamp};

/// The name of the file in the data directory.
const FILE: &str = "accounts.json";
/// The most that is read of it: ten thousand accounts with long names.
const MAX_FILE: u64 = 16 << 20;

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct AccountsFile {
    accounts: Vec<NameLine>,
}

#[derive(Serialize, Deserialize)]
struct NameLine {
    account: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ou: Option<String>,
    /// When it stopped being watched, in milliseconds since 1970, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<(i64, String)>,
}

/// Reads what `data_dir` holds: nothing where that cannot be used.
#[must_use]
pub fn read(data_dir: &Path) -> KnownAccounts {
    let path = data_dir.join(FILE);
    let is_small = fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= MAX_FILE);
    let text = fs::read(path).ok().filter(|_| is_small);
    let file = text.and_then(|text| serde_json::from_slice::<AccountsFile>(&text).ok());
    let lines = file.into_iter().flat_map(|file| file.accounts).filter(|line| AccountId::is_valid(&line.account));
    let known = lines.map(|NameLine { account, name, ou, retired }| {
        let retired =
            retired.map(|(at, cause)| AccountRetirement { at: Timestamp::from_millis(at), cause: cause.into() });
        (AccountId::new(account), KnownAccount { name: name.map(Arc::from), ou: ou.map(Arc::from), retired })
    });
    KnownAccounts::new(known)
}

/// Writes them to `data_dir`.
///
/// # Errors
/// When the file cannot be written.
pub fn write(known: &KnownAccounts, data_dir: &Path) -> io::Result<()> {
    let accounts = known.each().map(|(account, KnownAccount { name, ou, retired })| NameLine {
        account: account.to_string(),
        name: name.as_deref().map(str::to_owned),
        ou: ou.as_deref().map(str::to_owned),
        retired: retired.as_ref().map(|retired| (retired.at.as_millis(), retired.cause.to_string())),
    });
    json_file::write(&data_dir.join(FILE), &AccountsFile { accounts: accounts.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_read_back_and_a_damaged_file_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), KnownAccounts::default());
        let retired = AccountRetirement { at: Timestamp::from_millis(1_000), cause: "it is closed".into() };
        let known = KnownAccounts::new([
            (AccountId::new("111122223333"), KnownAccount { name: Some("prod".into()), ..KnownAccount::default() }),
            (AccountId::new("444455556666"), KnownAccount { retired: Some(retired), ..KnownAccount::default() }),
        ]);
        write(&known, dir.path()).unwrap();
        assert_eq!(read(dir.path()), known);
        fs::write(dir.path().join(FILE), "{\"accounts\": [").unwrap();
        assert_eq!(read(dir.path()), KnownAccounts::default());
    }
}

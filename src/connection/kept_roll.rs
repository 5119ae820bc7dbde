//! The last good listing of an organization, which a server begins with: while AWS Organizations does not answer, the accounts are
//! those that it named last.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::json_file;
use crate::model::{
    AbsenceCause, AbsentSince, AccountId, AccountState, Enrolled, OrganizationAccount, Roll, TagBook, Timestamp,
};

/// The name of the file in the data directory.
pub const FILE: &str = "organization.json";
/// The most that is read of it: ten thousand accounts with many tags.
const MAX_FILE: u64 = 64 << 20;

/// What is known of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRoll {
    /// The id of the organization, such as `o-a1b2c3d4e5`; empty where AWS does not tell.
    pub organization: String,
    /// The profile that asked; `None` for AWS's own chain.
    pub profile: Option<String>,
    /// The partition of AWS that it is in.
    pub partition: String,
    /// The account of the credentials that asked.
    pub own: AccountId,
    /// Its accounts.
    pub roll: Roll,
    /// Their tags, as far as somebody asked for them.
    pub tags: TagBook,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct RollFile {
    organization: String,
    profile: Option<String>,
    partition: String,
    own: String,
    /// Times are in milliseconds since 1970.
    listed: Option<i64>,
    accounts: Vec<AccountLine>,
    tags: Vec<TagLine>,
}

#[derive(Serialize, Deserialize)]
struct AccountLine {
    account: String,
    name: Option<String>,
    ou: String,
    units: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    seen: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    absent: Option<(i64, CauseWord)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retired: Option<i64>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CauseWord {
    Unlisted,
    Closed,
    Unselected,
}

#[derive(Serialize, Deserialize)]
struct TagLine {
    account: String,
    asked: i64,
    tags: BTreeMap<String, String>,
}

impl KeptRoll {
    /// Reads what `data_dir` holds; `None` where it holds nothing that can be used.
    #[must_use]
    pub fn read(data_dir: &Path) -> Option<Self> {
        let path = data_dir.join(FILE);
        let is_small = fs::symlink_metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= MAX_FILE);
        let text = fs::read(path).ok().filter(|_| is_small)?;
        let file: RollFile = serde_json::from_slice(&text).ok()?;
        let valid = |account: String| AccountId::is_valid(&account).then(|| AccountId::new(account));
        let accounts = file.accounts.into_iter().map(|line| {
            let account = valid(line.account)?;
            let absent = line.absent.map(|(since, why)| AbsentSince { since: at(since), why: why.into() });
            let (tags, state) = (line.tags, AccountState::Open);
            let (name, units, ou) = (line.name, line.units, line.ou);
            let shown = OrganizationAccount { account: account.clone(), name, state, units, ou, tags };
            Some((account, Enrolled { shown, seen: at(line.seen), absent, retired: line.retired.map(at) }))
        });
        let mut tags = TagBook::default();
        for line in file.tags {
            tags.note(&valid(line.account)?, line.tags, at(line.asked));
        }
        Some(KeptRoll {
            organization: file.organization,
            profile: file.profile,
            partition: file.partition,
            own: valid(file.own)?,
            roll: Roll { listed: file.listed.map(at), accounts: accounts.collect::<Option<_>>()? },
            tags,
        })
    }

    /// Writes it to `data_dir`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, data_dir: &Path) -> io::Result<()> {
        let accounts = self.roll.accounts.iter().map(|(account, enrolled)| AccountLine {
            account: account.to_string(),
            name: enrolled.shown.name.clone(),
            ou: enrolled.shown.ou.clone(),
            units: enrolled.shown.units.clone(),
            tags: enrolled.shown.tags.clone(),
            seen: enrolled.seen.as_millis(),
            absent: enrolled.absent.map(|absent| (absent.since.as_millis(), absent.why.into())),
            retired: enrolled.retired.map(Timestamp::as_millis),
        });
        let tags = self.tags.each().map(|(account, asked, tags)| TagLine {
            account: account.to_string(),
            asked: asked.as_millis(),
            tags: tags.clone(),
        });
        let file = RollFile {
            organization: self.organization.clone(),
            profile: self.profile.clone(),
            partition: self.partition.clone(),
            own: self.own.to_string(),
            listed: self.roll.listed.map(Timestamp::as_millis),
            accounts: accounts.collect(),
            tags: tags.collect(),
        };
        json_file::write(&data_dir.join(FILE), &file)
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

impl From<CauseWord> for AbsenceCause {
    fn from(word: CauseWord) -> Self {
        match word {
            CauseWord::Unlisted => AbsenceCause::Unlisted,
            CauseWord::Closed => AbsenceCause::Closed,
            CauseWord::Unselected => AbsenceCause::Unselected,
        }
    }
}

impl From<AbsenceCause> for CauseWord {
    fn from(cause: AbsenceCause) -> Self {
        match cause {
            AbsenceCause::Unlisted => CauseWord::Unlisted,
            AbsenceCause::Closed => CauseWord::Closed,
            AbsenceCause::Unselected => CauseWord::Unselected,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::AccountRules;

    #[test]
    fn what_is_known_is_read_back_and_a_damaged_file_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(KeptRoll::read(dir.path()), None);
        let account = |number: &str| OrganizationAccount {
            account: AccountId::new(number),
            name: Some("prod \u{202e}".to_owned()),
            state: AccountState::Open,
            units: vec!["r-1".to_owned(), "ou-1-a".to_owned()],
            ou: "/Workloads".to_owned(),
            tags: Some(BTreeMap::from([("Team".to_owned(), "web".to_owned())])),
        };
        let (rules, zero) = (AccountRules::default(), Duration::ZERO);
        let both = [account("111122223333"), account("444455556666")];
        let roll = Roll::default().after(&both, &rules, at(1_000), zero).roll;
        let roll = roll.after(&both[..1], &rules, at(2_000), zero).roll;
        assert!(roll.accounts.values().any(|enrolled| enrolled.retired.is_some()));
        let mut tags = TagBook::default();
        tags.note(&AccountId::new("111122223333"), BTreeMap::new(), at(1_500));
        let kept = KeptRoll {
            organization: "o-1".to_owned(),
            profile: None,
            partition: "aws".to_owned(),
            own: AccountId::new("111122223333"),
            roll,
            tags,
        };
        kept.write(dir.path()).unwrap();
        assert_eq!(KeptRoll::read(dir.path()).as_ref(), Some(&kept));
        fs::write(dir.path().join(FILE), "{\"accounts\": [").unwrap();
        assert_eq!(KeptRoll::read(dir.path()), None);
    }
}

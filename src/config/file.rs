//! Reads a configuration file, `muster.toml`: settings under the names of flags, and the accounts to watch.
//!
//! Everything that is wrong with a file is named at once, each with its line and column, and a file with a fault is refused as a
//! whole. The values of settings are kept as text: `cli` reads them with the parsers of the flags.

mod access_entries;
mod account_entry;
mod events_key;
pub(super) mod fault;
mod organization_section;
mod reading;

use std::fs;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::error::ConfigError;
use crate::aws::{AccountPlan, AccountSources, OrganizationPlan};
use crate::mcp::auth::IssuerPlan;
use crate::policy::GrantBook;
use access_entries::AccessEntries;
use account_entry::AccountList;
use reading::{Reading, Spot};

pub use access_entries::{GRANT_KEYS, GRANTS, ISSUER_KEYS, ISSUERS};
pub use account_entry::{ACCOUNT_KEYS, AccountKey, KeyForm, ROLE_KEYS};
pub use fault::ConfigFault;
pub use organization_section::ORGANIZATION_KEYS;

/// The key of the accounts.
pub const ACCOUNTS: &str = "accounts";
/// The key of the table that says how the accounts of an organization are found.
pub const ORGANIZATION: &str = "organization";
/// The key of the regions of accounts that name none.
const REGIONS: &str = "regions";
/// Settings that would say something about the one account of the credentials.
const OF_ONE_ACCOUNT: [&str; 2] = ["account", "region"];

/// The largest file that is read.
const LARGEST: u64 = 4 << 20;

/// A configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFile {
    /// The file, as an absolute path.
    pub path: PathBuf,
    /// What leads to the data directory of a file with accounts: its path without symbolic links.
    pub canonical: PathBuf,
    /// Its settings.
    pub settings: Vec<FileSetting>,
    /// Whether it lists accounts, or names an organization.
    pub has_accounts: bool,
    /// The accounts, where they were read.
    pub accounts: Vec<AccountPlan>,
    /// The organization whose accounts are watched as well, where it was read.
    pub organization: Option<OrganizationPlan>,
    /// The issuers whose tokens are accepted, where they were read.
    pub issuers: Vec<IssuerPlan>,
    /// What tokens let see, where it was read.
    pub grants: GrantBook,
}

/// What a file lists beside its settings.
#[derive(Default)]
struct FileLists {
    accounts: AccountSources,
    issuers: Vec<IssuerPlan>,
    grants: GrantBook,
}

/// A setting of a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSetting {
    /// Its key: the name of the flag, with `_`.
    pub key: String,
    /// Where it stands: the line and the column, counted from 1.
    pub place: (usize, usize),
    /// Its value.
    pub value: SettingValue,
}

/// The value of a setting. Numbers are text, as they are for a flag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingValue {
    /// One text or number.
    Text(String),
    /// `true` or `false`.
    Switch(bool),
    /// Several texts or numbers.
    List(Vec<String>),
    /// A table of texts or numbers.
    Table(Vec<(String, String)>),
}

impl ConfigFile {
    /// Reads a file whose settings may have the keys in `known`.
    ///
    /// # Errors
    /// [`ConfigError::File`], with everything that is wrong.
    pub fn read(path: &Path, environment: &Environment, known: &[String]) -> Result<Self, ConfigError> {
        let (path, canonical, text) = load(path, environment)?;
        let mut reading = Reading::new(&text);
        let file = Self::parse(&text, &mut reading, |table, reading| {
            let mut keys: Vec<&str> = known.iter().map(String::as_str).collect();
            keys.extend([ACCOUNTS, ORGANIZATION, ISSUERS, GRANTS]);
            reading.keys(table, "", &keys);
            let accounts = accounts(table, reading, environment.has_endpoint());
            let (issuers, grants) = AccessEntries(reading).read(table);
            FileLists { accounts, issuers, grants }
        });
        let file = ConfigFile { canonical, ..file };
        reading.checked(&path)?;
        Ok(ConfigFile { path, ..file })
    }

    /// Reads of a file only what leads to a data directory: whether it lists accounts, and the settings in `known`. What else is wrong
    /// with it keeps nobody from asking the server that runs.
    ///
    /// Where that cannot be read, what can be is returned with the error.
    #[must_use]
    pub fn read_selecting(path: &Path, environment: &Environment, known: &[String]) -> (Self, Option<ConfigError>) {
        let (path, canonical, text) = match load(path, environment) {
            Ok(loaded) => loaded,
            Err(error) => {
                let path = environment.absolute(path);
                return (ConfigFile { canonical: resolved(&path), path, ..ConfigFile::empty() }, Some(error));
            }
        };
        let mut reading = Reading::new(&text);
        let (table, errors) = DeTable::parse_recoverable(&text);
        for error in errors.into_iter().take(1) {
            reading.fault(error.span(), None, error.message());
        }
        let file = Self::of_table(&table.into_inner(), &mut reading, |_, _| FileLists::default());
        let settings = file.settings.into_iter().filter(|setting| known.contains(&setting.key)).collect();
        reading.only(known);
        let fault = reading.checked(&path).err();
        (ConfigFile { path, canonical, settings, ..file }, fault)
    }

    /// A file that says nothing.
    fn empty() -> Self {
        ConfigFile {
            path: PathBuf::new(),
            canonical: PathBuf::new(),
            settings: Vec::new(),
            has_accounts: false,
            accounts: Vec::new(),
            organization: None,
            issuers: Vec::new(),
            grants: GrantBook::default(),
        }
    }

    fn parse(
        text: &str,
        reading: &mut Reading<'_>,
        lists: impl FnOnce(&DeTable<'_>, &mut Reading<'_>) -> FileLists,
    ) -> Self {
        match DeTable::parse(text) {
            Ok(table) => Self::of_table(&table.into_inner(), reading, lists),
            Err(error) => {
                reading.fault(error.span(), None, error.message());
                ConfigFile::empty()
            }
        }
    }

    fn of_table(
        table: &DeTable<'_>,
        reading: &mut Reading<'_>,
        lists: impl FnOnce(&DeTable<'_>, &mut Reading<'_>) -> FileLists,
    ) -> Self {
        let mut file = ConfigFile::empty();
        file.has_accounts = reading::entries(table).any(|entry| [ACCOUNTS, ORGANIZATION].contains(&entry.key));
        let FileLists { accounts, issuers, grants } = lists(table, reading);
        (file.accounts, file.organization) = (accounts.listed, accounts.organization);
        (file.issuers, file.grants) = (issuers, grants);
        for Spot { key, key_span, value, span } in reading::entries(table) {
            if [ACCOUNTS, ORGANIZATION, ISSUERS, GRANTS].contains(&key) || (file.has_accounts && key == REGIONS) {
                continue;
            }
            if file.has_accounts && OF_ONE_ACCOUNT.contains(&key) {
                let what = "it says nothing beside accounts: each entry of accounts has its own account and regions";
                reading.fault(Some(key_span), Some(key), what);
                continue;
            }
            if let Some(value) = setting(key, value, span, reading) {
                file.settings.push(FileSetting { key: key.to_owned(), place: reading.place(key_span.start), value });
            }
        }
        file
    }

    /// The directory that relative paths in the file are below.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("/"))
    }
}

/// The path without symbolic links of a file that may be gone or unreadable, as far as it can be told.
fn resolved(path: &Path) -> PathBuf {
    let of_directory = || Some(path.parent()?.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(of_directory).unwrap_or_else(|| path.to_owned())
}

/// Reads the text of a file. Returns its absolute path, that without symbolic links, and the text.
fn load(path: &Path, environment: &Environment) -> Result<(PathBuf, PathBuf, String), ConfigError> {
    let path = environment.absolute(path);
    let refused = |what: String| ConfigError::File { path: path.clone(), faults: vec![ConfigFault::of_all(what)] };
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            refused("there is no such file: `muster config init` writes one from your profiles".to_owned())
        }
        _ => refused(format!("it cannot be read: {error}")),
    };
    let canonical = path.canonicalize().map_err(failed)?;
    let size = fs::metadata(&canonical).map_err(failed)?;
    if !size.is_file() || size.len() > LARGEST {
        return Err(refused("it is not a file of at most 4 MiB".to_owned()));
    }
    let bytes = fs::read(&canonical).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    Ok((path, canonical, text))
}

fn accounts(table: &DeTable<'_>, reading: &mut Reading<'_>, has_endpoint: bool) -> AccountSources {
    let [list, organization, regions] = [ACCOUNTS, ORGANIZATION, REGIONS].map(|key| reading::entry(table, key));
    if list.is_none() && organization.is_none() {
        return AccountSources::default();
    }
    let mut accounts = AccountList { reading, has_endpoint, has_organization: organization.is_some() };
    let common = regions.map(|regions| accounts.common(&regions));
    AccountSources {
        listed: list.map(|list| accounts.read(&list, common.as_ref())).unwrap_or_default(),
        organization: organization.and_then(|section| accounts.organization(&section, common.as_ref())),
    }
}

/// The value of a setting, if it has a form that any setting has.
fn setting(
    key: &str,
    value: &DeValue<'_>,
    span: std::ops::Range<usize>,
    reading: &mut Reading<'_>,
) -> Option<SettingValue> {
    let mut part = |value: &DeValue<'_>, span: std::ops::Range<usize>| {
        let text = reading::plain(value);
        match text.as_deref().map(str::trim) {
            None => reading.fault(Some(span), Some(key), "it must be a text or a number"),
            Some("") => reading.fault(Some(span), Some(key), "it is empty: give a value, or leave the key out"),
            Some(_) => return text,
        }
        None
    };
    match value {
        DeValue::Boolean(is_on) => Some(SettingValue::Switch(*is_on)),
        DeValue::Array(values) if values.is_empty() => {
            reading.fault(Some(span), Some(key), "it is empty: give a value, or leave the key out");
            None
        }
        DeValue::Array(values) => {
            let texts = values.iter().map(|value| part(value.get_ref(), value.span()));
            texts.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(SettingValue::List)
        }
        DeValue::Table(table) => {
            let texts = table
                .iter()
                .map(|(name, value)| Some((name.get_ref().clone().into_owned(), part(value.get_ref(), value.span())?)));
            texts.collect::<Vec<_>>().into_iter().collect::<Option<_>>().map(SettingValue::Table)
        }
        value => part(value, span).map(SettingValue::Text),
    }
}

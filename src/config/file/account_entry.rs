//! Reads `[[accounts]]` of a configuration file: how to get at each account, and what to watch there.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::reading::{Reading, Said, Spot, entry};
use crate::aws::{AccountPlan, CredentialPlan, Regions, RolePlan};
use crate::config::share::RequestShare;
use crate::config::{account, checks, selection};
use crate::model::{AccountId, Partition, Region};

/// A key of an entry of `accounts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountKey {
    /// The key.
    pub name: &'static str,
    /// What its value looks like.
    pub form: KeyForm,
    /// What it means.
    pub about: &'static str,
}

/// What the value of a key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// A text.
    Text,
    /// A number from 0.01 to 1, also as a text.
    Share,
    /// A name, several, or `all`.
    Regions,
    /// A list of tables with [`ROLE_KEYS`].
    Roles,
    /// One text, or several.
    Texts,
    /// `true` or `false`.
    Switch,
    /// A text, or a table of texts by region.
    Events,
    /// A table with a text, or several, for each name.
    TextsByName,
}

pub(super) const fn key(name: &'static str, form: KeyForm, about: &'static str) -> AccountKey {
    AccountKey { name, form, about }
}

const ROLE_ARN: &str = "role_arn";
pub(super) const EVENTS: &str = "events";
pub(super) const EXTERNAL_ID: &str = "external_id";
pub(super) const SESSION_NAME: &str = "session_name";

/// The key of where events come from, which the organization has as well.
pub(super) const EVENTS_KEY: AccountKey = key(
    EVENTS,
    KeyForm::Events,
    "Where events come from, also by region: the name that queues begin with, the URL or ARN of a queue, or off; that of the file \
     without it",
);

/// The keys of a role in `via`. An entry has them as well.
pub const ROLE_KEYS: [AccountKey; 3] = [
    key(ROLE_ARN, KeyForm::Text, "The ARN of the role to assume, such as arn:aws:iam::123456789012:role/muster"),
    key(EXTERNAL_ID, KeyForm::Text, "The external id that the trust policy of the role asks for"),
    key(SESSION_NAME, KeyForm::Text, "The name of the session, of 2 to 64 letters, digits and =,.@_-"),
];

/// The keys of an entry of `accounts`.
pub const ACCOUNT_KEYS: [AccountKey; 11] = [
    key("name", KeyForm::Text, "What people call the account"),
    key("account", KeyForm::Text, "The account that the credentials have to belong to: a number of 12 digits"),
    key("profile", KeyForm::Text, "The AWS profile whose credentials are those of the account"),
    ROLE_KEYS[0],
    ROLE_KEYS[1],
    ROLE_KEYS[2],
    key("source_profile", KeyForm::Text, "The AWS profile that assumes the first role; AWS's own chain without it"),
    key("via", KeyForm::Roles, "Roles to assume one after the other before role_arn"),
    key("regions", KeyForm::Regions, "The regions to watch, or all that are enabled; those of the file without it"),
    key("aws_share", KeyForm::Share, "The share of AWS's request limits to use in this account, from 0.01 to 1"),
    EVENTS_KEY,
];

/// What is read of `accounts`.
pub(super) struct AccountList<'r, 'a> {
    pub(super) reading: &'r mut Reading<'a>,
    pub(super) has_endpoint: bool,
    /// Whether the file names an organization too.
    pub(super) has_organization: bool,
}

/// The accounts, names, profiles and roles that were read before, with their lines.
type SeenBefore = BTreeMap<(&'static str, String), usize>;

impl AccountList<'_, '_> {
    /// Reads the regions of accounts that name none. Those that are refused have been named.
    pub(super) fn common(&mut self, regions: &Spot<'_, '_>) -> Regions {
        self.regions(regions, "").unwrap_or_default()
    }

    /// Reads all entries. `common` are the regions of accounts that name none.
    pub(super) fn read(&mut self, list: &Spot<'_, '_>, common: Option<&Regions>) -> Vec<AccountPlan> {
        let DeValue::Array(values) = list.value else {
            let what = "it must be a list of tables: write [[accounts]] before each";
            self.reading.fault(Some(list.key_span.clone()), Some(list.key), what);
            return Vec::new();
        };
        if values.is_empty() {
            let what = "it lists no account: leave it out to watch the account of the credentials";
            self.reading.fault(Some(list.key_span.clone()), Some(list.key), what);
        }
        let mut seen = SeenBefore::new();
        let plans = values.iter().filter_map(|value| {
            let DeValue::Table(table) = value.get_ref() else {
                self.reading.fault(Some(value.span()), Some(list.key), "an account must be a table");
                return None;
            };
            let plan = self.plan(table, &value.span(), common)?;
            self.repeated(&plan, &value.span(), &mut seen);
            Some(plan)
        });
        plans.collect()
    }

    fn fault(&mut self, span: &Range<usize>, key: &str, what: &str) {
        self.reading.fault(Some(span.clone()), Some(&format!("accounts.{key}")), what);
    }

    /// Reads one entry.
    fn plan(&mut self, table: &DeTable<'_>, span: &Range<usize>, common: Option<&Regions>) -> Option<AccountPlan> {
        let keys = ACCOUNT_KEYS.map(|key| key.name);
        self.reading.keys(table, "accounts.", &keys);
        let name = self.text(table, "name");
        if let Some((name, span)) = &name
            && account::account(name).is_ok()
        {
            self.fault(span, "name", "a name must not look like the number of an account: give that with account");
        }
        let given = self.text(table, "account").and_then(|(text, span)| match account::account(&text) {
            Ok(account) => Some((account, span)),
            Err(error) => {
                self.fault(&span, "account", &error.to_string());
                None
            }
        });
        let credentials = self.credentials(table, span);
        let regions = match entry(table, "regions") {
            Some(regions) => self.regions(&regions, "accounts."),
            None if common.is_some() => common.cloned(),
            None => {
                let what = "there are no regions to watch: give them here, or at the top of the file for all accounts, such as \
                            regions = [\"eu-west-1\"] or regions = \"all\"";
                self.fault(span, "regions", what);
                None
            }
        };
        let share = entry(table, "aws_share").and_then(|_| self.share(table, "accounts."));
        let events = self.events(table, "accounts.");
        let (credentials, regions) = (credentials?, regions?);
        let of_role = credentials.roles.last().and_then(RolePlan::account);
        if let (Some((account, span)), Some(of_role)) = (&given, &of_role)
            && account != of_role
        {
            self.fault(span, "account", &format!("role_arn is a role of account {of_role}, not of {account}"));
        }
        if self.has_organization && given.is_none() && of_role.is_none() {
            let what =
                "beside [organization], an account with a profile needs its number, so that it is not watched twice";
            self.fault(span, "account", what);
        }
        self.partition(&credentials, &regions, table, span);
        let regions = with_home(regions, &credentials);
        Some(AccountPlan {
            account: of_role.or(given.map(|(account, _)| account)),
            name: name.map(|(name, _)| name),
            ou: None,
            credentials,
            regions,
            share_percent: share.map(RequestShare::percent),
            events,
        })
    }

    fn text(&mut self, table: &DeTable<'_>, key: &str) -> Option<Said> {
        self.reading.text(table, "accounts.", key)
    }

    pub(super) fn share(&mut self, table: &DeTable<'_>, path: &str) -> Option<RequestShare> {
        let (text, span) = self.reading.text(table, path, "aws_share")?;
        match text.parse() {
            Ok(share) => Some(share),
            Err(error) => {
                self.reading.fault(Some(span), Some(&format!("{path}aws_share")), &format!("{error}"));
                None
            }
        }
    }

    /// Reads where the credentials come from.
    fn credentials(&mut self, table: &DeTable<'_>, span: &Range<usize>) -> Option<CredentialPlan> {
        let profile = self.text(table, "profile");
        let source = self.text(table, "source_profile");
        let via = entry(table, "via").map(|via| self.via(&via));
        let role = entry(table, ROLE_ARN).map(|_| self.role(table, "accounts."));
        match (profile, role) {
            (Some((_, span)), Some(_)) => {
                let what = "an account has either a profile or a role: for the profile that assumes role_arn, write source_profile";
                self.fault(&span, "profile", what);
                None
            }
            (None, None) => {
                // A profile or role that was refused has been named already.
                let is_tried = [entry(table, "profile"), entry(table, ROLE_ARN)].iter().any(Option::is_some);
                if !is_tried {
                    let what = "the entry says nothing about credentials: give a profile, or a role_arn to assume";
                    self.reading.fault(Some(span.clone()), Some("accounts"), what);
                }
                None
            }
            (Some((profile, _)), None) => {
                for key in [EXTERNAL_ID, SESSION_NAME, "source_profile", "via"] {
                    if let Some(of_role) = entry(table, key) {
                        self.fault(&of_role.key_span, key, "it belongs to role_arn, which this account does not have");
                    }
                }
                Some(CredentialPlan { profile: Some(profile), roles: Vec::new() })
            }
            (None, Some(role)) => {
                let mut roles = match via {
                    None => Vec::new(),
                    Some(roles) => roles?,
                };
                roles.push(role?);
                Some(CredentialPlan { profile: source.map(|(profile, _)| profile), roles })
            }
        }
    }

    /// Reads the roles before the last one.
    fn via(&mut self, via: &Spot<'_, '_>) -> Option<Vec<RolePlan>> {
        let tables = match via.value {
            DeValue::Array(values) => values.iter().map(|value| value.get_ref().as_table()).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let Some(tables) = tables else {
            let what = "it must be a list of roles, such as [{ role_arn = \"arn:aws:iam::123456789012:role/hub\" }]";
            self.fault(&via.span, "via", what);
            return None;
        };
        let roles = tables.into_iter().map(|table| {
            self.reading.keys(table, "accounts.via.", &ROLE_KEYS.map(|key| key.name));
            if entry(table, ROLE_ARN).is_none() {
                self.fault(&via.span, "via", "each role needs a role_arn");
                return None;
            }
            self.role(table, "accounts.via.")
        });
        roles.collect::<Vec<_>>().into_iter().collect()
    }

    /// Reads a role. Its ARN is there.
    fn role(&mut self, table: &DeTable<'_>, path: &str) -> Option<RolePlan> {
        let mut checked = |key: &str, is_right: fn(&str) -> bool, allowed: &str| {
            let (text, span) = self.reading.text(table, path, key)?;
            if !is_right(&text) {
                let what = format!("`{text}` cannot be used: {allowed}");
                self.reading.fault(Some(span), Some(&format!("{path}{key}")), &what);
            }
            Some(text)
        };
        let arn = checked(ROLE_ARN, is_role, "give the ARN of a role, such as arn:aws:iam::123456789012:role/muster");
        let external_id =
            checked(EXTERNAL_ID, is_external_id, "an external id has 2 to 1224 letters, digits and _+=,.@:/-");
        let session_name =
            checked(SESSION_NAME, is_session_name, "the name of a session has 2 to 64 letters, digits and _+=,.@-");
        Some(RolePlan { arn: arn?, external_id, session_name })
    }

    /// Reads regions: one, several, or `all`.
    pub(super) fn regions(&mut self, spot: &Spot<'_, '_>, path: &str) -> Option<Regions> {
        let path = format!("{path}{}", spot.key);
        let one = |value: &DeValue<'_>| value.as_str().map(|name| name.trim().to_owned());
        let names: Option<Vec<Said>> = match spot.value {
            DeValue::Array(values) => {
                values.iter().map(|value| Some((one(value.get_ref())?, value.span()))).collect::<Option<_>>()
            }
            value => one(value).map(|name| vec![(name, spot.span.clone())]),
        };
        let Some(names) = names.filter(|names| !names.is_empty()) else {
            let what = "give the names of regions, such as [\"eu-west-1\", \"us-east-1\"], or \"all\"";
            self.reading.fault(Some(spot.span.clone()), Some(&path), what);
            return None;
        };
        let is_all = |name: &str| name.eq_ignore_ascii_case(selection::ALL);
        if let [(name, _)] = names.as_slice()
            && is_all(name)
        {
            return Some(Regions::All { home: None });
        }
        let mut regions: Vec<Region> = Vec::new();
        for (name, span) in names {
            if is_all(&name) {
                self.reading.fault(Some(span), Some(&path), "`all` stands alone: give either \"all\" or names");
                continue;
            }
            match checks::named_region(&path, &name, self.has_endpoint) {
                Ok(name) if !regions.iter().any(|region| region.as_str() == name) => regions.push(Region::new(name)),
                Ok(_) => {}
                Err(error) => self.reading.fault(Some(span), None, &error.to_string()),
            }
        }
        if let Err(error) = checks::one_partition(&path, &regions, self.has_endpoint) {
            self.reading.fault(Some(spot.span.clone()), None, &error.to_string());
        }
        Some(Regions::Named(regions))
    }

    /// Refuses regions of another partition than that of the role.
    fn partition(&mut self, credentials: &CredentialPlan, regions: &Regions, table: &DeTable<'_>, span: &Range<usize>) {
        let (Some(role), Regions::Named(regions)) = (credentials.roles.last(), regions) else { return };
        let Some(partition) = Partition::of_arn(&role.arn) else { return };
        let other = regions.iter().find(|region| Partition::of(region) != partition);
        if let Some(other) = other.filter(|_| !self.has_endpoint) {
            let span = entry(table, "regions").map_or_else(|| span.clone(), |regions| regions.span);
            self.fault(&span, "regions", &format!("{other} is not a region of {partition}, where role_arn is"));
        }
    }

    /// Refuses what an entry before has already.
    fn repeated(&mut self, plan: &AccountPlan, span: &Range<usize>, seen: &mut SeenBefore) {
        let CredentialPlan { profile, roles } = &plan.credentials;
        let role = roles.last().map(|role| role.arn.clone());
        let own = [
            ("account", plan.account.as_ref().map(AccountId::to_string)),
            ("role_arn", role.clone()),
            ("profile", profile.clone().filter(|_| role.is_none())),
            ("name", plan.name.clone()),
        ];
        let (line, _) = self.reading.place(span.start);
        let own = own.into_iter().filter_map(|(key, value)| Some((key, value?)));
        let before = own.map(|(key, value)| (key, value.clone(), seen.insert((key, value), line)));
        let before = before.collect::<Vec<_>>().into_iter();
        if let Some((key, value, Some(line))) = before.into_iter().find(|(_, _, before)| before.is_some()) {
            let what = format!("the entry of line {line} has {value} as well: an account stands once");
            self.fault(span, key, &what);
        }
    }
}

/// All regions of the partition where the last role is, which a region of that partition lists.
fn with_home(regions: Regions, credentials: &CredentialPlan) -> Regions {
    let partition = credentials.roles.last().and_then(|role| Partition::of_arn(&role.arn));
    // Of the commercial regions, the one of the credentials is asked.
    let home = partition.filter(|partition| *partition != Partition::Aws).map(Partition::home);
    match regions {
        Regions::All { home: None } => Regions::All { home: home.map(Region::new) },
        regions => regions,
    }
}

fn is_role(arn: &str) -> bool {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [arn, partition, "iam", "", account, resource] = parts.as_slice() else { return false };
    let is_known = partition.parse::<Partition>().is_ok();
    let role = resource.strip_prefix("role/").is_some_and(|path| {
        !path.is_empty() && !path.ends_with('/') && path.bytes().all(|byte| is_plain(byte) || byte == b'/')
    });
    *arn == "arn" && is_known && account::account(account).is_ok() && !account.contains('-') && role
}

pub(super) fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len()) && text.bytes().all(|byte| is_plain(byte) || matches!(byte, b':' | b'/'))
}

pub(super) fn is_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.bytes().all(is_plain)
}

/// What IAM allows in names.
pub(super) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

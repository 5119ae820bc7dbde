//! Reads `[organization]` of a configuration file: how the accounts of an organization are found, and how to get at each.

use std::time::Duration;

use toml::de::{DeTable, DeValue};

use super::account_entry::{
    AccountKey, AccountList, EVENTS_KEY, EXTERNAL_ID, KeyForm, SESSION_NAME, is_external_id, is_plain, is_session_name,
    key,
};
use super::reading::{Said, Spot, entry, plain};
use crate::aws::{OrganizationPlan, Regions};
use crate::config::account;
use crate::config::interval::{duration, duration_text};
use crate::config::share::RequestShare;
use crate::model::{AccountRule, AccountRules};

const ROLE_NAME: &str = "role_name";
const INCLUDE: &str = "include";
const EXCLUDE: &str = "exclude";
const OWN_ROLE: &str = "own_role";
const REFRESH: &str = "refresh";
const FORGET_AFTER: &str = "forget_after";
/// The key of the table, with a dot after it.
const PATH: &str = "organization.";

/// The shortest of both times below.
const SHORTEST: Duration = Duration::from_secs(1);
/// How often the accounts are listed without `refresh`.
const EVERY: Duration = Duration::from_hours(1);
/// How long listings must lack an account without `forget_after`.
const FORGOTTEN: Duration = Duration::from_hours(24);

/// The keys of `organization`.
pub const ORGANIZATION_KEYS: [AccountKey; 12] = [
    key(
        ROLE_NAME,
        KeyForm::Text,
        "The role to assume in each account: its name with its path, {account} for its number",
    ),
    key(
        "profile",
        KeyForm::Text,
        "The AWS profile that asks AWS Organizations and assumes the roles; AWS's own chain without it",
    ),
    key(EXTERNAL_ID, KeyForm::Text, "The external id that the trust policies of the roles ask for"),
    key(SESSION_NAME, KeyForm::Text, "The name of the sessions, of 2 to 64 letters, digits and =,.@_-"),
    key(
        INCLUDE,
        KeyForm::Texts,
        "The accounts to watch: paths or ids of units, numbers of accounts, tag:KEY=VALUE; all without it",
    ),
    key(EXCLUDE, KeyForm::Texts, "The accounts of these that are not watched, in the same way"),
    key(
        OWN_ROLE,
        KeyForm::Switch,
        "Whether the role is assumed in the account of the asking credentials too; else these act there",
    ),
    key("regions", KeyForm::Regions, "The regions to watch, or all that are enabled; those of the file without it"),
    key("aws_share", KeyForm::Share, "The share of AWS's request limits to use in each account, from 0.01 to 1"),
    EVENTS_KEY,
    key(REFRESH, KeyForm::Text, "How often the accounts are listed, such as 1h"),
    key(FORGET_AFTER, KeyForm::Text, "How long listings must lack an account before it is retired, such as 24h"),
];

impl AccountList<'_, '_> {
    /// Reads the table. `common` are the regions of accounts that name none.
    pub(super) fn organization(
        &mut self,
        section: &Spot<'_, '_>,
        common: Option<&Regions>,
    ) -> Option<OrganizationPlan> {
        let DeValue::Table(table) = section.value else {
            let what = "it must be a table: write [organization] before its keys";
            self.reading.fault(Some(section.key_span.clone()), Some(section.key), what);
            return None;
        };
        self.reading.keys(table, PATH, &ORGANIZATION_KEYS.map(|key| key.name));
        let role_name =
            self.checked(table, ROLE_NAME, is_role_name, "give the name of a role, with its path, such as muster");
        if entry(table, ROLE_NAME).is_none() {
            let what = "there is no role_name: give the name of the role that each account has, such as muster";
            self.reading.fault(Some(section.key_span.clone()), Some(section.key), what);
        }
        let external_id = self.checked(
            table,
            EXTERNAL_ID,
            is_external_id,
            "an external id has 2 to 1224 letters, digits and _+=,.@:/-",
        );
        let session_name = self.checked(
            table,
            SESSION_NAME,
            is_session_name,
            "the name of a session has 2 to 64 letters, digits and _+=,.@-",
        );
        let regions = match entry(table, "regions") {
            Some(regions) => self.regions(&regions, PATH),
            None if common.is_some() => common.cloned(),
            None => {
                let what = "there are no regions to watch: give them here, or at the top of the file for all accounts, such as \
                            regions = [\"eu-west-1\"] or regions = \"all\"";
                self.reading.fault(Some(section.key_span.clone()), Some("organization.regions"), what);
                None
            }
        };
        let own_role = entry(table, OWN_ROLE).is_some_and(|spot| {
            let given = spot.value.as_bool();
            if given.is_none() {
                self.fault_of(OWN_ROLE, spot.span, "it must be true or false");
            }
            given == Some(true)
        });
        let share = entry(table, "aws_share").and_then(|_| self.share(table, PATH));
        let events = self.events(table, PATH);
        let profile = self.reading.text(table, PATH, "profile").map(|(profile, _)| profile);
        let rules = AccountRules { include: self.rules(table, INCLUDE), exclude: self.rules(table, EXCLUDE) };
        let (refresh, forget_after) = (self.time(table, REFRESH, EVERY), self.time(table, FORGET_AFTER, FORGOTTEN));
        Some(OrganizationPlan {
            profile,
            role_name: role_name?,
            external_id,
            session_name,
            own_role,
            regions: regions?,
            share_percent: share.map(RequestShare::percent),
            events,
            rules,
            refresh,
            forget_after,
        })
    }

    fn fault_of(&mut self, key: &str, span: std::ops::Range<usize>, what: &str) {
        self.reading.fault(Some(span), Some(&format!("{PATH}{key}")), what);
    }

    fn checked(&mut self, table: &DeTable<'_>, key: &str, is_right: fn(&str) -> bool, allowed: &str) -> Option<String> {
        let (text, span) = self.reading.text(table, PATH, key)?;
        if !is_right(&text) {
            self.fault_of(key, span, &format!("`{text}` cannot be used: {allowed}"));
        }
        Some(text)
    }

    fn time(&mut self, table: &DeTable<'_>, key: &str, usual: Duration) -> Duration {
        let Some((text, span)) = self.reading.text(table, PATH, key) else { return usual };
        match duration(&text) {
            Ok(given) if given >= SHORTEST => return given,
            Ok(given) => {
                let what = format!("{} is too short: give at least 1s", duration_text(given));
                self.fault_of(key, span, &what);
            }
            Err(error) => self.fault_of(key, span, &error.to_string()),
        }
        usual
    }

    fn rules(&mut self, table: &DeTable<'_>, key: &str) -> Vec<AccountRule> {
        let Some(spot) = entry(table, key) else { return Vec::new() };
        let texts: Option<Vec<Said>> = match spot.value {
            DeValue::Array(values) => {
                values.iter().map(|value| Some((plain(value.get_ref())?, value.span()))).collect::<Option<_>>()
            }
            value => plain(value).map(|text| vec![(text, spot.span.clone())]),
        };
        if texts.as_ref().is_some_and(Vec::is_empty) {
            self.fault_of(key, spot.span, "it is empty: name the accounts, or leave the key out");
            return Vec::new();
        }
        let Some(texts) = texts else {
            self.fault_of(key, spot.span, "it must be a list of texts, such as [\"/Workloads\", \"tag:Team=web\"]");
            return Vec::new();
        };
        let rules = texts.into_iter().filter_map(|(text, span)| {
            let rule = rule(text.trim());
            if rule.is_none() {
                let what = format!(
                    "`{text}` selects no account: give the path of a unit such as /Workloads, its id such as ou-ab12-34cd56ef, the \
                     number of an account, or tag:KEY=VALUE"
                );
                self.fault_of(key, span, &what);
            }
            rule
        });
        rules.collect()
    }
}

fn rule(text: &str) -> Option<AccountRule> {
    if let Some(tag) = text.strip_prefix("tag:") {
        let (key, value) = tag.split_once('=').filter(|(key, _)| !key.is_empty())?;
        return Some(AccountRule::Tag { key: key.to_owned(), value: value.to_owned() });
    }
    if text.starts_with('/') {
        return Some(AccountRule::Path(text.to_owned()));
    }
    if let Ok(account) = account::account(text) {
        return Some(AccountRule::Account(account));
    }
    let is_id = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let has_prefix = ["ou-", "r-"].iter().any(|prefix| text.len() > prefix.len() && text.starts_with(prefix));
    (is_id && has_prefix).then(|| AccountRule::Unit(text.to_owned()))
}

/// The name of a role, with its path before it. `{account}` stands for the number of an account.
fn is_role_name(name: &str) -> bool {
    let made = name.replace("{account}", "123456789012");
    let is_placed = !made.starts_with('/') && !made.ends_with('/') && made.len() <= 512;
    let last = made.rsplit('/').next().unwrap_or_default();
    is_placed && (1..=64).contains(&last.len()) && made.bytes().all(|byte| is_plain(byte) || byte == b'/')
}

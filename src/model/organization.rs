//! The accounts of an organization as AWS lists them, and which of them a configuration selects.

use std::collections::BTreeMap;

use super::AccountId;

/// An account of an organization. Its name, tags and the names of its units come from other people: they are hostile until shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrganizationAccount {
    /// Its number.
    pub account: AccountId,
    /// What it is called there.
    pub name: Option<String>,
    /// Its state.
    pub state: AccountState,
    /// The ids of the root and of the units above it, from the root down.
    pub units: Vec<String>,
    /// The names of the units above it, such as `/Workloads/Production`; `/` is the root.
    pub ou: String,
    /// Its tags; `None` where nobody asked for them.
    pub tags: Option<BTreeMap<String, String>>,
}

/// The state of an account of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountState {
    /// It is closed: nothing is left in it that could be watched.
    Closed,
    /// Anything else. An account that is suspended, or about to be closed or activated, is watched, and fails by itself.
    Open,
}

/// Selects accounts of an organization.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccountRule {
    /// The account of this number.
    Account(AccountId),
    /// All accounts below the unit or root of this id.
    Unit(String),
    /// All accounts below the unit of this path, such as `/Workloads/Production`.
    Path(String),
    /// All accounts with this tag.
    Tag {
        /// The key of the tag.
        key: String,
        /// Its value.
        value: String,
    },
}

/// Which accounts of an organization are watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountRules {
    /// Accounts that one of these selects are watched; without any, all are.
    pub include: Vec<AccountRule>,
    /// Of those, the ones that none of these selects.
    pub exclude: Vec<AccountRule>,
}

impl AccountRule {
    /// Whether it selects an account; `None` where that depends on tags that nobody asked for.
    fn selects(&self, listed: &OrganizationAccount) -> Option<bool> {
        match self {
            AccountRule::Account(account) => Some(listed.account == *account),
            AccountRule::Unit(id) => Some(listed.units.contains(id)),
            AccountRule::Path(path) => Some(is_below(&listed.ou, path)),
            AccountRule::Tag { key, value } => listed.tags.as_ref().map(|tags| tags.get(key) == Some(value)),
        }
    }
}

impl AccountRules {
    /// Whether an account is watched. Where that depends on tags that nobody asked for, it is.
    #[must_use]
    pub fn select(&self, listed: &OrganizationAccount) -> bool {
        let is_included =
            self.include.is_empty() || self.include.iter().any(|rule| rule.selects(listed).unwrap_or(true));
        is_included && !self.exclude.iter().any(|rule| rule.selects(listed).unwrap_or(false))
    }

    /// Whether they ask for tags.
    #[must_use]
    pub fn name_tags(&self) -> bool {
        self.include.iter().chain(&self.exclude).any(|rule| matches!(rule, AccountRule::Tag { .. }))
    }
}

/// Whether a path of units is `above` or below it. Letter case does not matter, as for questions.
fn is_below(path: &str, above: &str) -> bool {
    let names = |path: &str| path.split('/').filter(|name| !name.is_empty()).map(str::to_lowercase).collect::<Vec<_>>();
    names(path).starts_with(&names(above))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(tags: Option<&[(&str, &str)]>) -> OrganizationAccount {
        let tags = tags.map(|tags| tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect());
        OrganizationAccount {
            account: AccountId::new("111122223333"),
            name: None,
            state: AccountState::Open,
            units: vec!["r-1".to_owned(), "ou-1-a".to_owned(), "ou-1-b".to_owned()],
            ou: "/Workloads/Production".to_owned(),
            tags,
        }
    }

    fn rule(text: &str) -> AccountRule {
        match text.split_once('=') {
            Some((key, value)) => AccountRule::Tag { key: key.to_owned(), value: value.to_owned() },
            None if text.starts_with('/') => AccountRule::Path(text.to_owned()),
            None if text.contains('-') => AccountRule::Unit(text.to_owned()),
            None => AccountRule::Account(AccountId::new(text)),
        }
    }

    #[test]
    fn accounts_are_selected_by_number_unit_path_and_tag_and_what_is_excluded_is_not_watched() {
        let listed = listed(Some(&[("Team", "web")]));
        for (include, exclude, expected) in [
            (&[][..], &[][..], true),
            (&["111122223333"], &[], true),
            (&["444455556666"], &[], false),
            (&["r-1"], &[], true),
            (&["ou-1-c", "ou-1-a"], &[], true),
            (&["/"], &[], true),
            (&["/workloads"], &[], true),
            (&["/Work"], &[], false),
            (&["/Workloads/Production/Deeper"], &[], false),
            (&["Team=web"], &[], true),
            (&["Team=core"], &[], false),
            (&[], &["/Workloads/Production"], false),
            (&["/Workloads"], &["Team=web"], false),
            (&["/Workloads"], &["ou-1-c", "444455556666"], true),
        ] {
            let of = |texts: &[&str]| texts.iter().map(|text| rule(text)).collect();
            let rules = AccountRules { include: of(include), exclude: of(exclude) };
            assert_eq!(rules.select(&listed), expected, "{include:?} without {exclude:?}");
        }
    }

    #[test]
    fn an_account_whose_tags_are_not_known_stays() {
        let only = |include: &[&str], exclude: &[&str]| AccountRules {
            include: include.iter().map(|text| rule(text)).collect(),
            exclude: exclude.iter().map(|text| rule(text)).collect(),
        };
        let by_tag = only(&["Team=web"], &["Team=web"]);
        assert!(by_tag.name_tags() && by_tag.select(&listed(None)));
        assert!(!only(&["/"], &["r-1"]).name_tags());
    }
}

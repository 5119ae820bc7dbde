//! The organization's accounts: which there are, where each stands in the tree of units, and what state it is in.
//!
//! The simulator's own account is the management account. The further accounts are its members, with names, units and tags
//! from a formula; control calls change them and add others. An organization without members does not exist.

use std::collections::BTreeMap;
use std::ops::Range;

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::simulator::catalog::TEAMS;
use crate::simulator::clock::Moment;
use crate::simulator::dice::{Dice, mix};
use crate::simulator::fleet::Fleet;

/// The number of the root, which stands above all units.
pub(crate) const ROOT: usize = 0;
/// The units by number: their names and their parents.
const UNITS: [(&str, Option<usize>); 6] = [
    ("Root", None),
    ("Workloads", Some(ROOT)),
    ("Production", Some(1)),
    ("Development", Some(1)),
    ("Sandbox", Some(ROOT)),
    ("Infrastructure", Some(ROOT)),
];
/// The units of ten accounts, and a word for the accounts there.
const PLACES: [(usize, &str); 10] = [
    (2, "prod"),
    (3, "dev"),
    (2, "prod"),
    (4, "sandbox"),
    (2, "prod"),
    (3, "dev"),
    (5, "shared"),
    (2, "prod"),
    (3, "dev"),
    (4, "sandbox"),
];
/// Accounts joined in the four years from here, 2022-01-01.
const JOINED: i64 = 1_640_995_200_000;
const HOUR_MS: i64 = 3_600_000;
/// The longest name of an account.
const MAX_NAME: usize = 50;

/// The accounts of an organization.
#[derive(Debug)]
pub(crate) struct Roster {
    seed: u64,
    management: String,
    members: RwLock<BTreeMap<String, Member>>,
}

/// An account of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The number of its unit.
    pub(crate) unit: usize,
    pub(crate) state: MemberState,
    pub(crate) invited: bool,
    pub(crate) joined: Moment,
    /// Since when it is a delegated administrator, if it is one.
    pub(crate) administrator: Option<Moment>,
    pub(crate) tags: BTreeMap<String, String>,
}

/// The state of an account, as AWS names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum MemberState {
    PendingActivation,
    Active,
    Suspended,
    PendingClosure,
    Closed,
}

/// A change of one account. What it does not name stays.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MemberChange {
    pub(crate) account: String,
    /// Whether the account belongs to the organization from now on.
    pub(crate) member: Option<bool>,
    pub(crate) name: Option<String>,
    /// The path of its unit, such as `/Workloads/Production`; `/` is the root.
    pub(crate) unit: Option<String>,
    pub(crate) state: Option<MemberState>,
    pub(crate) administrator: Option<bool>,
    pub(crate) tags: Option<BTreeMap<String, String>>,
}

/// Why an account cannot be changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RosterError {
    /// The account is not in the organization.
    #[error("account {account} is not in the organization; give \"member\": true as well to add it")]
    Stranger {
        /// The account.
        account: String,
    },
    /// The management account cannot leave, be closed or be an administrator.
    #[error("account {account} is the management account; only its name, unit and tags can be changed")]
    Management {
        /// The account.
        account: String,
    },
    /// There is no such unit.
    #[error("the organization has no unit {unit:?}; give one of {}", paths().join(", "))]
    Unit {
        /// The path that was given.
        unit: String,
    },
    /// The name is empty or too long.
    #[error("{name:?} can be no account's name; give 1 to {MAX_NAME} characters")]
    Name {
        /// The name that was given.
        name: String,
    },
}

impl Roster {
    /// The organization of `management`, with the accounts of a fleet as its members.
    pub(crate) fn new(seed: u64, management: &str, fleet: &Fleet) -> Self {
        let seed = mix(seed ^ 0x6f72_6761_6e69_7a65);
        let first = Member {
            name: "management".to_owned(),
            unit: ROOT,
            state: MemberState::Active,
            invited: true,
            joined: Moment(JOINED),
            administrator: None,
            tags: BTreeMap::new(),
        };
        let members = (1..=fleet.accounts).map(|number| (Fleet::account(number), Member::of(seed, number)));
        let members = members.chain([(management.to_owned(), first)]).collect();
        Self { seed, management: management.to_owned(), members: RwLock::new(members) }
    }

    pub(crate) fn management(&self) -> &str {
        &self.management
    }

    /// The organization's id.
    pub(crate) fn id(&self) -> String {
        format!("o-{}", letters(mix(self.seed), 10))
    }

    pub(crate) fn root(&self) -> String {
        format!("r-{}", self.root_letters())
    }

    /// The id of the unit with this number.
    pub(crate) fn unit(&self, unit: usize) -> String {
        if unit == ROOT {
            return self.root();
        }
        let drawn = mix(self.seed ^ mix(unit as u64));
        format!("ou-{}-{}", self.root_letters(), letters(drawn, 8))
    }

    /// The number of the unit with this id, the root among them.
    pub(crate) fn unit_with(&self, id: &str) -> Option<usize> {
        Self::units().find(|unit| self.unit(*unit) == id)
    }

    /// The numbers of all units, the root first.
    pub(crate) fn units() -> Range<usize> {
        0..UNITS.len()
    }

    pub(crate) fn unit_name(unit: usize) -> &'static str {
        UNITS.get(unit).map_or("", |(name, _)| name)
    }

    pub(crate) fn parent(unit: usize) -> Option<usize> {
        UNITS.get(unit).and_then(|(_, parent)| *parent)
    }

    /// The ids from the organization down to a unit, each with a slash after it.
    pub(crate) fn path(&self, unit: usize) -> String {
        let above = Self::parent(unit).map_or_else(|| format!("{}/", self.id()), |parent| self.path(parent));
        format!("{above}{}/", self.unit(unit))
    }

    /// An account of the organization; `None` for all others, and for all while there is no organization.
    pub(crate) fn member(&self, account: &str) -> Option<Member> {
        let members = self.members.read();
        if members.len() < 2 { None } else { members.get(account).cloned() }
    }

    /// All accounts of the organization, by number.
    pub(crate) fn members(&self) -> Vec<(String, Member)> {
        self.members.read().iter().map(|(account, member)| (account.clone(), member.clone())).collect()
    }

    /// Whether AWS takes calls of an account, which it does unless the account is suspended or closed.
    pub(crate) fn is_open(&self, account: &str) -> bool {
        let is_open = |member: &Member| matches!(member.state, MemberState::Active | MemberState::PendingActivation);
        self.members.read().get(account).is_none_or(is_open)
    }

    /// Changes an account.
    ///
    /// # Errors
    /// When the change is not possible. Nothing changes then.
    pub(crate) fn change(&self, change: MemberChange, now: Moment) -> Result<(), RosterError> {
        let MemberChange { account, member, name, unit, state, administrator, tags } = change;
        let fixed = member == Some(false) || state.is_some() || administrator.is_some();
        if account == self.management && fixed {
            return Err(RosterError::Management { account });
        }
        let unit = unit.map(|unit| unit_at(&unit).ok_or(RosterError::Unit { unit })).transpose()?;
        if let Some(name) = name.as_ref().filter(|name| name.is_empty() || name.chars().count() > MAX_NAME) {
            return Err(RosterError::Name { name: name.clone() });
        }
        let mut members = self.members.write();
        if member == Some(false) {
            return members.remove(&account).map(drop).ok_or(RosterError::Stranger { account });
        }
        let new = || Member {
            name: format!("account-{account}"),
            unit: ROOT,
            state: MemberState::Active,
            invited: true,
            joined: now,
            administrator: None,
            tags: BTreeMap::new(),
        };
        if member == Some(true) && !members.contains_key(&account) {
            members.insert(account.clone(), new());
        }
        let changed = members.get_mut(&account).ok_or(RosterError::Stranger { account })?;
        changed.name = name.unwrap_or_else(|| changed.name.clone());
        changed.unit = unit.unwrap_or(changed.unit);
        changed.state = state.unwrap_or(changed.state);
        changed.tags = tags.unwrap_or_else(|| changed.tags.clone());
        if let Some(is_one) = administrator {
            changed.administrator = is_one.then(|| changed.administrator.unwrap_or(now));
        }
        Ok(())
    }

    /// The whole organization, as the control paths show it.
    pub(crate) fn json(&self) -> Value {
        let accounts: Vec<Value> = self.members().into_iter().map(|(account, member)| member.json(&account)).collect();
        json!({ "id": self.id(), "management": self.management, "units": paths(), "accounts": accounts })
    }

    fn root_letters(&self) -> String {
        letters(mix(self.seed ^ 1), 4)
    }
}

impl Member {
    /// The member with this number without changes.
    fn of(seed: u64, number: u64) -> Self {
        let mut dice = Dice::new(seed, number);
        let place = usize::try_from(number % 10).unwrap_or(0);
        let (unit, word) = PLACES.get(place).copied().unwrap_or((ROOT, "sandbox"));
        let team = dice.pick(&TEAMS).unwrap_or("platform");
        let hours = i64::try_from(dice.below(4 * 365 * 24)).unwrap_or(0);
        let tags = [("team", team), ("stage", word)];
        Self {
            name: format!("{team}-{word}-{number:04}"),
            unit,
            state: MemberState::Active,
            invited: dice.percent(15),
            joined: Moment(JOINED + hours * HOUR_MS),
            administrator: None,
            tags: tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        }
    }

    fn json(&self, account: &str) -> Value {
        json!({
            "account": account,
            "name": self.name,
            "unit": path(self.unit),
            "state": self.state,
            "administrator": self.administrator.is_some(),
            "tags": self.tags,
        })
    }
}

/// The names from the root down to a unit, each after a slash; `/` for the root itself.
fn path(unit: usize) -> String {
    match Roster::parent(unit) {
        None => "/".to_owned(),
        Some(ROOT) => format!("/{}", Roster::unit_name(unit)),
        Some(parent) => format!("{}/{}", path(parent), Roster::unit_name(unit)),
    }
}

fn paths() -> Vec<String> {
    Roster::units().map(path).collect()
}

/// The unit at a path of names.
fn unit_at(given: &str) -> Option<usize> {
    Roster::units().find(|unit| path(*unit) == given)
}

/// So many digits and small letters.
fn letters(mut number: u64, count: usize) -> String {
    let digits = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut text = String::with_capacity(count);
    for _ in 0..count {
        let at = usize::try_from(number % 36).unwrap_or(0);
        text.push(char::from(digits.get(at).copied().unwrap_or(b'0')));
        number = (number / 36) ^ (mix(number) << 40);
    }
    text
}

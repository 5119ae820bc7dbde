//! Accounts in filters by their names and organizational units.

use std::collections::BTreeSet;

use crate::mcp::error::RequestError;
use crate::mcp::tools::arguments::ArgumentError;
use crate::model::text::shown;
use crate::model::{AccountId, KnownAccounts};
use crate::query::filter_name::folded;
use crate::query::nearness::instead;
use crate::store::ValuePattern;

/// The filter that names accounts.
pub(super) const ACCOUNT: &str = "account";
/// The longest part of a value that is shown.
const SHOWN: usize = 80;
/// The filter that names what is above them.
const OU: &str = "ou";

/// What the values of a filter of accounts stand for.
pub(super) struct MeantAccounts {
    /// The numbers that each value stands for; `None` where it stands for itself.
    pub(super) numbers: Vec<Option<AccountNumbers>>,
    /// A sentence about each value that stands for others.
    pub(super) readings: Vec<String>,
}

/// The numbers that a value stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AccountNumbers {
    /// Those that are meant.
    pub(super) meant: Vec<String>,
    /// Those of accounts that are no longer watched, beside others that are: meant only of the past.
    pub(super) former: Vec<String>,
}

/// What the values of a filter stand for, if it is one of accounts: names stand for numbers, and so do organizational units.
///
/// # Errors
/// When no account is below a unit, because an answer of zero matches would look like a fact.
pub(super) fn meant<'v>(
    filter: &str,
    texts: impl IntoIterator<Item = &'v str>,
    known: &KnownAccounts,
) -> Result<Option<MeantAccounts>, RequestError> {
    let name = folded(filter);
    if name != ACCOUNT && name != OU {
        return Ok(None);
    }
    let mut meant = MeantAccounts { numbers: Vec::new(), readings: Vec::new() };
    for text in texts {
        let found: BTreeSet<&AccountId> =
            if name == OU { known.below(text).collect() } else { named(text, known).collect() };
        if found.is_empty() && name == OU {
            let live = known.each().filter(|(_, facts)| facts.retired.is_none());
            let units: BTreeSet<&str> = live.filter_map(|(_, facts)| facts.ou.as_deref()).collect();
            let instead = instead(&[text.to_owned()], units.iter().copied());
            let problem =
                format!("no watched account is below the organizational unit {}; {instead}", shown(text, SHOWN));
            return Err(ArgumentError::said(&problem).into());
        }
        if found.is_empty() {
            meant.numbers.push(None);
            continue;
        }
        let numbers = AccountNumbers::of(found, known);
        meant.readings.push(format!("filter `{name}`: {} means {}", shown(text, SHOWN), numbers.said()));
        meant.numbers.push(Some(numbers));
    }
    Ok(Some(meant))
}

impl AccountNumbers {
    fn of(found: BTreeSet<&AccountId>, known: &KnownAccounts) -> Self {
        let (former, live): (Vec<_>, Vec<_>) =
            found.into_iter().partition(|account| known.of(account).is_some_and(|facts| facts.retired.is_some()));
        // Where nothing else is, what is no longer watched is meant.
        let (meant, former) = if live.is_empty() { (former, live) } else { (live, former) };
        let numbers = |accounts: Vec<&AccountId>| accounts.into_iter().map(ToString::to_string).collect();
        AccountNumbers { meant: numbers(meant), former: numbers(former) }
    }

    /// How many they are, in words.
    fn said(&self) -> String {
        let accounts = match self.meant.len() {
            1 => "1 account".to_owned(),
            several => format!("{several} accounts"),
        };
        match self.former.len() {
            0 => accounts,
            former => format!("{accounts}, and of the past {former} more that left"),
        }
    }
}

/// The accounts of a name, in which `*` and `?` are wildcards. A number is no name.
fn named<'a>(text: &'a str, known: &'a KnownAccounts) -> impl Iterator<Item = &'a AccountId> {
    let pattern = ValuePattern::new(text);
    let is_named = move |name: &str| name.eq_ignore_ascii_case(text) || (text.len() > 1 && pattern.matches(name));
    let found = known.each().filter(move |(_, facts)| facts.name.as_deref().is_some_and(&is_named));
    found.map(|(account, _)| account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountRetirement, KnownAccount, Timestamp};

    fn read(name: &str, value: &str) -> Result<(Vec<String>, String), RequestError> {
        let account = |number: &str, name: &str, ou: &str| {
            (AccountId::new(number), KnownAccount { name: Some(name.into()), ou: Some(ou.into()), retired: None })
        };
        let known = KnownAccounts::new([
            account("111111111111", "prod", "/Workloads/Production"),
            account("222222222222", "dev-a", "/Workloads/Development"),
            account("333333333333", "dev-b", "/Workloads/Development"),
        ]);
        let Some(meant) = meant(name, [value], &known)? else { return Ok((vec![value.to_owned()], String::new())) };
        let values = meant.numbers.into_iter();
        let values = values.flat_map(|numbers| numbers.map_or_else(|| vec![value.to_owned()], |numbers| numbers.meant));
        Ok((values.collect(), meant.readings.join("; ")))
    }

    #[test]
    fn names_and_units_stand_for_numbers() {
        let (values, reading) = read("Account", "dev-*").unwrap();
        assert_eq!(values, ["222222222222", "333333333333"]);
        assert_eq!(reading, "filter `account`: dev-* means 2 accounts");
        assert_eq!(read("account", "PROD").unwrap().0, ["111111111111"]);
        assert_eq!(read("ou", "/Workloads/Development").unwrap().0, ["222222222222", "333333333333"]);
        for (name, value) in [("account", "111111111111"), ("account", "1*"), ("region", "prod")] {
            assert_eq!(read(name, value).unwrap(), (vec![value.to_owned()], String::new()));
        }
    }

    #[test]
    fn accounts_that_left_are_meant_where_no_other_is() {
        let account = |number: &str, name: &str, ou: &str, is_former: bool| {
            let retired = is_former.then(|| AccountRetirement { at: Timestamp::EPOCH, cause: "it left".into() });
            (AccountId::new(number), KnownAccount { name: Some(name.into()), ou: Some(ou.into()), retired })
        };
        let known = KnownAccounts::new([
            account("111111111111", "dev-a", "/Workloads", false),
            account("222222222222", "dev-b", "/Workloads", true),
            account("333333333333", "old", "/Graveyard", true),
        ]);
        let numbers = |name: &str, value: &str| meant(name, [value], &known).unwrap().unwrap();
        let of = |meant: &[&str], former: &[&str]| {
            let owned = |numbers: &[&str]| numbers.iter().map(|number| (*number).to_owned()).collect();
            vec![Some(AccountNumbers { meant: owned(meant), former: owned(former) })]
        };
        for (name, value) in [("account", "dev-*"), ("ou", "/Workloads")] {
            let found = numbers(name, value);
            assert_eq!(found.numbers, of(&["111111111111"], &["222222222222"]), "{name}");
            let reading = format!("filter `{name}`: {value} means 1 account, and of the past 1 more that left");
            assert_eq!(found.readings, [reading]);
        }
        assert_eq!(numbers("account", "old").numbers, of(&["333333333333"], &[]));
        assert_eq!(numbers("ou", "/Graveyard").numbers, of(&["333333333333"], &[]));
        // Nobody is sent to a unit that holds nothing any more.
        let error = meant("ou", ["/Graveyards"], &known).err().unwrap().to_string();
        assert!(!error.contains("`/Graveyard`") && error.contains("/Workloads"), "{error}");
    }

    #[test]
    fn a_unit_above_no_account_is_refused() {
        let error = read("ou", "/Workload").unwrap_err().to_string();
        assert!(error.contains("no watched account is below") && error.contains("/Workloads/"), "{error}");
    }
}

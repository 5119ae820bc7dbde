//! Accounts and regions that are no longer watched, as answers name them: the regions of an account together, and the first of many.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::core::Core;
use super::tools::schema;
use super::tools::table::AnswerText;
use crate::model::{AccountId, Region, Scope, Timestamp};

/// How many are shown one by one.
const SHOWN: usize = 10;
/// The regions of an account that leave together end with their last sweeps, which are about so far from one another.
const TOGETHER: Duration = Duration::from_hours(1);

/// Scopes that are no longer watched, grouped by account and time, the last to leave first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnwatchedScopes(Vec<UnwatchedRegions>);

/// The regions of one account that stopped being watched together.
#[derive(Clone, Debug, PartialEq, Eq)]
struct UnwatchedRegions {
    account: AccountId,
    regions: BTreeSet<Region>,
    /// Since when the first of them is not watched.
    since: Timestamp,
    /// The cause, where it is known.
    why: Option<Arc<str>>,
}

impl UnwatchedScopes {
    /// Scopes that are no longer watched, each since then, with the causes as far as they are known.
    #[must_use]
    pub fn of(core: &Core, scopes: impl IntoIterator<Item = (Scope, Timestamp)>) -> Self {
        let freshness = core.ingest.freshness();
        UnwatchedScopes::grouped(scopes, |account| freshness.gone(account))
    }

    fn grouped(
        scopes: impl IntoIterator<Item = (Scope, Timestamp)>,
        why: impl Fn(&AccountId) -> Option<Arc<str>>,
    ) -> Self {
        let mut accounts: BTreeMap<AccountId, BTreeSet<(Timestamp, Region)>> = BTreeMap::new();
        for (Scope { account, region }, since) in scopes {
            accounts.entry(account).or_default().insert((since, region));
        }
        let mut groups: Vec<UnwatchedRegions> = Vec::new();
        for (account, regions) in accounts {
            let (why, mut last) = (why(&account), None::<Timestamp>);
            for (since, region) in regions {
                let is_together = last.replace(since).is_some_and(|last| since.since(last) <= TOGETHER);
                if let Some(group) = groups.last_mut().filter(|_| is_together) {
                    group.regions.insert(region);
                } else {
                    let (account, why) = (account.clone(), why.clone());
                    groups.push(UnwatchedRegions { account, regions: BTreeSet::from([region]), since, why });
                }
            }
        }
        groups.sort_by_key(|group| Reverse(group.since));
        UnwatchedScopes(groups)
    }

    /// How many are not shown one by one.
    fn more(&self) -> usize {
        self.0.len().saturating_sub(SHOWN)
    }

    /// The fields of an answer; none where everything is watched.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        let mut fields = Vec::new();
        if !self.0.is_empty() {
            fields.push(("unwatched", self.0.iter().take(SHOWN).map(UnwatchedRegions::field).collect()));
        }
        if self.more() > 0 {
            fields.push(("unwatched_not_shown", json!(self.more())));
        }
        fields
    }

    /// Adds them to the text of an answer, one line each.
    pub fn say(&self, text: &mut AnswerText) {
        for regions in self.0.iter().take(SHOWN) {
            text.add(format_args!("\n{regions}"));
        }
        if self.more() > 0 {
            text.add(format_args!("\nNo longer watched: {} more accounts and times", self.more()));
        }
    }
}

impl UnwatchedRegions {
    /// As an entry of the field `unwatched` of an answer.
    fn field(&self) -> Value {
        let UnwatchedRegions { account, regions, since, why } = self;
        let mut entry = json!({"account": account, "since": since});
        if let Value::Object(entry) = &mut entry {
            let (name, place) = match self.only() {
                Some(region) => ("region", json!(region)),
                None => ("regions", json!(regions.len())),
            };
            entry.insert(name.to_owned(), place);
            entry.extend(why.iter().map(|why| ("why".to_owned(), json!(why))));
        }
        entry
    }

    /// The region, if it is one.
    fn only(&self) -> Option<&Region> {
        self.regions.first().filter(|_| self.regions.len() == 1)
    }
}

impl fmt::Display for UnwatchedRegions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnwatchedRegions { account, regions, since, why } = self;
        write!(f, "No longer watched since {since}: {account}")?;
        match self.only() {
            Some(region) => write!(f, "/{region}")?,
            None => write!(f, " in {} regions", regions.len())?,
        }
        why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
    }
}

/// Adds to the text of an answer what its fields say of scopes whose resources it does not count, one line each.
pub fn say_fields(answer: &Value, text: &mut AnswerText) {
    for entry in answer.get("unwatched").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let (account, region, since, why) = (part("account"), part("region"), part("since"), part("why"));
        let of = entry.get("regions").map_or_else(|| format!("/{region}"), |count| format!(" in {count} regions"));
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        text.add(format_args!("No longer watched since {since}, and not counted: {account}{of}{why}\n"));
    }
    if let Some(more) = answer.get("unwatched_not_shown") {
        text.add(format_args!("No longer watched: {more} more accounts and times\n"));
    }
}

/// What output schemas say of scopes that are no longer watched.
#[must_use]
pub fn described() -> [(&'static str, Value); 2] {
    let each = schema::object(
        &["account", "since"],
        json!({
            "account": schema::text("The AWS account."),
            "region": schema::text("The region, if it is one."),
            "regions": schema::count("How many regions, if they are several."),
            "since": schema::text("When Muster stopped watching it, or the first of the regions."),
            "why": schema::text("Why, where that is known."),
        }),
    );
    let what = "Accounts and regions in this answer that are no longer watched; their data is from before that.";
    [
        ("unwatched", schema::list(each, what)),
        ("unwatched_not_shown", schema::count("How many more entries there are.")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::at_millis;

    fn shown(scopes: impl IntoIterator<Item = (usize, usize, Timestamp)>) -> (Value, String) {
        let scopes = scopes.into_iter().map(|(account, region, since)| {
            let account = AccountId::new(format!("{:012}", 100_000_000_000 + account));
            (Scope { account, region: Region::new(format!("eu-west-{region}")) }, since)
        });
        let unwatched = UnwatchedScopes::grouped(scopes, |_| Some("it left".into()));
        let mut text = AnswerText::default();
        unwatched.say(&mut text);
        let fields = unwatched.fields().into_iter().map(|(name, value)| (name.to_owned(), value));
        (Value::Object(fields.collect()), text.into())
    }

    #[test]
    fn a_lone_region_is_named_and_several_of_an_account_are_counted() {
        let (early, late) = (at_millis(1_000), at_millis(10_000_000));
        let (fields, text) = shown([(1, 1, early), (1, 2, late), (2, 1, at_millis(60_000)), (2, 2, early)]);
        let expected = json!({"unwatched": [
            {"account": "100000000001", "region": "eu-west-2", "since": late, "why": "it left"},
            {"account": "100000000001", "region": "eu-west-1", "since": early, "why": "it left"},
            {"account": "100000000002", "regions": 2, "since": early, "why": "it left"},
        ]});
        assert_eq!(fields, expected);
        let lines = [
            format!("No longer watched since {late}: 100000000001/eu-west-2 (it left)"),
            format!("No longer watched since {early}: 100000000001/eu-west-1 (it left)"),
            format!("No longer watched since {early}: 100000000002 in 2 regions (it left)"),
        ];
        assert_eq!(text, format!("\n{}", lines.join("\n")));
    }

    #[test]
    fn of_many_the_first_are_shown_and_the_rest_are_counted() {
        assert_eq!(shown([]), (json!({}), String::new()));
        let left = |account| (0..17).map(move |region| (account, region, at_millis(1_000)));
        let (fields, text) = shown((0..200).flat_map(left));
        assert_eq!(fields["unwatched"].as_array().map(Vec::len), Some(SHOWN));
        assert_eq!(fields["unwatched_not_shown"], 190);
        assert_eq!(text.lines().count(), 1 + SHOWN + 1, "{text}");
        assert!(text.ends_with("190 more accounts and times"), "{text}");
        let mut text = AnswerText::default();
        say_fields(&fields, &mut text);
        let text = String::from(text);
        assert_eq!(text.lines().count(), SHOWN + 1, "{text}");
        assert!(text.contains("and not counted: 100000000000 in 17 regions (it left)\n"), "{text}");
    }
}

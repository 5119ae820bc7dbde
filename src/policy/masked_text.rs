//! Texts as somebody reads them who does not see everything: without the accounts, the regions, the files and the rules that are not
//! theirs, and without the profiles of the server's machine.
//!
//! What AWS says of a failure names whose credentials were refused and where, and what a rule refuses names what it is about. Both may be
//! hidden from who reads it.

use super::grant::Grant;
use super::visibility::Visibility;
use crate::model::Partition;

/// What stands in place of a word.
const HIDDEN: &str = "[hidden]";
/// What stands in place of what a rule names.
const REST: &str = "...";
/// How many digits the number of an account has.
const DIGITS: usize = 12;
/// Behind which words the name of a profile stands.
const PROFILE: [&str; 3] = ["profile", "Profile", "--profile"];
/// A flag with the name of a profile in one word.
const PROFILE_IS: &str = "--profile=";
/// What else stands behind them, where a text speaks of profiles.
const PROSE: [&str; 8] = ["and", "has", "in", "is", "of", "or", "that", "with"];
/// What the only regions begin with whose place has more than two letters.
const LONG_PLACE: &str = "eusc-";
/// Whose rules there are, as records write it behind a rule.
const ORIGINS: [&str; 2] = [" (server)", " (connection)"];

impl Visibility {
    /// A text without the words that name an account or a region which cannot be seen, or a file or a profile of the server's machine.
    #[must_use]
    pub fn masked(&self, text: &str) -> String {
        if self.is_everything() {
            return text.to_owned();
        }
        let mut masked = String::with_capacity(text.len());
        let mut names_profile = false;
        for word in text.split_inclusive(char::is_whitespace) {
            let end =
                word.trim_end_matches(|letter: char| letter.is_whitespace() || ".,;:)]'\"`".contains(letter)).len();
            let start = word.len() - word.trim_start_matches(['(', '[', '\'', '"', '`']).len();
            let (before, named) = word.split_at(start.min(end));
            let (named, after) = named.split_at(end.saturating_sub(start));
            let is_profile = named.starts_with(PROFILE_IS) || (names_profile && !PROSE.contains(&named));
            let is_elsewhere = accounts_in(named).any(|account| !self.sees_account(account))
                || regions_in(named).any(|region| !self.sees_region(region));
            let is_hidden = !named.is_empty() && (is_path(named) || is_profile || is_elsewhere);
            masked.extend([before, if is_hidden { HIDDEN } else { named }, after]);
            if !named.is_empty() {
                names_profile = PROFILE.contains(&named) && after.trim().is_empty();
            }
        }
        masked
    }

    /// A rule as flags and records write it, without the accounts, regions, tags and instances that it names and that are not theirs
    /// to know.
    #[must_use]
    pub fn masked_rule(&self, rule: &str) -> String {
        let Some(grants) = self.grants() else { return rule.to_owned() };
        let origin = ORIGINS.into_iter().find(|origin| rule.ends_with(origin)).unwrap_or_default();
        let bare = rule.strip_suffix(origin).unwrap_or(rule);
        let Some((flag, named)) = bare.split_once(' ') else { return rule.to_owned() };
        let known = match (flag, named.split_once(':')) {
            ("--write-account", _) => listed(named, |account| self.sees_account(account)),
            ("--write-region", _) => listed(named, |region| self.sees_region(region)),
            ("--write-tag", _) => whole(named, knows_tag(grants, named)),
            ("--deny-write", Some(("account", account))) => whole(named, self.sees_account(account)),
            ("--deny-write", Some(("region", region))) => whole(named, self.sees_region(region)),
            ("--deny-write", Some(("tag", tag))) => whole(named, knows_tag(grants, tag)),
            ("--deny-write", Some(("instance", _))) => REST.to_owned(),
            _ => return rule.to_owned(),
        };
        format!("{flag} {known}{origin}")
    }
}

/// Whether a word is the name of a file from the root on.
fn is_path(word: &str) -> bool {
    word.strip_prefix('/').is_some_and(|rest| rest.starts_with(char::is_alphanumeric))
}

/// The numbers of accounts in a word: runs of as many digits.
fn accounts_in(word: &str) -> impl Iterator<Item = &str> {
    word.split(|letter: char| !letter.is_ascii_digit()).filter(|digits| digits.len() == DIGITS)
}

/// The regions in a word, also where it names a zone of one.
fn regions_in(word: &str) -> impl Iterator<Item = &str> {
    let names = word.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    let regions = names.map(|name| name.strip_suffix(|letter: char| letter.is_ascii_lowercase()).unwrap_or(name));
    regions.filter(|name| {
        (name.find('-') == Some(2) || name.starts_with(LONG_PLACE)) && Partition::of_name(name).is_some()
    })
}

/// Those names of a list that are known, and that there are more.
fn listed(names: &str, is_known: impl Fn(&str) -> bool) -> String {
    let known = names.split(',').filter(|name| is_known(name));
    let rest = names.split(',').any(|name| !is_known(name)).then_some(REST);
    known.chain(rest).collect::<Vec<_>>().join(",")
}

fn whole(named: &str, is_known: bool) -> String {
    if is_known { named.to_owned() } else { REST.to_owned() }
}

/// Whether a grant tells of a tag: it asks for its key and takes its value.
fn knows_tag(grants: &[Grant], tag: &str) -> bool {
    let (key, value) = tag.split_once('=').map_or((tag, None), |(key, value)| (key, Some(value)));
    let tells = |grant: &Grant| grant.tags.get(key).is_some_and(|values| value.is_none_or(|value| values.take(value)));
    grants.iter().any(tells)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Region;
    use crate::policy::TagValues;

    fn payments() -> Visibility {
        Visibility::of([Grant {
            regions: Some([Region::new("eu-west-1")].into()),
            tags: [("team".to_owned(), TagValues::new(["payments*"]))].into(),
            ..Grant::of_accounts("payments", ["111111111111"])
        }])
    }

    #[test]
    fn a_text_names_no_account_that_is_hidden_and_no_file() {
        let said = "User: arn:aws:sts::222222222222:assumed-role/x is not authorized on arn:aws:ec2:eu-west-1:111111111111:i/*. \
                    The file (/var/lib/muster/audit.jsonl) of 222222222222, 10.0.0.0/8 and 1234567890123.";
        let told = "User: [hidden] is not authorized on arn:aws:ec2:eu-west-1:111111111111:i/*. \
                    The file ([hidden]) of [hidden], 10.0.0.0/8 and 1234567890123.";
        assert_eq!(payments().masked(said), told);
        assert_eq!(Visibility::everything().masked(said), said);
    }

    #[test]
    fn a_text_names_no_region_that_is_hidden_and_no_profile() {
        for (said, told) in [
            ("ec2:DescribeInstances in us-east-1: no", "ec2:DescribeInstances in [hidden]: no"),
            ("ec2:DescribeInstances in eu-west-1: no", "ec2:DescribeInstances in eu-west-1: no"),
            ("is region us-east-1 enabled, or us-gov-west-1", "is region [hidden] enabled, or [hidden]"),
            ("(https://ec2.us-east-1.amazonaws.com) eu-west-1c, us-east-1a", "([hidden]) eu-west-1c, [hidden]"),
            ("of web-server-1 and i-1, eusc-de-east-1", "of web-server-1 and i-1, [hidden]"),
            ("Run: aws sso login --profile corp", "Run: aws sso login --profile [hidden]"),
            (
                "profile `corp` (`aws login --profile corp` for SSO)",
                "profile `[hidden]` (`aws login --profile [hidden]` for SSO)",
            ),
            ("(profile corp), --profile=corp.", "(profile [hidden]), [hidden]."),
            ("a profile of ~/.aws/config with --profile, which", "a profile of ~/.aws/config with --profile, which"),
        ] {
            assert_eq!(payments().masked(said), told);
            assert_eq!(Visibility::everything().masked(said), said);
        }
    }

    #[test]
    fn a_rule_names_what_its_reader_may_know() {
        for (rule, shown) in [
            ("--write-account 111111111111,222222222222", "--write-account 111111111111,..."),
            ("--write-account 222222222222 (server)", "--write-account ... (server)"),
            ("--write-region eu-west-1,us-east-1", "--write-region eu-west-1,..."),
            ("--write-tag team=payments-eu (server)", "--write-tag team=payments-eu (server)"),
            ("--write-tag team=quarry (server)", "--write-tag ... (server)"),
            ("--write-tag customer=a (b)", "--write-tag ..."),
            ("--deny-write account:111111111111 (connection)", "--deny-write account:111111111111 (connection)"),
            ("--deny-write account:222222222222", "--deny-write ..."),
            ("--deny-write region:us-east-1 (server)", "--deny-write ... (server)"),
            ("--deny-write tag:team", "--deny-write tag:team"),
            ("--deny-write tag:customer=x", "--deny-write ..."),
            ("--deny-write instance:i-1", "--deny-write ..."),
            ("--deny-write tool:stop_instance", "--deny-write tool:stop_instance"),
            ("--write-cap 20/1h (server)", "--write-cap 20/1h (server)"),
            ("--audit-required (server)", "--audit-required (server)"),
        ] {
            assert_eq!(payments().masked_rule(rule), shown);
            assert_eq!(Visibility::everything().masked_rule(rule), rule);
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_around_it_no_hidden_account_is_left(before in "[^0-9]{0,9}", after in "[^0-9]{0,9}") {
            let text = format!("{before}222222222222{after} 111111111111");
            let masked = payments().masked(&text);
            prop_assert!(!masked.contains("222222222222") && masked.ends_with("111111111111"), "{}", masked);
        }
    }
}

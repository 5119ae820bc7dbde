//! The scopes that could not be looked at, counted and grouped by cause: an answer that covers thousands names each cause once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::cause::cause;
use super::tools::schema;
use super::tools::table::AnswerText;
use super::tools::tokens::tokens;
use crate::freshness::{ScopeCoverage, ScopeFreshness};
use crate::kinds;
use crate::model::text::shown;
use crate::model::{Scope, Timestamp, Trouble, TroubleClass};

/// How many tokens the fields take at most, and the text.
const BUDGET: usize = 300;
/// The tokens that are kept for what was left out.
const REST: usize = 25;
/// How many scopes are named as examples of a cause.
const EXAMPLES: usize = 3;
/// The longest text of an example, and of its next step.
const WHAT: usize = 240;
/// The longest name of an account.
const NAME: usize = 80;

/// The (scope, kind)s that were never swept to the end and whose last attempt failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedScopes {
    /// By how many scopes they have, the most first.
    groups: Vec<FailureGroup>,
    scopes: usize,
    /// The accounts that could not be reached at all, by what they are called.
    unreached: BTreeMap<String, Trouble>,
}

/// Those with the same cause.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FailureGroup {
    cause: String,
    scopes: BTreeSet<Scope>,
    kinds: BTreeSet<&'static str>,
    /// The trouble of one of them.
    trouble: Trouble,
    /// When the first of them is tried again.
    retry_at: Option<Timestamp>,
}

impl FailedScopes {
    /// Those of some states that failed.
    #[must_use]
    pub fn of<'a>(states: impl IntoIterator<Item = &'a ScopeFreshness>) -> Self {
        let failed = states.into_iter().filter(|state| state.coverage() == ScopeCoverage::Failed);
        let mut groups: BTreeMap<(String, String), FailureGroup> = BTreeMap::new();
        let mut scopes = BTreeSet::new();
        for state in failed {
            let (Some(trouble), Some(kind)) = (state.trouble.as_deref(), kinds::of(&state.kind)) else { continue };
            let cause = cause(trouble, &state.scope);
            let group = groups.entry((class(trouble.class), cause.clone())).or_insert_with(|| FailureGroup {
                cause,
                scopes: BTreeSet::new(),
                kinds: BTreeSet::new(),
                trouble: trouble.clone(),
                retry_at: None,
            });
            group.scopes.insert(state.scope.clone());
            group.kinds.insert(kind.slug);
            group.retry_at = group.retry_at.into_iter().chain(trouble.retry_at).min();
            scopes.insert(&state.scope);
        }
        let mut groups: Vec<FailureGroup> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.scopes.len()));
        FailedScopes { groups, scopes: scopes.len(), unreached: BTreeMap::new() }
    }

    /// Beside these accounts, which could not be reached at all, so that none of their scopes is known.
    #[must_use]
    pub fn beside(self, unreached: BTreeMap<String, Trouble>) -> Self {
        FailedScopes { unreached, ..self }
    }

    /// Whether accounts could not be reached at all.
    #[must_use]
    pub fn has_unreached(&self) -> bool {
        !self.unreached.is_empty()
    }

    /// Whether none failed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.unreached.is_empty()
    }

    /// How many scopes have a kind that failed.
    #[must_use]
    pub fn scopes(&self) -> usize {
        self.scopes
    }

    /// The causes in a few words, such as `UnauthorizedOperation, such as 123456789012/eu-west-1`.
    #[must_use]
    pub fn causes(&self) -> String {
        let named = self.groups.iter().take(EXAMPLES).map(|group| {
            let example = group.scopes.first().map_or_else(String::new, |scope| format!(", such as {scope}"));
            format!("{}{example}", group.cause)
        });
        let more = self.groups.len().saturating_sub(EXAMPLES);
        let more = if more > 0 { format!("; and {more} more causes") } else { String::new() };
        format!("{}{more}", named.collect::<Vec<_>>().join("; "))
    }

    /// The fields of an answer; none where none failed. Causes that do not fit are counted.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if self.is_empty() {
            return fields;
        }
        let (mut entries, mut left) = (Vec::new(), BUDGET - REST);
        for group in &self.groups {
            let entry = [group.full(), group.short()].into_iter().find(|entry| tokens(&entry.to_string()) <= left);
            let Some(entry) = entry else { break };
            left -= tokens(&entry.to_string());
            entries.push(entry);
        }
        let rest = self.groups.len() - entries.len();
        if !self.groups.is_empty() {
            fields.insert("failed".to_owned(), json!(entries));
        }
        if !self.unreached.is_empty() {
            let first = self.unreached.iter().take(EXAMPLES).map(|(account, trouble)| {
                json!({
                    "account": shown(account, NAME),
                    "what": shown(&trouble.what, WHAT / 2),
                    "fix": shown(&trouble.next_step(), WHAT / 2),
                })
            });
            fields.insert("unreached_accounts".to_owned(), first.collect());
            fields.insert("unreached_accounts_in_all".to_owned(), json!(self.unreached.len()));
        }
        if rest > 0 {
            fields.insert("failed_causes_not_shown".to_owned(), json!(rest));
        }
        fields
    }

    /// Adds a line for each cause to the text of an answer.
    pub fn say(&self, text: &mut AnswerText) {
        let mut left = BUDGET - REST;
        for (nth, group) in self.groups.iter().enumerate() {
            let line = [group.line(true), group.line(false)].into_iter().find(|line| tokens(line) <= left);
            let Some(line) = line else {
                text.add(format_args!("\nNot looked at: scopes with {} more causes", self.groups.len() - nth));
                return;
            };
            left -= tokens(&line);
            text.add(format_args!("\n{line}"));
        }
        for reason in self.unreached_reasons() {
            text.add(format_args!("\nNot looked at: {reason}"));
        }
    }

    /// The first accounts that could not be reached, each with its reason, and how many more there are.
    fn unreached_reasons(&self) -> Vec<String> {
        let first = self.unreached.iter().take(EXAMPLES).map(|(account, trouble)| {
            let (what, step) = (shown(&trouble.what, WHAT), shown(&trouble.next_step(), WHAT));
            format!("{}: {what}. {step}", shown(account, NAME))
        });
        let more = self.unreached.len().saturating_sub(EXAMPLES);
        first.chain((more > 0).then(|| format!("{more} more accounts"))).collect()
    }

    /// What the messages of errors say: each cause with its next step.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let reason = |group: &FailureGroup| {
            let place = match group.scopes.first() {
                Some(only) if group.scopes.len() == 1 => only.to_string(),
                first => format!("{} scopes{}", group.scopes.len(), such_as(first)),
            };
            let kinds: Vec<&str> = group.kinds.iter().copied().take(EXAMPLES).collect();
            let more = group.kinds.len().saturating_sub(EXAMPLES);
            let more = if more > 0 { format!(" and {more} more kinds") } else { String::new() };
            format!("{place} {}{more}: {}. {}", kinds.join(", "), group.trouble.what, group.step())
        };
        self.groups.iter().take(EXAMPLES).map(reason).chain(self.unreached_reasons()).collect()
    }
}

fn such_as(scope: Option<&Scope>) -> String {
    scope.map_or_else(String::new, |scope| format!(", such as {scope}"))
}

fn class(class: TroubleClass) -> String {
    json!(class).as_str().unwrap_or_default().to_owned()
}

impl FailureGroup {
    /// What to do, and when the first of them is tried again.
    fn step(&self) -> String {
        Trouble { retry_at: self.retry_at, ..self.trouble.clone() }.next_step()
    }

    fn examples(&self) -> Vec<String> {
        self.scopes.iter().take(EXAMPLES).map(ToString::to_string).collect()
    }

    fn short(&self) -> Value {
        json!({"cause": self.cause, "class": self.trouble.class, "scopes": self.scopes.len()})
    }

    fn full(&self) -> Value {
        json!({
            "cause": self.cause,
            "class": self.trouble.class,
            "scopes": self.scopes.len(),
            "kinds": self.kinds,
            "examples": self.examples(),
            "what": shown(&self.trouble.what, WHAT),
            "fix": shown(&self.step(), WHAT),
        })
    }

    fn line(&self, is_full: bool) -> String {
        let count = self.scopes.len();
        let examples = self.examples().join(", ");
        let place = if count <= EXAMPLES { examples } else { format!("{count} scopes, such as {examples}") };
        if is_full {
            let (what, step) = (shown(&self.trouble.what, WHAT), shown(&self.step(), WHAT));
            return format!("Not looked at: {place}: {what}. {step}");
        }
        format!("Not looked at: {count} scopes: {}", self.cause)
    }
}

/// What output schemas say of the scopes that failed.
#[must_use]
pub fn described() -> [(&'static str, Value); 4] {
    let account = schema::object(
        &["account", "what", "fix"],
        json!({
            "account": schema::text("What it is called."),
            "what": schema::text("What happened."),
            "fix": schema::text("What to do about it."),
        }),
    );
    let each = schema::object(
        &["cause", "class", "scopes"],
        json!({
            "cause": schema::text("AWS's error code, or what happened."),
            "class": schema::text("How Muster takes it, such as denied or throttled."),
            "scopes": schema::count("How many accounts and regions have it."),
            "kinds": schema::list(json!({"type": "string"}), "Of which kinds."),
            "examples": schema::list(json!({"type": "string"}), "The first of them."),
            "what": schema::text("What happened in one of them."),
            "fix": schema::text("What to do about it."),
        }),
    );
    [
        (
            "failed",
            schema::list(each, "Accounts and regions that could not be looked at and are not in the answer, by cause."),
        ),
        ("failed_causes_not_shown", schema::count("How many more causes there are.")),
        ("unreached_accounts", schema::list(account, "The first accounts that could not be reached at all.")),
        ("unreached_accounts_in_all", schema::count("How many there are.")),
    ]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::freshness::{Swept, WatchedScope};
    use crate::kinds::KINDS;
    use crate::mcp::progress::PendingSweeps;
    use crate::model::fixtures::at_millis;
    use crate::model::{AccountId, ErrorClass, Region};

    /// The state of a kind in a scope: covered, pending, or failed for one of some causes.
    fn state(account: usize, region: usize, kind: usize, how: usize) -> ScopeFreshness {
        let scope = Scope {
            account: AccountId::new(format!("{:012}", 100_000_000_000 + account)),
            region: Region::new(format!("eu-west-{region}")),
        };
        let kind = KINDS[kind % KINDS.len()];
        let mut state = WatchedScope::new(scope.clone(), kind.kind(), Duration::ZERO, None).state;
        let what = |code: &str| {
            let (account, action) = (&scope.account, kind.name);
            let denied = "is not authorized to perform this operation because no identity-based policy allows it";
            format!(
                "ec2:Describe{action} in {}: {code}: User: arn:aws:sts::{account}:assumed-role/r/s {denied}",
                scope.region
            )
        };
        let trouble = |class: ErrorClass, code: &str| Trouble {
            class: class.into(),
            what: what(code),
            fix: "Allow it in the IAM policy of these credentials; `muster policy iam` prints all it needs.".to_owned(),
            since: at_millis(0),
            retry_at: None,
        };
        match how {
            0 => state.complete = Some(Swept { started: at_millis(1), ended: at_millis(2) }),
            1 => {}
            2 => state.trouble = Some(Box::new(trouble(ErrorClass::Denied, "UnauthorizedOperation"))),
            3 => state.trouble = Some(Box::new(trouble(ErrorClass::Throttled, "RequestLimitExceeded"))),
            other => state.trouble = Some(Box::new(trouble(ErrorClass::Fatal, &format!("Code{}", "x".repeat(other))))),
        }
        state
    }

    #[test]
    fn accounts_that_cannot_be_reached_are_named_with_the_reason_and_then_counted() {
        let trouble = Trouble {
            class: ErrorClass::Fatal.into(),
            what: "the AWS SSO session is missing or has expired".to_owned(),
            fix: "Run: aws sso login --profile dev".to_owned(),
            since: at_millis(0),
            retry_at: None,
        };
        let unreached = (0..10).map(|number| (format!("account {number}"), trouble.clone())).collect();
        let found = FailedScopes::default().beside(unreached);
        assert!(!found.is_empty() && found.has_unreached());
        assert_eq!(found.scopes(), 0);
        let fields = found.fields();
        assert_eq!(fields["unreached_accounts"].as_array().unwrap().len(), 3);
        assert_eq!(fields["unreached_accounts_in_all"], 10);
        assert!(!fields.contains_key("failed"));
        let mut text = AnswerText::new("");
        found.say(&mut text);
        let text = String::from(text);
        assert!(
            text.contains("account 0: the AWS SSO session is missing") && text.contains("7 more accounts"),
            "{text}"
        );
        assert!(text.contains("aws sso login --profile dev"), "{text}");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn every_scope_is_counted_once_and_all_causes_fit(
            standings in proptest::collection::vec((0..40_usize, 0..4_usize, 0..3_usize, 0..12_usize), 0..200)
        ) {
            let unique: BTreeMap<_, _> = standings.into_iter().map(|(a, r, k, how)| ((a, r, k), how)).collect();
            let states: Vec<ScopeFreshness> = unique.iter().map(|((a, r, k), how)| state(*a, *r, *k, *how)).collect();
            let count = |standing| states.iter().filter(|state| state.coverage() == standing).count();
            let [covered, failed, pending] = [ScopeCoverage::Covered, ScopeCoverage::Failed, ScopeCoverage::Pending].map(count);
            prop_assert_eq!(covered + failed + pending, states.len());
            let found = FailedScopes::of(&states);
            let of = |standing| {
                let is = |state: &&ScopeFreshness| state.coverage() == standing;
                states.iter().filter(is).map(|state| state.scope.clone()).collect::<BTreeSet<_>>().len()
            };
            prop_assert_eq!((found.scopes(), PendingSweeps::of(&states).scopes()), (of(ScopeCoverage::Failed), of(ScopeCoverage::Pending)));
            let causes: BTreeSet<usize> = unique.values().copied().filter(|how| *how > 1).collect();
            prop_assert_eq!(found.groups.len(), causes.len());
            let fields = Value::Object(found.fields());
            prop_assert!(tokens(&fields.to_string()) <= BUDGET, "{}", fields);
            let shown = fields["failed"].as_array().map_or(0, Vec::len);
            let rest = fields["failed_causes_not_shown"].as_u64().unwrap_or_default();
            prop_assert_eq!(shown as u64 + rest, causes.len() as u64);
            let mut text = AnswerText::new(String::new());
            found.say(&mut text);
            let text: String = text.into();
            prop_assert!(tokens(&text) <= BUDGET + REST, "{}", text);
        }
    }

    #[test]
    fn eight_hundred_and_fifty_denied_scopes_are_one_line() {
        let states: Vec<ScopeFreshness> = (0..850).map(|n| state(n / 17, n % 17, n, 2)).collect();
        let found = FailedScopes::of(&states);
        let fields = Value::Object(found.fields());
        assert_eq!((&fields["failed"][0]["scopes"], found.groups.len()), (&json!(850), 1));
        assert!(tokens(&fields.to_string()) <= BUDGET, "{fields}");
        assert_eq!(fields["failed"][0]["examples"].as_array().map(Vec::len), Some(EXAMPLES));
        assert!(found.causes().starts_with("UnauthorizedOperation, such as 100000000000/eu-west-0"));
    }
}

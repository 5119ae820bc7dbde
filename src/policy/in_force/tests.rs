use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::policy::PolicyWidening;

const TOOLS: [&str; 3] = ["start_instance", "stop_instance", "create_snapshot"];
const NAMES: [&str; 3] = ["a", "b", "c"];
const ACCOUNTS: [&str; 2] = ["123456789012", "210987654321"];
const NOW: Timestamp = Timestamp::from_millis(1_000_000);

/// A change in owned form.
#[derive(Clone, Debug)]
struct Case {
    tool: &'static str,
    account: &'static str,
    region: &'static str,
    instance: &'static str,
    tags: KnownTags,
    by_server: TouchedInstances,
    by_connection: TouchedInstances,
    audit: Option<&'static str>,
}

impl Case {
    fn adds(&self) -> bool {
        self.tool == "create_snapshot"
    }

    fn request(&self) -> ChangeRequest<'_> {
        ChangeRequest {
            tool: self.tool,
            adds: self.adds(),
            account: self.account,
            region: self.region,
            instance: self.instance,
            tags: &self.tags,
            by_server: &self.by_server,
            by_connection: &self.by_connection,
            audit: self.audit,
            now: NOW,
        }
    }
}

fn case() -> Case {
    Case {
        tool: "stop_instance",
        account: ACCOUNTS[0],
        region: "a",
        instance: "a",
        tags: tags([("Env", "dev")]),
        by_server: TouchedInstances::default(),
        by_connection: TouchedInstances::default(),
        audit: None,
    }
}

fn tags<const N: usize>(listed: [(&str, &str); N]) -> KnownTags {
    KnownTags::All(listed.map(|(key, value)| (key.to_owned(), TagValue::Plain(value.to_owned()))).into())
}

fn names(from: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    subsequence(from, 1..=from.len()).prop_map(|names| names.into_iter().map(str::to_owned).collect())
}

fn name() -> impl Strategy<Value = String> {
    select(&NAMES[..]).prop_map(str::to_owned)
}

fn rules() -> impl Strategy<Value = WriteRule> {
    let denied = prop_oneof![
        (name(), prop::option::of(name())).prop_map(|(key, value)| DeniedTarget::Tag { key, value }),
        select(&ACCOUNTS[..]).prop_map(|account| DeniedTarget::Account(account.to_owned())),
        name().prop_map(DeniedTarget::Region),
        name().prop_map(DeniedTarget::Instance),
        select(&TOOLS[..]).prop_map(|tool| DeniedTarget::Tool(tool.to_owned())),
    ];
    prop_oneof![
        4 => any::<bool>().prop_map(|deny| WriteRule::Writes(!deny)),
        2 => names(&["start_instance", "stop_instance", "create_snapshot", "snapshot"]).prop_map(WriteRule::Tools),
        2 => names(&ACCOUNTS).prop_map(WriteRule::Accounts),
        2 => names(&NAMES).prop_map(WriteRule::Regions),
        2 => (name(), name()).prop_map(|(key, value)| WriteRule::Tag { key, value }),
        2 => denied.prop_map(WriteRule::Deny),
        2 => (0..4_usize, 1..2_000_u64).prop_map(|(instances, seconds)| {
            WriteRule::Cap(WriteCap { instances, window: Duration::from_secs(seconds) })
        }),
        1 => Just(WriteRule::Human),
        1 => Just(WriteRule::Audit),
        1 => Just(WriteRule::Unknown("quantum".to_owned())),
    ]
}

fn policies() -> impl Strategy<Value = (bool, Vec<WriteRule>)> {
    (any::<bool>(), prop::collection::vec(rules(), 0..4))
}

fn policy((allow, rules): &(bool, Vec<WriteRule>)) -> WritePolicy {
    let switch = WriteRule::Writes(*allow);
    WritePolicy::with(rules.iter().filter(|rule| !is_switch(rule)).cloned().chain([switch]))
}

fn is_switch(rule: &WriteRule) -> bool {
    matches!(rule, WriteRule::Writes(_))
}

fn touched() -> impl Strategy<Value = TouchedInstances> {
    let last = prop::collection::btree_map(name(), (0..1_200_i64).prop_map(|s| Timestamp::from_millis(s * 1000)), 0..4);
    let since = prop::option::of((0..1_000_i64).prop_map(|s| Timestamp::from_millis(s * 1000)));
    (last, since).prop_map(|(last, known_since)| TouchedInstances { last, known_since })
}

fn cases() -> impl Strategy<Value = Case> {
    let value = prop_oneof![4 => name().prop_map(TagValue::Plain), 1 => Just(TagValue::Hidden)];
    let tags = prop_oneof![
        6 => prop::collection::btree_map(name(), value, 0..4).prop_map(KnownTags::All),
        1 => Just(KnownTags::Lost),
    ];
    let places = (select(&ACCOUNTS[..]), select(&NAMES[..]), select(&NAMES[..]));
    let audit = prop::option::of(Just("it is behind"));
    (select(&TOOLS[..]), places, tags, touched(), touched(), audit).prop_map(
        |(tool, (account, region, instance), tags, by_server, by_connection, audit)| Case {
            tool,
            account,
            region,
            instance,
            tags,
            by_server,
            by_connection,
            audit,
        },
    )
}

/// The plain model: whether one policy, written as a person reads it, allows a change.
fn allows((allow, rules): &(bool, Vec<WriteRule>), case: &Case, touched: &TouchedInstances) -> bool {
    let has = |key: &str, value: Option<&str>| match &case.tags {
        KnownTags::Lost => None,
        KnownTags::All(tags) => match tags.get(key) {
            Some(TagValue::Hidden) if value.is_some() => None,
            Some(TagValue::Plain(held)) => Some(value.is_none_or(|value| value == held)),
            other => Some(other.is_some()),
        },
    };
    *allow
        && rules.iter().filter(|rule| !is_switch(rule)).all(|rule| match rule {
            WriteRule::Tools(tools) => {
                tools.contains(case.tool) || (case.tool == "create_snapshot" && tools.contains("snapshot"))
            }
            WriteRule::Accounts(accounts) => accounts.contains(case.account),
            WriteRule::Regions(regions) => regions.contains(case.region),
            WriteRule::Tag { key, value } => has(key, Some(value)) == Some(true),
            WriteRule::Deny(DeniedTarget::Tag { key, value }) => has(key, value.as_deref()) == Some(false),
            WriteRule::Deny(DeniedTarget::Account(denied)) => denied != case.account,
            WriteRule::Deny(DeniedTarget::Region(denied)) => denied != case.region,
            WriteRule::Deny(DeniedTarget::Tool(denied)) => denied != case.tool,
            WriteRule::Deny(DeniedTarget::Instance(denied)) => denied != case.instance,
            WriteRule::Cap(WriteCap { instances, window }) => {
                let begin = NOW - *window;
                let mut ids: Vec<&str> =
                    touched.last.iter().filter(|(_, at)| **at > begin).map(|(id, _)| id.as_str()).collect();
                ids.push(case.instance);
                ids.sort_unstable();
                ids.dedup();
                ids.len() <= *instances && touched.known_since.is_none_or(|since| since <= begin)
            }
            WriteRule::Human => true,
            WriteRule::Audit => case.audit.is_none(),
            WriteRule::Writes(_) | WriteRule::Unknown(_) => false,
        })
}

proptest! {
    #[test]
    fn a_change_is_allowed_exactly_where_both_policies_allow_it(
        server in policies(), connection in policies(), case in cases()
    ) {
        let in_force = PolicyInForce::of(&policy(&server), &policy(&connection));
        let expected = allows(&server, &case, &case.by_server) && allows(&connection, &case, &case.by_connection);
        let verdict = in_force.judge(&case.request());
        prop_assert_eq!(verdict.is_allowed(), expected, "{:?}", verdict);
        prop_assert_eq!(verdict.checks.len(), in_force.rules().len(), "each rule says something");
        if in_force.bar(case.tool, case.adds()).is_some() {
            prop_assert!(!expected, "a tool that is barred changes nothing");
        }
    }

    #[test]
    fn no_further_rule_allows_more_and_a_denial_wins(
        given in policies(), more in rules(), tool in select(&TOOLS[..]), case in cases()
    ) {
        let all = WritePolicy::of(true);
        let judge = |given: &(bool, Vec<WriteRule>)| {
            PolicyInForce::of(&policy(given), &all).judge(&case.request()).is_allowed()
        };
        let before = judge(&given);
        let mut with = given.clone();
        with.1.push(more);
        prop_assert!(before || !judge(&with));
        let mut denied = given;
        denied.1.push(WriteRule::Deny(DeniedTarget::Tool(tool.to_owned())));
        prop_assert!(!(judge(&denied) && case.tool == tool));
    }

    #[test]
    fn where_nothing_is_widened_nothing_more_is_allowed(
        before in policies(), after in policies(), case in cases()
    ) {
        let all = WritePolicy::of(true);
        let judge = |server: &WritePolicy| PolicyInForce::of(server, &all).judge(&case.request()).is_allowed();
        let more = (before.0 && after.0, [before.1.clone(), after.1.clone()].concat());
        let (before, after, more) = (policy(&before), policy(&after), policy(&more));
        let widening = PolicyWidening::between(&before, &after);
        prop_assert!(!widening.is_empty() || judge(&before) || !judge(&after), "{:?}", widening);
        prop_assert_eq!(PolicyWidening::between(&before, &more), PolicyWidening::default(), "further rules");
    }

    #[test]
    fn the_order_of_rules_and_of_the_two_policies_changes_nothing(
        (given, shuffled) in prop::collection::vec(rules(), 0..6)
            .prop_flat_map(|rules| (Just(rules.clone()), Just(rules).prop_shuffle())),
        case in cases(),
    ) {
        prop_assert_eq!(policy(&(true, given.clone())), policy(&(true, shuffled.clone())));
        let case = Case { by_connection: case.by_server.clone(), ..case };
        let (one, other) = (policy(&(true, given)), WritePolicy::of(true));
        let judge = |server: &WritePolicy, connection: &WritePolicy| {
            PolicyInForce::of(server, connection).judge(&case.request()).is_allowed()
        };
        prop_assert_eq!(judge(&one, &other), judge(&other, &one));
    }

    #[test]
    fn a_cap_counts_different_instances_whatever_is_done_how_often(
        changes in prop::collection::vec((select(&NAMES[..]), 1..400_i64), 1..30), instances in 0..3_usize
    ) {
        let window = Duration::from_mins(10);
        let cap = PolicyInForce::of(&WritePolicy::with([WriteRule::Cap(WriteCap { instances, window })]), &WritePolicy::of(true));
        let (mut now, mut done) = (NOW, Vec::<(&str, Timestamp)>::new());
        for (instance, pause) in changes {
            now = now + Duration::from_secs(pause.unsigned_abs());
            let mut last = BTreeMap::new();
            for (id, at) in &done {
                last.insert((*id).to_owned(), *at);
            }
            let case = Case { instance, by_server: TouchedInstances { last, known_since: None }, ..case() };
            if cap.judge(&ChangeRequest { now, ..case.request() }).is_allowed() {
                done.push((instance, now));
            }
            let within: BTreeSet<&str> =
                done.iter().filter(|(_, at)| *at > now - window).map(|(id, _)| *id).collect();
            prop_assert!(within.len() <= instances);
            prop_assert!(within.contains(instance) || within.iter().filter(|id| **id != instance).count() >= instances);
        }
    }
}

fn refused(rule: WriteRule, case: &Case) -> Option<RuleRefusal> {
    let in_force = PolicyInForce::of(&WritePolicy::with([rule]), &WritePolicy::of(true));
    in_force.judge(&case.request()).refusal().map(|check| check.refusal.clone().unwrap())
}

#[test]
fn tags_are_compared_letter_by_letter() {
    let tag = |key: &str, value: &str| WriteRule::Tag { key: key.to_owned(), value: value.to_owned() };
    assert_eq!(refused(tag("Env", "dev"), &case()), None);
    assert_eq!(refused(tag("env", "dev"), &case()), Some(RuleRefusal::NoTag));
    assert_eq!(refused(tag("Env", "Dev"), &case()), Some(RuleRefusal::OtherValue { value: "dev".to_owned() }));
    assert_eq!(refused(tag("Env", "dev "), &case()), Some(RuleRefusal::OtherValue { value: "dev".to_owned() }));
}

#[test]
fn what_is_not_known_of_the_tags_refuses_both_what_asks_for_a_tag_and_what_denies_one() {
    let denied = |text: &str| WriteRule::Deny(text.parse().unwrap());
    let wanted = WriteRule::Tag { key: "Env".to_owned(), value: "dev".to_owned() };
    let lost = Case { tags: KnownTags::Lost, ..case() };
    let hidden = Case { tags: KnownTags::All([("Env".to_owned(), TagValue::Hidden)].into()), ..case() };
    for rule in [wanted.clone(), denied("tag:Env=prod"), denied("tag:Other")] {
        assert_eq!(refused(rule, &lost), Some(RuleRefusal::LostTags));
    }
    for rule in [wanted, denied("tag:Env=prod")] {
        assert_eq!(refused(rule, &hidden), Some(RuleRefusal::HiddenValue));
    }
    assert_eq!(refused(denied("tag:Env"), &hidden), Some(RuleRefusal::Denied));
    assert_eq!(refused(denied("tag:Other=x"), &hidden), None);
}

#[test]
fn the_rules_of_the_server_come_first_and_each_says_whether_it_is_met() {
    let region = |name: &str| WriteRule::Regions([name.to_owned()].into());
    let in_force = PolicyInForce::of(&WritePolicy::with([region("b")]), &WritePolicy::of(false));
    let verdict = in_force.judge(&case().request());
    let said: Vec<(RuleOrigin, String, bool)> =
        verdict.checks.iter().map(|check| (check.origin, check.rule.to_string(), check.refusal.is_none())).collect();
    let expected = [
        (RuleOrigin::Server, "--allow-writes", true),
        (RuleOrigin::Server, "--write-region b", false),
        (RuleOrigin::Connection, "--allow-writes", false),
    ];
    assert_eq!(said, expected.map(|(origin, rule, met)| (origin, rule.to_owned(), met)));
    assert_eq!(verdict.refusal().unwrap().rule, region("b"));
}

#[test]
fn the_word_for_what_only_adds_and_the_name_of_a_tool_that_does_allow_that_tool_together() {
    let tools = |name: &str| WriteRule::Tools([name.to_owned()].into());
    let both = WritePolicy::with([tools("create_snapshot"), tools("snapshot")]);
    let in_force = PolicyInForce::of(&both, &WritePolicy::of(true));
    assert!(in_force.bar("create_snapshot", true).is_none());
    assert!(in_force.bar("stop_instance", false).is_some());
}

#[test]
fn what_only_adds_is_allowed_by_its_kind_or_by_its_name() {
    let only = |name: &str| {
        PolicyInForce::of(&WritePolicy::with([WriteRule::Tools([name.to_owned()].into())]), &WritePolicy::of(true))
    };
    assert!(only("snapshot").bar("create_snapshot", true).is_none());
    assert!(only("create_snapshot").bar("create_snapshot", true).is_none());
    assert!(only("snapshot").bar("stop_instance", false).is_some());
    assert!(only("snapshot").bar("create_snapshot", false).is_some(), "the word means what only adds");
}

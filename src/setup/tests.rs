//! Plans without AWS: what is made of nothing, what mends what, and what is left alone.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::desired::{TARGET, tags};
use super::observed::{SeenQueue, SeenRule};
use super::*;
use crate::aws::bus::{RuleState, RuleTarget};
use crate::config::EventsName;
use crate::kinds::rules::{RULES, by_slug};
use crate::model::Partition;
use crate::model::fixtures::scope_in;

fn desired() -> Desired {
    Desired::new(scope_in("eu-west-1"), EventsName::default())
}

/// What is there once `steps` were carried out on `observed`.
fn after(desired: &Desired, mut observed: ObservedSetup, steps: &[SetupStep]) -> ObservedSetup {
    for step in steps {
        match step.thing {
            Thing::Queue(role) => match &step.act {
                Act::Create => {
                    let url = format!("https://sqs.eu-west-1.amazonaws.com/123456789012/{}", role.name(&desired.name));
                    let queue = url.parse().unwrap();
                    let made = SeenQueue { queue, attributes: desired.attributes(role), tags: tags() };
                    assert_eq!(observed.queues.insert(role, made), None);
                }
                Act::SetAttributes(set) => {
                    observed.queues.get_mut(&role).unwrap().attributes.extend(set.clone());
                }
                Act::Tag => observed.queues.get_mut(&role).unwrap().tags.extend(tags()),
                Act::Delete => drop(observed.queues.remove(&role).unwrap()),
                other => panic!("{other:?} of a queue"),
            },
            Thing::Rule(rule) => match &step.act {
                Act::Create => {
                    let state = RuleState {
                        arn: desired.rule_arn(rule),
                        pattern: desired.rule(rule).pattern,
                        enabled: true,
                        state: "ENABLED".to_owned(),
                        description: String::new(),
                    };
                    let made = SeenRule { state, tags: tags(), targets: Vec::new() };
                    assert_eq!(observed.rules.insert(rule.slug, made), None);
                }
                act => {
                    let seen = observed.rules.get_mut(rule.slug).unwrap();
                    match act {
                        Act::PutPattern => {
                            seen.state.pattern = desired.rule(rule).pattern;
                            seen.state.enabled = true;
                            seen.state.state = "ENABLED".to_owned();
                        }
                        Act::Enable => seen.state.enabled = true,
                        Act::Tag => seen.tags.extend(tags()),
                        Act::PutTarget => {
                            seen.targets.retain(|target| target.id != TARGET);
                            seen.targets.push(target(desired));
                        }
                        Act::RemoveTarget => seen.targets.retain(|target| target.id != TARGET),
                        Act::Delete => {
                            assert_eq!(seen.targets, [], "AWS refuses to delete a rule with targets");
                            observed.rules.remove(rule.slug);
                        }
                        other => panic!("{other:?} of a rule"),
                    }
                }
            },
        }
    }
    observed
}

fn target(desired: &Desired) -> RuleTarget {
    RuleTarget {
        id: TARGET.to_owned(),
        arn: desired.queue_arn(QueueRole::Events),
        role_arn: None,
        dead_letter_arn: Some(desired.queue_arn(QueueRole::Dead)),
        shaped: false,
    }
}

/// All as it should be.
fn complete(desired: &Desired) -> ObservedSetup {
    let steps = plan::plan(desired, &ObservedSetup::default(), false).unwrap();
    after(desired, ObservedSetup::default(), &steps)
}

fn told(desired: &Desired, steps: &[SetupStep]) -> Vec<String> {
    steps.iter().map(|step| step.told(desired)).collect()
}

#[test]
fn of_nothing_everything_is_made_and_then_nothing_is_to_do() {
    let desired = desired();
    let steps = plan::plan(&desired, &ObservedSetup::default(), false).unwrap();
    let told = told(&desired, &steps);
    assert_eq!(told[..2], ["create the queue muster-events-dead", "create the queue muster-events"]);
    assert_eq!(told[2], "create the rule muster-instances");
    assert_eq!(told[3], "let the rule muster-instances send to the queue muster-events");
    assert_eq!(told.len(), 2 + 2 * RULES.len());
    let all = after(&desired, ObservedSetup::default(), &steps);
    assert_eq!(drift(&desired, &all), []);
    assert_eq!(plan::plan(&desired, &all, false), Ok(Vec::new()));
}

#[test]
fn the_queues_policy_names_exactly_the_rules() {
    let desired = desired();
    let attributes = desired.attributes(QueueRole::Events);
    let policy: Value = serde_json::from_str(&attributes["Policy"]).unwrap();
    let [statement] = &policy["Statement"].as_array().unwrap()[..] else { panic!("{policy}") };
    assert_eq!(statement["Principal"], json!({ "Service": "events.amazonaws.com" }));
    assert_eq!(statement["Action"], "sqs:SendMessage");
    assert_eq!(statement["Resource"], "arn:aws:sqs:eu-west-1:123456789012:muster-events");
    let arns: Vec<&str> = statement["Condition"]["ArnEquals"]["aws:SourceArn"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arn| arn.as_str().unwrap())
        .collect();
    assert_eq!(arns.len(), RULES.len());
    assert_eq!(arns[0], "arn:aws:events:eu-west-1:123456789012:rule/muster-instances");
    for partition in Partition::ALL {
        let region = partition.home();
        let there = Desired::new(scope_in(region), EventsName::default());
        let dead = format!("arn:{partition}:sqs:{region}:123456789012:muster-events-dead");
        assert_eq!(there.queue_arn(QueueRole::Dead), dead);
        let rule = format!("arn:{partition}:events:{region}:123456789012:rule/muster-tags");
        assert_eq!(there.rule_arn(by_slug("tags").unwrap()), rule);
    }
}

type Break = (&'static str, fn(&mut ObservedSetup), &'static [&'static str]);

fn tags_rule(observed: &mut ObservedSetup) -> &mut SeenRule {
    observed.rules.get_mut("tags").unwrap()
}

fn events(observed: &mut ObservedSetup) -> &mut SeenQueue {
    observed.queues.get_mut(&QueueRole::Events).unwrap()
}

fn first_target(observed: &mut ObservedSetup) -> &mut RuleTarget {
    &mut tags_rule(observed).targets[0]
}

fn set(observed: &mut ObservedSetup, name: &str, value: &str) {
    events(observed).attributes.insert(name.to_owned(), value.to_owned());
}

/// Each way to drift, and the steps that mend it.
const BREAKS: &[Break] = &[
    (
        "disabled",
        |o| tags_rule(o).state.enabled = false,
        &["enable the rule muster-tags (it is disabled, so it sends no events)"],
    ),
    (
        "another pattern",
        |o| tags_rule(o).state.pattern = r#"{"source":["aws.s3"]}"#.to_owned(),
        &[
            r#"set the pattern of the rule muster-tags (its pattern was changed: source is ["aws.s3"], not ["aws.tag","muster.canary"]; detail-type is missing, and should be ["Tag Change on Resource","Muster Canary muster-tags"]; detail is missing, and should be {"service":["ec2"]})"#,
        ],
    ),
    (
        "another pattern and disabled",
        |o| tags_rule(o).state = RuleState { pattern: String::new(), enabled: false, ..tags_rule(o).state.clone() },
        &[
            "set the pattern of the rule muster-tags (its pattern was changed: it has no event pattern and it is disabled, so it sends no events)",
        ],
    ),
    (
        "untagged rule",
        |o| tags_rule(o).tags.clear(),
        &["tag the rule muster-tags (it lacks the tag muster:created-by=muster)"],
    ),
    (
        "no target",
        |o| tags_rule(o).targets.clear(),
        &["let the rule muster-tags send to the queue muster-events (it has no target, so its events go nowhere)"],
    ),
    (
        "a target with a role",
        |o| first_target(o).role_arn = Some("arn:aws:iam::1:role/x".to_owned()),
        &["let the rule muster-tags send to the queue muster-events (its target `muster` sends as the role \
           arn:aws:iam::1:role/x, but the queue's policy lets only EventBridge itself send)"],
    ),
    (
        "a target that shapes",
        |o| first_target(o).shaped = true,
        &[
            "let the rule muster-tags send to the queue muster-events (its target `muster` changes events before it sends them (Input, InputPath or InputTransformer))",
        ],
    ),
    (
        "a target without dead letters",
        |o| first_target(o).dead_letter_arn = None,
        &[
            "let the rule muster-tags send to the queue muster-events (its target `muster` drops undeliverable events: it has no dead-letter queue)",
        ],
    ),
    (
        "a target elsewhere",
        |o| first_target(o).arn = "arn:aws:sqs:eu-west-1:1:q".to_owned(),
        &[
            "let the rule muster-tags send to the queue muster-events (its target `muster` sends to arn:aws:sqs:eu-west-1:1:q, \
           not to arn:aws:sqs:eu-west-1:123456789012:muster-events)",
        ],
    ),
    (
        "rule gone",
        |o| drop(o.rules.remove("tags")),
        &["create the rule muster-tags", "let the rule muster-tags send to the queue muster-events"],
    ),
    (
        "no policy",
        |o| drop(events(o).attributes.remove("Policy")),
        &["set Policy of the queue muster-events (it has no policy, so EventBridge cannot send to it)"],
    ),
    (
        "an open policy",
        |o| {
            let policy = events(o).attributes["Policy"].replace(r#"{"Service":"events.amazonaws.com"}"#, r#""*""#);
            set(o, "Policy", &policy);
        },
        &["set Policy of the queue muster-events (its policy also lets others send: Principal \"*\")"],
    ),
    (
        "settings and redrive",
        |o| {
            set(o, "MessageRetentionPeriod", "345600");
            set(o, "RedrivePolicy", "");
            events(o).attributes.remove("SqsManagedSseEnabled");
        },
        &["set MessageRetentionPeriod, RedrivePolicy and SqsManagedSseEnabled of the queue muster-events (its \
           MessageRetentionPeriod is 345600, not 86400, its SqsManagedSseEnabled is not set, and should be true and messages \
           that are received too often do not go to the dead-letter queue)"],
    ),
    (
        "another count of receives",
        |o| {
            let policy = events(o).attributes["RedrivePolicy"].replace(":5}", ":9}");
            set(o, "RedrivePolicy", &policy);
        },
        &[
            "set RedrivePolicy of the queue muster-events (messages go to the dead-letter queue after they are received 9 times, not 5)",
        ],
    ),
    (
        "untagged queue",
        |o| events(o).tags.clear(),
        &["tag the queue muster-events (it lacks the tag muster:created-by=muster)"],
    ),
    ("queue gone", |o| drop(o.queues.remove(&QueueRole::Events)), &["create the queue muster-events"]),
    ("dead-letter queue gone", |o| drop(o.queues.remove(&QueueRole::Dead)), &["create the queue muster-events-dead"]),
];

#[test]
fn each_kind_of_drift_gives_the_step_that_mends_it() {
    let desired = desired();
    for (what, damage, expected) in BREAKS {
        let mut broken = complete(&desired);
        damage(&mut broken);
        let steps = plan::plan(&desired, &broken, false).unwrap();
        assert_eq!(told(&desired, &steps), *expected, "{what}");
        assert_eq!(drift(&desired, &after(&desired, broken, &steps)), [], "{what}");
    }
}

proptest! {
    #[test]
    fn whatever_drifts_together_is_mended_by_one_run(which in prop::collection::vec(0..BREAKS.len(), 0..6)) {
        let desired = desired();
        let mut broken = complete(&desired);
        // What is gone cannot be damaged besides.
        let is_there = |what: &str| !what.contains("gone") && !what.starts_with("no ");
        for (_, damage, _) in which.into_iter().map(|number| BREAKS[number]).filter(|(what, ..)| is_there(what)) {
            damage(&mut broken);
        }
        let steps = plan::plan(&desired, &broken, true).unwrap();
        let mended = after(&desired, broken, &steps);
        prop_assert_eq!(drift(&desired, &mended), []);
        prop_assert_eq!(plan::plan(&desired, &mended, false), Ok(Vec::new()));
    }
}

#[test]
fn documents_that_say_the_same_are_no_drift() {
    let desired = desired();
    let mut observed = complete(&desired);
    let policy: Value = serde_json::from_str(&events(&mut observed).attributes["Policy"]).unwrap();
    let mut statement = policy["Statement"][0].clone();
    statement["Action"] = json!(["sqs:SendMessage"]);
    statement["Condition"]["ArnEquals"]["aws:SourceArn"].as_array_mut().unwrap().reverse();
    set(&mut observed, "Policy", &json!({ "Statement": statement, "Version": "2012-10-17" }).to_string());
    let dead = desired.queue_arn(QueueRole::Dead);
    set(&mut observed, "RedrivePolicy", &json!({ "maxReceiveCount": "5", "deadLetterTargetArn": dead }).to_string());
    tags_rule(&mut observed).state.pattern =
        r#"{ "detail-type": ["Muster Canary muster-tags", "Tag Change on Resource"],
        "source": ["muster.canary", "aws.tag"], "detail": {"service": ["ec2"]} }"#
            .to_owned();
    assert_eq!(drift(&desired, &observed), []);
}

#[test]
fn a_queue_with_a_key_of_its_own_stays_encrypted_with_it() {
    let desired = desired();
    let mut observed = complete(&desired);
    set(&mut observed, "KmsMasterKeyId", "alias/ours");
    set(&mut observed, "SqsManagedSseEnabled", "false");
    assert_eq!(drift(&desired, &observed), []);
}

#[test]
fn targets_and_tags_of_others_are_not_touched() {
    let desired = desired();
    let mut observed = complete(&desired);
    tags_rule(&mut observed).targets.push(RuleTarget { id: "theirs".to_owned(), ..target(&desired) });
    tags_rule(&mut observed).tags.insert("team".to_owned(), "web".to_owned());
    set(&mut observed, "DelaySeconds", "3");
    assert_eq!(plan::plan(&desired, &observed, false), Ok(Vec::new()));
}

#[test]
fn a_state_that_lets_more_through_is_left_as_it_is() {
    let desired = desired();
    let mut observed = complete(&desired);
    tags_rule(&mut observed).state.state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS".to_owned();
    assert_eq!(
        drift(&desired, &observed).into_iter().map(|drift| drift.fault).collect::<Vec<_>>(),
        [DriftFault::WithReads]
    );
    assert_eq!(plan::plan(&desired, &observed, false), Ok(Vec::new()));
}

#[test]
fn a_right_target_of_others_does_not_spare_musters_own() {
    let desired = desired();
    let theirs = RuleTarget { id: "theirs".to_owned(), ..target(&desired) };
    let shaped = RuleTarget { shaped: true, ..target(&desired) };
    let moved = RuleTarget { arn: "arn:aws:sqs:eu-west-1:1:q".to_owned(), ..target(&desired) };
    for ours in [shaped, moved] {
        let mut observed = complete(&desired);
        tags_rule(&mut observed).targets = vec![ours, theirs.clone()];
        let steps = plan::plan(&desired, &observed, false).unwrap();
        assert_eq!(steps.iter().map(|step| &step.act).collect::<Vec<_>>(), [&Act::PutTarget]);
        assert_eq!(drift(&desired, &after(&desired, observed, &steps)), []);
    }
    // Another's wrong one is told, and left to them.
    let mut observed = complete(&desired);
    tags_rule(&mut observed).targets.push(RuleTarget { shaped: true, ..theirs.clone() });
    assert_eq!(drift(&desired, &observed).len(), 1);
    assert_eq!(plan::plan(&desired, &observed, false), Ok(Vec::new()));
    tags_rule(&mut observed).targets.remove(0);
    let steps = plan::plan(&desired, &observed, false).unwrap();
    assert_eq!(steps.iter().map(|step| &step.act).collect::<Vec<_>>(), [&Act::PutTarget]);
    assert_eq!(plan::plan(&desired, &after(&desired, observed, &steps), false), Ok(Vec::new()));
}

/// A queue and a rule that have the names and nothing else of Muster's.
fn foreign(desired: &Desired) -> ObservedSetup {
    let mut observed = complete(desired);
    observed.queues.remove(&QueueRole::Dead);
    observed.rules.retain(|slug, _| *slug == "tags");
    let queue = events(&mut observed);
    (queue.attributes, queue.tags) = (BTreeMap::new(), BTreeMap::from([("team".to_owned(), "web".to_owned())]));
    let rule = tags_rule(&mut observed);
    (rule.state.pattern, rule.tags) = (r#"{"source":["aws.s3"]}"#.to_owned(), BTreeMap::new());
    rule.targets = vec![RuleTarget { arn: "arn:aws:sqs:eu-west-1:1:q".to_owned(), ..target(desired) }];
    observed
}

#[test]
fn what_is_anothers_is_refused_unless_it_may_be_adopted() {
    let desired = desired();
    let observed = foreign(&desired);
    let rule = by_slug("tags").unwrap();
    let refused = plan::plan(&desired, &observed, false).unwrap_err();
    assert_eq!(refused, [Thing::Queue(QueueRole::Events), Thing::Rule(rule)]);
    let things = refused.iter().map(|thing| desired.label(*thing)).collect();
    let error = SetupError::Foreign { region: desired.scope.region.clone(), things }.to_string();
    assert!(error.starts_with("the queue muster-events, the rule muster-tags exist without the tag"), "{error}");
    assert!(error.contains("--name") && error.contains("--adopt"), "{error}");
    let steps = plan::plan(&desired, &observed, true).unwrap();
    assert_eq!(drift(&desired, &after(&desired, observed, &steps)), []);
}

#[test]
fn what_lost_its_tag_and_is_wired_as_muster_wires_it_is_still_musters() {
    let desired = desired();
    let mut observed = complete(&desired);
    for queue in observed.queues.values_mut() {
        queue.tags.clear();
    }
    for rule in observed.rules.values_mut() {
        rule.tags.clear();
    }
    let steps = plan::plan(&desired, &observed, false).unwrap();
    assert!(steps.len() == 2 + RULES.len() && steps.iter().all(|step| step.act == Act::Tag), "{steps:?}");
}

#[test]
fn teardown_takes_away_what_setup_made_rules_first() {
    let desired = desired();
    let observed = complete(&desired);
    let removal = removal::plan(&desired, &observed, false);
    let told = told(&desired, &removal.steps);
    assert_eq!(
        told[..2],
        ["remove the target `muster` from the rule muster-instances", "delete the rule muster-instances"]
    );
    assert_eq!(told[told.len() - 2..], ["delete the queue muster-events", "delete the queue muster-events-dead"]);
    assert_eq!((removal.left, removal.notes), (Vec::new(), Vec::new()));
    let rest = after(&desired, observed, &removal.steps);
    assert_eq!(rest, ObservedSetup::default());
    assert_eq!(removal::plan(&desired, &rest, false), removal::Removal::default());
}

#[test]
fn teardown_leaves_what_is_not_musters_and_says_why() {
    let desired = desired();
    let mut observed = complete(&desired);
    observed.rules.get_mut("instances").unwrap().tags.clear();
    let stack = ("aws:cloudformation:stack-name".to_owned(), "network".to_owned());
    observed.rules.get_mut("volumes").unwrap().tags.extend([stack]);
    tags_rule(&mut observed).targets.push(RuleTarget { id: "theirs".to_owned(), ..target(&desired) });
    events(&mut observed).tags.clear();
    let removal = removal::plan(&desired, &observed, false);
    let left: Vec<String> =
        removal.left.iter().map(|(thing, why)| format!("{}: {why}", desired.label(*thing))).collect();
    for (begins, holds) in [
        ("the rule muster-instances: ", "lacks the tag"),
        ("the rule muster-volumes: ", "CloudFormation stack network"),
        ("the rule muster-tags: ", "theirs"),
        ("the queue muster-events: ", "lacks the tag"),
    ] {
        assert!(left.iter().any(|why| why.starts_with(begins) && why.contains(holds)), "{begins}: {left:?}");
    }
    assert_eq!(left.len(), 4);
    let rest = after(&desired, observed, &removal.steps);
    assert_eq!(rest.rules.keys().copied().collect::<Vec<_>>(), ["instances", "tags", "volumes"]);
    assert_eq!(rest.rules["tags"].targets.len(), 1);
    assert_eq!(rest.queues.keys().copied().collect::<Vec<_>>(), [QueueRole::Events]);
}

#[test]
fn dead_letters_go_only_when_that_is_wanted() {
    let desired = desired();
    let mut observed = complete(&desired);
    let dead = observed.queues.get_mut(&QueueRole::Dead).unwrap();
    dead.attributes.insert("ApproximateNumberOfMessages".to_owned(), "2".to_owned());
    dead.attributes.insert("ApproximateNumberOfMessagesNotVisible".to_owned(), "1".to_owned());
    let kept = removal::plan(&desired, &observed, false);
    assert!(kept.left[0].1.contains("about 3 dead letters") && kept.left[0].1.contains("--discard-dead-letters"));
    let gone = removal::plan(&desired, &observed, true);
    assert_eq!(gone.notes, ["deleting the queue muster-events-dead also deletes about 3 dead letters"]);
    assert_eq!(gone.steps.len(), kept.steps.len() + 1);
}

/// A template's text with the ARNs in it that CloudFormation would fill in.
fn resolved(value: &Value, arns: &BTreeMap<String, String>) -> Value {
    match value {
        Value::Object(members) => match members.get("Fn::GetAtt") {
            Some(of) => json!(arns[of[0].as_str().unwrap()]),
            None => members.iter().map(|(name, value)| (name.clone(), resolved(value, arns))).collect(),
        },
        Value::Array(items) => items.iter().map(|item| resolved(item, arns)).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_template_makes_what_the_plan_makes_and_nothing_else() {
    let template = template::template(&"team-a".parse().unwrap());
    let desired = Desired::new(desired().scope, "team-a".parse().unwrap());
    let resources = template["Resources"].as_object().unwrap();
    assert_eq!(resources.len(), 2 + 2 + RULES.len());
    let named = |name: &str| -> &String {
        let is = |made: &Value| made["QueueName"] == name || made["Name"] == name;
        resources.iter().find(|(_, resource)| is(&resource["Properties"])).unwrap_or_else(|| panic!("{name}")).0
    };
    let queue_ids = QueueRole::ALL.map(|role| named(&role.name(&desired.name)).clone());
    let rule_ids: Vec<String> = RULES.iter().map(|rule| named(&rule.name("team-a")).clone()).collect();
    let queue_arns = QueueRole::ALL.map(|role| desired.queue_arn(role));
    let rule_arns = RULES.iter().map(|rule| desired.rule_arn(rule));
    let ids = queue_ids.iter().chain(&rule_ids).cloned();
    let arns: BTreeMap<String, String> = ids.zip(queue_arns.iter().cloned().chain(rule_arns)).collect();
    let made = |id: &str| resolved(&resources[id]["Properties"], &arns);
    let tags: Value = tags().into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    for (id, role) in queue_ids.iter().zip(QueueRole::ALL) {
        let mut documents = desired.documents(role);
        let policies: Vec<Value> = resources
            .iter()
            .filter(|(_, resource)| resource["Properties"]["Queues"] == json!([{"Ref": id}]))
            .map(|(id, _)| made(id)["PolicyDocument"].clone())
            .collect();
        assert_eq!(policies, [documents.remove("Policy").unwrap()]);
        let mut properties = made(id).as_object().unwrap().clone();
        assert_eq!(properties.remove("QueueName"), Some(json!(role.name(&desired.name))));
        assert_eq!(properties.remove("Tags").as_ref(), Some(&tags));
        for (name, value) in role.settings() {
            assert_eq!(properties.remove(*name).map(|made| made.to_string()).as_deref(), Some(*value), "{name}");
        }
        assert_eq!(json!(properties), json!(documents), "{role:?}");
    }
    let [dead, events] = &queue_arns;
    for (id, rule) in rule_ids.iter().zip(RULES) {
        let put = desired.rule(rule);
        let expected = json!({
            "Name": put.name,
            "Description": put.description,
            "EventPattern": rule.pattern("team-a"),
            "State": "ENABLED",
            "Tags": tags,
            "Targets": [{"Id": TARGET, "Arn": events, "DeadLetterConfig": {"Arn": dead}}],
        });
        assert_eq!(made(id), expected);
    }
}

#[test]
fn lists_read_as_words() {
    assert_eq!(listed(&[] as &[&str]), "");
    assert_eq!(listed(&["a"]), "a");
    assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
}

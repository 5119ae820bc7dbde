//! Rules, queues and custom events, against the simulator.

use std::collections::BTreeMap;

use super::super::Aws;
use super::super::bus::{CustomEvent, RuleInput};
use super::super::scripted::at;
use crate::model::ErrorClass;
use crate::model::fixtures::scope;
use crate::simulator::{Options, Simulator};

const ACCOUNT: &str = "123456789012";

struct Stage {
    simulator: Simulator,
    aws: Aws,
}

async fn stage() -> Stage {
    let simulator = Simulator::start(Options { instances: 1, ..Options::default() }).await.unwrap();
    Stage { aws: at(&simulator.endpoint()), simulator }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn rule(name: &str) -> RuleInput {
    RuleInput {
        name: name.to_owned(),
        pattern: r#"{"source":["test"]}"#.to_owned(),
        description: "A test".to_owned(),
        tags: map(&[("a", "b")]),
    }
}

fn queue_arn(name: &str) -> String {
    format!("arn:aws:sqs:us-east-1:{ACCOUNT}:{name}")
}

#[tokio::test]
async fn a_rule_is_made_described_enabled_and_deleted() {
    let Stage { aws, simulator } = stage().await;
    assert_eq!(aws.describe_rule(&scope(), "r").await.unwrap(), None);
    let arn = aws.put_rule(&scope(), &rule("r")).await.unwrap();
    assert_eq!(arn, format!("arn:aws:events:us-east-1:{ACCOUNT}:rule/r"));
    let state = aws.describe_rule(&scope(), "r").await.unwrap().unwrap();
    assert_eq!((state.arn.as_str(), state.enabled, state.state.as_str()), (arn.as_str(), true, "ENABLED"));
    assert_eq!((state.pattern.as_str(), state.description.as_str()), (r#"{"source":["test"]}"#, "A test"));
    aws.tag_rule(&scope(), &arn, &map(&[("c", "d")])).await.unwrap();
    assert_eq!(aws.rule_tags(&scope(), &arn).await.unwrap(), map(&[("a", "b"), ("c", "d")]));
    aws.enable_rule(&scope(), "r").await.unwrap();
    aws.delete_rule(&scope(), "r").await.unwrap();
    aws.delete_rule(&scope(), "r").await.unwrap();
    assert_eq!(aws.describe_rule(&scope(), "r").await.unwrap(), None);
    for error in [
        aws.enable_rule(&scope(), "r").await.unwrap_err(),
        aws.rule_tags(&scope(), &arn).await.unwrap_err(),
        aws.targets(&scope(), "r").await.unwrap_err(),
        aws.remove_targets(&scope(), "r", &["t".to_owned()]).await.unwrap_err(),
    ] {
        assert_eq!(error.class, ErrorClass::NotFound, "{error}");
    }
    simulator.stop().await;
}

#[tokio::test]
async fn a_target_that_aws_refuses_within_its_answer_is_an_error_that_names_it() {
    let Stage { aws, simulator } = stage().await;
    aws.put_rule(&scope(), &rule("r")).await.unwrap();
    aws.put_target(&scope(), "r", "t", &queue_arn("q"), Some(&queue_arn("dead"))).await.unwrap();
    let [target] = &aws.targets(&scope(), "r").await.unwrap()[..] else { panic!("one target") };
    assert_eq!((target.id.as_str(), target.arn.as_str()), ("t", queue_arn("q").as_str()));
    assert_eq!((target.role_arn.as_deref(), target.shaped), (None, false));
    assert_eq!(target.dead_letter_arn, Some(queue_arn("dead")));
    let elsewhere = "arn:aws:sqs:eu-west-1:123456789012:q";
    let error = aws.put_target(&scope(), "r", "u", elsewhere, None).await.unwrap_err();
    assert!(error.to_string().contains("target u of rule r: ValidationException"), "{error}");
    aws.remove_targets(&scope(), "r", &["t".to_owned(), "gone".to_owned()]).await.unwrap();
    assert_eq!(aws.targets(&scope(), "r").await.unwrap(), []);
    simulator.stop().await;
}

#[tokio::test]
async fn a_pattern_is_tried_on_an_event_and_a_wrong_one_is_refused() {
    let Stage { aws, simulator } = stage().await;
    let event = r#"{"id":"1","account":"123456789012","source":"test","time":"2026-11-22T12:00:00Z",
        "region":"us-east-1","resources":[],"detail-type":"x","detail":{}}"#;
    assert!(aws.test_pattern(&scope(), r#"{"source":["test"]}"#, event).await.unwrap());
    assert!(!aws.test_pattern(&scope(), r#"{"source":["other"]}"#, event).await.unwrap());
    let error = aws.test_pattern(&scope(), "{", event).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Fatal, Some("InvalidEventPatternException")));
    simulator.stop().await;
}

#[tokio::test]
async fn custom_events_get_their_ids_in_order_and_a_refused_one_is_named() {
    let Stage { aws, simulator } = stage().await;
    let event = |source: &str, detail_type: &str| CustomEvent {
        source: source.to_owned(),
        detail_type: detail_type.to_owned(),
        detail: "{}".to_owned(),
    };
    let events: Vec<CustomEvent> = (0..12).map(|number| event("test", &format!("e{number}"))).collect();
    let ids = aws.put_events(&scope(), &events).await.unwrap();
    assert_eq!((ids.len(), simulator.world().requests("PutEvents")), (12, 2));
    let error = aws.put_events(&scope(), &[event("test", "fine"), event("aws.ec2", "forged")]).await.unwrap_err();
    assert!(error.to_string().contains("event forged: NotAuthorizedForSourceException"), "{error}");
    simulator.stop().await;
}

#[tokio::test]
async fn a_queue_is_made_found_set_tagged_and_deleted_and_its_name_is_blocked_for_a_while() {
    let Stage { aws, simulator } = stage().await;
    assert_eq!(aws.queue_url(&scope(), "q").await.unwrap(), None);
    let tags = map(&[("a", "b")]);
    let made = aws.create_queue(&scope(), "q", map(&[("VisibilityTimeout", "60")]), tags).await.unwrap();
    assert_eq!((made.region(), made.name()), (Some(&scope().region), "q"));
    assert_eq!(aws.queue_url(&scope(), "q").await.unwrap(), Some(made.clone()));
    aws.set_queue_attributes(&made, map(&[("MessageRetentionPeriod", "86400")])).await.unwrap();
    let attributes = aws.queue_attributes(&made).await.unwrap().unwrap();
    for (name, value) in [
        ("VisibilityTimeout", "60"),
        ("MessageRetentionPeriod", "86400"),
        ("ApproximateNumberOfMessages", "0"),
        ("QueueArn", &queue_arn("q")),
    ] {
        assert_eq!(attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
    aws.tag_queue(&made, map(&[("c", "d")])).await.unwrap();
    assert_eq!(aws.queue_tags(&made).await.unwrap(), map(&[("a", "b"), ("c", "d")]));
    aws.delete_queue(&made).await.unwrap();
    aws.delete_queue(&made).await.unwrap();
    assert_eq!(aws.queue_attributes(&made).await.unwrap(), None);
    let error = aws.create_queue(&scope(), "q", BTreeMap::new(), BTreeMap::new()).await.unwrap_err();
    assert!(error.is_deleted_recently(), "{error}");
    let error = aws.queue_tags(&made).await.unwrap_err();
    assert_eq!((error.class, error.is_deleted_recently()), (ErrorClass::NotFound, false));
    simulator.stop().await;
}

#[tokio::test]
async fn what_a_policy_denies_is_denied_in_either_protocol() {
    let Stage { aws, simulator } = stage().await;
    let words = "User: x is not authorized to perform: events:DescribeRule on resource: y";
    simulator.world().fail("DescribeRule", 400, "AccessDenied", words);
    simulator.world().fail("GetQueueUrl", 403, "AccessDenied", "Access to the resource is denied.");
    let errors = [aws.describe_rule(&scope(), "r").await.unwrap_err(), aws.queue_url(&scope(), "q").await.unwrap_err()];
    for (error, action) in errors.iter().zip(["events:DescribeRule", "sqs:GetQueueUrl"]) {
        assert_eq!(error.class, ErrorClass::Denied, "{error}");
        assert!(error.fix().starts_with(&format!("Allow {action} in the IAM policy")), "{}", error.fix());
    }
    simulator.stop().await;
}

use serde_json::json;

use super::*;
use crate::model::RowFields;

fn fields() -> Fields {
    let known = [(0, "instance-id"), (1, "owner-id"), (2, "instance-state-name"), (3, "instance-type"), (4, "vpc-id")];
    Fields {
        kind: "instance",
        known: known.map(|(number, name)| Field { number, name }).to_vec(),
        shown_as: Vec::new(),
    }
}

fn row() -> RowFields {
    RowFields {
        projection: 0,
        name: Some("web-1".into()),
        owner: Some("123456789012".into()),
        facets: vec![(0, "i-1".into()), (2, "running".into()), (3, "t3.micro".into()), (4, "vpc-1".into())],
        tags: vec![("Name".into(), "web-1".into()), ("Cost*Centre".into(), "a*b".into())],
    }
}

fn matches(given: impl Into<Value>) -> bool {
    Filters::parse(&given.into(), &fields()).unwrap().matcher().matches(&row())
}

#[test]
fn values_are_alternatives_and_filters_narrow() {
    assert!(matches(json!([{"Name": "instance-state-name", "Values": ["stopped", "running"]}])));
    assert!(!matches(json!([
        {"Name": "instance-state-name", "Values": ["running"]},
        {"Name": "instance-type", "Values": ["m5.large"]}
    ])));
    assert!(matches(Value::Null));
}

#[test]
fn both_spellings_are_taken() {
    assert!(matches(json!({"instance-state-name": ["running"]})));
    assert!(matches(json!({"instance-state-name": "running", "tag:Name": "web-1"})));
    assert!(matches(json!({"Name": "instance-state-name", "Values": ["running"]})));
    assert!(!matches(json!({"instance-state-name": ["stopped"]})));
}

#[test]
fn wildcards_match_and_a_backslash_takes_them_literally() {
    assert!(matches(json!({"instance-type": ["t3.*"]})));
    assert!(matches(json!({"instance-type": ["t?.micro"]})));
    assert!(!matches(json!({"instance-type": ["t?micro"]})), "a question mark is exactly one character");
    assert!(matches(json!({"tag:Cost*Centre": ["a\\*b"]})));
    assert!(!matches(json!({"instance-type": ["t3.\\*"]})));
    assert!(!matches(json!({"instance-state-name": ["Running"]})), "values are case-sensitive");
}

#[test]
fn tags_match_by_value_and_by_key() {
    assert!(matches(json!({"tag:Name": ["web-*"]})));
    assert!(!matches(json!({"tag:name": ["web-*"]})));
    assert!(matches(json!({"tag-key": ["Name"]})));
    assert!(!matches(json!({"tag-key": ["Owner"]})));
}

#[test]
fn an_unknown_filter_names_the_nearest_and_all_allowed_ones() {
    let error = Filters::parse(&json!({"instance-state": ["running"]}), &fields()).unwrap_err().to_string();
    assert!(error.contains("instance has no filter `instance-state` (did you mean `instance-state-name`?)"), "{error}");
    assert!(error.contains("vpc-id, tag:KEY, tag-key") && error.contains("Example: ["), "{error}");
}

#[test]
fn shapes_that_are_no_filter_are_explained() {
    for given in [json!("running"), json!([["a"]]), json!([{"Values": ["x"]}]), json!({"instance-type": [{}]})] {
        let error = Filters::parse(&given, &fields()).unwrap_err();
        assert!(matches!(error, FilterError::Shape { .. }), "{given}: {error}");
    }
    let error = Filters::parse(&json!({"instance-type": []}), &fields()).unwrap_err();
    assert_eq!(error, FilterError::NoValues { name: "instance-type".into() });
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let error = Filters::parse(&json!({"instance-type": many}), &fields()).unwrap_err();
    assert!(matches!(error, FilterError::TooMany { limit: 200, .. }));
}

#[test]
fn hashes_tell_filters_apart() {
    let hash = |given: Value| Filters::parse(&given, &fields()).unwrap().hash();
    assert_eq!(hash(json!({"vpc-id": ["a"]})), hash(json!([{"Name": "vpc-id", "Values": ["a"]}])));
    assert_ne!(hash(json!({"vpc-id": ["a"]})), hash(json!({"vpc-id": ["b"]})));
    assert_ne!(hash(json!({"vpc-id": ["ab"]})), hash(json!({"vpc-id": ["a", "b"]})));
    assert_ne!(hash(Value::Null), hash(json!({"vpc-id": ["a"]})));
}

use serde_json::json;

use super::*;
use crate::kinds::Filter;
use crate::model::fixtures::{ACCOUNT, scope_in};
use crate::model::{Row, RowFields};

const NOW: Timestamp = Timestamp::from_millis(1_775_000_000_000);
const STATES: Form = Form::Word(&["pending", "running", "stopped"]);

static KIND: KindSpec = KindSpec {
    slug: "instance",
    filters: &[
        Filter::new(0, "instance-id", &[], Form::Id(&["i-"])),
        Filter::new(1, "owner-id", &[], Form::Account),
        Filter::new(2, "instance-state-name", &[], STATES),
        Filter::new(3, "instance-type", &[], Form::Text),
        Filter::new(4, "vpc-id", &[], Form::Id(&["vpc-"])),
        Filter::new(5, "launch-time", &[], Form::Time),
        Filter::new(6, "description", &[], Form::Prose),
        Filter::new(7, "ipv6-address", &[], Form::Ipv6),
        Filter::new(8, "protocol", &[], Form::Protocol),
        Filter::new(9, "size", &[], Form::Number),
        Filter::new(10, "progress", &[], Form::Percent),
    ],
    ..KindSpec::DEFAULT
};

/// Why filters are refused when resources have the values `held`.
fn refused(given: impl Into<Value>, held: &[&str]) -> Option<String> {
    noted(&given.into(), held).err()
}

/// The values that can never match beside others that can, or why the filters are refused.
fn noted(given: &Value, held: &[&str]) -> Result<Vec<String>, String> {
    let filters = Filters::parse(given, &KIND, NOW).map_err(|error| error.to_string())?;
    let held: Vec<String> = held.iter().map(|&value| value.to_owned()).collect();
    let noted = filters.refuse::<FilterError>(|_| Ok(held.clone()));
    let texts = |errors: Vec<FilterError>| errors.iter().map(ToString::to_string).collect();
    noted.map(texts).map_err(|error| error.to_string())
}

fn row() -> Row {
    crate::model::fixtures::row(RowFields {
        name: Some("web-1".into()),
        owner: Some("123456789012".into()),
        facets: vec![
            (0, "i-1".into()),
            (2, "running".into()),
            (3, "t3.micro".into()),
            (4, "vpc-1".into()),
            (5, "2026-03-30T15:15:21+00:00".into()),
            (6, String::new()),
            (7, "2001:db8::1".into()),
            (8, "tcp".into()),
            (9, "80".into()),
            (10, "99%".into()),
        ],
        tags: vec![("Name".into(), "web-1".into()), ("Cost*Centre".into(), "a*b".into())],
        ..RowFields::default()
    })
}

fn matches(given: impl Into<Value>) -> bool {
    Filters::parse(&given.into(), &KIND, NOW).unwrap().matcher().matches(&row())
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
fn times_match_in_the_form_of_aws_and_in_that_of_documents() {
    for value in ["2026-03-30T15:15:21.000Z", "2026-03-30T15:15:21+00:00", "2026-03-30*", "2026-03-30T15:15:??.000Z"] {
        assert!(matches(json!({"launch-time": [value]})), "{value}");
        assert_eq!(refused(json!({"launch-time": [value]}), &[]), None);
    }
    assert!(!matches(json!({"launch-time": ["2026-03-31*"]})));
}

#[test]
fn a_value_that_can_never_match_is_refused_with_the_right_way() {
    for (filter, value, words) in [
        ("instance-state-name", "runing", "(did you mean `running`?): its values are pending, running, stopped"),
        ("instance-state-name", "Running", "did you mean `running`?"),
        ("instance-state-name", "", "an empty value can never match"),
        ("launch-time", "2026-03-30", "did you mean `2026-03-30*`?"),
        ("launch-time", "3 days ago", "write `<3 days ago` for times before that"),
        ("instance-id", "i-0[1-8]*", "only the wildcards * and ?"),
        ("instance-id", "vol-0123456789abcdef0", "its values are ids: i- and"),
        ("owner-id", "1234-5678-9012", "did you mean `123456789012`?"),
    ] {
        let text = refused(json!({filter: [value]}), &["i-x"]).unwrap_or_default();
        assert!(text.contains("can never match the filter ") && text.contains(words), "{filter}={value}: {text}");
        // One of several is noted, while the others count.
        let noted = noted(&json!({filter: ["*", value]}), &[]).unwrap();
        assert!(noted.len() == 1 && noted[0].contains("can never match"), "{filter}={value}: {noted:?}");
    }
}

#[test]
fn a_value_that_a_resource_has_is_never_refused() {
    assert_eq!(refused(json!({"instance-state-name": ["hibernating"]}), &["hibernating"]), None);
    assert_eq!(refused(json!({"instance-id": ["mock-*"]}), &["i-0", "mock-1"]), None);
    assert!(refused(json!({"instance-id": ["mock-*"]}), &["i-0"]).is_some());
}

#[test]
fn names_tags_and_descriptions_may_hold_anything() {
    for given in [json!({"tag:k": [""]}), json!({"tag-key": ["[1-8]"]}), json!({"instance-type": ["[x]"]})] {
        assert_eq!(refused(given, &[]), None);
    }
    assert!(matches(json!({"description": [""]})) && !matches(json!({"description": ["x"]})));
}

#[test]
fn other_spellings_of_an_address_and_a_protocol_mean_the_same() {
    assert!(matches(json!({"ipv6-address": ["2001:db8:0:0:0:0:0:1"]})));
    assert!(matches(json!({"protocol": ["6"]})) && !matches(json!({"protocol": ["17"]})));
}

#[test]
fn a_tag_of_a_kind_without_tags_is_refused_with_the_kind_that_has_them() {
    let tagless =
        KindSpec { slug: "instance-status", status_of: Some("instance"), filters: KIND.filters, ..KindSpec::DEFAULT };
    for name in ["tag:Name", "tag-key"] {
        let error = Filters::parse(&json!({name: ["x"]}), &tagless, NOW).unwrap_err().to_string();
        assert!(error.contains("instance-status has no tags") && error.contains("search kind instance"), "{error}");
    }
    let error = Filters::parse(&json!({"colour": ["x"]}), &tagless, NOW).unwrap_err().to_string();
    assert!(error.contains("account, region, tag:KEY"), "a status is found by the tags of its instance: {error}");
}

#[test]
fn an_unknown_filter_names_the_nearest_and_all_allowed_ones() {
    let error = Filters::parse(&json!({"instance-state": ["running"]}), &KIND, NOW).unwrap_err().to_string();
    assert!(error.contains("instance has no filter `instance-state` (did you mean `instance-state-name`?)"), "{error}");
    assert!(
        error.contains("progress, account, region, exposed, tag:KEY, tag-key") && error.contains("Example: ["),
        "{error}"
    );
}

#[test]
fn shapes_that_are_no_filter_are_explained() {
    for given in [json!("running"), json!([["a"]]), json!([{"Values": ["x"]}]), json!({"instance-type": [{}]})] {
        let error = Filters::parse(&given, &KIND, NOW).unwrap_err();
        assert!(matches!(error, FilterError::Shape { .. }), "{given}: {error}");
    }
    let error = Filters::parse(&json!({"instance-type": []}), &KIND, NOW).unwrap_err();
    assert_eq!(error, FilterError::NoValues { name: "instance-type".into() });
    let many: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    let error = Filters::parse(&json!({"instance-type": many}), &KIND, NOW).unwrap_err();
    assert!(matches!(error, FilterError::TooMany { limit: 200, .. }));
}

#[test]
fn places_are_filters_of_every_kind() {
    assert!(matches(json!({"region": ["us-*"], "account": ACCOUNT})) && !matches(json!({"region": "eu-west-1"})));
    assert!(matches(json!({"region": "@present"})) && !matches(json!({"account": "@absent"})));
    let admit = |given: Value, region: &str| Filters::parse(&given, &KIND, NOW).unwrap().admit(&scope_in(region));
    let filters = json!({"region": ["eu-*", "us-east-1"], "account": [ACCOUNT], "instance-type": "none"});
    assert!(admit(filters.clone(), "eu-west-1") && admit(filters.clone(), "us-east-1"));
    assert!(!admit(filters, "us-west-2") && admit(Value::Null, "us-west-2"));
}

#[test]
fn hashes_tell_filters_apart() {
    let hash = |given: Value| Filters::parse(&given, &KIND, NOW).unwrap().hash();
    assert_eq!(hash(json!({"vpc-id": ["a"]})), hash(json!([{"Name": "vpc-id", "Values": ["a"]}])));
    assert_ne!(hash(json!({"vpc-id": ["a"]})), hash(json!({"vpc-id": ["b"]})));
    assert_ne!(hash(json!({"vpc-id": ["ab"]})), hash(json!({"vpc-id": ["a", "b"]})));
    assert_ne!(hash(Value::Null), hash(json!({"vpc-id": ["a"]})));
}

#[test]
fn absence_and_presence_can_be_asked_for() {
    assert!(matches(json!({"tag:cost-center": "@absent"})) && !matches(json!({"tag:Name": "@absent"})));
    assert!(matches(json!({"tag:Name": "@present"})) && !matches(json!({"tag:cost-center": "@present"})));
    assert!(matches(json!({"owner-id": "@absent"})) && !matches(json!({"vpc-id": "@absent"})));
    assert!(matches(json!({"description": "@present"})), "an empty description is one");
    assert!(matches(json!({"tag:Team": ["web", "@absent"]})), "values are alternatives");
    assert!(!matches(json!({"tag:Name": "\\@present"})), "a backslash makes it literal");
    assert_eq!(noted(&json!({"vpc-id": ["@absent"]}), &[]).unwrap(), [""; 0], "it can match");
}

#[test]
fn numbers_and_times_are_compared() {
    for (name, bound) in
        [("size", ">9"), ("size", "<=80"), ("progress", "<100%"), ("launch-time", "<2026-03-31T00:00:00Z")]
    {
        assert!(matches(json!({name: bound})), "{name} {bound}");
    }
    // NOW is 2026-03-31T23:33:20Z.
    assert!(matches(json!({"launch-time": [">=2026-03-30", "<2026-03-31"]})), "a date is its midnight");
    assert!(!matches(json!({"launch-time": ">2026-03-31"})) && !matches(json!({"launch-time": "<2026-03-30"})));
    assert!(matches(json!({"launch-time": ">3 days ago"})) && matches(json!({"launch-time": "<1 day ago"})));
    assert!(matches(json!({"launch-time": ">-3d"})) && !matches(json!({"launch-time": "> -1d"})));
    assert!(
        matches(json!({"size": [">=80", "<200"]})) && !matches(json!({"size": [">=1", "<80"]})),
        "bounds are a range"
    );
    assert!(matches(json!({"size": ["<9", "80"]})), "other values are alternatives to it");
    assert!(!matches(json!({"size": "<9"})) && !matches(json!({"size": ">80"})));
    assert!(!matches(json!({"instance-type": ">a"})), "texts are not compared");
    for (name, bound, said) in
        [("size", ">large", "a number"), ("launch-time", "<yesterday", "a time"), ("size", ">", "a number")]
    {
        let why = refused(json!({name: bound}), &[]).unwrap_or_default();
        assert!(why.contains(name) && why.contains(said), "{name} {bound}: {why}");
    }
}

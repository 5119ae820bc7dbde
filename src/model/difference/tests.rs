use proptest::prelude::*;

use super::*;
use crate::model::Document;
use crate::model::fixtures::json_document;

/// The differences between two documents, as `path: before -> after`, `path: + element` and `path: - element`.
fn lines(before: &serde_json::Value, after: &serde_json::Value) -> Vec<String> {
    let changes = json_document(before).changes_to(&json_document(after));
    let found: Vec<Difference> = changes.iter().flat_map(differences).collect();
    let json = |value: &Option<Value>| serde_json::to_string(value).unwrap();
    let line = |difference: &Difference| match difference.element() {
        Some((list, key)) => {
            let sign = if difference.before.is_some() { '-' } else { '+' };
            let element = difference.before.as_ref().or(difference.after.as_ref()).unwrap();
            let words = rule_words(&list, element).or_else(|| key.map(str::to_owned));
            format!("{list}: {sign} {}", words.unwrap_or_else(|| serde_json::to_string(element).unwrap()))
        }
        None => format!("{}: {} -> {}", difference.path(), json(&difference.before), json(&difference.after)),
    };
    found.iter().map(line).collect()
}

fn permission(port: i64, sources: &[&str]) -> serde_json::Value {
    let ranges: Vec<_> = sources.iter().map(|source| serde_json::json!({"CidrIp": source})).collect();
    serde_json::json!({"IpProtocol": "tcp", "FromPort": port, "ToPort": port, "IpRanges": ranges})
}

#[test]
fn each_added_or_removed_rule_is_shown_on_its_own() {
    let everyone = ["0.0.0.0/0"];
    let before = serde_json::json!({"IpPermissions": [permission(22, &everyone), permission(443, &["10.0.0.0/8"])]});
    let after = serde_json::json!({"IpPermissions": [
        permission(21, &everyone), permission(5432, &everyone), permission(3389, &everyone),
        permission(443, &["10.0.0.0/8", "192.168.0.0/16"]),
    ]});
    assert_eq!(
        lines(&before, &after),
        [
            "IpPermissions: - tcp 22 from 0.0.0.0/0",
            "IpPermissions: + tcp 21 from 0.0.0.0/0",
            "IpPermissions: + tcp 3389 from 0.0.0.0/0",
            "IpPermissions: + tcp 443 from 192.168.0.0/16",
            "IpPermissions: + tcp 5432 from 0.0.0.0/0",
        ]
    );
}

#[test]
fn rules_of_every_protocol_and_source_read_as_people_write_them() {
    let rule = |json: serde_json::Value| {
        let after = serde_json::json!({"IpPermissionsEgress": [json]});
        lines(&serde_json::json!({}), &after).join("; ").replace("IpPermissionsEgress: + ", "")
    };
    assert_eq!(
        rule(serde_json::json!({"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]})),
        "all traffic to ::/0"
    );
    let pair = serde_json::json!([{"GroupId": "sg-1", "UserId": "111122223333", "Description": "web"}]);
    let ports = serde_json::json!({"IpProtocol": "udp", "FromPort": 1, "ToPort": 9, "UserIdGroupPairs": pair});
    assert_eq!(rule(ports), "udp 1-9 to sg-1 of account 111122223333 (web)");
    let icmp = serde_json::json!({"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "PrefixListIds": [{"PrefixListId": "pl-1"}]});
    assert_eq!(rule(icmp), "icmp type 8 to pl-1");
}

#[test]
fn a_changed_description_or_grouping_of_rules_is_a_change() {
    let with = |description: &str| {
        serde_json::json!({"IpPermissions": [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
            "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": description}]}]})
    };
    assert_eq!(lines(&with("a"), &with("b")), [r#"IpPermissions[tcp 22 from 10.0.0.0/8].Description: "a" -> "b""#]);
    let apart = serde_json::json!({"IpPermissions": [permission(22, &["10.0.0.0/8"]), permission(22, &["0.0.0.0/0"])]});
    let together = serde_json::json!({"IpPermissions": [permission(22, &["10.0.0.0/8", "0.0.0.0/0"])]});
    assert_eq!(lines(&apart, &together).len(), 3);
}

#[test]
fn tags_are_compared_by_key() {
    let tags = |tags: &[(&str, &str)]| {
        let tags: Vec<_> = tags.iter().map(|(key, value)| serde_json::json!({"Key": key, "Value": value})).collect();
        serde_json::json!({"Tags": tags})
    };
    let before = tags(&[("Name", "web"), ("k30", "a"), ("old", "")]);
    let after = tags(&[("Name", "web"), ("k30", "b"), ("new.key", "x")]);
    let expected = [r#"Tags[old]: "" -> null"#, r#"Tags[k30]: "a" -> "b""#, r#"Tags[new.key]: null -> "x""#];
    assert_eq!(lines(&before, &after), expected);
    let changes = json_document(&before).changes_to(&json_document(&after));
    let found: Vec<Difference> = changes.iter().flat_map(differences).collect();
    assert_eq!(counted(&found), "3 tags");
    assert_eq!(lines(&serde_json::json!({}), &tags(&[("a", "b")])), [r#"Tags[a]: null -> "b""#]);
}

#[test]
fn lists_inside_lists_are_compared_by_key() {
    let interface = |groups: &[&str], index: i64| {
        let groups: Vec<_> = groups.iter().map(|id| serde_json::json!({"GroupId": id})).collect();
        serde_json::json!({"NetworkInterfaces": [{"NetworkInterfaceId": "eni-1", "Groups": groups,
            "Attachment": {"DeviceIndex": index}}]})
    };
    assert_eq!(
        lines(&interface(&["sg-1"], 0), &interface(&["sg-2"], 1)),
        [
            "NetworkInterfaces[eni-1].Attachment.DeviceIndex: 0 -> 1",
            "NetworkInterfaces[eni-1].Groups: - sg-1",
            "NetworkInterfaces[eni-1].Groups: + sg-2",
        ]
    );
    let texts = |list: &[&str]| serde_json::json!({"Names": list});
    assert_eq!(
        lines(&texts(&["a", "a", "b"]), &texts(&["a", "c"])),
        ["Names: - \"a\"", "Names: - \"b\"", "Names: + \"c\""]
    );
}

/// Normalises a value as this module compares it: one rule per source, sorted elements, nothing empty.
fn normal(name: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Map(map) => {
            let fields: Map =
                map.iter().filter_map(|(name, value)| Some((name.clone(), normal(name, value)?))).collect();
            (!fields.is_empty()).then_some(Value::Map(fields))
        }
        Value::List(list) => {
            let list = if rules::is_rules(name) { rules::flat(list) } else { list.clone() };
            let mut list: Vec<Value> = list.iter().filter_map(|value| normal("", value)).collect();
            list.sort_unstable();
            (!list.is_empty()).then_some(Value::List(list))
        }
        other => Some(other.clone()),
    }
}

/// Applies a difference to a value whose rules are split by source.
fn apply(to: Option<Value>, list: &str, steps: &[PathStep], difference: &Difference) -> Option<Value> {
    let Some((step, rest)) = steps.split_first() else { return difference.after.clone() };
    match step {
        PathStep::Field(name) => {
            let mut map = match to {
                Some(Value::Map(map)) => map,
                _ => Map::new(),
            };
            let inner = map.remove(name);
            if let Some(inner) = apply(inner, name, rest, difference) {
                map.insert(name.clone(), inner);
            }
            Some(Value::Map(map))
        }
        PathStep::Element(_) | PathStep::Item => {
            let mut all = match to {
                Some(Value::List(all)) => all,
                _ => Vec::new(),
            };
            let wanted = |value: &Value| match step {
                PathStep::Element(key) if rules::is_rules(list) => rules::words(value, rules::is_egress(list)) == *key,
                PathStep::Element(key) => {
                    key::paths(list).iter().any(|path| key::value(value, path).as_ref() == Some(key))
                }
                _ => Some(value) == difference.before.as_ref(),
            };
            let old = all.iter().position(wanted).map(|place| all.remove(place));
            let new = match step {
                PathStep::Element(key) if key::is_tags(list) => difference
                    .after
                    .clone()
                    .map(|value| Value::Map(Map::from([("Key", Value::Text(key.clone())), ("Value", value)]))),
                _ => apply(old, "", rest, difference),
            };
            all.extend(new);
            Some(Value::List(all))
        }
    }
}

fn any_text() -> impl Strategy<Value = Value> {
    "[a-c]{1,2}".prop_map(Value::Text)
}

fn any_list(name: &'static str) -> BoxedStrategy<Value> {
    let map = |fields: Vec<(&'static str, Value)>| Value::Map(fields.into_iter().collect());
    let element = match name {
        "Tags" => {
            (any_text(), any_text()).prop_map(move |(key, value)| map(vec![("Key", key), ("Value", value)])).boxed()
        }
        "IpPermissions" => {
            let source =
                (any_text(), any_text()).prop_map(move |(cidr, why)| map(vec![("CidrIp", cidr), ("Description", why)]));
            (0..3_i64, prop::collection::vec(source, 1..3))
                .prop_map(move |(port, sources)| {
                    let ports = [("FromPort", Value::Int(port)), ("ToPort", Value::Int(port))];
                    let protocol = ("IpProtocol", Value::from("tcp"));
                    map(ports.into_iter().chain([protocol, ("IpRanges", Value::List(sources))]).collect())
                })
                .boxed()
        }
        "NetworkInterfaces" => (any_text(), any_text(), any_list("Groups"), any_list("Names"))
            .prop_map(move |(id, status, groups, names)| {
                map(vec![("NetworkInterfaceId", id), ("Status", status), ("Groups", groups), ("Names", names)])
            })
            .boxed(),
        "Groups" => (any_text(), "[x-z]{1,2}".prop_map(Value::Text))
            .prop_map(move |(id, name)| map(vec![("GroupId", id), ("GroupName", name)]))
            .boxed(),
        _ => any_text().boxed(),
    };
    prop::collection::vec(element, 0..5).prop_map(Value::List).boxed()
}

fn any_document() -> impl Strategy<Value = Document> {
    let lists = ["Tags", "IpPermissions", "NetworkInterfaces", "Groups", "Names"];
    let fields = lists.map(|name| prop::option::of(any_list(name)));
    (fields, prop::option::of(any_text())).prop_map(move |(values, state)| {
        let fields = lists.into_iter().zip(values).filter_map(|(name, value)| Some((name, value?)));
        let state = state.map(|state| ("State", Value::Map(Map::from([("Name", state)]))));
        Document::new(fields.chain(state).collect())
    })
}

proptest! {
    #[test]
    fn differences_applied_to_the_value_before_give_the_value_after(before in any_document(), after in any_document()) {
        for change in before.changes_to(&after) {
            let found = differences(&change);
            let name = change.path.rsplit('.').next().unwrap();
            let [old, new] = [&change.before, &change.after].map(|side| side.as_ref().and_then(|value| normal(name, value)));
            prop_assert!(!found.is_empty(), "{:?} has vanished", change);
            if old == new {
                continue;
            }
            let base = Map::from_iter(change.before.clone().map(|value| match value {
                Value::List(list) if rules::is_rules(name) => (name.to_owned(), Value::List(rules::flat(&list))),
                value => (name.to_owned(), value),
            }));
            let mut whole = Some(Value::Map(base));
            for difference in &found {
                // A change's path ends at the list, so only the last step leads to the field itself.
                let steps = &difference.steps[change.path.split('.').count() - 1..];
                whole = apply(whole, "", steps, difference);
            }
            let Some(Value::Map(whole)) = whole else { panic!("a map") };
            let result = whole.get(name).and_then(|value| normal(name, value));
            prop_assert_eq!(result, new, "{:?} by {:?}", change, found);
        }
    }
}

//! Rules of security groups. AWS groups all sources of one protocol and port range; here each source is a rule of its own, as AWS
//! counts them.

use crate::model::document::{Map, Value};

/// The lists in which a permission holds its sources, with the field that names a source.
const SOURCES: [(&str, &str); 4] = [
    ("IpRanges", "CidrIp"),
    ("Ipv6Ranges", "CidrIpv6"),
    ("PrefixListIds", "PrefixListId"),
    ("UserIdGroupPairs", "GroupId"),
];

/// Whether a list holds rules.
pub(super) fn is_rules(list: &str) -> bool {
    matches!(list, "IpPermissions" | "IpPermissionsEgress")
}

/// Whether the list holds rules for outgoing traffic.
pub(super) fn is_egress(list: &str) -> bool {
    list == "IpPermissionsEgress"
}

/// Turns each source of each permission into a rule of its own: one map with the fields of both. Other values stay as they are.
pub(super) fn flat(permissions: &[Value]) -> Vec<Value> {
    permissions.iter().flat_map(rules).collect()
}

fn rules(permission: &Value) -> Vec<Value> {
    let Value::Map(permission) = permission else { return vec![permission.clone()] };
    let is_source = |name: &str| SOURCES.iter().any(|(list, _)| *list == name);
    let rest = permission.iter().filter(|(name, _)| !is_source(name));
    let rest: Map = rest.map(|(name, value)| (name.clone(), value.clone())).collect();
    let mut rules = Vec::new();
    for (list, _) in SOURCES {
        let Some(Value::List(sources)) = permission.get(list) else { continue };
        for source in sources {
            let mut rule = rest.clone();
            match source {
                Value::Map(source) => rule.extend(source.iter().map(|(name, value)| (name.clone(), value.clone()))),
                other => drop(rule.insert(list.to_owned(), other.clone())),
            }
            rules.push(Value::Map(rule));
        }
    }
    if rules.is_empty() {
        rules.push(Value::Map(rest));
    }
    rules
}

/// A rule in words, without its description: the parts by which AWS tells rules apart.
pub(super) fn words(rule: &Value, is_egress: bool) -> String {
    let Value::Map(rule) = rule else { return serde_json::to_string(rule).unwrap_or_default() };
    let text = |name: &str| match rule.get(name) {
        Some(Value::Text(text)) => Some(text.clone()),
        Some(Value::Int(number)) => Some(number.to_string()),
        _ => None,
    };
    let number = |name: &str| match rule.get(name) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    let protocol = text("IpProtocol").unwrap_or_else(|| "unknown protocol".to_owned());
    let is_icmp = protocol.starts_with("icmp");
    let what = match (protocol.as_str(), number("FromPort"), number("ToPort")) {
        ("-1", None, None) => "all traffic".to_owned(),
        (_, None, None) => protocol,
        (_, Some(-1), Some(-1)) if is_icmp => format!("{protocol} all types"),
        (_, Some(kind), Some(-1)) if is_icmp => format!("{protocol} type {kind}"),
        (_, Some(kind), Some(code)) if is_icmp => format!("{protocol} type {kind} code {code}"),
        (_, Some(from), Some(to)) if from == to => format!("{protocol} {from}"),
        (_, from, to) => {
            let side = |port: Option<i64>| port.map_or_else(String::new, |port| port.to_string());
            format!("{protocol} {}-{}", side(from), side(to))
        }
    };
    let source = SOURCES.iter().find_map(|(_, field)| text(field)).or_else(|| text("GroupName"));
    let source = match (source, text("UserId")) {
        (Some(source), Some(user)) => format!("{source} of account {user}"),
        (Some(source), None) => source,
        (None, _) => "nothing".to_owned(),
    };
    format!("{what} {} {source}", if is_egress { "to" } else { "from" })
}

/// A rule in words, with its description.
pub(super) fn described(rule: &Value, is_egress: bool) -> String {
    let description = match rule {
        Value::Map(rule) => rule.get("Description"),
        _ => None,
    };
    match description {
        Some(Value::Text(description)) if !description.is_empty() => {
            format!("{} ({description})", words(rule, is_egress))
        }
        _ => words(rule, is_egress),
    }
}

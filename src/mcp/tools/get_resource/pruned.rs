//! Keeps documents within the budget of an answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::mcp::tools::budget::BUDGET;
use crate::mcp::tools::tokens::tokens;

/// Tokens left for everything around the document.
const FRAME: usize = 1_700;

/// Shortens the largest list, or leaves out the largest field, until text and data fit into the budget. Returns the names of the
/// fields that are missing or shortened.
pub(super) fn prune(parts: &mut [(&'static str, Map<String, Value>)]) -> Vec<String> {
    let mut lengths: BTreeMap<String, usize> = BTreeMap::new();
    let mut omitted = Vec::new();
    loop {
        let sizes = parts.iter().flat_map(|(part, fields)| {
            fields.iter().map(move |(name, value)| (size(name, value), *part, name.clone()))
        });
        let sizes: Vec<_> = sizes.collect();
        let total: usize = sizes.iter().map(|(size, ..)| size).sum();
        let largest = sizes.into_iter().max_by_key(|(size, ..)| *size);
        let Some((_, part, name)) = largest.filter(|_| total > BUDGET - FRAME) else { break };
        let Some((_, fields)) = parts.iter_mut().find(|(candidate, _)| *candidate == part) else { break };
        match fields.get_mut(&name) {
            Some(Value::Array(list)) if list.len() > 1 => {
                lengths.entry(name).or_insert(list.len());
                list.truncate(list.len() / 2);
            }
            _ => {
                fields.remove(&name);
                lengths.remove(&name);
                omitted.push(name);
            }
        }
    }
    let shortened = lengths.iter().filter_map(|(name, length)| {
        let kept = parts.iter().find_map(|(_, fields)| fields.get(name)?.as_array().map(Vec::len))?;
        Some(format!("{name} (the first {kept} of {length} are shown)"))
    });
    let shortened: Vec<String> = shortened.collect();
    omitted.extend(shortened);
    omitted
}

/// About the tokens of a field as text or as data, whichever are more: text repeats the path for each scalar.
fn size(path: &str, value: &Value) -> usize {
    match value {
        Value::Object(fields) => fields.iter().map(|(name, value)| size(&format!("{path}.{name}"), value)).sum(),
        other => tokens(path) + tokens(&other.to_string()) + 2,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_lists_are_shortened_before_anything_is_left_out() {
        let rules: Vec<Value> =
            (0..1000).map(|n| json!({"FromPort": n, "IpProtocol": "tcp", "Cidr": "10.0.0.0/8"})).collect();
        let fields = json!({"GroupId": "sg-1", "IpPermissions": rules, "Note": "x".repeat(40_000)});
        let Value::Object(fields) = fields else { panic!("an object") };
        let mut parts = vec![("document", fields)];
        let omitted = prune(&mut parts);
        assert_eq!(omitted.len(), 2);
        assert_eq!(omitted[0], "Note");
        let kept = parts[0].1["IpPermissions"].as_array().unwrap().len();
        assert!(kept > 100, "{kept}");
        assert_eq!(omitted[1], format!("IpPermissions (the first {kept} of 1000 are shown)"));
        assert!(tokens(&Value::Object(parts[0].1.clone()).to_string()) < BUDGET - FRAME);
    }
}

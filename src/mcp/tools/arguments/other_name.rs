//! Other names of arguments: how one tool calls its ids is understood by the others too.

use rmcp::model::JsonObject;

/// The names of arguments that hold ids, with the arguments that they mean, the best first.
const OTHER_NAMES: [(&str, &[&str]); 8] = [
    ("id", &["instance_id", "ids"]),
    ("ids", &["instance_ids"]),
    ("instance_id", &["id", "ids"]),
    ("instance_ids", &["ids"]),
    ("resource_id", &["id", "ids", "instance_id"]),
    ("resource_ids", &["ids", "instance_ids"]),
    ("snapshot_id", &["id", "ids"]),
    ("snapshot_ids", &["ids"]),
];

/// The argument that a tool with the arguments `declared` has for `name`, which is none of them.
#[must_use]
pub fn meant<'a>(declared: &'a JsonObject, name: &str) -> Option<&'a str> {
    let (_, meant) = OTHER_NAMES.iter().find(|(other, _)| *other == name)?;
    meant.iter().find_map(|meant| declared.get_key_value(*meant)).map(|(meant, _)| meant.as_str())
}

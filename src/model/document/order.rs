//! The order of a list's elements. AWS promises none and changes it between answers, so a document sorts every list by its elements
//! alone.
//!
//! Where the first element has a meaning, it stays first: the interface with device index 0 and the primary address. All other
//! lists are sorted by value. Lists with the same elements are therefore equal in whatever order they arrive.

use std::cmp::Ordering;

use super::value::Value;

/// Sorts the elements of the list in the field `name`.
pub(super) fn sort(name: &str, list: &mut [Value]) {
    match name {
        "NetworkInterfaces" | "SecondaryInterfaces" => list.sort_unstable_by(|a, b| by(a, b, device)),
        "PrivateIpAddresses" => list.sort_unstable_by(|a, b| by(a, b, |address| lacks(address, "Primary"))),
        "Ipv6Addresses" => list.sort_unstable_by(|a, b| by(a, b, |address| lacks(address, "IsPrimaryIpv6"))),
        _ => list.sort_unstable(),
    }
}

fn by<K: Ord>(a: &Value, b: &Value, key: impl Fn(&Value) -> K) -> Ordering {
    key(a).cmp(&key(b)).then_with(|| a.cmp(b))
}

/// An interface's network card and device index; unattached interfaces sort last.
fn device(interface: &Value) -> (i64, i64) {
    let Some(attachment @ Value::Map(_)) = field(interface, "Attachment") else { return (i64::MAX, i64::MAX) };
    let index = |name, absent| match field(attachment, name) {
        Some(Value::Int(index)) => *index,
        _ => absent,
    };
    (index("NetworkCardIndex", 0), index("DeviceIndex", i64::MAX))
}

/// Whether a flag is missing: `false` sorts before `true`, so elements with the flag come first.
fn lacks(of: &Value, flag: &str) -> bool {
    field(of, flag) != Some(&Value::Bool(true))
}

fn field<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    match of {
        Value::Map(map) => map.get(name),
        _ => None,
    }
}

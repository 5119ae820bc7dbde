//! The order of a list's elements. AWS promises none and changes it between two answers, so a document brings every list into
//! one that depends on its elements only.
//!
//! Where the first element means something to people and programs, it is the one that AWS means: the interface with device index
//! 0 and the primary address come first. All other lists are in the order of their values. Lists that hold the same elements
//! are equal whatever order they came in.

use std::cmp::Ordering;

use super::value::Value;

/// Brings the elements of the list in the field `name` into order.
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

/// The card and the place on it that an interface is attached to; what is not attached comes last.
fn device(interface: &Value) -> (i64, i64) {
    let Some(attachment @ Value::Map(_)) = field(interface, "Attachment") else { return (i64::MAX, i64::MAX) };
    let index = |name, absent| match field(attachment, name) {
        Some(Value::Int(index)) => *index,
        _ => absent,
    };
    (index("NetworkCardIndex", 0), index("DeviceIndex", i64::MAX))
}

/// Whether a flag is missing: `false` orders before `true`, so what has the flag comes first.
fn lacks(of: &Value, flag: &str) -> bool {
    field(of, flag) != Some(&Value::Bool(true))
}

fn field<'a>(of: &'a Value, name: &str) -> Option<&'a Value> {
    match of {
        Value::Map(map) => map.get(name),
        _ => None,
    }
}

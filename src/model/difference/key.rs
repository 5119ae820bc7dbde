//! The keys that identify elements of AWS's lists.

use std::collections::BTreeSet;

use crate::model::document::Value;

/// Lists with the fields that can identify their elements. The first field that every element has, with distinct values, is used.
const KEYS: &[(&str, &[&str])] = &[
    ("Tags", &["Key"]),
    ("TagSet", &["Key"]),
    ("Notices", &["Key"]),
    ("BlockDeviceMappings", &["DeviceName"]),
    ("NetworkInterfaces", &["NetworkInterfaceId", "Attachment.DeviceIndex"]),
    ("SecondaryInterfaces", &["SecondaryInterfaceId", "Attachment.DeviceIndex"]),
    ("SecurityGroups", &["GroupId", "GroupName"]),
    ("Groups", &["GroupId", "GroupName"]),
    ("PrivateIpAddresses", &["PrivateIpAddress"]),
    ("Ipv6Addresses", &["Ipv6Address"]),
    ("Attachments", &["InstanceId", "Device"]),
    ("CidrBlockAssociationSet", &["AssociationId"]),
    ("Ipv6CidrBlockAssociationSet", &["AssociationId"]),
    ("Events", &["InstanceEventId"]),
    ("Details", &["Name"]),
    ("ProductCodes", &["ProductCodeId"]),
    ("Licenses", &["LicenseConfigurationArn"]),
    ("ElasticGpuAssociations", &["ElasticGpuAssociationId"]),
    ("ElasticInferenceAcceleratorAssociations", &["ElasticInferenceAcceleratorAssociationId"]),
];

/// Whether a list holds tags.
pub(super) fn is_tags(list: &str) -> bool {
    matches!(list, "Tags" | "TagSet")
}

/// The fields that may identify the elements of this list.
pub(super) fn paths(list: &str) -> &'static [&'static str] {
    KEYS.iter().find(|(name, _)| *name == list).map_or(&[], |(_, paths)| paths)
}

/// The path of the field that identifies the elements of this list on both sides; `None` when there is none.
pub(super) fn of(list: &str, before: &[Value], after: &[Value]) -> Option<&'static str> {
    let tells_apart = |path: &&&str| {
        [before, after].into_iter().all(|side| {
            let keys: Option<BTreeSet<String>> = side.iter().map(|element| value(element, path)).collect();
            keys.is_some_and(|keys| keys.len() == side.len())
        })
    };
    // Keying by `Key` would drop further fields of a tag.
    let is_plain = |element: &Value| matches!(element, Value::Map(map) if map.keys().all(|name| matches!(name.as_ref(), "Key" | "Value")));
    let is_whole = !is_tags(list) || before.iter().chain(after).all(is_plain);
    paths(list).iter().find(tells_apart).copied().filter(|_| is_whole)
}

/// The key of an element: its value at `path`.
pub(super) fn value(element: &Value, path: &str) -> Option<String> {
    let found = path.split('.').try_fold(element, |value, name| match value {
        Value::Map(map) => map.get(name),
        _ => None,
    })?;
    match found {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The value of a tag; empty text if it has none.
pub(super) fn tag_value(tag: &Value) -> Value {
    let value = match tag {
        Value::Map(tag) => tag.get("Value").cloned(),
        _ => None,
    };
    value.unwrap_or_else(|| Value::Text(String::new()))
}

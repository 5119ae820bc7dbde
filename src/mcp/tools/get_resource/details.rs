//! What belongs to a resource beside its columns: an instance's volumes, a security group's rules, a table's routes. Pure.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::kinds::KindSpec;
use crate::mcp::tools::table::AnswerText;
use crate::mcp::tools::tokens::tokens;
use crate::model::Document;
use crate::model::text::shown;

/// How much of one list is shown at most.
const ITEMS: usize = 20;
/// The tokens that all lists of a resource take at most, as text or as data.
const ROOM: usize = 1_500;
/// The longest value.
const VALUE: usize = 120;

/// The number of the entry of a network ACL that AWS shows as `*`: it denies what no other entry allows.
const LAST_ENTRY: i64 = 32_767;

/// The fields and the lists of a resource.
#[derive(Default)]
pub(super) struct ResourceDetails {
    fields: Vec<(&'static str, String)>,
    lists: Vec<(&'static str, Vec<Map<String, Value>>)>,
}

impl ResourceDetails {
    /// Those of a resource of this kind.
    pub(super) fn of(kind: &KindSpec, document: &Document) -> Self {
        let read = JsonReader(document);
        match kind.slug {
            "instance" => ResourceDetails {
                fields: read.texts(&[
                    ("image_id", "ImageId"),
                    ("key_name", "KeyName"),
                    ("launch_time", "LaunchTime"),
                    ("subnet_id", "SubnetId"),
                ]),
                lists: vec![
                    ("volumes", read.each("BlockDeviceMappings", volume)),
                    ("security_groups", read.each("SecurityGroups", group)),
                ],
            },
            "security-group" => ResourceDetails {
                fields: Vec::new(),
                lists: vec![
                    ("inbound_rules", read.list("IpPermissions").iter().flat_map(rules).collect()),
                    ("outbound_rules", read.list("IpPermissionsEgress").iter().flat_map(rules).collect()),
                ],
            },
            "route-table" => ResourceDetails {
                fields: Vec::new(),
                lists: vec![
                    ("routes", read.each("Routes", route)),
                    ("associations", read.each("Associations", association)),
                ],
            },
            "network-acl" => ResourceDetails {
                fields: Vec::new(),
                lists: vec![
                    ("inbound_entries", entries(&read, false)),
                    ("outbound_entries", entries(&read, true)),
                    ("associations", read.each("Associations", association)),
                ],
            },
            "network-interface" => ResourceDetails {
                fields: read.texts(&[("subnet_id", "SubnetId")]),
                lists: vec![
                    ("attachments", read.json("Attachment").iter().map(attachment).collect()),
                    ("security_groups", read.each("Groups", group)),
                ],
            },
            "volume" => ResourceDetails {
                fields: read.texts(&[("snapshot_id", "SnapshotId")]),
                lists: vec![("attachments", read.each("Attachments", attachment))],
            },
            "snapshot" => ResourceDetails { fields: read.texts(&[("volume_id", "VolumeId")]), lists: Vec::new() },
            _ => ResourceDetails::default(),
        }
    }

    /// Adds them to the text of an answer and to its data, as much as there is room for. `told` is what the data says already.
    pub(super) fn say(self, told: &Map<String, Value>, text: &mut AnswerText, data: &mut Map<String, Value>) {
        let (mut out, mut left_out, mut room) = (Map::new(), Map::new(), ROOM);
        for (name, value) in self.fields {
            if told.contains_key(name) {
                continue;
            }
            text.add(format_args!("\n{name}: {value}"));
            out.insert(name.to_owned(), json!(value));
        }
        for (name, items) in self.lists {
            let (all, mut fitting, mut line) = (items.len(), Vec::new(), Vec::new());
            for item in items.into_iter().take(ITEMS) {
                let words = words(&item);
                let data = Value::Object(item);
                let cost = tokens(&words).max(tokens(&data.to_string())) + 1;
                let Some(left) = room.checked_sub(cost) else { break };
                room = left;
                line.push(words);
                fitting.push(data);
            }
            let more = all - fitting.len();
            if more > 0 {
                line.push(format!("{more} more"));
                left_out.insert(name.to_owned(), json!(more));
            }
            let said = if line.is_empty() { "none".to_owned() } else { line.join("; ") };
            text.add(format_args!("\n{name}: {said}"));
            out.insert(name.to_owned(), Value::Array(fitting));
        }
        if !out.is_empty() {
            data.insert("details".to_owned(), Value::Object(out));
        }
        if !left_out.is_empty() {
            data.insert("details_left_out".to_owned(), Value::Object(left_out));
        }
    }
}

/// An item of a list in words: texts as they are, the rest with their names.
fn words(item: &Map<String, Value>) -> String {
    let words = item.iter().map(|(name, value)| match value {
        // A semicolon ends an item.
        Value::String(text) => text.replace(';', ","),
        other => format!("{name}={other}"),
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Reads a document as JSON.
struct JsonReader<'d>(&'d Document);

impl JsonReader<'_> {
    fn json(&self, path: &str) -> Option<Value> {
        serde_json::to_value(self.0.get(path)?).ok().filter(|value| !value.is_null())
    }

    fn list(&self, path: &str) -> Vec<Value> {
        match self.json(path) {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        }
    }

    fn each(&self, path: &str, item: impl Fn(&Value) -> Map<String, Value>) -> Vec<Map<String, Value>> {
        self.list(path).iter().map(item).collect()
    }

    fn texts(&self, named: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        let text = |path: &str| Some(shown(self.0.text(path)?, VALUE)).filter(|text| !text.is_empty());
        named.iter().filter_map(|(name, path)| Some((*name, text(path)?))).collect()
    }
}

/// These values, but for those that are absent.
fn item<'v>(named: impl IntoIterator<Item = (&'static str, Option<&'v Value>)>) -> Map<String, Value> {
    let value = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(json!(shown(text, VALUE))).filter(|text| text != ""),
        other => Some(other.clone()),
    };
    named.into_iter().filter_map(|(name, found)| Some((name.to_owned(), value(found?)?))).collect()
}

fn volume(of: &Value) -> Map<String, Value> {
    let ebs = of.get("Ebs").unwrap_or(&Value::Null);
    item([
        ("volume_id", ebs.get("VolumeId")),
        ("device", of.get("DeviceName")),
        ("delete_on_termination", ebs.get("DeleteOnTermination")),
    ])
}

fn group(of: &Value) -> Map<String, Value> {
    item([("group_id", of.get("GroupId")), ("group_name", of.get("GroupName"))])
}

/// What a volume or an interface is attached to.
fn attachment(of: &Value) -> Map<String, Value> {
    let instance = of.get("InstanceId").filter(|id| id.is_string());
    item([
        ("instance_id", instance),
        // Interfaces of AWS's own services are attached to what has no id here.
        ("attached_by", of.get("InstanceOwnerId").filter(|_| instance.is_none())),
        ("device", of.get("Device")),
        ("device_index", of.get("DeviceIndex")),
        ("state", of.get("State").or_else(|| of.get("Status"))),
        ("delete_on_termination", of.get("DeleteOnTermination")),
    ])
}

/// What uses a route table or a network ACL.
fn association(of: &Value) -> Map<String, Value> {
    let main = of.get("Main").filter(|main| **main == json!(true));
    item([("subnet_id", of.get("SubnetId")), ("gateway_id", of.get("GatewayId")), ("main", main)])
}

fn route(of: &Value) -> Map<String, Value> {
    let first = |names: &[&str]| names.iter().find_map(|name| of.get(*name).filter(|value| value.is_string()));
    let targets = [
        "NatGatewayId",
        "TransitGatewayId",
        "VpcPeeringConnectionId",
        "EgressOnlyInternetGatewayId",
        "CarrierGatewayId",
        "LocalGatewayId",
        "CoreNetworkArn",
        "OdbNetworkArn",
        "GatewayId",
        "NetworkInterfaceId",
        "InstanceId",
        "IpAddress",
    ];
    item([
        ("destination", first(&["DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId"])),
        ("target", first(&targets)),
        ("state", of.get("State")),
    ])
}

/// The rules of a permission: one for each peer.
fn rules(permission: &Value) -> Vec<Map<String, Value>> {
    let protocol = protocol(permission.get("IpProtocol"));
    let ports = ports(&protocol, permission.get("FromPort"), permission.get("ToPort"));
    let peers = [
        ("IpRanges", "CidrIp"),
        ("Ipv6Ranges", "CidrIpv6"),
        ("UserIdGroupPairs", "GroupId"),
        ("PrefixListIds", "PrefixListId"),
    ];
    let rule =
        |peer: &Value| item([("protocol", Some(&json!(protocol))), ("ports", Some(&ports)), ("peer", Some(peer))]);
    let of = |(list, name): &(&str, &str)| {
        let each = permission.get(*list).and_then(Value::as_array).into_iter().flatten();
        each.filter_map(|peer| peer.get(*name)).map(rule).collect::<Vec<_>>()
    };
    let found: Vec<_> = peers.iter().flat_map(of).collect();
    // A permission without a peer is shown too: nothing is hidden.
    if found.is_empty() { vec![rule(&Value::Null)] } else { found }
}

/// The entries of a network ACL in one direction, in the order in which they are tried.
fn entries(read: &JsonReader<'_>, is_egress: bool) -> Vec<Map<String, Value>> {
    let mut entries = read.list("Entries");
    entries.retain(|entry| entry.get("Egress").and_then(Value::as_bool).unwrap_or_default() == is_egress);
    entries.sort_by_key(|entry| entry.get("RuleNumber").and_then(Value::as_i64));
    let entry = |of: &Value| {
        let protocol = protocol(of.get("Protocol"));
        let [from, to] = match of.get("IcmpTypeCode") {
            Some(icmp) if is_icmp(&protocol) => [icmp.get("Type"), icmp.get("Code")],
            _ => ["From", "To"].map(|name| of.get("PortRange")?.get(name)),
        };
        let ports = ports(&protocol, from, to);
        let number = match of.get("RuleNumber").and_then(Value::as_i64) {
            Some(LAST_ENTRY) | None => "*".to_owned(),
            Some(number) => number.to_string(),
        };
        item([
            ("number", Some(&json!(number))),
            ("action", of.get("RuleAction")),
            ("protocol", Some(&json!(protocol))),
            ("ports", Some(&ports)),
            ("peer", of.get("CidrBlock").or_else(|| of.get("Ipv6CidrBlock"))),
        ])
    };
    entries.iter().map(entry).collect()
}

/// The name of a protocol: network ACLs write numbers, and both write -1 for all.
fn protocol(written: Option<&Value>) -> Cow<'_, str> {
    Cow::Borrowed(match written.and_then(Value::as_str).unwrap_or_default() {
        "-1" => "all",
        "1" => "icmp",
        "6" => "tcp",
        "17" => "udp",
        "58" => "icmpv6",
        other => return Cow::Owned(shown(other, 20)),
    })
}

fn is_icmp(protocol: &str) -> bool {
    matches!(protocol, "icmp" | "icmpv6")
}

/// The ports of a rule, or its ICMP type and code. Absent and -1 are all. A rule for all protocols has none.
fn ports(protocol: &str, from: Option<&Value>, to: Option<&Value>) -> Value {
    if protocol == "all" {
        return Value::Null;
    }
    let number = |value: Option<&Value>| value.and_then(Value::as_i64).filter(|number| *number != -1);
    json!(match (number(from), number(to)) {
        (None, None) => "all".to_owned(),
        (None, Some(_)) if is_icmp(protocol) => "all".to_owned(),
        (Some(kind), None) if is_icmp(protocol) => format!("type {kind}"),
        (Some(kind), Some(code)) if is_icmp(protocol) => format!("type {kind} code {code}"),
        (Some(from), Some(to)) if from == to => from.to_string(),
        (from, to) => format!("{}-{}", from.unwrap_or(0), to.unwrap_or(65_535)),
    })
}

#[cfg(test)]
mod tests;

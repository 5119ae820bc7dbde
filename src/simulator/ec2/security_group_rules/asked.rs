//! What a call about rules asks for: its parameters as permissions, or EC2's refusals.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::simulator::ec2::call::Call;
use crate::simulator::ident::Kind;
use crate::simulator::network::Permission;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;

/// The group with this id, if it exists now.
pub(super) fn group_named(call: &Call, id: &str) -> Result<u64, Refusal> {
    let number = call.account.plan().idents.number(Kind::SecurityGroup, id);
    let number = number.map_err(|_| Refusal::malformed_resource(Kind::SecurityGroup, id))?;
    let reading = call.account.reading();
    let number = number.filter(|number| reading.holds(Kind::SecurityGroup, *number, reading.now()));
    number.ok_or_else(|| Refusal::unknown_resource(Kind::SecurityGroup, id))
}

/// What the call asks for, with a separate permission for each source.
pub(super) fn permissions(call: &Call) -> Result<Vec<Permission>, Refusal> {
    let mut found: Vec<Permission> = Vec::new();
    for n in 1_u32.. {
        let prefix = format!("IpPermissions.{n}");
        if !call.params.pairs().any(|(name, _)| name.strip_prefix(&prefix).is_some_and(|rest| rest.starts_with('.'))) {
            break;
        }
        found.extend(permission(call, &format!("{prefix}."))?);
    }
    if call.params.get("IpProtocol").is_some() || call.params.get("CidrIp").is_some() {
        if !found.is_empty() {
            return Err(Refusal::invalid_combination("The parameter ipPermissions cannot be used with ipProtocol"));
        }
        found.extend(permission(call, "")?);
    }
    if found.is_empty() {
        return Err(Refusal::new(
            400,
            "MissingParameter",
            "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided.",
        ));
    }
    for (at, single) in found.iter().enumerate() {
        if found.iter().skip(at + 1).any(|other| single.same(other)) {
            return Err(duplicate(single, call.account.plan()));
        }
    }
    Ok(found)
}

/// The permissions of one item of the call, one for each source. Its parameters begin with `prefix`.
fn permission(call: &Call, prefix: &str) -> Result<Vec<Permission>, Refusal> {
    let get = |name: &str| call.params.get(&format!("{prefix}{name}"));
    let protocol = protocol(get("IpProtocol").ok_or_else(|| Refusal::missing("ipProtocol"))?)?;
    let ports = ports(&protocol, get("FromPort"), get("ToPort"))?;
    let base = Permission { protocol, ports, ..Permission::default() };
    let described = |list: &str, n: u32| text(get(&format!("{list}.{n}.Description")));
    let mut found = Vec::new();
    if let Some(cidr) = get("CidrIp") {
        found.push(Permission { ranges: vec![(cidr4(cidr)?, None)], ..base.clone() });
    }
    for n in 1_u32.. {
        let Some(cidr) = get(&format!("IpRanges.{n}.CidrIp")) else { break };
        found.push(Permission { ranges: vec![(cidr4(cidr)?, described("IpRanges", n))], ..base.clone() });
    }
    for n in 1_u32.. {
        let Some(cidr) = get(&format!("Ipv6Ranges.{n}.CidrIpv6")) else { break };
        found.push(Permission { ranges6: vec![(cidr6(cidr)?, described("Ipv6Ranges", n))], ..base.clone() });
    }
    for n in 1_u32.. {
        let Some(id) = get(&format!("PrefixListIds.{n}.PrefixListId")) else { break };
        let source = (id.to_owned(), described("PrefixListIds", n));
        found.push(Permission { prefix_lists: vec![source], ..base.clone() });
    }
    for n in 1_u32.. {
        let Some(id) = get(&format!("Groups.{n}.GroupId")) else { break };
        let source = (group_named(call, id)?, described("Groups", n));
        found.push(Permission { groups: vec![source], ..base.clone() });
    }
    if found.is_empty() {
        return Err(Refusal::new(
            400,
            "MissingParameter",
            "The request must contain a source: cidrIp, cidrIpv6, prefixListId or groupId",
        ));
    }
    Ok(found)
}

fn text(given: Option<&str>) -> Option<Cow<'static, str>> {
    given.map(|text| Cow::Owned(text.to_owned()))
}

/// The protocol as EC2 keeps it: four by name, all others by number.
fn protocol(text: &str) -> Result<Cow<'static, str>, Refusal> {
    Ok(match text.to_ascii_lowercase().as_str() {
        "tcp" | "6" => Cow::Borrowed("tcp"),
        "udp" | "17" => Cow::Borrowed("udp"),
        "icmp" | "1" => Cow::Borrowed("icmp"),
        "icmpv6" | "58" => Cow::Borrowed("icmpv6"),
        "-1" | "all" => Cow::Borrowed("-1"),
        other => match other.parse::<u8>() {
            Ok(number) => Cow::Owned(number.to_string()),
            Err(_) => {
                return Err(Refusal::invalid_value(format!(
                    "Invalid value '{text}' for IP protocol. Unknown protocol."
                )));
            }
        },
    })
}

fn ports(protocol: &str, from: Option<&str>, to: Option<&str>) -> Result<Option<(i32, i32)>, Refusal> {
    let number = |text: Option<&str>| match text {
        None => Ok(None),
        Some(text) => {
            let invalid = |_| Refusal::invalid_value(format!("Invalid value '{text}' for port. Expecting an integer."));
            text.parse::<i32>().map(Some).map_err(invalid)
        }
    };
    let given = (number(from)?, number(to)?);
    match (protocol, given) {
        ("tcp" | "udp", (Some(from), Some(to))) if (0..=65_535).contains(&from) && (from..=65_535).contains(&to) => {
            Ok(Some((from, to)))
        }
        ("tcp" | "udp", (Some(from), Some(to))) => {
            Err(Refusal::invalid_value(format!("Invalid {} port range ({from},{to})", protocol.to_ascii_uppercase())))
        }
        ("icmp" | "icmpv6", (Some(from), Some(to))) if (-1..=255).contains(&from) && (-1..=255).contains(&to) => {
            Ok(Some((from, to)))
        }
        ("icmp" | "icmpv6", (Some(from), Some(to))) => {
            Err(Refusal::invalid_value(format!("ICMP code ({to}) or type ({from}) out of range")))
        }
        ("tcp" | "udp" | "icmp" | "icmpv6", _) => Err(Refusal::invalid_value(
            "Invalid value for portRange. Must specify both from and to ports with TCP/UDP.",
        )),
        // The other protocols have no ports, and EC2 drops any that are given.
        _ => Ok(None),
    }
}

/// The CIDR block with its host bits cleared, as EC2 keeps it.
fn cidr4(text: &str) -> Result<String, Refusal> {
    let parsed = text.split_once('/').and_then(|(address, bits)| {
        let (address, bits) = (address.parse::<Ipv4Addr>().ok()?, bits.parse::<u32>().ok()?);
        let mask = if bits == 0 { 0 } else { u32::MAX.checked_shl(32_u32.checked_sub(bits)?)? };
        Some(format!("{}/{bits}", Ipv4Addr::from(u32::from(address) & mask)))
    });
    parsed.ok_or_else(|| Refusal::invalid_value(format!("CIDR block {text} is malformed")))
}

fn cidr6(text: &str) -> Result<String, Refusal> {
    let parsed = text.split_once('/').and_then(|(address, bits)| {
        let (address, bits) = (address.parse::<Ipv6Addr>().ok()?, bits.parse::<u32>().ok()?);
        let mask = if bits == 0 { 0 } else { u128::MAX.checked_shl(128_u32.checked_sub(bits)?)? };
        Some(format!("{}/{bits}", Ipv6Addr::from(u128::from(address) & mask)))
    });
    parsed.ok_or_else(|| Refusal::invalid_value(format!("CIDR block {text} is malformed")))
}

pub(super) fn duplicate(single: &Permission, plan: &Plan) -> Refusal {
    let ports = single.ports.map_or_else(String::new, |(from, to)| format!(", from port: {from}, to port: {to}"));
    let protocol = if single.protocol == "-1" { "ALL".to_owned() } else { single.protocol.to_ascii_uppercase() };
    let message =
        format!("the specified rule \"peer: {}, {protocol}{ports}, ALLOW\" already exists", peer(single, plan));
    Refusal::new(400, "InvalidPermission.Duplicate", message)
}

/// The source of a permission, as it appears in EC2's messages and in rule ids.
pub(super) fn peer(single: &Permission, plan: &Plan) -> String {
    let group = single.groups.first().map(|(number, _)| plan.idents.text(Kind::SecurityGroup, *number));
    let texts = single.ranges.iter().chain(&single.ranges6).chain(&single.prefix_lists);
    texts.map(|(text, _)| text.clone()).next().or(group).unwrap_or_default()
}

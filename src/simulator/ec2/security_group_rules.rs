//! `AuthorizeSecurityGroupIngress` and `RevokeSecurityGroupIngress`.
//!
//! EC2 keeps one permission for each protocol and port range, with all its sources; a call's sources join it or leave it. A
//! call works on all of its sources or, when one is there already or is not there, on none.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use xxhash_rust::xxh3::xxh3_64;

use crate::simulator::ec2::{Answer, Call};
use crate::simulator::ident::Kind;
use crate::simulator::network::{GROUPS, Permission, SecurityGroup, Source};
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::xml::Xml;

pub(super) const PARAMETERS: &[&str] =
    &["CidrIp", "FromPort", "GroupId", "GroupName", "IpPermissions", "IpProtocol", "SecurityGroupRuleId", "ToPort"];

/// EC2's quota of inbound rules, counted by source.
const MAX_RULES: usize = 60;

/// Answers an `AuthorizeSecurityGroupIngress`.
pub(super) fn authorize(call: &Call) -> Answer {
    let group = group(call)?;
    let asked = permissions(call)?;
    call.dry_run()?;
    let mut edit = call.estate.edit();
    let mut rules = edit.ingress(group);
    for single in &asked {
        let known = rules.iter().flat_map(singles).any(|known| same(&known, single));
        if known {
            return Err(duplicate(single, call.estate.plan()));
        }
        match rules.iter_mut().find(|rule| rule.protocol == single.protocol && rule.ports == single.ports) {
            Some(rule) => join(rule, single),
            None => rules.push(single.clone()),
        }
    }
    if rules.iter().flat_map(singles).count() > MAX_RULES {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(Refusal::new(400, "RulesPerSecurityGroupLimitExceeded", message));
    }
    edit.set_ingress(group, rules);
    drop(edit);
    Ok(call.envelope("AuthorizeSecurityGroupIngress", 512, |xml| {
        xml.flag("return", true);
        xml.within("securityGroupRuleSet", |xml| {
            asked.iter().for_each(|single| rule(xml, group, single, call.estate.plan()));
        });
    }))
}

/// Answers a `RevokeSecurityGroupIngress`.
pub(super) fn revoke(call: &Call) -> Answer {
    let group = group(call)?;
    let plan = call.estate.plan();
    let ids = call.params.set("SecurityGroupRuleId");
    let mut asked = if ids.is_empty() { permissions(call)? } else { Vec::new() };
    for id in &ids {
        plan.idents
            .number(Kind::SecurityGroupRule, id)
            .map_err(|_| Refusal::malformed("InvalidSecurityGroupRuleId.Malformed", id, "sgr-"))?;
    }
    call.dry_run()?;
    let mut edit = call.estate.edit();
    let rules = edit.ingress(group);
    let known: Vec<Permission> = rules.iter().flat_map(singles).collect();
    for id in &ids {
        let named = known.iter().find(|single| rule_id(group, single, plan) == *id).cloned();
        let unknown = || Refusal::not_found("InvalidSecurityGroupRuleId.NotFound", "security group rule ID", &[*id]);
        asked.push(named.ok_or_else(unknown)?);
    }
    if !asked.iter().all(|single| known.iter().any(|known| same(known, single))) {
        let message = "The specified rule does not exist in this security group.";
        return Err(Refusal::new(400, "InvalidPermission.NotFound", message));
    }
    let mut left: Vec<Permission> = Vec::new();
    for single in known.into_iter().filter(|known| !asked.iter().any(|single| same(known, single))) {
        match left.iter_mut().find(|rule| rule.protocol == single.protocol && rule.ports == single.ports) {
            Some(rule) => join(rule, &single),
            None => left.push(single),
        }
    }
    edit.set_ingress(group, left);
    drop(edit);
    Ok(call.envelope("RevokeSecurityGroupIngress", 512, |xml| {
        xml.flag("return", true);
        xml.within("revokedSecurityGroupRuleSet", |xml| {
            asked.iter().for_each(|single| rule(xml, group, single, plan));
        });
    }))
}

/// The group the call is about: by id, or by name in the default VPC.
fn group(call: &Call) -> Result<u64, Refusal> {
    let unknown = |id: &str| Refusal::unknown_resource(Kind::SecurityGroup, id);
    match (call.params.get("GroupId"), call.params.get("GroupName")) {
        (Some(id), _) => group_named(call, id),
        (None, Some(name)) => {
            let found = (0..GROUPS).find(|ordinal| SecurityGroup::name(*ordinal) == name);
            found.ok_or_else(|| unknown(name))
        }
        (None, None) => Err(Refusal::missing("GroupId")),
    }
}

fn group_named(call: &Call, id: &str) -> Result<u64, Refusal> {
    let number = call.estate.plan().idents.number(Kind::SecurityGroup, id);
    let number = number.map_err(|_| Refusal::malformed_resource(Kind::SecurityGroup, id))?;
    let view = call.estate.view();
    let number = number.filter(|number| view.holds(Kind::SecurityGroup, *number, view.now()));
    number.ok_or_else(|| Refusal::unknown_resource(Kind::SecurityGroup, id))
}

/// What the call asks for, each source a permission of its own.
fn permissions(call: &Call) -> Result<Vec<Permission>, Refusal> {
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
        if found.iter().skip(at + 1).any(|other| same(single, other)) {
            return Err(duplicate(single, call.estate.plan()));
        }
    }
    Ok(found)
}

/// One permission by source; `prefix` leads to its parameters.
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

/// The protocol as EC2 keeps it: four by name, the others by number.
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
        // Ports mean nothing to the others, and EC2 drops them.
        _ => Ok(None),
    }
}

/// The block with the bits behind its prefix cleared, as EC2 keeps it.
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

/// A permission's sources, each as a permission of its own.
fn singles(rule: &Permission) -> Vec<Permission> {
    let base = Permission { protocol: rule.protocol.clone(), ports: rule.ports, ..Permission::default() };
    let mut found = Vec::new();
    found.extend(rule.ranges.iter().map(|one| Permission { ranges: vec![one.clone()], ..base.clone() }));
    found.extend(rule.ranges6.iter().map(|one| Permission { ranges6: vec![one.clone()], ..base.clone() }));
    found.extend(rule.groups.iter().map(|one| Permission { groups: vec![one.clone()], ..base.clone() }));
    found.extend(rule.prefix_lists.iter().map(|one| Permission { prefix_lists: vec![one.clone()], ..base.clone() }));
    found
}

/// Whether two sources are the same rule to EC2, whatever their descriptions.
fn same(one: &Permission, other: &Permission) -> bool {
    fn values<T: PartialEq>(one: &[Source<T>], other: &[Source<T>]) -> bool {
        one.iter().map(|(value, _)| value).eq(other.iter().map(|(value, _)| value))
    }
    one.protocol == other.protocol
        && one.ports == other.ports
        && values(&one.ranges, &other.ranges)
        && values(&one.ranges6, &other.ranges6)
        && values(&one.groups, &other.groups)
        && values(&one.prefix_lists, &other.prefix_lists)
}

fn join(rule: &mut Permission, single: &Permission) {
    rule.ranges.extend(single.ranges.iter().cloned());
    rule.ranges6.extend(single.ranges6.iter().cloned());
    rule.groups.extend(single.groups.iter().cloned());
    rule.prefix_lists.extend(single.prefix_lists.iter().cloned());
}

/// What a source is, as EC2's messages and rule ids name it.
fn peer(single: &Permission, plan: &Plan) -> String {
    let group = single.groups.first().map(|(number, _)| plan.idents.text(Kind::SecurityGroup, *number));
    let texts = single.ranges.iter().chain(&single.ranges6).chain(&single.prefix_lists);
    texts.map(|(text, _)| text.clone()).next().or(group).unwrap_or_default()
}

fn duplicate(single: &Permission, plan: &Plan) -> Refusal {
    let ports = single.ports.map_or_else(String::new, |(from, to)| format!(", from port: {from}, to port: {to}"));
    let protocol = if single.protocol == "-1" { "ALL".to_owned() } else { single.protocol.to_ascii_uppercase() };
    let message =
        format!("the specified rule \"peer: {}, {protocol}{ports}, ALLOW\" already exists", peer(single, plan));
    Refusal::new(400, "InvalidPermission.Duplicate", message)
}

/// A rule's id is a formula of the group and what the rule lets through.
fn rule_id(group: u64, single: &Permission, plan: &Plan) -> String {
    let text = format!("{group}/{}/{:?}/{}", single.protocol, single.ports, peer(single, plan));
    plan.idents.text(Kind::SecurityGroupRule, xxh3_64(text.as_bytes()))
}

fn rule(xml: &mut Xml, group: u64, single: &Permission, plan: &Plan) {
    xml.within("item", |xml| {
        xml.text("securityGroupRuleId", &rule_id(group, single, plan));
        xml.plain("groupId", |out| plan.idents.write(Kind::SecurityGroup, group, out));
        xml.text("groupOwnerId", &plan.account);
        xml.flag("isEgress", false);
        xml.text("ipProtocol", &single.protocol);
        let (from, to) = single.ports.unwrap_or((-1, -1));
        xml.number("fromPort", from);
        xml.number("toPort", to);
        let mut description = None;
        let texts =
            [("cidrIpv4", &single.ranges), ("cidrIpv6", &single.ranges6), ("prefixListId", &single.prefix_lists)];
        for (tag, sources) in texts {
            for (value, described) in sources {
                xml.text(tag, value);
                description = described.as_deref();
            }
        }
        for (number, described) in &single.groups {
            xml.within("referencedGroupInfo", |xml| {
                xml.plain("groupId", |out| plan.idents.write(Kind::SecurityGroup, *number, out));
                xml.text("userId", &plan.account);
            });
            description = described.as_deref();
        }
        if let Some(description) = description {
            xml.text("description", description);
        }
        let arn = format!(
            "arn:aws:ec2:{}:{}:security-group-rule/{}",
            plan.region,
            plan.account,
            rule_id(group, single, plan)
        );
        xml.text("securityGroupRuleArn", &arn);
    });
}

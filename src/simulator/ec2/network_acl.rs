//! `CreateNetworkAcl`, `DeleteNetworkAcl`, `CreateNetworkAclEntry` and `DeleteNetworkAclEntry`.

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::client_token::ClientToken;
use crate::simulator::ec2::listing::{Described, named};
use crate::simulator::ec2::{listing, tagging};
use crate::simulator::ident::Kind;
use crate::simulator::network_acl::{AclEntry, LAST_RULE, NetworkAcl};
use crate::simulator::refusal::Refusal;

pub(super) const ENTRY: &[&str] = &[
    "CidrBlock",
    "Egress",
    "Icmp",
    "Ipv6CidrBlock",
    "NetworkAclId",
    "PortRange",
    "Protocol",
    "RuleAction",
    "RuleNumber",
];

/// Answers a `CreateNetworkAcl` call.
pub(super) fn create(call: &Call) -> Answer {
    let vpc = listing::own_vpc(call)?;
    let tags = tagging::one(call.params, "network-acl")?;
    let token = ClientToken::of(call.params, "CreateNetworkAcl");
    call.dry_run()?;
    let mut edit = call.account.edit();
    let made = token.again(edit.scene().tables())?.and_then(|number| edit.scene().network_acl(number, edit.now()));
    let acl = made.unwrap_or_else(|| edit.make(tags, |number| NetworkAcl::bare(number, vpc)));
    token.keep(edit.tables(), acl.number);
    drop(edit);
    Ok(call.envelope("CreateNetworkAcl", 1_024, |xml| {
        xml.within("networkAcl", |xml| acl.write(xml, call, call.now));
        if let Some(token) = call.params.get("ClientToken") {
            xml.text("clientToken", token);
        }
    }))
}

/// Answers a `DeleteNetworkAcl` call.
pub(super) fn delete(call: &Call) -> Answer {
    let acl: NetworkAcl = named(call)?;
    call.dry_run()?;
    let id = call.account.plan().idents.text(Kind::NetworkAcl, acl.number);
    if acl.is_default {
        return Err(Refusal::invalid_value(format!("cannot delete default network ACL {id}")));
    }
    if !acl.associations.is_empty() {
        let message = format!("The networkAcl '{id}' has dependencies and cannot be deleted.");
        return Err(Refusal::new(400, "DependencyViolation", message));
    }
    call.account.edit().put(NetworkAcl { deleted: true, ..acl });
    Ok(call.done("DeleteNetworkAcl"))
}

/// Answers a `CreateNetworkAclEntry` call.
pub(super) fn create_entry(call: &Call) -> Answer {
    let mut acl: NetworkAcl = named(call)?;
    let entry = entry(call)?;
    call.dry_run()?;
    if acl.entries.iter().any(|known| (known.egress, known.rule) == (entry.egress, entry.rule)) {
        let message = format!("The network acl entry identified by {} already exists.", entry.rule);
        return Err(Refusal::new(400, "NetworkAclEntryAlreadyExists", message));
    }
    acl.entries.push(entry);
    acl.sort();
    call.account.edit().put(acl);
    Ok(call.done("CreateNetworkAclEntry"))
}

/// Answers a `DeleteNetworkAclEntry` call.
pub(super) fn delete_entry(call: &Call) -> Answer {
    let mut acl: NetworkAcl = named(call)?;
    let (rule, egress) = (rule(call)?, call.params.flag("Egress")?);
    call.dry_run()?;
    let before = acl.entries.len();
    acl.entries.retain(|known| (known.egress, known.rule) != (egress, rule));
    if acl.entries.len() == before {
        let message = format!("The network acl entry identified by {rule} does not exist");
        return Err(Refusal::new(400, "InvalidNetworkAclEntry.NotFound", message));
    }
    call.account.edit().put(acl);
    Ok(call.done("DeleteNetworkAclEntry"))
}

fn rule(call: &Call) -> Result<u32, Refusal> {
    let text = call.params.get("RuleNumber").ok_or_else(|| Refusal::missing("ruleNumber"))?;
    let rule = text.parse().ok().filter(|rule| (1..LAST_RULE).contains(rule));
    rule.ok_or_else(|| {
        Refusal::invalid_value(format!("Invalid value '{text}' for ruleNumber. Must be from 1 to 32766."))
    })
}

fn entry(call: &Call) -> Result<AclEntry, Refusal> {
    let params = call.params;
    let needed = |name: &str| params.get(name).ok_or_else(|| Refusal::missing(name));
    let protocol = match needed("Protocol")? {
        "tcp" => "6",
        "udp" => "17",
        "icmp" => "1",
        other if other.parse::<i16>().is_ok_and(|number| (-1..=255).contains(&number)) => other,
        other => {
            return Err(Refusal::invalid_value(format!("Invalid value '{other}' for IP protocol. Unknown protocol.")));
        }
    };
    let allow = match needed("RuleAction")? {
        "allow" => true,
        "deny" => false,
        other => return Err(Refusal::invalid_value(format!("Invalid value '{other}' for ruleAction."))),
    };
    let ranges = (params.get("CidrBlock"), params.get("Ipv6CidrBlock"));
    if matches!(ranges, (None, None) | (Some(_), Some(_))) {
        return Err(Refusal::missing("cidrBlock or ipv6CidrBlock"));
    }
    let pair = |from: &str, to: &str| {
        let number = |name| params.get(name).and_then(|text| text.parse().ok());
        number(from).zip(number(to))
    };
    let ports = pair("PortRange.From", "PortRange.To");
    if matches!(protocol, "6" | "17") && ports.is_none() {
        return Err(Refusal::missing("portRange"));
    }
    Ok(AclEntry {
        rule: rule(call)?,
        egress: params.flag("Egress")?,
        allow,
        protocol: protocol.to_owned(),
        ipv4: ranges.0.map(str::to_owned),
        ipv6: ranges.1.map(str::to_owned),
        ports,
        icmp: pair("Icmp.Type", "Icmp.Code"),
    })
}

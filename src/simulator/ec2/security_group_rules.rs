//! `AuthorizeSecurityGroupIngress` and `RevokeSecurityGroupIngress`.
//!
//! EC2 keeps one permission for each protocol and port range, with all its sources; a call adds sources to it or
//! removes them. If one source is already there, or is missing, the call changes none.

mod asked;

use xxhash_rust::xxh3::xxh3_64;

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::ec2::security_group_rules::asked::{duplicate, group_named, peer, permissions};
use crate::simulator::ident::Kind;
use crate::simulator::network::{GROUPS, Permission, SecurityGroup};
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::xml::Xml;

pub(super) const PARAMETERS: &[&str] =
    &["CidrIp", "FromPort", "GroupId", "GroupName", "IpPermissions", "IpProtocol", "SecurityGroupRuleId", "ToPort"];

/// EC2's quota of inbound rules, where each source counts as one.
const MAX_RULES: usize = 60;

/// Answers an `AuthorizeSecurityGroupIngress` call.
pub(super) fn authorize(call: &Call) -> Answer {
    let group = group(call)?;
    let asked = permissions(call)?;
    call.dry_run()?;
    let mut edit = call.account.edit();
    let mut rules = edit.ingress(group);
    for single in &asked {
        let known = rules.iter().flat_map(Permission::singles).any(|known| known.same(single));
        if known {
            return Err(duplicate(single, call.account.plan()));
        }
        match rules.iter_mut().find(|rule| rule.protocol == single.protocol && rule.ports == single.ports) {
            Some(rule) => rule.join(single),
            None => rules.push(single.clone()),
        }
    }
    if rules.iter().flat_map(Permission::singles).count() > MAX_RULES {
        let message = "The maximum number of rules per security group has been reached.";
        return Err(Refusal::new(400, "RulesPerSecurityGroupLimitExceeded", message));
    }
    edit.set_ingress(group, rules);
    drop(edit);
    Ok(call.envelope("AuthorizeSecurityGroupIngress", 512, |xml| {
        xml.flag("return", true);
        xml.within("securityGroupRuleSet", |xml| {
            for single in &asked {
                added(xml, group, single, call.account.plan());
            }
        });
    }))
}

/// Answers a `RevokeSecurityGroupIngress` call.
pub(super) fn revoke(call: &Call) -> Answer {
    let group = group(call)?;
    let plan = call.account.plan();
    let ids = call.params.set("SecurityGroupRuleId");
    let mut asked = if ids.is_empty() { permissions(call)? } else { Vec::new() };
    for id in &ids {
        plan.idents
            .number(Kind::SecurityGroupRule, id)
            .map_err(|_| Refusal::malformed("InvalidSecurityGroupRuleId.Malformed", id, "sgr-"))?;
    }
    call.dry_run()?;
    let mut edit = call.account.edit();
    let rules = edit.ingress(group);
    let known: Vec<Permission> = rules.iter().flat_map(Permission::singles).collect();
    for id in &ids {
        let named = known.iter().find(|single| rule_id(group, single, plan) == *id).cloned();
        let unknown = || Refusal::not_found("InvalidSecurityGroupRuleId.NotFound", "security group rule ID", &[*id]);
        asked.push(named.ok_or_else(unknown)?);
    }
    if !asked.iter().all(|single| known.iter().any(|known| known.same(single))) {
        let message = "The specified rule does not exist in this security group.";
        return Err(Refusal::new(400, "InvalidPermission.NotFound", message));
    }
    let mut left: Vec<Permission> = Vec::new();
    for single in known.into_iter().filter(|known| !asked.iter().any(|single| known.same(single))) {
        match left.iter_mut().find(|rule| rule.protocol == single.protocol && rule.ports == single.ports) {
            Some(rule) => rule.join(&single),
            None => left.push(single),
        }
    }
    edit.set_ingress(group, left);
    drop(edit);
    Ok(call.envelope("RevokeSecurityGroupIngress", 512, |xml| {
        xml.flag("return", true);
        xml.within("revokedSecurityGroupRuleSet", |xml| {
            for single in &asked {
                revoked(xml, group, single, plan);
            }
        });
    }))
}

/// The group that the call names by id, or by name in the default VPC.
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

/// The id of a rule: a formula of its group and of what it permits.
fn rule_id(group: u64, single: &Permission, plan: &Plan) -> String {
    let text = format!("{group}/{}/{:?}/{}", single.protocol, single.ports, peer(single, plan));
    plan.idents.text(Kind::SecurityGroupRule, xxh3_64(text.as_bytes()))
}

/// Writes a rule that was added.
fn added(xml: &mut Xml, group: u64, single: &Permission, plan: &Plan) {
    xml.within("item", |xml| {
        rule(xml, group, single, plan);
        xml.text("groupOwnerId", &plan.account);
        for (number, _) in &single.groups {
            xml.within("referencedGroupInfo", |xml| {
                xml.plain("groupId", |out| plan.idents.write(Kind::SecurityGroup, *number, out));
                xml.text("userId", &plan.account);
            });
        }
        let (region, account) = (&plan.region, &plan.account);
        let id = rule_id(group, single, plan);
        xml.text("securityGroupRuleArn", &format!("arn:aws:ec2:{region}:{account}:security-group-rule/{id}"));
    });
}

/// Writes a rule that was removed. EC2 shows fewer fields of it.
fn revoked(xml: &mut Xml, group: u64, single: &Permission, plan: &Plan) {
    xml.within("item", |xml| {
        rule(xml, group, single, plan);
        for (number, _) in &single.groups {
            xml.plain("referencedGroupId", |out| plan.idents.write(Kind::SecurityGroup, *number, out));
        }
    });
}

/// The fields of both added and removed rules.
fn rule(xml: &mut Xml, group: u64, single: &Permission, plan: &Plan) {
    xml.text("securityGroupRuleId", &rule_id(group, single, plan));
    xml.plain("groupId", |out| plan.idents.write(Kind::SecurityGroup, group, out));
    xml.flag("isEgress", false);
    xml.text("ipProtocol", &single.protocol);
    let (from, to) = single.ports.unwrap_or((-1, -1));
    xml.number("fromPort", from);
    xml.number("toPort", to);
    let texts = [("cidrIpv4", &single.ranges), ("cidrIpv6", &single.ranges6), ("prefixListId", &single.prefix_lists)];
    for (tag, sources) in texts {
        for (value, _) in sources {
            xml.text(tag, value);
        }
    }
    let described = texts.iter().flat_map(|(_, sources)| sources.iter()).filter_map(|(_, text)| text.as_deref());
    let described = described.chain(single.groups.iter().filter_map(|(_, text)| text.as_deref()));
    if let Some(description) = described.last() {
        xml.text("description", description);
    }
}

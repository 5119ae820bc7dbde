//! What `DescribeInstances` and `DescribeInstanceStatus` can filter instances by.

use crate::simulator::clock::Moment;
use crate::simulator::ec2::lifecycle::OPERATOR;
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Instance, State};
use crate::simulator::network::SecurityGroup;
use crate::simulator::plan::Plan;
use crate::simulator::storage::Mount;
use crate::simulator::tags::TagField;

/// A filter name of `DescribeInstances`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum InstanceField {
    Id,
    StateName,
    StateCode,
    Type,
    Vpc,
    Subnet,
    Zone,
    ZoneId,
    PrivateIp,
    PublicIp,
    PrivateDns,
    PublicDns,
    Image,
    GroupId,
    GroupName,
    Reservation,
    Owner,
    KeyName,
    Architecture,
    Lifecycle,
    LaunchTime,
    Platform,
    PlatformDetails,
    RootDeviceName,
    Monitoring,
    Profile,
    Volume,
    AttachTime,
    Interface,
    Reason,
    ReasonCode,
    Ipv6,
    Tokens,
    PlacementGroup,
    Managed,
    Principal,
    /// A field that has the same value for every simulated instance.
    Same(&'static str),
    Tag(TagField),
}

impl InstanceField {
    pub(super) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "instance-id" => Self::Id,
            "instance-state-name" => Self::StateName,
            "instance-state-code" => Self::StateCode,
            "instance-type" => Self::Type,
            "vpc-id" | "network-interface.vpc-id" => Self::Vpc,
            "subnet-id" | "network-interface.subnet-id" => Self::Subnet,
            "availability-zone" | "network-interface.availability-zone" => Self::Zone,
            "availability-zone-id" => Self::ZoneId,
            "private-ip-address" | "network-interface.addresses.private-ip-address" => Self::PrivateIp,
            "ip-address" | "network-interface.addresses.association.public-ip" => Self::PublicIp,
            "private-dns-name" | "network-interface.private-dns-name" => Self::PrivateDns,
            "dns-name" => Self::PublicDns,
            "image-id" => Self::Image,
            "group-id" | "instance.group-id" | "network-interface.group-id" => Self::GroupId,
            "group-name" | "instance.group-name" | "network-interface.group-name" => Self::GroupName,
            "reservation-id" => Self::Reservation,
            "owner-id" | "network-interface.owner-id" => Self::Owner,
            "key-name" => Self::KeyName,
            "architecture" => Self::Architecture,
            "instance-lifecycle" => Self::Lifecycle,
            "launch-time" => Self::LaunchTime,
            "platform" => Self::Platform,
            "platform-details" => Self::PlatformDetails,
            "root-device-name" => Self::RootDeviceName,
            "monitoring-state" => Self::Monitoring,
            "iam-instance-profile.arn" => Self::Profile,
            "block-device-mapping.volume-id" => Self::Volume,
            "block-device-mapping.attach-time" => Self::AttachTime,
            "network-interface.network-interface-id" => Self::Interface,
            "reason" => Self::Reason,
            "state-reason-code" => Self::ReasonCode,
            "ipv6-address" => Self::Ipv6,
            "metadata-options.http-tokens" => Self::Tokens,
            "placement-group-name" => Self::PlacementGroup,
            "operator.managed" => Self::Managed,
            "operator.principal" => Self::Principal,
            "hypervisor" => Self::Same("xen"),
            "virtualization-type" => Self::Same("hvm"),
            "root-device-type" => Self::Same("ebs"),
            "tenancy" | "placement.tenancy" => Self::Same("default"),
            _ => Self::Tag(TagField::parse(name)?),
        })
    }

    /// Calls `matches` with each value the field has, until it says yes.
    pub(super) fn any(
        &self,
        instance: &Instance,
        plan: &Plan,
        now: Moment,
        matches: &mut dyn FnMut(&str) -> bool,
    ) -> bool {
        let state = instance.state(now);
        // EC2 takes network and disks from a terminated instance.
        let attached = state != State::Terminated;
        let id = |kind, number| plan.idents.text(kind, number);
        match self {
            Self::Id => matches(&plan.id(instance)),
            Self::StateName => matches(state.name()),
            Self::StateCode => matches(&state.code().to_string()),
            Self::Type => matches(instance.machine.name),
            Self::Vpc => attached && matches(&id(Kind::Vpc, instance.vpc)),
            Self::Subnet => attached && matches(&id(Kind::Subnet, Plan::subnet(instance))),
            Self::Zone => matches(&plan.zone(instance.zone).name),
            Self::ZoneId => matches(&plan.zone(instance.zone).id),
            Self::PrivateIp => attached && matches(&instance.private_ip.to_string()),
            Self::PublicIp => instance.address(now).is_some_and(|ip| matches(&ip.to_string())),
            Self::PrivateDns => attached && matches(&private_dns(instance, plan)),
            Self::PublicDns => public_dns(instance, plan, now).is_some_and(|name| matches(&name)),
            Self::Image => matches(&id(Kind::Image, instance.ami)),
            Self::GroupId => attached && groups(instance).any(|(number, _)| matches(&id(Kind::SecurityGroup, number))),
            Self::GroupName => attached && groups(instance).any(|(_, name)| matches(name)),
            Self::Reservation => matches(&id(Kind::Reservation, instance.lead)),
            Self::Owner => matches(&plan.account),
            Self::KeyName => instance.key_name.is_some_and(matches),
            Self::Architecture => matches(architecture(instance)),
            Self::Lifecycle => instance.spot && matches("spot"),
            Self::LaunchTime => matches(&instance.launched().iso()),
            Self::Platform => instance.image.platform.is_some_and(matches),
            Self::PlatformDetails => matches(instance.image.details),
            Self::RootDeviceName => matches(instance.image.root),
            Self::Monitoring => matches(if instance.monitored { "enabled" } else { "disabled" }),
            Self::Profile => attached && instance.profile.is_some_and(|name| matches(&profile_arn(plan, name))),
            Self::Volume => attached && Mount::all(instance, now).any(|mount| matches(&id(Kind::Volume, mount.disk))),
            Self::AttachTime => attached && Mount::all(instance, now).any(|mount| matches(&mount.since.iso())),
            Self::Interface => attached && matches(&id(Kind::Interface, instance.number)),
            Self::Reason => instance.asked().is_some_and(|asked| matches(&reason(asked))),
            Self::ReasonCode => instance.asked().is_some() && matches(REASON_CODE),
            Self::Ipv6 => attached && instance.ipv6.is_some_and(|ip| matches(&ip.to_string())),
            Self::Tokens => matches(http_tokens(instance)),
            Self::PlacementGroup => instance.role.placement.is_some_and(matches),
            Self::Managed => matches(if instance.managed { "true" } else { "false" }),
            Self::Principal => instance.managed && matches(OPERATOR),
            Self::Same(value) => matches(value),
            Self::Tag(tag) => tag.any(&instance.tags, matches),
        }
    }
}

/// The state reason of everything users stop.
pub(super) const REASON_CODE: &str = "Client.UserInitiatedShutdown";

pub(super) fn reason(asked: Moment) -> String {
    format!("User initiated ({})", asked.gmt())
}

/// Whether the metadata service wants a token.
pub(super) fn http_tokens(instance: &Instance) -> &'static str {
    if instance.lead.is_multiple_of(5) { "optional" } else { "required" }
}

pub(super) fn architecture(instance: &Instance) -> &'static str {
    if instance.machine.arm { "arm64" } else { "x86_64" }
}

pub(super) fn profile_arn(plan: &Plan, name: &str) -> String {
    format!("arn:aws:iam::{}:instance-profile/{name}", plan.account)
}

/// `ip-10-1-0-4.ec2.internal`
pub(super) fn private_dns(instance: &Instance, plan: &Plan) -> String {
    let [a, b, c, d] = instance.private_ip.octets();
    format!("ip-{a}-{b}-{c}-{d}.{}", plan.private_domain)
}

/// `ec2-3-128-0-4.compute-1.amazonaws.com`
pub(super) fn public_dns(instance: &Instance, plan: &Plan, now: Moment) -> Option<String> {
    let [a, b, c, d] = instance.address(now)?.octets();
    Some(format!("ec2-{a}-{b}-{c}-{d}.{}", plan.public_domain))
}

/// Numbers and names of an instance's groups.
pub(super) fn groups(instance: &Instance) -> impl Iterator<Item = (u64, &'static str)> {
    let network = instance.network;
    let group = move |ordinal: &u64| (SecurityGroup::number(network, *ordinal), SecurityGroup::name(*ordinal));
    instance.groups.iter().map(group)
}

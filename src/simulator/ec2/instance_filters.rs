//! The filters of `DescribeInstances`, and the values of some instance fields.

use crate::simulator::clock::Moment;
use crate::simulator::ec2::lifecycle::OPERATOR;
use crate::simulator::filter::{Filter, Filtered, Values};
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Instance, State};
use crate::simulator::interface;
use crate::simulator::network::SecurityGroup;
use crate::simulator::plan::Plan;
use crate::simulator::storage::Mount;
use crate::simulator::tags::Tags;

impl Filtered for Instance {
    const FILTERS: &'static [Filter<Self>] = &[
        ("architecture", |it, values| values.text(architecture(it))),
        ("availability-zone", |it, values| values.text(&values.plan.zone(it.zone).name)),
        ("availability-zone-id", |it, values| values.text(&values.plan.zone(it.zone).id)),
        ("block-device-mapping.attach-time", |it, values| {
            values.show(mounts(it, values.at).map(|one| one.since.iso()));
        }),
        ("block-device-mapping.volume-id", |it, values| {
            let at = values.at;
            values.ids(Kind::Volume, mounts(it, at).map(|one| one.disk));
        }),
        ("dns-name", |it, values| values.show(public_dns(it, values.plan, values.at))),
        ("group-id", group_ids),
        ("group-name", group_names),
        ("hypervisor", |_, values| values.text("xen")),
        ("iam-instance-profile.arn", |it, values| {
            let profile = it.profile.filter(|_| attached(it, values.at));
            values.show(profile.map(|name| profile_arn(values.plan, name)));
        }),
        ("image-id", |it, values| values.ids(Kind::Image, [it.ami])),
        ("instance-id", |it, values| values.ids(Kind::Instance, [it.number])),
        ("instance-lifecycle", |it, values| values.texts(it.spot.then_some("spot"))),
        ("instance-state-code", |it, values| values.show([it.state(values.at).code()])),
        ("instance-state-name", |it, values| values.text(it.state(values.at).name())),
        ("instance-type", |it, values| values.text(it.machine.name)),
        ("instance.group-id", group_ids),
        ("instance.group-name", group_names),
        ("ip-address", |it, values| values.show(it.address(values.at))),
        ("ipv6-address", |it, values| values.show(it.ipv6.filter(|_| attached(it, values.at)))),
        ("key-name", |it, values| values.texts(it.key_name)),
        ("launch-time", |it, values| values.text(&it.launched().iso())),
        ("metadata-options.http-tokens", |it, values| values.text(http_tokens(it))),
        ("monitoring-state", |it, values| values.text(if it.monitored { "enabled" } else { "disabled" })),
        ("network-interface.addresses.association.public-ip", |it, values| values.show(it.address(values.at))),
        ("network-interface.addresses.private-ip-address", private_ip),
        ("network-interface.availability-zone", |it, values| values.text(&values.plan.zone(it.zone).name)),
        ("network-interface.group-id", group_ids),
        ("network-interface.group-name", group_names),
        ("network-interface.network-interface-id", |it, values| {
            let interface = attached(it, values.at).then_some(it.number);
            values.ids(Kind::Interface, interface);
        }),
        ("network-interface.owner-id", |_, values| values.text(&values.plan.account)),
        ("network-interface.private-dns-name", own_dns),
        ("network-interface.subnet-id", subnet),
        ("network-interface.vpc-id", vpc),
        ("operator.managed", |it, values| values.flag(it.managed)),
        ("operator.principal", |it, values| values.texts(it.managed.then_some(OPERATOR))),
        ("owner-id", |_, values| values.text(&values.plan.account)),
        ("placement-group-name", |it, values| values.texts(it.role.placement)),
        ("placement.tenancy", |_, values| values.text("default")),
        ("platform", |it, values| values.texts(it.image.platform)),
        ("platform-details", |it, values| values.text(it.image.details)),
        ("private-dns-name", own_dns),
        ("private-ip-address", private_ip),
        ("reason", |it, values| values.show(it.asked().map(reason))),
        ("reservation-id", |it, values| values.ids(Kind::Reservation, [it.lead])),
        ("root-device-name", |it, values| values.text(it.image.root)),
        ("root-device-type", |_, values| values.text("ebs")),
        ("state-reason-code", |it, values| values.texts(it.asked().map(|_| REASON_CODE))),
        ("subnet-id", subnet),
        ("tenancy", |_, values| values.text("default")),
        ("virtualization-type", |_, values| values.text("hvm")),
        ("vpc-id", vpc),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = Some(|it| &it.tags);
}

/// Whether an instance still has its network and volumes at `at`: a terminated instance has neither.
fn attached(instance: &Instance, at: Moment) -> bool {
    instance.state(at) != State::Terminated
}

fn mounts(instance: &Instance, at: Moment) -> impl Iterator<Item = Mount<'_>> {
    Mount::all(instance, at).filter(move |_| attached(instance, at))
}

fn group_ids(instance: &Instance, values: &mut Values<'_>) {
    let there = attached(instance, values.at);
    values.ids(Kind::SecurityGroup, groups(instance).map(|(number, _)| number).filter(|_| there));
}

fn group_names(instance: &Instance, values: &mut Values<'_>) {
    let there = attached(instance, values.at);
    values.texts(groups(instance).map(|(_, name)| name).filter(|_| there));
}

fn private_ip(instance: &Instance, values: &mut Values<'_>) {
    values.show(attached(instance, values.at).then_some(instance.private_ip));
}

fn own_dns(instance: &Instance, values: &mut Values<'_>) {
    values.show(attached(instance, values.at).then(|| private_dns(instance, values.plan)));
}

fn subnet(instance: &Instance, values: &mut Values<'_>) {
    values.ids(Kind::Subnet, attached(instance, values.at).then_some(instance.subnet));
}

fn vpc(instance: &Instance, values: &mut Values<'_>) {
    values.ids(Kind::Vpc, attached(instance, values.at).then_some(instance.vpc));
}

/// The state reason code of an instance that a user stopped or terminated.
pub(super) const REASON_CODE: &str = "Client.UserInitiatedShutdown";

pub(super) fn reason(asked: Moment) -> String {
    format!("User initiated ({})", asked.gmt())
}

/// Whether the instance metadata service requires a token.
pub(super) fn http_tokens(instance: &Instance) -> &'static str {
    if instance.lead.is_multiple_of(5) { "optional" } else { "required" }
}

pub(super) fn architecture(instance: &Instance) -> &'static str {
    if instance.machine.arm { "arm64" } else { "x86_64" }
}

pub(super) fn profile_arn(plan: &Plan, name: &str) -> String {
    format!("arn:aws:iam::{}:instance-profile/{name}", plan.account)
}

/// The DNS name of the instance's private address.
pub(super) fn private_dns(instance: &Instance, plan: &Plan) -> String {
    interface::private_dns(plan, instance.private_ip)
}

/// The DNS name of the instance's public address, if it has one at `now`.
pub(super) fn public_dns(instance: &Instance, plan: &Plan, now: Moment) -> Option<String> {
    instance.address(now).map(|address| interface::public_dns(plan, address))
}

/// The numbers and names of an instance's security groups.
pub(super) fn groups(instance: &Instance) -> impl Iterator<Item = (u64, &'static str)> {
    let network = instance.network;
    let group = move |ordinal: &u64| (SecurityGroup::number(network, *ordinal), SecurityGroup::name(*ordinal));
    instance.groups.iter().map(group)
}

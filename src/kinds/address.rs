//! Elastic IP addresses.
//!
//! `DescribeAddresses` does not page: one answer holds all of them (an account has five to a few hundred in a region), so
//! a sweep is one call, and a page token, which AWS never gives, is not sent. An address of EC2-Classic had no
//! `AllocationId`; AWS has none of these left, but emulators still make them. Such an address is known by its public IP.

use std::net::IpAddr;

use aws_sdk_ec2::Client;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::describe::{DescribeError, DescribeInput, filters, reduce};
use super::fields::{Fields, Mapped, mapped};
use super::spec::{Filter, KindSpec};
use crate::model::{Form, Item, LeftOut, Page};

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::EIP",
    slug: "address",
    title: "Elastic IP address",
    plural: "Elastic IP addresses",
    description: "A public IPv4 address allocated to the account, and the instance or network interface it is associated \
                  with.",
    prefix: Some("eipalloc-"),
    arn_type: Some("elastic-ip"),
    id_field: "AllocationId",
    other_id: Some("PublicIp"),
    list: &["addressesSet", "item"],
    name_field: Some("PublicIp"),
    owner_field: None,
    exclusive: true,
    filters: FILTERS,
    columns: &[("private-ip-address", "private_ip"), ("public-ip", "public_ip"), ("instance-id", "instance_id")],
    actions: &["ec2:DescribeAddresses"],
    describe,
    ..KindSpec::DEFAULT
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "allocation-id", &["AllocationId"], Form::Id(&["eipalloc-"])),
    Filter::new(1, "public-ip", &["PublicIp"], Form::Ipv4),
    Filter::new(2, "association-id", &["AssociationId"], Form::Id(&["eipassoc-"])),
    Filter::new(3, "instance-id", &["InstanceId"], Form::Id(&["i-"])),
    Filter::new(4, "network-interface-id", &["NetworkInterfaceId"], Form::Id(&["eni-"])),
    Filter::new(5, "network-interface-owner-id", &["NetworkInterfaceOwnerId"], Form::Account),
    Filter::new(6, "private-ip-address", &["PrivateIpAddress"], Form::Ipv4),
    Filter::new(7, "network-border-group", &["NetworkBorderGroup"], Form::Text),
];

fn describe(client: Client, input: DescribeInput, _: LeftOut) -> BoxFuture<'static, Result<Page, DescribeError>> {
    async move {
        let call = client.describe_addresses();
        let answers = match input {
            DescribeInput::Page { .. } => vec![call.send().await.map_err(reduce)?],
            DescribeInput::Filtered(asked) => {
                vec![call.set_filters(Some(filters(asked))).send().await.map_err(reduce)?]
            }
            DescribeInput::DryRun => vec![call.dry_run(true).send().await.map_err(reduce)?],
            DescribeInput::Ids(ids) => {
                let (addresses, allocations): (Vec<_>, Vec<_>) =
                    ids.into_iter().partition(|id| id.parse::<IpAddr>().is_ok());
                let mut answers = Vec::new();
                // One call names either. Both are asked for together only where an emulator has both.
                if !allocations.is_empty() || addresses.is_empty() {
                    answers.push(call.clone().set_allocation_ids(Some(allocations)).send().await.map_err(reduce)?);
                }
                if !addresses.is_empty() {
                    answers.push(call.set_public_ips(Some(addresses)).send().await.map_err(reduce)?);
                }
                answers
            }
        };
        let addresses = answers.into_iter().flat_map(|answer| answer.addresses.unwrap_or_default());
        let items = addresses.map(|described| {
            let allocation = described.allocation_id.clone().filter(|id| !id.is_empty());
            let id = allocation.or_else(|| described.public_ip.clone()).unwrap_or_default();
            Item::new(id, described.fields().document())
        });
        Ok(Page { items: items.collect(), ..Page::default() })
    }
    .boxed()
}

mapped!(|address: Address| {
    Fields::new()
        .text("AllocationId", address.allocation_id)
        .text("AssociationId", address.association_id)
        .code("Domain", address.domain)
        .text("NetworkInterfaceId", address.network_interface_id)
        .text("NetworkInterfaceOwnerId", address.network_interface_owner_id)
        .text("PrivateIpAddress", address.private_ip_address)
        .list("Tags", address.tags)
        .text("PublicIpv4Pool", address.public_ipv4_pool)
        .text("NetworkBorderGroup", address.network_border_group)
        .text("CustomerOwnedIp", address.customer_owned_ip)
        .text("CustomerOwnedIpv4Pool", address.customer_owned_ipv4_pool)
        .text("CarrierIp", address.carrier_ip)
        .text("SubnetId", address.subnet_id)
        .code("ServiceManaged", address.service_managed)
        .text("InstanceId", address.instance_id)
        .text("PublicIp", address.public_ip)
});

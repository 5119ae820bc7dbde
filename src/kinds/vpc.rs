//! Virtual private clouds.

use std::time::Duration;

use aws_sdk_ec2::{Client, types};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::fields::Fields;
use super::tag::tag;
use super::{Failure, Filter, KindSpec, LeftOut, Listing, Page, item, reduce};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::VPC",
    slug: "vpc",
    title: "VPC",
    plural: "VPCs",
    description: "A virtual network: its address ranges, tenancy, DHCP options and whether it is the default one. Shared \
                  ones show their owner.",
    mapping: 1,
    id_field: "VpcId",
    other_id: None,
    list: &["vpcSet", "item"],
    name_field: None,
    owner_field: Some("OwnerId"),
    exclusive: false,
    own_only: false,
    state_path: Some("State"),
    interval: Duration::from_mins(5),
    told_by: &["tags", "calls"],
    relaxed: Some(Duration::from_hours(1)),
    moves: false,
    gone_states: &[],
    masked: &[],
    status_of: None,
    filters: FILTERS,
    actions: &["ec2:DescribeVpcs"],
    optional: &[],
    describe,
};

static FILTERS: &[Filter] = &[
    Filter::new(0, "vpc-id", &["VpcId"], Form::Id(&["vpc-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "cidr", &["CidrBlock"], Form::Cidr),
    Filter::new(3, "state", &["State"], Form::Word(types::VpcState::values())),
    Filter::new(4, "is-default", &["IsDefault"], Form::Flag),
    Filter::new(5, "dhcp-options-id", &["DhcpOptionsId"], Form::IdOr(&["dopt-"], "default")),
    Filter::new(
        6,
        "cidr-block-association.association-id",
        &["CidrBlockAssociationSet.AssociationId"],
        Form::Id(&["vpc-cidr-assoc-"]),
    ),
    Filter::new(7, "cidr-block-association.cidr-block", &["CidrBlockAssociationSet.CidrBlock"], Form::Cidr),
    Filter::new(
        8,
        "cidr-block-association.state",
        &["CidrBlockAssociationSet.CidrBlockState.State"],
        Form::Word(types::VpcCidrBlockStateCode::values()),
    ),
    Filter::new(
        9,
        "ipv6-cidr-block-association.association-id",
        &["Ipv6CidrBlockAssociationSet.AssociationId"],
        Form::Id(&["vpc-cidr-assoc-"]),
    ),
    Filter::new(
        10,
        "ipv6-cidr-block-association.ipv6-cidr-block",
        &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlock"],
        Form::Cidr6,
    ),
    Filter::new(11, "ipv6-cidr-block-association.ipv6-pool", &["Ipv6CidrBlockAssociationSet.Ipv6Pool"], Form::Text),
    Filter::new(
        12,
        "ipv6-cidr-block-association.state",
        &["Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State"],
        Form::Word(types::VpcCidrBlockStateCode::values()),
    ),
];

fn describe(client: Client, listing: Listing, _: LeftOut) -> BoxFuture<'static, Result<Page, Failure>> {
    async move {
        let call = client.describe_vpcs();
        let call = match listing {
            Listing::Page { token, max_results } => call.max_results(max_results).set_next_token(token),
            Listing::Ids(ids) => call.set_vpc_ids(Some(ids)),
        };
        let answer = call.send().await.map_err(reduce)?;
        let vpcs = answer.vpcs.unwrap_or_default();
        let items = vpcs.into_iter().map(|described| item(described.vpc_id.clone(), vpc(described)));
        Ok(Page { items: items.collect(), next: answer.next_token, ..Page::default() })
    }
    .boxed()
}

fn vpc(vpc: types::Vpc) -> Fields {
    Fields::new()
        .text("OwnerId", vpc.owner_id)
        .code("InstanceTenancy", vpc.instance_tenancy)
        .list("Ipv6CidrBlockAssociationSet", vpc.ipv6_cidr_block_association_set, ipv6_cidr_association)
        .list("CidrBlockAssociationSet", vpc.cidr_block_association_set, cidr_association)
        .flag("IsDefault", vpc.is_default)
        .map("EncryptionControl", vpc.encryption_control, encryption_control)
        .list("Tags", vpc.tags, tag)
        .map("BlockPublicAccessStates", vpc.block_public_access_states, block_public_access)
        .text("VpcId", vpc.vpc_id)
        .code("State", vpc.state)
        .text("CidrBlock", vpc.cidr_block)
        .text("DhcpOptionsId", vpc.dhcp_options_id)
}

fn cidr_association(association: types::VpcCidrBlockAssociation) -> Fields {
    Fields::new().text("AssociationId", association.association_id).text("CidrBlock", association.cidr_block).map(
        "CidrBlockState",
        association.cidr_block_state,
        cidr_state,
    )
}

fn ipv6_cidr_association(association: types::VpcIpv6CidrBlockAssociation) -> Fields {
    Fields::new()
        .text("AssociationId", association.association_id)
        .text("Ipv6CidrBlock", association.ipv6_cidr_block)
        .map("Ipv6CidrBlockState", association.ipv6_cidr_block_state, cidr_state)
        .text("NetworkBorderGroup", association.network_border_group)
        .text("Ipv6Pool", association.ipv6_pool)
        .code("Ipv6AddressAttribute", association.ipv6_address_attribute)
        .code("IpSource", association.ip_source)
}

fn cidr_state(state: types::VpcCidrBlockState) -> Fields {
    Fields::new().code("State", state.state).text("StatusMessage", state.status_message)
}

fn encryption_control(control: types::VpcEncryptionControl) -> Fields {
    Fields::new()
        .text("VpcId", control.vpc_id)
        .text("VpcEncryptionControlId", control.vpc_encryption_control_id)
        .code("Mode", control.mode)
        .code("State", control.state)
        .text("StateMessage", control.state_message)
        .map("ResourceExclusions", control.resource_exclusions, exclusions)
        .list("Tags", control.tags, tag)
}

fn exclusions(exclusions: types::VpcEncryptionControlExclusions) -> Fields {
    Fields::new()
        .map("InternetGateway", exclusions.internet_gateway, exclusion)
        .map("EgressOnlyInternetGateway", exclusions.egress_only_internet_gateway, exclusion)
        .map("NatGateway", exclusions.nat_gateway, exclusion)
        .map("VirtualPrivateGateway", exclusions.virtual_private_gateway, exclusion)
        .map("VpcPeering", exclusions.vpc_peering, exclusion)
        .map("Lambda", exclusions.lambda, exclusion)
        .map("VpcLattice", exclusions.vpc_lattice, exclusion)
        .map("ElasticFileSystem", exclusions.elastic_file_system, exclusion)
}

fn exclusion(exclusion: types::VpcEncryptionControlExclusion) -> Fields {
    Fields::new().code("State", exclusion.state).text("StateMessage", exclusion.state_message)
}

pub(super) fn block_public_access(states: types::BlockPublicAccessStates) -> Fields {
    Fields::new().code("InternetGatewayBlockMode", states.internet_gateway_block_mode)
}

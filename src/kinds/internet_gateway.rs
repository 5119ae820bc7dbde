//! Internet gateways.
//!
//! Events do not slow their sweeps, because `CreateDefaultVpc` creates one without naming it.

use super::describe::describe;
use super::fields::{Fields, mapped};
use super::spec::{CallWords, Filter, KindSpec};
use crate::model::Form;

pub(super) static SPEC: KindSpec = KindSpec {
    name: "AWS::EC2::InternetGateway",
    slug: "internet-gateway",
    title: "Internet gateway",
    plural: "internet gateways",
    description: "A gateway that connects a VPC to the internet: the VPC that it is attached to.",
    prefix: Some("igw-"),
    id_field: "InternetGatewayId",
    list: &["internetGatewaySet", "item"],
    calls: CallWords {
        makes: &["InternetGateway", "CreateDefaultVpc"],
        about: &["InternetGateway"],
        ..CallWords::NONE
    },
    filters: FILTERS,
    columns: &[("attachment.state", "state"), ("attachment.vpc-id", "vpc_id")],
    actions: &["ec2:DescribeInternetGateways"],
    describe: describe!(
        |client, _, _| client.describe_internet_gateways(),
        set_internet_gateway_ids,
        internet_gateways,
        internet_gateway_id
    ),
    ..KindSpec::DEFAULT
};

/// The states of an attachment that AWS documents, and the one that its answers and its documentation of the filter use.
const STATES: &[&str] = &["attached", "attaching", "available", "detached", "detaching"];

static FILTERS: &[Filter] = &[
    Filter::new(0, "internet-gateway-id", &["InternetGatewayId"], Form::Id(&["igw-"])),
    Filter::new(1, "owner-id", &["OwnerId"], Form::Account),
    Filter::new(2, "attachment.state", &["Attachments.State"], Form::Word(STATES)).many(),
    Filter::new(3, "attachment.vpc-id", &["Attachments.VpcId"], Form::Id(&["vpc-"])).many(),
];

mapped!(|gateway: InternetGateway| {
    Fields::new()
        .list("Attachments", gateway.attachments)
        .text("InternetGatewayId", gateway.internet_gateway_id)
        .text("OwnerId", gateway.owner_id)
        .list("Tags", gateway.tags)
});

mapped!(|attachment: InternetGatewayAttachment| {
    Fields::new().code("State", attachment.state).text("VpcId", attachment.vpc_id)
});

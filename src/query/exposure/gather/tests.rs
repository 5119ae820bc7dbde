use serde_json::json;

use super::*;
use crate::model::ScopeFilter;
use crate::model::fixtures::{json_document, scope};
use crate::query::estate::{resource, store};

const SURE: Unsure<'static> = &|_, _| None;

fn interface(id: &str, subnet: &str, ip: Option<&str>) -> serde_json::Value {
    let association = ip.map_or(json!({}), |ip| json!({"Association": {"PublicIp": ip}}));
    json!({
        "NetworkInterfaceId": id, "VpcId": "vpc-1", "SubnetId": subnet, "Groups": [{"GroupId": "sg-1"}],
        "Attachment": {"InstanceId": format!("i-{}", &id[4..])}, "PrivateIpAddresses": [association],
    })
}

/// A public subnet with a table of its own, and a private one with the main table.
fn estate() -> (tempfile::TempDir, crate::store::Writer, Store) {
    let entry = |egress: bool| json!({"RuleNumber": 100, "Egress": egress, "CidrBlock": "0.0.0.0/0", "Protocol": "-1", "RuleAction": "allow"});
    let subnets = [json!({"SubnetId": "subnet-1"}), json!({"SubnetId": "subnet-2"})];
    let public = json!([{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}]);
    let ssh = json!([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    store(&[
        ("subnet", "subnet-1", json!({"VpcId": "vpc-1"})),
        ("subnet", "subnet-2", json!({"VpcId": "vpc-1"})),
        ("security-group", "sg-1", json!({"VpcId": "vpc-1", "IpPermissions": ssh})),
        (
            "network-acl",
            "acl-1",
            json!({"VpcId": "vpc-1", "Associations": subnets, "Entries": [entry(false), entry(true)]}),
        ),
        (
            "route-table",
            "rtb-1",
            json!({"VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-1", "Main": false}], "Routes": public}),
        ),
        ("route-table", "rtb-2", json!({"VpcId": "vpc-1", "Associations": [{"Main": true}], "Routes": []})),
        ("internet-gateway", "igw-1", json!({"Attachments": [{"VpcId": "vpc-1", "State": "available"}]})),
        ("network-interface", "eni-1", interface("eni-1", "subnet-1", Some("198.51.100.1"))),
        ("network-interface", "eni-2", interface("eni-2", "subnet-2", Some("198.51.100.2"))),
        ("network-interface", "eni-3", interface("eni-3", "subnet-1", None)),
        ("network-interface", "eni-4", interface("eni-4", "subnet-1", Some("198.51.100.4"))),
    ])
}

fn verdicts(store: &Store, unsure: Unsure<'_>) -> Vec<(String, ReachVerdict)> {
    let mut reaches = Reaches::new(store, unsure);
    let mut found: Vec<(String, ReachVerdict)> = each_public(store, &ScopeFilter::Everywhere)
        .unwrap()
        .into_iter()
        .map(|((scope, instance), interfaces)| {
            let answer = reaches.ask(&scope, &interfaces, Protocol::Tcp, Ports::one(22)).unwrap();
            assert_eq!(reaches.verdict(&scope, &interfaces, Protocol::Tcp, Ports::one(22)).unwrap(), answer.verdict);
            (instance, answer.verdict)
        })
        .collect();
    assert_eq!(reaches.made.len(), 2, "once for each subnet and set of groups");
    found.sort();
    found
}

#[test]
fn instances_with_public_addresses_are_judged_once_a_subnet_and_set_of_groups() {
    let (_dir, _writer, store) = estate();
    let found = verdicts(&store, SURE);
    let expected =
        [("i-1", ReachVerdict::Reachable), ("i-2", ReachVerdict::NotReachable), ("i-4", ReachVerdict::Reachable)];
    assert_eq!(found, expected.map(|(id, verdict)| (id.to_owned(), verdict)));
    // Of the private subnet it is known all the same that the security group is the only one that lets nothing else in.
    for kind in [SUBNET, SECURITY_GROUP, NETWORK_ACL, ROUTE_TABLE, INTERNET_GATEWAY] {
        let stale: Unsure<'_> = &|_, of| (of.slug == kind.slug).then(|| "stale".to_owned());
        let found = verdicts(&store, stale);
        assert!(found.iter().all(|(_, verdict)| *verdict != ReachVerdict::Reachable), "{kind:?}: {found:?}");
        assert_eq!(found[0].1, ReachVerdict::Unknown, "{kind:?}");
    }
}

#[test]
fn what_is_open_of_an_instance_is_listed_with_its_hops() {
    let (_dir, _writer, store) = estate();
    let instance = json_document(&json!({"NetworkInterfaces": [interface("eni-1", "subnet-1", Some("198.51.100.1"))]}));
    let interfaces = Interface::of_instance(&instance);
    assert_eq!((interfaces.len(), interfaces[0].groups.as_slice()), (1, &["sg-1".to_owned()][..]));
    let open = Reaches::new(&store, SURE).open(&scope(), &interfaces).unwrap();
    assert_eq!(open.len(), 1, "{open:?}");
    assert_eq!((open[0].protocol, open[0].ports, open[0].from), (Protocol::Tcp, Ports::one(22), "0.0.0.0/0"));
    assert!(open[0].hops[0].why.starts_with("rtb-1, of subnet-1, routes 0.0.0.0/0 to igw-1"), "{open:?}");
    let none = json_document(&json!({"NetworkInterfaces": [interface("eni-3", "subnet-1", None)]}));
    let none = Interface::of_instance(&none);
    assert_eq!(Reaches::new(&store, SURE).open(&scope(), &none).unwrap(), []);
    let row = store.snapshot().unwrap().row(&resource("network-interface", "eni-1")).unwrap().unwrap();
    assert_eq!(
        Interface::of_row(&row),
        Some(("i-1".to_owned(), interfaces[0].clone())),
        "a row says as much as a document"
    );
}

#[test]
fn what_stands_in_no_table_is_not_known() {
    let (_dir, _writer, store) = store(&[("security-group", "sg-1", json!({}))]);
    let interface = Interface {
        subnet: "subnet-9".to_owned(),
        groups: vec!["sg-1".to_owned(), "sg-9".to_owned()],
        addresses: PublicAddresses { ipv4: vec!["198.51.100.9".to_owned()], ..PublicAddresses::default() },
        ..Interface::default()
    };
    let answer = Reaches::new(&store, SURE).ask(&scope(), &[interface], Protocol::Tcp, Ports::one(22)).unwrap();
    assert_eq!(answer.verdict, ReachVerdict::Unknown);
    let said: Vec<&str> = answer.hops.iter().map(|hop| hop.why.as_str()).collect();
    let expected = [
        "198.51.100.9",
        "no route table of subnet-9, and no main one of , is held",
        "subnet-9 is not held",
        "no network ACL of subnet-9 is held",
        "sg-9 is not held",
    ];
    assert_eq!(said, expected);
}

#[test]
fn filters_are_named_as_the_registry_names_them() {
    let source = include_str!("../gather.rs");
    for (kind, filter) in [
        (NETWORK_ACL, "association.subnet-id"),
        (ROUTE_TABLE, "association.subnet-id"),
        (ROUTE_TABLE, "association.main"),
        (ROUTE_TABLE, "association.gateway-id"),
        (ROUTE_TABLE, "vpc-id"),
        (NETWORK_INTERFACE, "attachment.instance-id"),
        (NETWORK_INTERFACE, "group-id"),
        (NETWORK_INTERFACE, "vpc-id"),
        (NETWORK_INTERFACE, "subnet-id"),
        (NETWORK_INTERFACE, "addresses.association.public-ip"),
        (NETWORK_INTERFACE, "ipv6-addresses.ipv6-address"),
    ] {
        assert!(source.contains(&format!("\"{filter}\"")) && kind.filter(filter).is_some(), "{kind:?} {filter}");
    }
}

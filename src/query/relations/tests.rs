use std::collections::BTreeSet;

use super::*;
use crate::kinds;
use crate::model::ScopeFilter;
use crate::query::estate::{resource, store};

const SURE: Unsure<'static> = &|_, _| None;

fn of(store: &Store, slug: &str, id: &str, limit: usize, unsure: Unsure<'_>) -> Relations {
    let kind = kinds::by_slug(slug).unwrap();
    let row = store.snapshot().unwrap().row(&resource(slug, id)).unwrap().unwrap();
    relations(store, kind, &row, limit, unsure, &|_| true).unwrap()
}

/// Kind, count, ids.
fn shown(related: &[RelatedResource]) -> Vec<(&str, u64, Vec<&str>)> {
    related.iter().map(|one| (one.kind.as_str(), one.count, one.ids.iter().map(String::as_str).collect())).collect()
}

fn estate() -> (tempfile::TempDir, crate::store::Writer, Store) {
    use serde_json::json;
    store(&[
        (
            "security-group",
            "sg-1",
            json!({"VpcId": "vpc-1", "IpPermissions": [
                {"UserIdGroupPairs": [{"GroupId": "sg-1"}, {"GroupId": "sg-2"}]},
            ]}),
        ),
        (
            "security-group",
            "sg-2",
            json!({"VpcId": "vpc-1",
                "IpPermissions": [{"UserIdGroupPairs": [{"GroupId": "sg-1"}]}],
                "IpPermissionsEgress": [{"UserIdGroupPairs": [{"GroupId": "sg-1"}]}],
            }),
        ),
        ("security-group", "sg-3", json!({"VpcId": "vpc-1"})),
        (
            "instance",
            "i-1",
            json!({
                "VpcId": "vpc-1", "SubnetId": "subnet-1", "SecurityGroups": [{"GroupId": "sg-1"}],
                "BlockDeviceMappings": [{"Ebs": {"VolumeId": "vol-1"}}],
                "NetworkInterfaces": [{"NetworkInterfaceId": "eni-1"}],
            }),
        ),
        (
            "network-interface",
            "eni-1",
            json!({
                "SubnetId": "subnet-1", "Groups": [{"GroupId": "sg-1"}],
                "Attachment": {"InstanceId": "i-1", "AttachmentId": "eni-attach-1"},
            }),
        ),
        ("network-interface", "eni-2", json!({"SubnetId": "subnet-1", "Groups": [{"GroupId": "sg-1"}]})),
        ("volume", "vol-1", json!({"Attachments": [{"InstanceId": "i-1"}], "SnapshotId": "snap-1"})),
        ("volume", "vol-2", json!({"SnapshotId": "snap-1"})),
        ("snapshot", "snap-1", json!({"VolumeId": "vol-9"})),
        ("snapshot", "snap-2", json!({"VolumeId": "vol-1"})),
        (
            "network-acl",
            "acl-1",
            json!({
                "VpcId": "vpc-1",
                "Associations": [{"SubnetId": "subnet-1", "NetworkAclId": "acl-1", "NetworkAclAssociationId": "aclassoc-1"}],
            }),
        ),
        ("network-acl", "acl-2", json!({"VpcId": "vpc-1"})),
        (
            "route-table",
            "rtb-1",
            json!({"VpcId": "vpc-1", "Routes": [
                {"GatewayId": "local"}, {"GatewayId": "vgw-1"}, {"NatGatewayId": "nat-1"},
            ]}),
        ),
    ])
}

#[test]
fn a_security_group_is_used_by_what_carries_it_and_by_groups_that_name_it_once_each() {
    let (_dir, _writer, store) = estate();
    let found = of(&store, "security-group", "sg-1", 10, SURE);
    let used_by = shown(found.of(Direction::UsedBy));
    let expected = [
        ("network-interface", 2, vec!["eni-1", "eni-2"]),
        ("instance", 1, vec!["i-1"]),
        ("security-group", 1, vec!["sg-2"]),
    ];
    assert_eq!(used_by, expected, "a rule that names its own group is no use of it");
    let via = &found.of(Direction::UsedBy)[2].via;
    assert_eq!(*via, ["egress.ip-permission.group-id", "ip-permission.group-id"]);
    assert_eq!(shown(found.of(Direction::Uses)), [("security-group", 1, vec!["sg-2"]), ("vpc", 1, vec!["vpc-1"])]);
    assert_eq!(found.searched, ["instance", "security-group", "network-interface"]);
    assert_eq!(found.deletable(), Deletable::InUse);
    let few = of(&store, "security-group", "sg-1", 1, SURE);
    assert_eq!(shown(few.of(Direction::UsedBy))[0], ("network-interface", 2, vec!["eni-1"]));
}

#[test]
fn references_that_name_a_user_are_turned_around_and_origins_are_no_uses() {
    let (_dir, _writer, store) = estate();
    let volume = of(&store, "volume", "vol-1", 10, SURE);
    assert_eq!(shown(volume.of(Direction::UsedBy)), [("instance", 1, vec!["i-1"])]);
    assert_eq!(shown(volume.of(Direction::MadeFrom)), [("snapshot", 1, vec!["snap-1"])]);
    assert_eq!(shown(volume.of(Direction::MadeInto)), [("snapshot", 1, vec!["snap-2"])]);
    let acl = of(&store, "network-acl", "acl-1", 10, SURE);
    assert_eq!(shown(acl.of(Direction::UsedBy)), [("subnet", 1, vec!["subnet-1"])]);
    let instance = of(&store, "instance", "i-1", 10, SURE);
    let uses: BTreeSet<&str> = instance.of(Direction::Uses).iter().map(|one| one.kind.as_str()).collect();
    assert_eq!(uses, ["network-interface", "security-group", "subnet", "volume", "vpc"].into());
    assert_eq!(instance.of(Direction::UsedBy), []);
    let table = of(&store, "route-table", "rtb-1", 10, SURE);
    let expected = [("nat-gateway", 1, vec!["nat-1"]), ("vgw", 1, vec!["vgw-1"]), ("vpc", 1, vec!["vpc-1"])];
    assert_eq!(shown(table.of(Direction::Uses)), expected);
}

#[test]
fn nothing_is_called_unused_while_a_user_may_not_be_held() {
    let (_dir, _writer, store) = estate();
    assert_eq!(of(&store, "network-acl", "acl-2", 10, SURE).deletable(), Deletable::NoUseFound);
    let stale: Unsure<'_> = &|_, kind| (kind.slug == "network-acl").then(|| "stale".to_owned());
    assert_eq!(of(&store, "network-acl", "acl-2", 10, stale).deletable(), Deletable::Unknown);
    // Load balancers and launch templates are not held.
    let group = of(&store, "security-group", "sg-3", 10, SURE);
    assert_eq!((group.deletable(), group.of(Direction::UsedBy)), (Deletable::Unknown, &[][..]));
    assert!(group.not_held.contains(&"launch templates"), "{group:?}");
    let stale: Unsure<'_> = &|_, kind| (kind.slug == "instance").then(|| "its first sweep is under way".to_owned());
    let group = of(&store, "security-group", "sg-3", 10, stale);
    assert_eq!(group.unsure, [("instance", "its first sweep is under way".to_owned())]);
    assert_eq!(group.searched, ["security-group", "network-interface"]);
}

#[test]
fn every_edge_is_shown_once_and_is_the_facet_of_its_row() {
    let (_dir, _writer, store) = estate();
    let mut found = Vec::new();
    for kind in KINDS.iter().copied().filter(|kind| kind.status_of.is_none()) {
        let rows = store.snapshot().unwrap().rows(&kind.kind(), &ScopeFilter::Everywhere, None, usize::MAX).unwrap();
        found.extend(rows.iter().flat_map(|row| edges(kind, row)).map(|(_, edge)| edge));
    }
    let unique: BTreeSet<&Edge> = found.iter().collect();
    assert_eq!(unique.len(), found.len());
    let edge = found.iter().find(|edge| edge.via == "route.nat-gateway-id").unwrap();
    assert_eq!((edge.from_kind, edge.to_kind, edge.to.as_str()), ("route-table", Some("nat-gateway"), "nat-1"));
    assert!(found.iter().any(|edge| edge.to == "vgw-1" && edge.to_kind.is_none()));
    for noise in ["local", "eni-attach-1", "aclassoc-1"] {
        assert!(found.iter().all(|edge| edge.to != noise), "{noise} is no resource");
    }
}

#[test]
fn the_tables_name_kinds_and_filters_that_there_are() {
    let vias: BTreeSet<(&str, &str)> = references().map(|reference| (reference.from.slug, reference.via)).collect();
    let turned = references().filter(|reference| reference.direction() != Direction::Uses).count();
    assert_eq!(turned, 12, "every filter of the tables is one");
    assert!(vias.contains(&("instance", "block-device-mapping.volume-id")), "{vias:?}");
    let slugs: Vec<&str> = NOT_HELD.iter().map(|(slug, _)| *slug).collect();
    let kinds: Vec<&str> = KINDS.iter().filter(|kind| kind.status_of.is_none()).map(|kind| kind.slug).collect();
    assert_eq!(slugs.iter().collect::<BTreeSet<_>>(), kinds.iter().collect(), "every kind says what is not held");
}

//! What the internet can reach, as a table.

use serde_json::{Value as Json, json};

use super::super::samples::{ALL, SampleAccount, text};
use super::super::*;
use crate::kinds::{NETWORK_ACL, NETWORK_INTERFACE};
use crate::model::fixtures::scope_in;
use crate::query::exposure::LEAVES_OUT;

fn interface(n: u8, subnet: &str, group: &str) -> Json {
    json!({
        "NetworkInterfaceId": format!("eni-{n}"), "VpcId": "vpc-1", "SubnetId": subnet, "Groups": [{"GroupId": group}],
        "Attachment": {"InstanceId": format!("i-{n}")},
        "PrivateIpAddresses": [{"Association": {"PublicIp": format!("198.51.100.{n}")}}],
    })
}

/// Two instances with SSH open in a public subnet, one in a private one, and one whose group is not held.
fn account() -> SampleAccount {
    let entry = |egress: bool| json!({"RuleNumber": 100, "Egress": egress, "CidrBlock": "0.0.0.0/0", "Protocol": "-1", "RuleAction": "allow"});
    let public = json!([{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "active"}]);
    let ssh = json!([{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]);
    let subnets = [json!({"SubnetId": "subnet-1"}), json!({"SubnetId": "subnet-2"})];
    let region = "eu-west-1";
    let mut account = SampleAccount::new();
    account.put(&[
        ("subnet", region, "subnet-1", json!({"VpcId": "vpc-1"})),
        ("subnet", region, "subnet-2", json!({"VpcId": "vpc-1"})),
        ("security-group", region, "sg-1", json!({"VpcId": "vpc-1", "IpPermissions": ssh})),
        (
            "network-acl",
            region,
            "acl-1",
            json!({"VpcId": "vpc-1", "Associations": subnets, "Entries": [entry(false), entry(true)]}),
        ),
        (
            "route-table",
            region,
            "rtb-1",
            json!({"VpcId": "vpc-1", "Associations": [{"SubnetId": "subnet-1", "Main": false}], "Routes": public}),
        ),
        ("route-table", region, "rtb-2", json!({"VpcId": "vpc-1", "Associations": [{"Main": true}], "Routes": []})),
        ("internet-gateway", region, "igw-1", json!({"Attachments": [{"VpcId": "vpc-1", "State": "available"}]})),
        ("network-interface", region, "eni-1", interface(1, "subnet-1", "sg-1")),
        ("network-interface", region, "eni-2", interface(2, "subnet-2", "sg-1")),
        ("network-interface", region, "eni-4", interface(4, "subnet-1", "sg-1")),
        ("network-interface", region, "eni-5", interface(5, "subnet-1", "sg-9")),
    ]);
    account
}

fn ask(account: &SampleAccount, sql: &str, outside: &Outside) -> SqlRows {
    let found = account.prepare(sql).unwrap().ask(&account.store, None, &Visible::all(), outside, ALL);
    found.unwrap_or_else(|error| panic!("{sql}: {error}"))
}

#[test]
fn what_is_open_is_a_row_and_so_is_what_is_not_known() {
    let account = account();
    for _ in 0..2 {
        let rows = |sql| text(&ask(&account, sql, &Outside::default()));
        assert_eq!(
            rows(
                "SELECT instance_id, protocol, from_port, to_port, source FROM exposure WHERE unknown IS NULL ORDER BY 1"
            ),
            "i-1 tcp 22 22 0.0.0.0/0; i-4 tcp 22 22 0.0.0.0/0"
        );
        assert_eq!(
            rows("SELECT path ->> 0, json_array_length(path) FROM exposure WHERE instance_id = 'i-1'"),
            "rtb-1, of subnet-1, routes 0.0.0.0/0 to igw-1, which is attached 4"
        );
        assert_eq!(
            rows(
                "SELECT DISTINCT instance_id, unknown FROM exposure WHERE 22 BETWEEN from_port AND to_port AND unknown IS NOT NULL"
            ),
            "i-5 sg-9 is not held"
        );
        assert_eq!(rows("SELECT count(*) FROM exposure WHERE region = 'us-east-1' OR instance_id = 'i-2'"), "0");
        // Once more with an index.
        account.store.build_index().unwrap();
    }
    let found = ask(&account, "SELECT instance_id FROM exposure", &Outside::default());
    assert_eq!(found.hints.len(), 2, "{found:?}");
    assert!(found.hints[0].contains(LEAVES_OUT) && found.hints[1].starts_with("of 1 instances it is not known"));
    let one = ask(&account, "SELECT * FROM exposure WHERE instance_id = 'i-4'", &Outside::default());
    assert_eq!((one.total, one.hints.len()), (1, 1), "{one:?}");
}

#[test]
fn what_cannot_be_relied_on_makes_rows_unknown() {
    let account = account();
    for kind in [NETWORK_ACL, NETWORK_INTERFACE] {
        let doubts = [((scope_in("eu-west-1"), kind.slug), "not swept yet".to_owned())];
        let outside = Outside { doubts: doubts.into_iter().collect(), ..Outside::default() };
        let found = ask(&account, "SELECT DISTINCT instance_id FROM exposure WHERE unknown IS NULL", &outside);
        assert_eq!(text(&found), "", "{kind:?}");
        assert!(found.hints.iter().any(|hint| hint.contains("it is not known whether")), "{found:?}");
        let missing = found.hints.iter().any(|hint| hint.contains("may be missing from exposure"));
        assert_eq!(missing, kind.slug == NETWORK_INTERFACE.slug, "{found:?}");
        let found = ask(&account, "SELECT DISTINCT unknown FROM exposure WHERE instance_id = 'i-1'", &outside);
        assert_eq!(text(&found), format!("{}: not swept yet", kind.plural));
    }
}

#[test]
fn of_the_past_nothing_is_known() {
    let mut account = account();
    account.remove("network-interface", "eu-west-1", "eni-4");
    let refused = account.then("SELECT * FROM exposure", 1).unwrap_err().to_string();
    assert!(refused.contains("the table exposure is known for the present only"), "{refused}");
    assert_eq!(account.rows("SELECT count(*) FROM exposure WHERE instance_id = 'i-4'"), "0");
}

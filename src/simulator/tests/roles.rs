//! Several accounts: assumed roles, regions, and what accounts share.

use serde_json::{Value, json};

use crate::simulator::request::{Caller, Params};
use crate::simulator::tests::{Aws, options, text, texts};
use crate::simulator::view::View;
use crate::simulator::world::World;
use crate::simulator::{Options, sts};

const OTHER: &str = "111122223333";

fn ask(aws: &Aws, key: &str, body: &str) -> Result<String, (u16, String)> {
    let caller = Caller { access_key: key.to_owned(), region: "us-east-1".to_owned(), service: "sts".to_owned() };
    let params = Params::parse("", format!("{body}&Version=2011-06-15").as_bytes());
    let now = aws.0.clock().moment();
    let account = caller.account(&aws.0.options().account);
    let (sessions, board, roster) = (aws.0.sessions(), aws.0.faults(), aws.0.roster());
    let action = params.get("Action").unwrap();
    let answer = sessions.admit(&caller, now).and_then(|()| {
        let caller = &caller;
        sts::answer(&sts::Call { params: &params, sessions, board, roster, caller, account, now, request: "r" }, action)
    });
    answer.map_err(|refusal| (refusal.status, refusal.code.into_owned()))
}

/// Changes the faults of roles.
fn set_roles(aws: &Aws, roles: &Value) {
    aws.0.faults().patch(&json!({ "roles": roles })).unwrap();
}

fn assume(name: &str, further: &str) -> String {
    format!("Action=AssumeRole&RoleArn=arn:aws:iam::{OTHER}:role/path/reader&RoleSessionName={name}{further}")
}

#[test]
fn an_assumed_role_acts_in_its_account_until_it_ends() {
    let aws = Aws::with(5);
    let answer = ask(&aws, "AKIAX", &assume("muster", "&DurationSeconds=900&ExternalId=x")).unwrap();
    let key = text(&answer, "AccessKeyId");
    assert!(key.starts_with("ASIA111122223333") && key.len() == 20, "{key}");
    assert_eq!(text(&answer, "Expiration"), "2026-11-22T12:15:00Z");
    assert_eq!(text(&answer, "SecretAccessKey").len(), 40);
    assert!(!text(&answer, "SessionToken").is_empty());
    let arn = format!("arn:aws:sts::{OTHER}:assumed-role/reader/muster");
    assert_eq!(text(&answer, "Arn"), arn);

    let identity = ask(&aws, &key, "Action=GetCallerIdentity").unwrap();
    assert_eq!((text(&identity, "Arn"), text(&identity, "Account")), (arn, OTHER.to_owned()));
    assert_eq!(text(&identity, "UserId"), text(&answer, "AssumedRoleId"));
    let again = text(&ask(&aws, "AKIAX", &assume("muster", "")).unwrap(), "AccessKeyId");
    assert_ne!(again, key);
    aws.advance(900);
    assert_eq!(ask(&aws, &key, "Action=GetCallerIdentity"), Err((403, "ExpiredToken".to_owned())));
    assert!(ask(&aws, &again, "Action=GetCallerIdentity").is_ok());
}

#[test]
fn wrong_roles_get_stss_errors() {
    let aws = Aws::with(1);
    for body in [
        assume("m", ""),
        assume("a%20b", ""),
        assume("muster", "&DurationSeconds=899"),
        assume("muster", "&DurationSeconds=43201"),
        "Action=AssumeRole&RoleSessionName=muster".to_owned(),
        "Action=AssumeRole&RoleSessionName=muster&RoleArn=arn:aws:iam::12:role/x".to_owned(),
        "Action=AssumeRole&RoleSessionName=muster&RoleArn=arn:aws:iam::111122223333:user/x".to_owned(),
    ] {
        assert_eq!(ask(&aws, "AKIAX", &body), Err((400, "ValidationError".to_owned())), "{body}");
    }
}

#[test]
fn a_role_whose_trust_is_taken_away_cannot_be_assumed() {
    let aws = Aws::with(1);
    let arn = format!("arn:aws:iam::{OTHER}:role/path/reader");
    let denied = Err((403, "AccessDenied".to_owned()));
    for role in [OTHER, arn.as_str()] {
        set_roles(&aws, &json!({"denied": [role]}));
        assert_eq!(ask(&aws, "AKIAX", &assume("muster", "")), denied, "{role}");
        let another = "Action=AssumeRole&RoleArn=arn:aws:iam::444455556666:role/reader&RoleSessionName=muster";
        assert!(ask(&aws, "AKIAX", another).is_ok());
        set_roles(&aws, &json!(null));
        assert!(ask(&aws, "AKIAX", &assume("muster", "")).is_ok());
    }
    set_roles(&aws, &json!({"external_ids": {OTHER: "secret"}}));
    assert_eq!(ask(&aws, "AKIAX", &assume("muster", "")), denied);
    assert_eq!(ask(&aws, "AKIAX", &assume("muster", "&ExternalId=other")), denied);
    assert!(ask(&aws, "AKIAX", &assume("muster", "&ExternalId=secret")).is_ok());
    assert_eq!(aws.0.faults().counts()["roles"], 4);
}

#[test]
fn sessions_end_when_they_are_told_to_and_as_early_as_faults_say() {
    let aws = Aws::with(1);
    set_roles(&aws, &json!({"session_seconds": 3}));
    let key = |name: &str| text(&ask(&aws, "AKIAX", &assume(name, "")).unwrap(), "AccessKeyId");
    let identity = |key: &str| ask(&aws, key, "Action=GetCallerIdentity").map_err(|(_, code)| code);
    let short = key("short");
    aws.advance(2);
    assert!(identity(&short).is_ok());
    aws.advance(1);
    assert_eq!(identity(&short), Err("ExpiredToken".to_owned()));
    set_roles(&aws, &json!(null));
    let long = key("long");
    assert_eq!(aws.0.end_sessions(Some("444455556666")), 0);
    assert!(identity(&long).is_ok());
    assert_eq!(aws.0.end_sessions(Some(OTHER)), 1);
    assert_eq!(identity(&long), Err("ExpiredToken".to_owned()));
    let next = key("next");
    assert!(identity(&next).is_ok());
    assert_eq!(aws.0.end_sessions(None), 1);
}

#[test]
fn a_session_that_begins_another_gives_it_an_hour_at_most() {
    let aws = Aws::with(1);
    let hub = text(&ask(&aws, "AKIAX", &assume("hub", "&DurationSeconds=7200")).unwrap(), "AccessKeyId");
    let next = |seconds: u32| {
        let role = "Action=AssumeRole&RoleArn=arn:aws:iam::444455556666:role/reader&RoleSessionName=muster";
        ask(&aws, &hub, &format!("{role}&DurationSeconds={seconds}"))
    };
    assert_eq!(next(3_601), Err((400, "ValidationError".to_owned())));
    let chained = text(&next(3_600).unwrap(), "AccessKeyId");
    let identity = ask(&aws, &chained, "Action=GetCallerIdentity").unwrap();
    assert_eq!(text(&identity, "Arn"), "arn:aws:sts::444455556666:assumed-role/reader/muster");
}

#[test]
fn further_regions_hold_instances_of_their_own() {
    let aws = Aws(World::new(Options {
        regions: vec![("eu-west-1".to_owned(), 30), ("me-south-1".to_owned(), 5)],
        ..options(20)
    }));
    let ids = |region: &str| aws.0.account(&aws.0.options().account, region).instance_ids();
    assert_eq!((ids("us-east-1").len(), ids("eu-west-1").len(), ids("me-south-1").len()), (20, 30, 5));
    assert!(ids("us-east-2").is_empty() && aws.0.account(OTHER, "eu-west-1").instance_ids().is_empty());
    assert_ne!(ids("us-east-1")[0], ids("eu-west-1")[0]);

    let shown = aws.get("DescribeRegions", &[]);
    assert_eq!(texts(&shown, "regionName").len(), 18);
    assert!(shown.contains("me-south-1.amazonaws.com</regionEndpoint><optInStatus>opted-in<"), "{shown}");
    let all = aws.get("DescribeRegions", &[("AllRegions", "true")]);
    assert_eq!(texts(&all, "regionName").len(), 32);
    let filter = [("AllRegions", "true"), ("Filter.1.Name", "opt-in-status"), ("Filter.1.Value.1", "not-opted-in")];
    assert_eq!(texts(&aws.get("DescribeRegions", &filter), "regionName").len(), 14);
    let named = aws.get("DescribeRegions", &[("RegionName.1", "il-central-1")]);
    assert_eq!(text(&named, "optInStatus"), "not-opted-in");
    assert_eq!(aws.refused("DescribeRegions", &[("RegionName.1", "mars-1")]).1, "InvalidParameterValue");
}

#[test]
fn a_region_has_three_zones_and_a_local_one_that_is_shown_on_demand() {
    let aws = Aws::with(5);
    let zones =
        |parameters: &[(&str, &str)]| texts(&aws.get("DescribeAvailabilityZones", parameters), "zoneName").len();
    assert_eq!((zones(&[]), zones(&[("AllAvailabilityZones", "true")])), (3, 4));
    assert_eq!(zones(&[("ZoneId.1", "use1-az2")]), 1);
    let local = [("Filter.1.Name", "zone-type"), ("Filter.1.Value.1", "local-*")];
    assert_eq!(zones(&local), 0);
    let named = [("ZoneName.1", "us-east-1-lax-1a"), ("AllAvailabilityZones", "true")];
    let shown = aws.get("DescribeAvailabilityZones", &named);
    assert!(shown.contains("<parentZoneId>use1-az1<") && shown.contains("<message>"), "{shown}");
    for unknown in [("ZoneName.1", "us-east-1-lax-1a"), ("ZoneName.1", "mars-1a"), ("ZoneId.1", "use1-az9")] {
        assert_eq!(aws.refused("DescribeAvailabilityZones", &[unknown]).1, "InvalidParameterValue");
    }
}

#[test]
fn a_shared_vpc_is_its_owners_and_takes_the_participants_instances() {
    let aws = Aws::with(1_000);
    let (home, other) = (aws.0.home(), aws.0.account(OTHER, "us-east-1"));
    let (vpc, owner) = (home.vpc_ids().remove(1), aws.0.options().account.clone());
    let get = |action: &str, parameters: &[(&str, &str)]| {
        Aws::ask_of(&other, View::clear(aws.0.clock().moment()), action, parameters)
    };
    assert_eq!(get("DescribeVpcs", &[("VpcId.1", &vpc)]).unwrap_err().code, "InvalidVpcID.NotFound");
    assert!(aws.0.share_vpc(&owner, OTHER, "us-east-1", &home.vpc_ids()[0]).is_err());
    aws.advance(60);
    aws.0.share_vpc(&owner, OTHER, "us-east-1", &vpc).unwrap();
    aws.0.share_vpc(&owner, OTHER, "us-east-1", &vpc).unwrap();

    let shown = get("DescribeVpcs", &[]).unwrap();
    assert_eq!(texts(&shown, "vpcId"), [other.vpc_ids().remove(0), vpc.clone()]);
    assert_eq!(texts(&shown, "ownerId"), [OTHER.to_owned(), owner.clone()]);
    let theirs = get("DescribeVpcs", &[("VpcId.1", &vpc)]).unwrap();
    let own = aws.get("DescribeVpcs", &[("VpcId.1", &vpc)]);
    assert_eq!(texts(&theirs, "cidrBlock"), texts(&own, "cidrBlock"));
    // Only the owner sees the owner's tags.
    assert!(own.contains("tagSet") && !theirs.contains("tagSet"));

    let groups = get("DescribeSecurityGroups", &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &vpc)]).unwrap();
    assert_eq!(texts(&groups, "ownerId"), [OTHER; 3]);
    let group = other.security_group_ids().remove(2);
    assert!(groups.contains(&group));
    let subnet = home.plan().idents.text(crate::simulator::ident::Kind::Subnet, 4);
    let image = other.plan().idents.text(crate::simulator::ident::Kind::Image, 1);
    let launch = [
        ("ImageId", image.as_str()),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("SubnetId", subnet.as_str()),
        ("SecurityGroupId.1", group.as_str()),
    ];
    let launched = get("RunInstances", &launch).unwrap();
    assert_eq!((texts(&launched, "vpcId").remove(0), texts(&launched, "subnetId").remove(0)), (vpc.clone(), subnet));
    assert_eq!(text(&launched, "instancesSet").matches("<ownerId>111122223333<").count(), 1);
    assert!(text(&launched, "reservationId").starts_with("r-"));
    assert!(launched.contains("<groupName>web<") && launched.contains("<privateIpAddress>10.1."), "{launched}");
    let found = get("DescribeInstances", &[("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &vpc)]).unwrap();
    assert_eq!(texts(&found, "instanceId").len(), 1);
    // The owner's account shows nothing of it.
    assert_eq!(home.instance_ids().len(), 1_000);
}

//! What Describe calls show, and how they choose it.

use jiff::Timestamp;

use crate::simulator::tests::{Aws, options, text, texts};
use crate::simulator::world::World;
use crate::simulator::{Check, Options, ScheduledEvent};

#[test]
fn filters_choose_what_the_document_shows() {
    let aws = Aws::with(400);
    let everything = aws.get("DescribeInstances", &[]);
    let ask = |name: &str, value: &str| {
        let xml = aws.get("DescribeInstances", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]);
        texts(&xml, "instanceId").len()
    };
    let bodies: Vec<&str> = everything.split("<instanceId>").skip(1).collect();
    let shown = |needle: &str| bodies.iter().filter(|body| body.contains(needle)).count();
    for (filter, value, needle) in [
        ("instance-state-name", "stopped", "<code>80</code>"),
        ("instance-state-code", "16", "<code>16</code>"),
        ("instance-type", "m6i.*", "<instanceType>m6i."),
        ("availability-zone", "us-east-1?", "us-east-1"),
        ("availability-zone-id", "use1-az2", "use1-az2"),
        ("tag:env", "staging", "<key>env</key><value>staging</value>"),
        ("tag:Name", "web-*", "<key>Name</key><value>web-"),
        ("tag-key", "cost-center", "<key>cost-center</key>"),
        ("architecture", "arm64", "<architecture>arm64"),
        ("instance-lifecycle", "spot", "<instanceLifecycle>spot"),
        ("platform", "windows", "<platform>windows"),
        ("vpc-id", &aws.0.home().vpc_ids()[1], &format!("<vpcId>{}", aws.0.home().vpc_ids()[1])),
        ("group-id", &aws.0.home().security_group_ids()[1], &aws.0.home().security_group_ids()[1]),
    ] {
        let expected = shown(needle);
        assert!(expected > 0, "{filter}");
        assert_eq!(ask(filter, value), expected, "{filter}={value}");
    }
    for tag in [
        "instanceId",
        "privateIpAddress",
        "ipAddress",
        "subnetId",
        "imageId",
        "volumeId",
        "networkInterfaceId",
        "reservationId",
        "keyName",
    ] {
        let filter = match tag {
            "instanceId" => "instance-id",
            "privateIpAddress" => "private-ip-address",
            "ipAddress" => "ip-address",
            "subnetId" => "subnet-id",
            "imageId" => "image-id",
            "volumeId" => "block-device-mapping.volume-id",
            "networkInterfaceId" => "network-interface.network-interface-id",
            "reservationId" => "reservation-id",
            _ => "key-name",
        };
        assert!(ask(filter, &texts(&everything, tag)[0]) >= 1, "{filter}");
        assert_eq!(ask(filter, "nothing"), 0, "{filter}");
    }
    let (_, code, message) =
        aws.refused("DescribeInstances", &[("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")]);
    assert_eq!((code.as_str(), message.as_str()), ("InvalidParameterValue", "The filter 'colour' is invalid"));
}

#[test]
fn status_shows_running_instances_and_all_only_when_asked() {
    let aws = Aws::with(200);
    let running = aws.0.home().instance_ids_in("running");
    let xml = aws.get("DescribeInstanceStatus", &[]);
    assert_eq!(texts(&xml, "instanceId"), running);
    let stopped = aws.first("stopped");
    let named = [("InstanceId.1", stopped.as_str())];
    assert!(!aws.get("DescribeInstanceStatus", &named).contains(&stopped));
    let all = aws.get("DescribeInstanceStatus", &[named[0], ("IncludeAllInstances", "true")]);
    for check in ["instanceStatus", "systemStatus", "attachedEbsStatus"] {
        assert_eq!(text(&all, check), "<status>not-applicable</status>");
    }
    assert!(all.contains("<availabilityZoneId>use1-az"));
}

#[test]
fn checks_initialize_after_a_start_and_can_be_scripted() {
    let aws = Aws::with(100);
    let home = aws.0.home();
    let id = aws.first("stopped");
    let named = [("InstanceId.1", id.as_str())];
    let status = |check: &str| texts(&text(&aws.get("DescribeInstanceStatus", &named), check), "status").remove(0);
    aws.get("StartInstances", &named);
    aws.advance(3);
    assert_eq!(status("instanceStatus"), "initializing");
    aws.advance(10);
    assert_eq!(status("instanceStatus"), "ok");

    home.set_impaired(&id, Check::System, true).unwrap();
    assert_eq!((status("systemStatus"), status("instanceStatus")), ("impaired".to_owned(), "ok".to_owned()));
    assert!(aws.get("DescribeInstanceStatus", &named).contains("<impairedSince>2026-11-22T12:00:13.000Z"));
    let filter = [("Filter.1.Name", "system-status.status"), ("Filter.1.Value.1", "impaired")];
    assert_eq!(texts(&aws.get("DescribeInstanceStatus", &filter), "instanceId"), std::slice::from_ref(&id));
    home.set_impaired(&id, Check::System, false).unwrap();
    assert_eq!(status("systemStatus"), "ok");

    let not_before: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    let event = ScheduledEvent {
        id: "instance-event-0123456789abcdef0".to_owned(),
        code: "instance-reboot".to_owned(),
        description: "The instance is scheduled for a reboot".to_owned(),
        not_before,
        not_after: None,
    };
    home.schedule(&id, vec![event]).unwrap();
    let xml = aws.get("DescribeInstanceStatus", &named);
    assert_eq!(text(&text(&xml, "eventsSet"), "notBefore"), "2026-12-01T00:00:00.000Z");
    home.schedule(&id, Vec::new()).unwrap();
    assert!(!aws.get("DescribeInstanceStatus", &named).contains("eventsSet"));
}

#[test]
fn vpcs_and_groups_are_paged_filtered_and_can_be_retagged() {
    let aws = Aws::with(10_000);
    let home = aws.0.home();
    let vpcs = aws.pages("DescribeVpcs", "vpcId", &[("MaxResults", "5")]);
    assert_eq!(vpcs.concat(), home.vpc_ids());
    assert_eq!(home.vpc_ids().len(), 21);
    let default = aws.get("DescribeVpcs", &[("Filter.1.Name", "is-default"), ("Filter.1.Value.1", "true")]);
    assert_eq!(texts(&default, "cidrBlock")[0], "172.31.0.0/16");

    let groups = aws.pages("DescribeSecurityGroups", "securityGroupArn", &[("MaxResults", "10")]);
    assert_eq!(groups.concat().len(), home.security_group_ids().len());
    let id = home.security_group_ids().remove(4);
    home.set_tag(&id, "owner", "net").unwrap();
    let tagged = aws.get("DescribeSecurityGroups", &[("Filter.1.Name", "tag:owner"), ("Filter.1.Value.1", "net")]);
    assert_eq!(texts(&tagged, "securityGroupArn").len(), 1);
    assert_eq!(home.tag(&id, "owner").as_deref(), Some("net"));
    home.remove_tag(&id, "owner").unwrap();
    assert_eq!(home.tag(&id, "owner"), None);
    assert!(home.set_tag("sg-0123456789abcdef0", "a", "b").is_err());
}

#[test]
fn the_same_seed_gives_the_same_account() {
    let body = |aws: &Aws| aws.get("DescribeInstances", &[("MaxResults", "100")]);
    assert_eq!(body(&Aws::with(100)), body(&Aws::with(100)));
    let other = Aws(World::new(Options { seed: 2, ..options(100) }));
    assert_ne!(body(&Aws::with(100)), body(&other));
}

//! `RunInstances`.

use crate::simulator::account::{Launch, SubnetPlace};
use crate::simulator::happening::What;
use crate::simulator::ident::Kind;
use crate::simulator::nat_gateway::NAT_HOST;
use crate::simulator::tests::{Aws, text, texts};

fn image(aws: &Aws, number: u64) -> String {
    aws.0.home().plan().idents.text(Kind::Image, number)
}

fn run(aws: &Aws, further: &[(&str, &str)]) -> Result<String, (u16, String, String)> {
    let image = image(aws, 1);
    let base = [("ImageId", image.as_str()), ("MinCount", "1"), ("MaxCount", "1")];
    let further_has = |name: &str| further.iter().any(|(other, _)| *other == name);
    let all: Vec<_> = base.iter().filter(|(name, _)| !further_has(name)).chain(further).copied().collect();
    aws.ask("RunInstances", &all).map_err(|refusal| (refusal.status, refusal.code.into_owned(), refusal.message))
}

#[test]
fn a_launch_is_one_reservation_of_what_was_asked_for() {
    let aws = Aws::with(1_200);
    let home = aws.0.home();
    let subnet = home.plan().idents.text(Kind::Subnet, 4);
    let group = home.plan().idents.text(Kind::SecurityGroup, 4);
    let answer = run(
        &aws,
        &[
            ("MaxCount", "3"),
            ("InstanceType", "m5.large"),
            ("SubnetId", &subnet),
            ("SecurityGroupId.1", &group),
            ("KeyName", "build"),
            ("IamInstanceProfile.Name", "api-server"),
            ("Monitoring.Enabled", "true"),
            ("ClientToken", "once"),
            ("TagSpecification.1.ResourceType", "instance"),
            ("TagSpecification.1.Tag.1.Key", "Name"),
            ("TagSpecification.1.Tag.1.Value", "new"),
        ],
    )
    .unwrap();
    let ids = texts(&answer, "instanceId");
    assert_eq!(ids.len(), 3);
    assert_eq!(texts(&answer, "reservationId").len(), 1);
    assert_eq!(texts(&answer, "amiLaunchIndex"), ["0", "1", "2"]);
    assert_eq!(texts(&answer, "name")[0], "pending");

    let shown = aws.get("DescribeInstances", &[("InstanceId.1", &ids[1])]);
    for part in [
        "<instanceType>m5.large<",
        &format!("<subnetId>{subnet}<"),
        &format!("<groupId>{group}</groupId><groupName>web<"),
        "<keyName>build<",
        ":instance-profile/api-server<",
        "<monitoring><state>enabled<",
        "<clientToken>once<",
        "<key>Name</key><value>new</value>",
        "<privateIpAddress>10.1.",
        "<launchTime>2026-11-22T12:00:00.000Z<",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    let addresses: std::collections::BTreeSet<_> = ids
        .iter()
        .map(|id| texts(&aws.get("DescribeInstances", &[("InstanceId.1", id)]), "privateIpAddress")[0].clone())
        .collect();
    assert_eq!(addresses.len(), 3);
    aws.advance(2);
    assert_eq!(home.state(&ids[0]), Some("running"));
    assert_eq!(home.instance_ids().last(), Some(&ids[2]));
}

#[test]
fn a_launch_says_everything_that_happens() {
    let aws = Aws::with(10);
    let answer =
        run(&aws, &[("TagSpecification.1.ResourceType", "instance"), ("TagSpecification.1.Tag.1.Key", "a")]).unwrap();
    let id = text(&answer, "instanceId");
    let state = |state| What::InstanceState { id: id.clone(), state };
    let now = aws.happened();
    assert!(now.contains(&state("pending")) && !now.contains(&state("running")));
    assert!(now.iter().any(|what| matches!(what, What::Tags { resource, version: 1, changed, .. }
        if *resource == id && *changed == ["a"])));
    let call = now.iter().find_map(|what| match what {
        What::Call { name: "RunInstances", request, response, error: None, .. } => Some((request, response)),
        _ => None,
    });
    let (request, response) = call.unwrap();
    assert_eq!(request["instancesSet"]["items"][0]["minCount"], 1);
    assert_eq!(response["instancesSet"]["items"][0]["instanceId"], id.as_str());
    aws.advance(2);
    assert_eq!(aws.happened(), [state("running")]);
}

#[test]
fn a_client_token_launches_once_and_for_one_request_only() {
    let aws = Aws::with(10);
    let first = run(&aws, &[("ClientToken", "t"), ("MaxCount", "2")]).unwrap();
    aws.advance(2);
    let again = run(&aws, &[("ClientToken", "t"), ("MaxCount", "2")]).unwrap();
    assert_eq!(texts(&first, "instanceId"), texts(&again, "instanceId"));
    assert_eq!(texts(&again, "name")[0], "running");
    assert_eq!(aws.0.home().instance_ids().len(), 12);
    let (status, code, _) = run(&aws, &[("ClientToken", "t"), ("MaxCount", "3")]).unwrap_err();
    assert_eq!((status, code.as_str()), (400, "IdempotentParameterMismatch"));
    let other = run(&aws, &[("ClientToken", "u"), ("MaxCount", "2")]).unwrap();
    assert_ne!(texts(&other, "instanceId"), texts(&first, "instanceId"));
}

#[test]
fn a_wrong_launch_gets_ec2s_errors_and_launches_nothing() {
    let aws = Aws::with(600);
    let home = aws.0.home();
    let (arm, subnet, group) =
        (image(&aws, 2), home.plan().idents.text(Kind::Subnet, 4), home.plan().idents.text(Kind::SecurityGroup, 0));
    let long = "x".repeat(65);
    for (further, expected) in [
        (vec![("ImageId", "ami-foo")], "InvalidAMIID.Malformed"),
        (vec![("ImageId", "ami-0123456789abcdef0")], "InvalidAMIID.NotFound"),
        (vec![("InstanceType", "x9.huge")], "InvalidParameterValue"),
        (vec![("ImageId", arm.as_str())], "InvalidParameterValue"),
        (vec![("SubnetId", "subnet-0123456789abcdef0")], "InvalidSubnetID.NotFound"),
        (vec![("SubnetId", "here")], "InvalidSubnetID.Malformed"),
        (vec![("SubnetId", subnet.as_str()), ("SecurityGroupId.1", group.as_str())], "InvalidParameter"),
        (vec![("SubnetId", subnet.as_str()), ("SecurityGroup.1", "web")], "InvalidParameterCombination"),
        (vec![("SubnetId", subnet.as_str()), ("Placement.AvailabilityZone", "us-east-1a")], "InvalidParameterValue"),
        (vec![("SecurityGroup.1", "nobody")], "InvalidGroup.NotFound"),
        (vec![("SecurityGroupId.1", "sg-0123456789abcdef0")], "InvalidGroup.NotFound"),
        (vec![("Placement.AvailabilityZone", "mars-1a")], "InvalidParameterValue"),
        (vec![("KeyName", "lost")], "InvalidKeyPair.NotFound"),
        (vec![("IamInstanceProfile.Name", "root")], "InvalidParameterValue"),
        (vec![("MinCount", "0")], "InvalidParameterValue"),
        (vec![("MinCount", "2")], "InvalidParameterValue"),
        (vec![("MinCount", "1001"), ("MaxCount", "1001")], "InstanceLimitExceeded"),
        (vec![("ClientToken", long.as_str())], "InvalidParameterValue"),
        (vec![("TagSpecification.1.ResourceType", "vpc")], "InvalidParameterValue"),
        (
            vec![("TagSpecification.1.ResourceType", "instance"), ("TagSpecification.1.Tag.1.Key", "aws:x")],
            "InvalidParameterValue",
        ),
        (vec![("Colour", "red")], "UnknownParameter"),
        (vec![("DryRun", "true")], "DryRunOperation"),
    ] {
        let (_, code, message) = run(&aws, &further).unwrap_err();
        assert_eq!(code, expected, "{further:?}: {message}");
    }
    assert_eq!(aws.refused("RunInstances", &[("MinCount", "1"), ("MaxCount", "1")]).1, "MissingParameter");
    assert_eq!(home.instance_ids().len(), 600);
    assert!(aws.happened().iter().all(|what| matches!(what, What::Call { error: Some(_), .. })));
}

#[test]
fn a_full_subnet_launches_what_fits_or_refuses_until_somebody_leaves() {
    let aws = Aws::with(10);
    let home = aws.0.home();
    let first = text(&run(&aws, &[]).unwrap(), "instanceId");
    let (reading, place) = (home.reading(), SubnetPlace::own(0));
    let model = reading.instance(reading.number(&first).unwrap().unwrap(), reading.now()).unwrap();
    drop(reading);
    // All but one of the remaining addresses at once; calls with 1,000 each would take long.
    let all = home.edit().run(&Launch { model, place, token: None }, 1, NAT_HOST - 8_192 - 2).unwrap();
    assert_eq!(all.len(), 8_188);
    let (status, code, _) = run(&aws, &[("MinCount", "2"), ("MaxCount", "3")]).unwrap_err();
    assert_eq!((status, code.as_str()), (400, "InsufficientFreeAddressesInSubnet"));
    assert_eq!(texts(&run(&aws, &[("MaxCount", "3")]).unwrap(), "instanceId").len(), 1);
    assert_eq!(run(&aws, &[]).unwrap_err().1, "InsufficientFreeAddressesInSubnet");
    home.terminate(&first).unwrap();
    aws.advance(2);
    assert!(run(&aws, &[]).is_ok());
}

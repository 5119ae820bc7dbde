use super::*;
use crate::model::Partition;
use crate::setup::template::template;

const ACCOUNT: &str = "111122223333";

fn bus(partition: Partition) -> EventWiring {
    let arn = format!("arn:{partition}:events:{}:{ACCOUNT}:event-bus/muster", partition.home());
    EventWiring::CentralBus(EventWiring::bus(&arn).unwrap())
}

fn central_queue(partition: Partition) -> EventWiring {
    let arn = format!("arn:{partition}:sqs:{}:{ACCOUNT}:muster-central-events", partition.home());
    EventWiring::CentralQueue(EventWiring::queue(&arn).unwrap())
}

fn member(wiring: EventWiring) -> MemberSetup {
    MemberSetup {
        name: EventsName::default(),
        role: "muster".to_owned(),
        trusted: ACCOUNT.parse().unwrap(),
        external_id: Some("muster-7".to_owned()),
        role_region: Region::new(wiring.center().map_or("us-east-1", |place| place.region.as_str())),
        wiring,
    }
}

fn central(wiring: EventWiring) -> Value {
    let setup = CentralSetup { name: EventsName::default(), organization: "o-a1b2c3d4e5".to_owned(), wiring };
    setup.template().unwrap()
}

/// The templates of all accounts and of the central one, for each way of events.
fn all(partition: Partition) -> Vec<Value> {
    let ways = [bus(partition), central_queue(partition)];
    let members = [EventWiring::QueueEach].into_iter().chain(ways.clone()).map(|way| member(way).template());
    members.chain(ways.map(central)).collect()
}

/// Every text of a document that is an ARN, or begins one.
fn arns(document: &Value) -> Vec<String> {
    match document {
        Value::String(text) if text.starts_with("arn:") => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(arns).collect(),
        Value::Object(members) => members.values().flat_map(arns).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn with_a_queue_in_each_region_an_account_gets_exactly_what_setup_makes_and_the_role() {
    let mut made = member(EventWiring::QueueEach).template();
    let resources = made["Resources"].as_object_mut().unwrap();
    let role = resources.remove("ReaderRole").unwrap();
    assert_eq!(made["Resources"], template(&EventsName::default())["Resources"]);
    assert_eq!(made["Outputs"]["QueueUrl"], template(&EventsName::default())["Outputs"]["QueueUrl"]);
    assert_eq!(role["Condition"], HOLDS_ROLE, "a role belongs to no region, so that one stack makes it");
    let trust = &role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trust["Condition"], json!({ "StringEquals": { "sts:ExternalId": "muster-7" } }));
    assert_eq!(trust["Principal"]["AWS"]["Fn::Sub"], format!("arn:${{AWS::Partition}}:iam::{ACCOUNT}:root"));
    let policy = role["Properties"]["Policies"][0]["PolicyDocument"].to_string();
    assert!(policy.contains("ec2:DescribeInstances") && policy.contains("sqs:ReceiveMessage"), "{policy}");
    assert!(!policy.contains("ec2:StopInstances") && !policy.contains("sqs:CreateQueue"), "{policy}");
    let without = MemberSetup { external_id: None, ..member(EventWiring::QueueEach) }.template();
    let trust = &without["Resources"]["ReaderRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0];
    assert_eq!(trust["Condition"], Value::Null);
}

#[test]
fn every_arn_is_of_the_partition_that_is_meant() {
    for partition in Partition::ALL {
        for template in all(partition) {
            for arn in arns(&template) {
                let is_any = arn.starts_with("arn:${AWS::Partition}:");
                assert!(is_any || Partition::of_arn(&arn) == Some(partition), "{partition}: {arn}");
            }
        }
    }
}

#[test]
fn rules_send_to_the_center_by_a_role_that_may_do_nothing_else() {
    for (way, action) in
        [(bus(Partition::China), "events:PutEvents"), (central_queue(Partition::China), "sqs:SendMessage")]
    {
        let center = way.center().unwrap().arn.clone();
        let made = member(way).template();
        let resources = &made["Resources"];
        assert!(resources.get("EventQueue").is_none(), "{resources}");
        for known in RULES {
            let rule = &resources[rule_id(known)]["Properties"];
            assert_eq!(rule["EventPattern"], known.pattern("muster"));
            assert_eq!(rule["Targets"][0]["Arn"], center);
            assert_eq!(rule["Targets"][0]["RoleArn"], arn(FORWARDER));
            assert_eq!(rule["Targets"].as_array().unwrap().len(), 1);
        }
        let role = &resources[FORWARDER]["Properties"];
        let allowed = json!([{ "Effect": "Allow", "Action": action, "Resource": center }]);
        assert_eq!(role["Policies"][0]["PolicyDocument"]["Statement"], allowed);
    }
    // AWS delivers to queues of other accounts in the same region only.
    let made = member(central_queue(Partition::Aws)).template();
    assert_eq!(made["Conditions"][HOLDS_QUEUE]["Fn::Equals"][1], "us-east-1");
    for (name, resource) in made["Resources"].as_object().unwrap() {
        let condition = if name == "ReaderRole" { HOLDS_ROLE } else { HOLDS_QUEUE };
        assert_eq!(resource["Condition"], condition, "{name}");
    }
}

#[test]
fn only_accounts_of_the_organization_are_let_in() {
    let organization = json!({ "aws:PrincipalOrgID": "o-a1b2c3d4e5" });
    let made = central(bus(Partition::Aws));
    let statement = &made["Resources"]["CentralBusPolicy"]["Properties"]["Statement"];
    assert_eq!((&statement["Principal"], &statement["Condition"]["StringEquals"]), (&json!("*"), &organization));
    assert_eq!(made["Resources"]["EventQueue"]["Properties"]["QueueName"], "muster-central-events");
    for known in RULES {
        assert_eq!(made["Resources"][rule_id(known)]["Properties"]["EventBusName"]["Ref"], "CentralBus");
    }
    let made = central(central_queue(Partition::UsGov));
    let policy = &made["Resources"]["EventQueuePolicy"]["Properties"]["PolicyDocument"]["Statement"];
    let senders = json!({ "aws:PrincipalArn": "arn:aws-us-gov:iam::*:role/muster-events-*" });
    assert_eq!(policy[0]["Condition"], json!({ "StringEquals": organization, "ArnLike": senders }));
    assert_eq!(policy.as_array().unwrap().len(), 1);
    let each =
        CentralSetup { wiring: EventWiring::QueueEach, name: EventsName::default(), organization: String::new() };
    assert_eq!(each.template(), None);
}

/// CloudFormation takes templates of up to 51,200 bytes in a request, EventBridge patterns of 4,096 characters and policies of a bus
/// of 10 KB, SQS policies of 8,192 bytes, and IAM names of roles of 64 characters and 10,240 characters of policies within a role.
#[test]
fn aws_takes_what_the_longest_name_makes() {
    let name: EventsName = format!("a{}", "b".repeat(39)).parse().unwrap();
    let longest = Region::new("ap-northeast-1");
    assert!(Partition::ALL.iter().all(|partition| forwarder_name(&name, partition.home()).len() <= 64));
    assert!(forwarder_name(&name, longest.as_str()).len() <= 64);
    for way in [EventWiring::QueueEach, bus(Partition::UsGov), central_queue(Partition::UsGov)] {
        let made = MemberSetup { name: name.clone(), ..member(way.clone()) }.template();
        assert!(format!("{made:#}").len() < 51_200, "{}", format!("{made:#}").len());
        let policy = made["Resources"]["ReaderRole"]["Properties"]["Policies"].to_string();
        assert!(policy.len() < 10_240, "{}", policy.len());
        let central =
            CentralSetup { name: name.clone(), organization: "o-a1b2c3d4e5".to_owned(), wiring: way }.template();
        let templates: Vec<Value> = [Some(made), central].into_iter().flatten().collect();
        for resource in templates.iter().flat_map(|template| template["Resources"].as_object().unwrap().values()) {
            let properties = &resource["Properties"];
            let size = |part: &str| properties[part].to_string().len();
            assert!(size("EventPattern") <= 4_096 && size("Statement") <= 10_240);
            // A policy names ARNs where the template has references to rules.
            assert!(size("PolicyDocument") + RULES.len() * 120 <= 8_192);
            let targets = properties["Targets"].as_array().map_or(0, Vec::len);
            assert!(targets <= 5);
        }
    }
}

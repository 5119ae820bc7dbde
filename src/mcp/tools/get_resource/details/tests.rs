use super::*;
use crate::kinds::by_slug;
use crate::model::{Map as Fields, Value as Field};

fn field(json: &Value) -> Field {
    match json {
        Value::Null => Field::Null,
        Value::Bool(flag) => Field::Bool(*flag),
        Value::Number(number) => Field::Int(number.as_i64().unwrap_or_default()),
        Value::String(text) => Field::Text(text.clone()),
        Value::Array(list) => Field::List(list.iter().map(field).collect()),
        Value::Object(fields) => Field::Map(fields.iter().map(|(name, value)| (name.clone(), field(value))).collect()),
    }
}

fn said(slug: &str, json: &Value) -> (String, Value) {
    let Field::Map(fields) = field(json) else { panic!("an object") };
    let fields: Fields = fields;
    let (mut text, mut data) = (AnswerText::default(), Map::new());
    ResourceDetails::of(by_slug(slug).unwrap(), &Document::new(fields)).say(&Map::new(), &mut text, &mut data);
    (String::from(text), Value::Object(data))
}

#[test]
fn an_instance_shows_its_volumes_and_groups() {
    let (text, data) = said(
        "instance",
        &json!({
            "ImageId": "ami-1", "SubnetId": "subnet-1",
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-1", "DeleteOnTermination": true}}],
            "SecurityGroups": [{"GroupId": "sg-1", "GroupName": "a;b"}],
        }),
    );
    assert_eq!(
        text,
        "\nimage_id: ami-1\nsubnet_id: subnet-1\nvolumes: vol-1 /dev/xvda delete_on_termination=true\nsecurity_groups: sg-1 a,b"
    );
    let volume = json!({"volume_id": "vol-1", "device": "/dev/xvda", "delete_on_termination": true});
    assert_eq!(data["details"]["volumes"], json!([volume]));
}

#[test]
fn rules_are_shown_for_each_peer_and_counted_beyond_what_fits() {
    let many: Vec<Value> = (0..30).map(|n| json!({"CidrIp": format!("10.0.{n}.0/24")})).collect();
    let (text, data) = said(
        "security-group",
        &json!({
            "IpPermissions": [
                {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": many},
                {"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "UserIdGroupPairs": [{"GroupId": "sg-2"}]},
            ],
            "IpPermissionsEgress": [{"IpProtocol": "-1", "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}],
        }),
    );
    assert!(text.contains("\noutbound_rules: all ::/0") && text.contains("; 11 more\n"), "{text}");
    assert!(text.contains("tcp 22 10.0.2.0/24; "), "{text}");
    assert_eq!(data["details_left_out"], json!({"inbound_rules": 11}));
    assert_eq!(data["details"]["inbound_rules"].as_array().map(Vec::len), Some(ITEMS));
    let (text, _) = said(
        "security-group",
        &json!({"IpPermissions": [{"IpProtocol": "icmp", "FromPort": 8, "ToPort": -1, "UserIdGroupPairs": [{"GroupId": "sg-2"}]}]}),
    );
    assert_eq!(text, "\ninbound_rules: icmp type 8 sg-2\noutbound_rules: none");
}

#[test]
fn entries_stand_in_the_order_in_which_they_are_tried() {
    let entry = |number: i64, egress: bool, action: &str| {
        json!({"RuleNumber": number, "Egress": egress, "RuleAction": action, "Protocol": "6", "CidrBlock": "0.0.0.0/0",
            "PortRange": {"From": 80, "To": 90}})
    };
    let entries = [
        entry(32_767, false, "deny"),
        entry(200, false, "deny"),
        entry(100, false, "allow"),
        entry(100, true, "allow"),
    ];
    let (text, _) = said("network-acl", &json!({"Entries": entries, "Associations": [{"SubnetId": "subnet-1"}]}));
    assert_eq!(
        text,
        "\ninbound_entries: 100 allow tcp 80-90 0.0.0.0/0; 200 deny tcp 80-90 0.0.0.0/0; * deny tcp 80-90 0.0.0.0/0\
         \noutbound_entries: 100 allow tcp 80-90 0.0.0.0/0\nassociations: subnet-1"
    );
}

#[test]
fn routes_and_attachments_name_their_targets() {
    let (text, _) = said(
        "route-table",
        &json!({
            "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "GatewayId": "igw-1", "State": "blackhole"}],
            "Associations": [{"Main": true}],
        }),
    );
    assert_eq!(text, "\nroutes: 0.0.0.0/0 igw-1 blackhole\nassociations: main=true");
    let (text, _) =
        said("network-interface", &json!({"Attachment": {"InstanceOwnerId": "amazon-elb", "DeviceIndex": 1}}));
    assert_eq!(text, "\nattachments: amazon-elb device_index=1\nsecurity_groups: none");
    assert_eq!(said("volume", &json!({"SnapshotId": ""})).0, "\nattachments: none");
}

//! What is written of documents.

use super::*;
use crate::ec2_api::wire::table;
use crate::model::{Document, Map, Value};

fn map<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::Map(Map::from(fields))
}

fn document<const N: usize>(fields: [(&'static str, Value); N]) -> Document {
    Document::new(Map::from(fields))
}

/// The answer of `action`, without what is before its list and after its end.
fn written(action: &str, documents: &[Document], token: Option<&str>) -> String {
    let documents: Vec<WalkedDocument> = documents.iter().cloned().map(WalkedDocument::from).collect();
    let body = String::from_utf8(write(table(action).unwrap(), &documents, token, "r-1")).unwrap();
    let head = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{action}Response \
         xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>r-1</requestId>"
    );
    let body = body.strip_prefix(&head).unwrap_or_else(|| panic!("{body}"));
    body.strip_suffix(&format!("</{action}Response>")).unwrap().to_owned()
}

#[test]
fn a_document_has_its_names_on_the_wire() {
    let volume = document([
        ("VolumeId", "vol-1".into()),
        ("Size", 8.into()),
        ("Encrypted", false.into()),
        ("State", "in-use".into()),
        ("CreateTime", "2026-11-22T13:15:10+00:00".into()),
        ("SnapshotId", "".into()),
        ("Attachments", Value::List(Vec::new())),
        ("Tags", Value::List(vec![map([("Key", "a<b".into()), ("Value", "R&D".into())])])),
        ("KmsKeyId", Value::Null),
        ("OurOwn", "not EC2's".into()),
    ]);
    assert_eq!(
        written("DescribeVolumes", &[volume], Some("t&1")),
        "<volumeSet><item><attachmentSet/><createTime>2026-11-22T13:15:10.000Z</createTime><encrypted>false</encrypted>\
         <size>8</size><snapshotId></snapshotId><status>in-use</status>\
         <tagSet><item><key>a&lt;b</key><value>R&amp;D</value></item></tagSet><volumeId>vol-1</volumeId></item></volumeSet>\
         <nextToken>t&amp;1</nextToken>"
    );
    assert_eq!(written("DescribeVolumes", &[], None), "<volumeSet></volumeSet>");
    assert_eq!(written("DescribeAddresses", &[], Some("no such field")), "<addressesSet></addressesSet>");
}

#[test]
fn the_tags_of_a_network_interface_are_called_as_everywhere() {
    let tags = Value::List(vec![map([("Key", "a".into()), ("Value", "".into())])]);
    assert_eq!(
        written("DescribeNetworkInterfaces", &[document([("Tags", tags)])], None),
        "<networkInterfaceSet><item><tagSet><item><key>a</key><value></value></item></tagSet></item></networkInterfaceSet>"
    );
}

#[test]
fn instances_stand_in_their_reservations() {
    let instance = |id: &'static str, reservation: &'static str| {
        document([
            ("InstanceId", id.into()),
            ("OwnerId", "123456789012".into()),
            ("ReservationId", reservation.into()),
            ("State", map([("Code", 16.into()), ("Name", "running".into())])),
        ])
    };
    let classic = document([
        ("InstanceId", "i-4".into()),
        ("Groups", Value::List(vec![map([("GroupId", "sg-1".into())])])),
        ("RequesterId", "amazon".into()),
    ]);
    let state = "<instanceState><code>16</code><name>running</name></instanceState>";
    let item = |id: &str| format!("<item><instanceId>{id}</instanceId>{state}</item>");
    assert_eq!(
        written(
            "DescribeInstances",
            &[instance("i-1", "r-1"), instance("i-2", "r-2"), instance("i-3", "r-1"), classic],
            None
        ),
        format!(
            "<reservationSet>\
             <item><ownerId>123456789012</ownerId><reservationId>r-1</reservationId><groupSet/>\
             <instancesSet>{}{}</instancesSet></item>\
             <item><ownerId>123456789012</ownerId><reservationId>r-2</reservationId><groupSet/>\
             <instancesSet>{}</instancesSet></item>\
             <item><groupSet><item><groupId>sg-1</groupId></item></groupSet><requesterId>amazon</requesterId>\
             <instancesSet><item><instanceId>i-4</instanceId></item></instancesSet></item>\
             </reservationSet>",
            item("i-1"),
            item("i-3"),
            item("i-2"),
        )
    );
}

#[test]
fn a_value_that_does_not_fit_its_field_is_left_out() {
    // No mapping makes these, and a client could read nothing of an answer that had them.
    let odd = document([
        ("VolumeId", "vol-1".into()),
        ("Attachments", "text".into()),
        ("Tags", Value::List(vec!["text".into(), map([("Key", "a".into())])])),
        ("State", map([("Name", "a".into())])),
        ("Size", Value::List(vec![1.into()])),
        ("Iops", "100".into()),
        ("Encrypted", 1.into()),
        ("CreateTime", Value::Null),
    ]);
    assert_eq!(
        written("DescribeVolumes", &[odd], None),
        "<volumeSet><item><tagSet><item><key>a</key></item></tagSet><volumeId>vol-1</volumeId></item></volumeSet>"
    );
}

//! That tables filled out of the index hold what those filled from the stored rows do, in the same order.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::samples::{ALL, SampleAccount, at};
use super::super::*;
use crate::kinds;
use crate::model::event::Overlay;
use crate::model::fixtures::json_document;
use crate::model::{AccountId, Event, Evidence, Group, Provisional, Region, ResourceId, Scope, Source};

/// What happens to a resource.
#[derive(Clone, Debug)]
enum Happening {
    Seen(ResourceId, Json),
    Asserted(ResourceId, &'static str),
    Removed(ResourceId),
}

fn resource() -> impl Strategy<Value = ResourceId> {
    let account = prop_oneof![Just("111111111111"), Just("222222222222")];
    let region = prop_oneof![Just("eu-west-1"), Just("us-east-1")];
    let kind = prop_oneof![Just(("instance", "i")), Just(("volume", "vol")), Just(("security-group", "sg"))];
    (account, region, kind, 0..5_u8).prop_map(|(account, region, (slug, prefix), n)| {
        let scope = Scope { account: AccountId::new(account), region: Region::new(region) };
        ResourceId::new(&scope, &kinds::by_slug(slug).unwrap().kind(), format!("{prefix}-0000000000000000{n}"))
    })
}

fn word() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just(""), Just("a"), Just("b"), Just("\u{e9}'\"|"), Just("running"), Just("stopped")]
}

fn tags() -> impl Strategy<Value = Json> {
    let key = prop_oneof![Just("Name"), Just("team"), Just(""), Just("\u{e9}'\"")];
    proptest::collection::btree_map(key, word(), 0..4)
        .prop_map(|tags| tags.into_iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect())
}

fn body() -> impl Strategy<Value = Json> {
    let attached = proptest::collection::vec((0..5_u8, any::<bool>()), 0..3);
    let size = prop_oneof![Just(json!(8)), Just(json!(-1)), Just(json!(9_007_199_254_740_993_i64)), Just(Json::Null)];
    (tags(), word(), word(), attached, size, any::<bool>()).prop_map(|(tags, state, word, attached, size, flag)| {
        let attachments: Vec<Json> = attached
            .iter()
            .map(|(n, deleted)| {
                json!({"InstanceId": format!("i-0000000000000000{n}"), "Device": word, "DeleteOnTermination": deleted,
                       "AttachTime": "2026-11-02T10:00:00.123+00:00"})
            })
            .collect();
        let groups: Vec<Json> =
            attached.iter().map(|(n, _)| json!({"GroupId": format!("sg-{n}"), "GroupName": word})).collect();
        json!({
            "Tags": tags, "InstanceType": word, "VolumeType": word, "GroupName": word, "Description": word, "Size": size,
            "Encrypted": flag, "Attachments": attachments, "SecurityGroups": groups, "VpcId": "vpc-00000000000000001",
            "LaunchTime": "2026-11-02T10:00:00+00:00", "CreateTime": word,
            "State": if state.is_empty() { Json::Null } else { json!({"Name": state}) },
        })
    })
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (resource(), body()).prop_map(|(id, body)| Happening::Seen(id, body)),
        1 => (resource(), word()).prop_map(|(id, state)| Happening::Asserted(id, state)),
        2 => resource().prop_map(Happening::Removed),
    ]
}

fn happens(account: &mut SampleAccount, what: Happening) {
    let snapshot = account.store.snapshot().unwrap();
    let evidence = Evidence { source: Source::Sweep, at: at(0) };
    let event = match what {
        Happening::Seen(id, body) => {
            let document = json_document(&body);
            match snapshot.current(&id).unwrap() {
                None => {
                    let mapping = kinds::of(&id.kind).unwrap().mapping;
                    Event::Discovered { id, document, evidence, mapping }
                }
                Some(known) => Event::Changed {
                    id,
                    changes: known.document.changes_to(&document),
                    evidence: vec![(Group::State, evidence)],
                    overlay: Overlay::Keep,
                },
            }
        }
        Happening::Asserted(id, name) => {
            let Some(known) = snapshot.current(&id).unwrap() else { return };
            let mut then = serde_json::to_value(&known.document).unwrap();
            then["State"] = json!({ "Name": name });
            let provisional = Provisional { group: Group::State, source: Source::Tool, at: at(0), before: Vec::new() };
            Event::Changed {
                changes: known.document.changes_to(&json_document(&then)),
                id,
                evidence: Vec::new(),
                overlay: Overlay::Lay(provisional),
            }
        }
        Happening::Removed(id) => {
            if snapshot.current(&id).unwrap().is_none() {
                return;
            }
            Event::Removed { id, at: at(0) }
        }
    };
    drop(snapshot);
    account.commit(vec![event]);
}

/// Every column of a kind that is not looked up, and parts of them; flat tables that are made of rows.
const STATEMENTS: [&str; 17] = [
    "SELECT id, name, account, region, state, instance_type, launch_time, vpc_id, tags FROM instance",
    "SELECT id, instance_type, instance_group_id FROM instance",
    "SELECT name FROM instance",
    "SELECT count(*) FROM instance",
    "SELECT state, count(*) FROM instance WHERE account = '111111111111' AND state IN ('running', '') GROUP BY 1",
    "SELECT id, name, size, encrypted, volume_type, create_time, typeof(size), typeof(encrypted) FROM volume",
    "SELECT id FROM volume WHERE size = 8 AND encrypted = 1",
    "SELECT id FROM volume WHERE volume_type = '' AND region = 'eu-west-1'",
    "SELECT id, name, group_name, description, tags FROM security_group",
    "SELECT id FROM security_group WHERE name = 'a'",
    "SELECT * FROM tag",
    "SELECT kind, id, value FROM tag WHERE key IN ('team', '')",
    "SELECT * FROM instance_volume",
    "SELECT * FROM instance_security_group",
    "SELECT from_id, via, to_id FROM relation WHERE from_kind IN ('instance', 'volume') ORDER BY 1, 2, 3",
    "SELECT i.id, v.id FROM instance i JOIN instance_volume iv USING (instance_id) JOIN volume v ON v.id = iv.volume_id WHERE i.state = 'running'",
    "SELECT id, state FROM instance WHERE id IN ('i-00000000000000001', 'i-00000000000000003', 'i-9')",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn the_index_fills_tables_as_the_rows_do(
        before in proptest::collection::vec(happening(), 0..30),
        after in proptest::collection::vec(happening(), 0..15),
        sees_all in any::<bool>(),
    ) {
        let (mut stored, mut indexed) = (SampleAccount::new(), SampleAccount::new());
        for account in [&mut stored, &mut indexed] {
            before.iter().cloned().for_each(|what| happens(account, what));
        }
        indexed.store.build_index().unwrap();
        for account in [&mut stored, &mut indexed] {
            after.iter().cloned().for_each(|what| happens(account, what));
        }
        let visible = || if sees_all { Visible::all() } else { Visible::only(|id| id.region.as_str() == "eu-west-1") };
        for sql in STATEMENTS {
            let ask = |account: &SampleAccount| {
                let asked = account.prepare(sql).unwrap().ask(&account.store, None, &visible(), &Outside::default(), ALL);
                asked.unwrap_or_else(|error| panic!("{sql}: {error}"))
            };
            prop_assert_eq!(ask(&indexed), ask(&stored), "{}", sql);
        }
    }
}

//! To find that something is hidden, and that something never was, takes the same steps.

use serde_json::json;

use super::estate::{ACCOUNTS, Estate, Op, PLACES, PlainGrant, REGIONS, TwoLogs, at, id, visibility};
use super::{Question, answer, paused};
use crate::kinds::INSTANCE;
use crate::policy::Visibility;

/// The instances are of a team that is not seen, and half of everything is gone. All have as many records as others of their fate.
fn estate() -> Estate {
    let team = |place: usize| if id(place).kind == INSTANCE.kind() { "quarry" } else { "payments" };
    let mut ops: Vec<Op> = (0..PLACES).map(|place| Op::Put(place, true, Some(team(place)))).collect();
    ops.extend((0..PLACES).filter(|place| place % 2 == 1).map(Op::Remove));
    Estate::new(&TwoLogs::of(&ops, &[]).whole, None)
}

fn payments() -> Visibility {
    visibility(&[PlainGrant { account: None, region: None, slug: None, team: Some("payments") }])
}

/// The ways to ask for an instance by its id.
fn questions(id: &str) -> Vec<Question> {
    vec![
        Question::Read(format!("ec2://instance/{id}")),
        Question::Read(format!("ec2://instance/{id}/status")),
        Question::Read(format!("ec2://instance/{id}/history")),
        Question::Read(format!("ec2://inventory/{}/{}/instance/{id}", ACCOUNTS[0], REGIONS[0])),
        Question::Tool("get_resource", json!({"kind": "instance", "id": id})),
        Question::Tool("get_resource", json!({"kind": "instance", "id": id, "as_of": at(20).to_string()})),
        Question::Tool("get_instance_status", json!({"instance_id": id})),
        Question::Tool("find_relations", json!({"kind": "instance", "id": id})),
        Question::Tool("list_changes", json!({"since": at(0).to_string(), "id": id})),
        Question::Tool("list_changes", json!({"since": at(0).to_string(), "id": id, "kind": "instance"})),
    ]
}

#[test]
fn what_is_hidden_what_is_gone_unseen_and_what_never_was_take_the_same_lookups() {
    let [hidden, gone, never] = [id(0).id.to_string(), id(1).id.to_string(), "i-0000000000000beef".to_owned()];
    paused().block_on(async {
        let (estate, mut differing) = (estate(), Vec::new());
        // Which others are looked up is random.
        for _ in 0..8 {
            for number in 0..questions(&hidden).len() {
                let mut counted = Vec::new();
                for id in [&hidden, &gone, &never] {
                    // What is remembered of one question would spare the next one lookups.
                    let core = estate.seen_by(&payments());
                    drop(core.snapshot().unwrap().looked_up());
                    let question = questions(id).swap_remove(number);
                    let said = answer(&core, &question).await.to_string();
                    assert!(said.contains("error") || said.contains("\"isError\":true"), "{question:?}: {said}");
                    counted.push(core.snapshot().unwrap().looked_up());
                }
                assert!(counted[0].values().sum::<u64>() > 3, "{counted:?}");
                let question = &questions("ID")[number];
                for (what, count) in [("hidden", &counted[0]), ("gone", &counted[1])] {
                    if *count != counted[2] {
                        differing.push(format!("{question:?}: {what} {count:?}, never there {:?}", counted[2]));
                    }
                }
            }
        }
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    });
}

#[test]
fn who_sees_everything_looks_up_nothing_more() {
    paused().block_on(async {
        let estate = estate();
        let question = &questions("i-0000000000000beef")[0];
        drop(estate.core.snapshot().unwrap().looked_up());
        drop(answer(&estate.core, question).await);
        let counted = estate.core.snapshot().unwrap().looked_up();
        assert_eq!(counted.get("copy"), None, "{counted:?}");
        assert_eq!(estate.core.snapshot().unwrap().stand_ins(&id(0).kind, "i-0", None).unwrap(), Vec::<String>::new());
    });
}

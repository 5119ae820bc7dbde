//! What the log remembers, asked through the tools.

use std::time::Duration;

use serde_json::{Value, json};

use super::conforms;
use crate::ingest::Lane;
use crate::kinds::INSTANCE;
use crate::mcp::ListMode;
use crate::mcp::client::McpClient;
use crate::mcp::tests::{World, data, fast, text};
use crate::mcp::tools::budget::BUDGET;
use crate::mcp::tools::tokens::tokens;
use crate::mcp::tools::{compare_resource, count_inventory, get_resource, list_changes, search_inventory};
use crate::model::event::Overlay;
use crate::model::fixtures::scope;
use crate::model::{
    ApiCall, Cause, Document, Event, Evidence, Group, Map, Observation, ResourceId, ScopeFilter, Seen, Seq, Source,
    Timestamp,
};
use crate::query::changes::{ChangeFilter, LogCursor, LogRange};
use crate::simulator;
use crate::store;

pub(super) async fn changes(client: &McpClient, arguments: Value) -> (String, Value) {
    let result = client.call("list_changes", arguments).await.unwrap();
    let said = text(&result).to_owned();
    assert!(tokens(&said) <= BUDGET, "{}", said.len());
    let found = data(result);
    conforms(&list_changes::SPEC, &found);
    assert!(tokens(&found.to_string()) <= BUDGET);
    (said, found)
}

pub(super) async fn refused(client: &McpClient, tool: &str, arguments: Value) -> String {
    let result = client.agree(tool, arguments).await.unwrap();
    assert_eq!(result.is_error, Some(true), "{}", text(&result));
    text(&result).to_owned()
}

pub(super) fn entries(found: &Value) -> &[Value] {
    found["changes"].as_array().unwrap()
}

#[tokio::test]
async fn a_tools_call_shows_with_its_cause_and_the_baseline_only_when_asked_for() {
    let world = World::small().await;
    let client = world.client(true).await;
    let (said, found) = changes(&client, json!({})).await;
    assert_eq!(entries(&found), &[] as &[Value], "{said}");
    assert!(found["hidden"].as_u64() > Some(12) && said.contains("include_baseline"), "{said}");
    let (_, all) = changes(&client, json!({"include_baseline": true, "kind": "instance", "limit": 500})).await;
    assert_eq!(entries(&all).iter().filter(|change| change.get("part").is_none()).count(), 12);
    assert_eq!(entries(&all).iter().filter(|change| change["part"] == "instance-status").count(), 12);
    assert!(entries(&all).iter().all(|change| change["what"] == "known_since" && change["cause"]["by"] == "baseline"));

    let id = world.instance(&client, "running").await;
    drop(data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));
    let (said, found) = changes(&client, json!({"id": id, "kind": "instance", "field": "state.name"})).await;
    let [stopping] = entries(&found) else { panic!("{said}") };
    assert_eq!((&stopping["what"], &stopping["cause"]["tool"]), (&json!("changed"), &json!("stop_instance")), "{said}");
    let state = json!({"path": "State.Name", "before": "running", "after": "stopping"});
    assert!(stopping["changes"].as_array().unwrap().contains(&state), "{stopping}");
    assert!(said.contains("State.Name: running -> stopping") && said.contains("tool stop_instance (act-"), "{said}");

    let (_, timeline) = changes(&client, json!({"uri": format!("ec2://instance/{id}"), "order": "oldest"})).await;
    let whats: Vec<&str> = entries(&timeline).iter().map(|change| change["what"].as_str().unwrap()).collect();
    assert_eq!(whats[..3], ["action_confirmed", "action_requested", "changed"], "{timeline}");
    assert_eq!(entries(&timeline)[1]["outcome"], "succeeded");
    let (said, calls) = changes(&client, json!({"cause": "tool"})).await;
    let finished = entries(&calls).iter().find(|change| change["what"] == "action_finished").expect(&said);
    assert_eq!((&finished["outcome"], &finished["tool"]), (&json!("succeeded"), &json!("stop_instance")));
}

#[tokio::test]
async fn pages_in_both_directions_show_every_record_exactly_once() {
    let world = World::small().await;
    let client = world.client(true).await;
    for order in ["oldest", "newest"] {
        let (mut seen, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let arguments = json!({"order": order, "include_baseline": true, "limit": 7, "cursor": cursor});
            let (_, found) = changes(&client, arguments).await;
            seen.extend(entries(&found).iter().map(|change| change["seq"].as_u64().unwrap()));
            if found["more"] == json!(false) {
                break;
            }
            cursor = found["next_cursor"].clone();
        }
        if order == "newest" {
            seen.reverse();
        }
        let newest = world.core.snapshot().unwrap().seq().0;
        assert_eq!(seen, (1..=newest).collect::<Vec<_>>(), "{order}");
    }
}

#[tokio::test]
async fn two_waiters_are_answered_by_one_commit_and_a_third_goes_on_waiting() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let wait = |filter: &str, value: &str| {
        let mut arguments = json!({"wait_seconds": 45});
        arguments[filter] = json!(value);
        changes(&client, arguments)
    };
    let act = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));
    };
    let patient = async {
        let arguments = json!({"wait_seconds": 1, "kind": "vpc"});
        changes(&client, arguments).await
    };
    let ((_, one), (_, two), (said, three), ()) = tokio::join!(wait("kind", "instance"), wait("id", &id), patient, act);
    assert_eq!(entries(&one)[0]["id"], json!(id));
    assert_eq!(entries(&one)[0]["seq"], entries(&two)[0]["seq"]);
    assert_eq!((entries(&three).len(), &three["more"]), (0, &json!(false)), "{said}");
    // It moved over what did not match.
    let seq = world.core.snapshot().unwrap().seq().0;
    let (_, next) = changes(&client, json!({"cursor": three["next_cursor"], "kind": "vpc"})).await;
    assert_eq!((entries(&next).len(), next["seq"].as_u64()), (0, Some(seq)));
    let (_, since) = changes(&client, json!({"since": one["newest_cursor"], "order": "oldest"})).await;
    assert_eq!(entries(&since)[0]["seq"].as_u64(), entries(&one).last().unwrap()["seq"].as_u64().map(|seq| seq + 1));
}

#[tokio::test]
async fn a_wait_ends_with_the_server() {
    let world = World::small().await;
    let client = world.client(false).await;
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.stop.cancel();
    };
    let wait = client.call("list_changes", json!({"wait_seconds": 45}));
    let (answer, ()) = tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(wait, stop) }).await.unwrap();
    drop(answer);
}

#[tokio::test]
async fn what_cannot_be_answered_says_what_can() {
    let world = World::small().await;
    let client = world.client(false).await;
    let earliest = world.core.snapshot().unwrap().earliest().unwrap().unwrap().to_string();
    // Nothing of this log was folded away: since two hours ago there is no more than what it holds.
    let (said, found) = changes(&client, json!({"since": "-2h", "include_baseline": true})).await;
    assert!(said.contains(&format!("The log begins at {earliest}, later than `since`")), "{said}");
    assert_eq!(found["starts_at"], json!(earliest));
    let (said, all) = changes(&client, json!({"include_baseline": true})).await;
    assert_eq!(entries(&found), entries(&all), "everything");
    assert!(all.get("starts_at").is_none() && !said.contains("later than"), "{said}");
    let (_, found) = changes(&client, json!({"since": earliest, "include_baseline": true})).await;
    assert_eq!(found["earliest"], json!(earliest));
    assert!(!entries(&found).is_empty(), "the earliest time is one that it reaches back to");
    let said = refused(&client, "list_changes", json!({"since": "2999-01-01T00:00:00Z"})).await;
    assert!(said.contains("in the future"), "{said}");
    let said = refused(&client, "list_changes", json!({"since": "yesterday"})).await;
    assert!(said.contains("RFC 3339") && said.contains("-15m"), "{said}");
    let said = refused(&client, "compare_resource", json!({"id": "i-0", "from": "seq:x"})).await;
    assert!(said.contains("seq:123") && said.contains("-15m"), "{said}");
    let id = world.instance(&client, "running").await;
    let said = refused(&client, "get_resource", json!({"uri": format!("ec2://instance/{id}/history")})).await;
    assert!(said.contains("call list_changes for its changes"), "{said}");
    let said = refused(&client, "list_changes", json!({"id": "i-0000000000000dead"})).await;
    assert!(said.contains("no resource `i-0000000000000dead` is known"), "{said}");
    let said = refused(&client, "list_changes", json!({"region": "mars-north-1"})).await;
    assert!(said.contains("this server watches 123456789012/us-east-1"), "{said}");
    let said = refused(&client, "list_changes", json!({"cause": "sweeps"})).await;
    assert!(said.contains("did you mean `sweep`"), "{said}");
    let said = refused(&client, "list_changes", json!({"wait_seconds": 1, "order": "newest"})).await;
    assert!(said.contains("oldest when waiting"), "{said}");

    let page = changes(&client, json!({"include_baseline": true, "limit": 1})).await.1;
    let said = refused(&client, "list_changes", json!({"cursor": page["next_cursor"]})).await;
    assert!(said.contains("belongs to other arguments"), "{said}");
    for span in [LogRange::oldest(Seq(u64::MAX), None), LogRange::oldest(Seq::ZERO, Some(Seq(u64::MAX - 1)))] {
        let forged = LogCursor { log: world.core.log(), question: ChangeFilter::default().hash(), span }.encode();
        let said = refused(&client, "list_changes", json!({"cursor": forged})).await;
        assert!(said.contains("not made by Muster"), "{said}");
    }
    let other = World::small().await;
    let client = other.client(false).await;
    for name in ["cursor", "since"] {
        let said = refused(&client, "list_changes", json!({name: page["newest_cursor"]})).await;
        assert!(said.contains("earlier log") && said.contains("since=20"), "{said}");
    }
}

/// A store that another server left: an instance, watched from three hours ago until two hours ago, and half of its log folded.
fn left() -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, store) = store::open(store::StoreOptions::new(dir.path(), crate::kinds::project)).unwrap();
    let now = crate::aws::scripted::at("http://127.0.0.1:1").clock().now();
    let begun = now - Duration::from_hours(3);
    let id = ResourceId::new(&scope(), &INSTANCE.kind(), "i-0000000000000beef");
    let document = |state: &str| {
        let state = Map::from([("Name".to_owned(), state.into())]);
        Document::new(Map::from([
            ("InstanceId".to_owned(), "i-0000000000000beef".into()),
            ("PrivateIpAddress".to_owned(), "10.1.2.3".into()),
            ("State".to_owned(), crate::model::Value::Map(state)),
        ]))
    };
    let evidence = Evidence { source: Source::Sweep, at: begun };
    let mut entries = vec![(
        Cause::Baseline,
        Event::Discovered { id: id.clone(), document: document("running"), evidence, mapping: 1 },
    )];
    for states in [["running", "stopped"], ["stopped", "running"]] {
        let changes = document(states[0]).changes_to(&document(states[1]));
        let call = ApiCall {
            name: "StopInstances".to_owned(),
            actor: "arn:aws:iam::123456789012:user/eve\u{202E}".to_owned(),
            address: Some("192.0.2.7".to_owned()),
            agent: None,
        };
        let cause = Cause::Call { event_id: "e-1".to_owned(), call };
        let evidence = vec![(Group::State, evidence)];
        entries.push((cause, Event::Changed { id: id.clone(), changes, evidence, overlay: Overlay::Keep }));
    }
    for (n, entry) in entries.into_iter().enumerate() {
        let recorded_at = begun + Duration::from_mins(20) * u32::try_from(n).unwrap();
        writer
            .commit(store::CommitBatch { recorded_at, entries: vec![entry], ..store::CommitBatch::default() })
            .unwrap();
    }
    let started = begun + Duration::from_hours(1);
    let kind = INSTANCE.kind();
    let watched = store::Watermark { scope: scope(), kind, since: begun, started, ended: started, complete: true };
    writer.save_watermarks(vec![watched]).unwrap();
    let span = LogRange::oldest(Seq::ZERO, None);
    let cursor = LogCursor { log: store.log_id(), question: ChangeFilter::default().hash(), span }.encode();
    let due = store::Due { until: now, down_to: 0 };
    assert_eq!(writer.fold(due, 1, || true).unwrap().records, 1);
    (dir, cursor)
}

#[tokio::test]
async fn times_in_which_nobody_watched_are_named_and_what_is_folded_away_is_refused() {
    let (dir, expired) = left();
    let world = World::over(dir).await;
    let client = world.client(false).await;
    let (said, found) = changes(&client, json!({"kind": "instance"})).await;
    let gap = found["unobserved"].as_array().unwrap().iter().find(|gap| gap["kind"] == "instance").unwrap();
    let length = |gap: &Value| {
        let at = |name: &str| Timestamp::parse(gap[name].as_str().unwrap()).unwrap();
        at("to").since(at("from")).as_secs()
    };
    assert!((7100..7300).contains(&length(gap)), "{said}");
    assert!(said.contains("Not watched: instance in 123456789012/us-east-1, from"), "{said}");
    let appeared: Vec<&Value> = entries(&found).iter().filter(|change| change["what"] == "appeared").collect();
    assert_eq!((appeared.len(), &appeared[0]["observed_between"][0]), (12, &gap["from"]), "{said}");
    assert!(said.contains("at some time from"), "{said}");

    let (said, calls) = changes(&client, json!({"cause": "call", "order": "oldest"})).await;
    let [stopped, started] = entries(&calls) else { panic!("{said}") };
    assert_eq!(stopped["cause"]["actor"], "arn:aws:iam::123456789012:user/eve");
    assert!(said.contains("user/eve called StopInstances from 192.0.2.7 (event e-1)"), "{said}");
    assert_eq!(started["changes"][0]["after"], "running");
    assert_eq!(changes(&client, json!({"cause": "event"})).await.1["changes"].as_array().unwrap().len(), 2);

    let search = |as_of: &str| {
        let filters = json!({"private-ip-address": ["10.1.2.3"], "instance-state-name": ["*"]});
        let arguments = json!({"filters": filters, "as_of": as_of});
        let client = &client;
        async move { answered(client, &search_inventory::SPEC, arguments).await }
    };
    let (said, watched) = search("-150m").await;
    assert_eq!((&watched["rows"][0]["state"], &watched["unobserved"]), (&json!("stopped"), &json!([])), "{said}");
    assert_eq!(watched["at_least"], json!(false));
    let (said, unwatched) = search("-30m").await;
    assert_eq!((&unwatched["rows"][0]["state"], length(&unwatched["unobserved"][0])), (&json!("running"), length(gap)));
    assert_eq!(unwatched["at_least"], json!(true), "{said}");
    let uri = "ec2://instance/i-0000000000000beef";
    let arguments = json!({"uri": uri, "as_of": "-30m"});
    let (said, unwatched) = answered(&client, &get_resource::SPEC, arguments).await;
    assert!(length(&unwatched["unobserved"][0]) > 7000 && said.contains("Not watched"), "{said}");
    let arguments = json!({"uri": uri, "from": "-150m"});
    let (said, compared) = answered(&client, &compare_resource::SPEC, arguments).await;
    assert_eq!(compared["changes"][0]["after"], "running", "{said}");
    assert_eq!(
        (compared["records"].as_array().unwrap().len(), compared["unobserved"].as_array().unwrap().len()),
        (1, 1)
    );

    let earliest = world.core.snapshot().unwrap().earliest().unwrap().unwrap().to_string();
    for name in ["cursor", "since"] {
        let said = refused(&client, "list_changes", json!({name: expired})).await;
        assert!(said.contains(&format!("Start again with since={earliest}")), "{said}");
    }
    let (_, all) = changes(&client, json!({"since": earliest, "order": "oldest"})).await;
    assert_eq!(entries(&all)[0]["seq"], 2);
    let said = refused(&client, "search_inventory", json!({"as_of": "-4h"})).await;
    assert!(said.contains(&earliest), "{said}");
    let said = refused(&client, "compare_resource", json!({"uri": uri, "from": "seq:0"})).await;
    assert!(said.contains("the log begins with record 1"), "{said}");
}

#[tokio::test]
async fn counts_are_exact_and_grouped() {
    let world = World::swept(simulator::Options { instances: 200, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let count = async |arguments: Value| {
        let result = client.call("count_inventory", arguments).await.unwrap();
        let said = text(&result).to_owned();
        let found = data(result);
        conforms(&count_inventory::SPEC, &found);
        (said, found)
    };
    let (said, all) = count(json!({})).await;
    assert_eq!((&all["total"], &all["at_least"]), (&json!(200), &json!(false)), "{said}");
    let running = json!({"filters": {"instance-state-name": ["running"]}});
    let searched = data(client.call("search_inventory", running.clone()).await.unwrap());
    assert_eq!(count(running).await.1["total"], searched["total"]);
    for (kind, group) in
        [("instance", "state"), ("instance", "tag:Name"), ("instance", "tag:Nothing"), ("volume", "size")]
    {
        let (said, found) = count(json!({"kind": kind, "group_by": group})).await;
        let groups = found["groups"].as_array().unwrap();
        let shown: u64 = groups.iter().map(|group| group["count"].as_u64().unwrap()).sum();
        let other = found["other_count"].as_u64().unwrap_or(0);
        assert_eq!(
            shown + other + found["without_value"].as_u64().unwrap(),
            found["total"].as_u64().unwrap(),
            "{said}"
        );
        assert!(groups.windows(2).all(|pair| pair[0]["count"].as_u64() >= pair[1]["count"].as_u64()));
    }
    let said = refused(&client, "count_inventory", json!({"group_by": "colour"})).await;
    assert!(said.contains("instance-type"), "{said}");
}

/// Waits until the clock is past what was recorded last, so that the next record has a later time.
pub(super) async fn later(world: &World) -> String {
    let newest = world.core.snapshot().unwrap();
    let newest = newest.record(newest.seq()).unwrap().recorded_at;
    while world.core.now() <= newest {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let now = world.core.now().to_string();
    tokio::time::sleep(Duration::from_millis(5)).await;
    now
}

pub(super) async fn answered(
    client: &McpClient,
    tool: &crate::mcp::tools::ToolSpec,
    arguments: Value,
) -> (String, Value) {
    let result = client.call(tool.name, arguments).await.unwrap();
    let said = text(&result).to_owned();
    assert!(tokens(&said) <= BUDGET);
    let found = data(result);
    conforms(tool, &found);
    (said, found)
}

#[tokio::test]
async fn the_past_is_read_searched_and_counted_as_it_was() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let address = data(client.call("get_resource", json!({"id": id, "full": true})).await.unwrap());
    let address = address["document"]["PrivateIpAddress"].as_str().unwrap().to_owned();
    let then = later(&world).await;
    let seq = world.core.snapshot().unwrap().seq().0;
    let running = json!({"instance-state-name": ["running"]});
    let before =
        answered(&client, &count_inventory::SPEC, json!({"filters": running})).await.1["total"].as_u64().unwrap();
    drop(data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));

    let (said, old) = answered(&client, &get_resource::SPEC, json!({"id": id, "full": true, "as_of": then})).await;
    assert_eq!((&old["document"]["State"]["Name"], &old["as_of"]), (&json!("running"), &json!(then)), "{said}");
    assert_eq!((old["seq"].as_u64(), old.get("stale")), (Some(seq), None));
    assert_eq!(old["status"]["InstanceId"], json!(id));
    let new = answered(&client, &get_resource::SPEC, json!({"id": id, "full": true})).await.1;
    assert_eq!(new["document"]["State"]["Name"], "stopping");

    let asked =
        json!({"filters": {"private-ip-address": [address], "instance-state-name": ["running"]}, "as_of": then});
    let (said, found) = answered(&client, &search_inventory::SPEC, asked).await;
    assert_eq!((&found["rows"][0]["id"], &found["total"]), (&json!(id), &json!(1)), "{said}");
    assert_eq!((found["seq"].as_u64(), found.get("stale"), &found["unobserved"]), (Some(seq), None, &json!([])));
    let (_, counted) = answered(&client, &count_inventory::SPEC, json!({"filters": running, "as_of": then})).await;
    assert_eq!((counted["total"].as_u64(), &counted["as_of"]), (Some(before), &json!(then)));
    let (said, now) = answered(&client, &count_inventory::SPEC, json!({"filters": running})).await;
    assert_eq!(now["total"].as_u64(), Some(before - 1), "{said}");

    // Page two goes on at the time of page one, whatever `-1s` would mean by then.
    let relative = json!({"as_of": "-0s", "limit": 7});
    let (_, first) = answered(&client, &search_inventory::SPEC, relative.clone()).await;
    drop(later(&world).await);
    for as_of in [relative["as_of"].clone(), Value::Null, first["as_of"].clone()] {
        let next = json!({"as_of": as_of, "limit": 7, "cursor": first["next_cursor"]});
        let (_, next) = answered(&client, &search_inventory::SPEC, next).await;
        assert_eq!((&next["as_of"], next["rows"].as_array().unwrap().len()), (&first["as_of"], 5));
    }
    let other = json!({"as_of": then, "limit": 7, "cursor": first["next_cursor"]});
    assert!(refused(&client, "search_inventory", other).await.contains("belongs to other arguments"));

    for tool in ["search_inventory", "count_inventory"] {
        let said = refused(&client, tool, json!({"as_of": "-7d"})).await;
        assert!(said.contains("the earliest time it can answer for is 20"), "{said}");
        assert!(refused(&client, tool, json!({"as_of": "2999-01-01T00:00:00Z"})).await.contains("in the future"));
    }
    let said = refused(&client, "get_resource", json!({"id": "i-0000000000000dead", "as_of": then})).await;
    assert!(said.contains("no EC2 instance `i-0000000000000dead` was known at"), "{said}");
}

#[tokio::test]
async fn a_resource_is_compared_with_its_past() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let then = later(&world).await;
    let seq = world.core.snapshot().unwrap().seq().0;
    drop(data(client.agree("stop_instance", json!({"instance_id": id})).await.unwrap()));
    for from in [json!(then), json!(format!("seq:{seq}"))] {
        let (said, found) = answered(&client, &compare_resource::SPEC, json!({"id": id, "from": from})).await;
        let state = json!({"path": "State.Name", "before": "running", "after": "stopping"});
        assert!(found["changes"].as_array().unwrap().contains(&state), "{said}");
        let [made] = found["records"].as_array().unwrap().as_slice() else { panic!("{said}") };
        assert_eq!((&made["what"], &made["cause"]["tool"]), (&json!("changed"), &json!("stop_instance")));
        assert_eq!((&found["from"]["existed"], &found["to"]["existed"]), (&json!(true), &json!(true)));
        assert!(said.contains("State.Name: running -> stopping"), "{said}");
    }
    let same = json!({"id": id, "from": then, "to": then});
    let (said, same) = answered(&client, &compare_resource::SPEC, same).await;
    assert!(said.contains("nothing differs") && same["changes"] == json!([]), "{said}");
    let said = refused(&client, "compare_resource", json!({"id": id, "from": "-0s", "to": then})).await;
    assert!(said.contains("later than from"), "{said}");
    assert!(refused(&client, "compare_resource", json!({"id": id})).await.contains("needs the argument `from`"));

    let new = world.simulator.world().home().launch();
    while world.core.snapshot().unwrap().copies(&INSTANCE.kind(), &new).unwrap().is_empty() {
        world.sweep_kind(INSTANCE, usize::MAX).await;
    }
    let (said, found) = answered(&client, &compare_resource::SPEC, json!({"id": new, "from": then})).await;
    assert_eq!(
        (&found["from"]["existed"], &found["records"][0]["what"]),
        (&json!(false), &json!("appeared")),
        "{said}"
    );
    let said = refused(&client, "get_resource", json!({"id": new, "as_of": then})).await;
    assert!(said.contains("it is known from "), "{said}");
}

#[tokio::test]
async fn what_the_first_sweep_found_is_not_said_to_have_been_absent_before() {
    let world = World::unswept(simulator::Options { instances: 12, ..fast() }, ListMode::Auto).await;
    world.sweep_kind(crate::kinds::by_slug("vpc").unwrap(), usize::MAX).await;
    // The log begins with the first record, which may be dated a little ahead.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let then = world.core.now().to_string();
    world.sweep_kind(INSTANCE, usize::MAX).await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let (said, found) = answered(&client, &compare_resource::SPEC, json!({"id": id, "from": then})).await;
    let from = &found["from"];
    assert_eq!((&from["known"], from.get("existed")), (&json!(false), None), "{said}");
    let at = from["found_at"].as_str().unwrap();
    assert!(said.contains(&format!("not known yet at the earlier point: the first sweep found it at {at}")), "{said}");
    assert!(!said.contains("did not exist"), "{said}");
    assert_eq!((&found["to"]["known"], &found["to"]["existed"]), (&json!(true), &json!(true)), "{said}");
}

#[tokio::test]
async fn a_removed_resource_keeps_its_last_body_and_its_timeline() {
    let world = World::small().await;
    let client = world.client(false).await;
    let vpc = crate::kinds::by_slug("vpc").unwrap();
    let known = world.core.snapshot().unwrap().heads(&vpc.kind(), &ScopeFilter::Everywhere, None, 1).unwrap().remove(0);
    let id = known.id.clone();
    let there = later(&world).await;
    let gone = Observation { source: Source::Sweep, at: world.core.now(), id: id.clone(), seen: Seen::Absent };
    world.core.ingest.observe(Lane::Refresh, vec![gone], Cause::Sweep).await.unwrap();
    let uri = format!("ec2://vpc/{}", id.id);
    let (said, found) = answered(&client, &get_resource::SPEC, json!({"uri": uri, "full": true})).await;
    assert!(said.contains("is gone: its removal was recorded at"), "{said}");
    assert!(found["removed_at"].is_string() && found["removed_seq"].is_u64());
    assert_eq!(found["document"]["VpcId"], json!(id.id));
    let (_, old) = answered(&client, &get_resource::SPEC, json!({"uri": uri, "full": true, "as_of": there})).await;
    assert_eq!((&old["document"], old.get("removed_at")), (&found["document"], None));
    let (said, timeline) = changes(&client, json!({"uri": uri})).await;
    assert_eq!(entries(&timeline)[0]["what"], "removed", "{said}");
    let (_, gone) = answered(&client, &search_inventory::SPEC, json!({"kind": "vpc", "as_of": there})).await;
    assert!(gone["rows"].as_array().unwrap().iter().any(|row| row["id"] == json!(id.id)));
}

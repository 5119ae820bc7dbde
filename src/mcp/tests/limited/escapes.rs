//! Each way around what somebody may see, tried.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::estate::{ACCOUNTS, Estate, Op, PLACES, PlainGrant, REGIONS, TwoLogs, at, id, visibility};
use super::{Question, answer, called, paused};
use crate::ingest::Lane;
use crate::kinds;
use crate::mcp::Core;
use crate::mcp::client::McpClient;
use crate::mcp::policy::ListMode;
use crate::mcp::server::Link;
use crate::mcp::tests::{World, data, text};
use crate::model::fixtures::{ACCOUNT, json_document, scope};
use crate::model::{AccountId, Cause, Observation, ResourceId, Scope, Seen, Source};
use crate::notify::ChangeTopic;
use crate::policy::{DeniedTarget, Grant, Grantee, TagValues, Visibility, WritePolicy, WriteRule};

/// Everything is there, and in turn of the team that is seen and of the one that is not. The first instance was of both.
fn estate() -> Estate {
    let mut ops = vec![Op::Put(4, true, Some("payments")), Op::Put(4, true, Some("quarry"))];
    ops.extend(
        (0..PLACES).map(|place| Op::Put(place, place % 4 > 1, Some(if place % 8 < 4 { "quarry" } else { "payments" }))),
    );
    ops.extend([Op::Call(0, 12), Op::Act(0, 12), Op::Remove(3)]);
    Estate::new(&TwoLogs::of(&ops, &[]).whole, None)
}

fn payments() -> [PlainGrant; 1] {
    [PlainGrant { account: Some(ACCOUNTS[0]), region: None, slug: None, team: Some("payments") }]
}

/// Whether an answer says anything of what is hidden: of the other account, of the other team, or of its resources.
#[track_caller]
fn hides(answer: &Value) {
    let said = answer.to_string();
    let hidden = (0..PLACES).filter(|place| place % 8 < 4 || place % 4 > 1).map(|place| id(place).id.to_string());
    for hidden in hidden.chain([ACCOUNTS[1].to_owned(), "quarry".to_owned()]) {
        assert!(!said.contains(&hidden), "{hidden} is in {said}");
    }
}

/// Asks as somebody who sees the team's resources in the first account.
fn asked(questions: Vec<Question>) -> Vec<Value> {
    paused().block_on(async {
        let estate = estate();
        let core = estate.seen_by(&visibility(&payments()));
        let mut answers = Vec::new();
        for question in questions {
            answers.push(answer(&core, &question).await);
        }
        answers
    })
}

fn tool(name: &'static str, given: Value) -> Question {
    Question::Tool(name, given)
}

/// The data of a tool's answer.
#[track_caller]
fn rows(answer: &Value) -> &Value {
    assert_ne!(answer["isError"], true, "{answer}");
    &answer["structuredContent"]
}

#[test]
fn lists_hold_what_is_seen_and_nothing_else() {
    for page in asked([ListMode::Auto, ListMode::All, ListMode::Collections].map(Question::List).to_vec()) {
        hides(&page);
        assert!(page["resources"].as_array().unwrap().len() > 2, "{page}");
    }
}

#[test]
fn reads_of_what_is_hidden_and_of_what_nobody_knows_are_answered_alike() {
    let (hidden, unknown) = (id(0).id.to_string(), "i-0000000000000beef".to_owned());
    let other = format!("{}/{}", ACCOUNTS[1], REGIONS[0]);
    let nowhere = format!("999999999999/{}", REGIONS[0]);
    let pairs = [
        (format!("ec2://instance/{hidden}"), format!("ec2://instance/{unknown}")),
        (format!("ec2://instance/{hidden}/status"), format!("ec2://instance/{unknown}/status")),
        (format!("ec2://instance/{hidden}/history"), format!("ec2://instance/{unknown}/history")),
        (
            format!("ec2://inventory/{}/{}/instance/{hidden}", ACCOUNTS[0], REGIONS[0]),
            format!("ec2://inventory/{}/{}/instance/{unknown}", ACCOUNTS[0], REGIONS[0]),
        ),
        (format!("ec2://inventory/{other}/instance"), format!("ec2://inventory/{nowhere}/instance")),
        (format!("ec2://inventory/{other}/instance/{hidden}"), format!("ec2://inventory/{nowhere}/instance/{hidden}")),
    ];
    for (hidden_uri, unknown_uri) in pairs {
        let mut said = asked(vec![Question::Read(hidden_uri.clone()), Question::Read(unknown_uri)]);
        let (unseen, seen) = (said.pop().unwrap().to_string(), said.pop().unwrap().to_string());
        let alike = |text: &str| {
            text.replace(&hidden, "ID").replace(&unknown, "ID").replace(&other, "P").replace(&nowhere, "P")
        };
        assert!(seen.contains("error"), "{hidden_uri}: {seen}");
        assert_eq!(alike(&seen), alike(&unseen), "{hidden_uri}");
        // Nor does the account's number stand there by itself.
        assert_eq!(seen.matches(ACCOUNTS[1]).count(), seen.matches(&other).count(), "{seen}");
    }
}

#[test]
fn searches_and_counts_reach_no_further() {
    let questions = vec![
        tool("search_inventory", json!({"kind": "instance"})),
        tool("search_inventory", json!({"kind": "instance", "sort": "tag:Name"})),
        tool("search_inventory", json!({"kind": "instance", "as_of": at(30).to_string()})),
        tool("count_inventory", json!({"kind": "instance", "group_by": ["tag:team"]})),
        tool("count_inventory", json!({"kind": "volume", "group_by": ["account"]})),
        tool("count_inventory", json!({"kind": "instance", "filters": {"tag:Name": ["n*"]}})),
    ];
    let found = asked(questions);
    for answer in &found {
        hides(answer);
    }
    // The instances 12 and 13 are of the team and in the account.
    assert_eq!(rows(&found[0])["total"], 2, "{}", found[0]);
    assert_eq!(rows(&found[5])["total"], 2, "{}", found[5]);
}

#[test]
fn a_filter_for_what_is_hidden_finds_nothing_and_suggests_nothing() {
    let questions = vec![
        tool("search_inventory", json!({"kind": "instance", "filters": {"tag:team": ["quar"]}})),
        tool("search_inventory", json!({"kind": "instance", "filters": {"instance-id": [&*id(0).id]}})),
        tool("query_inventory", json!({"sql": "SELECT id FROM instance WHERE account = 'x'"})),
    ];
    let said = asked(questions);
    for answer in [&said[0], &said[2]] {
        let said = answer.to_string().replace("quar\"", "").replace("quar`", "");
        assert!(!said.contains("quarry") && !said.contains(ACCOUNTS[1]), "{said}");
    }
    assert_eq!(rows(&said[1])["total"], 0, "{}", said[1]);
}

#[test]
fn sql_sees_the_same() {
    let statements = [
        "SELECT * FROM instance",
        "SELECT id, document FROM volume",
        "SELECT * FROM tag",
        "SELECT * FROM change WHERE seq > 0",
        "SELECT * FROM action WHERE seq > 0",
        "SELECT * FROM relation",
        "SELECT * FROM freshness",
        "SELECT * FROM account",
        "SELECT i.id, v.id FROM instance i, volume v",
    ];
    let found = asked(statements.iter().map(|sql| tool("query_inventory", json!({"sql": sql}))).collect());
    for (sql, answer) in statements.iter().zip(&found) {
        hides(answer);
        assert!(rows(answer)["total"].as_u64().unwrap() > 0, "{sql}: {answer}");
    }
    assert_eq!(rows(&found[0])["total"], 2);
}

#[test]
fn relations_of_what_is_hidden_are_those_of_what_nobody_knows() {
    let said = asked(vec![
        tool("find_relations", json!({"kind": "vpc", "id": &*id(8).id})),
        tool("find_relations", json!({"kind": "instance", "id": &*id(0).id})),
        tool("find_relations", json!({"kind": "instance", "id": "i-0000000000000beef"})),
    ]);
    let alike = |said: &Value| said.to_string().replace(&*id(0).id, "ID").replace("i-0000000000000beef", "ID");
    assert_eq!(alike(&said[1]), alike(&said[2]));
    assert!(!said[0].to_string().contains(&*id(0).id), "{}", said[0]);
}

#[test]
fn history_begins_and_ends_with_what_was_seen() {
    let (left, hidden) = (id(4), id(0));
    let said = asked(vec![
        tool("list_changes", json!({"since": at(0).to_string(), "limit": 100})),
        tool("list_changes", json!({"since": at(0).to_string(), "id": &*left.id, "order": "oldest"})),
        tool("list_changes", json!({"since": at(0).to_string(), "id": &*hidden.id})),
        Question::Read("ec2://inventory/changes".to_owned()),
    ]);
    let whats: Vec<&str> =
        rows(&said[1])["changes"].as_array().unwrap().iter().map(|change| change["what"].as_str().unwrap()).collect();
    // It came with the right tags, lost them, and came back: the third time it is put it is of the team again.
    assert_eq!(whats, ["appeared", "removed", "appeared"], "{}", said[1]);
    for answer in [&said[0], &said[3]] {
        assert!(!answer.to_string().contains(&*hidden.id) && !answer.to_string().contains(ACCOUNTS[1]), "{answer}");
    }
    assert_eq!(said[2]["isError"], true, "{}", said[2]);
}

#[test]
fn the_end_of_a_call_tells_nothing_of_its_hidden_targets() {
    let said = asked(vec![
        tool("list_changes", json!({"since": at(0).to_string(), "cause": "action"})),
        tool("query_inventory", json!({"sql": "SELECT tool, outcome, message, request_id FROM action WHERE seq > 0"})),
    ]);
    for answer in &said {
        hides(answer);
        assert_ne!(answer["isError"], true, "{answer}");
        // That it was refused is told, and of what is hidden neither AWS's words nor the request by which to ask for them.
        let said = answer.to_string();
        assert!(said.contains("refused") && !said.contains("not in the right state"), "{said}");
        assert!(!said.contains("a-request"), "{said}");
    }
}

#[test]
fn completions_offer_what_is_seen() {
    let of = |name: &str, value: &str| {
        let uri = if name == "id" { "ec2://instance/{id}" } else { "ec2://inventory/{account}/{region}/{kind}" };
        Question::Complete(
            json!({"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": name, "value": value}}),
        )
    };
    let prompt = Question::Complete(json!({
        "ref": {"type": "ref/prompt", "name": "stopped_instance_savings"}, "argument": {"name": "tag", "value": ""}
    }));
    for answer in asked(vec![of("id", "i-"), of("id", "n"), of("account", ""), of("account", "2"), prompt]) {
        hides(&answer);
    }
}

#[test]
fn the_cursor_of_somebody_else_is_refused_like_that_of_another_log() {
    paused().block_on(async {
        let estate = estate();
        let theirs = estate.seen_by(&Visibility::of([Grant::of_accounts("all", ACCOUNTS)]));
        let own = estate.seen_by(&visibility(&payments()));
        let first = async |core: &Arc<Core>, cursor: Option<&str>| {
            let mut given = json!({"kind": "volume", "limit": 1});
            if let Some(cursor) = cursor {
                given["cursor"] = json!(cursor);
            }
            called(core, "search_inventory", given).await
        };
        let page = first(&theirs, None).await;
        let cursor = page["structuredContent"]["next_cursor"].as_str().unwrap().to_owned();
        assert_ne!(first(&theirs, Some(&cursor)).await["isError"], true);
        for other in [&own, &estate.core] {
            let refused = first(other, Some(&cursor)).await;
            assert!(refused.to_string().contains("belongs to an earlier store"), "{refused}");
        }
    });
}

/// Somebody who sees and may change what the grants hold.
fn somebody(grants: impl IntoIterator<Item = Grant>) -> Grantee {
    Grantee { visibility: Arc::new(Visibility::of(grants)), ..Grantee::unlimited("somebody") }
}

async fn client(world: &World, known: &Grantee) -> McpClient {
    let link = Link::socket(WritePolicy::of(true), Vec::new()).known_as(known, &known.name);
    let (read, write) = tokio::io::split(world.connect_over(link));
    McpClient::connect(read, write).await.unwrap()
}

/// A running instance is seen with a team's tag.
async fn tagged(world: &World, id: &str, team: &str, name: &str) {
    seen_in(world, id, team, name, "running").await;
}

/// An instance is seen in a state and with a team's tag.
async fn seen_in(world: &World, id: &str, team: &str, name: &str, state: &str) {
    let spec = kinds::INSTANCE;
    let document = json_document(&json!({
        "InstanceId": id, "State": {"Name": state},
        "Tags": [{"Key": "Name", "Value": name}, {"Key": "team", "Value": team}],
    }));
    let seen = Observation {
        source: Source::Refresh,
        at: world.core.now(),
        id: ResourceId::new(&scope(), &spec.kind(), id),
        seen: Seen::Described(Arc::new(document)),
    };
    world.core.ingest.observe(Lane::Tools, vec![seen], Cause::Refresh).await.unwrap();
    // Evidence is compared by its milliseconds.
    tokio::time::sleep(Duration::from_millis(5)).await;
}

fn of_team(writes: bool) -> Grant {
    Grant {
        name: "payments".into(),
        tags: [("team".to_owned(), TagValues::new(["payments*"]))].into(),
        writes,
        ..Grant::default()
    }
}

#[tokio::test]
async fn a_subscription_to_what_is_hidden_is_acknowledged_and_stays_silent() {
    const WAIT: Duration = Duration::from_secs(20);
    let world = World::small().await;
    let [hidden, seen, moving, unknown] =
        ["i-0aaaaaaaaaaaaaaa1", "i-0aaaaaaaaaaaaaaa2", "i-0aaaaaaaaaaaaaaa3", "i-0bad"];
    tagged(&world, hidden, "quarry", "a").await;
    tagged(&world, seen, "payments", "a").await;
    tagged(&world, moving, "quarry", "a").await;
    let client = client(&world, &somebody([of_team(false)])).await;
    let uri = |id: &str| format!("ec2://instance/{id}");
    let uris = [hidden, seen, moving, unknown].map(uri);
    let mut heard = client.listen(&uris.each_ref().map(String::as_str), false).await.unwrap();
    assert_eq!(heard.honoured(), uris, "what is hidden and what nobody knows are acknowledged alike");
    // Each round changes what is hidden first: what is heard next is of what is seen.
    tagged(&world, hidden, "quarry", "b").await;
    tagged(&world, seen, "payments", "b").await;
    assert_eq!(heard.next(WAIT).await.unwrap(), Some(uri(seen)));
    tagged(&world, hidden, "quarry", "c").await;
    tagged(&world, moving, "payments", "a").await;
    assert_eq!(heard.next(WAIT).await.unwrap(), Some(uri(moving)), "it came into sight");
    tagged(&world, moving, "quarry", "a").await;
    assert_eq!(heard.next(WAIT).await.unwrap(), Some(uri(moving)), "it went out of sight");
    tagged(&world, moving, "quarry", "b").await;
    tagged(&world, hidden, "quarry", "d").await;
    tagged(&world, seen, "payments", "c").await;
    assert_eq!(heard.next(WAIT).await.unwrap(), Some(uri(seen)), "and is silent from then on");
    let gone = client.read(&uri(moving)).await.unwrap_err().to_string();
    assert!(gone.contains("is gone"), "{gone}");
}

#[tokio::test]
async fn an_answer_that_leaves_out_what_is_hidden_comes_no_sooner_than_a_refusal() {
    let world = World::small().await;
    let [hidden, seen, unknown] = ["i-0aaaaaaaaaaaaaaa1", "i-0aaaaaaaaaaaaaaa2", "i-0aaaaaaaaaaaaaaa9"];
    tagged(&world, hidden, "quarry", "a").await;
    tagged(&world, seen, "payments", "a").await;
    let client = client(&world, &somebody([of_team(false)])).await;
    for other in [hidden, unknown] {
        let begun = tokio::time::Instant::now();
        let found = data(client.call("get_resource", json!({"ids": [seen, other]})).await.unwrap());
        let counted = ["resources", "not_known"].map(|part| found[part].as_array().unwrap().len());
        assert_eq!(counted, [1, 1], "{found}");
        assert!(begun.elapsed() >= Duration::from_millis(100));
    }
}

#[tokio::test]
async fn a_tool_changes_nothing_that_is_hidden_or_only_seen() {
    let world = World::small().await;
    let id = world.instance(&world.client(false).await, "stopped").await;
    let elsewhere = Grant::of_accounts("elsewhere", ["999999999999"]);
    let writing = |grant: Grant| Grant { writes: true, ..grant };
    let own = || Grant { accounts: Some([AccountId::new(ACCOUNT)].into()), name: "own".into(), ..Grant::default() };
    let call = async |grants: Vec<Grant>, id: &str| {
        let client = client(&world, &somebody(grants)).await;
        client.agree("start_instance", json!({"instance_ids": [id]})).await.unwrap()
    };
    // Of what is hidden, as of what nobody knows.
    for grants in [vec![writing(elsewhere.clone())], vec![writing(of_team(true))]] {
        let (hidden, unknown) = (call(grants.clone(), &id).await, call(grants, "i-00000000000000bad").await);
        let told =
            |result: &rmcp::model::CallToolResult| text(result).replace(&id, "ID").replace("i-00000000000000bad", "ID");
        assert_eq!(told(&hidden), told(&unknown));
        assert_eq!(hidden.structured_content.unwrap()["results"][0]["verdict"], "not_found");
    }
    let only_seen = call(vec![own(), writing(elsewhere)], &id).await;
    assert_eq!(only_seen.structured_content.unwrap()["results"][0]["verdict"], "policy_refused");
    // Without any grant that writes there are no tools that do.
    let reader = client(&world, &somebody([own()])).await;
    assert!(reader.tools().await.unwrap().iter().all(|tool| tool.name != "start_instance"));
    let refused = reader.call("start_instance", json!({"instance_ids": [&id]})).await.unwrap();
    assert!(text(&refused).contains("a grant with writes = true"), "{}", text(&refused));
    assert_eq!(world.simulator.world().requests("StartInstances"), 0);
    let done = data(call(vec![writing(own())], &id).await);
    assert_eq!(done["results"][0]["verdict"], "done", "{done}");
}

#[tokio::test]
async fn no_snapshot_is_made_of_volumes_that_the_caller_may_not_change() {
    let world = World::small().await;
    let id = world.instance(&world.client(false).await, "running").await;
    let of = |kinds: &[&str], writes: bool| Grant {
        name: kinds.join(" ").into(),
        accounts: Some([AccountId::new(ACCOUNT)].into()),
        kinds: Some(kinds.iter().map(|slug| kinds::by_slug(slug).unwrap().kind()).collect()),
        writes,
        ..Grant::default()
    };
    let own = || of(&["instance", "snapshot"], true);
    let team = Grant { kinds: Some([kinds::VOLUME.kind()].into()), ..of_team(true) };
    for grants in [vec![own()], vec![own(), of(&["volume"], false)], vec![own(), team]] {
        let client = client(&world, &somebody(grants)).await;
        for dry_run in [true, false] {
            let given = json!({"instance_id": id, "dry_run": dry_run});
            let refused = client.agree("create_snapshot", given).await.unwrap();
            let said = text(&refused).to_owned();
            let row = refused.structured_content.unwrap()["results"][0].take();
            assert_eq!(row["verdict"], "policy_refused", "{row}");
            assert!(row.to_string().contains("exclude them"), "{row}");
            assert!(!row.to_string().contains("vol-") && !said.contains("vol-"), "{row}: {said}");
        }
    }
    assert_eq!(world.simulator.world().requests("CreateSnapshots"), 0);
    let client = client(&world, &somebody([own(), of(&["volume"], true)])).await;
    let done = data(client.agree("create_snapshot", json!({"instance_id": id})).await.unwrap());
    assert_eq!(done["results"][0]["verdict"], "done", "{done}");
}

#[tokio::test]
async fn what_turns_where_nothing_is_seen_is_told_to_nobody() {
    const WAIT: Duration = Duration::from_secs(20);
    let world = World::small().await;
    let seen = "i-0aaaaaaaaaaaaaaa2";
    tagged(&world, seen, "payments", "a").await;
    let own = Grant { accounts: Some([AccountId::new(ACCOUNT)].into()), ..of_team(false) };
    let client = client(&world, &somebody([own])).await;
    let elsewhere = Scope { account: AccountId::new("999999999999"), region: scope().region };
    let collection = format!("ec2://inventory/{}/{}/instance", elsewhere.account, elsewhere.region);
    let uri = format!("ec2://instance/{seen}");
    let mut heard = client.listen(&[&uri, &collection], true).await.unwrap();
    // What is hidden turns or comes before each change of what is seen, which the list does not show.
    for (nth, state) in ["stopped", "running", "stopped"].into_iter().enumerate() {
        let topic = ChangeTopic::Collection { scope: elsewhere.clone(), kind: kinds::INSTANCE.kind() };
        world.core.hub.mark_with_list([topic]);
        tagged(&world, &format!("i-0aaaaaaaaaaaaaab{nth}"), "quarry", "a").await;
        seen_in(&world, seen, "payments", "a", state).await;
        assert_eq!(heard.next(WAIT).await.unwrap(), Some(uri.clone()));
    }
    tagged(&world, "i-0aaaaaaaaaaaaaaa3", "payments", "a").await;
    assert_eq!(heard.next(WAIT).await.unwrap(), None, "the list changed");
}

#[tokio::test]
async fn the_rule_that_refuses_a_change_is_told_without_what_it_names() {
    let world = World::small().await;
    let id = world.instance(&world.client(false).await, "stopped").await;
    let other = "999999999999";
    let accounts = WriteRule::Accounts([other.to_owned()].into());
    let tag = WriteRule::Tag { key: "customer".to_owned(), value: "acme".to_owned() };
    let denied = WriteRule::Deny(DeniedTarget::Region(scope().region.to_string()));
    for (rule, told, hidden) in [
        (accounts, "--write-account ...", other),
        (tag, "--write-tag ...", "acme"),
        (denied, "--deny-write region:", other),
    ] {
        let own = Grant { writes: true, ..Grant::of_accounts("own", [ACCOUNT]) };
        let link = Link::socket(WritePolicy::with([rule]), Vec::new());
        let link = Link { visibility: Visibility::of([own]), ..link };
        let (read, write) = tokio::io::split(world.connect_over(link));
        let client = McpClient::connect(read, write).await.unwrap();
        let refused = client.agree("start_instance", json!({"instance_ids": [&id]})).await.unwrap();
        let row = refused.structured_content.unwrap()["results"][0].take();
        assert_eq!(row["verdict"], "policy_refused", "{row}");
        let shown = client.read("ec2://inventory/summary").await.unwrap().to_string();
        let changes = client.call("list_changes", json!({"since": "-1h", "limit": 100})).await.unwrap();
        let from = world.core.store.snapshot().unwrap().seq().0.saturating_sub(5);
        let sql = json!({"sql": format!("SELECT * FROM action WHERE seq > {from}")});
        let actions = client.call("query_inventory", sql).await.unwrap();
        for said in [row.to_string(), shown, json!(changes).to_string(), json!(actions).to_string()] {
            assert!(said.contains(told) && !said.contains(hidden), "{said}");
        }
    }
}

#[tokio::test]
async fn what_aws_does_not_answer_is_told_alike_of_what_is_hidden_and_of_what_nobody_knows() {
    let world = World::small().await;
    let (hidden, unknown) = (world.instance(&world.client(false).await, "running").await, "i-00000000000000bad");
    let client = client(&world, &somebody([of_team(false)])).await;
    let asked = async |id: &str| {
        let live = client.call("get_resource", json!({"kind": "instance", "id": id, "live": true})).await.unwrap();
        let given = json!({"ids": [id], "until": "running", "wait_seconds": 1});
        let waited = client.call("wait_for", given).await.unwrap();
        [live, waited].map(|told| text(&told).replace(id, "ID"))
    };
    let ([live, waited], of_unknown) = (asked(&hidden).await, asked(unknown).await);
    assert_eq!([&live, &waited], of_unknown.each_ref());
    assert!(live.contains("AWS was asked just now") && waited.contains("check the id"), "{live}: {waited}");
    world.simulator.world().faults().patch(&json!({"denied": ["DescribeInstances"]})).unwrap();
    let ([live, waited], of_unknown) = (asked(&hidden).await, asked(unknown).await);
    assert_eq!([&live, &waited], of_unknown.each_ref());
    // That AWS knows no such instance would be a lie.
    for said in [live, waited] {
        assert!(said.contains("ec2:DescribeInstances") && !said.contains("check the id"), "{said}");
    }
}

#[tokio::test]
async fn a_failure_names_no_account_that_is_hidden() {
    let world = World::small().await;
    let own = Grant::of_accounts("own", [ACCOUNT]);
    let failed = Scope { region: crate::model::Region::new("eu-south-1"), ..scope() };
    let said = "ec2:DescribeInstances in eu-south-1: UnauthorizedOperation: arn:aws:sts::999999999999:assumed-role/muster may not";
    world.fail_in(&failed, kinds::INSTANCE, said).await;
    let (client, all) = (client(&world, &somebody([own])).await, world.client(false).await);
    for uri in ["ec2://inventory/summary", "ec2://inventory/freshness"] {
        let (own, whole) = (client.read(uri).await.unwrap().to_string(), all.read(uri).await.unwrap().to_string());
        assert!(whole.contains("999999999999"), "{whole}");
        assert!(own.contains("[hidden] may not") && !own.contains("999999999999"), "{own}");
    }
    let found = json!(client.call("search_inventory", json!({"kind": "instance"})).await.unwrap()).to_string();
    assert!(found.contains("UnauthorizedOperation") && !found.contains("999999999999"), "{found}");
}

#[tokio::test]
async fn a_change_of_tags_tells_the_list_once_to_who_sees_it_come_and_go() {
    const WAIT: Duration = Duration::from_secs(20);
    let world = World::small().await;
    let [hidden, seen, moving] = ["i-0aaaaaaaaaaaaaaa1", "i-0aaaaaaaaaaaaaaa2", "i-0aaaaaaaaaaaaaaa3"];
    tagged(&world, hidden, "quarry", "a").await;
    tagged(&world, seen, "payments", "a").await;
    tagged(&world, moving, "quarry", "a").await;
    let client = client(&world, &somebody([of_team(false)])).await;
    let [of_seen, of_moving] = [seen, moving].map(|id| format!("ec2://instance/{id}"));
    let mut heard = client.listen(&[of_seen.as_str(), of_moving.as_str()], true).await.unwrap();
    for (team, what) in
        [("payments", "it came into sight"), ("quarry", "it went out of sight"), ("payments", "it came back")]
    {
        // What is hidden gets another name, and other tags.
        tagged(&world, hidden, "quarry", what).await;
        tagged(&world, moving, team, "a").await;
        assert_eq!(heard.next(WAIT).await.unwrap(), Some(of_moving.clone()), "{what}");
        assert_eq!(heard.next(WAIT).await.unwrap(), None, "{what}, and the list changed");
        // Neither other tags of what is hidden nor those of what is seen change the list.
        tagged(&world, hidden, "quarries", what).await;
        tagged(&world, seen, if team == "quarry" { "payments" } else { "payments-eu" }, "a").await;
        assert_eq!(heard.next(WAIT).await.unwrap(), Some(of_seen.clone()), "{what}");
    }
    tagged(&world, seen, "payments-eu", "b").await;
    assert_eq!(heard.next(WAIT).await.unwrap(), Some(of_seen), "it has another name");
    assert_eq!(heard.next(WAIT).await.unwrap(), None, "the list shows it");
}

#[tokio::test]
async fn figures_that_grow_with_what_is_hidden_are_left_out() {
    let world = World::small().await;
    let by_tags = client(&world, &somebody([of_team(false)])).await;
    let all = world.client(false).await;
    for name in ["summary", "freshness"] {
        let uri = format!("ec2://inventory/{name}");
        let (own, whole) = (by_tags.read(&uri).await.unwrap().to_string(), all.read(&uri).await.unwrap().to_string());
        for figure in ["\"aws_calls\"", "\"sweep_seconds\"", "\"seen\""] {
            assert!(whole.contains(figure) && !own.contains(figure), "{figure} of {uri}: {own}");
        }
    }
    assert!(data(by_tags.call("get_inventory_summary", json!({})).await.unwrap()).get("aws_calls").is_none());
}

//! The rules for writes, on the simulator: what the client sees, what AWS sees, and what the log holds.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use super::super::gate::WriteGate;
use super::super::write_through::LiveInstance;
use super::*;
use crate::mcp::call_origin::CallOrigin;
use crate::mcp::client::McpClient;
use crate::mcp::policy::ServerPolicy;
use crate::mcp::{McpServer, tests::World};
use crate::model::fixtures::scope;
use crate::model::{self, Document, Map, ResourceId};
use crate::policy::{DeniedTarget, WriteCap, WritePolicy, WriteRule};

fn tag(key: &str, value: &str) -> WriteRule {
    WriteRule::Tag { key: key.to_owned(), value: value.to_owned() }
}

fn deny(text: &str) -> WriteRule {
    WriteRule::Deny(text.parse::<DeniedTarget>().unwrap())
}

fn cap(instances: usize) -> WriteRule {
    WriteRule::Cap(WriteCap { instances, window: Duration::from_hours(1) })
}

/// A client of a server with these rules, with rules of its own.
async fn ruled(world: &mut World, server: &[WriteRule], connection: &[WriteRule]) -> McpClient {
    let with = |rules: &[WriteRule]| WritePolicy::with(rules.iter().cloned());
    let policy = ServerPolicy { writes: with(server), ..ServerPolicy::permitting(true) };
    world.server = McpServer::new(world.readiness.subscribe(), policy, TaskTracker::new(), world.stop.clone());
    world.client_with(with(connection)).await
}

/// How many actions the log holds.
fn requested(world: &World) -> usize {
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    records.iter().filter(|record| matches!(record.event, Event::ActionRequested { .. })).count()
}

/// How many calls that change something AWS got.
fn called(world: &World) -> u64 {
    let changing = ["StartInstances", "StopInstances", "RebootInstances", "CreateSnapshots"];
    changing.iter().map(|action| world.simulator.world().requests(action)).sum()
}

/// The refusals in the log: the rule, and the instances.
fn refusals(world: &World) -> Vec<(String, Vec<String>)> {
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let refusals = records.into_iter().filter_map(|record| match record.event {
        Event::ActionRefused { rule, attempt, .. } => {
            Some((rule, attempt.targets.iter().map(|target| target.id.to_string()).collect()))
        }
        _ => None,
    });
    refusals.collect()
}

fn verdicts(told: &Value) -> Vec<&str> {
    told["results"].as_array().unwrap().iter().map(|row| row["verdict"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_a_rule_refuses_is_said_by_name_and_neither_called_nor_recorded() {
    let mut world = World::small().await;
    let id = { world.instance(&world.client(false).await, "running").await };
    world.simulator.world().home().set_tag(&id, "Env", "prod").unwrap();
    let region = |name: &str| WriteRule::Regions([name.to_owned()].into());
    let account = |number: &str| WriteRule::Accounts([number.to_owned()].into());
    for (rule, part) in [
        (tag("mcp-managed", "true"), "does not have that tag"),
        (tag("Env", "dev"), "the value `prod`"),
        (deny("tag:Env=prod"), "that is denied"),
        (deny("tag:Env"), "that is denied"),
        (deny(&format!("instance:{id}")), "that is denied"),
        (region("eu-west-1"), "in another region"),
        (account("210987654321"), "in another account"),
        (cap(0), "0 other instances"),
    ] {
        let said_rule = rule.to_string();
        let all = WriteRule::Writes(true);
        for (server, connection, place) in
            [(&rule, &all, "the running Muster server (pid"), (&all, &rule, "arguments of `muster mcp`")]
        {
            let client = ruled(&mut world, from_ref(server), from_ref(connection)).await;
            for (tool, dry_run) in [("stop_instance", false), ("create_snapshot", false), ("reboot_instance", true)] {
                let arguments = json!({"instance_id": id, "dry_run": dry_run});
                let result = client.agree(tool, arguments).await.unwrap();
                let said = text(&result).to_owned();
                let told = result.structured_content.unwrap();
                assert_eq!((result.is_error, verdicts(&told)), (Some(true), vec!["policy_refused"]), "{said}");
                for part in [said_rule.as_str(), part, place, "Muster's own rule", "a person"] {
                    assert!(said.contains(part), "{part} is not in: {said}");
                }
            }
        }
    }
    assert_eq!((called(&world), requested(&world)), (0, 0));
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let rules = records.iter().filter_map(|record| match &record.event {
        Event::ActionRefused { rule, attempt, .. } => Some((rule.as_str(), attempt.targets[0].id.to_string())),
        _ => None,
    });
    let rules: HashSet<(&str, String)> = rules.collect();
    for rule in ["--deny-write tag:Env=prod (server)", "--write-tag Env=dev (connection)", "--write-cap 0/1h (server)"]
    {
        assert!(rules.contains(&(rule, id.clone())), "{rule} is not in {rules:?}");
    }
}

#[tokio::test]
async fn each_instance_is_judged_by_itself_by_what_aws_shows_of_it_now() {
    let mut world = World::small().await;
    let ids = world.simulator.world().home().instance_ids_in("running");
    // The copy does not know of these tags.
    world.simulator.world().home().set_tag(&ids[0], "mcp-managed", "true").unwrap();
    let client = ruled(&mut world, &[tag("mcp-managed", "true")], &[]).await;
    let arguments = json!({"instance_ids": [ids[1], ids[0]]});
    let result = client.agree("stop_instance", arguments).await.unwrap();
    let told = data(result);
    conforms(&stop_instance::SPEC, &told);
    assert_eq!(verdicts(&told), ["policy_refused", "done"], "in the order in which they were named: {told}");
    assert_eq!(world.simulator.world().home().state(&ids[1]), Some("running"));
    assert_eq!(requested(&world), 1);
    // The copy still knows of this tag, and AWS does not any more.
    world.simulator.world().home().remove_tag(&ids[0], "mcp-managed").unwrap();
    let result = client.agree("start_instance", json!({"instance_id": ids[0]})).await.unwrap();
    assert_eq!(verdicts(&result.structured_content.unwrap()), ["policy_refused"]);
}

#[tokio::test]
async fn while_aws_leaves_out_all_tags_nothing_that_depends_on_one_is_allowed() {
    let mut world = World::small().await;
    let id = { world.instance(&world.client(false).await, "running").await };
    world.simulator.world().home().set_tag(&id, "Env", "prod").unwrap();
    world.sweep_kind(INSTANCE, usize::MAX).await;
    world.simulator.world().faults().patch(&json!({"lose_tags": {"share": 1.0, "by_id": true}})).unwrap();
    let client = ruled(&mut world, &[deny("tag:Env=prod")], &[]).await;
    let result = client.agree("stop_instance", json!({"instance_id": id})).await.unwrap();
    let said = text(&result).to_owned();
    assert_eq!(verdicts(&result.structured_content.unwrap()), ["policy_refused"], "{said}");
    assert!(said.contains("without any tag"), "{said}");
    // The copy may have lost them as well, or not know the instance.
    world.sweep_kind(INSTANCE, usize::MAX).await;
    let fresh = world.simulator.world().home().launch();
    tokio::time::sleep(Duration::from_millis(400)).await;
    for id in [id, fresh] {
        let result = client.agree("stop_instance", json!({"instance_id": id})).await.unwrap();
        assert_eq!(verdicts(&result.structured_content.unwrap()), ["policy_refused"], "{id}");
    }
    assert_eq!(called(&world), 0);
}

#[tokio::test]
async fn an_instance_without_any_tag_is_looked_at_twice_before_a_denial_lets_it_pass() {
    let mut world = World::small().await;
    let lose = |share: f64| json!({"lose_tags": {"share": share, "by_id": true}});
    world.simulator.world().faults().patch(&lose(1.0)).unwrap();
    let fresh = world.simulator.world().home().launch();
    // The first listing that shows it has lost its tags as well.
    world.sweep_kind(INSTANCE, usize::MAX).await;
    world.simulator.world().home().set_tag(&fresh, "Env", "prod").unwrap();
    let client = ruled(&mut world, &[deny("tag:Env=prod")], &[]).await;
    let heal = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.simulator.world().faults().patch(&lose(0.0)).unwrap();
    };
    let (result, ()) = tokio::join!(client.call("create_snapshot", json!({"instance_id": fresh})), heal);
    let result = result.unwrap();
    assert!(text(&result).contains("that is denied"), "{}", text(&result));
    assert_eq!(called(&world), 0);
}

#[tokio::test]
async fn what_the_second_look_shows_decides_whether_a_call_counts() {
    let world = World::small().await;
    let id = world.simulator.world().home().instance_ids_in("running").remove(0);
    world.simulator.world().home().set_tag(&id, "mcp-managed", "true").unwrap();
    let rules = WritePolicy::with([tag("mcp-managed", "true"), cap(0)]);
    let writes = ServerPolicy { writes: rules, ..ServerPolicy::permitting(true) }.writes(&WritePolicy::of(true));
    let (core, origin) = (Arc::clone(&world.core), CallOrigin::default());
    let gate = WriteGate { core, writes, origin, spec: &stop_instance::SPEC, dry_run: true };
    // AWS showed it at first without any tag, and stopped.
    let fields = Map::from([("State", model::Value::Map(Map::from([("Name", "stopped".into())])))]);
    let id = ResourceId::new(&scope(), &INSTANCE.kind(), id.as_str());
    let seen = LiveInstance { id, document: Arc::new(Document::new(fields)) };
    let gated = gate.pass(vec![seen], |target| target.state() == "running").await.unwrap();
    let rules: Vec<&str> = gated.refused.iter().map(|refused| refused.rule.as_str()).collect();
    assert_eq!((gated.allowed.len(), rules), (0, vec!["--write-cap 0/1h (server)"]));
}

#[tokio::test]
async fn a_cap_counts_different_instances_over_calls_connections_and_servers() {
    let mut world = World::swept(simulator::Options { instances: 24, ..fast() }, ListMode::Auto).await;
    let ids = world.simulator.world().home().instance_ids_in("running");
    let client = ruled(&mut world, &[cap(2)], &[]).await;
    let tried = data(client.agree("stop_instance", json!({"instance_ids": ids[..4], "dry_run": true})).await.unwrap());
    let expected = ["would_be_allowed", "would_be_allowed", "policy_refused", "policy_refused"];
    assert_eq!(verdicts(&tried), expected, "a dry run says what would come of it, and counts nothing");
    let first = data(client.agree("reboot_instance", json!({"instance_ids": ids[..1]})).await.unwrap());
    assert_eq!(verdicts(&first), ["done"]);
    let again = data(client.agree("reboot_instance", json!({"instance_ids": ids[..3]})).await.unwrap());
    assert_eq!(verdicts(&again), ["done", "done", "policy_refused"], "the first counts once");
    drop(client);
    // Another connection, to a server that knows nothing but the log.
    let fresh = ruled(&mut world, &[cap(2)], &[]).await;
    let result = fresh.agree("stop_instance", json!({"instance_id": ids[3]})).await.unwrap();
    assert!(text(&result).contains("2 other instances were changed within that time"), "{}", text(&result));
    assert_eq!(
        data(fresh.agree("stop_instance", json!({"instance_id": ids[0]})).await.unwrap())["results"][0]["verdict"],
        "done"
    );
    assert_eq!(called(&world), 3 + 1, "one dry run, two reboots and a stop");
}

#[tokio::test]
async fn calls_at_the_same_moment_do_not_pass_a_cap_together() {
    let mut world = World::swept(simulator::Options { instances: 24, ..fast() }, ListMode::Auto).await;
    let ids = world.simulator.world().home().instance_ids_in("running");
    let client = ruled(&mut world, &[cap(3)], &[]).await;
    let calls = ids[..10].iter().map(|id| client.agree("stop_instance", json!({"instance_id": id})));
    let answers = futures::future::join_all(calls).await;
    let done = answers.into_iter().filter(|answer| answer.as_ref().unwrap().is_error != Some(true)).count();
    assert_eq!((done, called(&world), requested(&world)), (3, 3, 3));
}

#[tokio::test]
async fn what_only_adds_can_be_allowed_alone_and_the_other_tools_do_not_exist_then() {
    let mut world = World::small().await;
    let id = { world.instance(&world.client(false).await, "running").await };
    let client = ruled(&mut world, &[WriteRule::Tools(["snapshot".to_owned()].into())], &[]).await;
    let tools: Vec<String> = client.tools().await.unwrap().iter().map(|tool| tool.name.to_string()).collect();
    assert!(tools.contains(&"create_snapshot".to_owned()) && !tools.contains(&"stop_instance".to_owned()), "{tools:?}");
    let result = client.agree("stop_instance", json!({"instance_id": id})).await.unwrap();
    assert_eq!(result.is_error, Some(true));
    for part in ["--allow-writes=snapshot", "a person", "the running Muster server (pid"] {
        assert!(text(&result).contains(part), "{part} is not in: {}", text(&result));
    }
    assert!(!text(&result).contains("muster restart"), "{}", text(&result));
    assert!(refusals(&world).iter().any(|(rule, _)| rule == "--allow-writes=snapshot (server)"));
    assert_eq!(verdicts(&data(client.agree("create_snapshot", json!({"instance_id": id})).await.unwrap())), ["done"]);
    let summary = data(client.call("get_inventory_summary", json!({})).await.unwrap());
    conforms(&get_inventory_summary::SPEC, &summary);
    assert_eq!(summary["writes"]["rules"], json!([{"rule": "--allow-writes=snapshot", "of": "server"}]));
}

#[tokio::test]
async fn where_a_person_is_demanded_a_client_that_can_ask_nobody_gets_no_token_and_what_needs_none_goes_on() {
    let mut world = World::small().await;
    let (running, stopped) = {
        let client = world.client(false).await;
        (world.instance(&client, "running").await, world.instance(&client, "stopped").await)
    };
    let all = [WriteRule::Writes(true)];
    for (server, connection, place) in [
        (&[WriteRule::Human][..], &all[..], "the running Muster server (pid"),
        (&all, &[WriteRule::Human], "arguments of `muster mcp`"),
    ] {
        let client = ruled(&mut world, server, connection).await;
        for token in [None, Some("invented")] {
            let arguments = json!({"instance_ids": [running, stopped], "confirmation": token});
            let result = client.call("stop_instance", arguments).await.unwrap();
            let said = text(&result).to_owned();
            let told = result.structured_content.unwrap();
            conforms(&stop_instance::SPEC, &told);
            assert!(told.get("confirmation").is_none(), "no token: {told}");
            if token.is_none() {
                assert_eq!(verdicts(&told), ["policy_refused", "unconfirmed"], "{told}");
                for part in ["--require-human", place, "a person", "AWS was not called"] {
                    assert!(said.contains(part), "{part} is not in: {said}");
                }
            }
        }
        // What is there already needs no confirmation, and neither does what interrupts nothing.
        let already = data(client.call("stop_instance", json!({"instance_id": stopped})).await.unwrap());
        assert_eq!(verdicts(&already), ["already"]);
        let made = data(client.call("create_snapshot", json!({"instance_id": running})).await.unwrap());
        assert_eq!(verdicts(&made), ["done"]);
        let tried = data(client.call("stop_instance", json!({"instance_id": running, "dry_run": true})).await.unwrap());
        assert_eq!(verdicts(&tried), ["would_be_allowed"]);
    }
    let rules = refusals(&world);
    for rule in ["--require-human (server)", "--require-human (connection)"] {
        assert!(rules.contains(&(rule.to_owned(), vec![running.clone()])), "{rule}: {rules:?}");
    }
    assert_eq!(called(&world), 4, "two snapshots and two dry runs");
}

#[tokio::test]
async fn a_connection_that_requires_an_audit_file_changes_nothing_through_a_server_without_one() {
    let mut world = World::small().await;
    let client = ruled(&mut world, &[], &[WriteRule::Audit]).await;
    let id = world.instance(&client, "running").await;
    let result = client.agree("create_snapshot", json!({"instance_id": id})).await.unwrap();
    assert_eq!(result.is_error, Some(true));
    for part in ["--audit-required", "writes no audit file", "arguments of `muster mcp`", "a person can mend that"] {
        assert!(text(&result).contains(part), "{part} is not in: {}", text(&result));
    }
    assert_eq!(refusals(&world)[0].0, "--audit-required (connection)");
    assert_eq!((called(&world), requested(&world)), (0, 0));
    let without = ruled(&mut world, &[], &[]).await;
    assert_eq!(without.agree("create_snapshot", json!({"instance_id": id})).await.unwrap().is_error, Some(false));
}

#[tokio::test]
async fn what_aws_denies_or_throttles_is_never_told_as_a_rule_of_musters() {
    let mut world = World::small().await;
    let client = ruled(&mut world, &[deny("tag:Env=prod"), cap(5)], &[]).await;
    let id = world.instance(&client, "running").await;
    for (status, code) in [(403, "UnauthorizedOperation"), (503, "RequestLimitExceeded")] {
        world.simulator.world().fail("StopInstances", status, code, "no");
        let result = client.agree("stop_instance", json!({"instance_id": id})).await.unwrap();
        let said = text(&result).to_owned();
        assert_eq!(verdicts(&result.structured_content.unwrap()), ["refused"], "{said}");
        assert!(!said.contains("Muster's own rule") && said.contains(code), "{said}");
        world.simulator.world().heal("StopInstances");
    }
    assert_eq!(requested(&world), 2);
}

#[tokio::test]
async fn without_a_live_look_nothing_is_changed() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    world.simulator.world().fail("DescribeInstances", 500, "InternalError", "no");
    for tool in ["stop_instance", "reboot_instance", "create_snapshot"] {
        let result = client.agree(tool, json!({"instance_id": id})).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{}", text(&result));
    }
    assert_eq!((called(&world), requested(&world)), (0, 0));
}

#[tokio::test]
async fn a_dry_run_shows_what_would_happen() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    world.simulator.world().home().set_tag(&id, "aws:autoscaling:groupName", "web").unwrap();
    let result = client.agree("stop_instance", json!({"instance_id": id, "dry_run": true})).await.unwrap();
    let said = text(&result).to_owned();
    let told = data(result);
    conforms(&stop_instance::SPEC, &told);
    let planned = &told["plan"]["instances"][0];
    assert_eq!((&planned["instance_id"], &planned["state"]), (&json!(id), &json!("running")));
    assert_eq!(planned["auto_scaling_group"], "web");
    assert!(said.contains("Auto Scaling group `web`, which may terminate a stopped instance"), "{said}");
    let result = client.agree("create_snapshot", json!({"instance_id": id, "dry_run": true})).await.unwrap();
    let told = data(result);
    conforms(&create_snapshot::SPEC, &told);
    let volume = told["plan"]["instances"][0]["volumes"][0]["volume_id"].as_str().unwrap();
    assert!(told["plan"]["instances"][0]["effects"][0].as_str().unwrap().contains(volume), "{told}");
    assert_eq!(requested(&world), 0);
}

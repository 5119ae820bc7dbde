mod accounts;
mod awaited;
mod changes;
mod columns;
mod coverage;
mod elements;
mod expired;
mod fate;
mod health;
mod hostile;
mod keyed;
mod past;
mod policy;
mod questions;
mod records;
mod refused;
mod resources;
mod sql;
mod strangers;
mod wait;
mod zeros;

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Value, json};

use super::budget::BUDGET;
use super::tokens::tokens;
use super::*;
use crate::kinds::INSTANCE;
use crate::mcp::ListMode;
use crate::mcp::error::CODE;
use crate::mcp::tests::{World, data, fast, text};
use crate::model::{ActionOutcome, Event, FailureCode, Seq};
use crate::simulator;

/// Where a value does not conform to a schema: types, required fields, enums, and unexpected fields.
fn violations(path: &str, schema: &Value, value: &Value, found: &mut Vec<String>) {
    let kind = schema["type"].as_str().unwrap_or_default();
    let fits = match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("{path}: schema type {other:?}"),
    };
    if !fits {
        found.push(format!("{path}: {value} is no {kind}"));
        return;
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        found.push(format!("{path}: {value} is none of {allowed:?}"));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            found.push(format!("{path}.{name} is missing"));
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => violations(&path, schema, field, found),
            // An object without described fields holds anything.
            (None, None) if schema.get("properties").is_none() => {}
            (None, None) => found.push(format!("{path} is not in the schema")),
        }
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        violations(&format!("{path}[{at}]"), &schema["items"], item, found);
    }
}

#[track_caller]
pub(super) fn conforms(spec: &ToolSpec, value: &Value) {
    let mut found = Vec::new();
    violations(spec.name, &Value::Object(spec.output.json().as_ref().clone()), value, &mut found);
    // The summary resource's body has more than the tool promises.
    found.retain(|violation| !violation.ends_with("is not in the schema") || spec.name != "get_inventory_summary");
    assert!(found.is_empty(), "{found:#?}");
}

fn every_schema(schema: &Value, look: &mut impl FnMut(&Value)) {
    look(schema);
    for name in ["properties", "patternProperties"] {
        schema[name].as_object().into_iter().flatten().for_each(|(_, schema)| every_schema(schema, look));
    }
    for name in ["items", "additionalProperties"] {
        if let Some(schema) = schema.get(name) {
            every_schema(schema, look);
        }
    }
}

#[test]
fn rules_know_which_tools_only_add() {
    let adding: Vec<&str> = TOOLS.iter().filter(|spec| spec.only_adds()).map(|spec| spec.name).collect();
    assert_eq!(adding, crate::policy::write_rule::ADDING);
}

#[test]
fn schemas_are_the_committed_ones() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schemas.json");
    let now = format!("{:#}\n", serde_json::to_value(listed(&Writes::allowed())).unwrap());
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == now,
        "tool schemas changed: look at what clients will see with UPDATE_SCHEMA=1, then commit it"
    );
}

#[test]
fn every_tool_is_described_hinted_and_rooted_in_objects_without_null_or_boolean_schemas() {
    let mut names = HashSet::new();
    for tool in listed(&Writes::allowed()) {
        assert!(names.insert(tool.name.to_string()), "{} twice", tool.name);
        assert!(tool.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{}", tool.name);
        assert!(tool.title.is_some() && tool.description.as_ref().is_some_and(|text| text.len() > 80));
        let hints = tool.annotations.clone().unwrap();
        let all = [hints.read_only_hint, hints.destructive_hint, hints.idempotent_hint, hints.open_world_hint];
        assert!(all.iter().all(Option::is_some), "{}", tool.name);
        let output = Value::Object(tool.output_schema.as_deref().cloned().unwrap());
        for schema in [tool.schema_as_json_value(), output] {
            assert_eq!(schema["type"], "object", "{}", tool.name);
            every_schema(&schema, &mut |schema| {
                assert!(schema.is_object(), "{}: boolean schema", tool.name);
                assert!(schema["type"].is_string(), "{}: {schema} has no single type", tool.name);
            });
        }
    }
}

#[test]
fn each_tool_file_is_registered() {
    let names: HashSet<&str> = TOOLS.iter().map(|spec| spec.name).collect();
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/mcp/tools");
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let Some(stem) = path.file_stem().and_then(|stem| stem.to_str()) else { continue };
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if stem != "tests" && text.contains("pub static SPEC: ToolSpec") {
            assert!(names.contains(stem), "{stem} is not in TOOLS");
        }
    }
}

#[tokio::test]
async fn search_answers_the_same_rows_as_text_and_as_data_and_pages_to_the_end() {
    let world = World::small().await;
    let client = world.client(false).await;
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let arguments = json!({"filters": {"instance-state-name": ["r*", "stopped"]}, "limit": 5, "cursor": cursor});
        let result = client.call("search_inventory", arguments).await.unwrap();
        let said = text(&result).to_owned();
        let found = data(result);
        conforms(&search_inventory::SPEC, &found);
        assert_eq!(found["total"], 12);
        for row in found["rows"].as_array().unwrap() {
            assert!(
                said.contains(row["id"].as_str().unwrap()) && said.contains(row["type"].as_str().unwrap()),
                "{said}"
            );
            seen.push(row["id"].clone());
        }
        match found.get("next_cursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    assert_eq!(seen.len(), 12);
    assert_eq!(seen.iter().map(ToString::to_string).collect::<HashSet<_>>().len(), 12);
}

#[tokio::test]
async fn a_page_is_cut_to_the_budget_and_goes_on_after_the_cut() {
    let world = World::swept(simulator::Options { instances: 600, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let first = client.call("search_inventory", json!({"limit": 500})).await.unwrap();
    assert!(tokens(text(&first)) <= BUDGET);
    let first = data(first);
    assert!(tokens(&first.to_string()) <= BUDGET);
    let shown = first["rows"].as_array().unwrap().len();
    assert!((50..500).contains(&shown), "{shown}");
    let arguments = json!({"limit": 500, "cursor": first["next_cursor"]});
    let second = data(client.call("search_inventory", arguments).await.unwrap());
    assert!(second["rows"][0]["id"].as_str() > first["rows"][shown - 1]["id"].as_str());
}

#[tokio::test]
async fn columns_can_be_chosen_for_every_kind() {
    // So many that there is one of every kind.
    let world = World::swept(simulator::Options { instances: 200, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    for kind in crate::kinds::KINDS {
        let found = data(client.call("search_inventory", json!({"kind": kind.slug})).await.unwrap());
        conforms(&search_inventory::SPEC, &found);
        assert!(found["total"].as_u64() > Some(0), "{}", kind.slug);
        let uri = found["rows"][0]["uri"].clone();
        let resource = client.call("get_resource", json!({"uri": uri})).await.unwrap();
        assert!(tokens(text(&resource)) <= BUDGET);
        let resource = data(resource);
        conforms(&get_resource::SPEC, &resource);
        assert_eq!(resource["kind"], kind.slug);
    }
    let fields = json!({"fields": ["tag:Name", "image-id", "state"], "limit": 1});
    let found = data(client.call("search_inventory", fields).await.unwrap());
    assert!(found["rows"][0]["image-id"].is_string() && found["rows"][0].get("type").is_none(), "{found}");
    let paths = json!({"id": found["rows"][0]["id"], "paths": ["State.Name", "Nothing"]});
    let resource = data(client.call("get_resource", paths).await.unwrap());
    assert_eq!(resource["document"].as_object().unwrap().keys().collect::<Vec<_>>(), ["State.Name"]);
    assert_eq!(resource["not_found"], json!(["Nothing"]));
    conforms(&get_resource::SPEC, &resource);
    let paths = json!({"id": found["rows"][0]["id"], "paths": ["Nothing"]});
    let refused = client.call("get_resource", paths).await.unwrap();
    assert_eq!(refused.is_error, Some(true));
    assert!(
        text(&refused).starts_with("no field `Nothing`") && text(&refused).contains("Fields: "),
        "{}",
        text(&refused)
    );
    assert!(text(&refused).contains("InstanceId") && text(&refused).contains("State"), "{}", text(&refused));
    let twice = json!({"fields": ["state", "state"], "limit": 1});
    let twice = client.call("search_inventory", twice).await.unwrap();
    assert!(text(&twice).contains("id | state\n"), "{}", text(&twice));
}

#[tokio::test]
async fn status_and_summary_conform_and_say_what_is_wrong() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let arguments = json!({"instance_ids": [id, "i-0000000000000dead"]});
    let result = client.call("get_instance_status", arguments).await.unwrap();
    assert!(text(&result).contains("i-0000000000000dead: no EC2 instance"), "{}", text(&result));
    assert!(result.meta.as_ref().is_none_or(|meta| meta.get(CODE).is_none()), "something is known");
    let found = data(result);
    conforms(&get_instance_status::SPEC, &found);
    assert_eq!(found["instances"][0]["state"], "running");
    assert!(found["instances"][1]["error"].is_string());
    let result = client.call("get_instance_status", json!({"instance_id": "i-0000000000000dead"})).await.unwrap();
    assert_eq!(result.is_error, Some(true), "nothing of what was asked is known");
    let result = client.call("get_inventory_summary", json!({})).await.unwrap();
    assert!(text(&result).contains("instance | 123456789012 | us-east-1 | 12 | "), "{}", text(&result));
    assert!(text(&result).contains("Writes are off"), "{}", text(&result));
    conforms(&get_inventory_summary::SPEC, &data(result));
}

#[tokio::test]
async fn what_sweeps_lack_is_served_with_the_time_since_when_and_how_often() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let resource = data(client.call("get_resource", json!({"id": id})).await.unwrap());
    assert!(resource.get("missing").is_none(), "{resource}");
    world.simulator.world().home().forget(&id).unwrap();
    let mut since = Value::Null;
    for sweeps in 1..=3 {
        world.sweep().await;
        let answer = client.call("get_resource", json!({"id": id})).await.unwrap();
        let said = text(&answer).to_owned();
        let resource = data(answer);
        conforms(&get_resource::SPEC, &resource);
        let missing = &resource["missing"];
        assert_eq!(missing["sweeps"], sweeps, "{said}");
        assert!(said.contains(&format!("Missing since {}: the last ", missing["since"].as_str().unwrap())), "{said}");
        assert!(since.is_null() || since == missing["since"], "the first of them: {missing}");
        since = missing["since"].clone();

        let found = client.call("search_inventory", json!({"filters": {"instance-id": id}})).await.unwrap();
        assert!(text(&found).contains(&format!("from {sweeps} sweeps")), "{}", text(&found));
        let found = data(found);
        conforms(&search_inventory::SPEC, &found);
        assert_eq!(found["rows"][0]["missing_since"], since);
        assert_eq!(found["rows"][0]["missing_sweeps"], sweeps.to_string());
    }
    let summary = client.call("get_inventory_summary", json!({})).await.unwrap();
    let first = format!("the first since {}", since.as_str().unwrap());
    assert!(text(&summary).contains(&first), "{}", text(&summary));
    conforms(&get_inventory_summary::SPEC, &data(summary));
    let others = data(client.call("search_inventory", json!({})).await.unwrap());
    let missing = others["rows"].as_array().unwrap().iter().filter(|row| row.get("missing_since").is_some());
    assert_eq!(missing.count(), 1, "only that one");
}

#[tokio::test]
async fn stop_and_start_write_through_and_what_is_so_already_is_an_answer() {
    let world = World::small().await;
    let client = world.client(true).await;
    let (running, stopped) = (world.instance(&client, "running").await, world.instance(&client, "stopped").await);
    let arguments = json!({"instance_ids": [running, stopped, "i-0000000000000dead"]});
    let result = client.agree("stop_instance", arguments).await.unwrap();
    let said = text(&result).to_owned();
    let report = data(result);
    conforms(&stop_instance::SPEC, &report);
    let verdicts: Vec<&str> =
        report["results"].as_array().unwrap().iter().map(|row| row["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["done", "already", "not_found"], "{said}");
    assert_eq!(report["results"][0]["previous_state"], "running");
    assert_eq!(report["results"][0]["current_state"], "stopping");
    let seq = report["seq"].as_u64().unwrap();
    let body = client.read(&format!("ec2://instance/{running}")).await.unwrap();
    assert_eq!(body["document"]["State"]["Name"], "stopping");
    assert!(body["seq"].as_u64().unwrap() >= seq);
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let requested = records
        .iter()
        .position(|record| matches!(&record.event, Event::ActionRequested { tool, .. } if tool == "stop_instance"));
    let finished = records.iter().position(|record| {
        matches!(&record.event, Event::ActionFinished { outcome: ActionOutcome::Succeeded { .. }, .. })
    });
    assert!(requested.is_some() && requested < finished);

    let refused = client.agree("start_instance", json!({"instance_id": running})).await.unwrap();
    assert_eq!(refused.is_error, Some(true));
    assert!(text(&refused).contains("still stopping"), "{}", text(&refused));
    conforms(&start_instance::SPEC, refused.structured_content.as_ref().unwrap());
    let started = data(client.agree("start_instance", json!({"instance_ids": [stopped]})).await.unwrap());
    assert_eq!(started["results"][0]["current_state"], "pending");
}

#[tokio::test]
async fn force_stops_an_instance_that_hangs_while_it_stops() {
    let options = simulator::Options { instances: 12, stop_delay: std::time::Duration::from_mins(5), ..fast() };
    let world = World::swept(options, ListMode::Auto).await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    for (force, verdict) in [(false, "done"), (false, "already"), (true, "done")] {
        let arguments = json!({"instance_id": running, "force": force});
        let report = data(client.agree("stop_instance", arguments).await.unwrap());
        assert_eq!(report["results"][0]["verdict"], verdict, "{report}");
    }
    assert_eq!(world.simulator.world().requests("StopInstances"), 2);
}

#[tokio::test]
async fn status_checks_that_are_stale_or_were_never_seen_are_said_to_be() {
    let world = World::unswept(simulator::Options { instances: 12, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    world.sweep_kind(INSTANCE, usize::MAX).await;
    let id = world.instance(&client, "running").await;
    let asked = || async {
        let result = client.call("get_instance_status", json!({"instance_id": id})).await.unwrap();
        let said = text(&result).to_owned();
        let found = data(result);
        conforms(&get_instance_status::SPEC, &found);
        (said, found["instances"][0].clone())
    };
    let (said, row) = asked().await;
    assert_eq!(row["checks_stale"], "not watched by this server now");
    assert!(row.get("system_status").is_none() && said.contains("checks stale: not watched"), "{said}");
    let resource = data(client.call("get_resource", json!({"id": id})).await.unwrap());
    conforms(&get_resource::SPEC, &resource);
    assert_eq!(resource["status_stale"]["why"], "not watched by this server now");

    world.sweep().await;
    let (said, row) = asked().await;
    assert!(row["checks_as_of"].is_string() && row.get("checks_stale").is_none(), "{said}");

    let new = world.simulator.world().home().launch();
    world.sweep_kind(INSTANCE, usize::MAX).await;
    let uri = format!("ec2://instance/{new}");
    while client.read(&uri).await.is_err() {}
    let row = data(client.call("get_instance_status", json!({"instance_id": new})).await.unwrap());
    assert_eq!(row["instances"][0]["checks_stale"], "no status checks of it have been seen yet");
}

#[tokio::test]
async fn an_answer_without_anything_that_was_asked_for_fails_with_a_code() {
    let world = World::small().await;
    let client = world.client(true).await;
    for (tool, code) in [("get_instance_status", FailureCode::NotFound), ("stop_instance", FailureCode::NothingDone)] {
        let result = client.agree(tool, json!({"instance_id": "i-0000000000000dead"})).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{tool}");
        assert_eq!(result.meta.as_ref().and_then(|meta| meta.get(CODE)), Some(&json!(code)), "{tool}");
    }
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_records_nothing() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let result = client.agree("stop_instance", json!({"instance_id": running, "dry_run": true})).await.unwrap();
    assert!(text(&result).ends_with("\nLooked at live; nothing was changed."), "{}", text(&result));
    let report = data(result);
    assert_eq!(report["results"][0]["verdict"], "would_be_allowed");
    assert_eq!((&report["actions"], report.get("seq")), (&json!([]), None));
    let body = client.read(&format!("ec2://instance/{running}")).await.unwrap();
    assert_eq!(body["document"]["State"]["Name"], "running");
    let result = client.agree("create_snapshot", json!({"instance_id": running, "dry_run": true})).await.unwrap();
    assert!(text(&result).ends_with("\nLooked at live; nothing was created."), "{}", text(&result));
    let report = data(result);
    assert_eq!((&report["results"][0]["verdict"], report.get("seq")), (&json!("would_be_allowed"), None));
}

#[tokio::test]
async fn snapshots_are_made_of_every_volume_and_listed_by_device() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let report = data(client.agree("create_snapshot", json!({"instance_id": running})).await.unwrap());
    conforms(&create_snapshot::SPEC, &report);
    let body = client.read(&format!("ec2://instance/{running}")).await.unwrap();
    let volumes = body["document"]["BlockDeviceMappings"].as_array().unwrap().len();
    let snapshots = report["results"][0]["snapshots"].as_array().unwrap();
    assert_eq!(snapshots.len(), volumes);
    for snapshot in snapshots {
        assert!(snapshot["snapshot_id"].as_str().unwrap().starts_with("snap-"));
        assert!(snapshot["device"].as_str().unwrap().starts_with("/dev/"), "{snapshot}");
    }
    let records = world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let created = records.iter().find_map(|record| match &record.event {
        Event::ActionFinished { outcome: ActionOutcome::Succeeded { created }, .. } => Some(created.len()),
        _ => None,
    });
    assert_eq!(created, Some(volumes));
}

#[tokio::test]
async fn an_instance_that_no_sweep_has_seen_is_found_live() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let unswept = World::unswept(simulator::Options { instances: 12, ..fast() }, ListMode::Auto).await;
    let client = unswept.client(true).await;
    let report = data(client.agree("stop_instance", json!({"instance_id": running})).await.unwrap());
    assert_eq!(report["results"][0]["verdict"], "done");
}

#[tokio::test]
async fn what_aws_denies_is_explained_with_the_fix() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let message = "You are not authorized to perform: ec2:StopInstances";
    world.simulator.world().fail("StopInstances", 403, "UnauthorizedOperation", message);
    let result = client.agree("stop_instance", json!({"instance_id": running})).await.unwrap();
    assert_eq!(result.is_error, Some(true));
    assert!(text(&result).contains("Allow ec2:StopInstances in the IAM policy"), "{}", text(&result));
    world.simulator.world().fail("CreateSnapshots", 500, "InternalError", "oops");
    let result = client.agree("create_snapshot", json!({"instance_id": running})).await.unwrap();
    let report = result.structured_content.as_ref().unwrap();
    assert_eq!(report["results"][0]["verdict"], "unknown", "{}", text(&result));
    assert!(text(&result).contains("tag:muster:action"), "{}", text(&result));
}

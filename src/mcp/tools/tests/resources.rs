//! Reading resources: in short and in full, one and many, as held and as AWS shows them now.

use futures::future::join_all;

use super::past::answered;
use super::*;

#[tokio::test]
async fn a_resource_is_short_unless_asked_for_in_full() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let (said, short) = answered(&client, &get_resource::SPEC, json!({"id": id})).await;
    assert_eq!((&short["columns"]["state"], short.get("document")), (&json!("running"), None), "{said}");
    assert_eq!(short["status"]["instance_status"], "ok", "{said}");
    assert!(short["tags"]["Name"].is_string() && short["name"] == short["tags"]["Name"], "{said}");
    assert!(short["exposure"]["open"].is_array() && short["status_as_of"].is_string(), "{said}");
    assert!(said.contains("\nstate: running") && said.contains("\ntag Name: "), "{said}");
    let (whole, full) = answered(&client, &get_resource::SPEC, json!({"id": id, "full": true})).await;
    assert_eq!((&full["document"]["InstanceId"], full.get("columns")), (&json!(id), None), "{whole}");
    assert!(said.len() < 1500 && short.to_string().len() < 1500, "{} bytes: {said}", said.len());
    assert!(whole.len() > 2 * said.len(), "{whole}");
    let then = world.core.now().to_string();
    let (said, past) = answered(&client, &get_resource::SPEC, json!({"id": id, "as_of": then})).await;
    assert_eq!(past["columns"], short["columns"], "{said}");
    assert_eq!(past["exposure"], json!({"unknown": ["known for the present only"]}), "{said}");
    assert!(said.contains("\nOpen to the internet: known for the present only"), "{said}");
}

#[tokio::test]
async fn what_belongs_to_a_resource_is_shown_in_short() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let (said, short) = answered(&client, &get_resource::SPEC, json!({"id": id})).await;
    let (_, full) = answered(&client, &get_resource::SPEC, json!({"id": id, "full": true})).await;
    let (details, document) = (&short["details"], &full["document"]);
    let disk = &document["BlockDeviceMappings"][0];
    assert_eq!(details["volumes"][0]["volume_id"], disk["Ebs"]["VolumeId"], "{said}");
    assert_eq!(details["volumes"][0]["delete_on_termination"], disk["Ebs"]["DeleteOnTermination"], "{said}");
    assert_eq!(details["security_groups"][0]["group_id"], document["SecurityGroups"][0]["GroupId"], "{said}");
    assert_eq!((&details["subnet_id"], &details["image_id"]), (&document["SubnetId"], &document["ImageId"]), "{said}");
    let volume = details["volumes"][0]["volume_id"].as_str().unwrap();
    assert!(said.contains(&format!("\nvolumes: {volume} ")), "{said}");
    assert!(said.ends_with("\nfull: true shows the whole document") && short["hint"].is_string(), "{said}");
    assert!(full.get("hint").is_none() && full.get("details").is_none(), "{full}");
    for (kind, list) in [
        ("security-group", "inbound_rules"),
        ("route-table", "routes"),
        ("network-acl", "inbound_entries"),
        ("network-interface", "attachments"),
        ("volume", "attachments"),
    ] {
        let found = data(client.call("search_inventory", json!({"kind": kind})).await.unwrap());
        let ids: Vec<&Value> = found["rows"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
        let (said, many) = answered(&client, &get_resource::SPEC, json!({"ids": ids})).await;
        let shown = many["resources"].as_array().unwrap();
        assert!(shown.iter().any(|one| !one["details"][list].as_array().unwrap().is_empty()), "{kind}: {said}");
        assert_eq!(said.matches("full: true shows").count(), 1, "{said}");
    }
}

#[tokio::test]
async fn answers_say_up_to_when_they_include_what_changed_since_they_were_complete() {
    let world = World::small().await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let asked = [
        (&report_stopped_instances::SPEC, json!({})),
        (&search_inventory::SPEC, json!({})),
        (&count_inventory::SPEC, json!({})),
        (&query_inventory::SPEC, json!({"sql": "SELECT id FROM instance"})),
    ];
    for (tool, asked) in asked.clone() {
        let (said, found) = answered(&client, tool, asked).await;
        assert!(found.get("changes_until").is_none() && said.contains("; as of "), "{said}");
    }
    drop(data(client.agree("stop_instance", json!({"instance_id": running})).await.unwrap()));
    for (tool, asked) in asked {
        let (said, found) = answered(&client, tool, asked).await;
        let (complete, until) = (found["as_of"].as_str().unwrap(), found["changes_until"].as_str().unwrap());
        assert!(complete < until, "{said}");
        let sentence = format!("; complete as of {complete}; newer changes up to {until} are included");
        assert!(said.contains(&sentence), "{said}");
    }
    // Another kind has not changed.
    let (said, found) = answered(&client, &search_inventory::SPEC, json!({"kind": "vpc"})).await;
    assert!(found.get("changes_until").is_none(), "{said}");
}

#[tokio::test]
async fn each_of_many_is_shown_or_named() {
    let world = World::swept(simulator::Options { instances: 130, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let rows = json!({"limit": 120, "fields": ["state"]});
    let rows = data(client.call("search_inventory", rows).await.unwrap());
    let ids: Vec<Value> = rows["rows"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    let vpc = data(client.call("search_inventory", json!({"kind": "vpc", "limit": 1})).await.unwrap());
    let vpc = &vpc["rows"][0];
    let asked = json!({"ids": [ids[0], vpc["uri"], ids[0], "i-0000000000000dead", "i-000000000000beef", "pl-1"]});
    let (said, found) = answered(&client, &get_resource::SPEC, asked).await;
    let named: Vec<&Value> = found["resources"].as_array().unwrap().iter().map(|one| &one["id"]).collect();
    assert_eq!(named, [&ids[0], &vpc["id"]], "{said}");
    let unknown: Vec<&Value> = found["not_known"].as_array().unwrap().iter().map(|one| &one["ids"]).collect();
    assert_eq!(unknown, [&json!(["i-0000000000000dead", "i-000000000000beef"]), &json!(["pl-1"])], "{said}");
    assert!(said.contains("2 of 5 resources are known") && said.contains("is the id of a prefix list"), "{said}");

    for full in [false, true] {
        let (said, found) = answered(&client, &get_resource::SPEC, json!({"ids": ids[..100], "full": full})).await;
        let [shown, left] = ["resources", "not_shown"].map(|name| found[name].as_array().map_or(0, Vec::len));
        assert_eq!((shown + left, found["not_known"].as_array().unwrap().len()), (100, 0), "{said}");
        assert!(
            shown >= 3 && tokens(&said) <= BUDGET && tokens(&found.to_string()) <= BUDGET,
            "{shown}, {} tokens",
            tokens(&said)
        );
    }
    let none: Vec<String> = (0..100).map(|number| format!("i-0000000000000000{number:03}")).collect();
    let none = client.call("get_resource", json!({"ids": none})).await.unwrap();
    assert_eq!(none.is_error, Some(true), "{}", text(&none));
    let many = client.call("get_resource", json!({"ids": ids[..101]})).await.unwrap();
    assert!(text(&many).contains("at most 100 ids"), "{}", text(&many));
}

#[tokio::test]
async fn what_is_asked_for_live_is_described_once_for_all_who_ask() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    let home = world.simulator.world().home();
    home.forget(&id).unwrap();
    let (said, gone) = answered(&client, &get_resource::SPEC, json!({"id": id, "live": true})).await;
    assert_eq!(
        (&gone["live"]["result"], &gone["columns"]["state"]),
        (&json!("not_found"), &json!("running")),
        "{said}"
    );
    assert!(said.contains("AWS was asked just now and does not know it. This is the stored copy"), "{said}");
    let new = home.launch();
    let refused = client.call("get_resource", json!({"id": new})).await.unwrap();
    assert_eq!(refused.is_error, Some(true), "nobody has seen it yet");

    let calls = || world.simulator.world().requests("DescribeInstances");
    let (before, begun) = (calls(), world.core.now().to_string());
    let asked = json!({"ids": [new, "i-0000000000000dead"], "live": true});
    let answers = join_all((0..8).map(|_| answered(&client, &get_resource::SPEC, asked.clone()))).await;
    for (said, found) in &answers {
        assert_eq!(found["resources"][0]["live"]["result"], "shown", "{said}");
        assert!(found["resources"][0]["as_of"].as_str().unwrap() >= begun.as_str(), "{said}");
        assert!(said.contains("AWS was asked just now and knows no EC2 instance"), "{said}");
    }
    // A call with an unknown id is made again without it.
    assert!(calls() - before <= 2, "{} calls", calls() - before);
    let then = json!({"id": new, "live": true, "as_of": begun});
    let refused = client.call("get_resource", then).await.unwrap();
    assert!(text(&refused).contains("leave out `as_of`"), "{}", text(&refused));
}

#[tokio::test]
async fn where_aws_cannot_be_asked_the_stored_copy_is_shown_as_such() {
    let world = World::small().await;
    let client = world.client(false).await;
    let id = world.instance(&client, "running").await;
    world.simulator.world().faults().patch(&json!({"denied": ["DescribeInstances"]})).unwrap();
    for asked in [json!({"id": id, "live": true}), json!({"ids": [id], "live": true})] {
        let result = client.call("get_resource", asked).await.unwrap();
        assert_eq!(result.is_error, Some(true), "{}", text(&result));
        let code = result.meta.as_ref().and_then(|meta| meta.get(CODE));
        assert_eq!(code, Some(&json!(FailureCode::Aws)), "{}", text(&result));
        let said = text(&result);
        assert!(said.contains("ec2:DescribeInstances") && said.contains("This is the stored copy"), "{said}");
        assert!(said.contains("\nstate: running"), "{said}");
        conforms(&get_resource::SPEC, result.structured_content.as_ref().unwrap());
    }
    let unknown = json!({"id": "i-0000000000000dead", "live": true});
    let result = client.call("get_resource", unknown).await.unwrap();
    let said = text(&result);
    assert!(result.is_error == Some(true) && said.contains("ec2:DescribeInstances"), "{said}");
    assert!(said.contains("it cannot be told whether EC2 instance `i-0000000000000dead` exists"), "{said}");
}

#[tokio::test]
async fn arguments_that_are_called_as_in_other_tools_are_understood() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    for name in ["ids", "instance_ids", "instance_id", "id"] {
        let asked = json!({name: id, "until": "running", "wait_seconds": 1});
        assert_eq!(data(client.call("wait_for", asked).await.unwrap())["done"], true, "{name}");
        let read = data(client.call("get_resource", json!({name: id})).await.unwrap());
        let read = read.get("resources").map_or(&read["id"], |many| &many[0]["id"]);
        assert_eq!(read, &json!(id), "{name}");
    }
    let status = data(client.call("get_instance_status", json!({"ids": [id]})).await.unwrap());
    assert_eq!(status["instances"][0]["state"], "running");
    let both = json!({"ids": [id], "instance_id": id, "until": "running"});
    let both = client.call("wait_for", both).await.unwrap();
    assert!(text(&both).contains("no argument `instance_id` (did you mean `ids`?)"), "{}", text(&both));
    // A tool that changes AWS takes its own names only.
    let refused = client.agree("stop_instance", json!({"ids": [id]})).await.unwrap();
    assert!(text(&refused).contains("no argument `ids` (did you mean `instance_ids`?)"), "{}", text(&refused));
}

#[tokio::test]
async fn a_snapshot_that_was_just_made_is_never_shown_as_of_a_time_before_it_began() {
    let options = simulator::Options { instances: 12, snapshot_delay: std::time::Duration::from_mins(5), ..fast() };
    let world = World::swept(options, ListMode::Auto).await;
    let client = world.client(true).await;
    let running = world.instance(&client, "running").await;
    let made = data(client.agree("create_snapshot", json!({"instance_id": running})).await.unwrap());
    let snapshot = made["results"][0]["snapshots"][0]["snapshot_id"].as_str().unwrap().to_owned();
    let (said, full) = answered(&client, &get_resource::SPEC, json!({"id": snapshot, "full": true})).await;
    let begun = full["document"]["StartTime"].as_str().unwrap();
    assert!(full["as_of"].as_str().unwrap() >= begun, "{said}");
    assert_eq!(full["document"]["State"], "pending", "{said}");
    let (said, found) = answered(&client, &search_inventory::SPEC, json!({"kind": "snapshot"})).await;
    assert!(found["as_of"].as_str().unwrap() < begun, "the last sweep was before: {said}");
    assert!(found["changes_until"].as_str().unwrap() >= begun, "{said}");
    assert!(said.contains("; newer changes up to 20"), "{said}");
    let asked = json!({"ids": [snapshot], "until": "completed", "wait_seconds": 1});
    let told = data(client.call("wait_for", asked).await.unwrap());
    assert!(told["results"][0]["as_of"].as_str().unwrap() >= begun, "{told}");
}

use std::time::Duration;

use serde_json::{Value, json};

use crate::kinds;
use crate::mcp::client::McpClient;
use crate::mcp::tests::{World, data, fast, text};
use crate::mcp::{Core, ListMode};
use crate::model::fixtures::scope;
use crate::simulator;

/// Makes the size of one volume, of those that the simulator has, unreadable; its id.
async fn spoil(world: &World) -> String {
    let page = world.core.aws.page(&scope(), kinds::by_slug("volume").unwrap(), None).await.unwrap();
    let id = page.items[1].id.to_string();
    let (find, put) = (format!("<volumeId>{id}</volumeId>"), format!("<volumeId>{id}</volumeId><size>8 GiB</size>"));
    world.simulator.world().faults().rewrite("DescribeVolumes", &find, &put);
    id
}

async fn unswept() -> World {
    World::unswept(simulator::Options { instances: 12, ..fast() }, ListMode::Auto).await
}

async fn search(client: &McpClient) -> (String, Value) {
    let result = client.call("search_inventory", json!({"kind": "volume"})).await.unwrap();
    (text(&result).to_owned(), data(result))
}

#[tokio::test]
async fn a_resource_that_was_never_read_is_never_not_found_and_its_kind_is_served_without_it() {
    let world = unswept().await;
    let id = spoil(&world).await;
    world.sweep().await;
    let client = world.client(false).await;
    let (said, found) = search(&client).await;
    let (total, rows) = (found["total"].as_u64().unwrap(), found["rows"].as_array().unwrap());
    assert!(total >= 11 && rows.iter().all(|row| row["id"] != id.as_str()), "{found}");
    assert_eq!(found["at_least"], true, "there is one more");
    let named = format!("1 EBS volume listed by AWS cannot be read: {id} (size \"8 GiB\" cannot be read)");
    assert!(said.contains(&named), "{said}");
    assert_eq!(found["unreadable"], json!({"count": 1, "items": [{"id": id, "why": "size \"8 GiB\" cannot be read"}]}));

    let counted = client.call("count_inventory", json!({"kind": "volume"})).await.unwrap();
    assert!(text(&counted).contains(&named), "{}", text(&counted));
    assert_eq!(
        (data(counted.clone())["total"].as_u64(), data(counted)["at_least"].as_bool()),
        (Some(total), Some(true))
    );

    let refused = client.call("get_resource", json!({"kind": "volume", "id": id})).await.unwrap();
    let said = text(&refused);
    assert_eq!(refused.is_error, Some(true));
    assert!(said.contains("exists in") && said.contains("size \"8 GiB\" cannot be read"), "{said}");
    let error = client.read(&format!("ec2://volume/{id}")).await.unwrap_err().to_string();
    assert!(error.contains("cannot be read") && !error.contains("not found"), "{error}");

    let members = client.read("ec2://inventory/123456789012/us-east-1/volume").await.unwrap();
    assert_eq!((&members["count_is"], &members["unreadable"]["count"]), (&json!("at least"), &json!(1)));
    let freshness = client.read("ec2://inventory/freshness").await.unwrap();
    let volumes = freshness["scopes"].as_array().unwrap().iter().find(|scope| scope["kind"] == "volume").unwrap();
    assert_eq!(volumes["unreadable"]["items"][0]["id"], id.as_str());
    assert!(volumes["failure"].is_null(), "the sweep did not fail: {volumes}");
    let summary = client.call("get_inventory_summary", json!({})).await.unwrap();
    assert!(text(&summary).contains(&named), "{}", text(&summary));

    world.simulator.world().faults().restore();
    world.sweep().await;
    assert_eq!(search(&client).await.1["total"], total + 1);
    assert!(search(&client).await.1.get("unreadable").is_none());
    client.call("get_resource", json!({"kind": "volume", "id": id})).await.map(data).unwrap();
}

#[tokio::test]
async fn a_resource_that_cannot_be_read_any_more_is_served_as_it_was_and_says_so() {
    let world = unswept().await;
    world.sweep().await;
    let client = world.client(false).await;
    let total = search(&client).await.1["total"].clone();
    let before = world.core.now();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let id = spoil(&world).await;
    for _ in 0..3 {
        world.sweep().await;
    }
    let (_, found) = search(&client).await;
    assert_eq!(found["total"], total, "it is listed, so it is there");
    let row = found["rows"].as_array().unwrap().iter().find(|row| row["id"] == id.as_str()).unwrap();
    assert_eq!(row["unreadable"], "size \"8 GiB\" cannot be read");
    let got = client.call("get_resource", json!({"kind": "volume", "id": id, "full": true})).await.unwrap();
    assert!(text(&got).contains("Stale: AWS lists it in a form that cannot be read"), "{}", text(&got));
    let got = data(got);
    assert!(got["as_of"].as_str().unwrap() < before.to_string().as_str(), "{got}");
    assert!(got["document"]["Size"].is_u64(), "{got}");
    let read = client.read(&format!("ec2://volume/{id}")).await.unwrap();
    assert!(read["stale"]["why"].as_str().unwrap().contains("size \"8 GiB\" cannot be read"), "{read}");
    let other = found["rows"].as_array().unwrap().iter().find(|row| row["id"] != id.as_str()).unwrap();
    assert!(client.read(other["uri"].as_str().unwrap()).await.unwrap()["stale"].is_null());
}

#[tokio::test]
async fn an_address_without_an_allocation_id_is_counted_and_found_by_its_ip() {
    let world = World::unswept(simulator::Options { instances: 400, ..fast() }, ListMode::Auto).await;
    let Core { aws, .. } = &*world.core;
    let page = aws.page(&scope(), kinds::by_slug("address").unwrap(), None).await.unwrap();
    let Some(item) = page.items.first() else { panic!("the simulator has an address") };
    let ip = item.document.text("PublicIp").unwrap().to_owned();
    let id = format!("<allocationId>{}</allocationId>", item.id);
    world.simulator.world().faults().rewrite("DescribeAddresses", &id, "");
    world.sweep().await;
    let client = world.client(false).await;
    let found =
        client.call("search_inventory", json!({"kind": "address", "filters": {"public-ip": [ip]}})).await.unwrap();
    assert_eq!(data(found)["rows"][0]["id"], ip.as_str());
    let read = client.read(&format!("ec2://address/{ip}")).await.unwrap();
    assert_eq!(read["document"]["PublicIp"], ip.as_str());
    let counted = client.call("count_inventory", json!({"kind": "address"})).await.map(data).unwrap();
    assert_eq!(counted["total"], page.items.len());
}

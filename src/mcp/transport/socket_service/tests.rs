use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use crate::mcp::tests::World;
use crate::mcp::tests::raw_client::{RawClient, modern};
use crate::notify::ChangeTopic;

fn listen(id: &str, uris: &[&str]) -> Value {
    let notifications = json!({"resourcesListChanged": true, "resourceSubscriptions": uris});
    let params = modern(json!({"notifications": notifications}));
    json!({"jsonrpc": "2.0", "id": id, "method": "subscriptions/listen", "params": params})
}

#[tokio::test]
async fn from_its_acknowledgement_on_a_subscription_misses_no_change() {
    let world = World::small().await;
    let mut client = RawClient::silent(&world);
    for round in 0..200 {
        let id = format!("listen-{round}");
        client.say(&listen(&id, &["ec2://inventory/freshness"])).await;
        let acknowledged = client.hear().await.unwrap();
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
        // At once: before the handler of the subscription has run any further.
        world.core.hub.mark([ChangeTopic::Freshness]);
        let told = client.hear().await.unwrap();
        assert_eq!(told["params"]["uri"], "ec2://inventory/freshness", "round {round}: {told}");
        client.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
        while world.core.hub.subscribers() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn the_acknowledgement_names_each_honoured_uri_once_and_no_more_than_are_honoured() {
    let world = World::small().await;
    let mut client = RawClient::silent(&world);
    client.say(&listen("twice", &["ec2://vpc/vpc-1", "ec2://bad", "ec2://vpc/vpc-1", "ec2://vpc/vpc-2"])).await;
    let acknowledged = client.hear().await.unwrap();
    let honoured = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(*honoured, json!(["ec2://vpc/vpc-1", "ec2://vpc/vpc-2"]), "{acknowledged}");
    let many: Vec<String> = (0..2000).map(|n| format!("ec2://vpc/vpc-{n}")).collect();
    client.say(&listen("many", &many.iter().map(String::as_str).collect::<Vec<_>>())).await;
    let acknowledged = client.hear().await.unwrap();
    let honoured = acknowledged["params"]["notifications"]["resourceSubscriptions"].as_array().unwrap();
    assert_eq!(honoured.len(), crate::mcp::subscription_filter::MAX_URIS);
}

#[tokio::test]
async fn when_the_client_closes_its_end_waits_answer_and_subscriptions_end_at_once() {
    let world = World::small().await;
    let instance = world.instance(&world.client(true).await, "running").await;
    let mut client = RawClient::silent(&world);
    client.say(&listen("listen", &["ec2://inventory/summary"])).await;
    assert_eq!(client.hear().await.unwrap()["method"], "notifications/subscriptions/acknowledged");
    let wait = json!({"ids": [instance], "until": "stopped", "wait_seconds": 45});
    let changes = json!({"wait_seconds": 45});
    for (id, name, arguments) in [("wait", "wait_for", wait), ("changes", "list_changes", changes)] {
        let params = modern(json!({"name": name, "arguments": arguments}));
        client.say(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})).await;
    }
    // The last line counts without its newline as well.
    let last = json!({"jsonrpc": "2.0", "id": "last", "method": "tools/list", "params": modern(json!({}))});
    client.write.write_all(last.to_string().as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let begun = tokio::time::Instant::now();
    client.write.shutdown().await.unwrap();
    let mut answers = std::collections::BTreeMap::new();
    while let Some(answer) = client.hear().await {
        if let Some(id) = answer["id"].as_str() {
            answers.insert(id.to_owned(), answer["result"].clone());
        }
    }
    assert!(begun.elapsed() < Duration::from_secs(4), "nobody waits for the library's drain: {:?}", begun.elapsed());
    assert_eq!(answers.keys().collect::<Vec<_>>(), ["changes", "last", "listen", "wait"]);
    assert!(answers["last"]["tools"].is_array());
    assert_eq!(answers["listen"]["resultType"], "complete");
    assert_eq!(answers["wait"]["structuredContent"]["done"], false);
    let said = answers["wait"]["content"][0]["text"].as_str().unwrap();
    assert!(said.contains("ended early, because the client closed its end"), "{said}");
    assert_eq!(answers["changes"]["structuredContent"]["changes"], json!([]));
}

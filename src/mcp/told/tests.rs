use serde_json::{Value, json};

use crate::mcp::ListMode;
use crate::mcp::tests::raw_client::{RawClient, modern};
use crate::mcp::tests::{World, fast};

/// A wait of two seconds for an instance that stays as it is.
async fn waiting(world: &World) -> Value {
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    json!({"name": "wait_for", "arguments": {"ids": [id], "until": "stopped", "wait_seconds": 3}})
}

fn told<'h>(heard: &'h [Value], method: &str) -> Vec<&'h Value> {
    heard.iter().filter(|message| message["method"] == method).map(|message| &message["params"]).collect()
}

#[tokio::test]
async fn a_wait_says_how_far_it_is_to_a_client_that_gave_a_token_and_to_no_other() {
    let world = World::small().await;
    let mut call = waiting(&world).await;
    let mut client = RawClient::silent(&world);
    client.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": modern(call.clone())})).await;
    assert!(told(&client.hear_answer(&json!(1)).await, "notifications/progress").is_empty());
    for token in [json!("token"), json!(7)] {
        call["_meta"] = json!({"progressToken": token});
        client.say(&json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": modern(call.clone())})).await;
        let heard = client.hear_answer(&json!(2)).await;
        let progress = told(&heard, "notifications/progress");
        assert!(progress.len() >= 2, "{heard:?}");
        for said in &progress {
            assert_eq!((&said["progressToken"], &said["message"]), (&token, &json!("0 of 1 are stopped")), "{said}");
            assert!(said["total"].as_f64() >= Some(3.0), "{said}");
        }
        let values: Vec<f64> = progress.iter().map(|said| said["progress"].as_f64().unwrap()).collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        assert!(told(&heard, "notifications/message").is_empty(), "no log level was asked for");
    }
}

#[tokio::test]
async fn the_progress_of_a_wait_that_comes_again_goes_on_from_the_time_that_it_has_taken() {
    let world = World::small().await;
    let mut call = waiting(&world).await;
    call["_meta"] = json!({"progressToken": 1, "muster/elapsed_ms": 1500});
    let mut client = RawClient::silent(&world);
    client.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": modern(call)})).await;
    let heard = client.hear_answer(&json!(1)).await;
    let progress = told(&heard, "notifications/progress");
    assert!(!progress.is_empty(), "{heard:?}");
    assert!(progress.iter().all(|said| said["progress"].as_f64() >= Some(1.5)), "{progress:?}");
}

#[tokio::test]
async fn a_request_that_waits_for_the_first_sweep_says_so() {
    let world = World::unswept(fast(), ListMode::Auto).await;
    let mut client = RawClient::silent(&world);
    let params = modern(json!({"_meta": {"progressToken": 1}}));
    client.say(&json!({"jsonrpc": "2.0", "id": 1, "method": "resources/list", "params": params})).await;
    let heard = client.hear_answer(&json!(1)).await;
    let progress = told(&heard, "notifications/progress");
    let said = progress.first().unwrap_or_else(|| panic!("{heard:?}"))["message"].as_str().unwrap();
    assert!(said.starts_with("first sweep: "), "{said}");
}

#[tokio::test]
async fn log_messages_come_at_the_level_that_was_asked_for_as_each_era_asks() {
    let world = World::small().await;
    let wait = waiting(&world).await;
    let fails = json!({"name": "search_inventory", "arguments": {"region": "mars-1"}});
    let mut older = RawClient::legacy(&world).await;
    let levels = |heard: &[Value]| -> Vec<Value> {
        told(heard, "notifications/message").iter().map(|message| message["level"].clone()).collect()
    };
    for (level, expected) in [
        (None, vec![]),
        (Some("error"), vec![]),
        (Some("warning"), vec![json!("warning")]),
        (Some("debug"), vec![json!("info"), json!("warning")]),
    ] {
        let mut heard = Vec::new();
        if let Some(level) = level {
            let set = older.ask("logging/setLevel", json!({"level": level})).await;
            assert_eq!(set["result"], json!({}), "{set}");
        }
        for call in [&wait, &fails] {
            older.say(&json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": call})).await;
            heard.extend(older.hear_answer(&json!(3)).await);
        }
        assert_eq!(levels(&heard), expected, "older, {level:?}");

        let mut newer = RawClient::silent(&world);
        let mut heard = Vec::new();
        for call in [&wait, &fails] {
            let mut call = call.clone();
            if let Some(level) = level {
                call["_meta"] = json!({"io.modelcontextprotocol/logLevel": level});
            }
            newer.say(&json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": modern(call)})).await;
            heard.extend(newer.hear_answer(&json!(3)).await);
        }
        assert_eq!(levels(&heard), expected, "newer, {level:?}");
    }
    let refused = older.ask("logging/setLevel", json!({"level": "loud"})).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
}

#[tokio::test]
async fn each_era_has_its_own_methods() {
    let world = World::small().await;
    let mut older = RawClient::legacy(&world).await;
    assert_eq!(older.ask("ping", json!({})).await["result"], json!({}));
    let listen = older.ask("subscriptions/listen", json!({"notifications": {}})).await;
    assert_eq!(listen["error"]["code"], -32601, "{listen}");
    let mut newer = RawClient::silent(&world);
    assert!(newer.ask("tools/list", modern(json!({}))).await["result"].is_object());
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"] {
        let gone = newer.ask(method, modern(json!({}))).await;
        assert_eq!(gone["error"]["code"], -32601, "{gone}");
        let said = gone["error"]["message"].as_str().unwrap();
        assert!(said.contains("does not serve the method") && said.contains(method), "{said}");
    }
}

#[tokio::test]
async fn every_result_names_the_server() {
    let world = World::small().await;
    let mut client = RawClient::silent(&world);
    for (method, params) in [
        ("server/discover", json!({})),
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "search_inventory", "arguments": {}})),
        ("tools/call", json!({"name": "search_inventory", "arguments": {"region": "mars-1"}})),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({"uri": "ec2://inventory/summary"})),
        ("prompts/list", json!({})),
        ("prompts/get", json!({"name": "fleet_health_check"})),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "fleet_health_check"}, "argument": {"name": "tag", "value": ""}}),
        ),
    ] {
        let answer = client.ask(method, modern(params)).await;
        let info = &answer["result"]["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(
            (&info["name"], &info["version"]),
            (&json!("muster"), &json!(env!("CARGO_PKG_VERSION"))),
            "{answer}"
        );
    }
}

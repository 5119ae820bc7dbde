use std::collections::HashSet;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, split};

use super::write_backlog::MAX_PENDING;
use crate::mcp::Readiness;
use crate::mcp::tests::World;

/// A client that sends any bytes.
struct Raw {
    read: Lines<BufReader<ReadHalf<DuplexStream>>>,
    write: Option<WriteHalf<DuplexStream>>,
}

impl Raw {
    fn of(world: &World) -> Raw {
        let (read, write) = split(world.connect(true));
        Raw { read: BufReader::new(read).lines(), write: Some(write) }
    }

    async fn bytes(&mut self, bytes: &[u8]) {
        self.write.as_mut().unwrap().write_all(bytes).await.unwrap();
    }

    async fn send(&mut self, message: &Value) {
        self.bytes(format!("{message}\n").as_bytes()).await;
    }

    /// The next line; `None` when the server has closed the connection.
    async fn next(&mut self) -> Option<Value> {
        let line =
            tokio::time::timeout(Duration::from_secs(20), self.read.next_line()).await.expect("an answer").unwrap();
        line.map(|line| serde_json::from_str(&line).unwrap())
    }

    /// The next answer, past notifications.
    async fn answer(&mut self) -> Value {
        loop {
            let message = self.next().await.expect("the connection is open");
            if message.get("method").is_none() {
                return message;
            }
        }
    }

    async fn open(&mut self) {
        self.send(&initialize(0)).await;
        assert_eq!(self.answer().await["result"]["protocolVersion"], "2025-11-25");
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    }
}

fn initialize(id: i64) -> Value {
    let params = json!({"protocolVersion": "2025-11-25", "clientInfo": {"name": "raw"}});
    request(id, "initialize", &params)
}

fn request(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn modern(id: impl Into<Value>, method: &str, params: &Value) -> Value {
    let mut request = request(id, method, params);
    request["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    request
}

#[tokio::test]
async fn whatever_comes_before_the_handshake_both_eras_can_still_begin() {
    let world = World::small().await;
    let stray = [
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "notifications/unheard_of", "params": {"x": 1}}),
        json!({"jsonrpc": "2.0", "id": 4, "result": {}}),
        json!({"jsonrpc": "2.0", "id": 5, "error": {"code": -32601, "message": "no such method"}}),
    ];
    for opening in [initialize(9), modern(9, "tools/list", &json!({}))] {
        let mut client = Raw::of(&world);
        client.send(&modern(1, "server/discover", &json!({}))).await;
        assert_eq!(client.answer().await["id"], 1);
        for stray in &stray {
            client.send(stray).await;
        }
        client.send(&request(2, "ping", &json!({}))).await;
        assert_eq!(client.answer().await, json!({"jsonrpc": "2.0", "id": 2, "result": {}}));
        client.send(&request(3, "tools/list", &json!({}))).await;
        let early = client.answer().await;
        assert_eq!((&early["id"], &early["error"]["code"]), (&json!(3), &json!(-32602)), "{early}");
        client.send(&opening).await;
        let opened = client.answer().await;
        assert_eq!(opened["id"], 9);
        assert!(opened["result"].is_object(), "{opened}");
        for stray in &stray {
            client.send(stray).await;
        }
        client.send(&modern(10, "tools/list", &json!({}))).await;
        assert!(client.answer().await["result"]["tools"].is_array());
    }
}

#[tokio::test]
async fn lines_that_cannot_be_read_are_answered_and_the_connection_goes_on() {
    let world = World::small().await;
    let mut client = Raw::of(&world);
    client.bytes(b"\xEF\xBB\xBF").await;
    client.open().await;
    for (line, id, code) in [
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"x\":\"\\ud83d\"}}\n".as_slice(),
            json!(1),
            -32700,
        ),
        (b"{\"jsonrpc\":\"2.0\",\"id\":\"two\",\"method\":\"ping\",}\r\n", json!("two"), -32700),
        (b"\r\n \t \n\0\n", Value::Null, -32700),
        (b"\xff\xff\n", Value::Null, -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/list\",\"params\":[]}\n", json!(3), -32602),
        (b"{\"jsonrpc\":\"2.0\",\"id\":2.5,\"method\":\"ping\"}\n", json!(2.5), -32600),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"ping\"}]\n", json!(4), -32600),
    ] {
        client.bytes(line).await;
        let answer = client.answer().await;
        let shown = String::from_utf8_lossy(line);
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(code)), "{shown}: {answer}");
    }
    // The last line lacks its end.
    client.bytes(request("last", "ping", &json!({})).to_string().as_bytes()).await;
    client.write.as_mut().unwrap().shutdown().await.unwrap();
    assert_eq!(client.answer().await["id"], "last");
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn many_bad_lines_of_a_client_that_does_not_read_are_all_answered_once_it_does() {
    let world = World::small().await;
    let mut client = Raw::of(&world);
    client.open().await;
    let mut write = client.write.take().unwrap();
    let sending = async move {
        for id in 0..2000 {
            write
                .write_all(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\",}}\n").as_bytes())
                .await
                .unwrap();
        }
        write
    };
    let reading = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        for id in 0..2000 {
            assert_eq!(client.answer().await["id"], id);
        }
    };
    tokio::join!(sending, reading);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_not_read_on_and_gets_them_all_once_it_reads() {
    const SENT: usize = 2000;
    let world = World::small().await;
    let mut client = Raw::of(&world);
    client.open().await;
    let mut write = client.write.take().unwrap();
    let padding = " ".repeat(4096);
    let written = std::cell::Cell::new(0);
    let sending = async {
        for id in 0..SENT {
            let line = format!("{}{padding}\n", request(id, "tools/list", &json!({})));
            write.write_all(line.as_bytes()).await.unwrap();
            written.set(id + 1);
        }
    };
    let reading = async {
        // Reads nothing until the server takes nothing more.
        let mut taken = usize::MAX;
        while taken != written.get() {
            taken = written.get();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let mut ids = HashSet::new();
        for _ in 0..SENT {
            let answer = client.answer().await;
            assert!(answer["result"]["tools"].is_array(), "{answer}");
            ids.insert(answer["id"].as_u64().unwrap());
        }
        assert_eq!(ids.len(), SENT);
        taken
    };
    let ((), taken) = tokio::join!(sending, reading);
    // The buffers of the connection hold some 20 requests, and its other direction two answers.
    assert!(taken > 2 && taken < 2 * MAX_PENDING, "{taken} requests were taken before any answer was read");
}

#[tokio::test]
async fn a_cancel_is_read_while_more_requests_wait_than_are_read_ahead() {
    let world = World::small().await;
    let mut client = Raw::of(&world);
    client.open().await;
    let ready = world.readiness.send_replace(Readiness::Opening);
    let read = |id: usize| request(id, "resources/read", &json!({"uri": "ec2://inventory/summary"}));
    for id in 0..2 * MAX_PENDING {
        client.send(&read(id)).await;
    }
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}})).await;
    client.send(&request("after", "ping", &json!({}))).await;
    assert_eq!(client.answer().await["id"], "after", "what comes after the waiting requests is read");
    world.readiness.send_replace(ready);
    let mut ids = HashSet::new();
    for _ in 1..2 * MAX_PENDING {
        ids.insert(client.answer().await["id"].as_u64().unwrap());
    }
    assert!(ids.len() == 2 * MAX_PENDING - 1 && !ids.contains(&0), "only the cancelled request is not answered");
}

#[tokio::test]
async fn an_id_in_flight_is_refused_at_once_and_the_first_request_is_still_answered() {
    let world = World::small().await;
    let mut client = Raw::of(&world);
    client.open().await;
    let ready = world.readiness.send_replace(Readiness::Opening);
    let read = |id: Value| request(id, "resources/read", &json!({"uri": "ec2://inventory/summary"}));
    client.send(&read(json!(7))).await;
    client.send(&request(7, "tools/list", &json!({}))).await;
    let refused = client.answer().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(7), &json!(-32600)), "{refused}");
    assert!(refused["error"]["message"].as_str().unwrap().contains("request id 7 is in flight already"), "{refused}");
    client.send(&request("7", "tools/list", &json!({}))).await;
    let other = client.answer().await;
    assert_eq!(other["id"], "7");
    assert!(other["result"]["tools"].is_array(), "the text is another id than the number: {other}");
    world.readiness.send_replace(ready);
    let first = client.answer().await;
    assert_eq!(first["id"], 7);
    assert!(first["result"]["contents"].is_array(), "{first}");
    client.send(&request(7, "tools/list", &json!({}))).await;
    assert!(client.answer().await["result"]["tools"].is_array(), "answered, the id is free again");
}

#[tokio::test]
async fn the_id_of_a_cancelled_request_is_free_and_gets_the_answer_of_its_second_use() {
    let world = World::small().await;
    let mut client = Raw::of(&world);
    client.open().await;
    let ready = world.readiness.send_replace(Readiness::Opening);
    client.send(&request(1, "resources/read", &json!({"uri": "ec2://inventory/summary"}))).await;
    client.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    client.send(&request(1, "resources/read", &json!({"uri": "ec2://inventory/freshness"}))).await;
    client.send(&request(2, "ping", &json!({}))).await;
    assert_eq!(client.answer().await["id"], 2);
    world.readiness.send_replace(ready);
    let second = client.answer().await;
    assert_eq!(second["id"], 1);
    assert_eq!(second["result"]["contents"][0]["uri"], "ec2://inventory/freshness", "{second}");
    client.send(&request(3, "ping", &json!({}))).await;
    assert_eq!(client.answer().await["id"], 3, "the cancelled request is not answered");
}

#[tokio::test]
async fn a_subscription_keeps_its_id_and_nobody_else_gets_it() {
    let world = World::small().await;
    let mut client = Raw::of(&world);
    let listen = modern("sub", "subscriptions/listen", &json!({"notifications": {"resourcesListChanged": true}}));
    client.send(&listen).await;
    let key = "io.modelcontextprotocol/subscriptionId";
    let acknowledged = client.next().await.unwrap();
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["params"]["_meta"][key], "sub");
    client.send(&listen).await;
    let refused = client.answer().await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("sub"), &json!(-32600)));
    world.stop.cancel();
    let ended = client.answer().await;
    assert_eq!((&ended["id"], &ended["result"]["_meta"][key]), (&json!("sub"), &json!("sub")), "{ended}");
}

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, Lines as TokioLines, ReadHalf, WriteHalf, split};
use tokio::sync::mpsc;

use super::*;

/// The far ends of a running relay: a client and a server to act as.
struct Ends {
    client: WriteHalf<DuplexStream>,
    answers: TokioLines<BufReader<ReadHalf<DuplexStream>>>,
    server: DuplexStream,
    /// The servers to come, each as its far end; a reason in place of one that cannot be had.
    servers: mpsc::UnboundedSender<Result<DuplexStream, String>>,
    relay: tokio::task::JoinHandle<io::Result<RelayEnd>>,
}

fn near(server: DuplexStream) -> ServerEnds<BufReader<ReadHalf<DuplexStream>>, WriteHalf<DuplexStream>> {
    let (reader, writer) = split(server);
    let welcome = Welcome {
        read_tools: vec!["search_inventory".to_owned()],
        store: Some("store".to_owned()),
        ..Welcome::default()
    };
    ServerEnds { reader: BufReader::new(reader), writer, welcome }
}

#[expect(clippy::disallowed_methods, reason = "the relay runs beside the test that acts as both its ends")]
fn start() -> Ends {
    let (client, front) = tokio::io::duplex(1024);
    let (server, far) = tokio::io::duplex(1024);
    let (input, output) = split(front);
    let (servers, mut next) = mpsc::unbounded_channel::<Result<DuplexStream, String>>();
    let another = async move || match next.recv().await {
        Some(server) => server.map(near),
        None => Err("the test has ended".to_owned()),
    };
    let relay =
        tokio::spawn(async move { relay(BufReader::new(input), output, near(far), another, async || true).await });
    let (answers, client) = split(client);
    Ends { client, answers: BufReader::new(answers).lines(), server, servers, relay }
}

impl Ends {
    async fn send(&mut self, message: Value) {
        self.client.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    async fn answer(&mut self) -> Value {
        serde_json::from_str(&self.answers.next_line().await.unwrap().expect("an answer")).unwrap()
    }

    async fn server_reads(&mut self, lines: usize) -> String {
        let mut text = String::new();
        let mut reader = BufReader::with_capacity(1, &mut self.server);
        for _ in 0..lines {
            reader.read_line(&mut text).await.unwrap();
        }
        text
    }

    async fn server_says(&mut self, message: Value) {
        self.server.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }

    /// Ends the server, and has another one ready.
    fn replace(&mut self) {
        let (server, far) = tokio::io::duplex(1024);
        self.servers.send(Ok(far)).unwrap();
        self.server = server;
    }
}

fn request(id: impl Into<Value>) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/list"})
}

#[tokio::test]
async fn lines_are_carried_both_ways_unchanged() {
    let mut ends = start();
    ends.send(request(1)).await;
    assert_eq!(ends.server_reads(1).await, format!("{}\n", request(1)));
    ends.server.write_all(b"{ \"jsonrpc\":\"2.0\",\"id\":1,\"result\":{} }\n").await.unwrap();
    assert_eq!(ends.answers.next_line().await.unwrap().unwrap(), "{ \"jsonrpc\":\"2.0\",\"id\":1,\"result\":{} }");
    ends.client.shutdown().await.unwrap();
    assert_eq!(ends.server_reads(1).await, "", "the server is told that the client left");
    drop(ends.server);
    assert_eq!(ends.relay.await.unwrap().unwrap(), RelayEnd::ClientClosed);
}

#[tokio::test]
async fn what_a_dead_server_did_not_answer_the_next_one_gets_again() {
    let mut ends = start();
    for id in [json!(1), json!("two"), json!(3)] {
        ends.send(request(id)).await;
    }
    ends.server_reads(3).await;
    ends.server_says(json!({"jsonrpc": "2.0", "id": 1, "result": {}})).await;
    ends.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}})).await;
    assert_eq!(ends.answer().await["id"], 1);
    ends.server_reads(1).await;
    // A line that is cut off is nothing.
    ends.server.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":\"two\",\"result\"").await.unwrap();
    ends.replace();
    assert_eq!(ends.server_reads(1).await, format!("{}\n", request("two")));
    ends.server_says(json!({"jsonrpc": "2.0", "id": "two", "result": {"of": "the second"}})).await;
    assert_eq!(ends.answer().await["result"]["of"], "the second");
    ends.send(request(4)).await;
    assert_eq!(ends.server_reads(1).await, format!("{}\n", request(4)));
    ends.client.shutdown().await.unwrap();
    assert_eq!(ends.server_reads(1).await, "");
    drop(std::mem::replace(&mut ends.server, tokio::io::duplex(1).0));
    let answer = ends.answer().await;
    assert!(answer["error"]["message"].as_str().unwrap().contains("the client closed its end"), "{answer}");
    ends.relay.await.unwrap().unwrap();
}

#[tokio::test]
async fn while_there_is_no_server_every_request_is_answered_with_the_reason() {
    let mut ends = start();
    ends.send(request(1)).await;
    ends.server_reads(1).await;
    ends.servers.send(Err("the disk is full".to_owned())).unwrap();
    drop(std::mem::replace(&mut ends.server, tokio::io::duplex(1).0));
    let answer = ends.answer().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(1), &json!(-32603)));
    assert!(answer["error"]["message"].as_str().unwrap().contains("the disk is full"), "{answer}");
    ends.servers.send(Err("the disk is still full".to_owned())).unwrap();
    ends.send(request(2)).await;
    assert!(ends.answer().await["error"]["message"].as_str().unwrap().contains("still full"));
    ends.replace();
    ends.send(request(3)).await;
    assert_eq!(ends.server_reads(1).await, format!("{}\n", request(3)), "it is tried again with each request");
    ends.client.shutdown().await.unwrap();
    assert_eq!(ends.server_reads(1).await, "");
    drop(ends.server);
    assert_eq!(ends.relay.await.unwrap().unwrap(), RelayEnd::ClientClosed);
}

#[tokio::test]
async fn what_is_in_flight_when_the_client_leaves_is_answered_by_a_server_that_hears_of_the_session_first() {
    let mut ends = start();
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    ends.send(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await;
    ends.server_reads(1).await;
    ends.server_says(json!({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-11-25"}})).await;
    ends.answer().await;
    ends.send(request(1)).await;
    ends.server_reads(1).await;
    ends.replace();
    let opening: Value = serde_json::from_str(&ends.server_reads(1).await).unwrap();
    assert_eq!(opening["method"], "initialize");
    ends.client.shutdown().await.unwrap();
    // The relay has read that once it answers no more.
    tokio::task::yield_now().await;
    ends.server_says(json!({"jsonrpc": "2.0", "id": opening["id"], "result": {"protocolVersion": "2025-11-25"}})).await;
    assert_eq!(ends.server_reads(1).await, format!("{}\n", request(1)));
    ends.server_says(json!({"jsonrpc": "2.0", "id": 1, "result": {}})).await;
    assert_eq!(ends.answer().await["result"], json!({}));
    assert_eq!(ends.server_reads(1).await, "", "now the server is told that the client left");
    drop(ends.server);
    ends.relay.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_request_that_comes_while_a_server_is_looked_for_again_is_not_held_up() {
    let mut ends = start();
    let params =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    ends.send(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})).await;
    ends.server_reads(1).await;
    ends.server_says(json!({"jsonrpc": "2.0", "id": 0, "result": {"protocolVersion": "2025-11-25"}})).await;
    ends.answer().await;
    ends.send(json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": "ec2://a"}})).await;
    ends.server_reads(1).await;
    ends.server_says(json!({"jsonrpc": "2.0", "id": 1, "result": {}})).await;
    ends.answer().await;
    for why in ["the disk is full", "the disk is still full"] {
        ends.servers.send(Err(why.to_owned())).unwrap();
    }
    drop(std::mem::replace(&mut ends.server, tokio::io::duplex(1).0));
    ends.replace();
    let opening: Value = serde_json::from_str(&ends.server_reads(1).await).unwrap();
    assert_eq!(opening["method"], "initialize", "nobody asked for anything");
    ends.servers.send(Err("the disk is full again".to_owned())).unwrap();
    drop(std::mem::replace(&mut ends.server, tokio::io::duplex(1).0));
    ends.send(request(2)).await;
    assert!(ends.answer().await["error"]["message"].as_str().unwrap().contains("full again"));
    ends.send(request(3)).await;
    ends.replace();
    let opening: Value = serde_json::from_str(&ends.server_reads(1).await).unwrap();
    assert_eq!(opening["method"], "initialize");
}

#[tokio::test]
async fn what_is_no_message_is_refused_without_the_server() {
    let mut ends = start();
    ends.client.write_all(b"{nonsense\n\r\n{\"jsonrpc\":\"2.0\",\"id\":8,\"method\":\"ping\",}\n").await.unwrap();
    let answer = ends.answer().await;
    assert_eq!((answer.get("id"), &answer["error"]["code"]), (None, &json!(-32700)));
    let answer = ends.answer().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(8), &json!(-32700)));
    ends.send(json!([request(5), request("6")])).await;
    for id in [json!(5), json!("6")] {
        let answer = ends.answer().await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&id, &json!(-32600)));
    }
    ends.send(request(1)).await;
    assert_eq!(ends.server_reads(1).await, format!("{}\n", request(1)), "nothing before it went on");
}

#[tokio::test]
async fn an_id_in_flight_is_refused_and_free_again_when_answered_or_cancelled() {
    let mut ends = start();
    ends.send(request(1)).await;
    ends.send(request(1)).await;
    assert_eq!(ends.answer().await["error"]["code"], -32600);
    ends.send(request("1")).await;
    ends.server_reads(2).await;
    ends.server.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":1}}\n").await.unwrap();
    assert_eq!(ends.answer().await["result"]["a"], 1);
    ends.send(request(1)).await;
    ends.server_reads(1).await;
    ends.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    ends.send(request(1)).await;
    assert_eq!(ends.server_reads(2).await.lines().filter(|line| line.contains("tools/list")).count(), 1);
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_refused_with_its_id_and_the_next_one_carried() {
    let mut ends = start();
    ends.client
        .write_all(b"{\"jsonrpc\":\"2.0\",\"id\":\"long\",\"method\":\"tools/call\",\"params\":\"")
        .await
        .unwrap();
    let much = vec![b'x'; MAX_LINE];
    ends.client.write_all(&much).await.unwrap();
    ends.client.write_all(b"\"}\n").await.unwrap();
    let answer = ends.answer().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("long"), &json!(-32600)));
    assert!(answer["error"]["message"].as_str().unwrap().contains("16 MiB"), "{answer}");
    ends.send(request(1)).await;
    assert_eq!(ends.server_reads(1).await, format!("{}\n", request(1)));
}

#[tokio::test]
async fn a_last_line_without_a_newline_counts() {
    let mut ends = start();
    ends.client.write_all(request(1).to_string().as_bytes()).await.unwrap();
    ends.client.shutdown().await.unwrap();
    assert_eq!(ends.server_reads(1).await, format!("{}\n", request(1)));
    ends.server_says(json!({"jsonrpc": "2.0", "id": 1, "result": {}})).await;
    assert_eq!(ends.answer().await["id"], 1);
    assert_eq!(ends.server_reads(1).await, "");
    drop(ends.server);
    assert_eq!(ends.relay.await.unwrap().unwrap(), RelayEnd::ClientClosed);
}

#[tokio::test]
async fn after_a_goodbye_the_connection_is_closed_and_another_server_serves() {
    let mut ends = start();
    ends.send(request(1)).await;
    ends.server_reads(1).await;
    ends.server_says(json!({"jsonrpc": "2.0", "method": state::GOODBYE})).await;
    assert_eq!(ends.server_reads(1).await, "", "closed");
    ends.replace();
    assert_eq!(ends.server_reads(1).await, format!("{}\n", request(1)));
}

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream, Lines as TokioLines, ReadHalf, WriteHalf, split};

use super::*;

/// The far ends of a running relay: a client and a server to act as.
struct Ends {
    client: WriteHalf<DuplexStream>,
    answers: TokioLines<BufReader<ReadHalf<DuplexStream>>>,
    server: DuplexStream,
    relay: tokio::task::JoinHandle<io::Result<RelayEnd>>,
}

#[expect(clippy::disallowed_methods, reason = "the relay runs beside the test that acts as both its ends")]
fn start() -> Ends {
    let (client, near) = tokio::io::duplex(1024);
    let (server, far) = tokio::io::duplex(1024);
    let (input, output) = split(near);
    let (from_server, to_server) = split(far);
    let relay = tokio::spawn(relay(BufReader::new(input), output, BufReader::new(from_server), to_server));
    let (answers, client) = split(client);
    Ends { client, answers: BufReader::new(answers).lines(), server, relay }
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
async fn a_dead_server_fails_waiting_requests_and_later_ones() {
    let mut ends = start();
    ends.send(request(1)).await;
    ends.send(request("two")).await;
    ends.send(request(3)).await;
    ends.server_reads(3).await;
    ends.server.write_all(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n").await.unwrap();
    ends.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}})).await;
    assert_eq!(ends.answer().await["id"], 1);
    ends.server_reads(1).await;
    let (server, _) = tokio::io::duplex(1);
    drop(std::mem::replace(&mut ends.server, server));
    let answer = ends.answer().await;
    assert_eq!(answer["id"], "two");
    assert_eq!(answer["error"]["code"], -32603);
    assert!(answer["error"]["message"].as_str().unwrap().contains("server process ended"), "{answer}");
    ends.send(request(4)).await;
    assert_eq!(ends.answer().await["id"], 4, "the cancelled request is not answered");
    ends.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    ends.send(json!([request(5), request(6)])).await;
    assert_eq!(ends.answer().await["id"], 5);
    assert_eq!(ends.answer().await["id"], 6);
    drop(ends.client);
    drop(ends.answers);
    assert_eq!(ends.relay.await.unwrap().unwrap(), RelayEnd::ServerEnded);
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
    ends.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}})).await;
    ends.send(request(1)).await;
    assert_eq!(ends.server_reads(3).await.lines().filter(|line| line.contains("tools/list")).count(), 2);
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

use super::*;

use std::io::ErrorKind;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::config::{Environment, Given};
use crate::policy::WritePolicy;

fn listener() -> ClientListener {
    let given = Given { data_dir: Some("/nowhere".into()), ..Given::default() };
    let config = Config::merge(given, &Environment::of(&[], Some("/state")), &[]).unwrap();
    ClientListener::new(&config, ServerProcess::inner(WritePolicy::of(false)))
}

async fn say(client: &mut UnixStream, message: &Value) {
    client.write_all(format!("{message}\n").as_bytes()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_of_its_answers_loses_its_connection_after_a_while() {
    let listener = listener();
    let (mut client, server) = UnixStream::pair().unwrap();
    listener.receive(server);
    say(&mut client, &json!({"muster": "0.1.0", "wire": handshake::WIRE})).await;
    let initialize =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    say(&mut client, &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": initialize})).await;
    say(&mut client, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    // Some megabytes of answers: more than a socket holds.
    for id in 1..200 {
        say(&mut client, &json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"})).await;
    }
    let gone = || listener.clients().gone_for(Duration::ZERO);
    assert!(timeout(stall::PATIENCE / 2, gone()).await.is_err(), "it is held back, and nothing more");
    timeout(stall::PATIENCE, gone()).await.expect("it is closed");
    // What was on its way comes, and then the end.
    let mut rest = Vec::new();
    let end = timeout(stall::PATIENCE, client.read_to_end(&mut rest)).await.expect("the connection is closed");
    // Requests that the server did not read on to are told by the system as a reset.
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert!(!rest.is_empty());
}

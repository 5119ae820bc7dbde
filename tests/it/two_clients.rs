//! Front ends on one data directory share one server, and go on with another one when it dies.

use serde_json::json;

use crate::harness::moto::Moto;
use crate::harness::muster::Sandbox;
use crate::harness::rpc::Client;
use crate::harness::{PATIENCE, eventually};

#[test]
fn two_front_ends_started_at_once_share_one_server_and_both_work() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let uri = format!("ec2://instance/{instance}");
    let sandbox = Sandbox::new(&moto.endpoint());
    // Both start before either has a server to attach to.
    let mut clients = [Client::stdio(&sandbox, &[]), Client::stdio(&sandbox, &[])];
    for client in &mut clients {
        client.must("server/discover", &json!({}));
        assert!(client.tools().contains(&"search_inventory".to_owned()));
    }
    for client in &mut clients {
        eventually("the first sweep ends", || client.is_swept().then_some(()));
        assert_eq!(client.read(&uri)["document"]["InstanceId"], *instance);
    }
    assert_eq!(servers_of(&sandbox).len(), 1, "{:?}", servers_of(&sandbox));
    assert_eq!(sandbox.server_pid(), servers_of(&sandbox).first().copied());

    // One leaves; the other goes on.
    let [mut leaving, mut staying] = clients;
    leaving.front_end().hang_up();
    assert!(leaving.front_end().wait(PATIENCE).success());
    assert_eq!(staying.read(&uri)["document"]["InstanceId"], *instance);
}

#[test]
fn a_client_goes_on_with_another_server_when_its_own_is_killed() {
    let moto = Moto::start();
    let instance = moto.launch(1).remove(0);
    let uri = format!("ec2://instance/{instance}");
    let sandbox = Sandbox::new(&moto.endpoint());
    let mut server = sandbox.serve(&[]);
    server.swept();
    let mut client = Client::stdio(&sandbox, &[]);
    client.must("server/discover", &json!({}));
    let before = sandbox.server_pid();
    server.kill();
    assert_eq!(client.read(&uri)["document"]["InstanceId"], *instance);
    assert!(client.tools().contains(&"search_inventory".to_owned()));
    assert_ne!(sandbox.server_pid(), before);
    assert_eq!(servers_of(&sandbox).len(), 1, "{:?}", servers_of(&sandbox));
}

/// The processes that serve this sandbox's data directory.
fn servers_of(sandbox: &Sandbox) -> Vec<i32> {
    let data = sandbox.data();
    let data = data.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let name = entry.unwrap().file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<&str> =
            line.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok()).collect();
        if words.contains(&"serve") && words.iter().any(|word| word.contains(data)) {
            found.push(pid);
        }
    }
    found
}

//! Who made a change, and what AWS announced: against the simulator, whose `CloudTrail` remembers every call.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::eventually;
use crate::harness::muster::{OFTEN, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// How often the simulator was asked for its event history.
fn lookups(simulator: &Simulator) -> u64 {
    let requests = simulator.control("GET", "/requests", &Value::Null);
    let all = requests["requests"].as_array().unwrap();
    all.iter().filter(|one| one["action"] == "LookupEvents").map(|one| one["total"].as_u64().unwrap()).sum()
}

/// The newest change of a resource that matches, once there is one, with who made it.
fn change(client: &mut Client, arguments: &Value, is: impl Fn(&Value) -> bool) -> Value {
    eventually("the change is recorded", || {
        let answer = client.call("list_changes", arguments).unwrap();
        assert!(!answer.is_error, "{}", answer.text);
        answer.structured["changes"].as_array().unwrap().iter().find(|change| is(change)).cloned()
    })
}

fn instance(client: &mut Client, state: &str) -> String {
    let asked = json!({"kind": "instance", "filters": {"instance-state-name": [state]}, "limit": 1});
    let answer = client.call("search_inventory", &asked).unwrap();
    answer.structured["rows"][0]["id"].as_str().unwrap_or_else(|| panic!("{}", answer.text)).to_owned()
}

#[test]
fn a_change_that_only_a_sweep_saw_is_traced_to_its_call() {
    let simulator = Simulator::start(20, &[]);
    let account = Account::at(&simulator.endpoint());
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    let id = instance(&mut client, "running");
    account.call("ec2.stop_instances", &json!({"InstanceIds": [id]}));
    let asked = |who: bool| json!({"kind": "instance", "id": id, "field": "State.Name", "who": who});
    let seen = change(&mut client, &asked(false), |change| change["what"] == "changed");
    assert_eq!(seen["who"], Value::Null, "nothing is looked up unasked: {seen}");
    assert_eq!(lookups(&simulator), 0);

    let traced = change(&mut client, &asked(true), |change| change["what"] == "changed");
    let who = &traced["who"];
    assert_eq!(
        (&who["found"], &who["call"], &who["from"]),
        (&json!(true), &json!("StopInstances"), &json!("cloudtrail"))
    );
    assert!(who["actor"].as_str().unwrap().ends_with(":user/muster"), "{who}");
    // What was found is not asked for again; what comes meanwhile is a question of its own.
    let again = || json!({"kind": "instance", "id": id, "until": traced["recorded_at"], "who": true});
    client.call("list_changes", &again()).unwrap();
    let made = lookups(&simulator);
    client.call("list_changes", &again()).unwrap();
    assert_eq!(lookups(&simulator), made);

    account.call("ec2.create_tags", &json!({"Resources": [id], "Tags": [{"Key": "Team", "Value": "web"}]}));
    let tags = json!({"kind": "instance", "id": id, "field": "Tags", "who": true});
    let tagged = change(&mut client, &tags, |change| change["what"] == "changed");
    assert_eq!(tagged["who"]["call"], "CreateTags", "{tagged}");

    let other = instance(&mut client, "running");
    simulator.control("POST", "/status", &json!({"id": other, "check": "system", "impaired": true}));
    let checks = json!({"kind": "instance-status", "id": other, "field": "SystemStatus", "who": true});
    let failed = change(&mut client, &checks, |change| change["what"] == "changed");
    assert!(failed["who"]["words"].as_str().unwrap().starts_with("nobody"), "{failed}");

    let data = sandbox.data();
    let asked = ["changes", &id, "--who", "--field", "State.Name", "--data-dir", data.to_str().unwrap()];
    let shown = || sandbox.muster(&asked).output().unwrap();
    let by_server = shown();
    assert!(String::from_utf8_lossy(&by_server.stdout).contains("called StopInstances"), "{by_server:?}");
    server.terminate();
    let by_nobody = shown();
    let why = String::from_utf8_lossy(&by_nobody.stderr);
    assert!(by_nobody.status.code() == Some(1) && why.contains("start `muster serve`"), "{by_nobody:?}");
}

#[test]
fn that_cloudtrail_cannot_be_asked_is_said_with_the_change() {
    let simulator = Simulator::start(5, &[]);
    let account = Account::at(&simulator.endpoint());
    simulator.control("PATCH", "/faults", &json!({"denied": ["LookupEvents"]}));
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    let id = instance(&mut client, "running");
    account.call("ec2.stop_instances", &json!({"InstanceIds": [id]}));
    let asked = json!({"kind": "instance", "id": id, "field": "State.Name", "who": true});
    let seen = change(&mut client, &asked, |change| change["what"] == "changed");
    let words = seen["who"]["words"].as_str().unwrap();
    assert_eq!(seen["who"]["found"], json!(false));
    assert!(words.starts_with("not looked up") && words.contains("cloudtrail:LookupEvents"), "{words}");
}

#[test]
fn what_aws_announces_shows_with_the_instance_until_it_is_over() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let queue = simulator.control("POST", "/listen", &json!({"name": "notices"}))["queue_url"].take();
    let server = sandbox.serve(&[&RARELY[..], &["--queue-url", queue.as_str().unwrap()]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    let id = instance(&mut client, "running");
    let mut announced = |wanted: &[&str]| {
        eventually("the notices are those that were told", || {
            let answer = client.call("get_instance_status", &json!({"instance_ids": [id]})).unwrap();
            let notices = answer.structured["instances"][0]["notices"].as_array().unwrap().clone();
            let mut of: BTreeMap<String, Value> = BTreeMap::new();
            for notice in notices {
                of.insert(notice["what"].as_str().unwrap().to_owned(), notice);
            }
            let told = wanted.iter().all(|what| answer.text.contains(&format!("notice: {what}")));
            (of.len() == wanted.len() && told).then_some(of)
        })
    };
    simulator.control("POST", "/emit", &json!({"event": "spot-interruption", "id": id, "action": "stop"}));
    let notices = announced(&["spot interruption"]);
    assert_eq!(notices["spot_interruption"]["code"], "stop");
    simulator.control("POST", "/emit", &json!({"event": "rebalance", "id": id}));
    simulator.control("POST", "/emit", &json!({"event": "health", "id": id, "starts_in": 86_400}));
    let notices = announced(&["spot interruption", "rebalance recommendation", "AWS Health"]);
    assert_eq!(notices["health"]["description"], "A reboot is scheduled.");
    // The same second would not tell which of the two came later, but closed goes before open.
    simulator.control("POST", "/emit", &json!({"event": "health", "id": id, "status": "closed", "starts_in": 86_400}));
    announced(&["spot interruption", "rebalance recommendation"]);
    let body = client.read(&format!("ec2://instance/{id}/status"));
    assert_eq!(body["document"]["Notices"].as_array().unwrap().len(), 3, "{body}");
}

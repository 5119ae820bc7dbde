//! Accounts that are no longer watched, and accounts that cannot be reached: what is known of them stays answerable, and answers say
//! why it is not newer.

use std::fs;

use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::muster::{OFTEN, Sandbox};
use crate::harness::roles::{AccountsFile, role};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const ONE: &str = "200000000001";
const TWO: &str = "200000000002";
const CAUSE: &str = "the configuration file does not name it any more";

fn total(client: &mut Client, arguments: &Value) -> (u64, Value) {
    let found = client.call("count_inventory", arguments).unwrap();
    assert!(!found.is_error, "{}", found.text);
    (found.structured["total"].as_u64().unwrap(), found.structured)
}

/// The row of SQL's table of accounts that bears a name.
fn row(client: &mut Client, name: &str) -> Value {
    let asked = json!({"sql": format!("SELECT account, name, state, reason FROM account WHERE name = '{name}'")});
    let found = client.call("query_inventory", &asked).unwrap();
    assert!(!found.is_error, "{}", found.text);
    found.structured["rows"][0].clone()
}

#[test]
fn an_account_that_left_is_answered_for_by_its_last_name_with_the_cause_also_after_a_restart() {
    let flags = ["--accounts", "2", "--account-regions", "us-east-1,eu-west-1", "--account-instances", "40"];
    let simulator = Simulator::start(5, &flags);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &["us-east-1", "eu-west-1"]);
    file.write(&[("one", ONE), ("two", TWO)]);
    let config = [&OFTEN[..], &["--config", file.path()]].concat();
    let mut server = sandbox.serve(&config);
    server.swept();
    let mut client = Client::http(&server.http);
    let (held, _) = total(&mut client, &json!({"kind": "instance", "account": "two"}));
    assert!(held > 0);
    assert_eq!(row(&mut client, "two")["state"], "watched");
    let listed = client.call("search_inventory", &json!({"kind": "instance", "account": "two", "limit": 1})).unwrap();
    let id = listed.structured["rows"][0]["id"].as_str().unwrap().to_owned();

    // One goes, and one comes that cannot be reached: there is no such profile.
    let text = format!(
        "regions = [\"us-east-1\", \"eu-west-1\"]\n[[accounts]]\nname = \"one\"\nrole_arn = {:?}\n\
         [[accounts]]\nname = \"lost\"\nprofile = \"nowhere\"\n",
        role(ONE)
    );
    file.write(&[("one", ONE)]);
    let data = sandbox.data();
    let told = sandbox.muster(&["reload", "--data-dir", data.to_str().unwrap()]).output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    for is_restarted in [false, true] {
        if is_restarted {
            fs::write(file.path(), &text).unwrap();
            server.terminate();
            server = sandbox.serve(&config);
            client = Client::http(&server.http);
        }
        eventually("the other account alone counts", || {
            let found = client.call("count_inventory", &json!({"kind": "instance"})).unwrap();
            let watched = found.structured["watched"].to_string();
            (!found.is_error && watched.contains(ONE) && !watched.contains(TWO)).then_some(())
        });
        for asked in [
            json!({"kind": "instance", "account": "two"}),
            json!({"kind": "instance", "account": TWO}),
            json!({"kind": "instance", "filters": {"account": ["two"]}}),
            json!({"kind": "instance", "filters": {"account": [TWO]}}),
        ] {
            let (count, told) = total(&mut client, &asked);
            assert_eq!(count, held, "{asked}");
            assert!(told["stale"].to_string().contains(CAUSE), "{asked}: {}", told["stale"]);
        }
        let read = client.read(&format!("ec2://instance/{id}"));
        assert!(read["stale"]["why"].as_str().unwrap().contains(CAUSE), "{}", read["stale"]);
        let changes = client.call("list_changes", &json!({"account": "two", "include_baseline": true})).unwrap();
        assert!(!changes.structured["changes"].as_array().unwrap().is_empty(), "{}", changes.text);
        let unwatched = &changes.structured["unwatched"];
        assert_eq!(unwatched.as_array().map(Vec::len), Some(1), "one entry for both regions: {unwatched}");
        assert_eq!(
            (&unwatched[0]["account"], &unwatched[0]["regions"], &unwatched[0]["why"]),
            (&json!(TWO), &json!(2), &json!(CAUSE))
        );
        assert!(changes.text.contains(&format!("{TWO} in 2 regions ({CAUSE})")), "{}", changes.text);
        let since = unwatched[0]["since"].clone();
        let then = client.call("list_changes", &json!({"since": since})).unwrap();
        assert_eq!(then.structured["unwatched"], *unwatched, "it left in this time: {}", then.text);
        let now = client.read("ec2://inventory/freshness")["now"].clone();
        let later = client.call("list_changes", &json!({"since": now})).unwrap();
        assert!(later.structured.get("unwatched").is_none(), "it left before this time: {}", later.text);
        let of_it = client.call("list_changes", &json!({"since": now, "account": "two"})).unwrap();
        assert_eq!(of_it.structured["unwatched"], *unwatched, "it is named: {}", of_it.text);
        let summary = client.call("get_inventory_summary", &json!({})).unwrap();
        assert!(summary.text.contains(CAUSE), "{}", summary.text);
        let row = row(&mut client, "two");
        assert_eq!((&row["account"], &row["state"]), (&json!(TWO), &json!("retired")));
        assert!(row["reason"].as_str().unwrap().contains(CAUSE), "{row}");
    }
    eventually("the account that cannot be reached is told", || {
        let changes = client.call("list_changes", &json!({})).unwrap();
        (changes.structured["unreached_accounts"][0]["account"] == "lost").then_some(())
    });
    let lost = row(&mut client, "lost");
    assert_eq!(lost["state"], "unreached");
    assert!(lost["reason"].as_str().is_some_and(|reason| reason.contains("nowhere")), "{lost}");
    for asked in [
        json!({"kind": "instance", "account": "lost"}),
        json!({"kind": "instance", "filters": {"account": ["lost"]}}),
        json!({"kind": "instance", "filters": {"account": ["lost"], "region": ["us-east-1"]}}),
    ] {
        let refused = client.call("count_inventory", &asked).unwrap();
        assert!(refused.is_error && refused.text.contains("nowhere"), "{asked}: {}", refused.text);
        assert!(!refused.text.contains("is not watched"), "{asked}: {}", refused.text);
    }
    let (count, told) = total(&mut client, &json!({"kind": "instance", "filters": {"account": ["one", "lost"]}}));
    let (of_one, _) = total(&mut client, &json!({"kind": "instance", "account": "one"}));
    let readings = told["readings"].to_string();
    assert_eq!(count, of_one);
    assert!(readings.contains("what account lost holds") && readings.contains("nowhere"), "{readings}");
}

//! A data directory that now means another account, or fewer regions, than it did; and one that is only read.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use aws_credential_types::Credentials;
use aws_sdk_ec2::config::{BehaviorVersion, Region};
use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const ACCOUNT: &str = "123456789012";
/// The simulator takes an access key of twelve digits for that account's.
const OTHER: &str = "999999999999";

fn rows(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What a command on the sandbox's data directory prints as JSON.
fn printed(sandbox: &Sandbox, words: &[&str]) -> Value {
    let output = sandbox.muster(words).arg("--data-dir").arg(sandbox.data()).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{words:?}: {error}: {out}{err}"))
}

#[test]
fn a_data_directory_of_another_account_is_refused_with_both_accounts_and_stays_as_it_is() {
    let simulator = Simulator::start(7, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    server.terminate();
    let before = printed(&sandbox, &["log", "stat", "--json"]);

    sandbox.set("AWS_ACCESS_KEY_ID", OTHER);
    let mut server = sandbox.serve(&RARELY);
    let mut client = Client::http(&server.http);
    let told = eventually("the other account is refused", || {
        let answer = client.call("search_inventory", &json!({})).unwrap();
        answer.is_error.then_some(answer.text)
    });
    for part in [ACCOUNT, OTHER, "--data-dir", sandbox.data().to_str().unwrap(), "without AWS"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    // Whatever is asked, nothing of either account is told, and the server goes on answering over MCP.
    let uri = format!("ec2://inventory/{ACCOUNT}/{}/instance", simulator.endpoint().region);
    assert!(client.try_read(&uri).unwrap_err().message.contains(OTHER));
    assert!(client.try_read("ec2://inventory/summary").unwrap_err().message.contains(OTHER));
    assert!(client.call("count_inventory", &json!({})).unwrap().is_error);
    assert!(client.tools().contains(&"search_inventory".to_owned()));
    // So do clients that start `muster mcp`, which meet the same server.
    let mut front = Client::stdio(&sandbox, &[]);
    let answer = front.call("get_inventory_summary", &json!({})).unwrap();
    assert!(answer.is_error && answer.text.contains(ACCOUNT) && answer.text.contains(OTHER), "{}", answer.text);
    drop(front);
    server.terminate();

    // Offline the inventory is read as it was, and nothing was recorded.
    let after = printed(&sandbox, &["log", "stat", "--json"]);
    for figure in ["log", "newest_seq", "records", "resources"] {
        assert_eq!(before[figure], after[figure], "{figure}");
    }
    assert_eq!(printed(&sandbox, &["count", "--json"])["total"], 7);
    // The account's own credentials find everything again.
    sandbox.set("AWS_ACCESS_KEY_ID", ACCOUNT);
    let server = sandbox.serve(&RARELY);
    server.swept();
    let found = Client::http(&server.http).call("search_inventory", &json!({})).unwrap();
    assert_eq!(found.structured["total"], 7, "{}", found.text);
}

/// Foreign credentials with other regions: whose store it is is not known yet when the server starts.
#[test]
fn another_accounts_credentials_with_other_regions_change_nothing_that_offline_commands_read() {
    let simulator = Simulator::start(7, &["--regions", "eu-west-1=3"]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let regions = |regions: &'static str| [&RARELY[..], &["--regions", regions]].concat();
    let mut server = sandbox.serve(&regions("us-east-1,eu-west-1"));
    server.swept();
    server.terminate();
    let read = |sandbox: &Sandbox| {
        let count = printed(sandbox, &["count", "--json"])["total"].clone();
        (count, printed(sandbox, &["search", "--json"])["total"].clone())
    };
    let before = read(&sandbox);
    assert_eq!(before.0, 10);

    sandbox.set("AWS_ACCESS_KEY_ID", OTHER);
    // Fewer regions, none that is stored, and one more than stored.
    for other in ["eu-west-1", "us-west-2", "us-east-1,us-west-2"] {
        let mut server = sandbox.serve(&regions(other));
        let mut client = Client::http(&server.http);
        eventually("the other account is refused", || {
            let answer = client.call("search_inventory", &json!({})).unwrap();
            (answer.is_error && answer.text.contains(OTHER)).then_some(())
        });
        server.terminate();
        assert_eq!(read(&sandbox), before, "{other}");
    }
}

/// The region is watched again without a restart between being left out and being swept.
#[test]
fn a_region_that_the_configuration_file_names_after_the_start_is_watched_and_recorded_again() {
    const NEAR: &str = "us-east-1";
    const FAR: &str = "eu-west-1";
    let simulator = Simulator::start(5, &["--regions", "eu-west-1=3"]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    for regions in ["us-east-1,eu-west-1", NEAR] {
        let mut server = sandbox.serve(&[&RARELY[..], &["--regions", regions]].concat());
        let mut client = Client::http(&server.http);
        eventually("every region is swept by this server", || {
            let summary = client.call("get_inventory_summary", &json!({})).unwrap().structured;
            let scopes = rows(&summary["scopes"]);
            (!scopes.is_empty() && scopes.iter().all(|scope| scope["stale"].is_null())).then_some(())
        });
        server.terminate();
    }
    assert_eq!(printed(&sandbox, &["count", "--json"])["total"], 5);
    let endpoint = Endpoint { region: FAR.to_owned(), ..simulator.endpoint() };
    let volumes = printed(&sandbox, &["search", "--json", "--kind", "volume", "--region", FAR]);
    let snapshot = snapshot(&endpoint, volumes["rows"][0]["id"].as_str().unwrap());

    sandbox.unset("AWS_REGION");
    let mut server = sandbox.serve(&RARELY);
    let mut client = Client::http(&server.http);
    eventually("the missing region is told", || {
        let freshness = client.read("ec2://inventory/freshness");
        freshness["trouble"]["what"].as_str().is_some_and(|what| what.contains("region")).then_some(())
    });
    let directory = sandbox.path().join("home/.aws");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("config"), format!("[default]\nregion = {FAR}\n")).unwrap();
    let summary = eventually("the region is swept", || {
        let summary = client.call("get_inventory_summary", &json!({})).unwrap().structured;
        let scopes = rows(&summary["scopes"]);
        let is_swept = |scope: &Value| scope["region"] == FAR && scope["sweep"] == "complete";
        (!scopes.is_empty() && scopes.iter().all(is_swept)).then_some(summary)
    });
    assert_eq!(summary["totals"]["instance"], 3, "{summary}");
    assert_eq!(rows(&summary["unwatched"]).iter().map(|place| &place["region"]).collect::<Vec<_>>(), [NEAR]);
    let found = client.call("search_inventory", &json!({})).unwrap();
    assert_eq!(
        (&found.structured["total"], &found.structured["at_least"]),
        (&json!(3), &json!(false)),
        "{}",
        found.text
    );
    assert_eq!(client.read(&format!("ec2://snapshot/{snapshot}"))["region"], FAR, "what came meanwhile is recorded");
    server.terminate();
    assert_eq!(printed(&sandbox, &["count", "--json"])["total"], 3, "offline as well");
}

/// `muster mcp` alone, as an AI client starts it: the server that it makes has no terminal.
#[test]
fn a_front_end_on_another_accounts_directory_answers_with_the_reason() {
    let simulator = Simulator::start(3, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    server.terminate();
    sandbox.set("AWS_ACCESS_KEY_ID", OTHER);
    let mut client = Client::stdio(&sandbox, &[]);
    let told = eventually("the other account is refused", || {
        let answer = client.call("get_inventory_summary", &json!({})).unwrap();
        answer.is_error.then_some(answer.text)
    });
    assert!(told.contains(ACCOUNT) && told.contains(OTHER), "{told}");
    assert!(client.tools().len() > 5);
}

#[test]
fn regions_that_are_no_longer_watched_leave_answers_and_come_back_as_resumed() {
    const NEAR: &str = "us-east-1";
    const FAR: &str = "eu-west-1";
    let simulator = Simulator::start(5, &["--regions", "eu-west-1=3"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let both = [&RARELY[..], &["--regions", "us-east-1,eu-west-1"]].concat();
    let mut server = sandbox.serve(&both);
    server.swept();
    let mut client = Client::http(&server.http);
    let total = |client: &mut Client, arguments: &Value| {
        let found = client.call("search_inventory", arguments).unwrap();
        assert!(!found.is_error, "{}", found.text);
        (found.structured["total"].as_u64().unwrap(), found)
    };
    assert_eq!(total(&mut client, &json!({})).0, 8);
    let far = total(&mut client, &json!({"region": FAR})).1.structured["rows"][0]["id"].as_str().unwrap().to_owned();
    let volume = total(&mut client, &json!({"kind": "volume", "region": FAR})).1.structured["rows"][0]["id"].clone();
    let volume = volume.as_str().unwrap().to_owned();
    let then = client.read("ec2://inventory/freshness")["now"].as_str().unwrap().to_owned();
    server.terminate();

    // From the first answer on, before anything is swept.
    let mut server = sandbox.serve(&[&RARELY[..], &["--region", NEAR]].concat());
    let mut client = Client::http(&server.http);
    let (count, found) = total(&mut client, &json!({}));
    assert_eq!((count, &found.structured["watched"]), (5, &json!([format!("{ACCOUNT}/{NEAR}")])), "{}", found.text);
    assert_eq!(client.call("count_inventory", &json!({"group_by": "instance-type"})).unwrap().structured["total"], 5);
    server.swept();
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert_eq!(summary.structured["totals"]["instance"], 5);
    assert_eq!(summary.structured["unwatched"][0]["region"], FAR);
    assert!(rows(&summary.structured["scopes"]).iter().all(|scope| scope["region"] == NEAR));
    assert!(
        summary.text.contains("No longer watched since") && summary.structured["complete"] == true,
        "{}",
        summary.text
    );
    let listed = client.pages("resources/list", "resources").concat();
    assert!(listed.iter().all(|entry| !entry["uri"].as_str().unwrap().contains(&far)), "{listed:?}");
    assert!(listed.iter().all(|entry| !entry["uri"].as_str().unwrap().contains(FAR)));
    // Freshness shows since when.
    let freshness = client.read("ec2://inventory/freshness");
    let unwatched: Vec<_> = rows(&freshness["scopes"]).iter().filter(|scope| scope["region"] == FAR).collect();
    assert_eq!(unwatched.len(), rows(&freshness["scopes"]).len() / 2);
    for scope in unwatched {
        let since = scope["no_longer_watched_since"].as_str().unwrap();
        assert_eq!(scope["stale"]["why"], format!("no longer watched since {since}"));
    }
    // What is asked for by name is there, and labelled.
    let labelled =
        |body: &Value| body["stale"]["why"].as_str().is_some_and(|why| why.contains("no longer watched since"));
    assert!(labelled(&client.read(&format!("ec2://instance/{far}"))));
    assert!(labelled(&client.read(&format!("ec2://inventory/{ACCOUNT}/{FAR}/instance/{far}"))));
    let collection = client.read(&format!("ec2://inventory/{ACCOUNT}/{FAR}/instance"));
    assert!(labelled(&collection) && collection["count"] == 3, "{collection}");
    let got = client.call("get_resource", &json!({"id": far})).unwrap();
    assert!(got.text.contains("no longer watched since"), "{}", got.text);
    let (count, found) = total(&mut client, &json!({"region": FAR}));
    assert!(count == 3 && found.text.contains("no longer watched since"), "{}", found.text);
    let history = client.read(&format!("ec2://instance/{far}/history"));
    assert_eq!(history["unwatched"][0]["region"], FAR, "{history}");
    // As of when it was watched it is in totals, and that it no longer is shows.
    let (count, found) = total(&mut client, &json!({"as_of": then}));
    assert!(count >= 5 && found.structured["unobserved"].is_array(), "{}", found.text);
    let since = summary.structured["unwatched"][0]["since"].as_str().unwrap();
    let (count, found) = total(&mut client, &json!({"as_of": since}));
    assert_eq!((count, &found.structured["unwatched"][0]["region"]), (8, &json!(FAR)), "{}", found.text);
    server.terminate();
    assert_eq!(printed(&sandbox, &["count", "--json"])["total"], 5, "offline as well");

    // Watched again: what came meanwhile is news of the gap, and nothing of before is taken for gone.
    let snapshot = snapshot(&Endpoint { region: FAR.to_owned(), ..simulator.endpoint() }, &volume);
    let server = sandbox.serve(&both);
    let mut client = Client::http(&server.http);
    assert_eq!(total(&mut client, &json!({})).0, 8, "from the first answer on");
    eventually("both regions are swept again", || {
        let freshness = client.read("ec2://inventory/freshness");
        rows(&freshness["scopes"]).iter().all(|scope| scope["stale"].is_null()).then_some(())
    });
    assert_eq!(total(&mut client, &json!({})).0, 8);
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(summary.structured.get("unwatched").is_none(), "{}", summary.text);
    let changes = client.call("list_changes", &json!({"region": FAR, "include_baseline": true, "limit": 500})).unwrap();
    let since_then: Vec<_> = rows(&changes.structured["changes"])
        .iter()
        .filter(|change| change["recorded_at"].as_str().unwrap() > then.as_str())
        .collect();
    let found = since_then.iter().find(|change| change["id"] == snapshot).expect("what came in the gap was found");
    assert!(found["observed_between"].is_array(), "it is told as found after a gap: {found}");
    assert!(since_then.iter().all(|change| change["cause"]["by"] != "baseline"), "{since_then:#?}");
    assert!(since_then.iter().all(|change| change["what"] != "removed"), "{since_then:#?}");
}

/// Makes a snapshot of a volume, as somebody else would.
fn snapshot(endpoint: &Endpoint, volume: &str) -> String {
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(Credentials::new("testing", "testing", None, None, "watched"))
        .region(Region::new(endpoint.region.clone()))
        .endpoint_url(&endpoint.url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let call = aws_sdk_ec2::Client::from_conf(config).create_snapshot().volume_id(volume).send();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call).unwrap().snapshot_id.unwrap()
}

/// Every byte of the store file.
fn bytes(sandbox: &Sandbox) -> Vec<u8> {
    fs::read(sandbox.store()).unwrap()
}

#[test]
fn commands_that_only_read_change_no_byte_of_the_store_and_need_no_right_to_write() {
    let simulator = Simulator::start(4, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    for kills in [false, true] {
        let mut server = sandbox.serve(&RARELY);
        server.swept();
        if kills {
            server.kill();
        } else {
            server.terminate();
        }
        let before = bytes(&sandbox);
        let rights = |file, directory| {
            fs::set_permissions(sandbox.store(), fs::Permissions::from_mode(file)).unwrap();
            fs::set_permissions(sandbox.data(), fs::Permissions::from_mode(directory)).unwrap();
        };
        rights(0o400, 0o500);
        for words in [
            &["log", "verify", "--json"][..],
            &["log", "stat", "--json"],
            &["search", "--json"],
            &["count", "--json"],
            &["changes", "--json", "--baseline"],
        ] {
            printed(&sandbox, words);
            assert!(bytes(&sandbox) == before, "{words:?} changed the store (killed: {kills})");
        }
        let export = sandbox.muster(&["log", "export", "--data-dir"]).arg(sandbox.data()).output().unwrap();
        assert!(export.status.success() && !export.stdout.is_empty(), "{export:?}");
        assert!(bytes(&sandbox) == before, "the export changed the store (killed: {kills})");
        assert_eq!(printed(&sandbox, &["log", "verify", "--json"])["clean"], true);
        rights(0o600, 0o700);
    }
}

//! The truth under faults: a server in front of an account that throttles, fails, lags, loses and repeats, and never lies.
//!
//! The storm of CI is a small and short one. The long one is the same test with other numbers:
//!
//! ```console
//! MUSTER_STORM_SECONDS=600 MUSTER_STORM_INSTANCES=20000 cargo test --release --test it storm:: -- --nocapture
//! ```
//!
//! Everything goes by real time: the simulator and the server are processes, and how long the rules wait is not for tests
//! to say. What takes that long is waited for.

mod log;
mod oracle;
mod reader;
mod watch;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_ec2::Client as Ec2;
use aws_sdk_ec2::config::{BehaviorVersion, Region};
use muster::kinds::KINDS;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::eventually;
use crate::harness::muster::{Endpoint, OFTEN, RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use oracle::{Oracle, kind, now};
use reader::Reader;
use watch::Watch;

const STORM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/scenarios/storm.toml");

/// How late the storm's describes are at most.
const LAG: Duration = Duration::from_secs(5);

/// How long after the last fault, besides two sweeps, the copy may differ from AWS.
const CALM: Duration = Duration::from_secs(90);

/// How long anything may take that waits for the rules' own minutes.
const LONG: Duration = Duration::from_mins(5);

/// Short intervals, which leave events something to tell and a small machine time to keep up.
const SHORT: [&str; 4] = [
    "--interval",
    "instance=12s,instance-status=15s,volume=15s,network-interface=15s,\
     vpc=20s,subnet=20s,security-group=15s,address=20s,snapshot=20s",
    "--aws-share",
    "1",
];

#[test]
fn through_a_storm_every_read_is_true_nothing_is_falsely_removed_and_after_it_the_copy_equals_aws() {
    let (seconds, instances) = (number("MUSTER_STORM_SECONDS", 60), number("MUSTER_STORM_INSTANCES", 2_000));
    let sandbox = Sandbox::bare();
    // What is terminated ages out within the storm, too.
    let scenario = scenario(&sandbox, "terminated_retention = \"10s\"\n", &fs::read_to_string(STORM).unwrap());
    let simulator = Simulator::start(instances, &["--scenario", &scenario]);
    let endpoint = simulator.endpoint();
    let sandbox = Sandbox::new(&endpoint);
    let begun = Instant::now();
    let queue = simulator.control("POST", "/listen", &json!({"name": "storm"}))["queue_url"].take();
    let queue = format!("{}={}", endpoint.region, queue.as_str().unwrap());
    let mut server = sandbox.serve(&[&SHORT[..], &["--queue-url", &queue]].concat());
    server.swept();
    let swept = begun.elapsed();
    let watch = Watch::start(&server.http);
    let reader = Reader::start(&endpoint, &server.http, LAG);
    sleep(Duration::from_secs(seconds as u64));
    let mut client = Client::http(&server.http);
    let calls = calls(&mut client);
    let struck = simulator.control("GET", "/faults/counts", &json!(null));
    let asked = simulator.control("GET", "/requests", &json!(null))["requests"].take();
    let in_storm = watch.sweeps();

    simulator.control("PATCH", "/churn", &json!({"per_second": 0}));
    simulator.control("PUT", "/faults", &json!({}));
    // What was terminated last ages out: from then on AWS stands still.
    sleep(Duration::from_secs(13));
    let calm = Instant::now();
    watch.all_swept_again(2, LONG);
    sleep(CALM.saturating_sub(calm.elapsed()));
    let tally = reader.stop();
    let watched = watch.stop();
    server.terminate();

    let oracle = Oracle::new(&endpoint);
    let store = log::open(&sandbox);
    let snapshot = store.snapshot().unwrap();
    let log = log::read(&snapshot, &oracle);
    let (compared, differences) = log::differences(&snapshot, &oracle);
    let folded = muster::store::verify::fold_log(&snapshot).unwrap();
    eprintln!(
        "storm of {seconds} s on {instances} instances; first sweeps took {swept:?}\n\
         reads {}, groups {}, of those provisional {}; not found {}, not seen yet {}\n\
         untrue {}, dated wrong {}, missing {}, failed {}; false removals {}\n\
         records {:?}; {compared} resources compared afterwards, {} differ\n\
         sweeps in the storm {in_storm:?}, holds {:?}\n\
         causes {:?}\nfaults {struck}\n{calls}{}",
        tally.reads,
        tally.groups,
        tally.provisional,
        tally.not_found,
        tally.unseen,
        tally.untrue.count,
        tally.misdated.count,
        tally.missing.count,
        tally.failed.count,
        log.false_removals.len(),
        log.records,
        differences.len(),
        watched.holds,
        log.causes,
        queues(&asked),
    );
    none("untrue reads", &tally.untrue.first);
    none("reads of another date than they say", &tally.misdated.first);
    none("answers that something is gone which AWS lists", &tally.missing.first);
    none("reads that failed", &tally.failed.first);
    none("false removals", &log.false_removals);
    none("differences after the storm", &differences);
    assert!(folded.is_clean(), "{folded:?}");
    assert!(tally.reads > 1_000 && tally.provisional < tally.groups / 2, "{tally:?}");
    assert!(log.records["removed"] > 0 && log.records["changed"] > 500, "{:?}", log.records);
    assert!(in_storm.values().all(|sweeps| *sweeps > 0), "{in_storm:?}");
    assert!(log.causes["notification"] > 50, "{:?}", log.causes);
    assert!(struck["events"]["delivered"].as_u64() > Some(500), "{struck}");
    for fault in ["throttle", "failing_pages", "lag"] {
        assert!(struck[fault].as_u64() > Some(0), "{fault} never struck: {struck}");
    }
}

#[test]
fn tags_lost_in_one_sweep_are_no_event() {
    let simulator = Simulator::start(400, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let watch = Watch::start(&server.http);
    watch.all_swept_again(2, LONG);
    let mut client = Client::http(&server.http);
    let before = seq(&mut client);
    simulator.control("PATCH", "/faults", &json!({"lose_tags": {"share": 0.3, "sweeps": 1}}));
    // The third sweep from here began after the one that lost them.
    watch.all_swept_again(3, LONG);
    let struck = simulator.control("GET", "/faults/counts", &json!(null));
    assert!(struck["lose_tags"].as_u64() >= Some(KINDS.len() as u64 - 1), "{struck}");
    assert_eq!(seq(&mut client), before, "tags lost by one listing were recorded");
    let oracle = Oracle::new(&simulator.endpoint());
    for (id, document) in oracle.all(kind("instance"), now()).iter().take(50) {
        assert_eq!(client.read(&format!("ec2://instance/{id}"))["document"], *document);
    }
    none("holds", &watch.stop().holds);
}

#[test]
fn instances_missing_from_one_sweep_are_held_and_shown_and_come_back_with_the_next() {
    let simulator = Simulator::start(300, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    // Evidence of the last minute outweighs a listing, so the sweeps lie further apart.
    let server = sandbox.serve(&[&RARELY[..], &["--interval", "instance=68s"]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    let all = Oracle::new(&simulator.endpoint()).all(kind("instance"), now());
    let before = seq(&mut client);
    let hide = json!({"hide": {"share": 0.4, "sweeps": 1, "actions": ["DescribeInstances"]}});
    simulator.control("PATCH", "/faults", &hide);
    let held = patiently("the sweep that lacks them is held, and the sample was asked for", || {
        let held = scope(&mut client, "instance", None)["held"].take();
        (held["asked"].as_u64() > Some(0)).then_some(held)
    });
    let (vanished, of) = (held["vanished"].as_u64().unwrap(), held["of"].as_u64().unwrap());
    assert!((85..155).contains(&vanished) && (280..=300).contains(&of), "{held}");
    assert_eq!(held["not_found"], 0, "{held}");
    // The terminated ones that it lacked are missing, too, and hold nothing up.
    let missing = scope(&mut client, "instance", None)["missing_unproved"].as_u64().unwrap();
    assert!((vanished..vanished + 20).contains(&missing), "{missing}: {held}");
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    let shown = summary.structured["scopes"].as_array().unwrap().iter().any(|scope| scope["held"].is_object());
    assert!(shown, "the summary does not show it: {}", summary.structured);
    let found = client.call("search_inventory", &json!({"kind": "instance", "limit": 1})).unwrap();
    assert_eq!(found.structured["total"], all.len(), "{}", found.text);
    patiently("the next sweep shows them again", || {
        let scope = scope(&mut client, "instance", None);
        (scope["held"].is_null() && scope["missing_unproved"].is_null()).then_some(())
    });
    assert_eq!(seq(&mut client), before, "what one listing lacked was recorded");
}

#[test]
fn a_sixth_that_is_terminated_and_ages_out_over_an_hour_is_removed_without_a_hold() {
    const BATCHES: usize = 16;
    const BATCH: usize = 4;
    let sandbox = Sandbox::bare();
    // An hour in a minute: each of the batches is a hundredth of the instances.
    let scenario = scenario(&sandbox, "terminated_retention = \"15s\"\nterminated_percent = 0\n", "");
    let simulator = Simulator::start(100 * BATCH, &["--scenario", &scenario, "--stop-delay", "500ms"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let watch = Watch::start(&server.http);
    let mut client = Client::http(&server.http);
    let oracle = Oracle::new(&simulator.endpoint());
    let all = oracle.all(kind("instance"), now());
    let free = all.iter().filter(|(_, document)| document["Operator"]["Managed"] != json!(true));
    let ended: Vec<String> = free.map(|(id, _)| id.clone()).take(BATCHES * BATCH).collect();
    for batch in ended.chunks(BATCH) {
        terminate(&simulator.endpoint(), batch);
        sleep(Duration::from_secs(1));
    }
    patiently("all that AWS forgot is removed", || {
        let totals = client.read("ec2://inventory/summary")["totals"].take();
        let gone = totals["instance"] == json!(all.len() - ended.len());
        let rest = ["volume", "network-interface"].iter();
        let rest = rest.map(|slug| (totals[slug].as_u64().unwrap(), oracle.all(kind(slug), now()).len() as u64));
        (gone && rest.into_iter().all(|(copy, aws)| copy == aws)).then_some(())
    });
    watch.all_swept_again(2, LONG);
    none("holds", &watch.stop().holds);
    server.terminate();
    let store = log::open(&sandbox);
    let snapshot = store.snapshot().unwrap();
    let log = log::read(&snapshot, &oracle);
    none("false removals", &log.false_removals);
    assert!(log.records["removed"] >= (BATCHES * BATCH) as u64, "{:?}", log.records);
    let (compared, differences) = log::differences(&snapshot, &oracle);
    none("differences", &differences);
    assert!(compared > 1_000, "{compared}");
}

#[test]
fn a_region_that_goes_down_shows_and_holds_no_other_and_is_fresh_again_when_it_is_back() {
    let simulator = Simulator::start(60, &["--regions", "eu-west-1=40"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&[&OFTEN[..], &["--regions", "us-east-1,eu-west-1"]].concat());
    server.swept();
    let watch = Watch::start(&server.http);
    let mut client = Client::http(&server.http);
    let there = Oracle::new(&Endpoint { region: "eu-west-1".to_owned(), ..simulator.endpoint() });
    let there = there.all(kind("instance"), now()).into_keys().next().unwrap();
    simulator.control("PATCH", "/faults", &json!({"dead_regions": {"regions": ["eu-west-1"]}}));
    eventually("every scope of the dead region fails and is stale", || {
        let scopes = scopes(&mut client);
        let mut dead = scopes.iter().filter(|scope| scope["region"] == "eu-west-1");
        dead.all(|scope| scope["failure"].is_object() && scope["stale"].is_object()).then_some(())
    });
    let body = client.read(&format!("ec2://instance/{there}"));
    assert!(body["stale"].is_object() && body["document"].is_object(), "{body}");
    let summary = client.call("get_inventory_summary", &json!({})).unwrap();
    assert!(summary.text.contains("eu-west-1") && summary.text.contains("failing"), "{}", summary.text);

    // The other one goes on: sweeps end, changes show, nothing is stale.
    let before = watch.sweeps();
    watch.swept_again_where(3, LONG, |scope| scope.starts_with("us-east-1"));
    let of = |sweeps: &BTreeMap<String, u64>| -> u64 {
        sweeps.iter().filter(|(scope, _)| scope.starts_with("eu-west-1")).map(|(_, sweeps)| *sweeps).sum()
    };
    assert_eq!(of(&before), of(&watch.sweeps()), "a dead region was swept");
    let here = Oracle::new(&simulator.endpoint()).all(kind("instance"), now());
    let (here, _) = here.into_iter().find(|(_, document)| document["State"]["Name"] == "running").unwrap();
    terminate(&simulator.endpoint(), std::slice::from_ref(&here));
    eventually("a change in the living region shows", || {
        let body = client.read(&format!("ec2://instance/{here}"));
        (body["document"]["State"]["Name"] == "terminated").then_some(())
    });
    assert!(scopes(&mut client).iter().all(|scope| scope["region"] == "eu-west-1" || scope["failure"].is_null()));

    simulator.control("PATCH", "/faults", &json!({"dead_regions": null}));
    patiently("the region is fresh again", || {
        let fresh = |scope: &Value| scope["failure"].is_null() && scope["stale"].is_null();
        scopes(&mut client).iter().all(fresh).then_some(())
    });
}

#[test]
fn an_account_at_rest_costs_a_small_part_of_what_aws_allows() {
    let instances = number("MUSTER_STORM_INSTANCES", 2_000);
    let simulator = Simulator::start(instances, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&[]);
    server.swept();
    let mut client = Client::http(&server.http);
    let calls = client.read("ec2://inventory/freshness")["aws_calls"].take();
    let scopes = scopes(&mut client);
    let mut table = format!("calls a minute at {instances} instances, by the default intervals:\n");
    for kind in KINDS {
        let call = calls.as_array().unwrap().iter().find(|call| call["action"] == kind.action()).unwrap();
        let seen = scopes.iter().find(|scope| scope["kind"] == kind.slug).unwrap()["seen"].as_u64().unwrap();
        let sweep = call["total"].as_u64().unwrap();
        let documented = 60 * call["documented_per_second"].as_u64().unwrap();
        let minute = 60.0 * f64::from(u32::try_from(sweep).unwrap()) / kind.interval.as_secs_f64();
        let (action, interval) = (kind.action(), kind.interval);
        writeln!(table, "  {action}: {minute:.1} ({sweep} for {seen}, every {interval:?}) of {documented}").unwrap();
        assert!(sweep <= seen.div_ceil(1_000) + 1, "{action} took {sweep} calls for {seen}");
        assert!(minute * 4.0 <= f64::from(u32::try_from(documented).unwrap()), "{table}");
    }
    eprintln!("{table}");
}

/// A number from the environment.
fn number(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// A scenario file of its own: options, then the rest of another.
fn scenario(sandbox: &Sandbox, options: &str, rest: &str) -> String {
    let path = sandbox.path().join("scenario.toml");
    fs::write(&path, format!("{options}{rest}")).unwrap();
    Path::to_str(&path).unwrap().to_owned()
}

/// The first `Some` of `look`, for what waits for the rules' own minutes.
fn patiently<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < LONG, "{what}: not within {LONG:?}");
        sleep(Duration::from_millis(500));
    }
}

/// Fails with what there is, a line each.
fn none(what: &str, found: &[String]) {
    let shown: Vec<&str> = found.iter().take(5).map(String::as_str).collect();
    assert!(found.is_empty(), "{} {what}:\n{}", found.len(), shown.join("\n"));
}

/// The end of the log.
fn seq(client: &mut Client) -> u64 {
    client.read("ec2://inventory/freshness")["seq"].as_u64().unwrap()
}

fn scopes(client: &mut Client) -> Vec<Value> {
    serde_json::from_value(client.read("ec2://inventory/freshness")["scopes"].take()).unwrap()
}

/// How fresh a kind is, in a region or the only one.
fn scope(client: &mut Client, kind: &str, region: Option<&str>) -> Value {
    let meant = |scope: &Value| scope["kind"] == kind && region.is_none_or(|region| scope["region"] == region);
    scopes(client).into_iter().find(meant).unwrap()
}

/// What the server asked of AWS, as a table.
fn calls(client: &mut Client) -> String {
    let summary = client.call("get_inventory_summary", &json!({})).unwrap().structured;
    let mut table =
        "calls a minute: action, last minute, AWS's documented, all, of those throttled and failed\n".to_owned();
    for call in summary["aws_calls"].as_array().unwrap() {
        let number = |name: &str| call[name].as_u64().unwrap_or(0);
        writeln!(
            table,
            "  {:<32}{:>6}{:>7}{:>8}{:>7}{:>6}",
            call["action"].as_str().unwrap(),
            number("last_minute"),
            number("documented_per_minute"),
            number("total"),
            number("throttled"),
            number("failed"),
        )
        .unwrap();
    }
    table
}

/// What was asked of SQS, as a table.
fn queues(asked: &Value) -> String {
    let asked = asked.as_array().unwrap().iter();
    let asked = asked.filter(|asked| asked["action"].as_str().unwrap().contains("Message"));
    asked.map(|asked| format!("  sqs:{} {}\n", asked["action"].as_str().unwrap(), asked["outcomes"])).collect()
}

/// Terminates instances by AWS's API.
fn terminate(endpoint: &Endpoint, ids: &[String]) {
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(Credentials::new("testing", "testing", None, None, "test"))
        .region(Region::new(endpoint.region.clone()))
        .endpoint_url(&endpoint.url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let call = Ec2::from_conf(config).terminate_instances().set_instance_ids(Some(ids.to_vec()));
    runtime.block_on(call.send()).unwrap();
}

//! Faults and the control paths, over the socket.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::simulator::clock::Moment;
use crate::simulator::tests::{Aws, options};
use crate::simulator::view::View;
use crate::simulator::{Options, Simulator};

const DESCRIBE: &str = "Action=DescribeInstances&Version=2016-11-15";

/// One exchange: the head and the body as received, until the connection ends.
async fn exchange(simulator: &Simulator, method: &str, path: &str, body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(simulator.endpoint().trim_start_matches("http://")).await.unwrap();
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: AWS4-HMAC-SHA256 \
         Credential=AKIAX/20261122/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A cut connection may end in a reset; what arrived before it counts.
    drop(stream.read_to_end(&mut answer).await);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    (head.to_owned(), body.to_owned())
}

async fn describe(simulator: &Simulator) -> (String, String) {
    exchange(simulator, "POST", "/", DESCRIBE).await
}

/// A call to a control path: its status and JSON.
async fn control(simulator: &Simulator, method: &str, path: &str, body: &Value) -> (String, Value) {
    let (head, body) = exchange(simulator, method, path, &body.to_string()).await;
    let status = head.split(' ').nth(1).unwrap().to_owned();
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test]
async fn faults_are_read_set_and_patched_while_the_simulator_runs() {
    let simulator = Simulator::start(options(5)).await.unwrap();
    let path = "/_simulator/faults";
    let (status, off) = control(&simulator, "GET", path, &json!(null)).await;
    assert_eq!((status.as_str(), &off["throttle"]), ("200", &json!({"share": 0.0, "actions": [], "at": []})));
    let (status, set) = control(&simulator, "PUT", path, &json!({"throttle": {"share": 1}})).await;
    assert_eq!((status.as_str(), &set["throttle"]["share"]), ("200", &json!(1.0)));
    assert!(describe(&simulator).await.1.contains("<Code>RequestLimitExceeded</Code>"));
    let (_, patched) = control(&simulator, "PATCH", path, &json!({"denied": ["DescribeVpcs"]})).await;
    assert_eq!((&patched["throttle"]["share"], &patched["denied"]), (&json!(1.0), &json!(["DescribeVpcs"])));
    let (status, wrong) = control(&simulator, "PATCH", path, &json!({"throttle": null, "cut": {"share": 2}})).await;
    assert_eq!(
        (status.as_str(), &wrong["error"]),
        ("400", &json!("cut.share: 2 is no share; give a number from 0 to 1"))
    );
    assert_eq!(control(&simulator, "GET", path, &json!(null)).await.1, patched);
    let (_, put) = control(&simulator, "PUT", path, &json!({})).await;
    assert_eq!(put, off);
    assert!(describe(&simulator).await.0.starts_with("HTTP/1.1 200"));
    let (_, counts) = control(&simulator, "GET", "/_simulator/faults/counts", &json!(null)).await;
    assert_eq!((&counts["throttle"], &counts["events"]["dropped"]), (&json!(1), &json!(0)));
    simulator.stop().await;
}

#[tokio::test]
async fn requests_are_shown_by_who_asked_what_and_how_it_ended() {
    let simulator = Simulator::start(options(5)).await.unwrap();
    describe(&simulator).await;
    simulator.world().fail("DescribeInstances", 503, "RequestLimitExceeded", "Request limit exceeded.");
    describe(&simulator).await;
    let (_, shown) = control(&simulator, "GET", "/_simulator/requests", &json!(null)).await;
    assert_eq!(
        shown["requests"],
        json!([{
            "account": "123456789012", "region": "us-east-1", "action": "DescribeInstances", "total": 2,
            "last_minute": 2, "busiest_minute": 2, "outcomes": {"OK": 1, "RequestLimitExceeded": 1},
        }])
    );
    control(&simulator, "POST", "/_simulator/requests/reset", &json!(null)).await;
    assert_eq!(control(&simulator, "GET", "/_simulator/requests", &json!(null)).await.1, json!({"requests": []}));
    assert_eq!(simulator.world().requests("DescribeInstances"), 0);
    simulator.stop().await;
}

#[tokio::test]
async fn control_paths_and_methods_that_do_not_exist_say_so() {
    let simulator = Simulator::start(options(5)).await.unwrap();
    let (status, index) = control(&simulator, "GET", "/_simulator", &json!(null)).await;
    assert_eq!((status.as_str(), &index["/_simulator/faults"]), ("200", &json!(["GET", "PUT", "PATCH"])));
    for (path, methods) in index.as_object().unwrap() {
        for method in methods.as_array().unwrap() {
            let (status, said) = control(&simulator, method.as_str().unwrap(), path, &json!({})).await;
            // These paths need a body.
            let needy = ["/status", "/churn", "/emit", "/flip", "/listen", "/organization", "/share"];
            let needy = needy.iter().any(|end| path.ends_with(end));
            let expected = if needy && method != "GET" { "400" } else { "200" };
            assert_eq!(status, expected, "{method} {path}: {said}");
        }
        assert_eq!(control(&simulator, "DELETE", path, &json!(null)).await.0, "405", "{path}");
    }
    assert_eq!(control(&simulator, "GET", "/_simulator/nothing", &json!(null)).await.0, "404");
    let (head, body) = exchange(&simulator, "PUT", "/_simulator/faults", "{").await;
    assert!(head.starts_with("HTTP/1.1 400") && body.contains("the body is not JSON"), "{head} {body}");
    simulator.stop().await;
}

#[tokio::test]
async fn the_past_is_answered_without_faults_and_without_being_counted() {
    let simulator = Simulator::start(options(5)).await.unwrap();
    let world = simulator.world();
    let id = world.home().instance_ids_in("running").remove(0);
    let before = world.clock().now().as_millisecond();
    world.clock().advance(Duration::from_mins(1));
    let stop = format!("Action=StopInstances&Version=2016-11-15&InstanceId.1={id}");
    exchange(&simulator, "POST", "/", &stop).await;
    world.faults().patch(&json!({"throttle": {"share": 1}})).unwrap();
    let named = format!("{DESCRIBE}&InstanceId.1={id}");
    assert!(exchange(&simulator, "POST", "/", &named).await.1.contains("RequestLimitExceeded"));
    let (head, past) = exchange(&simulator, "POST", &format!("/_simulator/at/{before}/"), &named).await;
    assert!(head.starts_with("HTTP/1.1 200") && past.contains("<name>running</name>"), "{head} {past}");
    let (_, journal) = control(&simulator, "GET", &format!("/_simulator/journal?id={id}"), &json!(null)).await;
    assert_eq!(
        (&journal["kind"], journal["moments"].as_array().unwrap().last()),
        (&json!("instance"), Some(&json!(before + 60_000)))
    );
    assert_eq!(world.requests("DescribeInstances"), 1);
    simulator.stop().await;
}

#[tokio::test]
async fn a_truncated_answer_ends_before_its_announced_length() {
    let simulator = Simulator::start(options(50)).await.unwrap();
    let (_, whole) = describe(&simulator).await;
    simulator.world().faults().patch(&json!({"truncate": {"share": 1}})).unwrap();
    let (head, half) = describe(&simulator).await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", whole.len())), "{head}");
    assert!(half.len() >= whole.len() / 4 - 4 && half.len() <= whole.len() * 3 / 4, "{}", half.len());
    let outcomes = &simulator.world().ledger()[0].outcomes;
    assert_eq!(outcomes["Truncated"], 1);
    simulator.stop().await;
}

#[tokio::test]
async fn a_garbled_answer_is_whole_and_no_xml() {
    let simulator = Simulator::start(options(50)).await.unwrap();
    let (_, whole) = describe(&simulator).await;
    simulator.world().faults().patch(&json!({"garble": {"share": 1}})).unwrap();
    let (head, garbled) = describe(&simulator).await;
    assert!(head.starts_with("HTTP/1.1 200") && garbled.contains("<&\u{0}"), "{head}");
    assert_eq!(garbled.len(), whole.len() + 3);
    simulator.stop().await;
}

#[tokio::test]
async fn an_altered_answer_differs_in_one_character() {
    let simulator = Simulator::start(options(50)).await.unwrap();
    simulator.world().faults().patch(&json!({"alter": {"share": 1}})).unwrap();
    let bodies = [describe(&simulator).await.1, describe(&simulator).await.1];
    // Each has its own wrong character, and its own request id.
    let items = bodies.each_ref().map(|body| &body[body.find("<item>").unwrap()..body.rfind("</item>").unwrap()]);
    let differ = items[0].bytes().zip(items[1].bytes()).filter(|(one, other)| one != other).count();
    assert!(items[0].len() == items[1].len() && differ == 2, "{differ}");
    let outcomes = &simulator.world().ledger()[0].outcomes;
    assert_eq!(outcomes["Altered"], 2);
    simulator.stop().await;
}

#[tokio::test]
async fn a_cut_call_gets_nothing_and_is_not_carried_out() {
    let simulator = Simulator::start(options(50)).await.unwrap();
    let home = simulator.world().home();
    let id = home.instance_ids_in("running").remove(0);
    simulator.world().faults().patch(&json!({"cut": {"share": 1}})).unwrap();
    let stop = format!("Action=StopInstances&Version=2016-11-15&InstanceId.1={id}");
    assert_eq!(exchange(&simulator, "POST", "/", &stop).await, (String::new(), String::new()));
    assert_eq!(home.state(&id), Some("running"));
    simulator.world().faults().set(crate::simulator::Faults::default());
    assert!(describe(&simulator).await.0.starts_with("HTTP/1.1 200"));
    simulator.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_region_that_hangs_never_answers_and_latency_delays() {
    let simulator = Simulator::start(options(5)).await.unwrap();
    let faults = simulator.world();
    faults.faults().patch(&json!({"latency": {"fixed": "20s"}})).unwrap();
    let before = tokio::time::Instant::now();
    assert!(describe(&simulator).await.0.starts_with("HTTP/1.1 200"));
    assert!(before.elapsed() >= Duration::from_secs(20));
    faults
        .faults()
        .set(serde_json::from_value(json!({"dead_regions": {"regions": ["us-east-1"], "hang": true}})).unwrap());
    let long = Duration::from_mins(1);
    assert!(tokio::time::timeout(long, describe(&simulator)).await.is_err());
    simulator.stop().await;
}

#[tokio::test]
async fn a_skewed_clock_shows_in_the_date_and_in_what_happens_and_can_jump() {
    let simulator = Simulator::start(Options { instances: 5, ..options(5) }).await.unwrap();
    let faults = simulator.world();
    assert!(describe(&simulator).await.0.contains("\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"));
    faults.faults().patch(&json!({"clock": {"skew": "-90s"}})).unwrap();
    assert!(describe(&simulator).await.0.contains("\r\ndate: Sun, 22 Nov 2026 11:58:30 GMT\r\n"));
    faults.faults().patch(&json!({"clock": {"skew": "1h"}})).unwrap();
    assert!(describe(&simulator).await.0.contains("\r\ndate: Sun, 22 Nov 2026 13:00:00 GMT\r\n"));
    let home = faults.home();
    let id = home.instance_ids_in("running").remove(0);
    let stop = format!("Action=StopInstances&Version=2016-11-15&InstanceId.1={id}");
    exchange(&simulator, "POST", "/", &stop).await;
    assert!(describe(&simulator).await.1.contains("User initiated (2026-11-22 13:00:00 GMT)"));
    simulator.stop().await;
}

#[tokio::test]
async fn churn_begins_and_ends_while_the_simulator_runs() {
    let simulator = Simulator::start(Options { clock: crate::simulator::Clock::Wall, ..options(100) }).await.unwrap();
    let home = simulator.world().home();
    assert_eq!(control(&simulator, "GET", "/_simulator/churn", &json!(null)).await.1, json!({"per_second": 0.0}));
    for rate in [-1.0, 100_001.0, 1e300] {
        let (status, said) = control(&simulator, "PATCH", "/_simulator/churn", &json!({"per_second": rate})).await;
        assert_eq!(status, "400", "{said}");
    }
    control(&simulator, "PATCH", "/_simulator/churn", &json!({"per_second": 500})).await;
    while home.touched_ids().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let set = control(&simulator, "PATCH", "/_simulator/churn", &json!({"per_second": 0})).await;
    assert_eq!(set, ("200".to_owned(), json!({"per_second": 0.0})));
    simulator.stop().await;
}

#[tokio::test]
async fn a_queue_and_a_rule_are_made_by_one_call() {
    let simulator = Simulator::start(options(50)).await.unwrap();
    let (status, said) = control(&simulator, "POST", "/_simulator/listen", &json!({"name": "events"})).await;
    let url = format!("{}/{}/events", simulator.endpoint(), simulator.world().options().account);
    assert_eq!((status.as_str(), &said), ("200", &json!({ "queue_url": url })));
    let home = simulator.world().home();
    home.stop(&home.instance_ids_in("running").remove(0)).unwrap();
    simulator.world().pump();
    let account = simulator.world().options().account.clone();
    assert_eq!(simulator.world().queue_length(&account, "us-east-1", "events"), Some(1));
    let (status, said) = control(&simulator, "POST", "/_simulator/listen", &json!({})).await;
    assert_eq!(status, "400");
    assert!(said["error"].as_str().unwrap().contains("missing field `name`"), "{said}");
}

#[tokio::test]
async fn one_queue_takes_the_events_of_several_accounts_and_regions() {
    let options = Options { accounts: 2, account_instances: 100, ..options(50) };
    let simulator = Simulator::start(options).await.unwrap();
    let world = simulator.world();
    let listen = json!({"name": "all", "from": ["200000000001/us-east-1", "200000000002/us-east-1"]});
    let (status, said) = control(&simulator, "POST", "/_simulator/listen", &listen).await;
    assert_eq!(status, "200", "{said}");
    for account in ["200000000001", "200000000002", "123456789012"] {
        let account = world.account(account, "us-east-1");
        account.stop(&account.instance_ids_in("running").remove(0)).unwrap();
    }
    world.pump();
    assert_eq!(world.queue_length("123456789012", "us-east-1", "all"), Some(2));
    let wrong = json!({"name": "all", "from": ["200000000001"]});
    assert_eq!(control(&simulator, "POST", "/_simulator/listen", &wrong).await.0, "400");
    simulator.stop().await;
}

#[tokio::test]
async fn what_control_paths_cannot_do_is_refused_and_says_why() {
    let simulator = Simulator::start(options(50)).await.unwrap();
    let (account, none) = (simulator.world().options().account.clone(), json!(null));
    for (method, path, body, status, said) in [
        ("GET", "/_simulator/journal?id=typo", &none, "404", format!("{account} never held typo in us-east-1")),
        ("GET", "/_simulator/journal?region=mars-1", &none, "400", "no region \"mars-1\"".to_owned()),
        ("GET", "/_simulator/journal?account=12", &none, "400", "\"12\" is not twelve digits".to_owned()),
        ("GET", "/_simulator/journal?ids=i-1", &none, "400", "takes no \"ids\"".to_owned()),
        ("GET", "/_simulator/faults?x=1", &none, "400", "takes no \"x\"".to_owned()),
        ("POST", "/_simulator/listen", &json!({"name": "a.fifo"}), "400", "no queue's name".to_owned()),
        ("POST", "/_simulator/listen", &json!({"name": "a", "region": "x"}), "400", "no region".to_owned()),
        ("POST", "/_simulator/status", &json!({"id": "i-1", "region": "x"}), "400", "no region".to_owned()),
        ("POST", "/_simulator/share", &json!({"account": account, "vpc": "vpc-1"}), "400", "cannot share".to_owned()),
    ] {
        let (got, answer) = control(&simulator, method, path, body).await;
        let answer = answer["error"].as_str().unwrap().to_owned();
        assert!(got == status && answer.contains(&said), "{method} {path}: {got} {answer}");
    }
    // The connection may be reset before everything is sent; the answer is lost then.
    let (head, _) = exchange(&simulator, "PUT", "/_simulator/faults", &" ".repeat((4 << 20) + 1)).await;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 413"), "{head}");
    simulator.stop().await;
}

#[tokio::test]
async fn a_vpc_is_shared_by_one_call() {
    let simulator = Simulator::start(options(1_000)).await.unwrap();
    let vpc = simulator.world().home().vpc_ids().remove(1);
    let asked = json!({"account": "111122223333", "vpc": vpc});
    let (status, said) = control(&simulator, "POST", "/_simulator/share", &asked).await;
    assert_eq!((status.as_str(), &said["vpc"]), ("200", &json!(vpc)));
    let (other, view) = (simulator.world().account("111122223333", "us-east-1"), View::clear(Moment::LAST));
    assert!(Aws::ask_of(&other, view, "DescribeVpcs", &[("VpcId.1", &vpc)]).is_ok());
    simulator.stop().await;
}

#[tokio::test]
async fn a_denied_change_is_told_to_cloudtrail_and_a_denied_describe_is_not() {
    let simulator = Simulator::start(options(50)).await.unwrap();
    let world = simulator.world();
    let account = world.options().account.clone();
    drop(world.listen(&account, "us-east-1", "events"));
    world.faults().patch(&json!({"denied": ["StopInstances", "DescribeInstances"]})).unwrap();
    let id = world.home().instance_ids_in("running").remove(0);
    let stop = format!("Action=StopInstances&Version=2016-11-15&InstanceId.1={id}");
    assert!(exchange(&simulator, "POST", "/", &stop).await.1.contains("UnauthorizedOperation"));
    assert!(describe(&simulator).await.1.contains("UnauthorizedOperation"));
    world.pump();
    assert_eq!(world.queue_length(&account, "us-east-1", "events"), Some(1));
    simulator.stop().await;
}

#[tokio::test]
async fn flipped_instances_move_as_after_a_call_and_every_one_has_its_turn() {
    let simulator = Simulator::start(options(10)).await.unwrap();
    let home = simulator.world().home();
    let running = home.instance_ids_in("running");
    let flip = async |from: u64, count: u64| {
        let (status, said) =
            control(&simulator, "POST", "/_simulator/flip", &json!({"from": from, "count": count})).await;
        assert_eq!(status, "200", "{said}");
        let ids = said["flipped"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned());
        (said["next"].as_u64().unwrap(), ids.collect::<Vec<_>>())
    };
    let (next, first) = flip(0, 6).await;
    let (next, second) = flip(next, 6).await;
    assert_eq!(next, 2, "past the last comes the first");
    assert!(first.iter().all(|id| !second.contains(id)), "what moves is left alone: {first:?} {second:?}");
    for id in first.iter().chain(&second) {
        let expected = if running.contains(id) { "stopping" } else { "pending" };
        assert_eq!(home.state(id).unwrap(), expected);
    }
    let (status, said) = control(&simulator, "POST", "/_simulator/flip", &json!({"from": 0, "count": 10_001})).await;
    assert!(status == "400" && said.to_string().contains("at most 10000"), "{said}");
    simulator.stop().await;
}

//! What the people who run a server watch it by: probes, metrics, alert rules.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use muster::kinds::KINDS;
use muster::telemetry::metrics;
use serde_json::{Value, json};

use crate::harness::eventually;
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::python::Environment;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// The status and the body of a GET of `url`, with these headers beside the usual ones.
fn get(url: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let host = headers.iter().find(|(name, _)| *name == "Host").map_or(authority, |(_, host)| host);
    let mut request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != "Host") {
        request.extend([*name, ": ", *value, "\r\n"]);
    }
    stream.write_all(format!("{request}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {answer}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// The address of a server beside the one of MCP.
fn beside(mcp: &str, path: &str) -> String {
    format!("{}/{path}", mcp.strip_suffix("/mcp").unwrap())
}

/// What the parsers of others read in a text.
fn parsed(format: &str, text: &str) -> Value {
    let mut parser = Environment::Metrics.script("metrics.py");
    let mut parser =
        parser.arg(format).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    parser.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = parser.wait_with_output().unwrap();
    assert!(output.status.success(), "{format}: {}\n{text}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The values of the series of a page, by name and labels.
fn series(page: &Value) -> BTreeMap<(String, String), f64> {
    let samples = page.as_array().unwrap().iter().flat_map(|family| family["samples"].as_array().unwrap());
    let read = samples.map(|sample| {
        let name = sample[0].as_str().unwrap().to_owned();
        ((name, sample[1].to_string()), sample[2].as_f64().unwrap())
    });
    read.collect()
}

#[test]
fn probes_are_answered_with_a_word_whoever_asks() {
    let simulator = Simulator::start(20, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    let [health, ready] = ["healthz", "readyz"].map(|path| beside(&server.http, path));
    eventually("everything was swept", || (get(&ready, &[]) == (200, "ok\n".to_owned())).then_some(()));
    // A kubelet names the address of the pod, and a page of the web learns nothing.
    for headers in
        [&[("Host", "10.1.2.3:8377")][..], &[("Host", "muster.internal"), ("Origin", "https://evil.example")]]
    {
        assert_eq!(get(&health, headers), (200, "ok\n".to_owned()), "{headers:?}");
        assert_eq!(get(&ready, headers), (200, "ok\n".to_owned()), "{headers:?}");
        assert_eq!(get(&server.http, headers).0, 403, "MCP itself is not for everybody");
    }
}

#[test]
fn a_server_without_aws_is_alive_and_is_not_ready_at_once() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let server = sandbox.serve(&[]);
    let [health, ready] = ["healthz", "readyz"].map(|path| beside(&server.http, path));
    assert_eq!(get(&health, &[]), (200, "ok\n".to_owned()));
    eventually("the store is open", || {
        let (status, word) = get(&ready, &[]);
        assert_eq!(status, 503, "{word}");
        (word == "pending\n").then_some(())
    });
}

#[test]
fn the_parser_of_prometheus_reads_the_metrics_of_a_server_at_work() {
    let simulator = Simulator::start(50, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&[&RARELY[..], &["--metrics", "127.0.0.1:0"]].concat());
    server.swept();
    let mut client = Client::http(&server.http);
    for _ in 0..3 {
        client.must("tools/call", &json!({"name": "count_inventory", "arguments": {"kind": "instance"}}));
    }
    assert!(client.call("get_resource", &json!({"id": "i-0"})).is_ok_and(|answer| answer.is_error));
    for address in [server.metrics.clone().unwrap(), beside(&server.http, "metrics")] {
        let (status, classic) = get(&address, &[]);
        assert_eq!(status, 200, "{classic}");
        let (_, open) = get(&address, &[("Accept", "application/openmetrics-text; version=1.0.0")]);
        assert!(open.ends_with("# EOF\n") && !classic.contains("# EOF"));
        for (format, text) in [("classic", &classic), ("openmetrics", &open)] {
            let page = parsed(format, text);
            let values = series(&page);
            let value = |name: &str, labels: Value| values.get(&(name.to_owned(), labels.to_string())).copied();
            assert_eq!(value("muster_ready", json!({})), Some(1.0), "{text}");
            assert_eq!(value("muster_resources", json!({"kind": "instance"})), Some(50.0), "{text}");
            assert_eq!(value("muster_scopes_not_shown", json!({})), Some(0.0));
            let asked = |error: &str, tool: &str| {
                let counts = values.iter().filter(|((name, labels), _)| {
                    let labels: Value = serde_json::from_str(labels).unwrap();
                    let is =
                        |label: &str, text: &str| labels.get(label).and_then(Value::as_str).unwrap_or_default() == text;
                    name == "mcp_server_operation_duration_seconds_count"
                        && is("gen_ai_tool_name", tool)
                        && is("error_type", error)
                        && is("network_transport", "tcp")
                });
                counts.map(|(_, count)| count.to_string()).collect::<Vec<_>>().join(" and ")
            };
            assert_eq!(asked("", "count_inventory"), "3", "{text}");
            assert_eq!(asked("tool_error", "get_resource"), "1", "{text}");
            let stale = values.iter().filter(|((name, _), _)| name == "muster_scope_stale");
            assert_eq!(stale.map(|(_, value)| *value).collect::<Vec<f64>>(), vec![0.0; KINDS.len()], "{text}");
            let described = |outcome: &str| {
                value("muster_aws_calls_total", json!({"action": "ec2:DescribeInstances", "outcome": outcome}))
            };
            assert!(described("answered").is_some_and(|calls| calls >= 1.0), "{text}");
            assert_eq!(described("failed"), Some(0.0));
            documented(&page);
        }
    }
}

/// Every family of a page is one of the table, with its form and its help, and the page has nearly all of them.
fn documented(page: &Value) {
    let known: BTreeMap<String, &metrics::MetricSpec> = metrics::all().map(|spec| (spec.series(), spec)).collect();
    let mut seen = BTreeSet::new();
    for family in page.as_array().unwrap() {
        let samples = family["samples"].as_array().unwrap();
        assert!(!samples.is_empty(), "{family}");
        for sample in samples {
            let name = sample[0].as_str().unwrap();
            let ends = ["_bucket", "_sum", "_count"];
            let of_histogram =
                ends.iter().find_map(|end| name.strip_suffix(end)).filter(|name| known.contains_key(*name));
            let name = of_histogram.unwrap_or(name);
            let spec = known.get(name).unwrap_or_else(|| panic!("{name} is in no table"));
            assert_eq!(family["help"].as_str().unwrap().trim_end_matches('.'), spec.help, "{name}");
            let labels: BTreeSet<&str> = sample[1].as_object().unwrap().keys().map(String::as_str).collect();
            let expected: BTreeSet<&str> = spec.labels.iter().copied().collect();
            let labels: BTreeSet<&str> = labels.into_iter().filter(|label| *label != "le").collect();
            assert!(labels.is_subset(&expected), "{name}: {labels:?}");
            seen.insert(name.to_owned());
        }
    }
    // What there is only while something is wrong, or where events are listened to or EC2's read API is served.
    let seldom = ["failing", "held", "unreadable", "trouble", "canary", "read_api"];
    let missing: Vec<&String> =
        known.keys().filter(|name| !seen.contains(*name) && !seldom.iter().any(|word| name.contains(word))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_page_of_the_web_reads_no_metrics() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let server = sandbox.serve(&["--metrics", "127.0.0.1:0"]);
    let own = server.metrics.clone().unwrap();
    for address in [own.clone(), beside(&server.http, "metrics")] {
        assert_eq!(get(&address, &[("Host", "evil.example:9377")]).0, 403);
        assert_eq!(get(&address, &[]).0, 200);
    }
    let health = own.replace("/metrics", "/healthz");
    assert_eq!(get(&health, &[("Host", "evil.example:9377")]), (200, "ok\n".to_owned()));
    assert_eq!(get(&own.replace("/metrics", "/mcp"), &[]).0, 404, "nothing else is there");
}

#[test]
fn metrics_for_other_machines_are_refused_where_nobody_is_asked_for_a_token() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let output = sandbox.muster(&["serve", "--metrics", "0.0.0.0:9377"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--metrics 0.0.0.0:9377 is not a loopback address"), "{said}");
}

#[test]
fn the_alert_rules_are_yaml_of_rules() {
    let sandbox = Sandbox::bare();
    let printed = |what: &str| {
        let output = sandbox.muster(&["metrics", what]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let alerts = parsed("alerts", &printed("alerts"));
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    assert!(rules.len() > 8, "{alerts}");
    for rule in rules {
        for text in
            [&rule["alert"], &rule["expr"], &rule["annotations"]["summary"], &rule["annotations"]["description"]]
        {
            assert!(text.as_str().is_some_and(|text| !text.trim().is_empty()), "{rule}");
        }
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning", "info"].contains(&severity), "{rule}");
    }
    let dashboard: Value = serde_json::from_str(&printed("dashboard")).unwrap();
    assert_eq!(dashboard["title"], "Muster");
    let listed = sandbox.muster(&["metrics"]).output().unwrap();
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), metrics::table());
    let help = String::from_utf8(sandbox.muster(&["help", "metrics"]).output().unwrap().stdout).unwrap();
    for spec in metrics::all() {
        assert!(help.contains(&format!("`{}`", spec.series())), "{} is not in {help}", spec.series());
    }
}

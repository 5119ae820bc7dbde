//! MCP's own conformance suite, in every version of the protocol that it has a server test for.
//!
//! Most of its scenarios call tools, read resources and get prompts of fixed names. A product has none of those, so `muster serve`
//! is held to the rest. All scenarios together run against the same server with [`Fixtures`] around each of its handlers.

mod fixtures;

use std::collections::BTreeMap;

use muster::app::engine::{self, Engine};
use muster::config::{Config, Environment, Given};
use muster::kinds::KINDS;
use muster::mcp::transport::{self, HttpOptions};
use muster::mcp::{ListMode, McpServer, Readiness, ServerPolicy};
use muster::policy::WritePolicy;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::fixtures::Fixtures;
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::node;
use crate::harness::simulator::Simulator;

/// The suite's program.
const SUITE: &str = "@modelcontextprotocol/conformance/dist/index.js";

/// What `muster serve` itself passes, by version.
const WITHOUT_FIXTURES: [(&str, &[&str]); 3] = [
    (
        "2025-06-18",
        &[
            "server-initialize",
            "server-session-lifecycle",
            "logging-set-level",
            "ping",
            "tools-list",
            "resources-list",
            "prompts-list",
        ],
    ),
    (
        "2025-11-25",
        &[
            "server-initialize",
            "server-session-lifecycle",
            "logging-set-level",
            "ping",
            "tools-list",
            "server-sse-polling",
            "server-sse-multiple-streams",
            "resources-list",
            "prompts-list",
            "dns-rebinding-protection",
        ],
    ),
    (
        "2026-07-28",
        &[
            "tools-list",
            "server-sse-multiple-streams",
            "resources-list",
            "sep-2164-resource-not-found",
            "prompts-list",
            "dns-rebinding-protection",
            "caching",
            "http-header-validation",
            "input-required-result-missing-input-response",
            "input-required-result-unsupported-methods",
            "input-required-result-ignore-extra-params",
            "input-required-result-validate-input",
        ],
    ),
];

/// Checks of `server-stateless` that need fixtures.
const UNTESTABLE: &str = "Not testable: ";

/// Scenarios that fail with fixtures too, by version, each with its reason.
const EXPECTED_FAILURES: [(&str, &str, &str); 0] = [];

/// The outcome of one scenario: how many checks passed, and those that failed, with their messages.
#[derive(Debug, Default)]
struct Outcome {
    passed: usize,
    failed: Vec<String>,
}

/// Runs every scenario of a version, each on connections of its own.
fn outcomes(url: &str, version: &str) -> BTreeMap<String, Outcome> {
    let results = tempfile::tempdir().unwrap();
    let mut command = node::program(SUITE);
    command.args(["server", "--suite", "all", "--url", url, "--spec-version", version, "-o"]).arg(results.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let mut outcomes = BTreeMap::new();
    for entry in std::fs::read_dir(results.path()).unwrap() {
        let directory = entry.unwrap().path();
        let checks = std::fs::read(directory.join("checks.json")).unwrap();
        let checks: Vec<serde_json::Value> = serde_json::from_slice(&checks).unwrap();
        // `server-SCENARIO-2026-11-29T13-51-13-760Z`.
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        let name = name.strip_prefix("server-").unwrap().rsplitn(7, '-').last().unwrap().to_owned();
        let mut outcome = Outcome::default();
        for check in checks {
            match check["status"].as_str().unwrap() {
                "SUCCESS" => outcome.passed += 1,
                "FAILURE" => outcome.failed.push(format!(
                    "{}: {}",
                    check["id"].as_str().unwrap_or_default(),
                    check["errorMessage"].as_str().unwrap_or_default()
                )),
                _ => {}
            }
        }
        outcomes.insert(name, outcome);
    }
    assert!(outcomes.len() > 20, "the suite ran {} scenarios of {version}: {said}", outcomes.len());
    let passed = outcomes.values().filter(|outcome| outcome.failed.is_empty()).count();
    eprintln!("{version} at {url}: {passed} of {} scenarios", outcomes.len());
    outcomes
}

#[test]
fn the_scenarios_that_need_no_fixtures_pass_in_every_version() {
    let simulator = Simulator::start(30, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    for (version, scenarios) in WITHOUT_FIXTURES {
        let outcomes = outcomes(&server.http, version);
        for scenario in scenarios {
            let outcome =
                outcomes.get(*scenario).unwrap_or_else(|| panic!("{version} has no {scenario}: {outcomes:?}"));
            assert!(outcome.passed > 0 && outcome.failed.is_empty(), "{version}, {scenario}: {outcome:?}");
        }
        if let Some(stateless) = outcomes.get("server-stateless") {
            let failed: Vec<&String> = stateless.failed.iter().filter(|why| !why.contains(UNTESTABLE)).collect();
            assert!(failed.is_empty() && stateless.passed >= 24, "{version}, server-stateless: {stateless:?}");
        }
    }
}

#[test]
fn with_its_fixtures_the_whole_suite_passes_in_every_version() {
    let simulator = Simulator::start(30, &[]);
    let server = FixtureServer::start(&simulator.endpoint());
    for (version, _) in WITHOUT_FIXTURES {
        let expected =
            |scenario: &str| EXPECTED_FAILURES.iter().any(|(of, name, _)| *of == version && *name == scenario);
        for (scenario, outcome) in outcomes(&server.url, version) {
            let passes = outcome.failed.is_empty() && outcome.passed > 0;
            assert_eq!(passes, !expected(&scenario), "{version}, {scenario}: {outcome:?}");
        }
    }
}

/// What `muster serve` serves over HTTP, with the suite's fixtures around it, in this process.
struct FixtureServer {
    url: String,
    // Dropping it ends the server.
    _stop: oneshot::Sender<()>,
    _sandbox: Sandbox,
}

impl FixtureServer {
    fn start(endpoint: &Endpoint) -> FixtureServer {
        let sandbox = Sandbox::new(endpoint);
        let given = Given { data_dir: Some(sandbox.data()), region: Some(endpoint.region.clone()), ..Given::default() };
        let kinds: Vec<&str> = KINDS.iter().map(|spec| spec.slug).collect();
        let merged = Config::merge(given, &Environment::default(), &kinds).unwrap();
        let config = Config { emulator: Some(endpoint.url.clone()), ..merged };
        std::fs::create_dir_all(&config.data_dir).unwrap();
        let (announce, announced) = std::sync::mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let engine = Engine::open(&config, engine::hub()).await.unwrap();
                let (_opened, readiness) = watch::channel(Readiness::Ready(engine.core().clone()));
                let policy = ServerPolicy { writes: WritePolicy::of(false), list: ListMode::Auto };
                let server = McpServer::new(readiness, policy, TaskTracker::new(), CancellationToken::new());
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                announce.send(format!("http://{address}{}", transport::PATH)).unwrap();
                let options = HttpOptions::default();
                tokio::select! {
                    ended = transport::serve_http_around(&server, Fixtures::around, listener, &options) => ended.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        let url = announced.recv().unwrap();
        FixtureServer { url, _stop: stop, _sandbox: sandbox }
    }
}

//! What thirty questions cost a model: calls, tokens and time, beside what AWS's own answers cost.
//!
//! The twin in CI asks an account of 1,000 instances, and holds the median to one call and 400 tokens. The whole table, beside
//! awslabs' MCP server as well (whose commands describe live; not at 100,000 instances, where each takes minutes):
//!
//! ```console
//! MUSTER_QUESTIONS=1000,10000,100000 cargo test --release --test it questions::table -- --nocapture
//! ```
//!
//! Tokens are those of `o200k_base`, of the text that a host shows its model. What AWS answers is counted at 1,000 instances, and
//! above that in proportion to its bytes.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use tiktoken_rs::o200k_base_singleton;
use tokio::time::Instant;

use super::thirty::{Question, THIRTY};
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// How long a describe of everything may take.
const PATIENCE: Duration = Duration::from_mins(20);

/// Above this many instances awslabs' server is not asked.
const SLOW: usize = 10_000;

/// A text of which this many bytes are counted; the rest is taken to be alike.
const SAMPLE: usize = 400_000;

fn tokens(text: &str) -> usize {
    let end = text.floor_char_boundary(SAMPLE.min(text.len()));
    let sample = o200k_base_singleton().encode_ordinary(&text[..end]).len();
    if end == text.len() { sample } else { sample * text.len() / end }
}

/// Somebody who is asked, a line a question.
struct Peer(Running);

impl Peer {
    /// boto3, which describes everything.
    fn describing(endpoint: &Endpoint) -> Peer {
        let mut script = Environment::Moto.script("describe.py");
        script.arg(json!({"endpoint": endpoint.url, "region": endpoint.region}).to_string());
        Peer(Running::start("describe", script))
    }

    /// awslabs' MCP server, which runs commands of the AWS CLI.
    fn awslabs(sandbox: &Sandbox) -> Peer {
        let mut script = Environment::Awslabs.script("aws_api.py");
        script.envs(sandbox.environment().iter().cloned());
        Peer(Running::start("awslabs", script))
    }

    fn ask(&mut self, line: &str) -> String {
        assert!(self.0.say(line), "it has ended{}", self.0.tail());
        self.0.line(PATIENCE)
    }
}

/// What stands in the questions for things of the account.
struct Account(Vec<(&'static str, String)>);

impl Account {
    fn of(client: &mut Client) -> Account {
        let mut one = |sql: &str| {
            let answer = client.call("query_inventory", &json!({ "sql": sql })).unwrap();
            let row = answer.structured["rows"][0].as_object().unwrap_or_else(|| panic!("{sql}: {}", answer.text));
            row.values().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let ids = one("SELECT min(id), max(id), (SELECT id FROM instance WHERE state = 'stopped' LIMIT 1) AS third \
            FROM instance WHERE state = 'running'");
        let address = one(&format!("SELECT private_ip_address FROM instance WHERE id = '{}'", ids[0]));
        let group = one(&format!("SELECT group_id FROM instance_security_group WHERE instance_id = '{}'", ids[0]));
        let names = ["{instance}", "{second}", "{third}", "{address}", "{group}"];
        Account(names.into_iter().zip([ids, address, group].concat()).collect())
    }

    fn named_in(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    }
}

/// What the three ways cost.
struct Cost {
    muster: usize,
    data: usize,
    took: Vec<Duration>,
    described: Option<usize>,
    awslabs: Option<(usize, Duration)>,
}

struct Table {
    account: Account,
    client: Client,
    boto3: Peer,
    awslabs: Option<Peer>,
    /// How often each question is asked for its time.
    times: usize,
    described: BTreeMap<&'static str, usize>,
}

impl Table {
    fn cost(&mut self, question: &Question) -> Cost {
        let arguments: Value = serde_json::from_str(&self.account.named_in(question.arguments)).unwrap();
        let answer = self.client.call(question.tool, &arguments).unwrap();
        assert!(!answer.is_error, "{}: {} {arguments}: {}", question.asks, question.tool, answer.text);
        let boto3 = &mut self.boto3;
        let mut described = 0;
        for operation in question.describes {
            let one = self.described.entry(operation);
            described += *one.or_insert_with(|| tokens(&boto3.ask(operation)));
        }
        let awslabs = self.awslabs.as_mut().zip(question.cli).map(|(peer, cli)| {
            let started = Instant::now();
            let said: Value = serde_json::from_str(&peer.ask(&self.account.named_in(cli))).unwrap();
            assert_eq!(said["failed"], false, "{cli}: {said}");
            (tokens(said["text"].as_str().unwrap()), started.elapsed())
        });
        let time = |_| {
            let started = Instant::now();
            drop(self.client.call(question.tool, &arguments).unwrap());
            started.elapsed()
        };
        let took = (0..self.times).map(time).collect();
        Cost {
            muster: tokens(&answer.text),
            data: tokens(&answer.structured.to_string()),
            took,
            described: (!question.describes.is_empty()).then_some(described),
            awslabs,
        }
    }
}

/// The value that `share` of all are below.
fn quantile<T: Ord + Copy>(mut values: Vec<T>, share: f64) -> T {
    values.sort_unstable();
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "few values"
    )]
    let at = (values.len() as f64 * share) as usize;
    values[at.min(values.len() - 1)]
}

fn median<T: Ord + Copy>(values: Vec<T>) -> T {
    quantile(values, 0.5)
}

fn costs(instances: usize, with_awslabs: bool, times: usize) -> Vec<Cost> {
    let simulator = Simulator::start(instances, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let account = Account::of(&mut client);
    let boto3 = Peer::describing(&simulator.endpoint());
    let awslabs = with_awslabs.then(|| Peer::awslabs(&sandbox));
    let mut table = Table { account, client, boto3, awslabs, times, described: BTreeMap::new() };
    THIRTY.iter().map(|question| table.cost(question)).collect()
}

fn told(instances: usize, costs: &[Cost]) -> String {
    let mut out = format!(
        "\n{instances} instances\n{:<75} {:>7} {:>7} {:>8} {:>12} {:>9} {:>8}\n",
        "question", "tokens", "as data", "ms", "described", "awslabs", "ms"
    );
    let number = |value: Option<usize>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let millis = |took: Duration| format!("{:.1}", took.as_secs_f64() * 1e3);
    for (question, cost) in THIRTY.iter().zip(costs) {
        let (tokens, took) = cost.awslabs.unzip();
        writeln!(
            out,
            "{:<75} {:>7} {:>7} {:>8} {:>12} {:>9} {:>8}",
            question.asks,
            cost.muster,
            cost.data,
            millis(median(cost.took.clone())),
            number(cost.described),
            number(tokens),
            took.map_or_else(|| "-".to_owned(), millis)
        )
        .unwrap();
    }
    let middle = median(costs.iter().map(|cost| cost.muster).collect());
    let took = median(costs.iter().map(|cost| median(cost.took.clone())).collect());
    let described: Vec<usize> = costs.iter().filter_map(|cost| cost.described).collect();
    let mut tools: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for (question, cost) in THIRTY.iter().zip(costs) {
        tools.entry(question.tool).or_default().extend(&cost.took);
    }
    for (tool, took) in tools {
        let (middle, most) = (millis(median(took.clone())), millis(quantile(took, 0.99)));
        writeln!(out, "{tool:<30} p50 {middle} ms, p99 {most} ms").unwrap();
    }
    write!(out, "median: 1 call, {middle} tokens, {} ms; described: {} tokens", millis(took), median(described))
        .unwrap();
    out
}

#[test]
fn thirty_questions_take_one_call_and_few_tokens_each() {
    let asked = std::env::var("MUSTER_QUESTIONS").ok();
    let sizes: Vec<usize> =
        asked.as_deref().unwrap_or("1000").split(',').map(|size| size.trim().parse().unwrap()).collect();
    for instances in sizes {
        let is_long = asked.is_some();
        let costs = costs(instances, is_long && instances <= SLOW, if is_long { 30 } else { 1 });
        eprintln!("{}", told(instances, &costs));
        let middle = median(costs.iter().map(|cost| cost.muster).collect());
        assert!(middle < 400, "the median is {middle} tokens{}", told(instances, &costs));
        for (question, cost) in THIRTY.iter().zip(&costs) {
            assert!(cost.muster <= 8_000 && cost.data <= 8_000, "{}: {} {}", question.asks, cost.muster, cost.data);
        }
    }
}

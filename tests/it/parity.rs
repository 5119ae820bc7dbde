//! The simulator answers boto3 as moto does, but for a list of differences with AWS's documentation as their judge.
//!
//! `tests/python/parity.py` makes every call the simulator has, good ones and wrong ones, once against each of the two and
//! tells what came of each in a form that says nothing of ids, times and addresses. What differs must stand in
//! `parity/differences.toml`, and what stands there must differ: so neither the simulator nor moto, with a newer pin, changes
//! unnoticed. What botocore's models have no place for in an answer counts as a difference too.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::differences::{Difference, judge};
use crate::harness::moto::Moto;
use crate::harness::process::{Running, Silence};
use crate::harness::python::Environment;
use crate::harness::simulator::Simulator;

/// No region that accounts opt in to: the simulator refuses those, as AWS does.
const REGION: &str = "us-west-2";

/// One call may wait for a queue, on a machine that does something else as well.
const PATIENCE: Duration = Duration::from_mins(2);

/// What one call of the program came to.
#[derive(Debug, Deserialize)]
struct Line {
    call: String,
    step: String,
    outcome: String,
    #[serde(default)]
    answer: Value,
    #[serde(default)]
    stray: Vec<String>,
}

#[test]
fn the_simulator_answers_boto3_as_moto_does_but_for_the_listed_differences() {
    let scenario = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/scenarios/instant.toml");
    let simulator = Simulator::start(20, &["--scenario", scenario.to_str().unwrap(), "--region", REGION]);
    let moto = Moto::alone();
    let asked = [moto.endpoint().url, simulator.endpoint().url].map(|url| {
        let mut boto3 = Environment::Moto.script("parity.py");
        boto3.arg(json!({"endpoint": url, "region": REGION}).to_string());
        Running::start("parity", boto3)
    });
    let [theirs, ours] = asked.map(|mut running| lines(&mut running));

    let steps = |lines: &[Line]| lines.iter().map(|it| (it.call.clone(), it.step.clone())).collect::<Vec<_>>();
    assert_eq!(steps(&theirs), steps(&ours), "the two programs are not the same");
    covers(&ours);
    let mut found = BTreeSet::new();
    for (theirs, ours) in theirs.iter().zip(&ours) {
        compare(theirs, ours, &mut found);
    }
    judge(&found, "parity/differences.toml", &["simulator", "both"]);
}

/// Everything the program says, to its end.
fn lines(boto3: &mut Running) -> Vec<Line> {
    let mut lines = Vec::new();
    loop {
        match boto3.next_line(PATIENCE) {
            Ok(line) => lines.push(serde_json::from_str(&line).unwrap()),
            Err(Silence::Ended) => break,
            Err(Silence::TimedOut) => panic!("the program stands still{}", boto3.tail()),
        }
    }
    assert!(boto3.wait(PATIENCE).success(), "the program fails{}", boto3.tail());
    lines
}

/// The program must make every call the simulator has: what it has stands in its sources.
fn covers(lines: &[Line]) {
    let source = |path: &str| fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let made: BTreeSet<&str> =
        lines.iter().filter(|line| line.outcome == "200").map(|line| line.call.as_str()).collect();
    for (service, path) in [
        ("ec2", "src/simulator/ec2/actions.rs"),
        ("sqs", "src/simulator/sqs.rs"),
        ("events", "src/simulator/events.rs"),
    ] {
        let text = source(path);
        let names: Vec<&str> = text.split("name: \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(names.len() > 10, "{path} has no table of actions");
        let missing: Vec<&&str> =
            names.iter().filter(|name| !made.contains(format!("{service}.{name}").as_str())).collect();
        assert!(missing.is_empty(), "no call of the program succeeds for {missing:?}");
    }
    for call in ["sts.AssumeRole", "sts.GetCallerIdentity", "sqs.ReceiveMessage"] {
        assert!(made.contains(call), "no call of {call} succeeds");
    }
}

fn compare(theirs: &Line, ours: &Line, found: &mut BTreeSet<Difference>) {
    let call = &ours.call;
    if theirs.outcome == ours.outcome {
        within(call, "", &theirs.answer, &ours.answer, found);
    } else {
        let at = format!("{call}: {}", ours.step);
        found.insert(Difference { at, theirs: theirs.outcome.clone(), ours: ours.outcome.clone() });
    }
    for stray in &ours.stray {
        found.insert(Difference { at: format!("{call} stray"), theirs: String::new(), ours: stray.clone() });
    }
}

fn within(call: &str, path: &str, theirs: &Value, ours: &Value, found: &mut BTreeSet<Difference>) {
    let at = |path: &str| format!("{call} {path}");
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for name in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match (theirs.get(name), ours.get(name)) {
                    (Some(theirs), Some(ours)) => within(call, &path, theirs, ours, found),
                    (theirs, ours) => {
                        let text = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
                        found.insert(Difference { at: at(&path), theirs: text(theirs), ours: text(ours) });
                    }
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (theirs, ours) in sorted(theirs).into_iter().zip(sorted(ours)) {
                within(call, &format!("{path}[]"), theirs, ours, found);
            }
        }
        _ if theirs == ours => {}
        _ => {
            found.insert(Difference { at: at(path), theirs: theirs.to_string(), ours: ours.to_string() });
        }
    }
}

/// AWS promises no order of lists. Elements are told apart by what both have: their placeholders and what was asked for.
fn sorted(list: &[Value]) -> Vec<&Value> {
    let mut list: Vec<&Value> = list.iter().collect();
    list.sort_by_cached_key(|value| canonical(value));
    list
}

fn canonical(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let mut members: Vec<String> =
                members.iter().map(|(name, value)| format!("{name}={}", canonical(value))).collect();
            members.sort_unstable();
            members.join(";")
        }
        other => other.to_string(),
    }
}

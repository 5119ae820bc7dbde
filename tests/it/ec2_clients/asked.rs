//! What each client asks, as `muster help ec2-clients` has it: recorded, and compared with the page.
//! `UPDATE_CLIENTS=1 cargo test --test it -- ec2_clients::` writes the page's rows anew.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::harness::python;
use crate::harness::recorder::{Answered, AskedCall};

/// The clients of the table, in its order.
const CLIENTS: [&str; 12] = [
    "boto3",
    "botocore's waiters",
    "AWS CLI",
    "SDK for JavaScript",
    "SDK for Rust",
    "Ansible inventory",
    "Ansible inventory, all regions",
    "Ansible modules",
    "Ansible modules, --ec2-api-pass reads",
    "Prometheus",
    "Cloud Custodian",
    "Apache Libcloud",
];

/// How the table begins.
const HEAD: [&str; 2] = ["| client | action | answered | parameters |", "|---|---|---|---|"];

/// The codes of what is not answered; other errors are AWS's, and the copy's answer.
const REFUSALS: [&str; 5] =
    ["InvalidAction", "UnsupportedOperation", "UnauthorizedOperation", "MusterStale", "MusterScopeUnavailable"];

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/help/ec2-clients.md")
}

/// The page.
pub(super) fn page() -> String {
    fs::read_to_string(path()).unwrap()
}

/// A block of the page's code: the `number`th below the heading, without its margin.
pub(super) fn snippet(heading: &str, number: usize) -> String {
    let page = page();
    let below = page.split(&format!("\n### {heading}\n")).nth(1).unwrap_or_else(|| panic!("no heading {heading}"));
    let mut blocks: Vec<Vec<&str>> = Vec::new();
    let mut is_code = false;
    for line in below.lines().take_while(|line| !line.starts_with('#')) {
        match line.strip_prefix("    ") {
            Some(code) if is_code => blocks.last_mut().unwrap().push(code),
            Some(code) => blocks.push(vec![code]),
            None if line.is_empty() && is_code => blocks.last_mut().unwrap().push(""),
            None => {}
        }
        is_code = line.starts_with("    ") || (line.is_empty() && is_code);
    }
    let lines = blocks.get(number).unwrap_or_else(|| panic!("{heading} has {} blocks", blocks.len()));
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// The rows of a client.
fn rows(client: &str, calls: &[AskedCall]) -> Vec<String> {
    let mut asked: BTreeMap<&str, (BTreeSet<String>, BTreeSet<&str>)> = BTreeMap::new();
    for call in calls {
        let (answered, parameters) = asked.entry(&call.action).or_default();
        answered.insert(match &call.answered {
            Answered::Error(code) if REFUSALS.contains(&code.as_str()) => format!("refused: {code}"),
            Answered::Passed => "passed".to_owned(),
            Answered::Copy | Answered::Error(_) => "copy".to_owned(),
        });
        parameters.extend(call.parameters.iter().map(String::as_str));
    }
    let joined = |texts: &mut dyn Iterator<Item = &str>| texts.collect::<Vec<_>>().join(", ");
    let row = |(action, (answered, parameters)): (&str, (BTreeSet<String>, BTreeSet<&str>))| {
        let answered = joined(&mut answered.iter().map(String::as_str));
        format!("| {client} | {action} | {answered} | {} |", joined(&mut parameters.into_iter()))
    };
    asked.into_iter().map(row).collect()
}

/// The place of a row's client in the table, if it is one.
fn place(row: &str) -> Option<usize> {
    CLIENTS.iter().position(|client| row.starts_with(&format!("| {client} |")))
}

/// Where a row stands in the table: what is not always answered from the copy stands first.
fn rank(row: &str) -> (bool, Option<usize>, &str) {
    (row.split(" | ").nth(2) == Some("copy"), place(row), row)
}

/// Compares what a client asked with the page.
pub(super) fn recorded(client: &str, calls: &[AskedCall]) {
    let place_of = CLIENTS.iter().position(|known| *known == client).unwrap();
    let mut rows = rows(client, calls);
    rows.sort_by(|one, other| rank(one).cmp(&rank(other)));
    assert!(!rows.is_empty(), "{client} asks nothing");
    let lock = File::create(python::directory().join("ec2-clients.lock")).unwrap();
    lock.lock().unwrap();
    let page = page();
    let (before, table) = page.split_once(HEAD[0]).expect("the page has the table");
    let (known, after): (Vec<&str>, Vec<&str>) = table.lines().skip(2).partition(|line| line.starts_with('|'));
    if std::env::var_os("UPDATE_CLIENTS").is_some() {
        let mut all: Vec<&str> = known.into_iter().filter(|row| place(row).is_some_and(|at| at != place_of)).collect();
        all.extend(rows.iter().map(String::as_str));
        all.sort_by(|one, other| rank(one).cmp(&rank(other)));
        let lines = HEAD.into_iter().chain(all).chain(after);
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        fs::write(path(), format!("{before}{text}")).unwrap();
        return;
    }
    let known: Vec<&str> = known.into_iter().filter(|row| place(row) == Some(place_of)).collect();
    assert_eq!(known, rows, "{client}: UPDATE_CLIENTS=1 cargo test --test it -- ec2_clients:: writes the page anew");
}

#[test]
fn the_table_is_of_the_clients_that_ran() {
    if std::env::var_os("UPDATE_CLIENTS").is_some() {
        return;
    }
    let page = page();
    let rows = page.split_once(HEAD[0]).unwrap().1.lines().skip(2).filter(|line| line.starts_with('|'));
    let found: BTreeSet<Option<usize>> = rows.map(place).collect();
    assert_eq!(found, (0..CLIENTS.len()).map(Some).collect());
}

/// The versions that the page names are those that run.
#[test]
fn the_versions_of_the_page_are_the_pinned_ones() {
    let page = page();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for (file, package) in [
        ("requirements-moto.txt", "boto3"),
        ("requirements-awscli.txt", "awscli"),
        ("requirements-readers.txt", "ansible-core"),
        ("requirements-collections.txt", "ansible"),
        ("requirements-readers.txt", "c7n"),
        ("requirements-readers.txt", "apache-libcloud"),
    ] {
        let pins = fs::read_to_string(tests.join(file)).unwrap();
        let version = pins.lines().find_map(|line| line.strip_prefix(&format!("{package}=="))).unwrap();
        assert!(page.contains(&format!("`{package}` {version}")), "{package} is {version} in tests/{file}");
    }
    let packages = fs::read_to_string(tests.join("node/package.json")).unwrap();
    let version = serde_json::from_str::<serde_json::Value>(&packages).unwrap()["dependencies"]["@aws-sdk/client-ec2"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(page.contains(&format!("`@aws-sdk/client-ec2` {version}")), "@aws-sdk/client-ec2 is {version}");
}

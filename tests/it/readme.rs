//! What README and the help topics promise is what the program has. That every command and flag in them is one
//! that the program takes is tested beside the topics, in `cli::help`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use muster::config::EventsName;
use muster::kinds::KINDS;
use muster::kinds::rules::{DEFAULT_NAME, RULES};
use muster::setup::QueueRole;
use muster::simulator::Scenario;
use serde_json::Value;

use crate::harness::muster::{Endpoint, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines inside code fences.
fn commands(markdown: &str) -> Vec<&str> {
    let blocks = markdown.split("```").skip(1).step_by(2);
    blocks.flat_map(str::lines).map(str::trim).collect()
}

/// The cells of each row of all tables under the heading that contains `heading`.
fn rows<'a>(markdown: &'a str, heading: &str) -> Vec<Vec<&'a str>> {
    let sections =
        markdown.split("\n#").filter(|section| section.lines().next().is_some_and(|line| line.contains(heading)));
    let rows = sections.flat_map(str::lines).filter_map(|line| line.strip_prefix('|'));
    rows.map(|row| row.split('|').map(str::trim).collect()).collect()
}

/// What stands in code spans.
fn spans(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The first code span of the first cell of each row of all tables under the heading that contains `heading`.
fn first_cells(markdown: &str, heading: &str) -> BTreeSet<String> {
    rows(markdown, heading).iter().filter_map(|row| spans(row[0]).first().map(|span| (*span).to_owned())).collect()
}

/// The names of the queues, and of the rules, that setup makes unless told otherwise.
fn set_up() -> [Vec<String>; 2] {
    let queues = QueueRole::ALL.map(|role| role.name(&EventsName::default()));
    [queues.into(), RULES.iter().map(|rule| rule.name(DEFAULT_NAME)).collect()]
}

#[test]
fn the_readmes_two_commands_are_the_demo_and_what_ci_runs() {
    let readme = file("README.md");
    let commands = commands(&readme);
    assert!(commands.contains(&"cargo run --release -- demo"), "{commands:?}");
    let script = file(".ci/run");
    let test =
        script.lines().map(str::trim).find(|line| line.starts_with("cargo test")).expect(".ci/run runs the tests");
    // CI adds only that the lock file must be up to date.
    let test = test.replace(" --locked", "");
    assert!(commands.contains(&test.as_str()), "README.md does not name CI's test command {test:?}: {commands:?}");
}

/// What `muster` prints for these words.
fn printed(words: &[&str]) -> String {
    let output = Sandbox::bare().muster(words).output().unwrap();
    assert!(output.status.success(), "muster {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The first code span of each item of all lists under the heading that contains `heading`; of all where it is empty.
fn items(text: &str, heading: &str) -> BTreeSet<String> {
    let sections =
        text.split("\n#").filter(|section| section.lines().next().is_some_and(|line| line.contains(heading)));
    let items = sections.flat_map(str::lines).filter(|line| line.starts_with("- `"));
    items.filter_map(|line| spans(line).first().map(|span| (*span).to_owned())).collect()
}

#[test]
fn help_of_a_topic_is_its_text_and_help_of_a_command_is_the_commands() {
    let all = printed(&["help"]);
    assert!(all.contains("Commands:") && all.contains("\n  simulator "), "{all}");
    assert!(printed(&["help", "events"]).contains("How events are proved to arrive"));
    for command in [&["serve"][..], &["log", "verify"], &["doctor"]] {
        let of_flag = printed(&[command, &["--help"]].concat());
        assert_eq!(printed(&[&["help"], command].concat()), of_flag, "{command:?}");
        assert!(of_flag.contains("Usage: muster "), "{of_flag}");
    }
    let unknown = Sandbox::bare().muster(&["help", "freshnes"]).output().unwrap();
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(unknown.status.code() == Some(2) && said.contains("did you mean `muster help freshness`?"), "{said}");
}

#[test]
fn the_topics_control_paths_are_the_simulators() {
    let index = Simulator::start(1, &[]).control("GET", "", &Value::Null);
    let documented = items(&printed(&["help", "simulator"]), "Control paths");
    let mut paths: BTreeSet<String> = index.as_object().unwrap().keys().cloned().collect();
    // A base URL, and no path of its own.
    paths.insert("/_simulator/at/{ms}/".to_owned());
    assert_eq!(documented, paths, "left: muster help simulator, right: GET /_simulator");
}

#[test]
fn the_topics_keys_of_a_scenario_are_read() {
    let keys = items(&printed(&["help", "simulator"]), "Keys of a scenario");
    assert!(keys.len() > 5, "{keys:?}");
    for key in keys {
        let read = toml::from_str::<Scenario>(&key);
        assert!(read.is_ok(), "{key}: {read:?}");
    }
}

#[test]
fn the_checks_that_the_help_lists_are_the_doctors() {
    let checks: BTreeSet<String> = muster::doctor::CHECKS.iter().map(|check| check.name.to_owned()).collect();
    assert_eq!(items(&printed(&["doctor", "--help"]), ""), checks, "left: muster doctor --help, right: CHECKS");
}

#[test]
fn the_queues_and_rules_that_the_help_lists_are_those_that_setup_makes() {
    let made: BTreeSet<String> = set_up().concat().into_iter().collect();
    assert_eq!(items(&printed(&["setup", "--help"]), ""), made, "left: muster setup --help, right: what it makes");
}

#[test]
fn the_readmes_sweeps_and_the_rules_that_spare_them_are_those_of_the_kinds() {
    let seconds = |cell: &str| -> Option<u64> {
        let (number, unit) = cell.split_once(' ')?;
        Some(number.parse::<u64>().ok()? * if unit == "h" { 3600 } else { 1 })
    };
    let readme = file("README.md");
    let mut documented = Vec::new();
    for row in rows(&readme, "Kinds") {
        let [kinds, _, every, told_by, relaxed, ..] = &row[..] else { panic!("{row:?}") };
        for kind in spans(kinds) {
            documented.push((kind, seconds(every), spans(told_by), seconds(relaxed)));
        }
    }
    let mut kinds: Vec<_> = KINDS
        .iter()
        .map(|spec| {
            let relaxed = spec.relaxed.map(|every| every.as_secs());
            (spec.slug, Some(spec.interval.as_secs()), spec.event_rules.to_vec(), relaxed)
        })
        .collect();
    documented.sort();
    kinds.sort();
    assert_eq!(documented, kinds, "left: README.md, right: KINDS");
}

#[test]
fn the_readmes_tools_are_the_servers_tools() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let tools: BTreeSet<String> = Client::stdio(&sandbox, &["--allow-writes"]).tools().into_iter().collect();
    assert_eq!(first_cells(&file("README.md"), "Tools"), tools, "left: README.md, right: tools/list");
}

#[test]
fn the_readmes_prompts_are_the_servers_prompts_with_their_arguments() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let prompts = Client::stdio(&sandbox, &[]).pages("prompts/list", "prompts").concat();
    let named = |prompt: &Value| {
        let arguments = prompt["arguments"].as_array().unwrap().iter();
        let arguments = arguments.map(|argument| argument["name"].as_str().unwrap().to_owned()).collect();
        (prompt["name"].as_str().unwrap().to_owned(), arguments)
    };
    let prompts: Vec<(String, Vec<String>)> = prompts.iter().map(named).collect();
    let readme = file("README.md");
    let owned = |cell| spans(cell).iter().map(|span| (*span).to_owned()).collect::<Vec<String>>();
    let documented = rows(&readme, "Prompts").into_iter().map(|row| (owned(row[0]).concat(), owned(row[2])));
    let documented: Vec<_> = documented.filter(|(name, _)| !name.is_empty()).collect();
    assert_eq!(documented, prompts, "left: README.md, right: prompts/list");
}

#[test]
fn the_readmes_resources_are_the_servers_templates() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let mut client = Client::stdio(&sandbox, &[]);
    let templates = client.pages("resources/templates/list", "resourceTemplates").concat();
    let readme = file("README.md");
    let mut documented = first_cells(&readme, "Resources");
    for kind in first_cells(&readme, "Kinds") {
        documented.extend([format!("ec2://{kind}/{{id}}"), format!("ec2://{kind}/{{id}}/history")]);
    }
    for template in templates {
        let template = template["uriTemplate"].as_str().unwrap();
        assert!(documented.contains(template), "README.md does not have {template}: {documented:?}");
    }
}

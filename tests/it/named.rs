//! Only the parser of a tool's arguments makes the ids that a call which changes AWS may carry. The privacy of modules cannot
//! say so across two branches of one crate, so the sources are read.

use std::fs;
use std::path::Path;

use crate::modules::gather;

/// The one way to make a `Named`.
const CONSTRUCTOR: &str = "parsed_from_arguments";
/// Where it stands, and where it may be called: the parser of arguments, which tests go through as well.
const MADE: [&str; 2] = ["model/named.rs", "mcp/tools/arguments/instances.rs"];
/// The SDK's calls that change instances or what is made of them, with the files that may make them. The second one makes only
/// dry runs, for `muster doctor`.
const CHANGES: [&str; 6] = [
    ".start_instances()",
    ".stop_instances()",
    ".reboot_instances()",
    ".terminate_instances()",
    ".create_snapshots()",
    ".create_snapshot()",
];
const CHANGING: [&str; 2] = ["aws/actions.rs", "aws/probe.rs"];

/// Every source file with its text, tests among them; the simulator is no client of AWS.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    gather(&root, &mut found);
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
    let texts: Vec<(String, String)> =
        found.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect();
    assert!(texts.len() > 200, "the sources are not where this test looks");
    texts.into_iter().filter(|(name, _)| !name.starts_with("simulator")).collect()
}

/// The text without comments and blanks, so that neither how it is formatted nor what it says of itself matters.
fn code(text: &str) -> String {
    let lines = text.lines().map(|line| line.split_once("//").map_or(line, |(code, _)| code));
    lines.flat_map(str::chars).filter(|letter| !letter.is_whitespace()).collect()
}

fn naming(what: &str) -> Vec<String> {
    let mut files: Vec<String> =
        sources().into_iter().filter(|(_, text)| code(text).contains(what)).map(|(name, _)| name).collect();
    files.sort();
    files
}

#[test]
fn only_the_parser_parsed_from_arguments_makes_the_ids_that_a_write_may_carry() {
    let mut expected = MADE.map(str::to_owned);
    expected.sort();
    assert_eq!(naming(CONSTRUCTOR), expected);
    let parser = sources().into_iter().find(|(name, _)| name == MADE[1]).unwrap().1;
    assert_eq!(code(&parser).matches(CONSTRUCTOR).count(), 1);
}

#[test]
fn the_ids_that_a_write_may_carry_have_one_constructor() {
    let text = sources().into_iter().find(|(name, _)| name == MADE[0]).unwrap().1;
    let code = code(&text);
    // The fields are private, so nothing outside this file can make one: here, each is made in one place.
    assert!(code.contains("pubstructNamed(Vec<Arc<str>>);"), "its field is private");
    assert_eq!(code.matches("Named(named)").count(), 1);
    assert_eq!(code.matches("->Self{").count(), 1);
    assert_eq!(code.matches("Chosen{ids:").count(), 1, "a choice is made of what was named, and nowhere else");
    for derived in ["Default", "Deserialize", "From<", "FromStr", "FromIterator", "Extend", "pubids", "pub(crate)ids"] {
        assert!(!code.contains(derived), "{derived} would be another constructor");
    }
    assert!(!code.contains("&mut"), "nothing is added later");
    assert!(!code.contains("cfg(test)"), "tests parse arguments too");
}

#[test]
fn calls_that_change_instances_stand_in_one_place_and_take_what_was_named() {
    for call in CHANGES {
        let files = naming(call);
        assert!(files.iter().all(|file| CHANGING.contains(&file.as_str())), "{call} stands in {files:?}");
    }
    let of = |file: &str| code(&sources().into_iter().find(|(name, _)| name == file).unwrap().1);
    let actions = of(CHANGING[0]);
    let calls = CHANGES.iter().map(|call| actions.matches(call).count()).sum::<usize>();
    assert!(calls >= 3, "the calls are not where this test looks");
    assert_eq!(
        actions.matches("(&self,chosen:&Chosen<'_>").count(),
        calls + 2,
        "each takes a choice, as do the gate and the question whether a dry run is heeded"
    );
    assert_eq!(actions.matches("self.admitted(chosen,ACTION").count(), calls, "each goes through the gate");
    let probe = of(CHANGING[1]);
    for call in CHANGES {
        for (at, _) in probe.match_indices(call) {
            let statement = probe[at..].split(';').next().unwrap();
            assert!(statement.contains(".dry_run(true)"), "{statement} is no dry run");
        }
    }
}

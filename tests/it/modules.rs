//! The module table of the architecture, held against the sources.
//!
//! Test code (modules under `#[cfg(test)]`, inline or in files of their own) is exempt: a test may set up with whatever it
//! needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What each top-level module may use of the others. `None`: everything.
const TABLE: [(&str, Option<&[&str]>); 21] = [
    ("model", Some(&[])),
    ("kinds", Some(&["model"])),
    ("aws", Some(&["model", "kinds"])),
    ("source", Some(&["model", "kinds", "aws"])),
    ("reconcile", Some(&["model"])),
    ("store", Some(&["model"])),
    ("notify", Some(&["model", "store"])),
    ("freshness", Some(&["model", "store", "reconcile"])),
    ("ingest", Some(&["model", "reconcile", "store", "freshness", "notify"])),
    ("query", Some(&["model", "store"])),
    ("mcp", Some(&["model", "kinds", "store", "query", "freshness", "notify", "aws", "ingest"])),
    ("simulator", Some(&[])),
    ("watch", None),
    ("connection", None),
    ("setup", Some(&["model", "kinds", "aws", "config"])),
    ("doctor", Some(&["model", "kinds", "aws", "config", "connection", "setup"])),
    ("app", None),
    ("cli", None),
    ("config", None),
    ("telemetry", None),
    ("main", None),
];

/// Crates that only some modules, or files below `src/`, may name.
const CONFINED: [(&str, &[&str]); 12] = [
    ("aws_sdk_ec2", &["aws", "kinds"]),
    ("aws_sdk_cloudtrail", &["aws", "kinds"]),
    ("aws_sdk_sts", &["aws", "kinds"]),
    ("aws_sdk_sqs", &["aws"]),
    ("aws_sdk_eventbridge", &["aws"]),
    ("aws_sdk_servicequotas", &["aws"]),
    ("aws_config", &["aws", "kinds"]),
    ("aws_smithy", &["aws", "kinds"]),
    ("rmcp", &["mcp"]),
    ("redb", &["store"]),
    ("bincode", &["store/codec"]),
    ("clap", &["cli"]),
];

/// A source file without its tests and comments.
struct Source {
    /// Below `src/`, without the extension: `store/codec`.
    path: String,
    code: String,
}

impl Source {
    fn top(&self) -> &str {
        self.path.split('/').next().unwrap()
    }

    /// The top-level modules that the code names, by `crate::` or by climbing with `super::`.
    fn uses(&self) -> BTreeSet<String> {
        let depth = self.path.split('/').count();
        let root_by_super = "super::".repeat(depth);
        let mut used = BTreeSet::new();
        for root in ["crate::", &root_by_super] {
            for (at, _) in self.code.match_indices(root) {
                let before = self.code[..at].chars().next_back();
                // `$crate::`, `other_crate::` and a longer chain of `super::` (which does not compile) are others' business.
                if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                    continue;
                }
                used.extend(first_segments(&self.code[at + root.len()..]));
            }
        }
        used.remove(self.top());
        used
    }
}

/// The first path segments of what follows `crate::`: one, or each of a `{group}`.
fn first_segments(text: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = text.strip_prefix('{') else { return vec![word(text)] };
    let mut segments = Vec::new();
    let mut depth = 0;
    let mut start = true;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if start && !c.is_whitespace() => {
                segments.push(word(&group[at..]));
                start = false;
            }
            _ => {}
        }
    }
    segments
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    gather(&root, &mut found);
    let mut texts: Vec<(String, String)> = Vec::new();
    for path in found {
        let name = path.strip_prefix(&root).unwrap().with_extension("");
        texts.push((name.to_str().unwrap().replace('\\', "/"), fs::read_to_string(path).unwrap()));
    }
    let exempt: Vec<String> = texts.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_test = |path: &str| exempt.iter().any(|test| is_in(path, test));
    let sources = texts.into_iter().filter(|(path, _)| path != "lib" && !is_test(path));
    let sources: Vec<Source> = sources.map(|(path, text)| Source { path, code: code_of(&text) }).collect();
    assert!(sources.len() > 20, "the sources are not where this test looks");
    sources
}

/// The source files below a directory.
pub(crate) fn gather(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            gather(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether the module file `path` is `place` or below it.
fn is_in(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The files that a module declares for tests only.
fn test_modules(path: &str, text: &str) -> Vec<String> {
    let declared = text.split("#[cfg(test)]").skip(1).filter_map(|after| {
        let line = after.trim_start().lines().next()?;
        let (_, name) = line.strip_suffix(';')?.rsplit_once("mod ")?;
        Some(if path == "lib" { name.to_owned() } else { format!("{path}/{name}") })
    });
    declared.collect()
}

/// The text without comments, strings and what follows an inline test module, which the house style puts last.
fn code_of(text: &str) -> String {
    let tests = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let mut code = String::new();
    for line in text[..tests].lines() {
        // Every second piece between quotes is inside a string, as far as a line goes.
        let outside: Vec<&str> = line.split('"').step_by(2).collect();
        let outside = outside.join("\"\"");
        code.push_str(outside.split_once("//").map_or(outside.as_str(), |(code, _)| code));
        code.push('\n');
    }
    code
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let mut broken = Vec::new();
    for source in sources() {
        let Some((_, allowed)) = TABLE.iter().find(|(module, _)| *module == source.top()) else {
            broken.push(format!("src/{}.rs belongs to no module of the table", source.path));
            continue;
        };
        for used in source.uses() {
            let is_module = TABLE.iter().any(|(module, _)| *module == used);
            if is_module && allowed.is_some_and(|allowed| !allowed.contains(&used.as_str())) {
                broken.push(format!("src/{}.rs uses crate::{used}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "not in the module table:\n{}", broken.join("\n"));
}

#[test]
fn foreign_crates_stay_behind_their_seams() {
    let mut broken = Vec::new();
    for source in sources() {
        for (name, places) in CONFINED {
            let named = source.code.match_indices(name).any(|(at, _)| {
                let before = source.code[..at].chars().next_back();
                let path = source.code[at..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
                path.starts_with("::") && !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
            });
            if named && !places.iter().any(|place| is_in(&source.path, place)) {
                broken.push(format!("src/{}.rs names {name}, which belongs to {places:?}", source.path));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_module_of_the_table_exists() {
    let present: BTreeSet<String> = sources().iter().map(|source| source.top().to_owned()).collect();
    let missing: Vec<&str> =
        TABLE.iter().map(|(module, _)| *module).filter(|module| !present.contains(*module)).collect();
    assert!(missing.is_empty(), "the table names modules that are gone: {missing:?}");
}

#[test]
fn the_reader_of_sources_sees_every_way_to_name_a_module() {
    let source = |path: &str, code: &str| Source { path: path.to_owned(), code: code_of(code) }.uses();
    let named = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(source("mcp/uri", "use crate::{kinds::{self, KINDS}, model::Scope};"), named(&["kinds", "model"]));
    assert_eq!(source("mcp/uri", "use super::super::store::Store;"), named(&["store"]));
    assert_eq!(source("mcp/uri", "use super::resources; // crate::app"), named(&[]));
    assert_eq!(source("mcp", "fn f() -> crate::app::App { super::cli::run() }"), named(&["app", "cli"]));
    assert_eq!(source("mcp", "#[cfg(test)]\nmod tests { use crate::app; }"), named(&[]));
    assert_eq!(source("mcp", "warn!(\"crate::app is here\");"), named(&[]));
    assert_eq!(test_modules("mcp", "#[cfg(test)]\npub(crate) mod world;\nmod tools;"), ["mcp/world"]);
}

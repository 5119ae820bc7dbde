//! The module table of the architecture, and that files do not use each other in circles, held against the sources.
//!
//! Test code (what stands under `#[cfg(test)]`, inline or in files of its own) is exempt: a test may set up with whatever it
//! needs. A `pub use` is a use by the file that it stands in, and whoever uses the name through it uses the file that
//! defines it. `mod child;` is no use, and neither is a method call, so a child that only adds `impl` blocks to its parent's
//! type closes no circle.

mod circles;
mod names;
mod paths;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use self::circles::{circles, describe};
use self::paths::{Paths, paths};
use self::tree::Tree;

/// What each top-level module may use of the others. `None`: everything.
const TABLE: [(&str, Option<&[&str]>); 24] = [
    ("model", Some(&[])),
    ("kinds", Some(&["model"])),
    ("aws", Some(&["model", "kinds"])),
    ("source", Some(&["model", "kinds", "aws"])),
    ("reconcile", Some(&["model"])),
    ("store", Some(&["model", "policy"])),
    ("notify", Some(&["model", "store"])),
    ("freshness", Some(&["model", "policy", "store", "reconcile"])),
    ("ingest", Some(&["model", "policy", "reconcile", "store", "freshness", "notify"])),
    ("query", Some(&["model", "kinds", "store"])),
    ("audit", Some(&["model", "store", "notify"])),
    ("mcp", Some(&["model", "kinds", "store", "query", "freshness", "notify", "policy", "audit", "aws", "ingest"])),
    ("ec2_api", Some(&["model", "kinds", "store", "query", "freshness", "policy", "aws"])),
    ("simulator", Some(&[])),
    ("watch", Some(&["model", "kinds", "aws", "source", "freshness", "ingest"])),
    ("policy", Some(&["model"])),
    ("connection", Some(&["model", "config", "policy"])),
    ("setup", Some(&["model", "kinds", "aws", "config"])),
    ("doctor", Some(&["model", "kinds", "aws", "config", "connection", "setup"])),
    ("app", None),
    ("cli", None),
    ("config", None),
    ("telemetry", None),
    ("main", None),
];

/// Crates that only some modules, or files below `src/`, may name.
const CONFINED: [(&str, &[&str]); 17] = [
    ("aws_sdk_ec2", &["aws", "kinds"]),
    ("aws_sdk_cloudtrail", &["aws", "kinds"]),
    ("aws_sdk_sts", &["aws", "kinds"]),
    ("aws_sdk_sqs", &["aws"]),
    ("aws_sdk_eventbridge", &["aws"]),
    ("aws_sdk_organizations", &["aws"]),
    ("aws_sdk_servicequotas", &["aws"]),
    ("aws_config", &["aws", "kinds"]),
    ("aws_smithy", &["aws", "kinds"]),
    ("rmcp", &["mcp"]),
    ("jsonwebtoken", &["mcp/auth"]),
    ("redb", &["store"]),
    ("bincode", &["store/codec"]),
    ("rusqlite", &["query/sql"]),
    ("sqlparser", &["query/sql"]),
    ("prometheus_client", &["telemetry"]),
    ("clap", &["cli"]),
];

/// The sources below `src/`, by their paths there.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    gather(&root, &mut found);
    assert!(found.len() > 20, "the sources are not where this test looks");
    let text = |path: PathBuf| {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        (name, fs::read_to_string(path).unwrap())
    };
    found.into_iter().map(text).collect()
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

/// A crate of a few files, by their paths below `src/`; `lib.rs` declares those that stand beside it.
fn small_crate(files: &[(&str, &str)]) -> Tree {
    let mut texts: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let beside = files.iter().filter_map(|(path, _)| path.strip_suffix(".rs").filter(|name| !name.contains('/')));
    texts.insert("lib.rs".to_owned(), beside.map(|name| format!("mod {name};")).collect::<Vec<_>>().join("\n"));
    Tree::read(&texts)
}

/// The circles of a tree, as the paths of their files.
fn circles_of(tree: &Tree) -> Vec<Vec<&str>> {
    let found = circles(tree.files.len(), &paths(tree).edges);
    found.into_iter().map(|circle| circle.into_iter().map(|file| tree.files[file].as_str()).collect()).collect()
}

#[test]
fn modules_use_only_what_the_table_allows() {
    let tree = Tree::read(&sources());
    let mut broken = BTreeSet::new();
    for (file, used) in paths(&tree).tops {
        let (path, top) = (&tree.files[file], tree.top(file));
        if top == "lib" || used == top {
            continue;
        }
        let Some((_, allowed)) = TABLE.iter().find(|(module, _)| *module == top) else {
            broken.insert(format!("src/{path} belongs to no module of the table"));
            continue;
        };
        let is_module = TABLE.iter().any(|(module, _)| *module == used);
        if is_module && allowed.is_some_and(|allowed| !allowed.contains(&used.as_str())) {
            broken.insert(format!("src/{path} uses crate::{used}"));
        }
    }
    assert!(broken.is_empty(), "not in the module table:\n{}", Vec::from_iter(broken).join("\n"));
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let tree = Tree::read(&sources());
    let Paths { edges, .. } = paths(&tree);
    let found = circles(tree.files.len(), &edges);
    let found: Vec<String> = found.iter().map(|circle| describe(circle, &edges, &tree.files)).collect();
    assert!(found.is_empty(), "files that use each other:\n{}", found.join("\n"));
}

#[test]
fn foreign_crates_stay_behind_their_seams() {
    let tree = Tree::read(&sources());
    let mut broken = BTreeSet::new();
    for (file, named) in paths(&tree).outside {
        let path = tree.files[file].trim_end_matches(".rs");
        let confined = CONFINED.iter().find(|(name, _)| named.starts_with(name));
        if let Some((_, places)) = confined
            && !places
                .iter()
                .any(|place| path.strip_prefix(place).is_some_and(|it| it.is_empty() || it.starts_with('/')))
        {
            broken.insert(format!("src/{path}.rs names {named}, which belongs to {places:?}"));
        }
    }
    assert!(broken.is_empty(), "{}", Vec::from_iter(broken).join("\n"));
}

#[test]
fn every_module_of_the_table_exists() {
    let tree = Tree::read(&sources());
    let present: BTreeSet<&str> = (0..tree.files.len()).map(|file| tree.top(file)).collect();
    let missing: Vec<&str> =
        TABLE.iter().map(|(module, _)| *module).filter(|module| !present.contains(module)).collect();
    assert!(missing.is_empty(), "the table names modules that are gone: {missing:?}");
}

#[test]
fn a_circle_by_an_inline_path_is_found() {
    let tree = small_crate(&[
        ("clock.rs", "pub(crate) fn now() -> u64 { match 1 { 0 => super::table::Row::new(0).at, _ => 1 } }"),
        (
            "table.rs",
            "pub(crate) struct Row { pub(crate) at: u64 }\nimpl Row { fn touch(&mut self) { self.at = crate::clock::now(); } }",
        ),
    ]);
    assert_eq!(circles_of(&tree), [["clock.rs", "table.rs"]]);
    let edges = paths(&tree).edges;
    let told = describe(&circles(tree.files.len(), &edges)[0], &edges, &tree.files);
    assert!(told.contains("src/table.rs:2 -> src/clock.rs  (crate::clock::now)"), "{told}");
}

#[test]
fn a_circle_by_a_re_export_is_found() {
    let tree = small_crate(&[
        ("store.rs", "mod disk; mod row;\npub(crate) use self::disk::Disk as Drive;\npub(crate) use row::*;"),
        ("store/disk.rs", "use crate::store::Row;\npub(crate) struct Disk(Vec<Row>);"),
        ("store/row.rs", "pub(crate) struct Row;\nimpl From<super::Drive> for Row { }"),
    ]);
    assert_eq!(circles_of(&tree), [["store/disk.rs", "store/row.rs"]]);
}

#[test]
fn every_way_to_use_a_file_is_seen() {
    let ways = [
        "use crate::{other::{self, Thing as Renamed}};",
        "use super::other; fn f() { other::thing() }",
        "use super::other::*; fn f(_: Thing) {}",
        "fn f() { use crate::other as o; o::thing() }",
        "fn f() { println!(\"{}\", crate::other::thing()) }",
        "fn f() { tokio::select! { _ = crate::{other::{thing}} => {} } }",
        "fn f() -> Box<dyn Fn(crate::other::Thing)> { loop {} }",
        "fn f() { let crate::other::Thing = g() else { return }; }",
        "impl crate::other::Trait for u8 {}",
        "#[derive(crate::other::Trait)] struct S;",
        "struct S { #[serde(with = \"crate::other::Thing\")] field: u8 }",
        "mod inside { fn f() { super::super::other::thing() } }",
        "macro_rules! m { () => { $crate::other::thing() } }",
        "fn f() { rule!(1) }",
        "pub(crate) use crate::other::Thing;",
    ];
    let other = "pub(crate) struct Thing; pub(crate) trait Trait {} pub(crate) fn thing() {}";
    for way in ways {
        let mut files = vec![("user.rs", way), ("other.rs", other)];
        let mut texts: BTreeMap<String, String> =
            files.drain(..).map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        texts.insert("lib.rs".to_owned(), "macro_rules! rule { () => {} } mod other; mod user;".to_owned());
        let tree = Tree::read(&texts);
        let named = if way.contains("rule!") { "lib.rs" } else { "other.rs" };
        let edges = paths(&tree).edges;
        let seen = edges.iter().any(|edge| tree.files[edge.from] == "user.rs" && tree.files[edge.to] == named);
        assert!(seen, "{way}");
    }
}

#[test]
fn what_is_no_circle_is_none() {
    // Strings, comments, tests, fields and methods are no uses, and neither is the declaration of a child, or a child that
    // only adds to its parent's type.
    let tree = small_crate(&[
        (
            "cache.rs",
            "mod evict;\nuse std::fmt;\npub(crate) struct Cache { user: u8 }\n\
             impl Cache { fn f(&self, user: u8) -> u8 { self.evict(); self.user + user } }\n\
             // crate::user::User\n\
             fn g() -> String { format!(\"crate::user::User {}\", 1) }\n\
             #[cfg(test)]\nuse crate::user::User;\n\
             #[cfg(all(test, unix))]\nfn h() { crate::user::user() }\n\
             #[cfg(test)]\nmod tests { use crate::user::User; }",
        ),
        ("cache/evict.rs", "use super::Cache;\nimpl Cache { pub(super) fn evict(&self) {} }"),
        ("user.rs", "pub(crate) struct User(crate::cache::Cache);\npub(crate) fn user() {}"),
    ]);
    assert_eq!(circles_of(&tree), Vec::<Vec<&str>>::new());
    assert_eq!(tree.files, ["lib.rs", "cache.rs", "cache/evict.rs", "user.rs"]);
}

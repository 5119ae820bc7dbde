//! Nothing of a server reaches a request but through the view of its connection: the sources are read for the ways around it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// What leads around a view, with the files that may use it and why they may.
const AROUND: [(&str, &[&str]); 7] = [
    // The socket of the machine's own user, and what is only written.
    ("View::whole()", &["app/listener.rs", "mcp/server/tool_calls.rs"]),
    // Caps count what everybody changed.
    (".of_the_server()", &["mcp/touched.rs"]),
    // The core makes each of them a part of the view; what the overview shows of the server as a whole is for those who see everything.
    ("aws.known_accounts()", &["mcp/core.rs"]),
    ("aws.calls()", &["mcp/core.rs"]),
    ("aws.regions()", &["mcp/core.rs"]),
    ("aws.known_organization()", &["mcp/resources/overview.rs"]),
    ("aws.origin()", &["mcp/resources/overview.rs"]),
];

/// Where the core of a server is taken out of its readiness: each goes on through a view, or serves those who see everything.
const OPENED: [&str; 6] = [
    "mcp/core.rs",
    "mcp/server/methods.rs",
    "mcp/server/ready_answers.rs",
    "mcp/server/tool_calls.rs",
    "mcp/subscriptions.rs",
    "mcp/told.rs",
];

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files of `modules` that name `what`, without tests.
fn naming(what: &str, modules: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut found = BTreeSet::new();
    for path in files {
        let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
        let is_code = !name.contains("/tests") && modules.iter().any(|module| name.starts_with(module));
        if is_code && fs::read_to_string(&path).unwrap().contains(what) {
            found.insert(name);
        }
    }
    found
}

#[test]
fn there_is_no_way_around_the_view_of_a_connection() {
    for (what, may) in AROUND {
        let modules = if what.starts_with("aws") { &["mcp/"][..] } else { &["mcp/", "app/", "query/"][..] };
        assert_eq!(naming(what, modules), may.iter().map(ToString::to_string).collect(), "{what}");
    }
    let opened = naming("Readiness::Ready(core)", &["mcp/"]);
    assert_eq!(opened, OPENED.map(str::to_owned).into(), "a core that comes out of the readiness goes through a view");
}

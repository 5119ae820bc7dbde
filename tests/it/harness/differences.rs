//! Differences between two answers to one question, held against a list that says of each what AWS documents.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use wildmatch::WildMatch;

/// What is not the same in two answers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    /// What was asked: `moto instance launch-time: AWS's form`.
    pub(crate) at: String,
    /// The answer of the one that Muster or its simulator is compared with.
    pub(crate) theirs: String,
    pub(crate) ours: String,
}

/// An entry of the list. Its texts are patterns with `*` and `?`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    at: Vec<String>,
    #[serde(default = "anything", alias = "endpoint", alias = "moto")]
    theirs: String,
    #[serde(default = "anything", alias = "muster", alias = "simulator")]
    ours: String,
    /// Who does what AWS documents.
    right: String,
    source: String,
}

#[derive(Deserialize)]
struct List {
    difference: Vec<Listed>,
}

fn anything() -> String {
    "*".to_owned()
}

impl Listed {
    fn tells_of(&self, pattern: &str, found: &Difference) -> bool {
        [(pattern, &found.at), (&self.theirs, &found.theirs), (&self.ours, &found.ours)]
            .iter()
            .all(|(pattern, text)| WildMatch::new(pattern).matches(text))
    }
}

/// Fails the test with what differs and is not in the list below `tests/it`, and with what is and does not differ. `rights` are
/// those whom an entry may call right.
pub(crate) fn judge(found: &BTreeSet<Difference>, list: &str, rights: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(list);
    let list = toml::from_str::<List>(&fs::read_to_string(path).unwrap()).unwrap().difference;
    let is_listed =
        |it: &&Difference| list.iter().any(|listed| listed.at.iter().any(|pattern| listed.tells_of(pattern, it)));
    let unlisted = found.iter().filter(|it| !is_listed(it));
    let mut said: Vec<String> =
        unlisted.map(|it| format!("not listed: {}\n    theirs {}\n    ours   {}", it.at, it.theirs, it.ours)).collect();
    for listed in &list {
        assert!(listed.source.len() > 10, "{:?} names no source", listed.at);
        assert!(rights.contains(&listed.right.as_str()), "{:?} calls {:?} right", listed.at, listed.right);
        let gone = listed.at.iter().filter(|pattern| !found.iter().any(|it| listed.tells_of(pattern, it)));
        said.extend(gone.map(|pattern| format!("listed, but the two agree: {pattern} ({} right)", listed.right)));
    }
    assert!(said.is_empty(), "{} differences\n{}", said.len(), said.join("\n"));
}

//! The names of types: each name has one meaning, so no name stands for two types, but for those whose reason is written down.
//!
//! The simulator is left out against the rest, since it describes AWS for itself and shares nothing with the code that it
//! judges; within itself it keeps the same rule. Associated types, and code that only tests compile, are no part of it.

use std::collections::{BTreeMap, BTreeSet};

use syn::Item;

use super::tree::{Tree, for_tests};

/// The names that stand for more than one type, with the reason: `names.toml` beside this file.
const REASONS: &str = include_str!("names.toml");

/// The files that define each name.
type Homes = BTreeMap<String, BTreeSet<String>>;

/// Adds the types that items define, those of inline modules among them.
fn gather(items: &[Item], path: &str, found: &mut Homes) {
    for item in items {
        let (attributes, name) = match item {
            Item::Enum(it) => (&it.attrs, &it.ident),
            Item::Struct(it) => (&it.attrs, &it.ident),
            Item::Trait(it) => (&it.attrs, &it.ident),
            Item::Type(it) => (&it.attrs, &it.ident),
            Item::Mod(it) => {
                if let (Some((_, items)), false) = (&it.content, for_tests(&it.attrs)) {
                    gather(items, path, found);
                }
                continue;
            }
            _ => continue,
        };
        if !for_tests(attributes) {
            found.entry(name.to_string()).or_default().insert(path.to_owned());
        }
    }
}

/// The names that several files define, in the simulator and outside of it.
fn repeated(tree: &Tree) -> [Homes; 2] {
    let mut homes = [Homes::new(), Homes::new()];
    for (file, path) in tree.files.iter().enumerate() {
        gather(&tree.syntax[file].items, path, &mut homes[usize::from(tree.top(file) == "simulator")]);
    }
    homes.map(|names| names.into_iter().filter(|(_, files)| files.len() > 1).collect())
}

#[test]
fn a_name_that_stands_for_two_types_has_its_reason() {
    let reasons: BTreeMap<String, BTreeMap<String, String>> = toml::from_str(REASONS).unwrap();
    let mut wrong = Vec::new();
    for (names, part) in repeated(&Tree::read(&super::sources())).into_iter().zip(["muster", "simulator"]) {
        let written = reasons.get(part).cloned().unwrap_or_default();
        for (name, files) in names.iter().filter(|(name, _)| !written.contains_key(*name)) {
            wrong.push(format!("{part}: {name} stands in {}", Vec::from_iter(files.clone()).join(", ")));
        }
        for name in written.keys().filter(|name| !names.contains_key(*name)) {
            wrong.push(format!("{part}: {name} stands once, so it needs no reason any more"));
        }
    }
    assert!(
        wrong.is_empty(),
        "give one of them another name, or write the reason into names.toml:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn a_name_is_found_wherever_it_is_defined() {
    let tree = super::small_crate(&[
        ("a.rs", "struct Row; mod inside { enum Page {} }\n#[cfg(test)] struct Only;"),
        ("b.rs", "pub(crate) type Row = u8; trait Page {} struct Only;\nimpl Iterator for Only { type Item = u8; }"),
        ("simulator.rs", "struct Row;"),
    ]);
    let [muster, simulator] = repeated(&tree);
    assert_eq!(muster.keys().collect::<Vec<_>>(), ["Page", "Row"]);
    assert_eq!(simulator, Homes::new());
}

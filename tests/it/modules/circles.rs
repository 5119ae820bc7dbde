//! Circles of files: sets of files of which each uses, over others, itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::paths::Edge;

/// The circles among `files` files, each with its files in order.
pub(crate) fn circles(files: usize, edges: &[Edge]) -> Vec<BTreeSet<usize>> {
    let mut used = vec![BTreeSet::new(); files];
    for edge in edges {
        used[edge.from].insert(edge.to);
    }
    let reached: Vec<BTreeSet<usize>> = (0..files).map(|file| reached_from(file, &used)).collect();
    let mut found: Vec<BTreeSet<usize>> = Vec::new();
    for file in 0..files {
        if reached[file].contains(&file) && !found.iter().any(|circle| circle.contains(&file)) {
            found.push(reached[file].iter().copied().filter(|other| reached[*other].contains(&file)).collect());
        }
    }
    found
}

/// The files that a file uses, directly or over others.
fn reached_from(file: usize, used: &[BTreeSet<usize>]) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file];
    while let Some(next) = open.pop() {
        open.extend(used[next].iter().filter(|other| reached.insert(**other)));
    }
    reached
}

/// What a circle consists of: a line for each of its files that uses another, with the first place and all the paths.
pub(crate) fn describe(circle: &BTreeSet<usize>, edges: &[Edge], files: &[String]) -> String {
    let mut uses: BTreeMap<(usize, usize), (usize, BTreeSet<&str>)> = BTreeMap::new();
    for edge in edges.iter().filter(|edge| circle.contains(&edge.from) && circle.contains(&edge.to)) {
        let (line, paths) = uses.entry((edge.from, edge.to)).or_insert((edge.line, BTreeSet::new()));
        *line = edge.line.min(*line);
        paths.insert(&edge.path);
    }
    let mut lines = format!("circle of {} files:\n", circle.len());
    for ((from, to), (line, paths)) in uses {
        let paths: Vec<&str> = paths.into_iter().collect();
        writeln!(lines, "  src/{}:{line} -> src/{}  ({})", files[from], files[to], paths.join(", ")).unwrap();
    }
    lines
}

//! What a bench measured, beside what that may come to: lines on the terminal, and the same in `target/bench/NAME.json`.
//!
//! A figure has a name, the size of the inventory in instances, a value with its unit, and a budget if there is one. A later run
//! replaces the figures that it measures again and keeps the others, so that sizes can be measured one by one; each figure
//! has the commit at which it was measured. `cargo bench --bench report` draws its picture from these files.

#![allow(dead_code, reason = "each bench uses what it needs of it")]

use std::fmt::{self, Write as _};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// Everything that one bench measured.
pub(crate) struct Record {
    bench: &'static str,
    commit: Option<String>,
    figures: Vec<Figure>,
}

/// One thing that was measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    /// Instances.
    pub(crate) size: usize,
    pub(crate) value: f64,
    pub(crate) unit: String,
    pub(crate) budget: Option<Budget>,
    /// Whether the budget is kept.
    pub(crate) within: Option<bool>,
    /// What was checked out, and whether it was changed since, if git knows.
    pub(crate) commit: Option<String>,
}

/// What a figure may be.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Budget {
    AtMost(f64),
    AtLeast(f64),
}

/// The form of the file.
#[derive(Deserialize, Serialize)]
struct Written {
    bench: String,
    cores: usize,
    figures: Vec<Figure>,
}

impl Record {
    /// An empty record of the bench with this name.
    pub(crate) fn new(bench: &'static str) -> Self {
        Record { bench, commit: commit(), figures: Vec::new() }
    }

    /// Adds a figure. The same name at another size is another figure.
    pub(crate) fn figure(&mut self, name: &str, size: usize, value: f64, unit: &str, budget: Option<Budget>) {
        let within = budget.map(|budget| budget.holds(value));
        let (name, unit, commit) = (name.to_owned(), unit.to_owned(), self.commit.clone());
        self.figures.push(Figure { name, size, value, unit, budget, within, commit });
    }

    /// Prints every figure with its budget, and writes them to the bench's file.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let mut text = format!("\n{}\n", self.bench);
        for figure in &self.figures {
            writeln!(text, "  {figure}")?;
        }
        let over = self.figures.iter().filter(|figure| figure.within == Some(false)).count();
        let bound = self.figures.iter().filter(|figure| figure.within.is_some()).count();
        let path = path(self.bench);
        writeln!(text, "  {over} of {bound} budgets missed; written to {}", path.display())?;
        std::io::stdout().write_all(text.as_bytes())?;

        let mut figures = read(self.bench).unwrap_or_default();
        figures.retain(|old| !self.figures.iter().any(|new| new.name == old.name && new.size == old.size));
        figures.extend(self.figures.iter().cloned());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let written = Written { bench: self.bench.to_owned(), cores, figures };
        let directory = path.parent().context("the file has no directory")?;
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        fs::write(&path, serde_json::to_string_pretty(&written)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// The figures that a bench wrote before.
pub(crate) fn read(bench: &str) -> anyhow::Result<Vec<Figure>> {
    let path = path(bench);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let written: Written =
        serde_json::from_str(&text).with_context(|| format!("{} is another file", path.display()))?;
    Ok(written.figures)
}

fn path(bench: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench").join(format!("{bench}.json"))
}

/// What is checked out, if this is a checkout and git is there.
fn commit() -> Option<String> {
    let mut git = Command::new("git");
    git.args(["describe", "--always", "--dirty", "--abbrev=10"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    let said = git.output().ok().filter(|said| said.status.success())?;
    Some(String::from_utf8(said.stdout).ok()?.trim().to_owned())
}

impl Budget {
    fn holds(self, value: f64) -> bool {
        match self {
            Budget::AtMost(most) => value <= most,
            Budget::AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} instances: {} {}", self.name, self.size, short(self.value), self.unit)?;
        let (word, bound) = match self.budget {
            None => return Ok(()),
            Some(Budget::AtMost(most)) => ("at most", most),
            Some(Budget::AtLeast(least)) => ("at least", least),
        };
        let verdict = match (self.budget, self.within) {
            (_, Some(true)) => "within",
            (Some(Budget::AtMost(_)), _) => "OVER",
            _ => "UNDER",
        };
        write!(f, " (budget: {word} {}): {verdict}", short(bound))?;
        // Nothing is a multiple of a budget of nothing.
        if bound > 0.0 { write!(f, ", x {:.2} of it", self.value / bound) } else { Ok(()) }
    }
}

/// A number with three digits that count.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

//! Figures beside their budgets, for the terminal and as JSON.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::footprint::Footprint;
use crate::table::Table;

/// One figure.
struct Verdict {
    name: &'static str,
    bytes: u64,
    budget: u64,
    parts: Option<Footprint>,
}

/// The figures of one size.
#[derive(Default)]
pub(crate) struct Verdicts(Vec<Verdict>);

impl Verdicts {
    /// Adds a figure in bytes, with what it consists of where that is known.
    pub(crate) fn add(&mut self, name: &'static str, bytes: u64, budget: u64, parts: Option<&Footprint>) {
        self.0.push(Verdict { name, bytes, budget, parts: parts.copied() });
    }

    /// The figures in MB.
    pub(crate) fn table(&self) -> Table {
        let mut table = Table::new(&[
            "MB",
            "measured",
            "budget",
            "ratio",
            "",
            "private",
            "anonymous",
            "of files",
            "code",
            "its share",
        ]);
        for verdict in &self.0 {
            let part = |part: fn(&Footprint) -> u64| verdict.parts.as_ref().map(|parts| megabytes(part(parts)));
            table.row([
                verdict.name.to_owned(),
                megabytes(verdict.bytes),
                megabytes(verdict.budget),
                format!("{:.2}", verdict.ratio()),
                verdict.word().to_owned(),
                part(|parts| parts.private).unwrap_or_default(),
                part(|parts| parts.anonymous).unwrap_or_default(),
                part(Footprint::of_files).unwrap_or_default(),
                part(|parts| parts.code).unwrap_or_default(),
                part(|parts| parts.share).unwrap_or_default(),
            ]);
        }
        table
    }

    /// The figures in bytes.
    pub(crate) fn json(&self) -> Vec<Value> {
        let one = |verdict: &Verdict| {
            let parts = verdict.parts.map(|parts| {
                json!({
                    "private": parts.private,
                    "anonymous": parts.anonymous,
                    "of_files": parts.of_files(),
                    "code": parts.code,
                    "proportional": parts.share,
                })
            });
            json!({
                "name": verdict.name,
                "bytes": verdict.bytes,
                "budget": verdict.budget,
                "ratio": verdict.ratio(),
                "verdict": verdict.word(),
                "parts": parts,
            })
        };
        self.0.iter().map(one).collect()
    }
}

impl Verdict {
    #[expect(clippy::cast_precision_loss, reason = "a ratio of megabytes needs no more")]
    fn ratio(&self) -> f64 {
        self.bytes as f64 / self.budget.max(1) as f64
    }

    fn word(&self) -> &'static str {
        if self.bytes <= self.budget { "within" } else { "OVER" }
    }
}

/// Bytes in MB, of which the budgets are.
fn megabytes(bytes: u64) -> String {
    format!("{}.{}", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

/// Writes the figures of a bench where reports look for them, and tells where that is.
pub(crate) fn write(bench: &str, figures: &Value) -> anyhow::Result<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().context("the target directory has no place")?;
    let directory = target.join("bench");
    std::fs::create_dir_all(&directory)?;
    let path = directory.join(format!("{bench}.json"));
    std::fs::write(&path, format!("{figures:#}\n"))?;
    Ok(path)
}

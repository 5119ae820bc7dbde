//! Checks whether the store opens, and shows its size. The running server answers; where none runs, the store is opened.

use serde_json::Value;

use super::finding::{Check, Finding, hung};
use super::local::NoFigures;
use super::unreadable;

pub(crate) static CHECK: Check =
    Check { name: "store", title: "The store opens and can be read; its size and records" };

/// Judges the figures of the store in `data_dir`, and the unreadable messages that it keeps.
pub(crate) fn look(data_dir: &str, figures: &Result<Value, NoFigures>) -> Vec<Finding> {
    let messages = figures.as_ref().ok().map(|figures| unreadable::judge(data_dir, figures));
    std::iter::once(judge(data_dir, figures)).chain(messages).collect()
}

fn judge(data_dir: &str, figures: &Result<Value, NoFigures>) -> Finding {
    match figures {
        Ok(figures) => {
            let count = |name: &str| figures.get(name).and_then(Value::as_u64).unwrap_or_default();
            let kinds = figures.get("resources").and_then(Value::as_object).into_iter().flatten();
            let resources: u64 = kinds.filter_map(|(_, count)| count.as_u64()).sum();
            let (records, file, live) = (count("records"), count("file_bytes"), count("live_bytes"));
            let sizes = format!("{} MiB, of which {} MiB in use", file >> 20, live >> 20);
            CHECK.ok(data_dir, format!("{records} records, {resources} resources, {sizes}"))
        }
        Err(NoFigures::NoStore) => CHECK.skipped(
            data_dir,
            "there is no store yet: `muster serve` makes one, as does an MCP client that starts `muster mcp`",
        ),
        Err(NoFigures::Silent) => hung(&CHECK, data_dir),
        Err(NoFigures::Failed(why)) => CHECK.failed(data_dir, &**why, "Stop the server, and run `muster log verify`."),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn no_store_is_no_failure_and_one_that_does_not_open_is() {
        let figures = json!({"records": 7, "file_bytes": 3 << 20, "resources": {"vpc": 2, "volume": 3}});
        let finding = judge("d", &Ok(figures));
        assert!(finding.verdict == Verdict::Ok && finding.fact.contains("7 records, 5 resources"), "{finding:?}");
        assert_eq!(judge("d", &Err(NoFigures::NoStore)).verdict, Verdict::Skipped);
        assert_eq!(judge("d", &Err(NoFigures::Silent)).verdict, Verdict::Failed);
        let finding = judge("d", &Err(NoFigures::Failed("it is damaged".to_owned())));
        assert!(finding.verdict == Verdict::Failed && finding.fact.contains("damaged"), "{finding:?}");
    }
}

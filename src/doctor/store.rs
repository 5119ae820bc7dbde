//! Whether the store opens, and how large it is: by the running server, or by opening it where none runs.

use serde_json::Value;

use super::finding::{Check, Finding};
use super::unreadable;
use crate::app::client::AskError;
use crate::app::client::admin::{self, AdminError};
use crate::config::Config;
use crate::connection::admin::AdminRequest;
use crate::connection::attach::AttachError;
use crate::connection::data_dir::DataDirError;
use crate::model::text::chain;

pub(crate) static CHECK: Check =
    Check { name: "store", title: "The store opens and can be read; its size and records" };

pub(crate) async fn look(config: &Config) -> Vec<Finding> {
    let figures = admin::done(config, &AdminRequest::Stat).await;
    let subject = config.data_dir.display().to_string();
    let messages = figures.as_ref().ok().map(|figures| unreadable::judge(&subject, figures));
    std::iter::once(judge(&subject, &figures)).chain(messages).collect()
}

fn judge(data_dir: &str, figures: &Result<Value, AdminError>) -> Finding {
    match figures {
        Ok(figures) => {
            let count = |name: &str| figures.get(name).and_then(Value::as_u64).unwrap_or_default();
            let kinds = figures.get("resources").and_then(Value::as_object).into_iter().flatten();
            let resources: u64 = kinds.filter_map(|(_, count)| count.as_u64()).sum();
            let (records, file, live) = (count("records"), count("file_bytes"), count("live_bytes"));
            let sizes = format!("{} MiB, {} MiB of them alive", file >> 20, live >> 20);
            CHECK.ok(data_dir, format!("{records} records, {resources} resources, {sizes}"))
        }
        Err(AdminError::Ask(AskError::Attach(AttachError::Directory(DataDirError::NoStore { .. })))) => CHECK.skipped(
            data_dir,
            "there is none yet: `muster serve` makes it, as does an MCP client that starts `muster mcp`",
        ),
        Err(error) => {
            CHECK.failed(data_dir, chain(error), "See what `muster log verify` says of it (no server may run).")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::*;
    use crate::model::FailureCode;

    #[test]
    fn no_store_is_no_failure_and_one_that_does_not_open_is() {
        let figures = json!({"records": 7, "file_bytes": 3 << 20, "resources": {"vpc": 2, "volume": 3}});
        let finding = judge("d", &Ok(figures));
        assert!(finding.verdict == Verdict::Ok && finding.fact.contains("7 records, 5 resources"), "{finding:?}");
        let missing = AttachError::from(DataDirError::NoStore { data_dir: "d".into() });
        assert_eq!(judge("d", &Err(AskError::from(missing).into())).verdict, Verdict::Skipped);
        let broken = AdminError::Failed { code: FailureCode::Failed, error: "it is damaged".to_owned() };
        let finding = judge("d", &Err(broken));
        assert!(finding.verdict == Verdict::Failed && finding.fact.contains("damaged"), "{finding:?}");
    }
}

//! `muster log stat`.

use clap::Args;
use serde_json::Value;

use crate::app::client::admin;
use crate::cli::bytes::bytes;
use crate::cli::output::Output;
use crate::cli::store_flags::RegionalStoreFlags;
use crate::cli::table::{Medium, Table, harmless};
use crate::cli::warnings::field;
use crate::config::Environment;
use crate::connection::admin::AdminRequest;

/// The arguments of `muster log stat`.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct Stat {
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: RegionalStoreFlags,
}

impl Stat {
    /// Prints the figures on standard output.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let figures = admin::done(&self.store.config(environment)?, &AdminRequest::Stat).await?;
        let mut output = Output::stdout();
        if self.json {
            return Ok(output.line(&harmless(&format!("{figures:#}")))?);
        }
        Ok(output.text(table(&figures).print(Medium::stdout()).as_bytes())?)
    }
}

fn table(figures: &Value) -> Table {
    let mut table = Table::new(&["figure", "value"]);
    let mut put = |name: &str, value: String| table.row(vec![name.to_owned(), value]);
    let record = |seq: &str, at: &str| match (field(figures, seq), field(figures, at)) {
        (seq, _) if seq.is_empty() => "none".to_owned(),
        (seq, at) if at.is_empty() => seq,
        (seq, at) => format!("{seq} of {at}"),
    };
    put("store", field(figures, "path"));
    put("format", field(figures, "format"));
    put("log", field(figures, "log"));
    put("records", field(figures, "records"));
    put("first record", record("first_seq", "first_at"));
    put("newest record", record("newest_seq", "newest_at"));
    put("folded away up to", field(figures, "horizon"));
    put("reaches back to", field(figures, "earliest"));
    let size = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64).map_or_else(String::new, bytes);
    put("file", size(figures, "file_bytes"));
    put("in use", size(figures, "live_bytes"));
    let tables = figures.get("live_bytes_by_table").unwrap_or(&Value::Null);
    for name in tables.as_object().into_iter().flat_map(|tables| tables.keys()) {
        put(&format!("used by {name}"), size(tables, name));
    }
    let resources = figures.get("resources").unwrap_or(&Value::Null);
    for kind in resources.as_object().into_iter().flat_map(|kinds| kinds.keys()) {
        put(&format!("{kind} resources"), field(resources, kind));
    }
    put("removed resources", field(figures, "tombstones"));
    put("watched intervals", field(figures, "watched_intervals"));
    let unreadable = figures.get("unreadable_messages").and_then(Value::as_array).map_or(0, Vec::len);
    put("parked messages", unreadable.to_string());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn an_empty_log_has_no_first_record() {
        let printed =
            table(&json!({"format": 3, "records": 0, "first_seq": null, "file_bytes": 2048})).print(Medium::default());
        assert!(printed.contains("first record       none\n"), "{printed}");
        assert!(printed.contains("file               2.0 KiB\n"), "{printed}");
    }
}

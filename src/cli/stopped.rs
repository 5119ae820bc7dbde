//! `muster stopped`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::arguments;
use super::output::Output;
use super::scope_flags::ScopeFlags;
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless, text};
use super::warnings::{self, field};
use crate::config::{Config, Environment};
use crate::kinds::INSTANCE;

/// Which stopped instances.
#[derive(Clone, Debug, Args)]
pub(super) struct Stopped {
    /// name=value,value: all filters must match, with any of their values, as for `muster search`
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
    /// Only those stopped for at least so long, such as 30d or 12h
    #[arg(long, value_name = "DURATION")]
    older_than: Option<String>,
    /// What comes first: what costs most, or what was stopped longest ago [default: cost]
    #[arg(long, value_enum)]
    sort: Option<SortFlag>,
    /// How many to show at most [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=500))]
    limit: Option<u64>,
    #[command(flatten)]
    scope: ScopeFlags,
    /// A file of list prices, where no server runs; a server has the one that it was started with
    #[arg(long, env = "MUSTER_PRICES", value_name = "FILE", hide_env_values = true)]
    prices: Option<PathBuf>,
    #[command(flatten)]
    question: QuestionFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SortFlag {
    Cost,
    Since,
}

/// How many rows are shown unless told otherwise.
const SHOWN: u64 = 100;

impl Stopped {
    /// Shows the report on standard output.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let mut arguments = Map::new();
        if !self.filters.is_empty() {
            arguments.insert("filters".to_owned(), arguments::filters(&self.filters, INSTANCE)?);
        }
        arguments.insert("limit".to_owned(), json!(self.limit.unwrap_or(SHOWN)));
        let sort = self.sort.map(|sort| if sort == SortFlag::Cost { "cost" } else { "since" }.to_owned());
        self.scope.put(self.question.region.as_ref(), &mut arguments);
        for (name, value) in [("older_than", &self.older_than), ("sort", &sort)] {
            if let Some(value) = value {
                arguments.insert(name.to_owned(), json!(value));
            }
        }
        let prices = self.prices.filter(|path| !path.as_os_str().is_empty()).map(|path| environment.absolute(&path));
        let config = Config { prices, ..self.question.config(environment)? };
        let client = self.question.client(&config).await?;
        let answer = warnings::granted(client.ask("report_stopped_instances", Value::Object(arguments)).await?)?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        output.text(table(&answer).print(Medium::stdout()).as_bytes())?;
        warnings::say(&totals(&answer));
        warnings::say(&prices_said(&answer));
        for doubt in answer.get("doubts").and_then(Value::as_array).into_iter().flatten() {
            warnings::say(&format!("doubt: {}", text(doubt)));
        }
        warnings::tell(&answer);
        Ok(())
    }
}

/// A row for each instance.
fn table(answer: &Value) -> Table {
    let names = [
        "id",
        "name",
        "region",
        "type",
        "stopped since",
        "usd/month",
        "snapshots usd/month at most",
        "running usd/month",
        "owners",
    ];
    let mut table = Table::new(&names);
    for row in answer.get("rows").and_then(Value::as_array).into_iter().flatten() {
        let since = match field(row, "since_is").as_str() {
            "before" => format!("before {}", field(row, "stopped_since")),
            _ => field(row, "stopped_since"),
        };
        let owners = row.get("owners").and_then(Value::as_object).into_iter().flatten();
        let owners: Vec<String> = owners.map(|(key, value)| format!("{key}={}", text(value))).collect();
        let running = match field(row, "if_running") {
            unknown if unknown.is_empty() => "unknown".to_owned(),
            known => known,
        };
        let [id, name, region, of_type] = ["id", "name", "region", "type"].map(|name| field(row, name));
        let [cost, snapshots] = ["stopped", "snapshots_at_most"].map(|name| field(row, name));
        table.row(vec![id, name, region, of_type, since, cost, snapshots, running, owners.join(" ")]);
    }
    table
}

/// The totals over all, shown or not.
fn totals(answer: &Value) -> String {
    let Some(month) = answer.get("month") else { return String::new() };
    let [stopped, volumes, addresses, snapshots, running] =
        ["stopped", "volumes", "addresses", "snapshots_at_most", "if_running"].map(|name| field(month, name));
    let mut said = format!(
        "{} stopped instances cost {stopped} US dollars a month (volumes {volumes}, addresses {addresses}); their snapshots at \
         most {snapshots}; compute, if all ran, {running}",
        field(answer, "total")
    );
    let unpriced = month.get("unpriced").and_then(Value::as_object).into_iter().flatten();
    for (what, count) in unpriced.filter(|(_, count)| count.as_u64() != Some(0)) {
        // What stands in the answer by its key is said in words.
        let what = match what.as_str() {
            "stopped" => "volumes or addresses",
            "snapshots" => "snapshots",
            _ => "instances if they ran",
        };
        said = format!("{said}; not included, because no price is known: {} {what}", text(count));
    }
    let undecided = answer.get("undecided").and_then(Value::as_u64).unwrap_or(0);
    if undecided > 0 {
        said = format!("{said}; {undecided} more may be stopped that long, which is not known");
    }
    match (field(answer, "as_of"), field(answer, "changes_until")) {
        (as_of, _) if as_of.is_empty() => said,
        (as_of, until) if until.is_empty() => format!("{said}; as of {as_of}"),
        (as_of, until) => format!("{said}; complete as of {as_of}; newer changes up to {until} are included"),
    }
}

/// Where the prices are from.
fn prices_said(answer: &Value) -> String {
    let Some(prices) = answer.get("prices") else { return String::new() };
    let old = match prices.get("may_have_changed") {
        Some(Value::Bool(true)) => ", more than 180 days ago: list prices may have changed",
        _ => "",
    };
    format!("prices: AWS's list of {}{old}; {}", field(prices, "published"), field(prices, "leaves_out"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_shows_each_instance_and_the_totals_of_all() {
        let answer = json!({
            "total": 2, "undecided": 1, "as_of": "2026-11-29T10:00:00.000Z",
            "rows": [{
                "id": "i-1", "name": "db", "region": "us-east-1", "type": "t3.medium", "stopped_since": "2026-10-01T00:00:00.000Z",
                "since_is": "before", "stopped": "31.65", "snapshots_at_most": "6.25", "owners": {"Team": "data"},
            }],
            "month": {
                "stopped": "54.15", "volumes": "50.50", "addresses": "3.65", "snapshots_at_most": "6.25", "if_running": "60.74",
                "unpriced": {"stopped": 2, "snapshots": 0, "if_running": 0},
            },
            "prices": {"published": "2026-10-15", "may_have_changed": true, "leaves_out": "without discounts"},
        });
        let printed = table(&answer).print(Medium::default());
        let row: Vec<&str> =
            printed.lines().nth(1).unwrap().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let expected = [
            "i-1",
            "db",
            "us-east-1",
            "t3.medium",
            "before 2026-10-01T00:00:00.000Z",
            "31.65",
            "6.25",
            "unknown",
            "Team=data",
        ];
        assert_eq!(row, expected);
        let said = totals(&answer);
        assert!(
            said.starts_with("2 stopped instances cost 54.15 US dollars a month (volumes 50.50, addresses 3.65)"),
            "{said}"
        );
        assert!(
            said.ends_with(
                "; not included, because no price is known: 2 volumes or addresses; 1 more may be stopped that long, which is \
                 not known; as of 2026-11-29T10:00:00.000Z"
            ),
            "{said}"
        );
        assert!(prices_said(&answer).contains("2026-10-15, more than 180 days ago"), "{}", prices_said(&answer));
    }
}

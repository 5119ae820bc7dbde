//! `muster health`.

use clap::Args;
use serde_json::{Map, Value, json};

use super::arguments;
use super::output::Output;
use super::scope_flags::ScopeFlags;
use super::search::hidden;
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless, text};
use super::warnings::{self, field};
use crate::config::Environment;
use crate::kinds::{INSTANCE, of_id};

/// Of which instances.
#[derive(Clone, Debug, Args)]
pub(super) struct InstanceHealth {
    /// name=value,value, as for `muster search`, or ids of instances; all instances without any
    #[arg(value_name = "FILTER|ID")]
    chosen: Vec<String>,
    #[command(flatten)]
    scope: ScopeFlags,
    #[command(flatten)]
    question: QuestionFlags,
}

/// The columns, and the field of each.
const COLUMNS: [(&str, &str); 6] = [
    ("verdict", "verdict"),
    ("id", "instance_id"),
    ("name", "name"),
    ("state", "state"),
    ("account", "account"),
    ("region", "region"),
];

/// The checks, and the field of each.
const CHECKS: [(&str, &str); 3] =
    [("system", "system_status"), ("instance", "instance_status"), ("ebs", "attached_ebs_status")];

impl InstanceHealth {
    /// Prints a verdict a line on standard output, the least healthy first.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let is_instance = |word: &&String| of_id(word).is_some_and(|kind| kind.slug == INSTANCE.slug);
        let (ids, filters): (Vec<&String>, Vec<&String>) = self.chosen.iter().partition(is_instance);
        let filters: Vec<String> = filters.into_iter().cloned().collect();
        let mut arguments = Map::new();
        if !ids.is_empty() {
            arguments.insert("instance_ids".to_owned(), json!(ids));
        }
        if !filters.is_empty() {
            arguments.insert("filters".to_owned(), arguments::filters(&filters, INSTANCE)?);
        }
        self.scope.put(self.question.region.as_ref(), &mut arguments);
        let client = self.question.client(&self.question.config(environment)?).await?;
        let answer = warnings::granted(client.ask("get_instance_status", Value::Object(arguments)).await?)?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        output.text(table(&answer).print(Medium::stdout()).as_bytes())?;
        for line in told(&answer) {
            warnings::say(&line);
        }
        warnings::tell(&answer);
        Ok(())
    }
}

/// A row for each instance of which something is known.
fn table(answer: &Value) -> Table {
    let rows: Vec<Value> = instances(answer).filter(|row| row.get("error").is_none()).cloned().collect();
    let hidden = hidden(&rows);
    let columns: Vec<(&str, &str)> = COLUMNS.into_iter().filter(|(name, _)| !hidden.contains(name)).collect();
    let names = columns.iter().map(|(name, _)| *name).chain(["failed checks", "next event"]);
    let mut table = Table::new(&names.collect::<Vec<_>>());
    for row in &rows {
        let mut cells: Vec<String> = columns.iter().map(|(_, name)| field(row, name)).collect();
        let event = [field(row, "next_event"), field(row, "next_event_at")].join(" ");
        cells.extend([failed(row), event.trim().to_owned()]);
        table.row(cells);
    }
    table
}

/// The checks that fail, since when where AWS tells.
fn failed(row: &Value) -> String {
    let failed = CHECKS.iter().filter_map(|(name, check)| {
        let check = row.get(check).filter(|check| field(check, "status") == "impaired")?;
        let details = check.get("details").and_then(Value::as_array).into_iter().flatten();
        let since = details.filter_map(|detail| detail.get("impaired_since").map(text)).min();
        Some(since.map_or_else(|| (*name).to_owned(), |since| format!("{name} since {since}")))
    });
    failed.collect::<Vec<_>>().join(", ")
}

/// What stands below the table: of which ids nothing is known, how many instances have each verdict, and how many are not shown.
fn told(answer: &Value) -> Vec<String> {
    let errors = instances(answer).filter_map(|row| row.get("error"));
    let mut told: Vec<String> = errors.map(text).collect();
    let verdicts = answer.get("verdicts").and_then(Value::as_object).into_iter().flatten();
    let verdicts: Vec<String> = verdicts.map(|(verdict, count)| format!("{} {verdict}", text(count))).collect();
    if !verdicts.is_empty() {
        let as_of = answer.get("as_of").map(|at| format!(", as of {}", text(at))).unwrap_or_default();
        told.push(format!("{} instances: {}{as_of}", field(answer, "total"), verdicts.join(", ")));
    }
    match answer.get("more").and_then(Value::as_u64) {
        None | Some(0) => {}
        Some(more) => told.push(format!(
            "{more} more are not shown, none of them less healthy: give filters, or use `muster search --kind instance-status --all`"
        )),
    }
    let not_shown = answer.get("not_shown").and_then(Value::as_array).into_iter().flatten();
    let not_shown: Vec<String> = not_shown.map(text).collect();
    if !not_shown.is_empty() {
        told.push(format!("not shown because of the answer's size: {}", not_shown.join(" ")));
    }
    told
}

fn instances(answer: &Value) -> impl Iterator<Item = &Value> {
    answer.get("instances").and_then(Value::as_array).into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_a_line_says_what_fails_and_what_comes_next() {
        let answer = json!({
            "instances": [
                {
                    "instance_id": "i-1", "verdict": "impaired", "name": "web", "state": "running", "account": "1", "region": "r",
                    "system_status": {"status": "impaired", "details": [{"name": "reachability", "impaired_since": "t1"}]},
                    "instance_status": {"status": "ok"}, "next_event": "instance-reboot", "next_event_at": "t2",
                },
                {"instance_id": "i-3", "error": "no EC2 instance i-3 is known"},
            ],
            "verdicts": {"impaired": 1, "ok": 4}, "total": 5, "more": 4, "as_of": "t0",
        });
        let printed = table(&answer).print(Medium::default());
        let expected = "VERDICT   ID   NAME  STATE    FAILED CHECKS    NEXT EVENT\n\
                        impaired  i-1  web   running  system since t1  instance-reboot t2\n";
        assert_eq!(printed, expected);
        let told = told(&answer);
        assert_eq!(told[..2], ["no EC2 instance i-3 is known", "5 instances: 1 impaired, 4 ok, as of t0"]);
        assert!(told[2].starts_with("4 more are not shown, none of them less healthy"), "{told:?}");
    }
}

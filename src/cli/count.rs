//! `muster count`.

use clap::Args;
use serde_json::{Value, json};

use super::output::Output;
use super::search::{Matching, headline};
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless, text};
use super::warnings::{self, field};
use crate::config::Environment;

/// Stands for a value that resources do not have.
const NO_VALUE: &str = "(no value)";

/// The arguments of `muster count`.
#[derive(Clone, Debug, Args)]
pub(super) struct Count {
    #[command(flatten)]
    matching: Matching,
    /// Count by the values of a filter, a tag (tag:KEY) or a column, such as state, region or ou (repeatable, up to 3)
    ///
    /// The largest groups are shown, then how many resources are in smaller groups or have no value. A resource with several
    /// values counts in each.
    #[arg(long, value_name = "FIELD", value_delimiter = ',')]
    by: Vec<String>,
    /// Add up a number, such as the size of volumes; the groups with the largest sums come first
    #[arg(long, value_name = "FIELD")]
    sum: Option<String>,
    /// How many of the largest groups to show [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=500), requires = "by")]
    top: Option<u64>,
    #[command(flatten)]
    question: QuestionFlags,
}

impl Count {
    /// Prints the counts on standard output: a number, or a table with `--by` or `--sum`.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let (mut arguments, kind) = self.matching.arguments(self.question.region.as_ref())?;
        if !self.by.is_empty() {
            arguments.insert("group_by".to_owned(), json!(self.by));
        }
        if let Some(sum) = &self.sum {
            arguments.insert("sum".to_owned(), json!(sum));
        }
        if let Some(top) = self.top {
            arguments.insert("top".to_owned(), json!(top));
        }
        let client = self.question.client(&self.question.config(environment)?).await?;
        let answer = warnings::granted(client.ask("count_inventory", Value::Object(arguments)).await?)?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        if self.by.is_empty() && self.sum.is_none() {
            output.line(&field(&answer, "total"))?;
        } else {
            output.text(groups(&self.by, &answer).print(Medium::stdout()).as_bytes())?;
        }
        warnings::say(&headline(&answer, kind, None));
        warnings::tell(&answer);
        Ok(())
    }
}

/// Makes a table of the groups, largest first; then come the resources that are in none of them, and the sum of all numbers.
fn groups(by: &[String], answer: &Value) -> Table {
    let sum_of = answer.get("sum_of").map(text);
    let numbers = sum_of.iter().map(|name| format!("sum of {name}"));
    let names: Vec<String> = by.iter().cloned().chain(["count".to_owned()]).chain(numbers).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut table = Table::new(&names);
    let mut row = |mut cells: Vec<String>, count: String, sum: String| {
        cells.resize(by.len(), String::new());
        cells.push(count);
        cells.extend(sum_of.is_some().then_some(sum));
        table.row(cells);
    };
    for group in answer.get("groups").and_then(Value::as_array).into_iter().flatten() {
        let value = |name: &String| match group.get("values") {
            Some(values) => values.get(name).map_or_else(|| NO_VALUE.to_owned(), text),
            None => field(group, "value"),
        };
        row(by.iter().map(value).collect(), field(group, "count"), field(group, "sum"));
    }
    let rest = [("without_value", "without_value_sum", NO_VALUE), ("other_count", "other_sum", "(smaller groups)")];
    for (count, sum, label) in rest {
        if answer.get(count).and_then(Value::as_u64).is_some_and(|count| count > 0) {
            row(vec![label.to_owned()], field(answer, count), field(answer, sum));
        }
    }
    if by.is_empty() {
        row(Vec::new(), field(answer, "total"), field(answer, "sum"));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_value_or_a_rare_one_is_counted_too() {
        let answer = json!({
            "groups": [{"value": "web", "count": 12}, {"value": "db", "count": 3}],
            "without_value": 2, "other_groups": 4, "other_count": 5,
        });
        let printed = groups(&["tag:Team".to_owned()], &answer).print(Medium::default());
        let expected = "TAG:TEAM          COUNT\nweb               12\ndb                3\n(no value)        2\n(smaller groups)  5\n";
        assert_eq!(printed, expected);
    }
    #[test]
    fn several_columns_and_a_sum_are_columns_of_the_table() {
        let answer = json!({
            "total": 9, "sum": 70, "sum_of": "size", "other_groups": 1, "other_count": 2, "other_sum": 20,
            "groups": [{"values": {"region": "eu"}, "count": 7, "sum": 50}],
        });
        let by = ["region", "tag:Team"].map(str::to_owned);
        let printed = groups(&by, &answer).print(Medium::default());
        let cells =
            |line: &str| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect();
        let lines: Vec<Vec<String>> = printed.lines().map(cells).collect();
        assert_eq!(lines[1], ["eu", "(no value)", "7", "50"]);
        assert_eq!(lines[2], ["(smaller groups)", "-", "2", "20"]);
        let answer = json!({"total": 9, "sum": 70, "sum_of": "size"});
        let printed = groups(&[], &answer).print(Medium::default());
        assert_eq!(printed, "COUNT  SUM OF SIZE\n9      70\n");
    }
}

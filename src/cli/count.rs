//! `muster count`.

use clap::Args;
use serde_json::{Value, json};

use super::output::Output;
use super::search::{Matching, headline};
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless};
use super::warnings::{self, field};
use crate::config::Environment;

/// The arguments of `muster count`.
#[derive(Clone, Debug, Args)]
pub(super) struct Count {
    #[command(flatten)]
    matching: Matching,
    /// Count by the values of a filter, a tag (tag:KEY) or a column, such as state
    ///
    /// The largest groups are shown, then how many resources are in smaller groups or have no value.
    #[arg(long, value_name = "FIELD")]
    by: Option<String>,
    #[command(flatten)]
    question: QuestionFlags,
}

impl Count {
    /// Prints the counts on standard output: a number, or a table with `--by`.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let (mut arguments, kind) = self.matching.arguments(self.question.region.as_ref())?;
        if let Some(by) = &self.by {
            arguments.insert("group_by".to_owned(), json!(by));
        }
        let client = self.question.client(&self.question.config(environment)?).await?;
        let answer = warnings::granted(client.ask("count_inventory", Value::Object(arguments)).await?)?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        match &self.by {
            None => output.line(&field(&answer, "total"))?,
            Some(by) => output.text(groups(by, &answer).print(Medium::stdout()).as_bytes())?,
        }
        warnings::say(&headline(&answer, kind, None));
        warnings::tell(&answer);
        Ok(())
    }
}

/// Makes a table of the groups, largest first; then come the resources that are in none of them.
fn groups(by: &str, answer: &Value) -> Table {
    let mut table = Table::new(&[by, "count"]);
    for group in answer.get("groups").and_then(Value::as_array).into_iter().flatten() {
        table.row(vec![field(group, "value"), field(group, "count")]);
    }
    let rest = [("without_value", "(no value)"), ("other_count", "(smaller groups)")];
    for (name, label) in rest {
        if let Some(count) = answer.get(name).and_then(Value::as_u64).filter(|count| *count > 0) {
            table.row(vec![label.to_owned(), count.to_string()]);
        }
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
        let printed = groups("tag:Team", &answer).print(Medium::default());
        let expected = "TAG:TEAM          COUNT\nweb               12\ndb                3\n(no value)        2\n(smaller groups)  5\n";
        assert_eq!(printed, expected);
    }
}

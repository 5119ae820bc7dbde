//! `muster related`.

use clap::Args;
use serde_json::{Value, json};

use super::arguments;
use super::output::Output;
use super::scope_flags::ScopeFlags;
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless, text};
use super::warnings::{self, field};
use crate::config::Environment;

/// Of which resource.
#[derive(Clone, Debug, Args)]
pub(super) struct Related {
    /// A URI such as `ec2://security-group/sg-0123456789abcdef0`, or an id, whose prefix tells its kind
    #[arg(value_name = "URI|ID")]
    subject: String,
    /// The kind of an id that does not tell it
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// How many ids of each kind to show [default: 10]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=50))]
    limit: Option<u64>,
    #[command(flatten)]
    scope: ScopeFlags,
    #[command(flatten)]
    question: QuestionFlags,
}

/// The parts of an answer, and what a row of each says.
const PARTS: [(&str, &str); 4] =
    [("used_by", "used by"), ("uses", "uses"), ("made_from", "made from"), ("made_into", "made into")];

impl Related {
    /// Shows it on standard output.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let mut arguments = arguments::subject(&self.subject, self.kind.as_deref())?;
        if let Some(limit) = self.limit {
            arguments.insert("limit".to_owned(), json!(limit));
        }
        self.scope.put(self.question.region.as_ref(), &mut arguments);
        let client = self.question.client(&self.question.config(environment)?).await?;
        let answer = warnings::granted(client.ask("find_relations", arguments.into()).await?)?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        output.text(table(&answer).print(Medium::stdout()).as_bytes())?;
        let as_of = answer.get("as_of").map(|at| format!(", as of {}", text(at))).unwrap_or_default();
        warnings::say(&format!("{}{as_of}", in_use(&answer)));
        for doubt in answer.get("kinds_unsure").and_then(Value::as_array).into_iter().flatten() {
            warnings::say(&format!("uncertain: {}", text(doubt)));
        }
        Ok(())
    }
}

/// A row for each kind and way to be related.
fn table(answer: &Value) -> Table {
    let mut table = Table::new(&["relation", "kind", "count", "ids", "by"]);
    for (part, said) in PARTS {
        for related in answer.get(part).and_then(Value::as_array).into_iter().flatten() {
            let list = |name: &str| {
                let list = related.get(name).and_then(Value::as_array).into_iter().flatten();
                list.map(text).collect::<Vec<_>>().join(" ")
            };
            let row = [said.to_owned(), field(related, "kind"), field(related, "count"), list("ids"), list("via")];
            table.row(row.to_vec());
        }
    }
    table
}

/// Whether anything uses it, in a sentence.
fn in_use(answer: &Value) -> String {
    let list = |name: &str| {
        let list = answer.get(name).and_then(Value::as_array).into_iter().flatten();
        list.map(text).collect::<Vec<_>>().join(", ")
    };
    let id = field(answer, "id");
    match field(answer, "in_use").as_str() {
        "yes" => format!("{id} is in use"),
        "no_use_found" => format!("no use of {id} was found, and every kind that may use it was searched"),
        _ => match list("kinds_not_held") {
            not_held if not_held.is_empty() => format!("whether {id} is in use is unknown"),
            not_held => {
                format!("whether {id} is in use is unknown: {not_held} may use it, and Muster does not hold these")
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_related_is_a_table_and_whether_it_is_in_use_a_sentence() {
        let mut answer = json!({
            "id": "sg-1", "in_use": "unknown", "used_by": [], "kinds_not_held": ["launch templates"],
            "uses": [{"kind": "vpc", "count": 1, "ids": ["vpc-1"], "via": ["vpc-id"]}],
        });
        let printed = table(&answer).print(Medium::default());
        assert_eq!(printed, "RELATION  KIND  COUNT  IDS    BY\nuses      vpc   1      vpc-1  vpc-id\n");
        let expected = "whether sg-1 is in use is unknown: launch templates may use it, and Muster does not hold these";
        assert_eq!(in_use(&answer), expected);
        answer["in_use"] = json!("yes");
        assert_eq!(in_use(&answer), "sg-1 is in use");
    }
}

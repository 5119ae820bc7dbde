//! `muster get`.

use clap::Args;
use serde_json::{Value, json};

use super::arguments;
use super::output::Output;
use super::scope_flags::ScopeFlags;
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless, text};
use super::warnings::{self, field};
use crate::app::client::{AskError, InventoryClient};
use crate::config::Environment;

/// The arguments of `muster get`.
#[derive(Clone, Debug, Args)]
pub(super) struct Get {
    /// A URI such as `ec2://vpc/vpc-0123456789abcdef0`, or an id whose prefix shows its kind
    #[arg(value_name = "URI|ID")]
    subject: String,
    /// The kind of an id whose prefix does not show it, such as instance-status
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only this field, such as State or `NetworkInterfaces` (repeatable)
    ///
    /// It is a path as this command shows it, such as State.Name, and includes the fields below it.
    #[arg(long, value_name = "PATH")]
    path: Vec<String>,
    /// Show it as it was known at this time, such as 2026-11-17T12:00:00Z, or -15m for 15 minutes ago
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = arguments::moment)]
    as_of: Option<String>,
    /// Ask AWS for it first; needs a running server
    #[arg(long, conflicts_with = "as_of")]
    live: bool,
    #[command(flatten)]
    scope: ScopeFlags,
    #[command(flatten)]
    question: QuestionFlags,
}

/// The fields of an answer that the table shows above the document, in this order.
const ABOVE: [&str; 10] =
    ["kind", "id", "name", "uri", "account", "region", "as_of", "changed_at", "removed_at", "also_seen_in"];

impl Get {
    /// Prints the resource on standard output.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let mut arguments = arguments::subject(&self.subject, self.kind.as_deref())?;
        arguments.insert("full".to_owned(), json!(true));
        if !self.path.is_empty() {
            arguments.insert("paths".to_owned(), json!(self.path));
        }
        if let Some(as_of) = &self.as_of {
            arguments.insert("as_of".to_owned(), json!(as_of));
        }
        self.scope.put(self.question.region.as_ref(), &mut arguments);
        let config = self.question.config(environment)?;
        let client = self.question.client(&config).await?;
        if self.live {
            if matches!(client, InventoryClient::Store(_)) {
                return Err(AskError::NoServer { data_dir: config.data_dir, what: "--live" }.into());
            }
            arguments.insert("live".to_owned(), json!(true));
        }
        let answer = warnings::granted(client.ask("get_resource", arguments.into()).await?)?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        output.text(table(&answer).print(Medium::stdout()).as_bytes())?;
        warnings::tell(&answer);
        Ok(())
    }
}

/// Makes a table with one row a field.
fn table(answer: &Value) -> Table {
    let mut table = Table::new(&["field", "value"]);
    let mut put = |name: &str, value: &Value| table.row(vec![name.to_owned(), text(value)]);
    for name in ABOVE {
        if let Some(value) = answer.get(name).filter(|value| !value.is_null()) {
            put(name, value);
        }
    }
    for open in answer.pointer("/exposure/open").and_then(Value::as_array).into_iter().flatten() {
        let [protocol, ports, from] = ["protocol", "ports", "from"].map(|name| field(open, name));
        let by =
            open.pointer("/path").and_then(Value::as_array).and_then(|path| path.last()).map(text).unwrap_or_default();
        put("open to the internet", &json!(format!("{protocol} {ports} from {from}: {by}")));
    }
    for unknown in answer.pointer("/exposure/unknown").and_then(Value::as_array).into_iter().flatten() {
        put("open to the internet?", &json!(format!("not known: {}", text(unknown))));
    }
    for (part, prefix) in [("document", ""), ("status", "status: ")] {
        for (name, value) in answer.get(part).and_then(Value::as_object).into_iter().flatten() {
            flatten(&format!("{prefix}{name}"), value, &mut put);
        }
    }
    table
}

/// Puts a row for each scalar value. A tag's row is named by its key.
fn flatten(path: &str, value: &Value, put: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| flatten(&format!("{path}.{name}"), value, put)),
        Value::Array(list) => {
            for (place, item) in list.iter().enumerate() {
                match tag(item) {
                    Some((key, value)) => put(&format!("{path}[{key}]"), value),
                    None => flatten(&format!("{path}[{place}]"), item, put),
                }
            }
        }
        scalar => put(path, scalar),
    }
}

fn tag(item: &Value) -> Option<(&str, &Value)> {
    let fields = item.as_object().filter(|fields| fields.len() == 2)?;
    Some((fields.get("Key")?.as_str()?, fields.get("Value")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_shown_field_by_field() {
        let answer = json!({
            "kind": "instance", "id": "i-1", "seq": 7,
            "document": {
                "State": {"Name": "running"},
                "Tags": [{"Key": "Team", "Value": "web"}],
                "Ipv6": [],
                "NetworkInterfaces": [{"SubnetId": "subnet-1"}],
            },
            "status": {"InstanceStatus": {"Status": "ok"}},
            "exposure": {
                "open": [{"protocol": "tcp", "ports": "443", "from": "::/0", "path": ["rtb-1", "sg-1 allows it"]}],
                "unknown": ["udp 53 from ::/0: stale"],
            },
        });
        let printed = table(&answer).print(Medium::default());
        let lines: Vec<Vec<&str>> = printed
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        let expected = [
            ["FIELD", "VALUE"],
            ["kind", "instance"],
            ["id", "i-1"],
            ["open to the internet", "tcp 443 from ::/0: sg-1 allows it"],
            ["open to the internet?", "not known: udp 53 from ::/0: stale"],
            ["State.Name", "running"],
            ["Tags[Team]", "web"],
            ["NetworkInterfaces[0].SubnetId", "subnet-1"],
            ["status: InstanceStatus.Status", "ok"],
        ];
        assert_eq!(lines, expected);
    }
}

//! `muster changes`.

use std::collections::BTreeSet;

use clap::Args;
use clap::builder::PossibleValuesParser;
use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::arguments;
use super::change_row::{COLUMNS, cells};
use super::following::Following;
use super::output::Output;
use super::scope_flags::ScopeFlags;
use super::search::pages;
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless};
use super::warnings::{self, field, say};
use crate::app::client::{AskError, InventoryClient};
use crate::config::{Config, Environment};
use crate::kinds;
use crate::model::ActionId;
use crate::model::text::shown;
use crate::query::changes::CauseKind;
use crate::query::nearness;

/// How many resources of each kind are read to learn their fields.
const SAMPLES: usize = 5;

/// How many groups of changes are shown at most.
const MOST_GROUPS: u64 = 500;

/// How many changes are shown without `--limit`.
const SHOWN: usize = 50;

/// The arguments of `muster changes`.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Changes {
    /// Only changes of this resource: a URI, or an id whose prefix shows its kind; or the records of one call of a tool: act-..
    #[arg(value_name = "URI|ID")]
    subject: Option<String>,
    /// Only changes since this time, such as 2026-11-17T12:00:00Z, or -15m for 15 minutes ago
    ///
    /// It may also be a cursor that --json prints as `next_cursor` or `newest_cursor`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only changes up to this time, written as for --since
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = arguments::moment, conflicts_with = "follow")]
    until: Option<String>,
    /// Wait for new changes and show them until Ctrl-C; needs a running server
    ///
    /// It goes on when the server is restarted, if that takes less than a minute. Without --since it begins now. With --json
    /// each change is one line.
    #[arg(long)]
    follow: bool,
    /// Only changes of this field, such as State.Name or Tags
    ///
    /// It is a field's path as `muster get` shows it, and includes the fields below it.
    #[arg(long, value_name = "PATH")]
    field: Option<String>,
    /// Only changes with this cause; `event` includes `call`
    ///
    /// baseline: the first sweep of a region; sweep: a later sweep; refresh: a describe of that resource; event: an event of
    /// EventBridge; tool: a call of one of Muster's tools; call: an EC2 call that CloudTrail recorded; action: as --actions.
    #[arg(long, value_name = "CAUSE", value_parser = PossibleValuesParser::new(causes()))]
    cause: Option<String>,
    /// Only calls of Muster's tools that change AWS: requests, refusals, confirmations and how they ended
    #[arg(long, conflicts_with = "cause")]
    actions: bool,
    /// Only this kind, such as volume or security-group
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    #[command(flatten)]
    scope: ScopeFlags,
    /// Also show what first sweeps found, what status checks repeat, and fields that only a newer Muster reads
    ///
    /// These records are no changes in AWS, so they are hidden by default.
    #[arg(long)]
    baseline: bool,
    /// How many to show at most [default: the 50 newest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "follow")]
    limit: Option<u64>,
    /// Look up in CloudTrail who made the changes that name no caller; needs a running server
    ///
    /// At most ten changes of each page are looked up, two a second. CloudTrail shows a call up to 15 minutes late, for 90
    /// days.
    #[arg(long)]
    who: bool,
    /// Show all changes
    #[arg(long, conflicts_with_all = ["limit", "follow"])]
    all: bool,
    /// Count the changes by kind, field and cause instead; --limit is then how many groups are shown
    #[arg(long, conflicts_with_all = ["follow", "all", "who"])]
    summary: bool,
    #[command(flatten)]
    question: QuestionFlags,
}

impl Changes {
    /// Prints the changes on standard output, oldest first.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let arguments = self.arguments()?;
        let config = self.question.config(environment)?;
        if self.follow {
            let regions = self.question.regions();
            return Following::new(arguments, self.since.clone(), self.question.json, regions).run(&config).await;
        }
        self.list(&config, arguments).await
    }

    async fn list(&self, config: &Config, mut arguments: Map<String, Value>) -> anyhow::Result<()> {
        for (name, value) in [("since", &self.since), ("until", &self.until)] {
            if let Some(value) = value {
                arguments.insert(name.to_owned(), json!(value));
            }
        }
        arguments.insert("order".to_owned(), json!("newest"));
        let most = match self.limit {
            _ if self.all => usize::MAX,
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
            None => SHOWN,
        };
        let client = self.question.client(config).await?;
        if self.summary {
            return self.summarise(&client, arguments).await;
        }
        if self.who && matches!(client, InventoryClient::Store(_)) {
            return Err(AskError::NoServer { data_dir: config.data_dir.clone(), what: "--who" }.into());
        }
        let mut answer = pages(&client, "list_changes", "changes", arguments, most).await?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        // The newest come first in the answer; people read downwards in time.
        if let Some(changes) = answer.get_mut("changes").and_then(Value::as_array_mut) {
            changes.reverse();
        }
        let changes = warnings::rows(&answer);
        let mut table = Table::new(&COLUMNS);
        let medium = Medium::stdout();
        for change in changes {
            table.row(cells(change, medium.widest(true)));
        }
        output.text(table.print(medium).as_bytes())?;
        let more = answer.get("more") == Some(&Value::Bool(true));
        let earliest = field(&answer, "earliest");
        match (changes.len(), more) {
            (0, _) => {
                let unknown = self.field_hint(&client).await;
                say(&unknown.unwrap_or_else(|| format!("no changes; the log begins at {earliest}")));
            }
            (1, true) => say(&format!("the newest change; --all shows all, the log begins at {earliest}")),
            (count, true) => say(&format!("the {count} newest changes; --all shows all, the log begins at {earliest}")),
            (_, false) => {}
        }
        warnings::tell(&answer);
        Ok(())
    }

    /// Prints how many changes of each sort there are.
    async fn summarise(&self, client: &InventoryClient, mut arguments: Map<String, Value>) -> anyhow::Result<()> {
        arguments.insert("summary".to_owned(), json!(true));
        arguments.insert("limit".to_owned(), json!(self.limit.unwrap_or(SHOWN as u64).min(MOST_GROUPS)));
        let answer = warnings::granted(client.ask("list_changes", arguments.into()).await?)?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        let names = ["count", "kind", "what", "field", "cause"];
        let mut table = Table::new(&names);
        for group in answer.get("summary").and_then(Value::as_array).into_iter().flatten() {
            let [count, kind, what, path, cause] = names.map(|name| field(group, name));
            table.row(vec![count, kind, what.replace('_', " "), path, cause]);
        }
        output.text(table.print(Medium::stdout()).as_bytes())?;
        if let Some(others) = answer.get("others") {
            say(&format!("others: {} in {} more groups", field(others, "count"), field(others, "groups")));
        }
        let counted =
            format!("{} changes counted; the log begins at {}", field(&answer, "records"), field(&answer, "earliest"));
        say(&counted);
        if answer.get("more") == Some(&Value::Bool(true)) {
            say("only a part was counted, because there are too many changes: give --since, or a later one");
        }
        warnings::tell(&answer);
        Ok(())
    }

    /// Says that no such field is known, and names the nearest one, when `--field` names an unknown field.
    async fn field_hint(&self, client: &InventoryClient) -> Option<String> {
        let field = self.field.as_deref()?;
        let mut resource = self.arguments().ok()?;
        resource.retain(|name, _| ["uri", "kind", "id", "account", "ou", "region"].contains(&name.as_str()));
        let resources = if self.subject.is_some() {
            vec![resource]
        } else {
            let named = resource.get("kind").and_then(Value::as_str).map(str::to_owned);
            let slugs = named.map_or_else(|| kinds::slugs().map(str::to_owned).collect(), |slug| vec![slug]);
            join_all(slugs.iter().map(|slug| samples(client, &resource, slug))).await.concat()
        };
        let whole = resources.into_iter().map(|mut resource| {
            resource.insert("full".to_owned(), json!(true));
            client.ask("get_resource", resource.into())
        });
        let answers = join_all(whole).await;
        let answers: Vec<Value> = answers.into_iter().flatten().map(|answer| answer.structured).collect();
        let parts = ["document", "status"];
        unknown_field(
            field,
            &answers.iter().flat_map(|answer| parts.map(|part| answer.get(part))).flatten().collect::<Vec<_>>(),
        )
    }

    fn arguments(&self) -> anyhow::Result<Map<String, Value>> {
        let mut arguments = match &self.subject {
            Some(action) if ActionId::parse(action.trim()).is_some() => {
                Map::from_iter([("id".to_owned(), json!(action.trim()))])
            }
            Some(subject) => arguments::subject(subject, self.kind.as_deref())?,
            None => Map::new(),
        };
        if let (None, Some(kind)) = (&self.subject, &self.kind) {
            arguments.insert("kind".to_owned(), json!(arguments::kind(kind)?.slug));
        }
        self.scope.put(self.question.region.as_ref(), &mut arguments);
        for (name, value) in [("field", &self.field), ("cause", &self.cause)] {
            if let Some(value) = value {
                arguments.insert(name.to_owned(), json!(value));
            }
        }
        if self.who {
            arguments.insert("who".to_owned(), json!(true));
        }
        if self.actions {
            arguments.insert("cause".to_owned(), json!("action"));
        }
        if self.baseline {
            arguments.insert("include_baseline".to_owned(), json!(true));
        }
        Ok(arguments)
    }
}

/// What `--cause` takes.
fn causes() -> impl Iterator<Item = &'static str> {
    CauseKind::ALL.into_iter().map(|(name, _)| name).chain(["action"])
}

/// Returns the arguments that read the first few resources of a kind.
async fn samples(client: &InventoryClient, question: &Map<String, Value>, slug: &str) -> Vec<Map<String, Value>> {
    let mut search = question.clone();
    search.insert("kind".to_owned(), json!(slug));
    let mut resource = search.clone();
    search.insert("limit".to_owned(), json!(SAMPLES));
    let Ok(answer) = client.ask("search_inventory", search.into()).await else { return Vec::new() };
    let ids = warnings::rows(&answer.structured).iter().filter_map(|row| row.get("id")).cloned();
    ids.map(|id| {
        resource.insert("id".to_owned(), id);
        resource.clone()
    })
    .collect()
}

/// Says that none of `documents` has `field`, with the nearest field and all known ones; `None` where one has it.
fn unknown_field(field: &str, documents: &[&Value]) -> Option<String> {
    let mut values = documents.to_vec();
    let mut path = String::new();
    for name in field.split('[').next().unwrap_or_default().split('.').map(str::trim) {
        let objects = values.iter().flat_map(|value| match value {
            Value::Array(items) => items.iter().collect(),
            other => vec![*other],
        });
        let objects: Vec<&Map<String, Value>> = objects.filter_map(Value::as_object).collect();
        let known: BTreeSet<&str> = objects.iter().flat_map(|object| object.keys()).map(String::as_str).collect();
        if known.is_empty() {
            return None;
        }
        let found = objects.iter().flat_map(|object| object.iter());
        let inner: Vec<&Value> =
            found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect();
        if inner.is_empty() {
            let nearest = nearness::closest(name, known.iter().copied(), nearness::NEAR);
            let nearest = nearest.map(|nearest| format!("{path}{nearest}"));
            let place =
                if path.is_empty() { "Fields".to_owned() } else { format!("Fields of {}", path.trim_end_matches('.')) };
            let (near, known) = (nearness::near(nearest.as_deref()), known.into_iter().collect::<Vec<_>>().join(", "));
            return Some(format!("no field `{}` is known{near}. {place}: {known}", shown(field, 80)));
        }
        path = format!("{path}{name}.");
        values = inner;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_no_resource_has_is_named_with_the_nearest() {
        let one = json!({"State": {"Name": "running"}, "Tags": [{"Key": "a", "Value": "b"}], "InstanceType": "t3"});
        let other = json!({"CidrBlock": "10.0.0.0/16", "State": "available"});
        let documents = [&one, &other];
        for known in ["state.Name", "Tags", "Tags[Name]", "tags.Value", "CidrBlock"] {
            assert_eq!(unknown_field(known, &documents), None, "{known}");
        }
        assert_eq!(unknown_field("anything", &[]), None, "where nothing is known, nothing is unknown");
        let said = unknown_field("InstanceTyp", &documents).unwrap();
        let expected = "no field `InstanceTyp` is known (did you mean `InstanceType`?). Fields: CidrBlock, InstanceType, State, Tags";
        assert_eq!(said, expected);
        let nested = unknown_field("State.Nmae", &documents).unwrap();
        assert_eq!(nested, "no field `State.Nmae` is known (did you mean `State.Name`?). Fields of State: Name");
    }
}

//! `muster changes`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value, json};

use super::arguments;
use super::change_row::{COLUMNS, cells};
use super::following::Following;
use super::output::Output;
use super::search::pages;
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless};
use super::warnings::{self, field, say};
use crate::app::client::{AskError, InventoryClient};
use crate::config::{Config, Environment};
use crate::model::text::shown;
use crate::query::changes::CauseKind;
use crate::query::nearness;

/// How many are shown unless told otherwise.
const SHOWN: usize = 50;

/// Which changes to show.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Changes {
    /// Only changes of this resource: a URI, or an id, whose prefix tells its kind
    #[arg(value_name = "URI|ID")]
    subject: Option<String>,
    /// Only changes since then: an RFC 3339 time, that long ago, such as -15m, or a cursor
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Only changes up to then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = arguments::moment, conflicts_with = "follow")]
    until: Option<String>,
    /// Go on with the changes to come, until Ctrl-C, also over a restart of the server; needs a running server
    #[arg(long)]
    follow: bool,
    /// Only changes of this field, such as State.Name or Tags
    #[arg(long, value_name = "PATH")]
    field: Option<String>,
    /// Only changes with this cause; `event` includes `call`
    #[arg(long, value_name = "CAUSE", value_parser = PossibleValuesParser::new(CauseKind::ALL.map(|(name, _)| name)))]
    cause: Option<String>,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only this AWS account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Also show what first sweeps found, and fields that only a newer version of Muster reads
    #[arg(long)]
    baseline: bool,
    /// How many to show at most [default: the 50 newest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "follow")]
    limit: Option<u64>,
    /// Look up in CloudTrail who made the changes that name no caller, for the first ten of each page; needs a running server
    #[arg(long)]
    who: bool,
    /// Show all of them
    #[arg(long, conflicts_with_all = ["limit", "follow"])]
    all: bool,
    #[command(flatten)]
    question: QuestionFlags,
}

impl Changes {
    /// Shows them on standard output, oldest first.
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
        if self.who && matches!(client, InventoryClient::Store(_)) {
            return Err(AskError::NoServer { data_dir: config.data_dir.clone(), what: "--who" }.into());
        }
        let mut answer = pages(&client, "list_changes", "changes", arguments, most).await?;
        let mut output = Output::stdout();
        if self.question.json {
            return Ok(output.line(&harmless(&format!("{answer:#}")))?);
        }
        // The newest were asked for; people read downwards in time.
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
                say(&format!("no changes; the log begins at {earliest}"));
                if let Some(hint) = self.field_hint(&client).await {
                    say(&hint);
                }
            }
            (1, true) => say(&format!("the newest change; --all shows all, the log begins at {earliest}")),
            (count, true) => say(&format!("the {count} newest changes; --all shows all, the log begins at {earliest}")),
            (_, false) => {}
        }
        warnings::tell(&answer);
        Ok(())
    }

    /// Tells the fields of one resource that was asked about, where the field asked for is not one of them.
    async fn field_hint(&self, client: &InventoryClient) -> Option<String> {
        let field = self.field.as_deref()?;
        let mut resource = self.arguments().ok()?;
        resource.retain(|name, _| ["uri", "kind", "id", "account", "region"].contains(&name.as_str()));
        if self.subject.is_none() {
            resource.entry("kind").or_insert_with(|| json!("instance"));
            let mut one = resource.clone();
            one.insert("limit".to_owned(), json!(1));
            let found = client.ask("search_inventory", one.into()).await.ok()?.structured;
            resource.insert("id".to_owned(), warnings::rows(&found).first()?.get("id")?.clone());
        }
        let answer = client.ask("get_resource", resource.into()).await.ok()?.structured;
        let known = ["document", "status"].iter().filter_map(|part| answer.get(*part)?.as_object());
        let known: Vec<&str> = known.flat_map(Map::keys).map(String::as_str).collect();
        hint(field, &known, &format!("{} {}", warnings::field(&answer, "kind"), warnings::field(&answer, "id")))
    }

    fn arguments(&self) -> anyhow::Result<Map<String, Value>> {
        let mut arguments = match &self.subject {
            Some(subject) => arguments::subject(subject, self.kind.as_deref())?,
            None => Map::new(),
        };
        if let (None, Some(kind)) = (&self.subject, &self.kind) {
            arguments.insert("kind".to_owned(), json!(arguments::kind(kind)?.slug));
        }
        let given = [
            ("field", &self.field),
            ("cause", &self.cause),
            ("account", &self.account),
            ("region", &self.question.region),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                arguments.insert(name.to_owned(), json!(value));
            }
        }
        if self.who {
            arguments.insert("who".to_owned(), json!(true));
        }
        if self.baseline {
            arguments.insert("include_baseline".to_owned(), json!(true));
        }
        Ok(arguments)
    }
}

/// What to say of a field that `resource`, with the fields `known`, does not have; `None` where it has the field.
fn hint(field: &str, known: &[&str], resource: &str) -> Option<String> {
    let first = field.split(['.', '[']).next().unwrap_or_default().trim();
    if known.is_empty() || known.iter().any(|name| name.eq_ignore_ascii_case(first)) {
        return None;
    }
    let lower: Vec<String> = known.iter().map(|name| name.to_ascii_lowercase()).collect();
    let nearest = nearness::nearest(first, lower.iter().map(String::as_str));
    let nearest = nearest.and_then(|nearest| known.iter().find(|name| name.eq_ignore_ascii_case(nearest)).copied());
    Some(format!(
        "hint: {resource} has no field `{}`{}; its fields are {}",
        shown(first, 80),
        nearness::near(nearest),
        known.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_no_resource_has_is_hinted_with_the_nearest() {
        let known = ["State", "Tags", "InstanceType"];
        assert_eq!(hint("state.Name", &known, "instance i-1"), None);
        assert_eq!(hint("Tags[Name]", &known, "instance i-1"), None);
        let hint = hint("InstanceTyp", &known, "instance i-1").unwrap();
        assert!(hint.contains("did you mean `InstanceType`?") && hint.ends_with("State, Tags, InstanceType"), "{hint}");
    }
}

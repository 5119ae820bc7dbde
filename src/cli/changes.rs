//! `muster changes`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value, json};

use super::change_row::{COLUMNS, cells};
use super::following::Following;
use super::notes::{self, field, say};
use super::output::Output;
use super::search::pages;
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless};
use super::words;
use crate::app::client::{AskError, InventoryClient};
use crate::config::{Config, Environment};
use crate::query::changes::By;

/// How many are shown unless told otherwise.
const SHOWN: usize = 50;

/// Which changes to show.
#[derive(Clone, Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct Changes {
    /// Only those of this resource: a URI, or an id, whose beginning tells its kind
    #[arg(value_name = "URI|ID")]
    subject: Option<String>,
    /// From then on: an RFC 3339 time, or so long ago, such as -15m, or a cursor
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,
    /// Up to then
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = words::moment, conflicts_with = "follow")]
    until: Option<String>,
    /// Go on with those to come, until Ctrl-C; needs a running server
    #[arg(long)]
    follow: bool,
    /// Only those of this field, such as State.Name or Tags
    #[arg(long, value_name = "PATH")]
    field: Option<String>,
    /// Only those that came of this; `event` includes `call`
    #[arg(long, value_name = "CAUSE", value_parser = PossibleValuesParser::new(By::ALL.map(|(name, _)| name)))]
    cause: Option<String>,
    /// Only this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Only this AWS account
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// What first sweeps found, and what a newer Muster sees more of the same resource, as well
    #[arg(long)]
    baseline: bool,
    /// How many to show at most [default: the 50 newest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "follow")]
    limit: Option<u64>,
    /// Look up in CloudTrail who made the changes that name no caller, of the first ten of each page; needs a running server
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
        let changes = notes::rows(&answer);
        let mut table = Table::new(&COLUMNS);
        let medium = Medium::stdout();
        for change in changes {
            table.row(cells(change, medium.widest(true)));
        }
        output.text(table.print(medium).as_bytes())?;
        let more = answer.get("more") == Some(&Value::Bool(true));
        let earliest = field(&answer, "earliest");
        match (changes.len(), more) {
            (0, _) => say(&format!("no changes; the log begins at {earliest}")),
            (1, true) => say(&format!("the newest change; --all shows all, the log begins at {earliest}")),
            (count, true) => say(&format!("the {count} newest changes; --all shows all, the log begins at {earliest}")),
            (_, false) => {}
        }
        notes::tell(&answer);
        Ok(())
    }

    fn arguments(&self) -> anyhow::Result<Map<String, Value>> {
        let mut arguments = match &self.subject {
            Some(subject) => words::subject(subject, self.kind.as_deref())?,
            None => Map::new(),
        };
        if let (None, Some(kind)) = (&self.subject, &self.kind) {
            arguments.insert("kind".to_owned(), json!(words::kind(kind)?.slug));
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

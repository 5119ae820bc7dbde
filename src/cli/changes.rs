//! `muster changes`.

use clap::Args;
use clap::builder::PossibleValuesParser;
use serde_json::{Map, Value, json};

use super::following::Following;
use super::notes::{self, field, say};
use super::output::Output;
use super::search::pages;
use super::store_flags::QuestionFlags;
use super::table::{Medium, Table, harmless, text as cell};
use super::words;
use crate::app::client::{AskError, InventoryClient};
use crate::config::{Config, Environment};
use crate::model::text;
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

/// Left for saying that there are more differences.
const MORE: usize = 50;

/// The columns of a table of changes.
pub(super) const COLUMNS: [&str; 8] = ["time", "seq", "what", "kind", "id", "name", "cause", "changes"];

/// A change as cells, what differs in at most `room` characters.
pub(super) fn cells(change: &Value, room: usize) -> Vec<String> {
    let time = match change.get("observed_between").and_then(Value::as_array).map(Vec::as_slice) {
        Some([from, to]) => format!("{}..{}", cell(from), cell(to)),
        _ => field(change, "recorded_at"),
    };
    let id = match (field(change, "id"), change.get("targets").and_then(Value::as_array)) {
        (id, Some(targets)) if targets.len() > 1 => format!("{id} and {} more", targets.len() - 1),
        (id, _) => id,
    };
    let cause = change.get("cause").unwrap_or(&Value::Null);
    let [seq, what, kind, name] = ["seq", "what", "kind", "name"].map(|name| field(change, name));
    let mut cause = field(cause, "words");
    if let Some(who) = change.get("who") {
        cause = format!("{cause}; who: {}", field(who, "words"));
    }
    vec![time, seq, what, kind, id, name, cause, differences(change, room)]
}

/// What is different, field by field and element by element; of a tool's call, which tool and how it ended. What does not fit
/// into `room` is counted: no change goes unsaid.
fn differences(change: &Value, room: usize) -> String {
    let changes = change.get("changes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut differences: Vec<String> = changes.iter().map(difference).collect();
    let called = ["tool", "outcome"].map(|name| field(change, name)).into_iter().filter(|text| !text.is_empty());
    differences.extend(Some(called.collect::<Vec<_>>().join(": ")).filter(|called| !called.is_empty()));
    let unseen = change.get("changes_not_shown").and_then(Value::as_u64).and_then(|left| usize::try_from(left).ok());
    let unseen = unseen.unwrap_or(0);
    let whole = differences.join("; ");
    if unseen == 0 && whole.chars().count() <= room {
        return whole;
    }
    let (mut shown, mut length) = (Vec::new(), MORE);
    for difference in &differences {
        length += difference.chars().count() + 2;
        if length > room && !shown.is_empty() {
            break;
        }
        shown.push(difference.as_str());
    }
    let more = differences.len() - shown.len() + unseen;
    let how = if more > unseen { "--json shows more" } else { "muster get --as-of shows all" };
    match more {
        // One that is too long by itself is cut where the cell ends.
        0 => shown.join("; "),
        more => {
            let more = format!("; and {more} more ({how})");
            let shown = text::shown(&shown.join("; "), room.saturating_sub(more.len()).max(1));
            format!("{shown}{more}")
        }
    }
}

/// One difference.
fn difference(change: &Value) -> String {
    let path = field(change, "path");
    let of = |name: &str| change.get(name).map(cell);
    if let Some(added) = of("added") {
        return format!("{path}: + {added}");
    }
    if let Some(removed) = of("removed") {
        return format!("{path}: - {removed}");
    }
    let side = |value: Option<String>| match value {
        None => "nothing".to_owned(),
        Some(value) if value.is_empty() => "\"\"".to_owned(),
        Some(value) => value,
    };
    format!("{path}: {} -> {}", side(of("before")), side(of("after")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_tells_when_what_and_why() {
        let change = json!({
            "seq": 7, "recorded_at": "2026-11-22T10:00:00.000Z", "what": "changed", "kind": "instance", "id": "i-1",
            "name": "web", "cause": {"by": "sweep", "words": "seen by a sweep"},
            "changes": [{"path": "State.Name", "before": "running", "after": "stopped"}, {"path": "KeyName", "after": "k"}],
        });
        let expected = [
            "2026-11-22T10:00:00.000Z",
            "7",
            "changed",
            "instance",
            "i-1",
            "web",
            "seen by a sweep",
            "State.Name: running -> stopped; KeyName: nothing -> k",
        ];
        assert_eq!(cells(&change, 240), expected);
    }

    #[test]
    fn what_nobody_saw_happen_has_two_times_and_a_call_its_outcome() {
        let change = json!({
            "seq": 8, "recorded_at": "t", "what": "action_finished", "id": "i-1", "targets": ["i-1", "i-2"],
            "observed_between": ["a", "b"], "tool": "stop_instance", "outcome": "accepted by AWS", "changes": [],
        });
        let cells = cells(&change, 240);
        assert_eq!((cells[0].as_str(), cells[4].as_str()), ("a..b", "i-1 and 1 more"));
        assert_eq!(cells[7], "stop_instance: accepted by AWS");
    }

    #[test]
    fn what_differs_in_a_list_is_told_by_element_and_what_does_not_fit_is_counted() {
        let rule = |port: usize| json!({"path": "IpPermissions", "added": format!("tcp {port} from 0.0.0.0/0")});
        let change =
            json!({"changes": [rule(21), {"path": "IpPermissions", "removed": "tcp 22 from ::/0"}, rule(3389)]});
        let expected = "IpPermissions: + tcp 21 from 0.0.0.0/0; IpPermissions: - tcp 22 from ::/0; \
                        IpPermissions: + tcp 3389 from 0.0.0.0/0";
        assert_eq!(differences(&change, 240), expected);
        let change = json!({"changes": (0..40).map(rule).collect::<Vec<_>>(), "changes_not_shown": 7});
        let said = differences(&change, 240);
        assert!(said.chars().count() <= 240 && said.ends_with("; and 43 more (--json shows more)"), "{said}");
        let long = json!({"changes": [{"path": "Description", "before": "x".repeat(400), "after": "y"}, rule(1)]});
        let said = differences(&long, 240);
        assert!(said.chars().count() <= 240 && said.ends_with("; and 1 more (--json shows more)"), "{said}");
    }
}

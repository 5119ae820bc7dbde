//! `muster policy check`.

use clap::Args;
use serde_json::Value;

use crate::app::client::admin;
use crate::cli::output::Output;
use crate::cli::store_flags::RegionalStoreFlags;
use crate::cli::table::{Medium, Table, harmless};
use crate::cli::warnings::{self, field};
use crate::cli::write_flags::WriteFlags;
use crate::config::Environment;
use crate::connection::admin::AdminRequest;

/// Which change is judged, by which rules.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct PolicyCheck {
    /// The instance, such as i-0123456789abcdef0
    #[arg(value_name = "INSTANCE")]
    instance: String,
    /// The tool, such as `stop_instance`
    #[arg(value_name = "TOOL")]
    tool: String,
    /// The name that a client gives itself, whose changes its caps count [default: all clients of this user]
    #[arg(long = "as", value_name = "CLIENT")]
    client: Option<String>,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    store: RegionalStoreFlags,
    #[command(flatten)]
    writes: WriteFlags,
}

impl PolicyCheck {
    /// Prints a rule a line on standard output, and then what comes of them all.
    pub(in crate::cli) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let writes = (self.writes != WriteFlags::default()).then(|| self.writes.policy());
        let request = AdminRequest::Judge {
            instance: self.instance.clone(),
            tool: self.tool.clone(),
            writes,
            user: Some(format!("uid:{}", rustix::process::getuid().as_raw())),
            client: self.client.clone(),
        };
        let verdict = admin::done(&self.store.config(environment)?, &request).await?;
        let has_rules = verdict.get("rules").and_then(Value::as_array).is_some_and(|rules| !rules.is_empty());
        if !has_rules {
            return Err(NothingToJudge.into());
        }
        let mut output = Output::stdout();
        if self.json {
            output.line(&harmless(&format!("{verdict:#}")))?;
        } else {
            output.text(table(&verdict).print(Medium::stdout()).as_bytes())?;
            output.line(&said(&verdict))?;
            for remark in remarks(&verdict) {
                warnings::say(&remark);
            }
        }
        if verdict.get("allowed") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        Err(NotAllowed { tool: field(&verdict, "tool"), instance: field(&verdict, "instance_id") }.into())
    }
}

/// No server runs, and no flags were given: there is no rule, and nothing may be changed without a server.
#[derive(Debug, thiserror::Error)]
#[error(
    "no server runs and no rules were given, so there is nothing to judge: start the server, or add the flags of `muster mcp`, such \
     as --allow-writes"
)]
struct NothingToJudge;

/// A change that a rule refuses.
#[derive(Debug, thiserror::Error)]
#[error("{tool} may not change {instance}")]
struct NotAllowed {
    tool: String,
    instance: String,
}

/// A rule a line.
fn table(verdict: &Value) -> Table {
    let mut table = Table::new(&["rule", "of", "met", "why not"]);
    for rule in verdict.get("rules").and_then(Value::as_array).into_iter().flatten() {
        let met = if rule.get("met") == Some(&Value::Bool(true)) { "yes" } else { "no" };
        table.row(vec![field(rule, "rule"), field(rule, "of"), met.to_owned(), field(rule, "why")]);
    }
    table
}

/// What comes of all rules together.
fn said(verdict: &Value) -> String {
    let may = if verdict.get("allowed") == Some(&Value::Bool(true)) { "may" } else { "may not" };
    format!(
        "{} {may} change {} ({}, {})",
        field(verdict, "tool"),
        field(verdict, "instance_id"),
        field(verdict, "account"),
        field(verdict, "region")
    )
}

/// What the verdict does not tell.
fn remarks(verdict: &Value) -> Vec<String> {
    let is = |name: &str| verdict.get(name) == Some(&Value::Bool(true));
    let mut remarks = Vec::new();
    if !is("server") {
        remarks.push("no server runs, so only the rules that were given here are judged".to_owned());
    }
    if !is("connection") {
        remarks
            .push("no rules of a client were given here: give the flags of `muster mcp` to judge those too".to_owned());
    }
    if let Some(counted) = verdict.get("caps_count") {
        let user = field(counted, "user");
        let of_client = match counted.get("client").and_then(Value::as_str) {
            Some(client) => format!("those of a client count `{client}` alone"),
            None => "those of a client count all its clients together, since --as names none".to_owned(),
        };
        remarks.push(format!("the caps of the server count what {user} changed; {of_client}"));
    }
    if is("person_confirms") {
        remarks.push(format!(
            "{} needs a confirmation, and --require-human refuses it where the client cannot ask a person",
            field(verdict, "tool")
        ));
    }
    remarks.push(format!(
        "this is by the copy as of {}; a tool looks at AWS before it changes anything",
        field(verdict, "as_of")
    ));
    remarks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_rule_stands_on_a_line_and_the_verdict_below() {
        let verdict = json!({
            "instance_id": "i-1", "account": "1", "region": "r", "tool": "stop_instance", "allowed": false, "as_of": "t0",
            "server": true, "connection": false,
            "rules": [
                {"rule": "--allow-writes", "of": "server", "met": true},
                {"rule": "--write-tag Env=dev", "of": "server", "met": false, "why": "the instance does not have that tag"},
            ],
        });
        let printed = table(&verdict).print(Medium::default());
        let expected = "RULE                 OF      MET  WHY NOT\n\
                        --allow-writes       server  yes  -\n\
                        --write-tag Env=dev  server  no   the instance does not have that tag\n";
        assert_eq!(printed, expected);
        assert_eq!(said(&verdict), "stop_instance may not change i-1 (1, r)");
        assert_eq!(remarks(&verdict).len(), 2);
    }
}

//! `muster doctor`.

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::place::Home;
use super::table::{Medium, Table, harmless};
use crate::app::doctor::{self, Finding, Scrutiny, Verdict};
use crate::config::{Environment, Queue};
use crate::kinds::rules::DEFAULT_NAME;
use crate::model::text::shown;

/// The longest fix that is shown.
const LONGEST: usize = 2000;

/// What to look at.
#[derive(Clone, Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    home: Home,
    /// Look at the rules and queues that `muster setup` made under this name [default: muster]
    #[arg(
        long,
        env = "MUSTER_EVENTS",
        value_name = "NAME",
        num_args = 0..=1,
        default_missing_value = DEFAULT_NAME,
        hide_env_values = true
    )]
    events: Option<String>,
    /// Look at an SQS queue that was set up otherwise; REGION=URL where the URL names no region (repeatable)
    #[arg(long, env = "MUSTER_QUEUE_URL", value_name = "URL", value_delimiter = ',', hide_env_values = true)]
    queue_url: Vec<Queue>,
    /// Look also at what the tools need that change AWS, by dry runs
    #[arg(long)]
    allow_writes: bool,
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// Something does not work.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} checks failed: see what to do below each of them")]
pub(super) struct Unwell {
    failed: usize,
    all: usize,
}

impl Doctor {
    /// Looks, and shows what was found on standard output.
    ///
    /// # Errors
    /// [`Unwell`] when something failed.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let config = self.home.config(environment)?;
        let events = self.events.filter(|name| !name.is_empty());
        let scrutiny = Scrutiny { events, queues: self.queue_url, writes: self.allow_writes };
        let findings = doctor::examine(&config, &scrutiny).await;
        let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Failed).count();
        let mut output = Output::stdout();
        if self.json {
            let body = json!({"ok": failed == 0, "failed": failed, "findings": findings});
            output.line(&harmless(&format!("{body:#}")))?;
        } else {
            output.text(table(&findings, Medium::stdout()).as_bytes())?;
        }
        if failed > 0 { Err(Unwell { failed, all: findings.len() }.into()) } else { Ok(()) }
    }
}

/// One line a finding, by region, and what to do below those that need something done.
fn table(findings: &[Finding], medium: Medium) -> String {
    let mut table = Table::new(&["region", "check", "verdict", "subject", "fact"]);
    for finding in findings {
        let region = finding.region.as_ref().map(ToString::to_string).unwrap_or_default();
        let (subject, fact) = (finding.subject.clone(), finding.fact.clone());
        table.row(vec![region, finding.check.to_owned(), word(finding.verdict).to_owned(), subject, fact]);
    }
    let printed = table.print(medium);
    let mut lines = printed.lines();
    let mut out: Vec<String> = lines.next().map(str::to_owned).into_iter().collect();
    for (line, finding) in lines.zip(findings) {
        out.push(line.to_owned());
        out.extend(finding.fix.as_ref().map(|fix| format!("  -> {}", shown(fix, LONGEST))));
    }
    out.join("\n") + "\n"
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Warning => "WARNING",
        Verdict::Failed => "FAILED",
        Verdict::Skipped => "skipped",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Region;

    #[test]
    fn what_to_do_stands_below_what_fails_and_hostile_text_is_cleaned() {
        let finding = |verdict, fix: Option<&str>| Finding {
            check: "target",
            region: Some(Region::new("r")),
            subject: "muster-tags".to_owned(),
            verdict,
            fact: "sends to \u{1b}[2Jx".to_owned(),
            fix: fix.map(str::to_owned),
        };
        let findings = [finding(Verdict::Failed, Some("Run `muster\u{202E} setup`.")), finding(Verdict::Skipped, None)];
        let printed = table(&findings, Medium::default());
        let expected = "REGION  CHECK   VERDICT  SUBJECT      FACT\n\
                        r       target  FAILED   muster-tags  sends to [2Jx\n  \
                        -> Run `muster setup`.\n\
                        r       target  skipped  muster-tags  sends to [2Jx\n";
        assert_eq!(printed, expected);
    }
}

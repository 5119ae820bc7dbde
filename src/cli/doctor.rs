//! `muster doctor`.

use clap::Args;
use serde_json::json;

use super::access_flags::AccessFlags;
use super::host_flags::HostFlags;
use super::idle_exit::IdleExit;
use super::listen_flags::ListenFlags;
use super::output::Output;
use super::server_flags::ServerFlags;
use super::table::{Medium, Table, harmless};
use crate::app::examination;
use crate::config::Environment;
use crate::doctor::{Finding, Verdict, unservable};
use crate::model::text::shown;

/// The longest fix that is shown.
const LONGEST: usize = 2000;

/// The arguments of `muster doctor`.
#[derive(Clone, Debug, Args)]
pub(super) struct Doctor {
    // The same flags as `muster serve`: doctor checks what a server with these flags needs.
    #[command(flatten)]
    connection: ServerFlags,
    #[command(flatten)]
    listen: ListenFlags,
    #[command(flatten)]
    left_aside: LeftAside,
    /// Print the findings as JSON, for programs
    #[arg(long)]
    json: bool,
}

/// The flags of a server that no check depends on, so that its whole command line can be given as it stands.
#[derive(Clone, Debug, Args)]
struct LeftAside {
    #[command(flatten)]
    hosts: HostFlags,
    #[command(flatten)]
    idle_exit: IdleExit,
    #[command(flatten)]
    access: AccessFlags,
}

/// At least one check failed.
#[derive(Debug, thiserror::Error)]
#[error("{failed} of {all} checks failed: see the line below each of them for what to do")]
pub(super) struct ChecksFailed {
    failed: usize,
    all: usize,
}

impl Doctor {
    /// Runs the checks, and prints the findings on standard output.
    ///
    /// # Errors
    /// [`ChecksFailed`] when a check failed.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let Doctor { connection, listen, left_aside, json } = self;
        let config = connection.config(environment)?;
        let listen = listen.settings(environment).over(&config.listen);
        let access = left_aside.access.options(environment).over(config.access.clone());
        let mut findings = examination::examine(&config, &listen, environment).await;
        let is_served = listen.http.is_some() || listen.metrics.is_some() || listen.ec2_api.address.is_some();
        let servable = listen.check(access.lets_in_known_only()).and_then(|()| listen.check_effect());
        if let Err(error) = servable
            && is_served
        {
            findings.push(unservable(&error));
        }
        let failed = findings.iter().filter(|finding| finding.verdict == Verdict::Failed).count();
        let mut output = Output::stdout();
        if json {
            let body = json!({"ok": failed == 0, "failed": failed, "findings": findings});
            output.line(&harmless(&format!("{body:#}")))?;
        } else {
            output.text(table(&findings, Medium::stdout()).as_bytes())?;
        }
        if failed > 0 { Err(ChecksFailed { failed, all: findings.len() }.into()) } else { Ok(()) }
    }
}

/// Makes a table with one line a finding, by region. What to do stands below each finding that needs it.
fn table(findings: &[Finding], medium: Medium) -> String {
    let mut table = Table::new(&["region", "check", "verdict", "subject", "fact"]);
    for finding in findings {
        let region = finding.region.as_ref().map(ToString::to_string).unwrap_or_default();
        let (subject, fact) = (finding.subject.clone(), finding.fact.clone());
        table.row(vec![region, finding.check.to_owned(), word(finding.verdict).to_owned(), subject, fact]);
    }
    table.print_with(medium, |number| {
        let Finding { fix, statements, .. } = findings.get(number)?;
        let statements = statements.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let statements = if statements.is_empty() { statements } else { format!(" Statement: {statements}") };
        Some(shown(&format!("{}{statements}", fix.as_ref()?), LONGEST))
    })
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
    use crate::aws::permissions::{PolicyLimits, statement_for};
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
            denied: None,
            statements: Vec::new(),
        };
        let findings = [finding(Verdict::Failed, Some("Run `muster\u{202E} setup`.")), finding(Verdict::Skipped, None)];
        let printed = table(&findings, Medium::default());
        let expected = "REGION  CHECK   VERDICT  SUBJECT      FACT\n\
                        r       target  FAILED   muster-tags  sends to [2Jx\n  \
                        -> Run `muster setup`.\n\
                        r       target  skipped  muster-tags  sends to [2Jx\n";
        assert_eq!(printed, expected);

        let limits = PolicyLimits::default();
        let statements = statement_for("ec2:DescribeVpcs", &limits);
        let denied = Finding { statements, ..finding(Verdict::Failed, Some("Allow it.")) };
        let printed = table(&[denied], Medium::default());
        let statement = r#"{"Effect":"Allow","Action":["ec2:DescribeVpcs"],"Resource":"*"}"#;
        assert!(printed.ends_with(&format!("  -> Allow it. Statement: {statement}\n")), "{printed}");
    }
}

//! `muster setup`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use super::organization_flags::OrganizationFlags;
use super::output::Output;
use super::table::harmless;
use crate::aws::queue::Queue;
use crate::config::{Config, ConfigError, Environment, EventsName, Given, Selection};
use crate::kinds::rules::DEFAULT_NAME;
use crate::model::{AccountId, Region};
use crate::setup::{self, RegionReport, SetupRequest, SetupTask, template};
use crate::telemetry;

/// The flags that select account, regions and names. No store is used.
#[derive(Clone, Debug, Args)]
pub(super) struct SetupFlags {
    /// The AWS profile; takes precedence over keys in the environment [default: `AWS_PROFILE`, else `default`]
    ///
    /// As for the AWS CLI, keys in the environment take precedence over `AWS_PROFILE`. A profile may hold keys, a role or an
    /// SSO login: see `muster help credentials`.
    #[arg(long, env = "MUSTER_PROFILE", value_name = "NAME", hide_env_values = true)]
    profile: Option<String>,
    /// The AWS region, such as eu-central-1 [default: `AWS_REGION`, else `AWS_DEFAULT_REGION`, else the profile's]
    #[arg(long, env = "MUSTER_REGION", value_name = "REGION", hide_env_values = true)]
    region: Option<String>,
    /// Several AWS regions, or `all` that are enabled for the account; takes precedence over --region
    ///
    /// Names are separated by commas, such as us-east-1,eu-west-1. With `all`, AWS is asked for the regions at the start and
    /// every hour.
    #[arg(long, env = "MUSTER_REGIONS", value_name = "REGIONS", value_delimiter = ',', hide_env_values = true)]
    regions: Vec<String>,
    /// What the names of queues and rules begin with
    ///
    /// It is up to 40 letters, digits, hyphens and underscores. A server listens to it with --events NAME.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_NAME)]
    pub(super) name: EventsName,
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The arguments of `muster setup`.
#[derive(Clone, Debug, Args)]
pub(super) struct Setup {
    #[command(flatten)]
    arranged: SetupFlags,
    /// Take over queues and rules of these names that Muster did not make
    ///
    /// They are tagged and changed. Without this flag a region with such a queue or rule is left as it is.
    #[arg(long)]
    adopt: bool,
    /// The output format
    ///
    /// `cloudformation` prints a template that makes the same queues and rules, and makes no call to AWS.
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: SetupFormat,
    #[command(flatten, next_help_heading = "Many accounts")]
    organization: OrganizationFlags,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SetupFormat {
    Text,
    Json,
    Cloudformation,
}

/// The command did not complete in some regions.
#[derive(Debug, thiserror::Error)]
#[error("{command} did not complete in {}: see the errors above, fix them, and run it again", setup::listed(failed))]
pub(super) struct SetupIncomplete {
    command: &'static str,
    failed: Vec<Region>,
}

impl SetupFlags {
    /// Merges these flags into a configuration.
    pub(super) fn config(&self, environment: &Environment) -> Result<Config, ConfigError> {
        let given = Given {
            profile: self.profile.clone(),
            region: self.region.clone(),
            regions: self.regions.clone(),
            // No store is opened; without a directory, a home directory would be required.
            data_dir: Some(PathBuf::from(".")),
            ..Given::default()
        };
        Config::merge(given, environment, &[])
    }
}

impl Setup {
    /// Sets up the queues and rules, and prints what was done and how to use them.
    pub(super) async fn run(self, environment: &Environment) -> anyhow::Result<()> {
        if let Some(template) = self.organization.template(&self.arranged.name)? {
            return Ok(Output::stdout().line(&format!("{template:#}"))?);
        }
        if self.format == SetupFormat::Cloudformation {
            return Ok(Output::stdout().line(&format!("{:#}", template::template(&self.arranged.name)))?);
        }
        let config = self.arranged.config(environment)?;
        let SetupFlags { name, dry_run, .. } = self.arranged;
        let order = SetupRequest { name, dry_run, work: SetupTask::Setup { adopt: self.adopt } };
        let queues = carry_out(&config, &order, self.format == SetupFormat::Json).await?;
        if self.format == SetupFormat::Text && !dry_run {
            let all = config.selection.is_all();
            Output::stdout().line(&usage(&config.selection, all, &order.name, &queues))?;
        }
        Ok(())
    }
}

/// Carries out the request and prints the reports. Returns the queues of events.
///
/// # Errors
/// When AWS does not say whose the account is; or [`SetupIncomplete`], after the reports were printed.
pub(super) async fn carry_out(config: &Config, order: &SetupRequest, as_json: bool) -> anyhow::Result<Vec<Queue>> {
    let (mut failed, mut queues, mut regions, mut printed) = (Vec::new(), Vec::new(), Vec::new(), Ok(()));
    let account = setup::run(config, order, |account, report| {
        if let Some(error) = &report.failure {
            telemetry::say(&harmless(&format!("{}: {error}", report.region)));
            failed.push(report.region.clone());
        }
        if as_json {
            regions.push(report.json());
        } else if printed.is_ok() {
            printed = Output::stdout().line(&harmless(&told(account, &report, order)));
        }
        queues.extend(report.queue);
    });
    let account = account.await.map_err(|error| anyhow::anyhow!("{error}. {}", error.advice()))?;
    if as_json {
        let all = json!({
            "account": account.as_str(),
            "name": order.name.as_str(),
            "dry_run": order.dry_run,
            "regions": Value::Array(regions),
        });
        printed = Output::stdout().line(&harmless(&format!("{all:#}")));
    }
    printed?;
    if failed.is_empty() {
        return Ok(queues);
    }
    let command = if matches!(order.work, SetupTask::Setup { .. }) { "setup" } else { "teardown" };
    Err(SetupIncomplete { command, failed }.into())
}

/// Writes a region's report for a person.
fn told(account: &AccountId, report: &RegionReport, order: &SetupRequest) -> String {
    let mut lines = vec![format!("{} of account {account}:", report.region)];
    for (number, step) in report.steps.iter().enumerate() {
        let state = match number {
            _ if order.dry_run => "would ",
            _ if number < report.done => "done: ",
            _ if number == report.done && report.failure.is_some() => "failed: ",
            _ => "not tried: ",
        };
        lines.push(format!("  {state}{step}"));
    }
    lines.extend(report.left.iter().map(|left| format!("  left: {left}")));
    lines.extend(report.notes.iter().map(|note| format!("  note: {note}")));
    if report.steps.is_empty() {
        lines.push(if report.failure.is_none() { "  nothing to do" } else { "  nothing was done" }.to_owned());
    }
    lines.join("\n")
}

/// Says how to use the queues.
fn usage(selection: &Selection, all: bool, name: &EventsName, queues: &[Queue]) -> String {
    let profile = selection.profile.as_ref().map_or_else(String::new, |profile| format!(" --profile {profile}"));
    let regions = match (selection.regions(), &selection.region) {
        _ if all => " --regions all".to_owned(),
        ([], Some(region)) => format!(" --region {region}"),
        ([], None) => String::new(),
        (regions, _) => format!(" --regions {}", regions.join(",")),
    };
    let words = format!("muster serve{profile}{regions}");
    let named = if name.is_default() { String::new() } else { format!(" {name}") };
    let urls: Vec<String> = queues.iter().map(|queue| format!(" --queue-url {queue}")).collect();
    format!(
        "\nServe with these events (new rules and policies may take a minute to work):\n  {words} \
         --events{named}\nor with the queue by its URL:\n  {words}{}",
        urls.concat()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_to_use_it_names_profile_regions_and_name() {
        let environment = Environment::of(&[], None);
        let regions = ["eu-west-1".to_owned(), "us-east-1".to_owned()];
        let selection = Selection::new(Some("dev".to_owned()), None, &regions, &environment);
        let queue: Queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/a-events".parse().unwrap();
        let said = usage(&selection, false, &"a".parse().unwrap(), &[queue]);
        let lines: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        let start = "muster serve --profile dev --regions eu-west-1,us-east-1";
        let url = "eu-west-1=https://sqs.eu-west-1.amazonaws.com/123456789012/a-events";
        assert_eq!(lines, [format!("{start} --events a"), format!("{start} --queue-url {url}")]);
        let one = Selection::new(None, Some("eu-west-1".to_owned()), &[], &environment);
        assert!(
            usage(&one, false, &EventsName::default(), &[]).contains("  muster serve --region eu-west-1 --events\n")
        );
        assert!(usage(&one, true, &EventsName::default(), &[]).contains("  muster serve --regions all --events\n"));
    }
}

//! `muster config check`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use super::super::file_settings::{self, ReadFile};
use super::super::output::Output;
use super::super::servable::servable;
use super::super::server_flags::{FileFlags, ServerFlags};
use super::super::table::{Medium, Table};
use crate::aws::profiles::known::known_profiles;
use crate::aws::{AccountPlan, EventPlan, EventWay, OrganizationPlan, Regions};
use crate::config::{
    AccessOptions, Config, ConfigError, ConfigFault, Environment, FileSetting, SettingValue, duration_text,
};
use crate::model::text::shown;
use crate::telemetry;

/// The longest value that is shown.
const SHOWN: usize = 300;

/// The key of the accounts that writes are limited to.
const WRITE_ACCOUNT: &str = "write_account";

/// The arguments of `muster config check`.
#[derive(Clone, Debug, Args)]
pub(super) struct CheckedFile {
    /// The configuration file
    #[arg(env = "MUSTER_CONFIG", value_name = "FILE", hide_env_values = true)]
    file: PathBuf,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

impl CheckedFile {
    /// Shows what the file means by itself, whatever flags and variables say.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let config = ServerFlags::of_file(self.file.clone()).config(environment)?;
        let read = ReadFile::<FileFlags>::whole(&self.file, environment)?;
        if let Some((unlisted, listed)) = config.unlisted_writes() {
            let place = read.file.settings.iter().find(|setting| setting.key == WRITE_ACCOUNT).map(|it| it.place);
            let what = format!(
                "{} is none of the accounts of this file, so that it permits nothing there; give one of {}",
                unlisted.join(", "),
                listed.join(", ")
            );
            let fault = ConfigFault { place, key: Some(WRITE_ACCOUNT.to_owned()), what };
            return Err(ConfigError::File { path: read.file.path, faults: vec![fault] }.into());
        }
        let unknown = unknown_profiles(&config);
        if !unknown.is_empty() {
            telemetry::say(&shown(
                &format!(
                    "muster: AWS's configuration files have no profile {}: these accounts fail until they have it",
                    unknown.join(", ")
                ),
                SHOWN,
            ));
        }
        if let Err(error) = servable(&config.listen, &config.access) {
            let what = file_settings::of_keys::<FileFlags>(&format!("{error:#}"));
            let said =
                format!("muster: `muster serve` refuses this file, unless flags or variables say otherwise: {what}");
            telemetry::say(&shown(&said, 2 * SHOWN));
        }
        let mut output = Output::stdout();
        if self.json {
            return Ok(output.line(&format!("{:#}", answer(&config, &read.file.settings)))?);
        }
        let path = shown(&read.file.path.to_string_lossy(), SHOWN);
        output.line(&format!("{path} can be used. Data directory: {}", config.data_dir.display()))?;
        if let Some(plan) = &config.organization {
            output.line(&found(plan))?;
        }
        if config.account_sources().is_empty() {
            output.line("It lists no accounts: the account of the credentials is watched.")?;
        } else if !config.accounts.is_empty() {
            let mut accounts = Table::new(&["name", "account", "credentials", "regions", "aws_share", "events"]);
            for plan in &config.accounts {
                accounts.row(cells(plan));
            }
            output.text(accounts.print(Medium::stdout()).as_bytes())?;
        }
        if config.access.lets_in_known_only() {
            output.line(&let_in(&config.access))?;
        }
        if !read.file.settings.is_empty() {
            let mut settings = Table::new(&["setting", "value"]);
            for FileSetting { key, value, .. } in &read.file.settings {
                settings.row(vec![key.clone(), shown(&said(value), SHOWN)]);
            }
            output.text(settings.print(Medium::stdout()).as_bytes())?;
        }
        Ok(())
    }
}

/// Who is let in over HTTP, as sentences.
fn let_in(access: &AccessOptions) -> String {
    let file = access.token_file.as_ref().map(|path| format!("tokens of {}", path.display()));
    let issuers = access.issuers.iter().map(|plan| format!("access tokens of {}", plan.issuer));
    let tokens: Vec<String> = file.into_iter().chain(issuers).collect();
    let grants = access.grants.names();
    let grants =
        if grants.is_empty() { "There are no grants.".to_owned() } else { format!("Grants: {}.", grants.join(", ")) };
    shown(&format!("Over HTTP these let in: {}. {grants}", tokens.join(", ")), 2 * SHOWN)
}

/// The profiles that AWS's configuration files do not have.
fn unknown_profiles(config: &Config) -> Vec<&str> {
    let known: BTreeSet<String> = known_profiles().into_iter().map(|profile| profile.name).collect();
    let named = config.accounts.iter().filter_map(|plan| plan.credentials.profile.as_deref());
    let named = named.chain(config.organization.as_ref().and_then(|plan| plan.profile.as_deref()));
    let named: BTreeSet<&str> = named.filter(|name| !known.contains(*name)).collect();
    named.into_iter().collect()
}

fn cells(plan: &AccountPlan) -> Vec<String> {
    let text = |text: Option<String>| shown(text.as_deref().unwrap_or("-"), SHOWN);
    vec![
        text(plan.name.clone()),
        text(plan.account.as_ref().map(ToString::to_string)),
        shown(&credentials(plan), SHOWN),
        regions(&plan.regions),
        text(plan.share_percent.map(|percent| format!("{:.2}", f64::from(percent) / 100.0))),
        text(events(&plan.events)),
    ]
}

fn regions(regions: &Regions) -> String {
    match regions {
        Regions::All { .. } => "all".to_owned(),
        Regions::Named(regions) => regions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

/// Where events come from, if the entry says so.
fn events(plan: &EventPlan) -> Option<String> {
    let said = |way: &EventWay| match way {
        EventWay::Off => "off".to_owned(),
        EventWay::Named(name) => name.clone(),
        EventWay::Queue(queue) => queue.to_string(),
    };
    let by_region = plan.by_region.iter().map(|(region, way)| format!("{region}: {}", said(way)));
    let all: Vec<String> = plan.usual.as_ref().map(said).into_iter().chain(by_region).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// How the accounts of an organization are found, as a sentence.
fn found(plan: &OrganizationPlan) -> String {
    let by = plan.profile.as_ref().map_or_else(|| "AWS's own chain".to_owned(), |profile| format!("profile {profile}"));
    let rules = match (plan.rules.include.len(), plan.rules.exclude.len()) {
        (0, 0) => "All accounts".to_owned(),
        (include, exclude) => format!("The accounts that {include} rules include and {exclude} exclude"),
    };
    let role = shown(&plan.role_name, SHOWN);
    format!(
        "{rules} of the organization are watched in regions {} by role {role}, which {} assumes. They are listed every {}.",
        regions(&plan.regions),
        shown(&by, SHOWN),
        duration_text(plan.refresh)
    )
}

/// Where the credentials come from, as a sentence.
fn credentials(plan: &AccountPlan) -> String {
    let profile = plan.credentials.profile.as_ref();
    if plan.credentials.roles.is_empty() {
        return format!("profile {}", profile.map_or("-", String::as_str));
    }
    let roles = plan.credentials.roles.iter().map(|role| {
        let with = if role.external_id.is_some() { " with an external id" } else { "" };
        format!("{}{with}", role.arn)
    });
    let by = profile.map_or_else(|| "AWS's own chain".to_owned(), |profile| format!("profile {profile}"));
    format!("{}, assumed by {by}", roles.collect::<Vec<_>>().join(", then "))
}

fn answer(config: &Config, settings: &[FileSetting]) -> Value {
    let accounts = config.accounts.iter().map(|plan| {
        let roles = plan.credentials.roles.iter().map(
            |role| json!({"role_arn": role.arn, "external_id": role.external_id, "session_name": role.session_name}),
        );
        json!({
            "name": plan.name,
            "account": plan.account,
            "profile": plan.credentials.profile,
            "roles": roles.collect::<Vec<_>>(),
            "regions": match &plan.regions {
                Regions::All { .. } => json!("all"),
                Regions::Named(regions) => json!(regions),
            },
            "aws_share": plan.share_percent.map(|percent| f64::from(percent) / 100.0),
            "events": events(&plan.events),
        })
    });
    let settings = settings.iter().map(|setting| (setting.key.clone(), value(&setting.value)));
    json!({
        "file": config.file,
        "accounts": accounts.collect::<Vec<_>>(),
        "organization": config.organization.as_ref().map(|plan| json!({
            "profile": plan.profile,
            "role_name": plan.role_name,
            "external_id": plan.external_id,
            "session_name": plan.session_name,
            "own_role": plan.own_role,
            "regions": regions(&plan.regions),
            "events": events(&plan.events),
            "refresh": duration_text(plan.refresh),
        })),
        "issuers": config.access.issuers.iter().map(|plan| plan.issuer.as_str()).collect::<Vec<_>>(),
        "grants": config.access.grants.names(),
        "settings": settings.collect::<Map<String, Value>>(),
        "data_dir": config.data_dir,
    })
}

fn value(value: &SettingValue) -> Value {
    match value {
        SettingValue::Text(text) => json!(text),
        SettingValue::Switch(is_on) => json!(is_on),
        SettingValue::List(texts) => json!(texts),
        SettingValue::Table(table) => table.iter().map(|(key, text)| (key.clone(), json!(text))).collect(),
    }
}

fn said(value: &SettingValue) -> String {
    match value {
        SettingValue::Text(text) => text.clone(),
        SettingValue::Switch(is_on) => is_on.to_string(),
        SettingValue::List(texts) => texts.join(", "),
        SettingValue::Table(table) => {
            table.iter().map(|(key, text)| format!("{key} = {text}")).collect::<Vec<_>>().join(", ")
        }
    }
}

//! `muster help`: shows topics that belong to no single command, and the help of every command.
//!
//! A topic is a text file. Lists that the program knows (kinds, checks, rules) are inserted by the program, so that the text
//! cannot differ from it.

use std::collections::BTreeSet;

use clap::Args;
use strsim::osa_distance;

use super::output::Output;
use crate::aws::permissions::{self, STATEMENTS};
use crate::doctor;
use crate::kinds::KINDS;
use crate::kinds::rules::{DEFAULT_NAME, RULES};
use crate::query::sql;
use crate::telemetry::metrics;

/// Placeholders in a text for lists that the program knows.
const KINDS_HERE: &str = "{kinds}";
const CHECKS_HERE: &str = "{checks}";
const RULES_HERE: &str = "{rules}";
const TABLES_HERE: &str = "{tables}";
const PERMISSIONS_HERE: &str = "{permissions}";
const METRICS_HERE: &str = "{metrics}";

/// How wide a page is.
const WIDTH: usize = 110;

/// How many letters of a topic may be wrong for it to be suggested.
const NEAR: usize = 3;

/// A page of help that belongs to no single command.
struct HelpTopic {
    name: &'static str,
    about: &'static str,
    text: &'static str,
}

/// Every topic, in the order shown.
const TOPICS: &[HelpTopic] = &[
    HelpTopic {
        name: "accounts",
        about: "How one server watches many accounts and regions",
        text: include_str!("help/accounts.md"),
    },
    HelpTopic { name: "clients", about: "How AI clients start Muster", text: include_str!("help/clients.md") },
    HelpTopic {
        name: "configuration",
        about: "Flags, variables, the configuration file, the data directory, HTTP",
        text: include_str!("help/configuration.md"),
    },
    HelpTopic {
        name: "credentials",
        about: "Where credentials come from, and what they must be allowed",
        text: include_str!("help/credentials.md"),
    },
    HelpTopic {
        name: "ec2-api",
        about: "How scripts and tools that use EC2's own API read from the copy",
        text: include_str!("help/ec2-api.md"),
    },
    HelpTopic {
        name: "ec2-clients",
        about: "How scripts and tools are set to read from the copy, and what each asks",
        text: include_str!("help/ec2-clients.md"),
    },
    HelpTopic {
        name: "events",
        about: "How changes show within a second, and how that is proved",
        text: include_str!("help/events.md"),
    },
    HelpTopic {
        name: "filters",
        about: "How to search, count and follow from the command line",
        text: include_str!("help/filters.md"),
    },
    HelpTopic {
        name: "freshness",
        about: "How old an answer can be, and what failures do",
        text: include_str!("help/freshness.md"),
    },
    HelpTopic {
        name: "grants",
        about: "Who sees and changes what of a server that many share",
        text: include_str!("help/grants.md"),
    },
    HelpTopic {
        name: "history",
        about: "What is remembered, for how long, and who made a change",
        text: include_str!("help/history.md"),
    },
    HelpTopic {
        name: "http",
        about: "How to serve a team over HTTP, and how to watch such a server",
        text: include_str!("help/http.md"),
    },
    HelpTopic {
        name: "http-auth",
        about: "Who is let in over HTTP: tokens, OAuth, and what each may see",
        text: include_str!("help/http-auth.md"),
    },
    HelpTopic {
        name: "organization",
        about: "What each of many accounts needs, and where their events go",
        text: include_str!("help/organization.md"),
    },
    HelpTopic {
        name: "permissions",
        about: "Which actions of AWS Muster calls, why, and what does not work without each",
        text: include_str!("help/permissions.md"),
    },
    HelpTopic {
        name: "resources",
        about: "What a read shows, and of which kinds",
        text: include_str!("help/resources.md"),
    },
    HelpTopic {
        name: "simulator",
        about: "An AWS account on loopback that can be made worse than AWS",
        text: include_str!("help/simulator.md"),
    },
    HelpTopic { name: "sql", about: "How to ask in SQL, and of which tables", text: include_str!("help/sql.md") },
    HelpTopic {
        name: "traces",
        about: "What an operation took, told to an OpenTelemetry collector",
        text: include_str!("help/traces.md"),
    },
    HelpTopic {
        name: "writes",
        about: "How tools change AWS, and what they never do",
        text: include_str!("help/writes.md"),
    },
];

/// The arguments of `muster help`.
#[derive(Clone, Debug, Args)]
pub(super) struct Help {
    /// A topic, or a command and its subcommand
    #[arg(value_name = "TOPIC | COMMAND")]
    words: Vec<String>,
}

/// No command or topic has this name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no command or topic `{given}`{}. Topics: {}", suggestion(nearest.as_deref()), names().join(", "))]
pub(super) struct NoPage {
    given: String,
    nearest: Option<String>,
}

fn suggestion(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(": did you mean `muster help {nearest}`?"))
}

impl Help {
    /// Prints the page on standard output.
    ///
    /// # Errors
    /// [`NoPage`].
    pub(super) fn run(&self, root: clap::Command) -> anyhow::Result<()> {
        if let [name] = &self.words[..]
            && let Some(topic) = TOPICS.iter().find(|topic| topic.name == name)
        {
            return Ok(Output::stdout().text(filled(topic.text).as_bytes())?);
        }
        check(&root, &self.words)?;
        let asked = ["muster"].into_iter().chain(self.words.iter().map(String::as_str)).chain(["--help"]);
        if let Err(help) = root.try_get_matches_from(asked) {
            // When standard output is closed, nobody can be told.
            drop(help.print());
        }
        Ok(())
    }
}

/// Checks that the words name a command.
fn check(root: &clap::Command, words: &[String]) -> Result<(), NoPage> {
    let mut command = root;
    for (number, word) in words.iter().enumerate() {
        let known = command.get_subcommands().filter(|known| !known.is_hide_set()).map(clap::Command::get_name);
        let topics = TOPICS.iter().map(|topic| topic.name).filter(|_| number == 0);
        let near = known.chain(topics).map(|known| (osa_distance(word, known), known)).min();
        let nearest = near.filter(|(distance, _)| *distance <= NEAR).map(|(_, known)| known.to_owned());
        let missing = || NoPage { given: words.join(" "), nearest };
        command = command.find_subcommand(word).ok_or_else(missing)?;
    }
    Ok(())
}

fn names() -> Vec<&'static str> {
    TOPICS.iter().map(|topic| topic.name).collect()
}

/// Returns the list of topics, for the help of the whole program.
pub(super) fn topics() -> String {
    let width = names().into_iter().map(str::len).max().unwrap_or_default();
    let lines = TOPICS.iter().map(|topic| format!("\n  {:width$}  {}", topic.name, topic.about));
    format!("Topics (muster help TOPIC):{}", lines.collect::<String>())
}

/// Returns the text after the flags of `muster doctor`.
pub(super) fn doctor() -> String {
    filled(include_str!("help/doctor.md"))
}

/// Returns the text after the flags of `muster setup` and `muster teardown`.
pub(super) fn setup() -> String {
    filled(include_str!("help/setup.md"))
}

/// Returns the text after the subcommands of `muster metrics`.
pub(super) fn metrics() -> String {
    filled(include_str!("help/metrics.md"))
}

/// Returns the text after the subcommands of `muster log`.
pub(super) fn log() -> &'static str {
    include_str!("help/log.md")
}

/// Inserts the lists that the program knows into a text.
fn filled(text: &str) -> String {
    let checks = doctor::CHECKS.iter().map(|check| format!("- `{}`: {}\n", check.name, check.title));
    let rules = RULES.iter().map(|rule| format!("- `{}`: a rule. {}.\n", rule.name(DEFAULT_NAME), rule.title));
    let kinds = KINDS.iter().map(|spec| {
        let events = match spec.relaxed {
            None => "; some of its changes cause no event".to_owned(),
            Some(relaxed) => {
                let rules = spec.event_rules.iter().map(|rule| format!("`{rule}`")).collect::<Vec<_>>();
                format!(", and every {} s while {} are proved", relaxed.as_secs(), rules.join(", "))
            }
        };
        format!("- `{}`: {}, swept every {} s{events}\n", spec.slug, spec.plural, spec.interval.as_secs())
    });
    text.replace(KINDS_HERE, kinds.collect::<String>().trim_end())
        .replace(CHECKS_HERE, checks.collect::<String>().trim_end())
        .replace(RULES_HERE, rules.collect::<String>().trim_end())
        .replace(TABLES_HERE, tables().trim_end())
        .replace(PERMISSIONS_HERE, permissions().trim_end())
        .replace(METRICS_HERE, metrics::table().trim_end())
}

/// The tables of statements with their columns, in lines that fit a page.
fn tables() -> String {
    let mut text = String::new();
    for (name, columns) in sql::described() {
        let mut line = format!("- `{name}`:");
        for (place, column) in columns.iter().enumerate() {
            let comma = if place + 1 < columns.len() { "," } else { "" };
            if line.len() + column.len() + 2 > WIDTH {
                text.push_str(&line);
                text.push('\n');
                " ".clone_into(&mut line);
            }
            line.push(' ');
            line.push_str(column);
            line.push_str(comma);
        }
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// The statements of the IAM policy with their actions. An action that several statements have is explained where it comes first.
fn permissions() -> String {
    let (all, mut explained, mut text) = (permissions::all(), BTreeSet::new(), String::new());
    for statement in STATEMENTS {
        text.extend(["## ", statement.sid, ": ", statement.title, "\n\n"]);
        for permission in all.iter().filter(|permission| permission.sids.contains(&statement.sid)) {
            let action = permission.action;
            text.push_str(&if explained.insert(action) {
                item(&format!("`{action}` {}. Without it {}.", permission.why(), permission.without()))
            } else {
                let first = permission.sids.first().copied().unwrap_or_default();
                item(&format!("`{action}`: see {first}."))
            });
        }
        text.push('\n');
    }
    text
}

/// An item of a list, in lines that fit a page.
fn item(text: &str) -> String {
    let mut lines = String::new();
    let mut line = "-".to_owned();
    for word in text.split(' ') {
        if line.len() + word.len() + 1 > WIDTH {
            lines.push_str(&line);
            lines.push('\n');
            " ".clone_into(&mut line);
        }
        line.push(' ');
        line.push_str(word);
    }
    lines + &line + "\n"
}

#[cfg(test)]
mod tests;

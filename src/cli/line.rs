//! Tidies the arguments of the command line, and the environment, before clap reads them.
//!
//! MCP clients fill templates: of `["mcp", "--region", "${user_config.region}"]` the last argument may arrive empty, or as the
//! placeholder itself. An option with a blank value counts as not given and is removed. [`crate::config::tidy`] does the same
//! for variables.

use std::any::TypeId;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};

use super::organization_flags::NARROWS_SETUP;
use super::policy;
use crate::config::environment;
use crate::config::placeholder::placeholder;
use crate::config::tidy::{self, TidiedVariables};
use crate::model::text::shown;
use crate::telemetry;

/// Commands that a client starts, or that take the same flags. A placeholder in their arguments is a mistake.
const STARTED_BY_CLIENTS: &[&str] = &["mcp", "serve", "doctor", "config", "setup", "teardown"];
/// Commands that use no account, so that their variables are not read.
const WITHOUT_ACCOUNT: &[&str] = &["simulate", "demo", "completions", "help"];

/// The allocator's setting of how many milliseconds it keeps free memory.
const PURGE_DELAY: &str = "MIMALLOC_PURGE_DELAY";

/// Placeholders that a client did not fill in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{}, which the client's configuration did not fill in: write the value itself there, or leave it out",
    told(found)
)]
pub(super) struct Unfilled {
    found: Vec<(String, String)>,
}

fn told(found: &[(String, String)]) -> String {
    let told = found.iter().map(|(name, value)| format!("{name} holds the placeholder `{}`", shown(value, 100)));
    told.collect::<Vec<_>>().join(" and ")
}

/// Returns the arguments without blank ones. The first is the program.
pub(super) fn tidied(words: Vec<OsString>, root: &Command) -> Vec<OsString> {
    let mut out: Vec<OsString> = Vec::new();
    let mut command = root;
    let mut words = words.into_iter().peekable();
    out.extend(words.next());
    let mut is_value = false;
    while let Some(word) = words.next() {
        if word == "--" {
            out.push(word);
            out.extend(words);
            break;
        }
        let follows_option = std::mem::take(&mut is_value);
        let text = word.to_str().unwrap_or_default();
        let Some(option) = text.strip_prefix("--") else {
            if !follows_option && let Some(inner) = command.find_subcommand(text) {
                command = inner;
            } else if is_blank(&word) && !command.get_positionals().any(|_| true) && !command.has_subcommands() {
                // A template filled this argument with nothing.
                continue;
            }
            out.push(word);
            continue;
        };
        if let Some((name, value)) = option.split_once('=') {
            let argument = argument(root, command, name);
            match said(argument, value) {
                Some(value) => out.push(format!("--{name}={value}").into()),
                None if argument.is_some_and(narrows) => out.push(word),
                None => {}
            }
            continue;
        }
        let argument = argument(root, command, option);
        match words.peek() {
            // A switch that is followed by a blank is not switched on: the blank may stand for `false`.
            Some(next) if is_blank(next) && argument.is_some_and(|argument| !narrows(argument)) => drop(words.next()),
            Some(next) if argument.is_some_and(takes_value) && !next.to_string_lossy().starts_with("--") => {
                let next = words.next().unwrap_or_default();
                match next.to_str() {
                    None => out.extend([word, next]),
                    Some(value) => {
                        let is_kept = argument.is_some_and(narrows);
                        if let Some(value) = said(argument, value).or_else(|| is_kept.then(|| value.to_owned())) {
                            out.extend([word, value.into()]);
                        }
                    }
                }
            }
            _ => {
                is_value = argument.is_some_and(takes_value);
                out.push(word);
            }
        }
    }
    out
}

/// Returns the name of the subcommand, even if clap cannot read the other arguments.
pub(super) fn command<'a>(words: &[OsString], root: &'a Command) -> Option<&'a str> {
    let mut skip = false;
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        if std::mem::take(&mut skip) {
            continue;
        }
        if let Some(option) = word.strip_prefix("--") {
            skip = argument(root, root, option).is_some_and(takes_value);
        } else if let Some(found) = root.find_subcommand(word) {
            return Some(found.get_name());
        }
    }
    None
}

/// Says in one line why clap cannot read the arguments.
pub(super) fn explained(error: &clap::Error, words: &[OsString], root: &Command) -> Unusable {
    let rendered = error.render().to_string();
    let told = rendered.lines().map(str::trim).filter(|line| !line.is_empty());
    let told: Vec<&str> =
        told.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more")).collect();
    let told = shown(told.join(" ").trim_start_matches("error: "), 500);
    let of_command = command(words, root).and_then(|name| root.find_subcommand(name)).unwrap_or(root);
    let mut options = of_command.get_arguments().chain(root.get_arguments());
    let named = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(named)) => {
            named.split([' ', '=', '[']).next().and_then(|word| word.strip_prefix("--"))
        }
        _ => None,
    };
    let option = options.find(|option| named.is_some() && option.get_long() == named);
    let variable =
        option.filter(|option| !option.get_long().is_some_and(|long| is_given(words, long))).and_then(Arg::get_env);
    let variable = variable.filter(|variable| std::env::var_os(variable).is_some());
    Unusable { variable: variable.map(|variable| variable.to_string_lossy().into_owned()), told }
}

/// The command line or a variable cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{} cannot be used: {told}", variable.as_deref().unwrap_or("the command line"))]
pub(super) struct Unusable {
    /// The variable that holds the value that cannot be read; `None` when the command line holds it.
    pub(super) variable: Option<String>,
    told: String,
}

/// Refuses placeholders in the variables that the command reads, and in arguments that a client wrote.
pub(super) fn filled(words: &[OsString], root: &Command) -> Result<(), Unfilled> {
    let command = command(words, root).unwrap_or("help");
    let mut found: Vec<(String, String)> = Vec::new();
    if STARTED_BY_CLIENTS.contains(&command) {
        found.extend(unfilled_words(words));
    }
    if !WITHOUT_ACCOUNT.contains(&command) {
        let texts = environment::texts();
        let texts = texts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let is_overruled = |name: &str| match name.strip_prefix("MUSTER_") {
            Some(flag) => is_given(words, &flag.to_lowercase().replace('_', "-")),
            None => is_given(words, "profile") && !name.starts_with("AWS_ENDPOINT") && name != "AWS_CA_BUNDLE",
        };
        found.extend(
            tidy::unfilled(texts, &is_overruled).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
    }
    if found.is_empty() { Ok(()) } else { Err(Unfilled { found }) }
}

/// Whether an option is given.
fn is_given(words: &[OsString], long: &str) -> bool {
    let options = words.iter().filter_map(|word| word.to_str()?.strip_prefix("--"));
    options.into_iter().any(|option| option.split('=').next() == Some(long))
}

fn unfilled_words(words: &[OsString]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut before = "the command line";
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        let (name, value) = match word.strip_prefix("--").and_then(|option| option.split_once('=')) {
            Some((_, value)) => (word.split('=').next().unwrap_or_default(), value),
            None => (before, word),
        };
        // `~` and `$HOME` are replaced when the path is read, so they are no placeholders.
        let value = environment::expand(value);
        found.extend(placeholder(&value).map(|value| (name.to_owned(), value.to_owned())));
        before = if word.starts_with("--") && !word.contains('=') { word } else { "the command line" };
    }
    found
}

/// Replaces this process by itself with a tidied environment, in which blank variables are unset. Returns only when that was not
/// needed or is not possible; then the variables stay as they are.
pub(super) fn restart_in_tidy_environment(root: &Command) {
    let lists = lists(root);
    let mut changes = environment::untidy(&|name| lists.contains(name));
    let has_blanks = !changes.is_empty();
    changes.extend(of_the_allocator(root));
    if changes.is_empty() {
        return;
    }
    if let Err(error) = restart(&changes)
        && has_blanks
    {
        telemetry::say(&format!("muster: blank variables stay as they are: {error}"));
    }
}

/// The setting with which the allocator of a server gives memory back at once, unless it has another one. It reads its settings before
/// anything of this program runs, so they have to be there from the start.
///
/// A server's threads pause after a sweep, and what they hold by then stays theirs. After a restart and a sweep of 10,000
/// instances a server had 121 MB instead of 169 MB, with 1,000 instances 64 MB instead of 97 MB; a first sweep takes 8 % more processor
/// time.
fn of_the_allocator(root: &Command) -> Option<(String, Option<String>)> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let is_server = command(&words, root) == Some("serve");
    let is_unset = std::env::var_os(PURGE_DELAY).is_none();
    (is_server && is_unset).then(|| (PURGE_DELAY.to_owned(), Some("0".to_owned())))
}

fn restart(changes: &TidiedVariables) -> std::io::Result<()> {
    let mut words = std::env::args_os();
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg0(words.next().unwrap_or_default()).args(words);
    for (name, value) in changes {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Err(command.exec())
}

/// Returns the variables of options that take several values.
fn lists(root: &Command) -> BTreeSet<String> {
    let commands = root.get_subcommands().chain([root]);
    let options = commands.flat_map(Command::get_arguments).filter(|argument| argument.get_value_delimiter().is_some());
    options.filter_map(|argument| Some(argument.get_env()?.to_str()?.to_owned())).collect()
}

/// Returns an option's value without blanks; `None` when nothing is left. A blank entry of what narrows stays, to be refused.
fn said(argument: Option<&Arg>, value: &str) -> Option<String> {
    let list = argument.filter(|argument| argument.get_value_delimiter().is_some());
    let said = match list {
        Some(argument) if narrows(argument) => tidy::bare_entries(value),
        Some(_) => tidy::without_blanks(value),
        None => value.to_owned(),
    };
    Some(said).filter(|said| !tidy::bare(said).is_empty())
}

fn argument<'a>(root: &'a Command, command: &'a Command, name: &str) -> Option<&'a Arg> {
    let mut known = command.get_arguments().chain(root.get_arguments());
    known.find(|argument| argument.get_long() == Some(name))
}

/// Whether an option narrows what tools may change, who is let in, or a printed policy, so that it must not vanish.
fn narrows(argument: &Arg) -> bool {
    let variable = argument.get_env().and_then(OsStr::to_str);
    variable.is_some_and(|variable| tidy::NARROWING.contains(&variable))
        || policy::NARROWS_IAM
            .iter()
            .chain(&NARROWS_SETUP)
            .any(|narrowing| argument.get_value_parser().type_id() == *narrowing)
}

/// Whether `flag` of `subcommand`, such as `--prices`, is the path of a file.
pub(super) fn is_path(root: &Command, subcommand: &str, flag: &str) -> bool {
    let command = root.find_subcommand(subcommand).unwrap_or(root);
    let argument = argument(root, command, flag.trim_start_matches("--"));
    argument.is_some_and(|argument| argument.get_value_parser().type_id() == TypeId::of::<PathBuf>())
}

/// Whether the word after an option is its value.
fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values() && !argument.is_require_equals_set()
}

fn is_blank(word: &OsStr) -> bool {
    word.to_str().is_some_and(|text| tidy::bare(text).is_empty())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn words(words: &[&str]) -> Vec<OsString> {
        ["muster"].iter().chain(words).map(Into::into).collect()
    }

    fn left(given: &[&str]) -> Vec<OsString> {
        tidied(words(given), &super::super::Cli::command())
    }

    #[test]
    fn an_option_with_a_blank_value_says_nothing_whatever_it_is() {
        for given in [
            &["mcp", "--region", ""][..],
            &["mcp", "--region", " \t"],
            &["mcp", "--region="],
            &["mcp", "--aws-share", "", "--keep-free="],
            &["--log", "", "mcp", "--interval", ","],
            &["mcp", "--events", "", "--data-dir", "  "],
            &["mcp", "--list", "", ""],
            &["mcp", "--allow-writes", ""],
            &["mcp", "--allow-writes="],
            &["mcp", "--log-format", ""],
        ] {
            assert_eq!(left(given), words(&["mcp"]), "{given:?}");
        }
        assert_eq!(left(&["mcp", "--interval", "instance=30s,"]), words(&["mcp", "--interval", "instance=30s"]));
    }

    #[test]
    fn what_is_not_blank_stays_as_it_is() {
        for given in [
            &["mcp", "--events", "--region", "us-east-1", "--allow-writes"][..],
            &["search", "", "tag:x="],
            &["--log", "mcp", "search", "--region", "x"],
            &["get", "--json", "i-1"],
            &["mcp", "--", "--region", ""],
            &["mcp", "--unknown"],
        ] {
            assert_eq!(left(given), words(given), "{given:?}");
        }
    }

    #[test]
    fn what_narrows_writes_does_not_vanish_with_its_value() {
        for given in [
            &["mcp", "--write-tag", ""][..],
            &["mcp", "--write-tag="],
            &["serve", "--deny-write", " \t"],
            &["mcp", "--write-cap", ""],
            &["mcp", "--write-region", ","],
            &["mcp", "--deny-write", "tag:Env=prod,"],
            &["mcp", "--write-tag=a=b,,c=d"],
            &["mcp", "--audit-required="],
            &["policy", "iam", "--region", ""],
            &["policy", "iam", "--region="],
            &["policy", "iam", "--region", "eu-west-1,"],
            &["policy", "iam", "--tag= "],
            &["policy", "iam", "--partition", ""],
            &["policy", "iam", "--account", ""],
            &["setup", "--organization", "--external-id", ""],
            &["policy", "check", "i-1", "stop_instance", "--write-tag="],
        ] {
            assert_eq!(left(given), words(given), "{given:?}");
        }
        assert_eq!(left(&["mcp", "--deny-write", " tag:a , tag:b"]), words(&["mcp", "--deny-write", "tag:a,tag:b"]));
        assert_eq!(left(&["mcp", "--audit-required", ""]), words(&["mcp", "--audit-required"]));
        let root = super::super::Cli::command();
        let options = root.get_subcommands().flat_map(Command::get_arguments);
        let variables: BTreeSet<&str> = options.filter_map(|option| option.get_env()?.to_str()).collect();
        assert!(tidy::NARROWING.iter().all(|name| variables.contains(name)), "{variables:?}");
    }

    #[test]
    fn a_blank_file_of_tokens_is_refused_and_never_lets_everybody_in() {
        for given in [
            &["serve", "--token-file", ""][..],
            &["serve", "--token-file", " \t"],
            &["serve", "--token-file="],
            &["serve", "--token-file= "],
            &["service", "install", "--token-file", ""],
            &["token", "list", "--token-file="],
        ] {
            assert_eq!(left(given), words(given), "{given:?}");
            assert!(super::super::Cli::command().try_get_matches_from(left(given)).is_err(), "{given:?}");
        }
        // What stays of a blank variable comes to clap as it is.
        let root = super::super::Cli::command();
        let serve = root.find_subcommand("serve").unwrap();
        let option = argument(&root, serve, "token-file").unwrap();
        assert_eq!(option.get_env(), Some(OsStr::new("MUSTER_TOKEN_FILE")));
        assert!(narrows(option) && is_path(&root, "serve", "--token-file"));
    }

    #[test]
    fn the_command_is_known_though_the_rest_cannot_be_read() {
        let root = super::super::Cli::command();
        for (given, expected) in [
            (&["mcp", "--nonsense"][..], Some("mcp")),
            (&["--nonsense", "mcp"], Some("mcp")),
            (&["--log", "search", "mcp", "search"], Some("mcp")),
            (&["search", "mcp"], Some("search")),
            (&["mpc"], None),
        ] {
            assert_eq!(command(&words(given), &root), expected, "{given:?}");
        }
    }

    #[test]
    fn a_placeholder_is_named_with_the_flag_before_it() {
        let found = unfilled_words(&words(&["mcp", "--region", "${input:region}", "--profile=<profile>", "{{x}}"]));
        let named: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(named, ["--region", "--profile", "the command line"]);
        let said = Unfilled { found }.to_string();
        assert!(said.starts_with("--region holds the placeholder `${input:region}` and --profile holds"), "{said}");
    }

    #[test]
    fn a_flag_that_is_the_path_of_a_file_is_known() {
        let root = super::super::Cli::command();
        assert!(is_path(&root, "serve", "--prices") && is_path(&root, "serve", "--data-dir"));
        assert!(!is_path(&root, "serve", "--list") && !is_path(&root, "serve", "--nonsense"));
    }

    #[test]
    fn every_list_is_known() {
        let lists = lists(&super::super::Cli::command());
        for name in ["MUSTER_REGIONS", "MUSTER_INTERVAL", "MUSTER_QUEUE_URL", "MUSTER_ALLOWED_HOST"] {
            assert!(lists.contains(name), "{name} is not in {lists:?}");
        }
    }
}

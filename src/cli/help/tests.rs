//! What README and the topics say of the command line is what the command line takes.

use std::collections::BTreeSet;

use clap::{CommandFactory, Parser};

use super::super::Cli;
use super::*;

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));

/// Every text that people read, by its name.
fn texts() -> Vec<(&'static str, String)> {
    let topics = TOPICS.iter().map(|topic| (topic.name, filled(topic.text)));
    let helps = [
        ("README", README.to_owned()),
        ("doctor", doctor()),
        ("setup", setup()),
        ("log", log().to_owned()),
        ("metrics", super::metrics()),
    ];
    topics.chain(helps).collect()
}

/// The lines of a text that are code: between fences, or indented.
fn code(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            lines.push(line.trim().to_owned());
        }
    }
    lines
}

/// The words of a line for the shell, up to what redirects or ends it.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            letter => words.last_mut().unwrap().push(letter),
        }
    }
    words.into_iter().take_while(|word| !["&", ">", "|"].contains(&word.as_str())).collect()
}

/// The words after `muster` of a line that runs it.
fn of_muster(line: &str) -> Option<Vec<String>> {
    let words = words(
        line.strip_prefix("cargo run --release -- ").map(|rest| format!("muster {rest}")).as_deref().unwrap_or(line),
    );
    let program = words.iter().position(|word| !word.contains('='))?;
    (words[program] == "muster").then(|| words[program..].to_vec())
}

/// Every long flag of every command.
fn flags(command: &clap::Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|argument| Some(format!("--{}", argument.get_long()?)));
    own.chain(command.get_subcommands().flat_map(flags)).collect()
}

/// The whole command line, with what clap adds to it.
fn built() -> clap::Command {
    let mut root = Cli::command();
    root.build();
    root
}

fn of<'a>(root: &'a clap::Command, name: &str) -> &'a clap::Command {
    root.find_subcommand(name).unwrap_or_else(|| panic!("there is no command {name}"))
}

/// The long flags of one command that its help does not hide.
fn visible(command: &clap::Command) -> BTreeSet<String> {
    let shown = command.get_arguments().filter(|argument| !argument.is_hide_set());
    shown.filter_map(|argument| Some(format!("--{}", argument.get_long()?))).collect()
}

/// The flags that the long help of a command defines.
fn explained(command: &clap::Command) -> BTreeSet<String> {
    let help = command.clone().render_long_help().to_string();
    // Only the definition of a flag starts a line with a dash, not far from the margin, and no blank after it.
    let lines = help.lines().filter(|line| line.len() - line.trim_start().len() <= 6).map(str::trim_start);
    let defined = lines.filter(|line| line.starts_with('-') && !line.starts_with("- "));
    defined
        .filter_map(|line| line.split([' ', ',']).find(|word| word.starts_with("--")))
        .map(|word| bare(word).to_owned())
        .collect()
}

/// A flag without its value.
fn bare(word: &str) -> &str {
    word.split([' ', '=', '[']).next().unwrap_or(word)
}

/// What stands in code spans.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The flags that spans begin with.
fn named(text: &str) -> Vec<String> {
    spans(text).filter(|span| span.starts_with("--")).map(|span| bare(span).to_owned()).collect()
}

/// The flags in a span that is one or that runs Muster.
fn said_flags(span: &str) -> Vec<String> {
    let words = span.split_whitespace();
    let is_ours = span.starts_with("--") || span.starts_with("muster ");
    words.filter(|word| is_ours && word.starts_with("--")).map(|word| bare(word).to_owned()).collect()
}

#[test]
fn every_command_of_readme_and_topics_is_one_that_the_program_takes() {
    let mut seen = 0;
    for (name, text) in texts() {
        for line in code(&text) {
            let Some(words) = of_muster(&line) else { continue };
            seen += 1;
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{name}: {line}: {error}");
            }
        }
    }
    assert!(seen > 30, "{seen} commands were found");
}

#[test]
fn every_flag_of_readme_and_topics_is_one_that_the_program_has() {
    let known = flags(&Cli::command());
    assert!(known.contains("--allow-writes") && known.contains("--data-dir"), "{known:?}");
    let mut counted = 0;
    for (name, text) in texts() {
        for flag in named(&text) {
            assert!(known.contains(&flag), "{name} names {flag}, which no command has");
            counted += 1;
        }
    }
    assert!(counted > 20, "{counted} flags were found");
}

#[test]
fn every_flag_in_a_span_that_runs_muster_is_one_of_its_command() {
    let root = built();
    for (name, text) in texts() {
        for span in spans(&text) {
            let words: Vec<&str> = span.split_whitespace().collect();
            let ["muster", rest @ ..] = &words[..] else { continue };
            let mut command = &root;
            for word in rest.iter().take_while(|word| !word.starts_with('-')) {
                command = command.find_subcommand(word).unwrap_or(command);
            }
            let known = visible(command);
            for flag in rest.iter().filter(|word| word.starts_with("--")).map(|word| bare(word)) {
                assert!(known.contains(flag), "{name}: {span}: {flag} is none of {known:?}");
            }
        }
    }
}

#[test]
fn readme_and_topics_name_every_flag_of_the_server() {
    let root = built();
    let mut of_server: BTreeSet<String> = ["serve", "mcp"].iter().flat_map(|name| visible(of(&root, name))).collect();
    of_server.retain(|flag| !["--help", "--version"].contains(&flag.as_str()));
    let mut said: BTreeSet<String> = BTreeSet::new();
    for (_, text) in texts() {
        said.extend(spans(&text).flat_map(said_flags));
    }
    // Those of other commands are tested above.
    said.retain(|flag| of_server.contains(flag));
    assert_eq!(said, of_server, "left: README and topics, right: muster serve and muster mcp");
}

#[test]
fn each_help_and_the_topic_beside_it_explain_exactly_the_commands_flags() {
    fn check(command: &clap::Command) {
        assert_eq!(explained(command), visible(command), "left: the help of {}", command.get_name());
        command.get_subcommands().filter(|command| !command.is_hide_set()).for_each(check);
    }
    let root = built();
    check(&root);
    for (topic, commands) in [("configuration", &["serve", "mcp"][..]), ("simulator", &["simulate"])] {
        let text = TOPICS.iter().find(|known| known.name == topic).unwrap().text;
        let items = text.lines().filter_map(|line| line.strip_prefix("- `--"));
        let mut explained: BTreeSet<String> =
            items.map(|item| bare(&format!("--{}", item.split('`').next().unwrap())).to_owned()).collect();
        assert!(explained.len() > 3, "{topic}: {explained:?}");
        explained.extend(commands.iter().flat_map(|name| self::explained(of(&root, name))));
        let flags: BTreeSet<String> = commands.iter().flat_map(|name| visible(of(&root, name))).collect();
        assert_eq!(explained, flags, "left: muster help {topic} and the help of {commands:?}");
    }
}

#[test]
fn every_flag_says_what_it_does() {
    fn check(command: &clap::Command) {
        for argument in command.get_arguments() {
            assert!(argument.is_hide_set() || argument.get_help().is_some(), "{} {argument}", command.get_name());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Cli::command());
}

#[test]
fn every_topic_that_is_named_exists_and_no_command_has_its_name() {
    let root = Cli::command();
    for topic in TOPICS {
        assert!(root.find_subcommand(topic.name).is_none(), "{} is a command", topic.name);
        assert!(topics().contains(&format!("  {} ", topic.name)), "{}", topics());
    }
    for (name, text) in texts() {
        for named in text.split("`muster help ").skip(1).filter_map(|rest| rest.split(['`', ' ']).next()) {
            let is_page = names().contains(&named) || root.find_subcommand(named).is_some();
            assert!(is_page, "{name} names the page {named}");
        }
    }
}

#[test]
fn what_is_no_page_is_an_error_that_names_the_nearest() {
    let error = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        check(&Cli::command(), &words).unwrap_err()
    };
    assert_eq!(error(&["event"]).nearest.as_deref(), Some("events"));
    assert_eq!(error(&["serv"]).nearest.as_deref(), Some("serve"));
    assert_eq!(error(&["log", "verfy"]).nearest.as_deref(), Some("verify"));
    let far = error(&["astronomy"]);
    assert_eq!(far.nearest, None);
    assert!(far.to_string().contains("freshness, grants, history"), "{far}");
}

#[test]
fn the_lists_are_the_programs_own() {
    for (name, text) in texts() {
        for place in [KINDS_HERE, CHECKS_HERE, RULES_HERE, TABLES_HERE, PERMISSIONS_HERE, METRICS_HERE] {
            assert!(name == "README" || !text.contains(place), "{name}");
        }
    }
    assert!(
        filled(KINDS_HERE)
            .contains("- `vpc`: VPCs, swept every 300 s, and every 3600 s while `tags`, `calls` are proved")
    );
}

#[test]
fn every_action_of_aws_is_explained_once_under_each_statement_that_has_it() {
    let page = filled(PERMISSIONS_HERE);
    let sections: Vec<&str> = page.split("## ").skip(1).collect();
    assert_eq!(sections.len(), STATEMENTS.len(), "{page}");
    for permission in permissions::all() {
        let named = format!("`{}`", permission.action);
        for sid in permission.sids {
            let section = sections.iter().find(|section| section.starts_with(&format!("{sid}:"))).unwrap();
            assert_eq!(section.matches(&format!("- {named}")).count(), 1, "{sid}: {}", permission.action);
        }
        let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
        let explained = format!("- {named} {}. Without it {}.", permission.why(), permission.without());
        assert_eq!(flat.matches(&explained).count(), 1, "{explained}");
    }
    assert!(page.lines().all(|line| line.len() <= WIDTH || line.starts_with("##")), "{page}");
}

//! Writes the block of a client's configuration that makes it start `muster mcp`.

use std::ffi::OsString;
use std::iter;
use std::path::Path;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::config::Selection;
use crate::model::shell_word::quoted;
use crate::model::text::shown;

/// An MCP client whose configuration file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum KnownClient {
    /// `claude_desktop_config.json`.
    ClaudeDesktop,
    /// `.mcp.json` in a project.
    ClaudeCode,
    /// `.vscode/mcp.json` in a workspace.
    #[value(name = "vscode")]
    VsCode,
    /// `~/.cursor/mcp.json`.
    Cursor,
    /// `~/.codex/config.toml`.
    Codex,
    /// `~/.gemini/settings.json`.
    Gemini,
    /// `~/.config/goose/config.yaml`.
    Goose,
}

/// The profile in the block when none is given.
pub(super) const DEFAULT_PROFILE: &str = "default";

/// The longest note about a variable.
const SHOWN: usize = 2_000;

/// The region in the block when no region is known.
const PLACEHOLDER_REGION: &str = "us-east-1";

/// One server's entry in a client's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServerEntry {
    command: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    gaps: Vec<&'static str>,
}

impl ServerEntry {
    /// Makes the entry that runs `subcommand` of `program` with these further arguments for `selection`.
    ///
    /// It never contains credentials. Without a profile it names `default`, as the AWS CLI does. Without a region it names a
    /// placeholder, which [`ServerEntry::notes`] mentions.
    pub(super) fn new(program: &Path, subcommand: &str, words: &[OsString], selection: &Selection) -> Self {
        let mut environment: Vec<(String, String)> =
            selection.variables().map(|(name, value)| (name.to_owned(), value)).collect();
        let mut gaps = Vec::new();
        if selection.region.is_none() && !selection.is_all() && !selection.has_accounts() {
            let place = environment.iter().take_while(|(name, _)| name == "AWS_PROFILE").count();
            environment.insert(place, pair("AWS_REGION", PLACEHOLDER_REGION));
            gaps.push("No region is known: replace the placeholder us-east-1, or give --region.");
        }
        if selection.has_keys() {
            gaps.push(
                "Your shell sets AWS keys; they are not copied into this block. Put them in a profile and name it with \
                 --profile, which takes precedence over keys that the client may have in its environment.",
            );
        }
        if selection.profile().is_none() && !selection.has_accounts() {
            environment.insert(0, pair("AWS_PROFILE", DEFAULT_PROFILE));
            gaps.push("No profile given: using default; give --profile for another.");
        }
        let arguments = words.iter().map(|word| word.to_string_lossy().into_owned());
        ServerEntry {
            command: program.to_string_lossy().into_owned(),
            arguments: iter::once(subcommand.to_owned()).chain(arguments).collect(),
            environment,
            gaps,
        }
    }

    /// The program.
    pub(super) fn command(&self) -> &str {
        &self.command
    }

    /// Its arguments.
    pub(super) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The variables that it needs.
    pub(super) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The value of one of them.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Says which variables lead `what` to another EC2 than AWS's.
    pub(super) fn endpoint_notes(&self, what: &str) -> Vec<String> {
        let named = self.environment.iter().filter(|(name, _)| name.starts_with("AWS_ENDPOINT_URL"));
        let note = |(name, url): &(String, String)| {
            let said = format!(
                "{what} uses {name}={url}, as this shell does. Unset {name} and run this again for AWS itself."
            );
            shown(&said, SHOWN)
        };
        named.map(note).collect()
    }

    /// What a person has to check.
    pub(super) fn gaps(&self) -> &[&'static str] {
        &self.gaps
    }

    /// Writes the part of the client's configuration file that starts Muster.
    pub(super) fn block(&self, client: KnownClient) -> String {
        let environment = self.environment.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
        let environment: Map<String, Value> = environment.collect();
        let mut server = Map::new();
        let servers = match client {
            KnownClient::ClaudeDesktop | KnownClient::Gemini => "mcpServers",
            KnownClient::ClaudeCode | KnownClient::Cursor => {
                server.insert("type".into(), "stdio".into());
                "mcpServers"
            }
            KnownClient::VsCode => {
                server.insert("type".into(), "stdio".into());
                "servers"
            }
            KnownClient::Codex => return self.codex(&environment),
            KnownClient::Goose => return self.goose(&environment),
        };
        server.insert("command".into(), self.command.as_str().into());
        server.insert("args".into(), self.arguments.clone().into());
        server.insert("env".into(), environment.into());
        format!("{:#}", json!({ servers: { "muster": server } }))
    }

    /// A table of TOML. A string of JSON is one of TOML too, but for a character that JSON leaves as it is.
    fn codex(&self, environment: &Map<String, Value>) -> String {
        let string = |value: &Value| value.to_string().replace('\u{7f}', "\\u007f");
        let arguments: Vec<String> = self.arguments.iter().map(|word| string(&word.as_str().into())).collect();
        let environment: Vec<String> =
            environment.iter().map(|(name, value)| format!("{name} = {}", string(value))).collect();
        format!(
            "[mcp_servers.muster]\ncommand = {}\nargs = [{}]\n\n[mcp_servers.muster.env]\n{}",
            string(&self.command.as_str().into()),
            arguments.join(", "),
            environment.join("\n")
        )
    }

    /// An entry of YAML, whose values are JSON, which is YAML too.
    fn goose(&self, environment: &Map<String, Value>) -> String {
        format!(
            "extensions:\n  muster:\n    name: muster\n    type: stdio\n    enabled: true\n    cmd: {}\n    args: {}\n    \
             envs: {}\n    timeout: 300",
            Value::from(self.command.as_str()),
            json!(self.arguments),
            json!(environment)
        )
    }

    /// Says where the block belongs, and what in it a person has to check.
    pub(super) fn notes(&self, client: KnownClient) -> Vec<String> {
        let place = match client {
            KnownClient::ClaudeDesktop => {
                "Merge this into claude_desktop_config.json (Settings > Developer > Edit Config) and \
                                      restart Claude Desktop."
                    .to_owned()
            }
            KnownClient::ClaudeCode => {
                format!("Save this as .mcp.json in your project, or run:\n  {}", self.claude_mcp_add())
            }
            KnownClient::VsCode => "Save this as .vscode/mcp.json in your workspace.".to_owned(),
            KnownClient::Cursor => {
                "Merge this into ~/.cursor/mcp.json, or save it as .cursor/mcp.json in your project.".to_owned()
            }
            KnownClient::Codex => {
                format!(
                    "Append this to ~/.codex/config.toml, or run:\n  {}",
                    self.adding("codex mcp add muster", "--env")
                )
            }
            KnownClient::Gemini => {
                "Merge this into ~/.gemini/settings.json, or save it as .gemini/settings.json in your project."
                    .to_owned()
            }
            KnownClient::Goose => "Merge this into ~/.config/goose/config.yaml, and restart goose.".to_owned(),
        };
        iter::once(place).chain(self.gaps.iter().map(|gap| (*gap).to_owned())).collect()
    }

    /// Writes the command that adds the server for every project of this user.
    fn claude_mcp_add(&self) -> String {
        self.adding("claude mcp add muster --scope user", "--env")
    }

    /// Writes a client's command that adds the server. `variable` is its flag for a variable.
    fn adding(&self, command: &str, variable: &str) -> String {
        let environment =
            self.environment.iter().map(|(name, value)| format!(" {variable} {}", quoted(&format!("{name}={value}"))));
        let words = iter::once(&self.command).chain(&self.arguments).map(|word| format!(" {}", quoted(word)));
        format!("{command}{} --{}", environment.collect::<String>(), words.collect::<String>())
    }
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Environment;

    fn entry(words: &[&str], variables: &[(&'static str, &str)]) -> ServerEntry {
        let selection = Selection::new(None, None, &[], &Environment::of(variables, None));
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        ServerEntry::new(Path::new("/opt/my bin/muster"), "mcp", &words, &selection)
    }

    fn parsed(entry: &ServerEntry, client: KnownClient) -> Value {
        serde_json::from_str(&entry.block(client)).unwrap()
    }

    #[test]
    fn a_profile_asked_for_by_name_is_a_flag_so_that_no_keys_of_the_client_come_before_it() {
        let keys = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "hushed")];
        let keys = [keys[0], keys[1], ("AWS_PROFILE", "other"), SET[1]];
        let selection = Selection::new(Some("corp".into()), None, &[], &Environment::of(&keys, None));
        let words = ["--profile", "corp"].map(OsString::from);
        let entry = ServerEntry::new(Path::new("/muster"), "mcp", &words, &selection);
        let server = &parsed(&entry, KnownClient::ClaudeDesktop)["mcpServers"]["muster"];
        assert_eq!(server["args"], json!(["mcp", "--profile", "corp"]));
        assert_eq!(server["env"], json!({"AWS_REGION": "eu-central-1"}));
        assert!(entry.gaps.is_empty(), "{:?}", entry.gaps);
    }

    const SET: [(&str, &str); 2] = [("AWS_PROFILE", "dev"), ("AWS_REGION", "eu-central-1")];

    #[test]
    fn claude_desktop_gets_a_command_with_its_environment() {
        let expected = json!({"mcpServers": {"muster": {
            "command": "/opt/my bin/muster",
            "args": ["mcp"],
            "env": {"AWS_PROFILE": "dev", "AWS_REGION": "eu-central-1"},
        }}});
        let entry = entry(&[], &SET);
        assert_eq!(parsed(&entry, KnownClient::ClaudeDesktop), expected);
        assert_eq!(entry.gaps, Vec::<&str>::new());
    }

    #[test]
    fn vs_code_and_claude_code_name_the_transport() {
        let entry = entry(&["--allow-writes"], &SET);
        let server = &parsed(&entry, KnownClient::VsCode)["servers"]["muster"];
        assert_eq!((&server["type"], &server["args"]), (&json!("stdio"), &json!(["mcp", "--allow-writes"])));
        assert_eq!(parsed(&entry, KnownClient::ClaudeCode)["mcpServers"]["muster"]["type"], json!("stdio"));
        assert_eq!(
            entry.notes(KnownClient::ClaudeCode)[0].lines().nth(1).unwrap().trim(),
            "claude mcp add muster --scope user --env AWS_PROFILE=dev --env AWS_REGION=eu-central-1 -- \
             '/opt/my bin/muster' mcp --allow-writes"
        );
    }

    #[test]
    fn what_is_not_known_is_said() {
        let entry = entry(&[], &[]);
        assert_eq!(
            parsed(&entry, KnownClient::ClaudeDesktop)["mcpServers"]["muster"]["env"],
            json!({"AWS_PROFILE": "default", "AWS_REGION": "us-east-1"})
        );
        assert_eq!(entry.gaps.len(), 2);
    }

    #[test]
    fn an_endpoint_is_carried_and_keys_never_are() {
        let endpoint = ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000");
        let key = [("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "hushed")];
        let entry = entry(&[], &[SET[0], SET[1], endpoint, key[0], key[1]]);
        let block = entry.block(KnownClient::ClaudeDesktop);
        assert!(block.contains("http://127.0.0.1:5000"));
        assert!(!block.contains("AKIA") && !block.contains("hushed"));
        assert!(entry.gaps[0].contains("keys"));
        let notes = entry.endpoint_notes("The block");
        assert!(notes.len() == 1 && notes[0].starts_with("The block uses AWS_ENDPOINT_URL=http://127.0.0.1:5000, "));
        assert!(notes[0].contains("Unset AWS_ENDPOINT_URL "), "{notes:?}");
    }

    #[test]
    fn every_other_client_gets_its_own_form_with_the_same_content() {
        let entry = entry(&["--profile", "a \"b\" c\u{7f}"], &SET);
        for client in [KnownClient::Cursor, KnownClient::Gemini] {
            let server = &parsed(&entry, client)["mcpServers"]["muster"];
            assert_eq!((&server["command"], &server["args"][0]), (&json!("/opt/my bin/muster"), &json!("mcp")));
        }
        let codex: toml::Table = toml::from_str(&entry.block(KnownClient::Codex)).unwrap();
        let server = &codex["mcp_servers"]["muster"];
        assert_eq!(server["args"][2].as_str(), Some("a \"b\" c\u{7f}"));
        assert_eq!(server["env"]["AWS_REGION"].as_str(), Some("eu-central-1"));
        assert!(entry.notes(KnownClient::Codex)[0].contains("codex mcp add muster --env AWS_PROFILE=dev"));
        let goose = entry.block(KnownClient::Goose);
        assert!(
            goose.contains("    cmd: \"/opt/my bin/muster\"\n") && goose.contains("    envs: {\"AWS_PROFILE\":\"dev\""),
            "{goose}"
        );
    }
}

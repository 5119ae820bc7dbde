//! `muster config` prints a block that a client can use as it is.

use std::path::Path;

use serde_json::Value;

use crate::harness::muster::{MUSTER, Sandbox};

#[test]
fn each_client_gets_valid_json_that_starts_this_very_binary() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_PROFILE", "dev");
    sandbox.set("AWS_REGION", "eu-central-1");
    let binary = Path::new(MUSTER).canonicalize().unwrap();
    for (client, servers) in [
        ("claude-desktop", "mcpServers"),
        ("claude-code", "mcpServers"),
        ("vscode", "servers"),
        ("cursor", "mcpServers"),
        ("gemini", "mcpServers"),
    ] {
        for flags in [&[][..], &["--allow-writes"]] {
            let arguments = [&["config", "--client", client], flags].concat();
            let output = sandbox.muster(&arguments).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let block: Value = serde_json::from_slice(&output.stdout).unwrap();
            let server = &block[servers]["muster"];
            let command = Path::new(server["command"].as_str().unwrap());
            assert!(command.is_absolute(), "{command:?}");
            assert_eq!(command.canonicalize().unwrap(), binary);
            let words: Vec<&str> =
                server["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            assert_eq!(words[0], "mcp");
            assert_eq!(words.contains(&"--allow-writes"), !flags.is_empty(), "{words:?}");
            assert_eq!(server["env"]["AWS_PROFILE"], "dev");
            assert_eq!(server["env"]["AWS_REGION"], "eu-central-1");
        }
    }
}

#[test]
fn codex_and_goose_get_the_form_of_their_own_files() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_PROFILE", "dev");
    sandbox.set("AWS_REGION", "eu-central-1");
    let printed = |client: &str| {
        let output = sandbox.muster(&["config", "--client", client, "--allow-writes"]).output().unwrap();
        let notes = String::from_utf8(output.stderr).unwrap();
        (String::from_utf8(output.stdout).unwrap(), notes)
    };
    let (block, notes) = printed("codex");
    let block: toml::Table = toml::from_str(&block).unwrap();
    let server = &block["mcp_servers"]["muster"];
    assert!(Path::new(server["command"].as_str().unwrap()).is_absolute());
    assert_eq!(server["args"].as_array().unwrap().len(), 2);
    assert_eq!(server["env"]["AWS_PROFILE"].as_str(), Some("dev"));
    assert!(notes.contains("codex mcp add muster --env AWS_PROFILE=dev"), "{notes}");
    let (block, notes) = printed("goose");
    let value = |name: &str| {
        let line = block.lines().find_map(|line| line.trim().strip_prefix(&format!("{name}: "))).unwrap();
        serde_json::from_str::<Value>(line).unwrap()
    };
    assert_eq!(value("args"), serde_json::json!(["mcp", "--allow-writes"]));
    assert_eq!(value("envs")["AWS_REGION"], "eu-central-1");
    assert!(block.starts_with("extensions:\n  muster:\n") && notes.contains("config.yaml"), "{block}{notes}");
}

#[test]
fn credentials_of_the_environment_are_never_printed() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_ACCESS_KEY_ID", "AKIDEXAMPLEKEY");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "a-secret-to-keep");
    let output = sandbox.muster(&["config", "--client", "claude-code"]).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    let printed = String::from_utf8_lossy(&printed);
    for secret in ["AKIDEXAMPLEKEY", "a-secret-to-keep"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

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
    for (client, servers) in [("claude-desktop", "mcpServers"), ("claude-code", "mcpServers"), ("vscode", "servers")] {
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

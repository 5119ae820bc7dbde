//! `muster config` prints a block that a client can use as it is, and checks, describes and writes configuration files, which a
//! server reads again without losing its clients.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::muster::{MUSTER, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::python::Environment as PythonEnvironment;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

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

/// Writes a file in the root of a sandbox.
fn written(sandbox: &Sandbox, name: &str, text: &str) -> PathBuf {
    let path = sandbox.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path
}

/// The exit code of a command, and what it prints on standard output and standard error.
fn run(sandbox: &Sandbox, words: &[&str]) -> (i32, String, String) {
    let output = sandbox.muster(words).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_file_from_the_profiles_at_hand_can_be_used_and_is_never_overwritten() {
    let sandbox = Sandbox::bare();
    let profiles = "[profile dev]\nregion = eu-west-1\nrole_arn = arn:aws:iam::111122223333:role/dev\nsource_profile = hub\n\
                    [profile hub]\nsso_account_id = 444455556666\n";
    written(&sandbox, "home/.aws/config", profiles);
    let (code, said, errors) = run(&sandbox, &["config", "init"]);
    assert!(code == 0 && said.contains("/muster.toml"), "{said}{errors}");
    let text = fs::read_to_string(sandbox.path().join("muster.toml")).unwrap();
    let (code, _, errors) = run(&sandbox, &["config", "init"]);
    assert!(code == 1 && errors.contains("exists already"), "{errors}");
    assert_eq!(run(&sandbox, &["config", "init", "-"]).1, text);
    let (code, said, errors) = run(&sandbox, &["config", "check", "muster.toml", "--json"]);
    assert_eq!(code, 0, "{errors}");
    let said: Value = serde_json::from_str(&said).unwrap();
    let accounts: Vec<(&Value, &Value, &Value)> = said["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["profile"], &one["account"], &one["regions"]))
        .collect();
    let expected = [
        (&json!("dev"), &json!("111122223333"), &json!(["eu-west-1"])),
        (&json!("hub"), &json!("444455556666"), &json!("all")),
    ];
    assert_eq!(accounts, expected);
    let (code, said, _) = run(&sandbox, &["config", "check", "muster.toml"]);
    assert!(code == 0 && said.contains("profile hub") && said.contains("111122223333"), "{said}");
    written(&sandbox, "other.toml", "regions = \"all\"\n[[accounts]]\nprofile = \"hob\"\n");
    let (code, _, errors) = run(&sandbox, &["config", "check", "other.toml"]);
    assert!(code == 0 && errors.contains("no profile hob"), "{errors}");
}

#[test]
fn a_mistake_in_a_file_is_named_with_its_place_and_the_schema_has_every_key_that_is_read() {
    let sandbox = Sandbox::bare();
    let path = written(&sandbox, "muster.toml", "lst = \"all\"\n\n[[accounts]]\nprofile = \"a\"\n");
    let (code, _, errors) = run(&sandbox, &["config", "check", "muster.toml"]);
    assert_eq!(code, 2, "{errors}");
    let lines: Vec<&str> = errors.lines().collect();
    assert!(lines[0].contains("muster.toml:1:1: lst: there is no such key: did you mean list?"), "{errors}");
    assert!(lines[1].contains("muster.toml:3:1: accounts.regions: there are no regions to watch"), "{errors}");
    let (code, _, errors) = run(&sandbox, &["serve", "--config", path.to_str().unwrap()]);
    assert!(code == 2 && errors.contains("muster.toml:1:1"), "{errors}");
    let schema: Value = serde_json::from_str(&run(&sandbox, &["config", "schema"]).1).unwrap();
    // An unknown key is refused with all that are known.
    fs::write(&path, "a_key_that_is_like_no_other = 1\n[[accounts]]\na_key_that_is_like_no_other = 1\nprofile = \"a\"")
        .unwrap();
    let (_, _, errors) = run(&sandbox, &["config", "check", "muster.toml"]);
    let known = |key: &str| {
        let line =
            errors.lines().find(|line| line.contains(&format!(" {key}: there is no such key. Keys are "))).unwrap();
        let keys = line.split_once("Keys are ").unwrap().1.split(", ");
        keys.map(str::to_owned).collect::<Vec<_>>()
    };
    let keys = |properties: &Value| {
        let mut keys: Vec<String> = properties.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys
    };
    assert_eq!(keys(&schema["properties"]), known("a_key_that_is_like_no_other"));
    let of_account = &schema["properties"]["accounts"]["items"]["properties"];
    assert_eq!(keys(of_account), known("accounts.a_key_that_is_like_no_other"));
    assert!(keys(&schema["properties"]).contains(&"redact_tag_keys".to_owned()));
}

/// The configuration files in a page of help, which are indented.
fn examples(page: &str) -> Vec<String> {
    let mut examples = vec![String::new()];
    for line in page.lines() {
        match line.strip_prefix("    ") {
            Some(line) => examples.last_mut().unwrap().extend([line, "\n"]),
            None if line.is_empty() => examples.last_mut().unwrap().push('\n'),
            None => examples.push(String::new()),
        }
    }
    let is_file = |text: &String| text.contains(" = ");
    examples.into_iter().map(|text| text.trim().to_owned() + "\n").filter(is_file).collect()
}

#[test]
fn every_example_can_be_used_and_fits_the_schema() {
    let sandbox = Sandbox::bare();
    let pages = ["accounts", "configuration"].map(|topic| run(&sandbox, &["help", topic]).1);
    let mut texts: Vec<String> = pages.iter().flat_map(|page| examples(page)).collect();
    assert!(texts.len() >= 7, "{texts:#?}");
    texts.push(run(&sandbox, &["config", "init", "-"]).1);
    let paths: Vec<PathBuf> =
        texts.iter().enumerate().map(|(nth, text)| written(&sandbox, &format!("{nth}.toml"), text)).collect();
    for (path, text) in paths.iter().zip(&texts) {
        let (code, said, errors) = run(&sandbox, &["config", "check", path.to_str().unwrap()]);
        assert!(code == 0 && said.contains("can be used"), "{text}{errors}");
    }
    let schema = written(&sandbox, "schema.json", &run(&sandbox, &["config", "schema"]).1);
    let wrong =
        ["lst = 1\n", "[[accounts]]\nprofile = 1\nrole_arn = 2\n", "[[accounts]]\nprofile = \"a\"\nevents = []\n"];
    let wrong = wrong.iter().enumerate().map(|(nth, text)| written(&sandbox, &format!("wrong-{nth}.toml"), text));
    let all: Vec<PathBuf> = paths.into_iter().chain(wrong).collect();
    let output = PythonEnvironment::Mcp1.script("schema.py").arg(schema).args(all).output().unwrap();
    let faults: Vec<Vec<String>> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let (right, wrong) = faults.split_at(texts.len());
    assert!(right.iter().all(Vec::is_empty), "{right:#?}");
    assert!(wrong.iter().all(|faults| !faults.is_empty()), "{wrong:#?}");
}

#[test]
fn a_file_that_makes_no_sense_is_refused_with_what_to_do() {
    let sandbox = Sandbox::bare();
    let account = "[[accounts]]\nrole_arn = \"arn:aws:iam::111122223333:role/muster\"\n";
    for (text, expected) in [
        ("regions = [\"eu-west-1\", \"cn-north-1\"]\n".to_owned(), "eu-west-1 of aws and cn-north-1 of aws-cn"),
        (format!("regions = [\"eu-west-1\", \"us-gov-west-1\"]\n{account}"), "us-gov-west-1 of aws-us-gov"),
        (
            format!("regions = \"all\"\nallow_writes = true\nwrite_account = \"444455556666\"\n{account}"),
            "give one of 111122223333",
        ),
        ("regions = [\"eu-cental-1\"]\n".to_owned(), "did you mean `eu-central-1`?"),
        ("region = \"eu-cental-1\"\n".to_owned(), "did you mean `eu-central-1`?"),
        (
            "regions = \"all\"\n[organization]\nrole_name = \"muster\"\nexclude = []\n".to_owned(),
            "organization.exclude: it is empty",
        ),
        (format!("regions = \"all\"\n{account}events = \"https://h\"\n"), "is not a queue URL"),
        (format!("regions = \"all\"\n{account}events = {{ eu-cental-1 = \"off\" }}\n"), "did you mean `eu-central-1`?"),
        ("http = \"0.0.0.0:80\"\n".to_owned(), "muster.toml:1:1: http"),
        ("quiet_interval = \"1ms\"\n".to_owned(), "too short"),
        (
            "ec2_api = \"localhost:8378\"\n".to_owned(),
            "muster.toml:1:1: ec2_api: `localhost:8378` is no IP address with a port: give one such as 127.0.0.1:8378",
        ),
    ] {
        written(&sandbox, "muster.toml", &text);
        let (code, _, errors) = run(&sandbox, &["config", "check", "muster.toml"]);
        assert!(code == 2 && errors.contains(expected), "{text}{errors}");
    }
    written(
        &sandbox,
        "muster.toml",
        &format!("regions = [\"EU-West-1\"]\n{account}events = {{ EU-WEST-1 = \"off\" }}\n"),
    );
    let (code, said, errors) = run(&sandbox, &["config", "check", "muster.toml", "--json"]);
    assert!(code == 0 && said.contains("\"eu-west-1\"") && !said.contains("EU-"), "{said}{errors}");
}

/// Settings of EC2's read API without its address started a server that did nothing of them.
#[test]
fn settings_that_no_server_could_serve_by_are_said_when_a_file_is_checked_and_refused_by_a_server() {
    let sandbox = Sandbox::bare();
    let keys =
        written(&sandbox, "keys.toml", "[[keys]]\nid = \"AKIAMUSTEREXAMPLE1\"\nsecret = \"made-up-for-this-test\"\n");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).unwrap();
    for (text, expected) in [
        ("ec2_api_pass = \"reads\"\n", "ec2_api_pass has no effect without ec2_api"),
        ("max_stale = \"10m\"\n", "max_stale has no effect without ec2_api"),
        ("ec2_api_keys = \"keys.toml\"\n", "ec2_api_keys has no effect without ec2_api"),
        ("ec2_api = \"127.0.0.1:8378\"\nmax_stale = \"0s\"\n", "give at least 1s"),
        ("ec2_api = \"127.0.0.1:8378\"\nhttp = \"127.0.0.1:8378\"\n", "ec2_api and http both have"),
        ("ec2_api = \"127.0.0.1:8378\"\nec2_api_keys = \"keys.toml\"\n", "chmod 600"),
    ] {
        let path = written(&sandbox, "muster.toml", text);
        let (code, said, errors) = run(&sandbox, &["config", "check", "muster.toml"]);
        // Flags may give what is missing.
        assert!(code == 0 && said.contains("can be used") && errors.contains(expected), "{text}{errors}");
        assert!(errors.contains("`muster serve` refuses this file"), "{errors}");
        let (code, _, errors) = run(&sandbox, &["serve", "--config", path.to_str().unwrap(), "--region", "eu-west-1"]);
        assert!(code == 2 || (code == 1 && errors.contains("chmod 600")), "{text}{code} {errors}");
    }
    written(&sandbox, "muster.toml", "ec2_api = \"127.0.0.1:8378\"\nec2_api_pass = \"reads\"\nmax_stale = \"1s\"\n");
    let (code, _, errors) = run(&sandbox, &["config", "check", "muster.toml"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    let (code, _, errors) = run(&sandbox, &["serve", "--metrics", "localhost:9377"]);
    assert!(code == 2 && errors.contains("such as 127.0.0.1:9377"), "{errors}");
}

#[test]
fn a_broken_file_keeps_nobody_from_asking_the_server_that_runs() {
    let simulator = Simulator::start(5, &["--accounts", "1"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let right = format!(
        "regions = {:?}\ninterval = {{ all = \"1h\" }}\naws_share = 1\nhttp = \"127.0.0.1:0\"\nidle_exit = \"1h\"\n\
         [[accounts]]\nrole_arn = \"arn:aws:iam::200000000001:role/reader\"\n",
        simulator.endpoint().region
    );
    let path = written(&sandbox, "muster.toml", &right);
    let file = path.to_str().unwrap();
    let mut server = Running::start("serve", sandbox.muster(&["serve", "--config", file]));
    let facts: Value = serde_json::from_str(&server.line(PATIENCE)).unwrap();
    let http = facts["http"].as_str().expect("the file says where to listen");
    let mut client = Client::http(http);
    eventually("everything is swept", || client.is_swept().then_some(()));
    let asked = |flags: &[&str]| run(&sandbox, &[&["count"], flags].concat());
    let (code, expected, errors) = asked(&["--config", file]);
    assert_eq!(code, 0, "{errors}");
    let data = facts["data_dir"].as_str().unwrap().to_owned();
    for broken in
        [right.replace("[[accounts]]", "[[accounts]"), right.replace("all =", "all"), "regions = [".to_owned()]
    {
        fs::write(&path, broken).unwrap();
        let (code, said, errors) = asked(&["--config", file]);
        assert!(code == 0 && said == expected, "{said}{errors}");
        assert!(errors.contains("muster.toml:") && errors.contains("goes on without it"), "{errors}");
        let (code, said, errors) = asked(&["--config", file, "--data-dir", &data]);
        assert!(code == 0 && said == expected, "{said}{errors}");
    }
    fs::remove_file(&path).unwrap();
    let (code, said, errors) = asked(&["--config", file]);
    assert!(code == 0 && said == expected && errors.contains("there is no such file"), "{said}{errors}");
    let (code, _, errors) = asked(&["--config", &format!("{file}.other")]);
    assert!(code == 2 && errors.contains("there is no such file"), "{errors}");
    assert!(server.signal(Signal::TERM));
    server.wait(PATIENCE);
}

#[test]
fn a_file_that_is_read_again_changes_the_accounts_and_no_client_notices() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let keys = "[one]\naws_access_key_id = testing\naws_secret_access_key = testing\n";
    written(&sandbox, "home/.aws/credentials", keys);
    let home = simulator.endpoint().region;
    let of = |more: &str, regions: &[&str]| format!("{more}\n[[accounts]]\nprofile = \"one\"\nregions = {regions:?}\n");
    let path = written(&sandbox, "muster.toml", &of("", &[&home]));
    let server = sandbox.serve(&[&RARELY[..], &["--config", path.to_str().unwrap()]].concat());
    let mut client = Client::http(&server.http);
    let mut watches = |regions: &[&str]| {
        eventually("the regions of the file are watched", || {
            let summary = client.read("ec2://inventory/summary");
            (summary["watched_regions"] == json!(regions)).then_some(())
        });
    };
    watches(&[&home]);
    let data = sandbox.data();
    let reload = || run(&sandbox, &["reload", "--data-dir", data.to_str().unwrap()]);

    fs::write(&path, of("list = \"all\"", &[&home, "us-west-2"])).unwrap();
    let (code, said, errors) = reload();
    assert!(code == 0 && said.contains("accounts changed: "), "{said}{errors}");
    assert!(errors.contains("`muster restart`: list"), "{errors}");
    watches(&[&home, "us-west-2"]);

    for wrong in ["list = 1\n", "[[accounts]]\nprofil = \"one\"\n", ""] {
        fs::write(&path, wrong).unwrap();
        let (code, said, errors) = reload();
        assert!(code == 1 && errors.contains("muster.toml"), "{said}{errors}");
        watches(&[&home, "us-west-2"]);
    }

    fs::write(&path, of("", &["us-west-2"])).unwrap();
    assert!(server.running.signal(Signal::HUP));
    watches(&["us-west-2"]);
}

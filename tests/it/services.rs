//! `muster service`: what it writes is what systemd and launchd take, and a server tells systemd how it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::PATIENCE;
use crate::harness::authority::Authority;
use crate::harness::muster::{MUSTER, RARELY, Sandbox};
use crate::harness::simulator::Simulator;

/// A program whose path holds what systemd could read as something else.
fn awkward(sandbox: &Sandbox) -> PathBuf {
    let directory = sandbox.path().join("100% my $HOME bin");
    fs::create_dir(&directory).unwrap();
    let program = directory.join("muster");
    if fs::hard_link(MUSTER, &program).is_err() {
        fs::copy(MUSTER, &program).unwrap();
    }
    program
}

fn run(program: &Path, sandbox: &Sandbox, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(program);
    let output = command.env_clear().envs(sandbox.environment().iter().cloned()).args(words).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap_or(-1), String::from_utf8(text).unwrap())
}

#[test]
fn a_unit_is_what_systemd_takes_whatever_the_path_is() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_PROFILE", "dev \"x\" 50%");
    sandbox.set("AWS_REGION", "eu-central-1");
    let program = awkward(&sandbox);
    let data = sandbox.path().join("data 7% $5");
    let words = ["service", "install", "--data-dir", data.to_str().unwrap(), "--interval", "all=5m"];
    let (code, said) = run(&program, &sandbox, &words);
    assert_eq!(code, 0, "{said}");
    let unit = sandbox.path().join("home/.config/systemd/user/muster.service");
    let stop = format!("muster stop --data-dir '{}'", data.display());
    for part in
        [format!("wrote {}", unit.display()).as_str(), "systemctl --user enable --now muster.service", stop.as_str()]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let text = fs::read_to_string(&unit).unwrap();
    assert!(text.contains("Type=notify") && text.contains("WatchdogSec="), "{text}");
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let words = unquoted(line);
    assert_eq!(Path::new(&words[0]), program, "{line}");
    assert_eq!(words[1], "serve");
    assert!(words.contains(&data.to_str().unwrap().to_owned()), "{words:?}");
    assert!(
        unquoted(text.lines().find_map(|line| line.strip_prefix("Environment=")).unwrap())[0]
            .ends_with("dev \"x\" 50%")
    );
    verified(&sandbox, &unit);

    // Only what was written here is overwritten and removed.
    let (code, said) = run(&program, &sandbox, &["service", "uninstall"]);
    assert!(code == 0 && said.contains(&format!("removed {}", unit.display())), "{said}");
    assert_eq!(run(&program, &sandbox, &["service", "install"]).0, 0);
    let (code, said) = run(&program, &sandbox, &["service", "uninstall"]);
    assert!(code == 0 && said.contains(&format!("removed {}", unit.display())) && !unit.exists(), "{said}");
    let (code, said) = run(&program, &sandbox, &["service", "uninstall"]);
    assert!(code == 1 && said.contains("there is no service"), "{said}");
    fs::write(&unit, "[Service]\nExecStart=/bin/true\n").unwrap();
    for words in [&["service", "install"][..], &["service", "uninstall"]] {
        let (code, said) = run(&program, &sandbox, words);
        assert!(code == 1 && said.contains("was not written by"), "{said}");
    }
    assert_eq!(run(&program, &sandbox, &["service", "install", "--name", "a/b"]).0, 2);
}

#[test]
fn a_service_asks_for_tokens_as_whoever_installs_it_says_and_one_that_asks_nobody_is_said_to_be_open() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_PROFILE", "dev");
    sandbox.set("AWS_REGION", "eu-central-1");
    let program = Path::new(MUSTER);
    let install = ["service", "install", "--print", "--manager", "systemd", "--http", "127.0.0.1:8377"];
    let (code, said) = run(program, &sandbox, &install);
    assert!(code == 0 && said.contains("lets in whoever can connect"), "{said}");
    let (code, without_http) = run(program, &sandbox, &install[..5]);
    assert!(code == 0 && !without_http.contains("lets in whoever can connect"), "{without_http}");
    let printed = |sandbox: &Sandbox, more: &[&str]| {
        let (code, said) = run(program, sandbox, &[&install[..], more].concat());
        assert!(code == 0 && !said.contains("lets in whoever can connect"), "{said}");
        unquoted(said.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap())
    };
    let file_of = |words: &[String]| {
        let at = words.iter().position(|word| word == "--token-file").unwrap();
        words[at + 1].clone()
    };
    let words = printed(&sandbox, &["--token-file", "tokens.toml", "--public-url", "https://m.example.com/mcp"]);
    let file = file_of(&words);
    assert!(Path::new(&file).is_absolute() && file.ends_with("/tokens.toml"), "{words:?}");
    assert!(words.contains(&"https://m.example.com/mcp".to_owned()), "{words:?}");
    let config = sandbox.path().join("muster.toml");
    fs::write(&config, "token_file = \"/etc/muster/tokens.toml\"\n").unwrap();
    printed(&sandbox, &["--config", config.to_str().unwrap()]);
    sandbox.set("MUSTER_TOKEN_FILE", "/etc/muster/tokens.toml");
    assert_eq!(file_of(&printed(&sandbox, &[])), "/etc/muster/tokens.toml");
    sandbox.set("MUSTER_TOKEN_FILE", "");
    let (code, said) = run(program, &sandbox, &install);
    assert!(code == 2 && said.contains("--token-file"), "{said}");
}

#[test]
fn a_service_listens_as_whoever_installs_it_says_by_flags_and_variables_and_its_file_has_no_secrets() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_PROFILE", "dev");
    sandbox.set("AWS_REGION", "eu-central-1");
    sandbox.set("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "secret-of-the-shell");
    let authority = Authority::new(sandbox.path());
    let signed = authority.sign("server");
    let tokens = sandbox.path().join("tokens.toml");
    let made = sandbox.muster(&["token", "add", "ci", "--token-file", tokens.to_str().unwrap()]).output().unwrap();
    let token = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    let install = |sandbox: &Sandbox, words: &[&str]| {
        let output =
            sandbox.muster(&[&["service", "install", "--manager", "systemd"], words].concat()).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    };
    let words_of = |text: &str| unquoted(text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap());
    let value_of = |words: &[String], flag: &str| {
        let at = words.iter().position(|word| word == flag).unwrap_or_else(|| panic!("no {flag} in {words:?}"));
        words[at + 1].clone()
    };
    let given = [
        "--http",
        "0.0.0.0:8377",
        "--tls-cert",
        "server.pem",
        "--tls-key",
        "server.key",
        "--token-file",
        "tokens.toml",
        "--rate-limit",
        "7",
        "--allowed-host",
        "muster.example.com",
    ];
    let (code, said) = install(&sandbox, &given);
    assert_eq!(code, 0, "{said}");
    let unit = sandbox.path().join("home/.config/systemd/user/muster.service");
    let text = fs::read_to_string(&unit).unwrap();
    let words = words_of(&text);
    for (flag, value) in [
        ("--http", "0.0.0.0:8377"),
        ("--tls-cert", signed.certificate.to_str().unwrap()),
        ("--tls-key", signed.key.to_str().unwrap()),
        ("--token-file", tokens.to_str().unwrap()),
        ("--rate-limit", "7"),
        ("--allowed-host", "muster.example.com"),
    ] {
        assert_eq!(value_of(&words, flag), value, "{words:?}");
    }
    assert!(text.contains("ExecReload=/bin/kill -HUP $MAINPID"), "{text}");
    let key = fs::read_to_string(&signed.key).unwrap();
    let key = key.lines().nth(1).unwrap();
    for secret in ["AKIAEXAMPLE", "secret-of-the-shell", &token[7..], key] {
        assert!(!text.contains(secret) && !said.contains(secret), "{secret}");
    }
    verified(&sandbox, &unit);
    // The server of the unit starts.
    let data = sandbox.data();
    let checked = Command::new(&words[0])
        .env_clear()
        .envs(sandbox.environment().iter().cloned())
        .args(&words[1..])
        .args(["--data-dir", data.to_str().unwrap(), "--check"])
        .output()
        .unwrap();
    assert!(checked.status.success(), "{checked:?}");

    for (name, value) in [
        ("MUSTER_HTTP", "10.0.0.5:8377"),
        ("MUSTER_BEHIND_PROXY", "10.0.0.0/28,10.1.0.1"),
        ("MUSTER_RATE_LIMIT", "0"),
        ("MUSTER_METRICS", "127.0.0.1:9377"),
        ("MUSTER_ALLOWED_ORIGIN", "https://app.example.com:443"),
    ] {
        sandbox.set(name, value);
    }
    let (code, said) = install(&sandbox, &["--print"]);
    assert_eq!(code, 0, "{said}");
    let words = words_of(&said);
    let proxies = words.iter().filter(|word| *word == "--behind-proxy").count();
    assert_eq!((value_of(&words, "--http").as_str(), proxies), ("10.0.0.5:8377", 2), "{words:?}");
    assert_eq!(
        (value_of(&words, "--rate-limit"), value_of(&words, "--metrics")),
        ("0".into(), "127.0.0.1:9377".into())
    );
    assert_eq!(value_of(&words, "--allowed-origin"), "https://app.example.com:443");

    // What the server would refuse is not written.
    sandbox.unset("MUSTER_BEHIND_PROXY");
    for (more, why) in [
        (&[][..], "is not a loopback address"),
        (&["--tls-cert", "server.pem"], "--tls-key"),
        (&["--http", "127.0.0.1:1", "--metrics", "127.0.0.1:0"], "port 0"),
    ] {
        let (code, said) = install(&sandbox, &[more, &["--print"]].concat());
        assert!(code == 2 && said.contains(why), "{why}: {said}");
    }
}

/// The words of a line of a unit, as systemd reads them: quotes, escapes, specifiers and variables undone.
fn unquoted(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line.chars().peekable();
    while rest.next_if_eq(&'"').is_some() {
        let is_program = words.is_empty() && line.starts_with("\"/");
        let mut word = String::new();
        loop {
            match rest.next().expect("a quote ends the word") {
                '"' => break,
                '\\' => word.extend(rest.next()),
                '%' => word.extend(rest.next_if_eq(&'%')),
                '$' if !is_program && rest.peek() == Some(&'$') => word.extend(rest.next()),
                letter => word.push(letter),
            }
        }
        words.push(word);
        rest.next_if_eq(&' ');
    }
    assert_eq!(rest.next(), None, "{line}");
    words
}

/// systemd's own judgement, where it is installed.
fn verified(sandbox: &Sandbox, unit: &Path) {
    let mut command = Command::new("systemd-analyze");
    command.env_clear().envs(sandbox.environment().iter().cloned()).args(["verify", "--user"]).arg(unit);
    let Ok(judged) = command.output() else { return };
    let said = String::from_utf8_lossy(&judged.stderr);
    // It judges what the unit needs of the system as well.
    let ours: Vec<&str> = said.lines().filter(|line| line.contains("muster")).collect();
    assert!(ours.is_empty(), "systemd-analyze verify: {}: {said}", judged.status);
    // A fault is found: else this would say nothing.
    let wrong = unit.with_file_name("wrong.service");
    fs::write(&wrong, fs::read_to_string(unit).unwrap().replace("WatchdogSec=", "WatchdogSec=x")).unwrap();
    command = Command::new("systemd-analyze");
    command.env_clear().envs(sandbox.environment().iter().cloned()).args(["verify", "--user"]).arg(&wrong);
    let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
    assert!(said.contains("wrong.service"), "systemd-analyze verify judges nothing here: {said}");
    fs::remove_file(wrong).unwrap();
}

#[test]
fn a_service_that_runs_the_server_in_another_way_is_replaced_only_by_force_and_what_changes_is_said() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_PROFILE", "dev");
    sandbox.set("AWS_REGION", "eu-central-1");
    let install = |words: &[&str]| run(Path::new(MUSTER), &sandbox, &[&["service", "install"], words].concat());
    let (code, said) = install(&["--interval", "all=5m"]);
    assert_eq!(code, 0, "{said}");
    let unit = sandbox.path().join("home/.config/systemd/user/muster.service");
    let first = fs::read_to_string(&unit).unwrap();
    let (code, said) = install(&["--interval", "all=5m"]);
    assert!(code == 0 && said.contains("this is already"), "{said}");
    let (code, said) = install(&["--interval", "all=9m", "--log", "debug", "--log-format", "json"]);
    assert!(code == 1 && said.contains("--force"), "{said}");
    for part in ["- ExecStart=", "\"all=5m\"", "+ ExecStart=", "\"all=9m\""] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(fs::read_to_string(&unit).unwrap(), first);
    let (code, said) = install(&["--interval", "all=9m", "--log", "debug", "--log-format", "json", "--force"]);
    assert!(code == 0 && said.contains("replaced") && said.contains("all=9m"), "{said}");
    assert!(said.contains("systemctl --user restart muster.service"), "{said}");
    // Flags of logging are flags of the server too, and one that always fails is seen to fail.
    let text = fs::read_to_string(&unit).unwrap();
    for part in ["\"--log\" \"debug\"", "\"--log-format\" \"json\"", "StartLimitBurst="] {
        assert!(text.contains(part), "{part}: {text}");
    }
    verified(&sandbox, &unit);
}

#[test]
fn what_a_service_takes_from_the_shell_is_said_and_a_port_that_changes_is_refused() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_REGION", "eu-central-1");
    let print = |sandbox: &Sandbox, words: &[&str]| {
        run(Path::new(MUSTER), sandbox, &[&["service", "install", "--print", "--manager", "systemd"], words].concat())
    };
    let (code, said) = print(&sandbox, &["--http", "127.0.0.1:0"]);
    assert!(code == 2 && said.contains("port 0"), "{said}");
    let (code, said) = print(&sandbox, &["--http", "127.0.0.1:8377"]);
    assert!(code == 0 && said.contains("\"127.0.0.1:8377\"") && !said.contains("AWS_ENDPOINT_URL"), "{said}");
    sandbox.set("AWS_ENDPOINT_URL", "http://127.0.0.1:5000");
    let (code, said) = print(&sandbox, &[]);
    assert!(code == 0 && said.contains("The service uses AWS_ENDPOINT_URL=http://127.0.0.1:5000"), "{said}");
    // Keys are not written, so the service and the server that is to end for it are those of a profile.
    sandbox.unset("AWS_ENDPOINT_URL");
    sandbox.set("AWS_ACCESS_KEY_ID", "testing");
    sandbox.set("AWS_SECRET_ACCESS_KEY", "testing");
    let of_keys = run(Path::new(MUSTER), &sandbox, &["service", "install", "--manager", "systemd", "--name", "a"]).1;
    let of_profile = ["service", "install", "--manager", "systemd", "--name", "b", "--profile", "default"];
    let of_profile = run(Path::new(MUSTER), &sandbox, &of_profile).1;
    let stop = |said: &str| said.lines().find(|line| line.contains("muster stop")).unwrap().to_owned();
    assert_eq!(stop(&of_keys), stop(&of_profile));
}

/// A service with `--ec2-api` was written that no server could start as, because the shell has the variable of clients, or because there
/// is no file of keys.
#[test]
fn a_service_that_could_not_answer_ec2s_read_api_is_not_written() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_PROFILE", "dev");
    sandbox.set("AWS_REGION", "eu-central-1");
    let install = ["service", "install", "--print", "--manager", "systemd", "--ec2-api", "127.0.0.1:8378"];
    let print = |sandbox: &Sandbox, more: &[&str]| run(Path::new(MUSTER), sandbox, &[&install[..], more].concat());
    let keys = sandbox.path().join("keys.toml");
    let named = ["--ec2-api-keys", keys.to_str().unwrap()];
    let (code, said) = print(&sandbox, &named);
    assert!(code == 1 && said.contains("cannot be read") && !said.contains("ExecStart"), "{said}");
    fs::write(&keys, "[[keys]]\nid = \"AKIAMUSTEREXAMPLE1\"\nsecret = \"made-up-for-this-very-test\"\n").unwrap();
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = print(&sandbox, &named);
    assert!(code == 1 && said.contains("chmod 600"), "{said}");
    fs::set_permissions(&keys, fs::Permissions::from_mode(0o600)).unwrap();
    let (code, said) = print(&sandbox, &named);
    assert!(code == 0 && said.contains("ExecReload=/bin/kill -HUP"), "the file is read again: {said}");
    let (code, said) = print(&sandbox, &["--http", "127.0.0.1:8378"]);
    assert!(code == 2 && said.contains("--ec2-api and --http"), "{said}");
    sandbox.set("AWS_ENDPOINT_URL_EC2", "http://localhost:8379");
    assert_eq!(print(&sandbox, &[]).0, 0, "it is another's");
    sandbox.set("AWS_ENDPOINT_URL_EC2", "http://localhost:8378");
    // The file has no such variable.
    sandbox.set("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
    let (code, said) = print(&sandbox, &[]);
    assert!(code == 2 && said.contains("unset AWS_ENDPOINT_URL_EC2"), "{said}");
}

#[test]
fn an_agent_of_launchd_is_well_formed_and_says_the_same() {
    let mut sandbox = Sandbox::bare();
    sandbox.set("AWS_PROFILE", "a<b>&c");
    sandbox.set("AWS_REGION", "eu-central-1");
    let words = ["service", "install", "--print", "--manager", "launchd", "--name", "work", "--interval", "all=5m"];
    let (code, text) = run(&awkward(&sandbox), &sandbox, &words);
    assert_eq!(code, 0, "{text}");
    let mut texts = Vec::new();
    for token in xmlparser::Tokenizer::from(text.as_str()) {
        if let xmlparser::Token::Text { text } = token.unwrap() {
            texts.push(text.as_str().trim().to_owned());
        }
    }
    for part in ["muster.work", "serve", "--interval", "AWS_PROFILE", "a&lt;b&gt;&amp;c"] {
        assert!(texts.contains(&part.to_owned()), "{part}: {texts:?}");
    }
    assert!(!text.contains("a<b>"), "{text}");
}

#[test]
fn a_server_tells_systemd_that_it_is_ready_runs_and_ends() {
    let simulator = Simulator::start(5, &[]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    let socket = sandbox.path().join("notify");
    let heard = UnixDatagram::bind(&socket).unwrap();
    heard.set_read_timeout(Some(PATIENCE)).unwrap();
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).unwrap();
    sandbox.set("NOTIFY_SOCKET", socket.to_str().unwrap());
    sandbox.set("WATCHDOG_USEC", "300000");
    let mut server = sandbox.serve(&RARELY);
    let next = |part: &str| {
        let mut message = [0; 4096];
        loop {
            let length = heard.recv(&mut message).unwrap_or_else(|error| panic!("no {part}: {error}"));
            let text = String::from_utf8_lossy(&message[..length]).into_owned();
            if text.lines().any(|line| line == part) {
                return;
            }
        }
    };
    next("READY=1");
    for _ in 0..3 {
        next("WATCHDOG=1");
    }
    assert!(server.running.signal(Signal::TERM));
    next("STOPPING=1");
    assert!(server.running.wait(Duration::from_secs(20)).success());
}

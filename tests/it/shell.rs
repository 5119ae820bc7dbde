//! Muster for people: questions from a command line, and the log as a file to take along.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::{BehaviorVersion, Region};
use aws_sdk_ec2::types::Tag;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::muster::{Endpoint, MUSTER, OFTEN, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

/// What a terminal would obey: a command of its own, text that runs backwards, and nothing to see.
const HOSTILE: &str = "web\u{9b}2J\u{202E}live\u{200B}";

/// A sandbox whose commands all mean its data directory.
fn sandbox(endpoint: &Endpoint) -> Sandbox {
    let mut sandbox = Sandbox::new(endpoint);
    let data = sandbox.data().to_str().unwrap().to_owned();
    sandbox.set("MUSTER_DATA_DIR", &data);
    sandbox
}

/// What a command printed and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

fn said(output: Output) -> Said {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn run(sandbox: &Sandbox, words: &str) -> Said {
    let words: Vec<&str> = words.split_whitespace().collect();
    said(sandbox.muster(&words).output().unwrap())
}

/// The answer of a command that must succeed, as JSON.
fn json(sandbox: &Sandbox, words: &str) -> Value {
    let said = run(sandbox, &format!("{words} --json"));
    assert_eq!(said.code, 0, "muster {words}: {said:?}");
    harmless(&said.out);
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{words}: {error}: {}", said.out))
}

/// Nothing in it is more than text to a terminal.
fn harmless(printed: &str) {
    let obeyed = |c: &char| (c.is_control() && *c != '\n') || ['\u{202E}', '\u{200B}'].contains(c);
    assert_eq!(printed.chars().find(obeyed), None, "{printed:?}");
}

/// Names an instance, as somebody who may tag.
fn rename(endpoint: &Endpoint, id: &str, name: &str) {
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .credentials_provider(Credentials::new("testing", "testing", None, None, "shell"))
        .region(Region::new(endpoint.region.clone()))
        .endpoint_url(&endpoint.url)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    let tag = Tag::builder().key("Name").value(name).build();
    let call = Client::from_conf(config).create_tags().resources(id).tags(tag).send();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(call).unwrap();
}

fn ids(rows: &Value) -> Vec<String> {
    rows.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_clients_ask_people_ask_as_well() {
    let simulator = Simulator::start(40, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = sandbox(&endpoint);

    let nowhere = run(&sandbox, "search");
    assert_eq!((nowhere.code, nowhere.out.as_str()), (1, ""));
    assert!(nowhere.err.contains("there is no store in") && nowhere.err.contains("muster serve"), "{nowhere:?}");
    assert!(!sandbox.data().exists(), "a question made a data directory");

    let mut server = sandbox.serve(&OFTEN);
    server.swept();

    let found = json(&sandbox, "search --all");
    let all = ids(&found["rows"]);
    assert_eq!(found["total"], all.len());
    let table = run(&sandbox, "search --limit 3");
    let lines: Vec<&str> = table.out.lines().collect();
    assert_eq!((table.code, lines.len()), (0, 4), "{table:?}");
    assert!(lines[0].starts_with("ID ") && lines[1].starts_with(&all[0]), "{table:?}");
    assert!(table.err.contains(&format!("{} instances in ", all.len())) && table.err.contains("3 shown"), "{table:?}");

    let running = json(&sandbox, "search state=running --limit 500");
    let counted = run(&sandbox, "count state=running");
    assert_eq!(counted.out.trim(), running["total"].to_string(), "{counted:?}");
    let by_state = json(&sandbox, "count --by state");
    let summed: u64 = by_state["groups"].as_array().unwrap().iter().map(|group| group["count"].as_u64().unwrap()).sum();
    assert_eq!(by_state["total"], summed);
    assert_eq!(json(&sandbox, "search tag:Name=nobody")["total"], 0);

    let said = run(&sandbox, "get i-00000000000000000");
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    assert!(!said.err.is_empty());

    // A change is seen as it comes, and hostile text stays text.
    let mut following = Running::start("changes", sandbox.muster(&["changes", "--follow"]));
    let mut objects = Running::start("changes", sandbox.muster(&["changes", "--follow", "--json"]));
    let victim = &all[0];
    let renamed = |json: bool, running: &Running| loop {
        let line = running.line(PATIENCE);
        harmless(&line);
        if line.contains(victim) && line.contains("Tags") {
            assert_eq!(json, serde_json::from_str::<Value>(&line).is_ok_and(|change| change["id"] == victim.as_str()));
            return;
        }
    };
    // Following begins with what comes after it has begun, so the name is given until it is seen.
    std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            for number in 0.. {
                rename(&endpoint, victim, &format!("{HOSTILE}{number}"));
                if stopped.recv_timeout(Duration::from_secs(2)) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        renamed(false, &following);
        renamed(true, &objects);
        drop(stop);
    });
    for running in [&mut following, &mut objects] {
        assert!(running.signal(Signal::INT));
        assert_eq!(running.wait(PATIENCE).code(), Some(0), "{}", running.errors());
    }
    let row = eventually("the name is found", || {
        let found = json(&sandbox, &format!("search instance-id={victim} --field name"));
        found["rows"][0]["name"].as_str().is_some_and(|name| name.contains("web2Jlive")).then_some(found)
    });
    assert_eq!(row["total"], 1);
    for words in [format!("search instance-id={victim}"), format!("get {victim}"), format!("changes {victim}")] {
        let said = run(&sandbox, &words);
        assert_eq!(said.code, 0, "{said:?}");
        harmless(&format!("{}{}", said.out, said.err));
        assert!(said.out.contains("web2J"), "{said:?}");
    }
    let got = json(&sandbox, &format!("get {victim}"));
    let name = got["document"]["Tags"].as_array().unwrap().iter().find(|tag| tag["Key"] == "Name").unwrap();
    assert!(name["Value"].as_str().unwrap().starts_with(HOSTILE), "a program reads what AWS said: {name}");

    // The store answers the same when the server has gone, and says so.
    let before = json(&sandbox, "search --all");
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");
    let after = run(&sandbox, "search --all");
    assert_eq!(after.code, 0, "{after:?}");
    assert!(after.err.contains("stale: ") && after.err.contains("no server runs"), "{after:?}");
    assert_eq!(ids(&json(&sandbox, "search --all")["rows"]), ids(&before["rows"]));
    assert_eq!(json(&sandbox, &format!("get {victim} --path State"))["id"], victim.as_str());
    let follow = run(&sandbox, "changes --follow");
    assert_eq!(follow.code, 1);
    assert!(follow.err.contains("no server runs on") && follow.err.contains("muster serve"), "{follow:?}");
}

#[test]
fn a_command_line_that_cannot_be_used_exits_with_2_whoever_finds_that_out() {
    let simulator = Simulator::start(10, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = sandbox(&endpoint);
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let all = ids(&json(&sandbox, "search --all")["rows"]);
    let bad_path = format!("get {} --path nope", all[0]);
    let elsewhere = format!("get ec2://inventory/123456789012/mars-1/instance/{}", all[0]);
    let contrary = format!("get ec2://inventory/123456789012/{}/instance/{} --region mars-1", endpoint.region, all[0]);
    for (words, code) in [
        ("get i-00000000000000000", 1),
        ("get vpc-00000000000000000 --as-of -1s", 1),
        ("get", 2),
        ("get web-1", 2),
        ("get ec2://planet/x", 2),
        ("get ec2://inventory/summary", 2),
        (&bad_path, 2),
        (&elsewhere, 2),
        (&contrary, 2),
        ("search running", 2),
        ("search nonsense=1", 2),
        ("search --kind planet", 2),
        ("search --field colour", 2),
        ("search --account 1", 2),
        ("search --as-of yesterday", 2),
        ("search --as-of 2999-01-01T00:00:00Z", 2),
        ("search --limit none", 2),
        ("count --by colour", 2),
        ("count nonsense=1", 2),
        ("count --kind planet", 2),
        ("changes --limit 0", 2),
        ("changes --since yesterday", 2),
        ("changes --since 2999-01-01T00:00:00Z", 2),
        ("changes --until yesterday", 2),
        ("changes --since -1s --until -1h", 2),
        ("changes --kind planet", 2),
        ("changes --cause nobody", 2),
        ("changes --account 1", 2),
        ("changes web-1", 2),
        ("changes --follow --since yesterday", 2),
        ("log export --since yesterday", 2),
    ] {
        let said = run(&sandbox, words);
        assert_eq!((said.code, said.out.as_str()), (code, ""), "{words}: {said:?}");
        assert!(!said.err.is_empty(), "{words} says nothing");
    }
}

#[test]
fn a_region_that_nobody_watches_is_an_error_of_every_command_that_reads() {
    let simulator = Simulator::start(10, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = sandbox(&endpoint);
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let all = ids(&json(&sandbox, "search --all")["rows"]);
    for words in [format!("get {}", all[0]), format!("changes {}", all[0])]
        .into_iter()
        .chain(["search", "search --kind vpc", "count", "changes", "changes --follow"].map(str::to_owned))
    {
        for flag in ["--region mars-1", &format!("--regions {},mars-1", endpoint.region)] {
            let said = run(&sandbox, &format!("{words} {flag}"));
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{words} {flag}: {said:?}");
            assert!(said.err.contains("mars-1 is not watched") && said.err.contains(&endpoint.region), "{said:?}");
        }
        if !words.contains("--follow") {
            let said = run(&sandbox, &format!("{words} --region {}", endpoint.region));
            assert_eq!(said.code, 0, "{words}: {said:?}");
            assert_eq!(run(&sandbox, &format!("{words} --regions {}", endpoint.region)).code, 0);
        }
    }
}

#[test]
fn a_region_is_no_flag_beside_the_data_directory_of_a_store_as_a_whole() {
    let simulator = Simulator::start(10, &[]);
    let sandbox = sandbox(&simulator.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    for words in ["query SELECT/**/1", "status", "log stat"] {
        for flag in ["--region mars-1", "--regions mars-1", &format!("--region {}", simulator.endpoint().region)] {
            let said = run(&sandbox, &format!("{words} {flag}"));
            assert_eq!((said.code, said.out.as_str()), (2, ""), "{words} {flag}: {said:?}");
            assert!(
                said.err.contains("selects the server of a region, and MUSTER_DATA_DIR"),
                "{words} {flag}: {said:?}"
            );
        }
        assert_ne!(run(&sandbox, words).code, 2, "{words}");
    }
}

#[test]
fn changes_since_before_a_young_log_start_at_its_beginning_and_say_so() {
    let simulator = Simulator::start(10, &[]);
    let sandbox = sandbox(&simulator.endpoint());
    let server = sandbox.serve(&OFTEN);
    server.swept();
    let young = run(&sandbox, "changes --since -1h --baseline --limit 2");
    assert_eq!((young.code, young.out.lines().count()), (0, 3), "{young:?}");
    assert!(young.err.contains("the log begins at ") && young.err.contains("later than --since"), "{young:?}");
}

/// The next change that a `--follow --json` prints.
fn next_change(running: &Running) -> Value {
    serde_json::from_str(&running.line(PATIENCE)).unwrap()
}

#[test]
fn following_goes_on_over_a_restart_and_over_another_log() {
    let simulator = Simulator::start(30, &["--churn", "10"]);
    let sandbox = sandbox(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let mut following = Running::start("changes", sandbox.muster(&["changes", "--follow", "--json"]));
    let first = next_change(&following)["seq"].as_u64().unwrap();
    server.kill();
    drop(server);
    let mut server = sandbox.serve(&OFTEN);
    let newest = json(&sandbox, "log stat")["newest_seq"].as_u64().unwrap();
    let mut followed = vec![first];
    while *followed.last().unwrap() <= newest + 3 {
        followed.push(next_change(&following)["seq"].as_u64().unwrap());
    }
    let listed = json(&sandbox, "changes --all");
    let listed = listed["changes"].as_array().unwrap().iter().rev().map(|change| change["seq"].as_u64().unwrap());
    let between = first..=*followed.last().unwrap();
    let expected: Vec<u64> = listed.filter(|seq| between.contains(seq)).collect();
    assert_eq!(followed, expected, "nothing skipped, nothing twice");

    // Another log in its place.
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");
    fs::remove_file(sandbox.store()).unwrap();
    let server = sandbox.serve(&OFTEN);
    server.swept();
    eventually("that is told", || following.errors().contains("going on from now").then_some(()));
    // Lines of the old log may still be on their way: a later one is of the new.
    let told = json(&sandbox, "log stat")["newest_at"].as_str().unwrap().to_owned();
    while next_change(&following)["recorded_at"].as_str().unwrap() <= told.as_str() {}
    assert!(following.signal(Signal::INT));
    assert_eq!(following.wait(PATIENCE).code(), Some(0), "{}", following.errors());
}

/// The numbers of exported records.
fn seqs(lines: &str) -> Vec<u64> {
    lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["seq"].as_u64().unwrap()).collect()
}

#[test]
fn the_log_is_exported_backed_up_repaired_and_restored() {
    let simulator = Simulator::start(60, &["--churn", "20"]);
    let sandbox = sandbox(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let data = sandbox.data();

    let follow = Running::start("export", sandbox.muster(&["log", "export", "--follow", "--since", "1"]));
    let first: Value = serde_json::from_str(&follow.line(PATIENCE)).unwrap();
    assert_eq!((&first["seq"], &first["event"]["event"]), (&Value::from(1), &Value::from("discovered")));
    let exported = run(&sandbox, "log export");
    assert_eq!(exported.code, 0, "{exported:?}");
    harmless(&exported.out);
    let numbers = seqs(&exported.out);
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
    let middle = numbers.len() as u64 / 2;
    assert_eq!(seqs(&run(&sandbox, &format!("log export --since {middle}")).out)[0], middle);
    let piped = sandbox.muster(&["log", "export"]);
    let head = format!("{} log export | head -n 1", piped.get_program().to_str().unwrap());
    let head = said(shell(&sandbox, &head).output().unwrap());
    assert_eq!((head.code, head.out.lines().count(), head.err.as_str()), (0, 1, ""), "{head:?}");

    // Backed up while it changes.
    let backup = sandbox.path().join("backup.redb");
    let made = json(&sandbox, "backup backup.redb");
    assert_eq!(made["path"], backup.to_str().unwrap());
    assert!(made["newest_seq"].as_u64().unwrap() >= *numbers.last().unwrap(), "{made}");
    let again = run(&sandbox, "backup backup.redb");
    assert!(again.code == 1 && again.err.contains("overwrites nothing"), "{again:?}");
    assert_eq!(run(&sandbox, "log verify backup.redb").code, 0);

    // What needs the store for itself names the server that has it.
    let pid = sandbox.server_pid().unwrap().to_string();
    for words in ["log verify", "log verify --repair", "log compact"] {
        let refused = run(&sandbox, words);
        assert!(refused.code == 1 && refused.err.contains(&format!("process {pid}")), "{words}: {refused:?}");
    }
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");

    let figures = json(&sandbox, "log stat");
    let whole = seqs(&run(&sandbox, "log export").out);
    assert_eq!(figures["records"], whole.len());
    assert_eq!(figures["newest_seq"], *whole.last().unwrap());
    let verified = run(&sandbox, "log verify");
    assert!(verified.code == 0 && verified.out.contains("muster.redb: clean"), "{verified:?}");
    let compacted = json(&sandbox, "log compact");
    assert!(compacted["after_bytes"].as_u64() <= compacted["before_bytes"].as_u64(), "{compacted}");
    assert_eq!(seqs(&run(&sandbox, "log export").out), whole);

    // Restored where nobody was before.
    let restored = restore(&sandbox, &backup, "restored");
    let total: u64 = json(&sandbox, &format!("log stat --data-dir {restored}"))["resources"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(made["resources"], total);
    let searched = json(&sandbox, &format!("search --all --data-dir {restored}"));
    assert_eq!(searched["total"], searched["rows"].as_array().unwrap().len());

    // Damaged: found, and put in order as far as it goes.
    let damaged = restore(&sandbox, &backup, "damaged");
    let store = Path::new(&damaged).join("muster.redb");
    let mut bytes = fs::read(&store).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(&store, bytes).unwrap();
    let found = run(&sandbox, &format!("log verify --data-dir {damaged}"));
    assert!(found.code == 1 && found.out.contains("damaged") && found.err.contains("--repair"), "{found:?}");
    let repaired = run(&sandbox, &format!("log verify --repair --data-dir {damaged}"));
    assert!(repaired.code == 0 && repaired.out.contains("the damaged file: "), "{repaired:?}");
    assert_eq!(run(&sandbox, &format!("log verify --data-dir {damaged}")).code, 0);
    assert!(!data.join("restored").exists());
}

/// A new data directory with a backup in it.
fn restore(sandbox: &Sandbox, backup: &Path, name: &str) -> String {
    let directory = sandbox.path().join(name);
    fs::create_dir(&directory).unwrap();
    fs::copy(backup, directory.join("muster.redb")).unwrap();
    directory.to_str().unwrap().to_owned()
}

/// A line for the shell, in which `muster` is the binary under test.
fn shell(sandbox: &Sandbox, line: &str) -> std::process::Command {
    let mut command = sandbox.muster(&[]);
    let environment: Vec<_> =
        command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    let path = format!("{}:{}", Path::new(MUSTER).parent().unwrap().display(), std::env::var("PATH").unwrap());
    command = std::process::Command::new("sh");
    command.env_clear().envs(environment).env("PATH", path).current_dir(sandbox.path()).args(["-c", line]);
    command
}

/// The lines of each indented code block of a help text.
fn blocks(text: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/help").join(text);
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let blocks = lines.chunk_by(|line, next| line.starts_with("    ") == next.starts_with("    "));
    let code = blocks.filter(|block| block[0].starts_with("    "));
    code.map(|block| block.iter().map(|line| line.trim().to_owned()).collect()).collect()
}

/// The lines of the code block of README that has this line.
fn block_of_readme(line: &str) -> Vec<String> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let block = readme.split("```").skip(1).step_by(2).find(|block| block.lines().any(|one| one == line));
    block.expect("the line is there").lines().skip(1).map(str::to_owned).collect()
}

#[test]
fn the_commands_for_people_in_readme_and_topics_work_as_they_stand() {
    let simulator = Simulator::start(20, &["--churn", "5"]);
    let sandbox = sandbox(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let instance = ids(&json(&sandbox, "search --limit 1")["rows"]).remove(0);
    let vpc = ids(&json(&sandbox, "search --kind vpc --limit 1")["rows"]).remove(0);
    // Then the log reaches back as far as its questions do.
    std::thread::sleep(Duration::from_secs(2));
    let asked = |line: &str| {
        let line = line.replace("i-0123456789abcdef0", &instance).replace("vpc-0123456789abcdef0", &vpc);
        // This log is a few seconds old.
        let line = line.replace("--as-of -15m", "--as-of -1s").replace("changes --since -1h", "changes --since -1s");
        if line.contains("--follow") {
            // `exec`, so that the signal is not for the shell.
            let mut running = Running::start("follow", shell(&sandbox, &format!("exec {line}")));
            running.line(PATIENCE);
            assert!(running.signal(Signal::INT));
            assert_eq!(running.wait(PATIENCE).code(), Some(0), "{line}: {}", running.errors());
        } else {
            let said = said(shell(&sandbox, &line).output().unwrap());
            assert_eq!(said.code, 0, "{line}: {said:?}");
        }
    };
    let mut questions = blocks("filters.md").concat();
    questions.extend(block_of_readme("muster count state=running --by tag:team"));
    assert!(questions.len() > 5, "{questions:?}");
    for line in &questions {
        asked(line);
    }
    let keeping = blocks("log.md");
    let [online, restoring, offline] = keeping.as_slice() else { panic!("three blocks: {keeping:?}") };
    for line in online {
        asked(line);
    }
    for line in block_of_readme("muster restart") {
        asked(&line);
    }
    let status = server.running.wait(PATIENCE);
    assert!(status.success(), "{status}");
    for line in restoring.iter().chain(offline) {
        asked(line);
    }
}

#[test]
fn a_question_does_not_wait_for_a_sweep_that_nobody_makes() {
    let sandbox = sandbox(&Endpoint::dead());
    let mut server = sandbox.serve(&RARELY);
    eventually("the store is made", || sandbox.store().exists().then_some(()));
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");
    let said = run(&sandbox, "search");
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    assert!(said.err.contains("not seen yet") && said.err.contains("no server runs"), "{said:?}");
}

#[test]
fn the_status_is_good_only_while_a_server_keeps_everything_fresh() {
    let simulator = Simulator::start(12, &[]);
    let sandbox = sandbox(&simulator.endpoint());
    let nothing = run(&sandbox, "status");
    assert!(nothing.code == 1 && nothing.out.contains("server: not running\n"), "{nothing:?}");
    assert!(nothing.out.contains("store: none yet") && nothing.err.contains("muster serve"), "{nothing:?}");
    assert!(!sandbox.data().exists(), "a question made a data directory");

    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let good = eventually("everything is fresh", || Some(run(&sandbox, "status")).filter(|said| said.code == 0));
    let row = good.out.lines().find(|line| line.starts_with("instance ")).unwrap();
    assert!(row.contains(" 12 ") && row.contains(" fresh "), "{good:?}");
    let status = json(&sandbox, "status");
    assert_eq!((&status["ok"], &status["problems"]), (&Value::Bool(true), &Value::Array(Vec::new())), "{status}");
    let process = format!("server: running, process {}, muster ", status["server"]["pid"]);
    assert!(good.out.starts_with(&process) && status["server"]["since"].is_string(), "{good:?}");
    assert_eq!(status["summary"]["totals"]["instance"], 12);

    simulator.control("PATCH", "/faults", &serde_json::json!({"denied": ["DescribeVpcs"]}));
    let bad = eventually("VPCs are refused", || Some(run(&sandbox, "status")).filter(|said| said.code == 1));
    assert!(bad.out.contains("ec2:DescribeVpcs") && bad.out.contains("\n  -> "), "{bad:?}");
    assert!(bad.err.contains("not everything is fresh"), "{bad:?}");

    server.terminate();
    let after = run(&sandbox, "status --json");
    let status: Value = serde_json::from_str(&after.out).unwrap();
    assert!(after.code == 1 && status.get("server").is_none() && status["ok"] == false, "{after:?}");
    assert_eq!(status["summary"]["totals"]["instance"], 12, "{after:?}");
    let failures = status["problems"].as_array().unwrap();
    let offline = failures.iter().filter(|one| one["what"].as_str().unwrap().contains("no server runs"));
    assert_eq!(offline.count(), 1, "it is said once: {after:?}");
    // What is stale is no price that is not known, and is said once.
    let report = json(&sandbox, "stopped");
    assert_eq!(report["month"]["unpriced"]["snapshots"], 0, "{report}");
    let said = run(&sandbox, "stopped");
    assert_eq!(said.err.matches("doubt: ").count(), 1, "{said:?}");
    assert!(said.err.contains("; as of 20") && !said.err.contains("if_running"), "{said:?}");
}

#[test]
fn one_resource_is_asked_for_live_and_changes_are_counted() {
    let simulator = Simulator::start(12, &[]);
    let sandbox = sandbox(&simulator.endpoint());
    let mut server = sandbox.serve(&RARELY);
    server.swept();
    let id = ids(&json(&sandbox, "search --limit 1")["rows"]).remove(0);
    let before = json(&sandbox, &format!("get {id}"));
    let live = json(&sandbox, &format!("get {id} --live"));
    assert!(live["as_of"].as_str() > before["as_of"].as_str() && live["live"]["result"] == "shown", "{live}");
    let counted = run(&sandbox, "changes --summary --baseline");
    assert!(counted.code == 0 && counted.out.starts_with("COUNT "), "{counted:?}");
    assert!(counted.out.lines().any(|line| line.contains("instance") && line.contains("known since")), "{counted:?}");
    let account = before["account"].as_str().unwrap();
    let related = json(&sandbox, &format!("related {id} --account {account}"));
    assert_eq!(related["account"], account);
    let elsewhere = run(&sandbox, &format!("related {id} --account 000000000000"));
    assert!(elsewhere.code == 2 && elsewhere.err.contains("is not watched"), "{elsewhere:?}");
    let unheld = run(&sandbox, "related pl-0123456789abcdef0");
    assert!(unheld.code == 2 && unheld.err.contains("a kind of resource that Muster does not hold"), "{unheld:?}");
    server.terminate();
    let offline = run(&sandbox, &format!("get {id} --live"));
    assert!(offline.code == 1 && offline.err.contains("start `muster serve`"), "{offline:?}");
}

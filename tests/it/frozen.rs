//! Logs that nobody reads, or that cannot be written: lines are lost and counted, and nothing else waits.
//!
//! `MUSTER_FROZEN_SECONDS` says how long the server is throttled while nobody reads its standard error (5 by default); the long
//! run prints how many answers a second there were before and after:
//!
//! ```text
//! MUSTER_FROZEN_SECONDS=600 cargo test --test it frozen:: -- --nocapture
//! ```

use std::fs;
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::muster::{Endpoint, OFTEN, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

const FRESHNESS: &str = "ec2://inventory/freshness";

/// Everything that is said of anything, which fills a pipe within seconds.
const TALKATIVE: [&str; 2] = ["--log", "trace,aws_smithy_runtime=trace,hyper=trace"];

/// What a new pipe holds on Linux and macOS.
const WHOLE: usize = 64 << 10;

/// How much of it is left at first: as much as some clients give their servers.
const LEFT: usize = 16 << 10;

/// A pipe with room for `left` bytes that nobody reads, as long as its reading end is there.
fn pipe_with_room(left: usize) -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&vec![b'.'; WHOLE - left]).unwrap();
    (reader, writer)
}

fn throttled_for() -> Duration {
    let seconds = std::env::var("MUSTER_FROZEN_SECONDS").map_or(5, |text| text.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// How many reads, searches and summaries are answered in `time`. Each fails the test when its answer does not come.
fn answers(client: &mut Client, time: Duration) -> u32 {
    let (started, mut count) = (Instant::now(), 0);
    while started.elapsed() < time {
        client.read(FRESHNESS);
        let found = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
        assert!(!found.is_error, "{}", found.text);
        client.read("ec2://inventory/summary");
        count += 3;
    }
    count
}

fn dropped(freshness: &Value) -> u64 {
    freshness["log"]["dropped_lines"].as_u64().unwrap_or(0)
}

fn calls(freshness: &Value) -> u64 {
    freshness["aws_calls"].as_array().unwrap().iter().filter_map(|call| call["total"].as_u64()).sum()
}

#[test]
fn a_server_whose_standard_error_nobody_reads_goes_on_under_throttling_and_tells_what_its_log_lacks() {
    let simulator = Simulator::start(50, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let (mut reader, writer) = pipe_with_room(LEFT);
    let is_long = throttled_for() > Duration::from_mins(1);
    // The long run is as a user has it; the short one has to fill the pipe at once.
    let flags: Vec<&str> =
        OFTEN.into_iter().chain(if is_long { None } else { Some(TALKATIVE) }.into_iter().flatten()).collect();
    let mut server = sandbox.serve_complaining_to(&flags, Some(writer.into()));
    server.swept();
    let mut client = Client::http(&server.http);
    let window = if is_long { Duration::from_secs(10) } else { Duration::from_secs(1) };
    let before = answers(&mut client, window);

    simulator.control("PUT", "/faults", &json!({"throttle": {"share": 0.9}}));
    let started = Instant::now();
    while started.elapsed() < throttled_for() {
        answers(&mut client, Duration::from_millis(200));
        std::thread::sleep(Duration::from_millis(500));
    }
    let after = answers(&mut client, window);
    simulator.control("PUT", "/faults", &json!({}));
    let lost = if is_long {
        dropped(&client.read(FRESHNESS))
    } else {
        eventually("the server says that log lines are missing", || {
            Some(dropped(&client.read(FRESHNESS))).filter(|lost| *lost > 0)
        })
    };
    eprintln!(
        "{before} answers in {window:?} before, {after} after {:?} of throttling; {lost} log lines dropped",
        throttled_for()
    );
    if lost > 0 {
        let summary = client.call("get_inventory_summary", &json!({})).unwrap();
        assert!(summary.text.contains("lines of the server's log were dropped"), "{}", summary.text);
        let doctor = sandbox.muster(&["doctor", "--json", "--data-dir"]).arg(sandbox.data()).output().unwrap();
        let said = String::from_utf8(doctor.stdout).unwrap();
        assert!(said.contains("the server's log"), "{said}");
    }
    // Sweeps go on too.
    let swept = calls(&client.read(FRESHNESS));
    eventually("the server goes on sweeping", || (calls(&client.read(FRESHNESS)) > swept + 5).then_some(()));

    // The reader comes back, reads what was kept, and learns how much is missing.
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if said.send(buffer[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut text = String::new();
    let started = Instant::now();
    while lost > 0 && !text.contains("log lines were dropped") {
        assert!(started.elapsed() < PATIENCE, "the log does not say that it has a gap");
        text += &String::from_utf8_lossy(&heard.recv_timeout(PATIENCE).expect("the log goes on"));
    }
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}");
    while let Ok(rest) = heard.recv_timeout(PATIENCE) {
        text += &String::from_utf8_lossy(&rest);
    }
    let kept = text.len() - (WHOLE - LEFT);
    eprintln!("{kept} bytes of log were kept and read in the end");
    assert!(kept > LEFT, "the pipe was never full: throttle for longer");
}

#[test]
fn a_server_whose_standard_error_is_full_from_the_start_serves_and_stops_when_it_is_told_to() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    for flags in [&["--log", "debug"][..], &["--log", "debug", "--log-format", "json"]] {
        let (_reader, writer) = pipe_with_room(0);
        let flags: Vec<&str> = OFTEN.iter().chain(flags).copied().collect();
        let mut server = sandbox.serve_complaining_to(&flags, Some(writer.into()));
        server.swept();
        let (status, _) = server.terminate();
        assert!(status.success(), "{status}");
    }
}

#[test]
fn a_front_end_whose_standard_error_is_full_answers_and_leaves_with_its_client() {
    let simulator = Simulator::start(5, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let (_reader, writer) = pipe_with_room(0);
    let arguments = sandbox.mcp_arguments(&TALKATIVE);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut client =
        Client::over(Running::start_complaining_to("mcp", sandbox.muster(&arguments), Some(writer.into())));
    eventually("the first sweep", || client.is_swept().then_some(()));
    assert!(!client.tools().is_empty());
    client.front_end().hang_up();
    assert!(client.front_end().wait(PATIENCE).success());
}

#[test]
fn a_command_that_complains_to_a_standard_error_that_nobody_reads_ends_with_its_code() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    for (words, code) in [
        (&["--nonsense"][..], 2),
        (&["serve", "--region", "eu-cental-1", "--regions", "eu-cental-1,us-east-1"], 2),
        (&["get", "i-0123456789abcdef0"], 1),
        (&["doctor", "--log", "trace"], 1),
        (&["config", "--client", "claude-code"], 0),
    ] {
        let (_reader, writer) = pipe_with_room(0);
        let mut command = sandbox.muster(words);
        command.env_remove("AWS_ENDPOINT_URL");
        let mut running = Running::start_complaining_to("complains", command, Some(writer.into()));
        let status = running.wait(Duration::from_mins(2));
        assert_eq!(status.code(), Some(code), "{words:?}");
    }
}

/// What the log file of a detached server is in place of a file that can be written.
#[test]
fn a_log_file_that_blocks_or_cannot_be_written_keeps_no_server_from_serving() {
    let simulator = Simulator::start(5, &[]);
    for (what, is_counted) in [("full", true), ("directory", true), ("fifo", false)] {
        let sandbox = Sandbox::new(&simulator.endpoint());
        let log = sandbox.data().join("muster.log");
        fs::create_dir(sandbox.data()).unwrap();
        match what {
            // A disk without space.
            "full" => std::os::unix::fs::symlink("/dev/full", &log).unwrap(),
            "directory" => fs::create_dir(&log).unwrap(),
            // Opening it waits for a reader.
            _ => assert!(Command::new("mkfifo").arg(&log).stderr(Stdio::inherit()).status().unwrap().success()),
        }
        let mut client = Client::stdio(&sandbox, &RARELY);
        eventually("the first sweep", || client.is_swept().then_some(()));
        if is_counted && cfg!(target_os = "linux") {
            eventually("lost lines are counted", || (dropped(&client.read(FRESHNESS)) > 0).then_some(()));
        }
        drop(client);
        let pid = sandbox.server_pid().and_then(rustix::process::Pid::from_raw).unwrap();
        rustix::process::kill_process(pid, Signal::TERM).unwrap();
        eventually("the server ends", || rustix::process::test_kill_process(pid).is_err().then_some(()));
    }
}

//! A disk that runs full under a running server: reads go on, nothing acknowledged is lost, and it goes on by itself.
//!
//! Two limits of the real system: a small file system, and the size that the kernel lets a process write files up to, which
//! every Linux has. `MUSTER_DISK_SECONDS` says how long the disk stays full (3 by default).

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use muster::store::{self, StoreOptions, verify};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::muster::{OFTEN, Sandbox, Serve};
use crate::harness::process::Running;
use crate::harness::rpc::{Client, RpcError};
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually};

fn stays_full() -> Duration {
    let seconds =
        std::env::var("MUSTER_DISK_SECONDS").map_or(3, |seconds| seconds.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

/// What a client found that reads all the time.
#[derive(Debug, Default)]
struct Tally {
    answers: u64,
    /// Errors that say that they may pass.
    refused: u64,
    slowest: Duration,
    /// The newest record that an answer named: it was committed.
    seq: u64,
}

struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

impl Reader {
    /// Reads a VPC, which nothing removes, a list, a search and the summary in turn.
    fn start(http: &str) -> Reader {
        let stop = Arc::new(AtomicBool::new(false));
        let mut client = Client::http(http);
        let found = client.call("search_inventory", &json!({"kind": "vpc"})).unwrap();
        let vpc = format!("ec2://vpc/{}", id_of(&found.structured));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut tally = Tally::default();
            while !stopped.load(Ordering::Acquire) {
                tally.take(client.try_read(&vpc));
                tally.take(client.try_read("ec2://inventory/summary"));
                tally.take(client.request("resources/list", &json!({})).inspect(|page| {
                    assert!(!page["resources"].as_array().unwrap().is_empty(), "an empty list in place of an error");
                }));
                let begun = Instant::now();
                let found = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
                tally.slowest = tally.slowest.max(begun.elapsed());
                if found.is_error {
                    assert!(found.text.contains("ask again"), "{}", found.text);
                    tally.refused += 1;
                } else {
                    assert!(found.structured["total"].as_u64() > Some(0), "{}", found.structured);
                    tally.answers += 1;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            tally
        });
        Reader { stop, thread }
    }

    fn stop(self) -> Tally {
        self.stop.store(true, Ordering::Release);
        self.thread.join().expect("every answer was good, or said that it may pass")
    }
}

impl Tally {
    fn take(&mut self, answer: Result<Value, RpcError>) {
        match answer {
            Ok(body) => {
                self.answers += 1;
                self.seq = self.seq.max(body["seq"].as_u64().unwrap_or(0));
            }
            Err(error) => {
                assert_eq!(error.data["retryable"], true, "{error:?}");
                self.refused += 1;
            }
        }
    }
}

/// The id in the first row of a search.
fn id_of(found: &Value) -> String {
    let row = found.as_object().unwrap().values().find_map(|rows| rows.as_array()?.first()).cloned();
    let row = row.unwrap_or_else(|| panic!("no rows in {found}"));
    row["id"].as_str().unwrap_or_else(|| panic!("no id in {row}")).to_owned()
}

fn freshness(client: &mut Client) -> String {
    client.try_read("ec2://inventory/freshness").map_or_else(|error| error.message, |body| body.to_string())
}

fn seq(client: &mut Client) -> u64 {
    eventually("a read succeeds", || client.try_read("ec2://inventory/summary").ok()?["seq"].as_u64())
}

/// The server has caught up: nothing troubles it, and it commits what goes on happening.
fn catches_up(client: &mut Client) {
    let before = seq(client);
    eventually("it writes again", || (seq(client) > before).then_some(()));
    eventually("no sweep is troubled", || {
        let body = client.try_read("ec2://inventory/freshness").ok()?;
        let fresh = |scope: &Value| scope["stale"].is_null() && scope["trouble"].is_null();
        (body["trouble"].is_null() && body["scopes"].as_array()?.iter().all(fresh)).then_some(())
    });
}

/// The store as `kill -9` would leave it now, folded; it holds everything up to `seq`.
fn folds(server: &Serve, file: &Path, copy: &Path, seq: u64) {
    assert!(server.running.signal(Signal::STOP));
    fs::create_dir(copy).unwrap();
    fs::copy(file, copy.join("muster.redb")).unwrap();
    assert!(server.running.signal(Signal::CONT));
    let (_writer, store) = store::open(StoreOptions::new(copy, muster::kinds::project)).unwrap();
    let snapshot = store.snapshot().unwrap();
    let report = verify::fold_log(&snapshot).unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert!(snapshot.seq().0 >= seq, "record {seq} was served, and the log ends at {:?}", snapshot.seq());
}

/// A tool is refused for want of space before it calls AWS.
fn a_tool_is_refused(client: &mut Client, instance: &str) {
    let refused = client.call("stop_instance", &json!({"instance_ids": [instance]})).unwrap();
    assert!(refused.is_error && refused.text.contains("MiB free"), "{}", refused.text);
    assert!(!freshness(client).contains("StopInstances"), "AWS was called all the same");
}

/// A small file system of its own for the data directory, which only the server sees.
struct Small {
    server: Serve,
    /// The data directory, as it is seen from outside.
    data: PathBuf,
}

impl Small {
    /// Starts a server on one of `bytes`; `None` where the system allows no mounts.
    fn start(sandbox: &Sandbox, bytes: u64, flags: &[&str]) -> Option<Small> {
        fs::create_dir(sandbox.data()).unwrap();
        let mount = format!("mount -t tmpfs -o size={bytes},mode=700 none \"$1\"");
        let unshare = |script: &str| {
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]).arg(sandbox.data());
            command
        };
        if !unshare(&mount).output().is_ok_and(|output| output.status.success()) {
            return None;
        }
        let muster = sandbox.muster(&["serve", "--http", "127.0.0.1:0", "--data-dir"]);
        let mut command = unshare(&format!("{mount} && shift && exec \"$@\""));
        command.env_clear().envs(sandbox.environment().iter().cloned()).current_dir(sandbox.path());
        command.arg(muster.get_program()).args(muster.get_args()).arg(sandbox.data()).args(flags);
        let running = Running::start("serve", command);
        let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
        let http = said["http"].as_str().unwrap().to_owned();
        let root = PathBuf::from(format!("/proc/{}/root", running.pid()));
        let data = root.join(sandbox.data().strip_prefix("/").unwrap());
        Some(Small { server: Serve { running, http, metrics: None, ec2_api: None }, data })
    }

    /// Fills the file system, but for `left` bytes.
    fn fill(&self, left: u64) {
        let path = self.data.join("ballast");
        let mut ballast = File::create(&path).unwrap();
        let block = vec![7; 4096];
        while ballast.write_all(&block).is_ok() {}
        let len = ballast.metadata().unwrap().len();
        ballast.set_len(len.saturating_sub(left)).unwrap();
    }

    fn free(&self) {
        fs::remove_file(self.data.join("ballast")).unwrap();
    }
}

#[test]
fn a_full_disk_stops_writing_and_nothing_else_and_space_lets_it_go_on() {
    let simulator = Simulator::start(150, &["--churn", "20"]);
    let mut sandbox = Sandbox::new(&simulator.endpoint());
    // Nothing but twice of what a commit holds is kept free, so that redb can be made to run out of space.
    sandbox.set("MUSTER_KEEP_FREE", "0");
    let flags = [&OFTEN[..], &["--allow-writes"]].concat();
    let Some(small) = Small::start(&sandbox, 48 << 20, &flags) else {
        eprintln!("this system mounts nothing: the limit is on the size of files instead");
        return a_limit_on_the_size_of_files();
    };
    let pid = small.server.running.pid();
    small.server.swept();
    let mut client = Client::http(&small.server.http);
    let instance = id_of(&client.call("search_inventory", &json!({"kind": "instance"})).unwrap().structured);
    let reader = Reader::start(&small.server.http);

    // Not a byte is left: it stops before redb finds that out.
    small.fill(0);
    eventually("the reason shows", || freshness(&mut client).contains("MiB free").then_some(()));
    a_tool_is_refused(&mut client, &instance);
    std::thread::sleep(stays_full());
    small.free();
    catches_up(&mut client);

    // So little is left that redb runs out of it amid commits.
    small.fill(12 << 10);
    std::thread::sleep(stays_full());
    let failures = small.server.running.errors().matches("the disk failed under the store").count();
    small.free();
    catches_up(&mut client);

    let tally = reader.stop();
    eprintln!("{tally:?}, the disk failed {failures} times under the store");
    assert!(tally.answers > 10, "{tally:?}");
    assert_eq!(small.server.running.pid(), pid);
    folds(&small.server, &small.data.join("muster.redb"), &sandbox.path().join("copy"), tally.seq);
    let mut server = small.server;
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}{}", server.running.tail());
}

#[test]
fn a_file_that_may_not_be_written_fails_every_commit_and_no_read() {
    a_limit_on_the_size_of_files();
}

/// The store is replaced under the server: it says so for as long as that is so, touches nothing, and serves what is put back.
#[test]
fn a_store_that_is_damaged_under_the_server_is_told_left_alone_and_served_when_it_is_back() {
    let simulator = Simulator::start(50, &["--churn", "20"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    let before = seq(&mut client);
    let told = Client::http(&server.http).listen(&["ec2://inventory/changes"], false);
    let (kept, damage) = (sandbox.path().join("kept"), b"this is no store".repeat(1000));
    fs::rename(sandbox.store(), &kept).unwrap();
    fs::write(sandbox.store(), &damage).unwrap();
    let unlimited = limit(&server, Rlimit { current: Some(8192), maximum: None });
    let said = eventually("it says what is wrong", || {
        let found = client.call("search_inventory", &json!({"kind": "instance"})).unwrap();
        (found.is_error && found.text.contains("is damaged")).then_some(found.text)
    });
    assert!(said.contains(sandbox.store().to_str().unwrap()), "{said}");
    limit(&server, unlimited);
    let error = client.try_read("ec2://inventory/summary").unwrap_err();
    assert!(error.message.contains("is damaged"), "{error:?}");
    assert_eq!(fs::read(sandbox.store()).unwrap(), damage, "the damaged file was changed");
    while told.updated(Duration::from_secs(2)).is_some() {}
    fs::rename(&kept, sandbox.store()).unwrap();
    eventually("it serves again", || client.try_read("ec2://inventory/summary").ok());
    catches_up(&mut client);
    assert!(seq(&mut client) > before);
    assert!(told.updated(Duration::from_secs(30)).is_some(), "who subscribed before hears nothing more");
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}{}", server.running.tail());
}

/// Limits the size of files that the server may write, and returns the limit before.
fn limit(server: &Serve, limit: Rlimit) -> Rlimit {
    let pid = Pid::from_raw(i32::try_from(server.running.pid()).unwrap());
    prlimit(pid, Resource::Fsize, limit).unwrap()
}

fn a_limit_on_the_size_of_files() {
    let simulator = Simulator::start(150, &["--churn", "20"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let mut server = sandbox.serve(&OFTEN);
    server.swept();
    let mut client = Client::http(&server.http);
    let reader = Reader::start(&server.http);
    let unlimited = limit(&server, Rlimit { current: Some(8192), maximum: None });
    assert_eq!(unlimited.maximum, None, "this test needs a user without a hard limit on the size of files");
    eventually("the disk fails under the store", || {
        server.running.errors().contains("the disk failed under the store").then_some(())
    });
    eventually("the reason shows", || freshness(&mut client).contains("is opened again").then_some(()));
    std::thread::sleep(stays_full());
    limit(&server, unlimited);
    catches_up(&mut client);
    let tally = reader.stop();
    let failures = server.running.errors().matches("the disk failed under the store").count();
    eprintln!("{tally:?}, the disk failed {failures} times under the store");
    assert!(tally.answers > 10, "{tally:?}");
    folds(&server, &sandbox.store(), &sandbox.path().join("copy"), tally.seq);
    let (status, _) = server.terminate();
    assert!(status.success(), "{status}{}", server.running.tail());
}

//! `muster serve` and `muster mcp` as processes, each in an environment of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use super::PATIENCE;
use super::process::Running;

/// The binary under test.
pub(crate) const MUSTER: &str = env!("CARGO_BIN_EXE_muster");

/// Flags of a server that sweeps every second.
pub(crate) const OFTEN: [&str; 4] = ["--interval", "all=1s", "--aws-share", "1"];

/// Flags of a server that sweeps once, when it starts.
pub(crate) const RARELY: [&str; 4] = ["--interval", "all=1h", "--aws-share", "1"];

/// How a server is started on a data directory, whose path follows.
const SERVE: [&str; 4] = ["serve", "--http", "127.0.0.1:0", "--data-dir"];

/// How long a first sweep may take: ten thousand instances, unoptimised, on a machine that does something else as well.
const SWEEP: Duration = Duration::from_mins(5);

/// An AWS endpoint to watch.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: String,
    pub(crate) region: String,
}

impl Endpoint {
    /// An endpoint where nothing listens.
    pub(crate) fn dead() -> Endpoint {
        // Bound and let go: the port is free, and refuses.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Endpoint { url: format!("http://127.0.0.1:{port}"), region: "eu-central-1".to_owned() }
    }
}

/// A home, a runtime directory and a data directory that nobody else sees, and the environment that names them.
///
/// Dropping it ends a server that `muster mcp` left running in the data directory.
pub(crate) struct Sandbox {
    directory: TempDir,
    environment: Vec<(String, String)>,
    data: PathBuf,
}

impl Sandbox {
    /// One that watches `endpoint` with credentials that emulators accept.
    pub(crate) fn new(endpoint: &Endpoint) -> Sandbox {
        let mut sandbox = Sandbox::bare();
        sandbox.set("AWS_ENDPOINT_URL", &endpoint.url);
        sandbox.set("AWS_REGION", &endpoint.region);
        sandbox.set("AWS_ACCESS_KEY_ID", "testing");
        sandbox.set("AWS_SECRET_ACCESS_KEY", "testing");
        sandbox
    }

    /// One without credentials, region or endpoint.
    pub(crate) fn bare() -> Sandbox {
        let directory = tempfile::Builder::new().prefix("muster-it-").tempdir().unwrap();
        let data = directory.path().join("data");
        let mut sandbox = Sandbox { directory, environment: Vec::new(), data };
        for (name, folder) in [("HOME", "home"), ("XDG_STATE_HOME", "state"), ("XDG_RUNTIME_DIR", "run")] {
            let path = sandbox.directory.path().join(folder);
            fs::create_dir(&path).unwrap();
            sandbox.set(name, path.to_str().unwrap());
        }
        sandbox.set("PATH", &std::env::var("PATH").unwrap_or_default());
        // Off AWS, asking the metadata service for credentials would cost seconds for each call.
        sandbox.set("AWS_EC2_METADATA_DISABLED", "true");
        sandbox.set("RUST_BACKTRACE", "1");
        sandbox
    }

    /// Sets a variable for what starts from now on.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.unset(name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Removes a variable for what starts from now on.
    pub(crate) fn unset(&mut self, name: &str) {
        self.environment.retain(|(known, _)| known != name);
    }

    /// The environment of what runs here.
    pub(crate) fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// The root of everything here.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The data directory that the servers and front ends of this sandbox share.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// Makes `data` the data directory from now on.
    pub(crate) fn keep_data_in(&mut self, data: PathBuf) {
        self.data = data;
    }

    /// The store's file.
    pub(crate) fn store(&self) -> PathBuf {
        self.data().join("muster.redb")
    }

    /// What the running server says of itself; null where none runs.
    pub(crate) fn server_facts(&self) -> Value {
        let data = self.data();
        let said = self.muster(&["status", "--json", "--data-dir", data.to_str().unwrap()]).output().unwrap();
        let mut status: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
        status["server"].take()
    }

    /// The process id in the lock file of the data directory; `None` when there is none.
    pub(crate) fn server_pid(&self) -> Option<i32> {
        fs::read_to_string(self.data().join("muster.lock")).ok()?.trim().parse().ok()
    }

    /// The processes that serve the data directory.
    pub(crate) fn servers(&self) -> Vec<i32> {
        let data = self.data();
        let names = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
        let serves = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0);
            let is_server = words.clone().any(|word| word == b"serve");
            is_server && words.any(|word| word == data.as_os_str().as_encoded_bytes())
        };
        names.filter_map(|name| name.to_str()?.parse().ok()).filter(serves).collect()
    }

    /// A command of `muster` in this sandbox.
    pub(crate) fn muster(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(MUSTER);
        command.env_clear().envs(self.environment.iter().cloned()).args(arguments).current_dir(self.path());
        command
    }

    /// The arguments of `muster mcp` on this data directory.
    pub(crate) fn mcp_arguments(&self, flags: &[&str]) -> Vec<String> {
        let data = self.data().to_str().unwrap().to_owned();
        ["mcp", "--data-dir", &data].iter().chain(flags).map(|&argument| argument.to_owned()).collect()
    }

    /// Starts `muster serve` on the data directory and HTTP, and waits until it listens.
    pub(crate) fn serve(&self, flags: &[&str]) -> Serve {
        self.serve_complaining_to(flags, None)
    }

    /// The same, at this address.
    pub(crate) fn serve_at(&self, address: &str, flags: &[&str]) -> Serve {
        let mut command = self.muster(&["serve", "--http", address, "--data-dir"]);
        command.arg(self.data()).args(flags);
        Sandbox::served(command, None)
    }

    /// The same, with `errors` as its standard error, if given.
    pub(crate) fn serve_complaining_to(&self, flags: &[&str], errors: Option<Stdio>) -> Serve {
        let mut command = self.muster(&SERVE);
        command.arg(self.data()).args(flags);
        Sandbox::served(command, errors)
    }

    /// Starts it with at most this many open files.
    pub(crate) fn serve_with_files(&self, files: u32, flags: &[&str]) -> Serve {
        let mut command = Command::new("sh");
        command.env_clear().envs(self.environment.iter().cloned()).current_dir(self.path());
        command.args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh", MUSTER]).args(SERVE);
        command.arg(self.data()).args(flags);
        Sandbox::served(command, None)
    }

    fn served(command: Command, errors: Option<Stdio>) -> Serve {
        let running = Running::start_complaining_to("serve", command, errors);
        let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
        let http = said["http"].as_str().expect("the line names the HTTP endpoint").to_owned();
        let [metrics, ec2_api] = ["metrics", "ec2_api"].map(|name| said[name].as_str().map(str::to_owned));
        Serve { running, http, metrics, ec2_api }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let Some(pid) = self.server_pid().and_then(Pid::from_raw) else { return };
        // The lock file outlives its server: only a process that is a `muster` is one of ours.
        let is_muster = || {
            let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
            name.map_or_else(|_| cfg!(not(target_os = "linux")), |name| name.trim() == "muster")
        };
        if is_muster() && kill_process(pid, Signal::TERM).is_ok() {
            let started = Instant::now();
            while test_kill_process(pid).is_ok() && is_muster() {
                if started.elapsed() > Duration::from_secs(5) {
                    kill_process(pid, Signal::KILL).ok();
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// A running `muster serve`.
pub(crate) struct Serve {
    pub(crate) running: Running,
    /// The URL of the MCP endpoint.
    pub(crate) http: String,
    /// The URL of the metrics, where they have an address of their own.
    pub(crate) metrics: Option<String>,
    /// The URL of EC2's read API, where it is answered.
    pub(crate) ec2_api: Option<String>,
}

impl Serve {
    /// Asks it to stop (SIGTERM), and says how it ended and after how long.
    pub(crate) fn terminate(&mut self) -> (ExitStatus, Duration) {
        let started = Instant::now();
        assert!(self.running.signal(Signal::TERM), "the server has ended before{}", self.running.tail());
        let status = self.running.wait(Duration::from_secs(20));
        (status, started.elapsed())
    }

    /// Kills it where it stands.
    pub(crate) fn kill(&mut self) {
        self.running.kill();
    }

    /// Waits until every watched scope has been swept once, as its summary says.
    pub(crate) fn swept(&self) {
        let mut client = super::rpc::Client::http(&self.http);
        let started = Instant::now();
        while !client.is_swept() {
            assert!(started.elapsed() < SWEEP, "no sweep ends within {SWEEP:?}{}", self.running.tail());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

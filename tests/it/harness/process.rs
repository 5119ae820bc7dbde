//! A child process that the test owns.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use super::python;

/// A running child whose standard output is read line by line and whose standard error goes to a file.
pub(crate) struct Running {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    log: PathBuf,
}

/// Why no line came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The child lives and says nothing.
    TimedOut,
    /// The child closed its output.
    Ended,
}

impl Running {
    /// Starts `command`; `name` names its log.
    pub(crate) fn start(name: &str, command: Command) -> Running {
        Running::start_complaining_to(name, command, None)
    }

    /// Starts `command` with `errors` as its standard error, if given; else that goes to a file.
    pub(crate) fn start_complaining_to(name: &str, mut command: Command, errors: Option<Stdio>) -> Running {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = python::directory().join("logs");
        fs::create_dir_all(&directory).unwrap();
        let log = directory.join(format!("{}-{number}-{name}.log", std::process::id()));
        let file = File::create(&log).unwrap();
        let shown = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.unwrap_or_else(|| file.into()))
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}\n{shown}"));
        let stdin = child.stdin.take();
        let output = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Running { name: name.to_owned(), child, stdin, lines, log }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of standard output.
    pub(crate) fn next_line(&self, patience: Duration) -> Result<String, Silence> {
        self.lines.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::TimedOut,
            RecvTimeoutError::Disconnected => Silence::Ended,
        })
    }

    /// The next line of standard output; fails the test with the log when there is none.
    pub(crate) fn line(&self, patience: Duration) -> String {
        self.next_line(patience).unwrap_or_else(|silence| {
            panic!("{} says nothing ({silence:?} after {patience:?}){}", self.name, self.tail())
        })
    }

    /// Writes one line to standard input; `false` when the child no longer reads.
    pub(crate) fn say(&mut self, line: &str) -> bool {
        let Some(stdin) = &mut self.stdin else { return false };
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).is_ok()
    }

    /// Closes standard input.
    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Everything it has written to standard error.
    pub(crate) fn errors(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Sends a signal, and says whether there was still a process to receive it.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        kill_process(Pid::from_child(&self.child), signal).is_ok()
    }

    /// Waits for the end by itself or by a signal sent before.
    ///
    /// # Panics
    ///
    /// When `patience` runs out; with the log.
    pub(crate) fn wait(&mut self, patience: Duration) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(started.elapsed() < patience, "{} still runs after {patience:?}{}", self.name, self.tail());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it where it stands (`kill -9`) and reaps it.
    pub(crate) fn kill(&mut self) {
        // An already reaped child cannot be killed: that is as good.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// The end of the log, to print with a failure.
    pub(crate) fn tail(&self) -> String {
        let log = self.errors();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(40);
        format!("\n--- {} (end of {})\n{}\n---", self.name, self.log.display(), lines[from..].join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let alive = self.ended().is_none();
        if alive {
            self.kill();
        }
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
    }
}

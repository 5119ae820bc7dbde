//! `muster simulate` as a process.

use std::process::Command;

use serde_json::Value;

use super::muster::{Endpoint, MUSTER};
use super::process::Running;
use super::{PATIENCE, rpc};

/// A running simulator.
pub(crate) struct Simulator {
    endpoint: Endpoint,
    // Dropping it stops the simulator.
    running: Running,
}

impl Simulator {
    /// Starts one with `instances` instances and further flags.
    pub(crate) fn start(instances: usize, flags: &[&str]) -> Simulator {
        let mut command = Command::new(MUSTER);
        command.args(["simulate", "--port", "0", "--instances", &instances.to_string()]).args(flags);
        let running = Running::start("simulate", command);
        let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
        let endpoint = Endpoint {
            url: said["endpoint"].as_str().unwrap().to_owned(),
            region: said["region"].as_str().unwrap().to_owned(),
        };
        Simulator { endpoint, running }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.running.pid()
    }

    /// What a path below `/_simulator` answers; fails the test when it refuses.
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        rpc::control(method, &format!("{}/_simulator{path}", self.endpoint.url), body)
    }
}

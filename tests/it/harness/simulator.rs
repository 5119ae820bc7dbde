//! `muster simulate` as a process.

use std::process::Command;

use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Uri};
use serde_json::Value;

use super::muster::{Endpoint, MUSTER};
use super::process::Running;
use super::{PATIENCE, rpc};

/// A running simulator.
pub(crate) struct Simulator {
    endpoint: Endpoint,
    // Held for its end: dropping it stops the simulator.
    _running: Running,
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
        Simulator { endpoint, _running: running }
    }

    /// Where it listens.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// What a path below `/_simulator` answers; fails the test when it refuses.
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url: Uri = format!("{}/_simulator{path}", self.endpoint.url).parse().unwrap();
        let request = Request::builder().method(method).uri(url.path()).header("host", url.host().unwrap());
        let request = request.body(Full::from(body.to_string())).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (status, text) = runtime.block_on(async {
            let response = rpc::send(&url, request).await;
            (response.status(), response.into_body().collect().await.unwrap().to_bytes())
        });
        assert!(status.is_success(), "{method} {path} answers {status}: {}", String::from_utf8_lossy(&text));
        serde_json::from_slice(&text).unwrap()
    }
}

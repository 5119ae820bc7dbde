//! What is measured: a simulator, a server that has swept it and listens to its events, and a queue between them.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::child::Child;
use crate::program::{INTERVALS, program};

/// How long a sweep of everything, and everything else that only has to happen, may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// How often something that is waited for is looked at.
const LOOK: Duration = Duration::from_millis(100);

const PROTOCOL: &str = "2026-07-28";

/// The processes, and what they keep on disk.
pub(crate) struct Bed {
    pub(crate) simulator: Child,
    pub(crate) server: Child,
    /// Where the server serves HTTP.
    pub(crate) authority: String,
    /// Where the simulator serves AWS's APIs.
    pub(crate) endpoint: String,
    /// The region of everything.
    pub(crate) region: String,
    directory: TempDir,
}

/// How the server asks AWS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    /// Its share of AWS's limits, 1 at most.
    pub(crate) share: &'static str,
    /// How often it sweeps; `None`: as it does by default.
    pub(crate) intervals: Option<&'static str>,
    /// What else it is told.
    pub(crate) flags: &'static [&'static str],
}

impl Asking {
    /// Sweeps far apart, and the whole of AWS's limits for what events make it describe.
    pub(crate) const RARELY: Asking = Asking { share: "1", intervals: Some(INTERVALS), flags: &[] };
}

/// What became of events so far, as the server counts them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) applied: u64,
    pub(crate) repeated: u64,
    pub(crate) unchanged: u64,
    pub(crate) deleted: u64,
}

/// One connection for questions of the same kind.
pub(crate) struct Line {
    authority: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Line {
    /// Connects.
    pub(crate) async fn open(authority: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(authority).await.with_context(|| format!("cannot connect to {authority}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::task::spawn_local(connection);
        Ok(Line { authority: authority.to_owned(), sender })
    }

    /// Posts JSON to a path and returns the JSON that comes back.
    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = Request::post(path).header("host", &self.authority).header("content-type", "application/json");
        self.send(request.body(Full::new(Bytes::from(body.to_string())))?).await
    }

    /// The body of a resource of the server.
    async fn read(&mut self, uri: &str) -> anyhow::Result<Value> {
        let result = self.send(question(&self.authority, "resources/read", Some(uri), json!({ "uri": uri }))?).await?;
        let text = result.pointer("/result/contents/0/text").and_then(Value::as_str).context("no text")?;
        Ok(serde_json::from_str(text)?)
    }

    /// Gets the JSON at a path.
    pub(crate) async fn get(&mut self, path: &str) -> anyhow::Result<Value> {
        let request = Request::get(path).header("host", &self.authority);
        self.send(request.body(Full::default())?).await
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Value> {
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        ensure!(status.is_success(), "{} answers {status}: {}", self.authority, String::from_utf8_lossy(&bytes));
        Ok(serde_json::from_slice(&bytes)?)
    }
}

/// A request to the server.
pub(crate) fn question(
    authority: &str,
    method: &str,
    name: Option<&str>,
    mut params: Value,
) -> anyhow::Result<Request<Full<Bytes>>> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": PROTOCOL,
        "io.modelcontextprotocol/clientInfo": { "name": "muster-bench", "version": env!("CARGO_PKG_VERSION") },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params.as_object_mut().context("parameters are an object")?.insert("_meta".to_owned(), meta);
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut request = Request::post("/mcp")
        .header("host", authority)
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("mcp-protocol-version", PROTOCOL)
        .header("mcp-method", method);
    if let Some(name) = name {
        request = request.header("mcp-name", name);
    }
    Ok(request.body(Full::new(Bytes::from(body.to_string())))?)
}

impl Bed {
    /// Starts everything and waits until the server has swept everything.
    pub(crate) async fn make(instances: usize, asking: Asking) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let file = |name: &str| directory.path().join(name);
        let count = instances.to_string();
        let arguments = ["simulate", "--instances", &count, "--port", "0", "--start-delay", "2s", "--stop-delay", "2s"];
        let simulator = Child::start(&program(), &arguments, &[], &file("simulate.log")).await?;
        let text = |key: &str| simulator.banner.get(key).and_then(Value::as_str).map(str::to_owned);
        let endpoint = text("endpoint").context("the simulator's banner has no endpoint")?;
        let region = text("region").context("the simulator's banner has no region")?;
        let mut control = Line::open(&simulator.authority("endpoint")?).await?;
        let listening = control.post("/_simulator/listen", &json!({ "name": "events" })).await?;
        let queue = listening.get("queue_url").and_then(Value::as_str).context("no queue")?;
        let queue = format!("{region}={queue}");
        let data = file("data");
        let data = data.to_str().context("the temporary directory's path is not UTF-8")?;
        let home = directory.path().to_str().context("the temporary directory's path is not UTF-8")?;
        let mut arguments = vec!["serve", "--http", "127.0.0.1:0", "--data-dir", data, "--queue-url", &queue];
        arguments.extend(["--aws-share", asking.share]);
        arguments.extend(asking.intervals.into_iter().flat_map(|intervals| ["--interval", intervals]));
        arguments.extend(asking.flags);
        let environment = [
            ("HOME", home),
            ("XDG_RUNTIME_DIR", home),
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", region.as_str()),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ];
        let server = Child::start(&program(), &arguments, &environment, &file("serve.log")).await?;
        let authority = server.authority("http")?;
        let bed = Bed { simulator, server, authority, endpoint, region, directory };
        let begun = Instant::now();
        let mut line = Line::open(&bed.authority).await?;
        while line.read("ec2://inventory/summary").await?.get("complete") != Some(&Value::Bool(true)) {
            ensure!(begun.elapsed() < PATIENCE, "not everything is swept within {PATIENCE:?}: {}", bed.log());
            sleep(LOOK).await;
        }
        Ok(bed)
    }

    /// What processes of this machine find the server by.
    pub(crate) fn home(&self) -> &Path {
        self.directory.path()
    }

    /// A line to the simulator's control paths.
    pub(crate) async fn control(&self) -> anyhow::Result<Line> {
        Line::open(&self.simulator.authority("endpoint")?).await
    }

    /// What the server counted so far.
    pub(crate) async fn counts(&self) -> anyhow::Result<Counts> {
        let freshness = Line::open(&self.authority).await?.read("ec2://inventory/freshness").await?;
        let of = |name: &str| freshness.pointer(&format!("/event_counts/{name}")).and_then(Value::as_u64);
        let of = |name: &str| of(name).with_context(|| format!("freshness does not count `{name}`"));
        Ok(Counts {
            received: of("received")?,
            applied: of("applied")?,
            repeated: of("repeated")?,
            unchanged: of("unchanged")?,
            deleted: of("deleted")?,
        })
    }

    /// How many events were put into the queue so far.
    pub(crate) async fn delivered(&self) -> anyhow::Result<u64> {
        let counts = self.control().await?.get("/_simulator/faults/counts").await?;
        counts.pointer("/events/delivered").and_then(Value::as_u64).context("the simulator counts no events")
    }

    /// How often the server called an action so far.
    pub(crate) async fn calls(&self, action: &str) -> anyhow::Result<u64> {
        let requests = self.control().await?.get("/_simulator/requests").await?;
        let requests =
            requests.get("requests").and_then(Value::as_array).context("the simulator counts no requests")?;
        let of_action = requests.iter().filter(|line| line.get("action").and_then(Value::as_str) == Some(action));
        Ok(of_action.filter_map(|line| line.get("total").and_then(Value::as_u64)).sum())
    }

    /// Waits until every event that was put into the queue was received and deleted, and says what became of all.
    pub(crate) async fn drained(&self) -> anyhow::Result<(u64, Counts)> {
        let begun = Instant::now();
        let mut before = None;
        loop {
            let (delivered, counts) = (self.delivered().await?, self.counts().await?);
            // What moves has its end to tell, too.
            if counts.deleted >= delivered && before == Some(delivered) {
                return Ok((delivered, counts));
            }
            if begun.elapsed() > PATIENCE {
                bail!("of {delivered} events {} are done with after {PATIENCE:?}: {}", counts.deleted, self.log());
            }
            before = Some(delivered);
            sleep(Duration::from_secs(3)).await;
        }
    }

    /// Ends the processes.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        let (simulator, _directory) = self.stop_server().await?;
        simulator.stop().await
    }

    /// Ends the server alone.
    pub(crate) async fn stop_server(self) -> anyhow::Result<(Child, TempDir)> {
        self.server.stop().await?;
        Ok((self.simulator, self.directory))
    }

    /// The end of the server's log.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.directory.path().join("serve.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        format!("the server's last lines: {}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }
}

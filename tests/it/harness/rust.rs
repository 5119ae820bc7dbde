//! The client of Rust's SDK, rmcp, in a thread that speaks the line protocol of tests/python/driver.py.
//!
//! Over HTTP it is rmcp's client for Unix sockets, the one of its two HTTP clients that needs no other library; a relay carries
//! its bytes to the server's port.

use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequestParams, ProtocolVersion, ReadResourceRequestParams, ResourceUpdatedNotificationParam,
    ServerNotification, SubscribeRequestParams, SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt, NotificationContext, Peer, RoleClient, RunningService, ServiceError,
    Subscription,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, UnixSocketHttpClient};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixListener};
use tokio::process::Child;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::PATIENCE;
use super::process::Silence;

/// How the client reaches its server.
pub(crate) enum RustTransport {
    /// It starts this command.
    Stdio(Command),
    /// It connects to a URL.
    Http(String),
}

/// A client in a thread of its own.
pub(crate) struct RustClient {
    commands: Option<UnboundedSender<String>>,
    lines: Receiver<String>,
    thread: JoinHandle<()>,
}

impl RustClient {
    /// Starts a client, which asks `server/discover` first or begins with the older handshake.
    pub(crate) fn start(is_modern: bool, transport: RustTransport) -> RustClient {
        let (sender, lines) = mpsc::channel();
        let (commands, given) = unbounded_channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            runtime.block_on(live(is_modern, transport, given, Voice(sender)));
        });
        RustClient { commands: Some(commands), lines, thread }
    }

    /// Gives it a command; `false` when it has ended.
    pub(crate) fn say(&mut self, line: &str) -> bool {
        self.commands.as_ref().is_some_and(|commands| commands.send(line.to_owned()).is_ok())
    }

    /// The next line that it says.
    pub(crate) fn next_line(&self, patience: Duration) -> Result<String, Silence> {
        self.lines.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::TimedOut,
            RecvTimeoutError::Disconnected => Silence::Ended,
        })
    }

    /// Has it leave.
    pub(crate) fn hang_up(&mut self) {
        self.commands = None;
    }

    /// Whether it has left.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// What the client says, and what it hears outside of subscriptions of the newer era.
#[derive(Clone)]
struct Voice(Sender<String>);

impl Voice {
    fn say(&self, what: &Value) {
        // A test that has ended listens no more.
        drop(self.0.send(what.to_string()));
    }

    fn updated(&self, uri: &str) {
        self.say(&json!({"event": "updated", "uri": uri}));
    }
}

impl ClientHandler for Voice {
    async fn on_resource_updated(
        &self,
        params: ResourceUpdatedNotificationParam,
        _context: NotificationContext<RoleClient>,
    ) {
        self.updated(&params.uri);
    }
}

/// What has to last as long as the connection.
enum Kept {
    Process(Child),
    Socket(#[expect(dead_code, reason = "it is removed when the connection ends")] TempDir),
}

/// Connects, obeys commands until there are no more, and leaves.
async fn live(is_modern: bool, transport: RustTransport, mut commands: UnboundedReceiver<String>, voice: Voice) {
    let lifecycle = if is_modern {
        ClientLifecycleMode::Auto { preferred_versions: vec![ProtocolVersion::LATEST], legacy_version: None }
    } else {
        ClientLifecycleMode::Initialize
    };
    let (running, kept) = match connect(transport, lifecycle, voice.clone()).await {
        Ok(connected) => connected,
        Err(error) => return voice.say(&json!({"event": "failed", "error": error})),
    };
    let peer = running.peer().clone();
    let info = json!(peer.peer_info());
    voice.say(&json!({
        "event": "ready", "protocol": info["protocolVersion"], "server": info["serverInfo"],
        "instructions": info["instructions"], "capabilities": info["capabilities"],
    }));
    let mut listening = None;
    loop {
        let command = tokio::select! {
            command = commands.recv() => command,
            heard = heard(&mut listening) => {
                match heard {
                    Ok(Some(ServerNotification::ResourceUpdatedNotification(updated))) => voice.updated(&updated.params.uri),
                    Ok(Some(_)) => {}
                    ended => {
                        voice.say(&json!({"event": "listen_ended", "why": format!("{ended:?}")}));
                        listening = None;
                    }
                }
                continue;
            }
        };
        let Some(command) = command else { break };
        let command: Value = serde_json::from_str(&command).unwrap();
        let outcome = timeout(PATIENCE, obey(&peer, &command, &mut listening)).await;
        voice.say(&match outcome {
            Ok(Ok(ok)) => json!({ "ok": ok }),
            Ok(Err(ServiceError::McpError(error))) => json!({ "error": error }),
            Ok(Err(error)) => json!({"error": {"message": error.to_string()}}),
            Err(_) => json!({"error": {"message": format!("no answer within {PATIENCE:?}")}}),
        });
    }
    drop(listening);
    drop(running.cancel().await);
    if let Kept::Process(mut process) = kept {
        drop(process.wait().await);
    }
}

async fn connect(
    transport: RustTransport,
    lifecycle: ClientLifecycleMode,
    voice: Voice,
) -> Result<(RunningService<RoleClient, Voice>, Kept), String> {
    let running = match transport {
        RustTransport::Stdio(command) => {
            let mut command = tokio::process::Command::from(command);
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            let mut process = command.spawn().unwrap();
            let ends = (process.stdout.take().unwrap(), process.stdin.take().unwrap());
            voice.serve_with_lifecycle(ends, lifecycle).await.map(|running| (running, Kept::Process(process)))
        }
        RustTransport::Http(url) => {
            let directory = tempfile::tempdir().unwrap();
            let socket = directory.path().join("http").to_str().unwrap().to_owned();
            let authority = url.parse::<hyper::Uri>().unwrap().authority().unwrap().to_string();
            tokio::runtime::Handle::current().spawn(relay(UnixListener::bind(&socket).unwrap(), authority));
            let client = UnixSocketHttpClient::new(&socket, &url);
            let config = StreamableHttpClientTransportConfig::with_uri(url);
            let transport = StreamableHttpClientTransport::with_client(client, config);
            voice.serve_with_lifecycle(transport, lifecycle).await.map(|running| (running, Kept::Socket(directory)))
        }
    };
    running.map_err(|error| error.to_string())
}

/// Carries each connection of the socket to `authority`.
async fn relay(socket: UnixListener, authority: String) {
    while let Ok((mut near, _)) = socket.accept().await {
        let authority = authority.clone();
        tokio::runtime::Handle::current().spawn(async move {
            let mut far = TcpStream::connect(authority).await.unwrap();
            // Either end may close it at any time.
            drop(copy_bidirectional(&mut near, &mut far).await);
        });
    }
}

/// The next notification of a subscription of the newer era; for ever where there is none.
async fn heard(listening: &mut Option<Subscription>) -> Result<Option<ServerNotification>, ServiceError> {
    match listening {
        Some(subscription) => subscription.next().await,
        None => std::future::pending().await,
    }
}

#[expect(deprecated, reason = "the older protocols have subscriptions of single resources")]
async fn obey(
    peer: &Peer<RoleClient>,
    command: &Value,
    listening: &mut Option<Subscription>,
) -> Result<Value, ServiceError> {
    let text = |name: &str| command[name].as_str().unwrap_or_default().to_owned();
    let uris: Vec<String> = serde_json::from_value(command["uris"].clone()).unwrap_or_default();
    let is_modern = peer.peer_info().is_some_and(|info| info.protocol_version >= ProtocolVersion::NO_INITIALIZE);
    Ok(match command["op"].as_str().unwrap() {
        "tools" => json!({"tools": peer.list_all_tools().await?}),
        "resources" => json!({"resources": peer.list_all_resources().await?}),
        "templates" => json!({"resourceTemplates": peer.list_all_resource_templates().await?}),
        "read" => json!(peer.read_resource(ReadResourceRequestParams::new(text("uri"))).await?),
        "call" => {
            let arguments = command["arguments"].as_object().cloned().unwrap_or_default();
            json!(peer.call_tool(CallToolRequestParams::new(text("name")).with_arguments(arguments)).await?)
        }
        "subscribe" if is_modern => {
            let filter = SubscriptionFilter::builder().resource_subscriptions(uris.iter().map(String::as_str)).build();
            let subscription = listening.insert(peer.listen(filter).await?);
            json!(subscription.acknowledged().resource_subscriptions)
        }
        "subscribe" => {
            for uri in &uris {
                peer.subscribe(SubscribeRequestParams::new(uri)).await?;
            }
            json!(uris)
        }
        "unsubscribe" if is_modern => {
            if let Some(mut subscription) = listening.take() {
                subscription.cancel().await?;
            }
            json!(uris)
        }
        "unsubscribe" => {
            for uri in &uris {
                peer.unsubscribe(UnsubscribeRequestParams::new(uri)).await?;
            }
            json!(uris)
        }
        unknown => panic!("{unknown} is no operation"),
    })
}

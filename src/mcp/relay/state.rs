//! Decides what the relay sends: a state, which each line and each loss of the server moves on. It does no I/O and has no clock.
//!
//! A request of the client is in flight from the moment when its line is handed out. If the server is lost then, the next one gets
//! it again under the same id, except for calls that may have changed AWS: of those it is asked what became of them. What was not
//! handed out yet waits for the next server. Before the next server hears any of that, it is told of the client's session
//! ([`SessionReplay`]), and nothing that it says before is passed on.

mod from_client;
mod from_server;
mod hang;
mod recovery;

use std::collections::VecDeque;
use std::time::Duration;

use rmcp::model::RequestId;

use super::request::{PendingRequest, RequestKind, RequestTable};
use super::server_requests::ServerRequests;
use super::session::{ClientSession, SessionReplay};
use super::silence::ServerSilence;
use crate::mcp::lines::MAX_LINE;
use crate::mcp::normalise::{self, Conversation, ErrorResponse};

/// The notification by which a server says that it stops on purpose.
pub const GOODBYE: &str = "notifications/muster/goodbye";

/// The metadata of a notification that names the request by which the client asked for it.
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

const RESTART: &str = "the Muster server process ended, and the new one does not take over this session: restart this MCP server \
    in the client";
const UNTOLD: &str =
    "the Muster server process ended before it answered this call, and the new one cannot tell what became of it";
const PERHAPS: &str = "It is not known whether this call changed AWS: check before you repeat it.";

/// What happens to a relay.
#[derive(Clone, Debug)]
pub enum RelayInput<'a> {
    /// A line of the client.
    Client(&'a [u8]),
    /// The beginning of a line of the client that is longer than the limit.
    ClientTooLong(&'a [u8]),
    /// The client closed its end.
    ClientLeft,
    /// A line of the present server.
    Server(&'a [u8]),
    /// The present server takes another line.
    ServerReady,
    /// The present server is lost.
    ServerLost,
    /// There is another server.
    Connected(Welcome),
    /// There is no server to be had, for this reason.
    Unreachable(&'a str),
    /// [`RelayState::probe_at`] is over.
    Silent,
    /// The present server was probed, and this is whether it answers.
    Probed(bool),
}

/// What the relay does then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayOutput {
    /// Sends a line to the client.
    ToClient(Vec<u8>),
    /// Sends a line to the present server.
    ToServer(Vec<u8>),
    /// Closes the connection to the present server, which counts as lost.
    HangUp,
    /// Finds or starts another server after a pause.
    Connect(Duration),
    /// Asks the present server on another connection whether it answers at all.
    Probe,
}

/// What a server says of itself when a front end attaches to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Welcome {
    /// The tools that only read; any other may change AWS.
    pub read_tools: Vec<String>,
    /// The tools that this client has to change AWS, if it says so.
    pub write_tools: Option<Vec<String>>,
    /// Names the store that it serves, if it says so.
    pub store: Option<String>,
    /// Its process.
    pub pid: u32,
    /// The command that ends it.
    pub stop: String,
    /// Whether it is no server, but this front end: it lists tools, and answers all else with why there is no server.
    pub is_stand_in: bool,
}

/// The state of a relay.
#[derive(Debug)]
pub struct RelayState {
    phase: RelayPhase,
    /// The conversation counts as opened, because the server checks the handshake.
    conversation: Conversation,
    requests: RequestTable,
    outbox: VecDeque<Outgoing>,
    session: ClientSession,
    server_requests: ServerRequests,
    /// The present server, or the last one.
    server: Welcome,
    silence: ServerSilence,
    /// The tools that the client had to change AWS, as the last server said.
    write_tools: Option<Vec<String>>,
    /// What the server said during a replay.
    held: Vec<Vec<u8>>,
    /// Begins the names of calls, so that no two front ends use one name.
    seed: u64,
    /// How many ids and names the relay has made.
    made: u64,
    connected_at: Duration,
    /// How many servers in a row were lost at once.
    quick_losses: u32,
    client_left: bool,
}

#[derive(Debug)]
enum RelayPhase {
    /// The server serves.
    Up,
    /// The server is told of the session.
    Replaying(Box<SessionReplay>),
    /// A server is wanted.
    Connecting,
    /// There is none, and another one is looked for after a pause, or at once with the next request.
    Retrying,
    /// There is no server, and none is needed before the next request.
    Down,
    /// No server takes over the session.
    Broken,
}

/// Something that waits to be sent to the server.
#[derive(Debug)]
enum Outgoing {
    /// The request with this number.
    Request(u64),
    /// A line for any server.
    Line(Vec<u8>),
    /// A line that means nothing to another server.
    ForThisServer(Vec<u8>),
    /// The client's `initialized`.
    Initialized(Vec<u8>),
}

impl RelayState {
    /// A relay with a server. No two may have the same `seed`.
    #[must_use]
    pub fn new(welcome: Welcome, seed: u64) -> Self {
        RelayState {
            phase: RelayPhase::Up,
            conversation: Conversation::opened(),
            requests: RequestTable::default(),
            outbox: VecDeque::new(),
            session: ClientSession::default(),
            server_requests: ServerRequests::default(),
            write_tools: welcome.write_tools.clone(),
            server: welcome,
            silence: ServerSilence::default(),
            held: Vec::new(),
            seed,
            made: 0,
            connected_at: Duration::ZERO,
            quick_losses: 0,
            client_left: false,
        }
    }

    /// Moves on. `now` is the time since any fixed moment.
    #[must_use]
    pub fn step(&mut self, input: RelayInput<'_>, now: Duration) -> Vec<RelayOutput> {
        let mut outputs = Vec::new();
        match input {
            RelayInput::Client(line) => self.client(line, now, &mut outputs),
            RelayInput::ClientTooLong(start) => {
                refuse(&normalise::too_long(start, MAX_LINE), &mut outputs);
            }
            RelayInput::ClientLeft => self.client_left = true,
            RelayInput::Server(line) => self.server(line, now, &mut outputs),
            RelayInput::ServerReady => outputs.extend(self.next(now).map(RelayOutput::ToServer)),
            RelayInput::ServerLost => self.lost(false, now, &mut outputs),
            RelayInput::Connected(welcome) => self.connected(welcome, now, &mut outputs),
            RelayInput::Unreachable(why) => self.unreachable(why, &mut outputs),
            RelayInput::Silent => self.silent(now, &mut outputs),
            RelayInput::Probed(is_alive) => self.probed(is_alive, now, &mut outputs),
        }
        outputs
    }

    /// Whether a line waits for [`RelayInput::ServerReady`].
    #[must_use]
    pub fn has_next(&self) -> bool {
        match &self.phase {
            RelayPhase::Up => !self.outbox.is_empty(),
            RelayPhase::Replaying(replay) => replay.has_next(),
            RelayPhase::Connecting | RelayPhase::Retrying | RelayPhase::Down | RelayPhase::Broken => false,
        }
    }

    /// Whether the present server is to hear more, now or once it knows the session.
    #[must_use]
    pub fn has_more(&self) -> bool {
        self.has_next() || matches!(self.phase, RelayPhase::Replaying(_))
    }

    /// How many messages wait for a server. For one that hangs none comes any more.
    #[must_use]
    pub fn waiting(&self) -> usize {
        if self.silence.is_hung() { 0 } else { self.outbox.len() }
    }

    /// Whether nobody waits for a server.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.requests.is_empty()
    }

    /// The next line for the server.
    fn next(&mut self, now: Duration) -> Option<Vec<u8>> {
        match &mut self.phase {
            RelayPhase::Replaying(replay) => return replay.next(),
            RelayPhase::Up => {}
            RelayPhase::Connecting | RelayPhase::Retrying | RelayPhase::Down | RelayPhase::Broken => return None,
        }
        loop {
            match self.outbox.pop_front()? {
                Outgoing::Line(line) | Outgoing::ForThisServer(line) | Outgoing::Initialized(line) => {
                    return Some(line);
                }
                // One that was cancelled meanwhile is passed over.
                Outgoing::Request(number) => {
                    if let Some(request) = self.requests.numbered(number) {
                        request.is_sent = true;
                        if request.losses == 0 {
                            request.store.clone_from(&self.server.store);
                        }
                        return Some(request.line(now));
                    }
                }
            }
        }
    }

    /// Answers a request that will not be served any more.
    fn answer_lost(&mut self, request: &PendingRequest, why: &str, outputs: &mut Vec<RelayOutput>) {
        if request.kind == RequestKind::WriteCall && (request.losses > 0 || request.is_sent) {
            self.answer_failed(&request.id, &format!("{why}. {PERHAPS}"), outputs);
        } else {
            self.answer_failed(&request.id, why, outputs);
        }
    }

    fn answer_failed(&mut self, id: &RequestId, why: &str, outputs: &mut Vec<RelayOutput>) {
        self.conversation.answered(id);
        let error = ErrorResponse::failed(Some(id.clone().into_json_value()), why.to_owned());
        outputs.push(RelayOutput::ToClient(error.line()));
    }
}

fn refuse(refusals: &[ErrorResponse], outputs: &mut Vec<RelayOutput>) {
    outputs.extend(refusals.iter().map(|refusal| RelayOutput::ToClient(refusal.line())));
}

/// A line with its newline, which the last one of a stream may lack.
fn whole(line: &[u8]) -> Vec<u8> {
    let mut line = line.to_vec();
    if line.last() != Some(&b'\n') {
        line.push(b'\n');
    }
    line
}

#[cfg(test)]
mod tests;

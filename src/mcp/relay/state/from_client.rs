//! What the relay does with a line of the client.

use std::time::Duration;

use rmcp::model::RequestId;
use serde_json::{Value, json};

use super::super::request::{CALL, PendingRequest, RequestKind};
use super::super::rewrite::{self, Members, ServerLine};
use super::{Outgoing, RESTART, RelayOutput, RelayPhase, RelayState, refuse, whole};
use crate::mcp::normalise::{ClientMessage, MessageDecision, MessageKind};

/// The most messages that wait for a server.
const MAX_WAITING: usize = 256;
/// The methods that are answered although there is no server.
const WITHOUT_SERVER: [&str; 7] = [
    "initialize",
    "server/discover",
    "ping",
    "logging/setLevel",
    "tools/list",
    "prompts/list",
    "resources/templates/list",
];
const FULL: &str = "the Muster server process ended and another one is not ready yet, and as many requests wait for it as this \
    front end holds: send this request again in a moment";

impl RelayState {
    pub(super) fn client(&mut self, line: &[u8], now: Duration, outputs: &mut Vec<RelayOutput>) {
        match self.conversation.hear(line) {
            MessageDecision::Forward(message) => match message.said() {
                MessageKind::Request { id, method } => self.request(&message, id, method, now, outputs),
                MessageKind::Notification { cancels: Some(id) } => self.cancel(&message, id),
                MessageKind::Notification { cancels: None } => self.notification(&message),
                MessageKind::Response => {
                    let answer = self.server_requests.answer(message.bytes());
                    self.outbox.extend(answer.map(Outgoing::ForThisServer));
                }
            },
            MessageDecision::Answer(refusals) => refuse(&refusals, outputs),
            MessageDecision::Drop => {}
        }
    }

    fn request(
        &mut self,
        message: &ClientMessage<'_>,
        id: &RequestId,
        method: &str,
        now: Duration,
        outputs: &mut Vec<RelayOutput>,
    ) {
        let refused = match self.phase {
            RelayPhase::Broken => Some(RESTART.to_owned()),
            RelayPhase::Up | RelayPhase::Replaying(_) if self.silence.is_hung() => Some(self.hangs_unsent()),
            RelayPhase::Up => None,
            _ => (self.outbox.len() >= MAX_WAITING).then(|| FULL.to_owned()),
        };
        if let Some(why) = refused {
            self.answer_failed(id, &why, outputs);
            return;
        }
        if !self.requests.are_awaited() {
            self.silence.unheeded(now);
        }
        let (kind, line) = self.read_request(message, method);
        let request = PendingRequest::new(id.clone(), kind, line, message.progress_token(), now);
        self.outbox.push_back(Outgoing::Request(self.requests.add(request)));
        if matches!(self.phase, RelayPhase::Down | RelayPhase::Retrying) {
            self.phase = RelayPhase::Connecting;
            outputs.push(RelayOutput::Connect(Duration::ZERO));
        } else if self.server.is_stand_in && matches!(self.phase, RelayPhase::Up) && !WITHOUT_SERVER.contains(&method) {
            // By now there may be a server.
            outputs.push(RelayOutput::HangUp);
            self.lost(true, now, outputs);
        }
    }

    /// What a request is, and the line that is sent for it.
    fn read_request(&mut self, message: &ClientMessage<'_>, method: &str) -> (RequestKind, Vec<u8>) {
        let parsed = || rewrite::members(message.bytes());
        let uri = |parsed: &Members| rewrite::parameter(parsed, "uri").and_then(Value::as_str).map(str::to_owned);
        let kind = match method {
            "initialize" => RequestKind::Initialize,
            "logging/setLevel" => RequestKind::SetLevel,
            "subscriptions/listen" => RequestKind::Listen { honoured: None },
            "resources/subscribe" => uri(&parsed()).map_or(RequestKind::Other, RequestKind::Subscribe),
            "resources/unsubscribe" => {
                if let Some(uri) = uri(&parsed()) {
                    self.session.unsubscribe(&uri);
                    self.requests.forget_subscription(&uri);
                }
                RequestKind::Other
            }
            "tools/call" => {
                let mut parsed = parsed();
                let name = rewrite::parameter(&parsed, "name").and_then(Value::as_str);
                let reads = name.is_some_and(|name| self.server.read_tools.iter().any(|tool| tool == name));
                self.made += 1;
                rewrite::set_meta(&mut parsed, CALL, json!(format!("{:016x}-{}", self.seed, self.made)));
                let kind = if reads { RequestKind::ReadCall } else { RequestKind::WriteCall };
                return (kind, rewrite::line(parsed));
            }
            _ => RequestKind::Other,
        };
        (kind, whole(message.bytes()))
    }

    /// The client no longer wants an answer. A server hears of it only if it knows the request.
    fn cancel(&mut self, message: &ClientMessage<'_>, id: &RequestId) {
        if self.requests.get(id).is_some_and(|request| request.kind == RequestKind::Initialize) {
            return;
        }
        let Some(request) = self.requests.take(id) else { return };
        self.conversation.answered(id);
        if request.is_sent {
            self.outbox.push_back(Outgoing::ForThisServer(whole(message.bytes())));
        }
    }

    fn notification(&mut self, message: &ClientMessage<'_>) {
        let line = whole(message.bytes());
        let outgoing = match ServerLine::of(&line) {
            ServerLine::Notification(method) if method == "notifications/initialized" => {
                self.session.is_initialized = true;
                Some(Outgoing::Initialized(line))
            }
            ServerLine::Notification(method) if method == "notifications/progress" => {
                self.server_requests.progress(rewrite::members(&line)).map(Outgoing::ForThisServer)
            }
            // Without the id of a request it says nothing.
            ServerLine::Notification(method) if method == "notifications/cancelled" => None,
            _ => Some(Outgoing::Line(line)),
        };
        let is_served = matches!(self.phase, RelayPhase::Up | RelayPhase::Replaying(_) | RelayPhase::Connecting);
        let is_full = self.outbox.len() >= MAX_WAITING && !matches!(self.phase, RelayPhase::Up);
        // For a server that hangs nothing is kept that it can do without.
        let is_needless = self.silence.is_hung() && matches!(outgoing, Some(Outgoing::Line(_)));
        self.outbox.extend(outgoing.filter(|_| is_served && !is_full && !is_needless));
    }
}

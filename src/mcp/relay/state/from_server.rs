//! What the relay does with a line of the server.

use std::time::Duration;

use rmcp::model::RequestId;
use serde_json::{Value, json};

use super::super::request::{HonouredFilter, RequestKind};
use super::super::rewrite::{self, ServerLine};
use super::super::session::ReplayOutcome;
use super::{GOODBYE, Outgoing, RESTART, RelayOutput, RelayPhase, RelayState, SUBSCRIPTION, UNTOLD, whole};

impl RelayState {
    pub(super) fn server(&mut self, line: &[u8], now: Duration, outputs: &mut Vec<RelayOutput>) {
        let kind = ServerLine::of(line);
        self.silence.broken(now);
        if matches!(&kind, ServerLine::Notification(method) if method == GOODBYE) {
            outputs.push(RelayOutput::HangUp);
            self.lost(true, now, outputs);
            return;
        }
        match &mut self.phase {
            RelayPhase::Up => self.pass_on(line, kind, outputs),
            RelayPhase::Replaying(replay) => match kind {
                ServerLine::Answer(Some(id)) if replay.is_own(&id) => {
                    match replay.answered(&id, &rewrite::members(line)) {
                        ReplayOutcome::Unfinished => {}
                        ReplayOutcome::Done => self.replayed(outputs),
                        ReplayOutcome::Failed => self.fail(outputs),
                    }
                }
                _ => self.held.push(line.to_vec()),
            },
            // The connection is over.
            RelayPhase::Connecting | RelayPhase::Retrying | RelayPhase::Down | RelayPhase::Broken => {}
        }
    }

    /// The server knows the session, and serves from now on.
    fn replayed(&mut self, outputs: &mut Vec<RelayOutput>) {
        let before = std::mem::replace(&mut self.phase, RelayPhase::Up);
        if let RelayPhase::Replaying(mut replay) = before {
            let mut rest: Vec<Vec<u8>> = std::iter::from_fn(|| replay.next()).collect();
            rest.reverse();
            for line in rest {
                self.outbox.push_front(Outgoing::ForThisServer(line));
            }
        }
        for line in std::mem::take(&mut self.held) {
            let kind = ServerLine::of(&line);
            self.pass_on(&line, kind, outputs);
        }
        self.compare_tools(outputs);
    }

    /// No server takes over the session.
    fn fail(&mut self, outputs: &mut Vec<RelayOutput>) {
        self.phase = RelayPhase::Broken;
        self.outbox.clear();
        self.held.clear();
        outputs.push(RelayOutput::HangUp);
        for request in self.requests.take_all() {
            self.answer_lost(&request, RESTART, outputs);
        }
    }

    fn pass_on(&mut self, line: &[u8], kind: ServerLine, outputs: &mut Vec<RelayOutput>) {
        let line = match kind {
            ServerLine::Answer(Some(id)) => return self.answered(line, &id, outputs),
            ServerLine::Answer(None) => Some(whole(line)),
            ServerLine::Request => self.server_requests.forward(line),
            ServerLine::Notification(method) => match method.as_str() {
                "notifications/cancelled" => self.server_requests.cancel(rewrite::members(line)),
                "notifications/progress" => self.is_news(line).then(|| whole(line)),
                "notifications/subscriptions/acknowledged" => return self.acknowledged(line, outputs),
                _ => Some(whole(line)),
            },
            ServerLine::Unknown => None,
        };
        outputs.extend(line.map(RelayOutput::ToClient));
    }

    fn answered(&mut self, line: &[u8], id: &RequestId, outputs: &mut Vec<RelayOutput>) {
        // Nobody waits for the late answer to a request that was cancelled.
        if !self.requests.get(id).is_some_and(|request| request.is_sent) {
            return;
        }
        let Some(request) = self.requests.take(id) else { return };
        self.conversation.answered(id);
        let is_good = || rewrite::members(line).contains_key("result");
        match request.kind {
            // A server that does not know the question, or cannot answer it, does not say that nothing happened.
            RequestKind::WriteCall if request.losses > 0 && !is_good() => {
                self.answer_lost(&request, UNTOLD, outputs);
                return;
            }
            RequestKind::Initialize => {
                self.session.open(rewrite::members(&request.line(Duration::ZERO)), &rewrite::members(line));
            }
            RequestKind::Subscribe(uri) if is_good() => self.session.subscribe(uri),
            RequestKind::SetLevel if is_good() => {
                self.session.set_level(rewrite::members(&request.line(Duration::ZERO)));
            }
            _ => {}
        }
        outputs.push(RelayOutput::ToClient(whole(line)));
    }

    /// Whether a progress notification tells the client something new.
    fn is_news(&mut self, line: &[u8]) -> bool {
        let message = rewrite::members(line);
        let value = rewrite::parameter(&message, "progress").and_then(Value::as_f64);
        let (Some(token), Some(value)) = (rewrite::parameter(&message, "progressToken"), value) else { return false };
        self.requests.of_token(token).is_some_and(|request| request.is_sent && request.advances(token, value))
    }

    /// The server takes a subscription. The client hears of that once; if less is granted than at first, it sees the end.
    fn acknowledged(&mut self, line: &[u8], outputs: &mut Vec<RelayOutput>) {
        let message = rewrite::members(line);
        let id = rewrite::meta(&message, SUBSCRIPTION).cloned();
        let Some(id) = id.and_then(|id| serde_json::from_value::<RequestId>(id).ok()) else { return };
        let Some(request) = self.requests.get(&id).filter(|request| request.is_sent) else { return };
        let RequestKind::Listen { honoured } = &mut request.kind else { return };
        let granted = HonouredFilter::of(&message);
        match honoured {
            None => {
                *honoured = Some(granted);
                outputs.push(RelayOutput::ToClient(whole(line)));
            }
            Some(promised) if granted.covers(promised) => {}
            Some(_) => {
                self.requests.take(&id);
                self.conversation.answered(&id);
                let cancelled = rewrite::cancelled(&id, "the new server grants less than the one before");
                self.outbox.push_back(Outgoing::ForThisServer(cancelled));
                let id = id.into_json_value();
                let result = json!({"resultType": "complete", "_meta": {SUBSCRIPTION: id}});
                let ended = json!({"jsonrpc": "2.0", "id": id, "result": result});
                outputs.push(RelayOutput::ToClient(format!("{ended}\n").into_bytes()));
            }
        }
    }
}

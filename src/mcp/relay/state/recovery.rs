//! What the relay does when a server is lost, and when there is another one.

use std::time::Duration;

use rmcp::model::RequestId;
use serde_json::{Value, json};

use super::super::request::RequestKind;
use super::super::session::SessionReplay;
use super::super::silence::ServerSilence;
use super::{Outgoing, RelayOutput, RelayPhase, RelayState, SUBSCRIPTION, UNTOLD, Welcome};

/// How many servers a request may lose before it is answered with an error: it may be what ends them.
const MAX_LOSSES: u32 = 8;
/// A server that lasts this long was not lost at once.
const LASTING: Duration = Duration::from_secs(3);
/// The pause before another server is started after one was lost at once; it doubles.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest such pause.
const MAX_PAUSE: Duration = Duration::from_secs(5);

const TOOLS_CHANGED: &str = "notifications/tools/list_changed";
/// The word of a filter for the list of tools.
const TOOLS_LIST: &str = "toolsListChanged";

const LOST: &str = "the Muster server process ended again and again while it served this request, so it is not sent once more: \
    look into the server's log";
const LEFT: &str =
    "the client closed its end, and the Muster server did not answer this request before the connection ended";

impl RelayState {
    /// The server is lost; `planned` if it said so before.
    pub(super) fn lost(&mut self, planned: bool, now: Duration, outputs: &mut Vec<RelayOutput>) {
        if !matches!(self.phase, RelayPhase::Up | RelayPhase::Replaying(_)) {
            return;
        }
        outputs.extend(self.server_requests.lose().into_iter().map(RelayOutput::ToClient));
        self.held.clear();
        self.phase = RelayPhase::Down;
        // What a stand-in was sent, no server has seen.
        let lost = if self.server.is_stand_in { self.requests.unsend() } else { self.requests.lose() };
        self.silence = ServerSilence::default();
        if self.client_left {
            for request in self.requests.take_all() {
                self.answer_lost(&request, LEFT, outputs);
            }
            self.outbox.clear();
            return;
        }
        let again: Vec<u64> = lost.into_iter().filter(|number| self.is_worth_another(*number, outputs)).collect();
        self.refill(again);
        if self.requests.is_empty() && !self.session.has_subscriptions() && (planned || !self.session.is_open()) {
            return;
        }
        self.phase = RelayPhase::Connecting;
        outputs.push(RelayOutput::Connect(self.pause(planned, now)));
    }

    /// Whether a request that was in flight is sent again; if not, it is answered.
    fn is_worth_another(&mut self, number: u64, outputs: &mut Vec<RelayOutput>) -> bool {
        let Some(request) = self.requests.numbered(number) else { return false };
        // A subscription does nothing that could end a server.
        if request.losses <= MAX_LOSSES || matches!(request.kind, RequestKind::Listen { .. }) {
            return true;
        }
        let id = request.id.clone();
        if let Some(request) = self.requests.take(&id) {
            self.answer_lost(&request, LOST, outputs);
        }
        false
    }

    /// Puts what was in flight before what still waits, without what meant only the server that was lost.
    fn refill(&mut self, again: Vec<u64>) {
        let waiting = std::mem::take(&mut self.outbox);
        let opens = self.requests.opens();
        self.outbox.extend(again.into_iter().map(Outgoing::Request));
        for outgoing in waiting {
            match outgoing {
                Outgoing::ForThisServer(_) | Outgoing::Initialized(_) => {}
                Outgoing::Request(_) | Outgoing::Line(_) => self.outbox.push_back(outgoing),
            }
        }
        if self.session.is_initialized && !self.session.is_open() && opens {
            let line = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n".to_vec();
            self.outbox.push_back(Outgoing::Initialized(line));
        }
    }

    /// How long to wait before the next server: the longer, the more were lost at once.
    fn pause(&mut self, planned: bool, now: Duration) -> Duration {
        if planned || now.saturating_sub(self.connected_at) >= LASTING {
            self.quick_losses = 0;
            return Duration::ZERO;
        }
        self.quick_losses += 1;
        match self.quick_losses {
            1 => Duration::ZERO,
            losses => PAUSE.saturating_mul(1 << (losses - 2).min(16)).min(MAX_PAUSE),
        }
    }

    pub(super) fn connected(&mut self, welcome: Welcome, now: Duration, outputs: &mut Vec<RelayOutput>) {
        if !matches!(self.phase, RelayPhase::Connecting | RelayPhase::Retrying) {
            return;
        }
        self.server = welcome;
        self.connected_at = now;
        self.silence = ServerSilence::begin(now);
        // The log of another store does not hold them, and says nothing by that.
        for request in self.requests.take_untold(self.server.store.as_deref()) {
            self.answer_lost(&request, UNTOLD, outputs);
        }
        let (requests, made) = (&mut self.requests, &mut self.made);
        let own_id = || loop {
            *made += 1;
            let id = RequestId::String(format!("muster:{made}").into());
            if requests.get(&id).is_none() {
                return id;
            }
        };
        let replay = SessionReplay::of(&self.session, own_id);
        self.phase = replay.map_or(RelayPhase::Up, |replay| RelayPhase::Replaying(Box::new(replay)));
        if matches!(self.phase, RelayPhase::Up) {
            self.compare_tools(outputs);
        }
    }

    /// Tells the client that its list of tools changed, where the present server, which serves from now on, offers others than the
    /// last one did. A client of the newer era hears of it only where it asked for that.
    pub(super) fn compare_tools(&mut self, outputs: &mut Vec<RelayOutput>) {
        let now = self.server.write_tools.clone();
        if now.is_none() || now == self.write_tools {
            return;
        }
        let before = std::mem::replace(&mut self.write_tools, now);
        if before.is_none() {
            return;
        }
        let mut tell = |params: Value| {
            let said = json!({"jsonrpc": "2.0", "method": TOOLS_CHANGED, "params": params});
            outputs.push(RelayOutput::ToClient(format!("{said}\n").into_bytes()));
        };
        if self.session.is_open() && self.session.is_initialized {
            tell(json!({}));
        }
        for id in self.requests.listening_for(TOOLS_LIST) {
            tell(json!({"_meta": {SUBSCRIPTION: id.into_json_value()}}));
        }
    }

    pub(super) fn unreachable(&mut self, why: &str, outputs: &mut Vec<RelayOutput>) {
        if !matches!(self.phase, RelayPhase::Connecting | RelayPhase::Retrying) {
            return;
        }
        self.phase = RelayPhase::Down;
        // The older protocols cannot tell a client that its subscriptions ended.
        if self.session.has_subscriptions() && !self.client_left {
            self.phase = RelayPhase::Retrying;
            outputs.push(RelayOutput::Connect(MAX_PAUSE));
        }
        self.outbox.clear();
        let why = format!(
            "the Muster server process ended or no longer reads, and no other one serves: {why}. The next request tries again"
        );
        for request in self.requests.take_all() {
            self.answer_lost(&request, &why, outputs);
        }
    }
}

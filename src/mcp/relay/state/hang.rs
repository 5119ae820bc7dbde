//! What the relay does when the server says nothing.

use std::time::Duration;

use super::super::rewrite;
use super::{Outgoing, RelayOutput, RelayPhase, RelayState};

const NOT_IN_TIME: &str = "the server did not answer in time";

impl RelayState {
    /// When to give [`RelayInput::Silent`](super::RelayInput::Silent); `None` while nobody waits for the server.
    #[must_use]
    pub fn probe_at(&self) -> Option<Duration> {
        let is_replaying = matches!(self.phase, RelayPhase::Replaying(_));
        let is_connected = is_replaying || matches!(self.phase, RelayPhase::Up);
        if !is_connected || self.server.is_stand_in {
            return None;
        }
        self.silence.probe_at(is_replaying || self.requests.are_awaited())
    }

    pub(super) fn silent(&mut self, now: Duration, outputs: &mut Vec<RelayOutput>) {
        if self.probe_at().is_some_and(|at| at <= now) {
            self.silence.probe();
            outputs.push(RelayOutput::Probe);
        }
    }

    /// Answers what waits for a server that turns out to hang. Should that one go on, it does so with what comes then.
    pub(super) fn probed(&mut self, is_alive: bool, now: Duration, outputs: &mut Vec<RelayOutput>) {
        if !self.silence.probed(is_alive, now) {
            return;
        }
        let given_up = self.requests.take_awaited();
        let requests = &mut self.requests;
        self.outbox.retain(|outgoing| match outgoing {
            Outgoing::Request(number) => requests.numbered(*number).is_some(),
            Outgoing::Line(_) => false,
            Outgoing::ForThisServer(_) | Outgoing::Initialized(_) => true,
        });
        for request in given_up {
            let why = if request.is_sent { self.hangs() } else { self.hangs_unsent() };
            self.answer_lost(&request, &why, outputs);
            if request.is_sent {
                self.outbox.push_back(Outgoing::ForThisServer(rewrite::cancelled(&request.id, NOT_IN_TIME)));
            }
        }
    }

    /// Why a request is not sent to a server that hangs.
    pub(super) fn hangs_unsent(&self) -> String {
        format!("{}. This request was not sent to it: send it again later", self.hangs())
    }

    fn hangs(&self) -> String {
        format!(
            "the running Muster server, process {}, does not answer, on a new connection either: a person ends it with `{} --force`, \
             and then the next request starts another one",
            self.server.pid, self.server.stop
        )
    }
}

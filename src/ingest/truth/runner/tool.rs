//! A tool that starts or stops an instance, and its answer.

use super::Runner;
use crate::ingest::truth::shelf::Backing;
use crate::model::fixtures;
use crate::model::{ActionId, ActionOutcome, ActionRequest, Cause, Clock, Event, Observation, Seen, Source};

impl<S: Backing> Runner<'_, S> {
    pub(super) fn tool(&mut self, which: u8, on: bool) {
        let Some(id) = self.slots.get(usize::from(which) % self.slots.len().max(1)).cloned() else { return };
        let action = ActionId(self.seq.0);
        let event = ActionRequest::of("t", vec![fixtures::id(&id)]).requested(action);
        self.record(vec![(Cause::Tool { action }, event)], Vec::new(), Cause::Tool { action });
        if let Some(state) = self.aws.power(&id, on, self.now) {
            self.tools.push_back((action, id, self.clock.now(), state));
        }
    }

    pub(super) fn tool_answer(&mut self) {
        let Some((action, id, at, state)) = self.tools.pop_front() else { return };
        let seen = Seen::StateAsserted(fixtures::state(state));
        let observation = Observation { source: Source::Tool, at, id: fixtures::id(&id), seen };
        let event = Event::ActionFinished {
            action,
            outcome: ActionOutcome::Succeeded { created: Vec::new() },
            request_id: None,
        };
        self.record(vec![(Cause::Tool { action }, event)], vec![observation], Cause::Tool { action });
    }
}

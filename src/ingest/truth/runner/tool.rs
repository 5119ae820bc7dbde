//! A tool that starts or stops an instance, and its answer.

use super::{CheckResult, Runner};
use crate::ingest::truth::shelf::Backing;
use crate::model::{ActionId, ActionOutcome, ActionRequest, Cause, Clock, Event, Observation, Seen, Source};

impl<S: Backing> Runner<'_, S> {
    pub(super) fn tool(&mut self, which: u8, on: bool) -> CheckResult {
        self.chose()?;
        let (now, action) = (self.now, ActionId(self.seq.0));
        let here = self.here();
        let Some(id) = here.slots.get(usize::from(which) % here.slots.len().max(1)).cloned() else { return Ok(()) };
        if !here.watched {
            return Ok(());
        }
        let event = ActionRequest::of("t", vec![here.id(&id)]).requested(action);
        self.record(vec![(Cause::Tool { action }, event)], Vec::new(), Cause::Tool { action });
        self.tally.count("tool");
        if let Some(state) = self.here().aws.power(&id, on, now) {
            let at = self.clock.now();
            self.here().tools.push_back((action, id, at, state));
        }
        Ok(())
    }

    /// How a call ended is recorded, whether or not its scope is still watched.
    pub(super) fn tool_answer(&mut self) -> CheckResult {
        let here = self.here();
        let Some((action, id, at, state)) = here.tools.pop_front() else { return Ok(()) };
        let (id, watched) = (here.id(&id), here.watched);
        self.tally.count(if watched { "tool answered" } else { "tool answered after its scope was given up" });
        let seen = Seen::StateAsserted(crate::model::fixtures::state(state));
        let observation = Observation { source: Source::Tool, at, id, seen };
        let outcome = ActionOutcome::Succeeded { created: Vec::new() };
        let event = Event::ActionFinished { action, outcome, request_id: None };
        self.record(vec![(Cause::Tool { action }, event.clone())], vec![observation], Cause::Tool { action });
        let Some(ingest) = &self.ingest else { return Err("no writer".to_owned()) };
        let records = self.shelf.records(ingest.ledger(), self.seq.next());
        if records.iter().any(|record| record.event == event) {
            Ok(())
        } else {
            Err(format!("the end of {action:?} is not recorded"))
        }
    }
}

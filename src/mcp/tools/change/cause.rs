//! The cause of a record in words and as data.

use std::ops::ControlFlow;

use serde_json::{Map, Value, json};

use super::{BegunAction, NEAR, RecordRenderer, VALUE, opened};
use crate::mcp::error::RequestError;
use crate::model::text::shown;
use crate::model::{ActionId, ApiCall, Cause, Event, Recorded, Seq};
use crate::query::changes::CauseKind;

impl RecordRenderer<'_> {
    /// The cause in words, and as data.
    pub(super) fn cause(&mut self, record: &Recorded) -> Result<(String, Map<String, Value>), RequestError> {
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        put("by", json!(CauseKind::of(&record.cause).name()));
        let words = match &record.cause {
            Cause::Baseline => "first sweep: it was there before".to_owned(),
            Cause::Sweep => "sweep".to_owned(),
            Cause::Refresh => "refresh".to_owned(),
            Cause::Attempt => "a tool's call".to_owned(),
            Cause::Notification { event_id } => {
                let event_id = shown(event_id, 80);
                put("event_id", json!(event_id));
                format!("event {event_id}")
            }
            Cause::Tool { action } => {
                put("action", json!(action));
                match self.tool(*action, Some(record), record.seq)? {
                    Some(tool) => {
                        put("tool", json!(tool));
                        format!("tool {tool} ({action})")
                    }
                    None => format!("a tool's call ({action})"),
                }
            }
            Cause::Resumed { since } => {
                put("unobserved_since", json!(since));
                format!("found by the first sweep after a gap since {since}")
            }
            Cause::Call { event_id, call } => {
                let ApiCall { name, actor, address, agent } = call;
                let event_id = shown(event_id, 80);
                put("event_id", json!(event_id));
                let (name, actor) = (shown(name, 80), shown(actor, VALUE));
                let mut words = format!("{actor} called {name}");
                put("call", json!(name));
                put("actor", json!(actor));
                if let Some(address) = address {
                    let address = shown(address, 80);
                    words = format!("{words} from {address}");
                    put("address", json!(address));
                }
                if let Some(agent) = agent {
                    put("agent", json!(shown(agent, VALUE)));
                }
                format!("{words} (event {event_id})")
            }
        };
        put("words", json!(words));
        Ok((words, data))
    }

    /// The name of the tool that began an action.
    fn tool(&mut self, action: ActionId, changed: Option<&Recorded>, seq: Seq) -> Result<Option<String>, RequestError> {
        Ok(self.request(action, changed, seq)?.map(|request| request.tool))
    }

    /// The request of an action: from the timeline of what it changed, or from the log right before.
    pub(super) fn request(
        &mut self,
        action: ActionId,
        changed: Option<&Recorded>,
        seq: Seq,
    ) -> Result<Option<BegunAction>, RequestError> {
        if let Some(request) = self.requests.get(&action) {
            return Ok(request.clone());
        }
        let began = |record: &Recorded| match &record.event {
            Event::ActionRequested { action: began, tool, targets, .. } if *began == action => {
                Some(BegunAction { tool: shown(tool, 60), target: targets.first().cloned() })
            }
            _ => None,
        };
        let mut request = changed.and_then(began);
        if let (None, Some(id)) = (&request, changed.and_then(|record| record.event.resource())) {
            request = self.snapshot.timeline_before(id, seq, 20)?.iter().find_map(began);
        }
        if request.is_none() {
            self.snapshot.each_sealed_before(seq, NEAR, |sealed| {
                request = opened(&sealed).as_ref().and_then(began);
                if request.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })?;
        }
        self.requests.insert(action, request.clone());
        Ok(request)
    }
}

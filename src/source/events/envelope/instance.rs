//! State changes of instances.
//!
//! EC2 User Guide, "Monitor instance state changes": `{"instance-id", "state"}`. The event has no previous state and no reason.

use super::raw::{Envelope, Lacks, Occurrence};
use crate::kinds;
use crate::model::{Map, Observation, Seen, Value};

/// EC2's instance states with their codes (EC2 API reference, `InstanceState`).
const STATES: [(&str, i64); 6] =
    [("pending", 0), ("running", 16), ("shutting-down", 32), ("terminated", 48), ("stopping", 64), ("stopped", 80)];

pub(super) fn read(event: &Envelope, place: &Occurrence) -> Result<Vec<Observation>, Lacks> {
    let id = event.text("instance-id").ok_or("detail.instance-id")?;
    let name = event.text("state").ok_or("detail.state")?;
    // A describe reads a state that is not known here.
    let seen = state(name).map_or(Seen::Mentioned, Seen::StateAsserted);
    Ok(vec![place.saw(kinds::INSTANCE, id, seen)])
}

/// A state as documents hold it.
fn state(name: &str) -> Option<Value> {
    let (name, code) = STATES.iter().find(|(known, _)| *known == name)?;
    Some(Value::Map(Map::from([("Code", (*code).into()), ("Name", (*name).into())])))
}

//! Tag changes: the whole set of tags, with a version that rises with every change of that resource's tags.

use serde_json::Value as Json;

use super::raw::{Envelope, Lacks, Occurrence};
use crate::model::{Map, Observation, Seen, Value};

pub(super) fn read(event: &Envelope, place: &Occurrence) -> Result<Vec<Observation>, Lacks> {
    if event.text("service") != Some("ec2") {
        return Ok(Vec::new());
    }
    let Some((spec, id)) = event.resource() else { return Ok(Vec::new()) };
    let version = event.detail.get("version").and_then(Json::as_u64).ok_or("detail.version")?;
    let tags = tags(&event.detail).ok_or("detail.tags")?;
    Ok(vec![place.saw(spec, id, Seen::TagsAsserted { tags, version })])
}

/// The whole set of tags, as documents hold it.
fn tags(detail: &Json) -> Option<Value> {
    let tag = |(key, value): (&String, &Json)| {
        let value = value.as_str()?;
        Some(Value::Map(Map::from([("Key", key.as_str().into()), ("Value", value.into())])))
    };
    detail.get("tags")?.as_object()?.iter().map(tag).collect::<Option<Vec<Value>>>().map(Value::List)
}

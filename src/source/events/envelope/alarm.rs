//! `CloudWatch` alarms over many instances at once, by the one that changed its state.
//!
//! `CloudWatch` User Guide, "Alarm events and `EventBridge`", alarms of several time series: `alarmContributor` has the `attributes` by
//! which the alarm's query groups. Where an instance is among them, something about its metrics changed; a describe of its status
//! tells what. Which alarms there are is the account's choice: one over `StatusCheckFailed` makes status checks known sooner.

use super::raw::{Envelope, Occurrence};
use crate::kinds;
use crate::model::Observation;

pub(super) fn read(event: &Envelope, place: &Occurrence) -> Vec<Observation> {
    let attributes = event.detail.pointer("/alarmContributor/attributes");
    let id = attributes.and_then(|attributes| attributes.get("InstanceId")?.as_str());
    let of_instance = |id: &&str| kinds::of_id(id).is_some_and(|spec| spec.slug == kinds::INSTANCE.slug);
    id.filter(of_instance).map(|id| place.mentioned((kinds::INSTANCE_STATUS, id))).into_iter().collect()
}

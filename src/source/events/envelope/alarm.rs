//! `CloudWatch` alarms over many instances: events that name the instance whose state in the alarm changed.
//!
//! `CloudWatch` User Guide, "Alarm events and `EventBridge`", alarms of several time series: `alarmContributor` has the
//! `attributes` by which the alarm's query groups. If an instance is among them, its metrics changed, and a describe of its
//! status shows how. The account chooses its alarms: one over `StatusCheckFailed` makes status checks known sooner.

use super::raw::{Envelope, Occurrence};
use crate::kinds;
use crate::model::Observation;

pub(super) fn read(event: &Envelope, place: &Occurrence) -> Vec<Observation> {
    let attributes = event.detail.pointer("/alarmContributor/attributes");
    let id = attributes.and_then(|attributes| attributes.get("InstanceId")?.as_str());
    let of_instance = |id: &&str| kinds::of_id(id).is_some_and(|spec| spec.slug == kinds::INSTANCE.slug);
    id.filter(of_instance).map(|id| place.mentioned((kinds::INSTANCE_STATUS, id))).into_iter().collect()
}

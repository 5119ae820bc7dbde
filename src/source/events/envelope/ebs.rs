//! Events of EBS volumes and snapshots, which only mention the resources.
//!
//! EBS User Guide, "`EventBridge` events for Amazon EBS". The name of the event is not read, because AWS sends some names with a
//! leading space and adds new ones; a describe finds the new state. A volume's id stands only in `resources`, where a KMS key may
//! stand beside it.

use serde_json::Value as Json;

use super::raw::{Envelope, Occurrence, parsed};
use crate::kinds;
use crate::model::Observation;

/// `createVolume`, `attachVolume`, `modifyVolume`, `deleteVolume`, ...: of the volume in `resources`.
pub(super) fn volume(event: &Envelope, place: &Occurrence) -> Vec<Observation> {
    let named = event.resources.iter().filter_map(|arn| parsed(arn)).find(|(spec, _)| spec.slug == kinds::VOLUME.slug);
    named.map(|named| place.mentioned(named)).into_iter().collect()
}

/// `createSnapshot`, `copySnapshot`, `shareSnapshot`: sent on completion only, never for `pending` or a deletion.
pub(super) fn snapshot(event: &Envelope, place: &Occurrence) -> Vec<Observation> {
    let named = event.text("snapshot_id").and_then(parsed).or_else(|| event.resource());
    named.map(|named| place.mentioned(named)).into_iter().collect()
}

/// `createSnapshots`: each snapshot, and the source volumes.
pub(super) fn snapshots(event: &Envelope, place: &Occurrence) -> Vec<Observation> {
    let list = event.detail.get("snapshots").and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let of = |field: &'static str| list.iter().filter_map(move |one| one.get(field)?.as_str());
    let arns = of("snapshot_id").chain(of("source")).chain(event.resources.iter().map(String::as_str));
    let mut found: Vec<Observation> = Vec::new();
    for observation in arns.filter_map(parsed).map(|named| place.mentioned(named)) {
        // The list is short: AWS snapshots at most 127 volumes at once.
        if found.len() < super::raw::MAX_RESOURCES && !found.contains(&observation) {
            found.push(observation);
        }
    }
    found
}

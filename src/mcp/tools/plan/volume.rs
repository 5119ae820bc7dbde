//! The volumes of an instance, as a plan shows them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::{Document, Value as Field};

/// A volume of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedVolume {
    /// The volume.
    pub volume_id: String,
    /// Its device.
    pub device: String,
    /// The other instances that use it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also_used_by: Vec<String>,
}

/// The device name of each attached EBS volume.
#[must_use]
pub fn devices(document: &Document) -> BTreeMap<String, String> {
    let mappings = match document.get("BlockDeviceMappings") {
        Some(Field::List(list)) => list.as_slice(),
        _ => &[],
    };
    let devices = mappings.iter().filter_map(|mapping| {
        let Field::Map(mapping) = mapping else { return None };
        let (Some(Field::Text(device)), Some(Field::Map(ebs))) = (mapping.get("DeviceName"), mapping.get("Ebs")) else {
            return None;
        };
        match ebs.get("VolumeId") {
            Some(Field::Text(volume)) => Some((volume.clone(), device.clone())),
            _ => None,
        }
    });
    devices.collect()
}

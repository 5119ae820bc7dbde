//! The volumes that a call leaves out.

use std::collections::BTreeMap;

use super::super::arguments::ArgumentError;
use super::super::plan::devices;
use super::super::write_through::LiveInstance;

/// The argument that names data volumes.
const NAME: &str = "exclude_data_volume_ids";
/// AWS's limit on the number of data volumes that a call leaves out.
pub(super) const MAX_EXCLUDED: usize = 40;

/// What a call leaves out of each instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOutVolumes {
    /// The volume that the instance boots from.
    pub(super) boot: bool,
    /// These data volumes.
    pub(super) data: Vec<String>,
}

impl LeftOutVolumes {
    /// What the arguments of a call name, each volume once.
    pub(super) fn named(boot: bool, ids: Vec<String>) -> Result<Self, ArgumentError> {
        let mut data: Vec<String> = Vec::new();
        for id in ids {
            let id = id.trim();
            let rest = id.strip_prefix("vol-").unwrap_or_default();
            if !(1..=40).contains(&rest.len()) || !rest.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(ArgumentError::form(NAME, "volume ids such as vol-0123456789abcdef0", id));
            }
            if !data.iter().any(|known| known == id) {
                data.push(id.to_owned());
            }
        }
        if data.len() > MAX_EXCLUDED {
            let expected = format!("at most {MAX_EXCLUDED} volume ids, as AWS allows");
            return Err(ArgumentError::form(NAME, &expected, format!("{} ids", data.len())));
        }
        Ok(LeftOutVolumes { boot, data })
    }

    /// The volumes of an instance that are snapshotted, with their devices.
    pub(super) fn taken(&self, target: &LiveInstance) -> BTreeMap<String, String> {
        let root = target.document.text("RootDeviceName");
        let is_left_out =
            |volume: &String, device: &str| self.data.contains(volume) || self.boot && Some(device) == root;
        devices(&target.document).into_iter().filter(|(volume, device)| !is_left_out(volume, device)).collect()
    }

    /// The data volumes of an instance that are left out.
    pub(super) fn of(&self, target: &LiveInstance) -> Vec<String> {
        let attached = devices(&target.document);
        self.data.iter().filter(|volume| attached.contains_key(*volume)).cloned().collect()
    }

    /// Checks that each data volume is one of some of these instances.
    pub(super) fn check(&self, targets: &[LiveInstance]) -> Result<(), ArgumentError> {
        for volume in &self.data {
            let owner = targets.iter().find_map(|target| Some((target, devices(&target.document).remove(volume)?)));
            match owner {
                Some((target, device)) if target.document.text("RootDeviceName") == Some(&device) => {
                    let problem = format!(
                        "argument `{NAME}`: {volume} is the boot volume of {}: exclude_boot_volume leaves it out",
                        target.id.id
                    );
                    return Err(ArgumentError::said(&problem));
                }
                Some(_) => {}
                None => return Err(ArgumentError::said(&unattached(volume, targets))),
            }
        }
        Ok(())
    }
}

fn unattached(volume: &str, targets: &[LiveInstance]) -> String {
    /// How many data volumes are named.
    const NAMED: usize = 20;
    let ids: Vec<&str> = targets.iter().map(|target| &*target.id.id).collect();
    let data = targets.iter().flat_map(|target| {
        let root = target.document.text("RootDeviceName").map(str::to_owned);
        devices(&target.document).into_iter().filter(move |(_, device)| Some(device) != root.as_ref())
    });
    let data: Vec<String> = data.take(NAMED).map(|(volume, device)| format!("{volume} ({device})")).collect();
    let there = if data.is_empty() { "there are none".to_owned() } else { format!("there are {}", data.join(", ")) };
    format!("argument `{NAME}`: {volume} is not attached to {}. Of data volumes {there}", ids.join(", "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kinds::INSTANCE;
    use crate::model::fixtures::scope;
    use crate::model::{Document, Map, ResourceId, Value};

    fn instance(id: &str, volumes: &[(&str, &str)]) -> LiveInstance {
        let map = |fields: Vec<(&'static str, Value)>| Value::Map(fields.into_iter().collect::<Map>());
        let mapping = |(device, volume): &(&str, &str)| {
            map(vec![("DeviceName", (*device).into()), ("Ebs", map(vec![("VolumeId", (*volume).into())]))])
        };
        let mappings = Value::List(volumes.iter().map(mapping).collect());
        let fields = Map::from([("RootDeviceName", "/dev/xvda".into()), ("BlockDeviceMappings", mappings)]);
        LiveInstance { id: ResourceId::new(&scope(), &INSTANCE.kind(), id), document: Arc::new(Document::new(fields)) }
    }

    fn left_out(boot: bool, ids: &[&str]) -> LeftOutVolumes {
        LeftOutVolumes::named(boot, ids.iter().map(|id| (*id).to_owned()).collect()).unwrap()
    }

    #[test]
    fn what_is_left_out_of_an_instance_are_its_own_volumes() {
        let first = instance("i-1", &[("/dev/xvda", "vol-1"), ("/dev/sdf", "vol-2"), ("/dev/sdg", "vol-3")]);
        let left = left_out(true, &["vol-2", " vol-2 ", "vol-9"]);
        assert_eq!(left.taken(&first).into_keys().collect::<Vec<_>>(), ["vol-3"]);
        assert_eq!(left.of(&first), ["vol-2"]);
        assert_eq!(left_out(false, &["vol-3"]).taken(&first).into_keys().collect::<Vec<_>>(), ["vol-1", "vol-2"]);
    }

    #[test]
    fn a_volume_that_is_not_attached_is_named_with_those_that_are() {
        let targets = [
            instance("i-1", &[("/dev/xvda", "vol-1"), ("/dev/sdf", "vol-2")]),
            instance("i-2", &[("/dev/xvda", "vol-3")]),
        ];
        assert_eq!(left_out(false, &["vol-2"]).check(&targets), Ok(()));
        let stray = left_out(false, &["vol-2", "vol-9"]).check(&targets).unwrap_err().to_string();
        assert_eq!(
            stray,
            "argument `exclude_data_volume_ids`: vol-9 is not attached to i-1, i-2. Of data volumes there are vol-2 (/dev/sdf)"
        );
        let boot = left_out(false, &["vol-3"]).check(&targets).unwrap_err().to_string();
        assert!(boot.contains("vol-3 is the boot volume of i-2: exclude_boot_volume"), "{boot}");
    }

    #[test]
    fn only_volume_ids_are_taken_and_no_more_than_aws_allows() {
        for wrong in ["", "vol-", "i-1", "vol-1 or 2"] {
            assert!(LeftOutVolumes::named(false, vec![wrong.to_owned()]).is_err(), "{wrong}");
        }
        let many: Vec<String> = (0..=MAX_EXCLUDED).map(|n| format!("vol-{n}")).collect();
        assert!(LeftOutVolumes::named(false, many).is_err());
    }
}

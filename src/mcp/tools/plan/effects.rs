//! What a change does to an instance, in sentences, as far as its document tells.

use super::volume::PlannedVolume;
use crate::model::known::state_name;
use crate::model::text::shown;
use crate::model::{Document, Value};

/// The tag that Auto Scaling puts on the instances of a group.
pub(super) const AUTO_SCALING_GROUP: &str = "aws:autoscaling:groupName";

/// Tags that AWS's services, or Kubernetes, put on the instances that they manage, and what manages the instance then.
const MANAGERS: [(&str, &str); 5] = [
    (AUTO_SCALING_GROUP, "Auto Scaling group"),
    ("eks:cluster-name", "EKS cluster"),
    ("aws:eks:cluster-name", "EKS cluster"),
    ("elasticbeanstalk:environment-name", "Elastic Beanstalk environment"),
    ("aws:cloudformation:stack-name", "CloudFormation stack"),
];

/// The owner of an address that AWS lent to the instance for as long as it runs.
const LENT: &str = "amazon";

/// The longest text of others in a sentence.
const MAX: usize = 80;

/// What a tool does to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlannedEffect {
    /// It starts.
    Start,
    /// It stops.
    Stop {
        /// Without giving the operating system a chance to flush its caches.
        force: bool,
    },
    /// It stops, and keeps what is in memory.
    Hibernate,
    /// It reboots.
    Reboot,
    /// Its volumes are snapshotted.
    Snapshot {
        /// Without the volume that it boots from.
        exclude_boot: bool,
        /// Without these data volumes.
        exclude_data: Vec<String>,
    },
}

impl PlannedEffect {
    /// What a plan does not look at, so that nobody takes silence for an answer.
    pub(super) fn not_looked_at(&self) -> &'static str {
        match self {
            PlannedEffect::Start => {
                "Not looked at: whether AWS has room for its type now (AWS refuses without), and the keys of encrypted volumes (without \
                 kms:CreateGrant on them AWS accepts the start, and the instance stops again at once)."
            }
            PlannedEffect::Stop { .. } | PlannedEffect::Hibernate => {
                "Not looked at: stop protection (AWS refuses then), the targets of load balancers, and what else the instance does \
                 for others."
            }
            PlannedEffect::Reboot => {
                "Not looked at: the targets of load balancers, and what else the instance does for others."
            }
            PlannedEffect::Snapshot { .. } => {
                "Not looked at: the keys of encrypted volumes (a snapshot fails without), and which snapshots there are already."
            }
        }
    }

    /// What AWS answers where that cannot be done to an instance in this state; `None` where it can.
    fn impossible(&self, state: &str) -> Option<String> {
        let verb = match self {
            PlannedEffect::Start => "start",
            PlannedEffect::Stop { .. } | PlannedEffect::Hibernate => "stop",
            PlannedEffect::Reboot => "reboot",
            PlannedEffect::Snapshot { .. } => return None,
        };
        Some(match (self, state) {
            (_, "terminated" | "shutting-down") => {
                format!("It is terminated or about to be, which cannot be undone: AWS refuses to {verb} it.")
            }
            (PlannedEffect::Start, "stopping") => {
                "It is still stopping: AWS refuses to start it before it is stopped.".to_owned()
            }
            (PlannedEffect::Stop { .. } | PlannedEffect::Hibernate | PlannedEffect::Reboot, "pending") => {
                format!("It is still starting: AWS refuses to {verb} it before it runs.")
            }
            (PlannedEffect::Reboot, "stopping" | "stopped") => {
                format!("It is {state}: AWS refuses to reboot what does not run.")
            }
            _ => return None,
        })
    }
}

pub(super) fn effects(document: &Document, effect: &PlannedEffect, volumes: &[PlannedVolume]) -> Vec<String> {
    let state = document.get("State").and_then(state_name).unwrap_or_default();
    if let Some(said) = effect.impossible(state) {
        return vec![said];
    }
    let mut said = vec![main(document, effect, volumes)];
    if let PlannedEffect::Snapshot { .. } = effect {
        said.extend(shared(volumes, "The snapshots hold what they have written too."));
        return said;
    }
    said.extend(managers(document, effect));
    if document.text("InstanceLifecycle") == Some("spot") {
        said.push("It is a Spot Instance: AWS may refuse.".to_owned());
    }
    if matches!(effect, PlannedEffect::Stop { .. } | PlannedEffect::Hibernate) {
        said.extend(storage(document));
        said.extend(address(document));
    }
    if *effect != PlannedEffect::Start {
        said.extend(shared(volumes, "They keep using them."));
    }
    said
}

fn main(document: &Document, effect: &PlannedEffect, volumes: &[PlannedVolume]) -> String {
    match effect {
        PlannedEffect::Start => "It starts, and costs money while it runs.".to_owned(),
        PlannedEffect::Stop { force: true } => "It is stopped by force: what runs on it is interrupted, and what its operating system \
                                                has not written to its volumes yet is lost. Its EBS volumes stay, and cost money."
            .to_owned(),
        PlannedEffect::Stop { force: false } => {
            "It stops: what runs on it is interrupted. Its EBS volumes stay, and cost money.".to_owned()
        }
        PlannedEffect::Hibernate => {
            "It hibernates: what runs on it is interrupted, and what is in memory is kept on its root volume for the next start. Its \
             EBS volumes stay, and cost money."
                .to_owned()
        }
        PlannedEffect::Reboot => {
            "It reboots: what runs on it is interrupted. Its volumes and addresses stay.".to_owned()
        }
        PlannedEffect::Snapshot { exclude_boot, exclude_data } => {
            let root = document.text("RootDeviceName").filter(|_| *exclude_boot);
            let is_left_out =
                |volume: &PlannedVolume| Some(volume.device.as_str()) == root || exclude_data.contains(&volume.volume_id);
            let taken = volumes.iter().filter(|volume| !is_left_out(volume));
            let taken: Vec<&str> = taken.map(|volume| volume.volume_id.as_str()).collect();
            match taken.as_slice() {
                [] => "No volume would be snapshotted.".to_owned(),
                taken => format!("Snapshots of {} are made, and cost money until deleted.", taken.join(", ")),
            }
        }
    }
}

/// What manages the instance, and what that does when it stops or reboots.
fn managers(document: &Document, effect: &PlannedEffect) -> Vec<String> {
    let named = MANAGERS.iter().filter_map(|(tag, what)| {
        let name = shown(document.tag(tag)?, MAX);
        Some(match (*tag, effect) {
            (AUTO_SCALING_GROUP, PlannedEffect::Stop { .. } | PlannedEffect::Hibernate) => {
                format!("It is in the {what} `{name}`, which may terminate a stopped instance and launch another one.")
            }
            (AUTO_SCALING_GROUP, PlannedEffect::Reboot) => {
                format!("It is in the {what} `{name}`, which may replace it if its health check fails meanwhile.")
            }
            _ => format!("It is in the {what} `{name}`."),
        })
    });
    named.collect()
}

/// What is lost of its storage when it stops.
fn storage(document: &Document) -> Option<String> {
    if document.text("RootDeviceType") == Some("instance-store") {
        return Some(
            "Its root device is an instance store volume, so that it cannot be stopped: AWS refuses.".to_owned(),
        );
    }
    let kind = document.text("InstanceType")?;
    Some(if has_instance_store(kind) {
        format!("Instance store volumes, which the type {} has, lose their data.", shown(kind, MAX))
    } else {
        "Instance store volumes, if it has any, lose their data.".to_owned()
    })
}

/// Whether the name of an instance type says that it has instance store volumes: by the attribute `d`, or as storage optimized.
///
/// Source: <https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-type-names.html>. Some other types have them as well.
pub(super) fn has_instance_store(kind: &str) -> bool {
    let (prefix, _) = kind.split_once('.').unwrap_or((kind, ""));
    let family: String = prefix.chars().take_while(char::is_ascii_lowercase).collect();
    let attributes: String = prefix.chars().skip(family.len()).skip_while(char::is_ascii_digit).collect();
    let has_generation = prefix.chars().nth(family.len()).is_some_and(|c| c.is_ascii_digit());
    let attributes = attributes.split('-').next().unwrap_or_default();
    has_generation && (attributes.contains('d') || matches!(family.as_str(), "d" | "h" | "i" | "im" | "is"))
}

/// What becomes of its public address when it stops.
fn address(document: &Document) -> Option<String> {
    let address = shown(document.text("PublicIpAddress")?, MAX);
    let owners = owners(document, &address);
    Some(match owners.as_slice() {
        [LENT] => format!("Its public IP address {address} is given up; another one comes with the next start."),
        [_, ..] if !owners.contains(&LENT) => format!("Its Elastic IP address {address} stays, and costs money."),
        _ => format!("Its public IP address {address} is given up unless it is an Elastic IP address."),
    })
}

/// The owners of a public address, by the network interfaces that have it.
fn owners<'d>(document: &'d Document, address: &str) -> Vec<&'d str> {
    let interfaces = match document.get("NetworkInterfaces") {
        Some(Value::List(list)) => list.as_slice(),
        _ => &[],
    };
    let owners = interfaces.iter().filter_map(|interface| {
        let Value::Map(interface) = interface else { return None };
        let Some(Value::Map(association)) = interface.get("Association") else { return None };
        match (association.get("PublicIp"), association.get("IpOwnerId")) {
            (Some(Value::Text(ip)), Some(Value::Text(owner))) if ip == address => Some(owner.as_str()),
            _ => None,
        }
    });
    owners.collect()
}

/// Which volumes other instances use too.
fn shared(volumes: &[PlannedVolume], what: &str) -> Option<String> {
    let shared: Vec<String> = volumes
        .iter()
        .filter(|volume| !volume.also_used_by.is_empty())
        .map(|volume| format!("{} by {}", volume.volume_id, volume.also_used_by.join(", ")))
        .collect();
    (!shared.is_empty()).then(|| format!("Other instances use its volumes too: {}. {what}", shared.join("; ")))
}

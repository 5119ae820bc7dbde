//! Where the events of an organization's accounts go.

use std::str::FromStr;

use super::desired::QueueRole;
use crate::config::EventsName;
use crate::model::{AccountId, Partition, Region};

/// The longest name of a queue, in SQS, less the ending of its dead-letter queue.
const LONGEST_QUEUE: usize = 80 - DEAD.len();
/// The longest name of an event bus.
const LONGEST_BUS: usize = 256;
/// What the name of a central queue's dead-letter queue ends with.
pub(super) const DEAD: &str = "-dead";

/// Where the events of an organization's accounts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventWiring {
    /// To a queue in each account and region, as `muster setup` makes it.
    QueueEach,
    /// Over the rules of each account and region to a bus in one account and region, and from there to a queue.
    CentralBus(CentralPlace),
    /// Over the rules of each account to a queue in one account, all in one region: AWS delivers to queues of other accounts in the
    /// same region only.
    CentralQueue(CentralPlace),
}

/// A bus or queue in one account and region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CentralPlace {
    /// The partition.
    pub partition: Partition,
    /// The region.
    pub region: Region,
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

/// The text is not the ARN of a bus or queue that can be central.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum CentralPlaceError {
    /// It is not the ARN of a bus.
    #[error(
        "`{0}` is not the ARN of a custom event bus: give one such as arn:aws:events:eu-west-1:111122223333:event-bus/muster"
    )]
    Bus(String),
    /// It is not the ARN of a queue.
    #[error(
        "`{0}` is not the ARN of a standard queue with a name of up to {LONGEST_QUEUE} letters, digits, hyphens and underscores: give \
         one such as arn:aws:sqs:eu-west-1:111122223333:muster-central-events"
    )]
    Queue(String),
}

impl EventWiring {
    /// The bus or queue in one account, if there is one.
    #[must_use]
    pub fn center(&self) -> Option<&CentralPlace> {
        match self {
            EventWiring::QueueEach => None,
            EventWiring::CentralBus(place) | EventWiring::CentralQueue(place) => Some(place),
        }
    }

    /// Reads the ARN of a central bus. The default bus cannot be one: no template makes it.
    ///
    /// # Errors
    /// [`CentralPlaceError::Bus`].
    pub fn bus(arn: &str) -> Result<CentralPlace, CentralPlaceError> {
        let is_bus = |name: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !name.is_empty() && name.len() <= LONGEST_BUS && name.bytes().all(is_plain) && name != "default"
        };
        let place = CentralPlace::read(arn, "events", "event-bus/").filter(|place| is_bus(&place.name));
        place.ok_or_else(|| CentralPlaceError::Bus(arn.to_owned()))
    }

    /// Reads the ARN of a central queue.
    ///
    /// # Errors
    /// [`CentralPlaceError::Queue`].
    pub fn queue(arn: &str) -> Result<CentralPlace, CentralPlaceError> {
        let is_queue = |name: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
            (1..=LONGEST_QUEUE).contains(&name.len()) && name.bytes().all(is_plain)
        };
        let place = CentralPlace::read(arn, "sqs", "").filter(|place| is_queue(&place.name));
        place.ok_or_else(|| CentralPlaceError::Queue(arn.to_owned()))
    }

    /// Returns the name of the central queue.
    pub(super) fn queue_name(&self, name: &EventsName) -> Option<String> {
        match self {
            EventWiring::QueueEach => None,
            // Another name than the queue's of the region, which the same account may have too.
            EventWiring::CentralBus(_) => Some(format!("{name}-central-events")),
            EventWiring::CentralQueue(place) => Some(place.name.clone()),
        }
    }

    /// Whether the central queue has the name of a queue that `muster setup` makes in each region, which would be taken for it.
    #[must_use]
    pub fn is_confused(&self, name: &EventsName) -> bool {
        let EventWiring::CentralQueue(place) = self else { return false };
        QueueRole::ALL
            .iter()
            .any(|role| [place.name.clone(), format!("{}{DEAD}", place.name)].contains(&role.name(name)))
    }
}

impl CentralPlace {
    fn read(arn: &str, service: &str, begin: &str) -> Option<Self> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        let ["arn", partition, of, region, account, name] = parts.as_slice() else { return None };
        let partition = Partition::from_str(partition).ok()?;
        let is_there = Partition::of_name(region) == Some(partition) && AccountId::is_valid(account) && *of == service;
        let name = name.strip_prefix(begin).filter(|_| is_there)?;
        Some(CentralPlace {
            partition,
            region: Region::new(*region),
            account: AccountId::new(*account),
            name: name.to_owned(),
            arn: arn.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_arns_of_custom_buses_and_standard_queues_are_read() {
        for partition in Partition::ALL {
            let region = partition.home();
            let arn = format!("arn:{partition}:events:{region}:111122223333:event-bus/team/x");
            assert_eq!(EventWiring::bus(&arn), Err(CentralPlaceError::Bus(arn.clone())));
            let bus = EventWiring::bus(&arn.replace("/x", ".x")).unwrap();
            assert_eq!((bus.partition, bus.region.as_str(), bus.name.as_str()), (partition, region, "team.x"));
        }
        for wrong in [
            "muster",
            "arn:aws:events:eu-west-1:111122223333:event-bus/default",
            "arn:aws:events:cn-north-1:111122223333:event-bus/muster",
            "arn:aws:events:eu-west-1:1111:event-bus/muster",
            "arn:aws:sqs:eu-west-1:111122223333:muster",
        ] {
            assert!(EventWiring::bus(wrong).is_err(), "{wrong}");
        }
        let queue = "arn:aws:sqs:eu-west-1:111122223333:muster-central-events";
        assert_eq!(EventWiring::queue(queue).unwrap().name, "muster-central-events");
        for wrong in [&format!("{queue}.fifo"), &queue.replace("sqs", "sns"), &format!("{queue}{}", "a".repeat(60))] {
            assert!(EventWiring::queue(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_central_queue_is_not_taken_for_one_of_a_region() {
        let name = EventsName::default();
        let of = |queue: &str| {
            let arn = format!("arn:aws:sqs:eu-west-1:111122223333:{queue}");
            EventWiring::CentralQueue(EventWiring::queue(&arn).unwrap())
        };
        assert!(of("muster-events").is_confused(&name) && of("muster-events-dead").is_confused(&name));
        assert!(!of("muster-central-events").is_confused(&name));
    }
}

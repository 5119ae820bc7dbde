//! Where the events of one of several accounts come from.

use std::collections::BTreeMap;

use super::queue_place::Queue;
use crate::model::Region;

/// Where the events of an account come from, as its entry says. Where it says nothing, that of the settings counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventPlan {
    /// That of all regions without one of their own.
    pub usual: Option<EventWay>,
    /// That of single regions.
    pub by_region: BTreeMap<Region, EventWay>,
}

/// Where events come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventWay {
    /// None are received.
    Off,
    /// From the queue in the account and region itself whose name begins with this.
    Named(String),
    /// From this queue, whoever owns it.
    Queue(Queue),
}

impl EventPlan {
    /// Where the events of a region come from; `None` where the entry does not say.
    #[must_use]
    pub fn of(&self, region: &Region) -> Option<&EventWay> {
        self.by_region.get(region).or(self.usual.as_ref())
    }

    /// The queues that the entry names by URL or ARN.
    pub fn queues(&self) -> impl Iterator<Item = &Queue> {
        self.by_region.values().chain(&self.usual).filter_map(|way| match way {
            EventWay::Queue(queue) => Some(queue),
            EventWay::Off | EventWay::Named(_) => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_its_own_way_or_the_usual_one() {
        let (home, other) = (Region::new("eu-west-1"), Region::new("us-east-1"));
        let queue: Queue = "https://sqs.eu-west-1.amazonaws.com/123456789012/q".parse().unwrap();
        let plan = EventPlan {
            usual: Some(EventWay::Queue(queue.clone())),
            by_region: BTreeMap::from([(other.clone(), EventWay::Off)]),
        };
        assert_eq!(plan.of(&home), Some(&EventWay::Queue(queue.clone())));
        assert_eq!(plan.of(&other), Some(&EventWay::Off));
        assert_eq!(plan.queues().collect::<Vec<_>>(), [&queue]);
        assert_eq!(EventPlan::default().of(&home), None);
    }
}

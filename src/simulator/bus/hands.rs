//! What tests and scenarios do to the buses directly, past the API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::simulator::bus::{BusRuleState, EventCounts, EventFaults, Pattern, Rule, SERVICE, Target, rule_arn};
use crate::simulator::sqs::{self, Attributes};
use crate::simulator::world::World;

impl World {
    /// Makes a queue and a rule, both called `name`, that brings everything of the sources `aws.ec2`, `aws.tag`,
    /// `aws.health` and `aws.cloudwatch` to it, and the policy that lets it. Returns the queue's URL. What is there already is replaced, but for the queue's messages.
    #[must_use]
    pub fn listen(&self, account: &str, region: &str, name: &str) -> String {
        let now = self.clock().moment();
        let (queue, rule) = (sqs::arn(account, region, name), rule_arn(account, region, name));
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Principal": { "Service": SERVICE }, "Action": "sqs:SendMessage", "Resource": queue,
                "Condition": { "ArnEquals": { "aws:SourceArn": rule } },
            }],
        });
        let mut attributes = Attributes::default();
        // Neither the policy nor the pattern can be refused: both are ours.
        drop(attributes.put("Policy", &policy.to_string(), |_| false));
        if let Ok((queue, _)) = self.sqs().create(account, region, name, attributes.clone(), now) {
            queue.set_attributes(attributes, now);
        }
        if let Ok(pattern) = Pattern::parse(r#"{"source":["aws.ec2","aws.tag","aws.health","aws.cloudwatch"]}"#) {
            let shown = json!({ "Id": name, "Arn": queue });
            let targets = BTreeMap::from([(name.to_owned(), Target { arn: queue, shown })]);
            let rule = Rule {
                arn: rule,
                pattern,
                state: BusRuleState::Enabled,
                description: None,
                role: None,
                tags: BTreeMap::new(),
                targets,
            };
            self.bus().rules(account, region).write().0.insert(name.to_owned(), rule);
        }
        sqs::url(&self.base(), account, name)
    }

    /// Tells the bus of an account and region of an event as a service of AWS would; the envelope is the caller's.
    pub fn emit(&self, account: &str, region: &str, event: Value) {
        self.bus().accept(account, region, self.clock().moment(), event);
        self.pump();
        self.outbox().pushed.notify_one();
    }

    /// How events suffer from now on. Those already on their way keep their fate.
    pub fn set_event_faults(&self, faults: EventFaults) {
        self.faults().set_events(faults);
    }

    /// How events suffer.
    #[must_use]
    pub fn event_faults(&self) -> EventFaults {
        self.faults().faults().events
    }

    /// What became of events so far.
    #[must_use]
    pub fn event_counts(&self) -> EventCounts {
        self.bus().stage.lock().counts
    }

    /// How many messages a queue holds, those in flight included; `None` when there is no such queue.
    #[must_use]
    pub fn queue_length(&self, account: &str, region: &str, name: &str) -> Option<usize> {
        let counts = self.sqs().find(account, region, name)?.counts(self.clock().moment());
        Some(counts.visible + counts.in_flight + counts.delayed)
    }
}

//! Direct access to the buses for tests and scenarios, without the API.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::simulator::bus::{BusRuleState, EventCounts, EventFaults, Pattern, Rule, SERVICE, Target, rule_arn};
use crate::simulator::ident::ScopeKey;
use crate::simulator::sqs::{self, Attributes};
use crate::simulator::world::World;

impl World {
    /// Makes a queue and a rule, both called `name`, with a policy that admits the rule. The rule sends all events of
    /// the sources `aws.ec2`, `aws.tag`, `aws.health` and `aws.cloudwatch` to the queue. Returns the queue's URL. An
    /// existing rule or queue of that name is replaced, but the queue keeps its messages.
    #[must_use]
    pub fn listen(&self, account: &str, region: &str, name: &str) -> String {
        self.listen_from(account, region, name, &[(account.to_owned(), region.to_owned())])
    }

    /// Like [`World::listen`], with a rule in each of `scopes`, accounts and regions, whose events all come to the one queue.
    /// On AWS they would pass the event bus of the queue's account, which shows no event differently.
    pub(crate) fn listen_from(&self, account: &str, region: &str, name: &str, scopes: &[ScopeKey]) -> String {
        let now = self.clock().moment();
        let queue = sqs::arn(account, region, name);
        let rules: Vec<String> = scopes.iter().map(|(account, region)| rule_arn(account, region, name)).collect();
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Principal": { "Service": SERVICE }, "Action": "sqs:SendMessage", "Resource": queue,
                "Condition": { "ArnEquals": { "aws:SourceArn": rules } },
            }],
        });
        let mut attributes = Attributes::default();
        // The policy and the pattern are constants that are always accepted.
        drop(attributes.put("Policy", &policy.to_string(), |_| false));
        if let Ok((queue, _)) = self.sqs().create(account, region, name, attributes.clone(), now) {
            queue.set_attributes(attributes, now);
        }
        let pattern = r#"{"source":["aws.ec2","aws.tag","aws.health","aws.cloudwatch"]}"#;
        for ((account, region), arn) in scopes.iter().zip(rules) {
            let target = Target { arn: queue.clone(), shown: json!({ "Id": name, "Arn": queue }) };
            if let Ok(pattern) = Pattern::parse(pattern) {
                let rule = Rule {
                    arn,
                    pattern,
                    state: BusRuleState::Enabled,
                    description: None,
                    role: None,
                    tags: BTreeMap::new(),
                    targets: BTreeMap::from([(name.to_owned(), target)]),
                };
                self.bus().rules(account, region).write().0.insert(name.to_owned(), rule);
            }
        }
        sqs::url(&self.base(), account, name)
    }

    /// Puts an event on the bus of an account and region, as a service of AWS does. The caller provides the whole
    /// envelope.
    pub fn emit(&self, account: &str, region: &str, event: Value) {
        self.bus().accept(account, region, self.clock().moment(), event);
        self.pump();
        self.outbox().pushed.notify_one();
    }

    /// Replaces the faults of events. Events that are already on their way are not affected.
    pub fn set_event_faults(&self, faults: EventFaults) {
        self.faults().set_events(faults);
    }

    /// The faults of events.
    #[must_use]
    pub fn event_faults(&self) -> EventFaults {
        self.faults().faults().events
    }

    /// Counts of events so far, by what happened to them.
    #[must_use]
    pub fn event_counts(&self) -> EventCounts {
        self.bus().stage.lock().counts
    }

    /// How many messages a queue holds, including those in flight; `None` when the queue does not exist.
    #[must_use]
    pub fn queue_length(&self, account: &str, region: &str, name: &str) -> Option<usize> {
        let counts = self.sqs().find(account, region, name)?.counts(self.clock().moment());
        Some(counts.visible + counts.in_flight + counts.delayed)
    }
}

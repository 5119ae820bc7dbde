//! Delivery: moves due events from the outbox to the queues of the matching rules' targets.

use tokio::time::timeout;

use crate::simulator::bus::rule::Aim;
use crate::simulator::bus::{Event, SENDER, SERVICE, Stage, default_bus_of};
use crate::simulator::clock::Moment;
use crate::simulator::dice::mix;
use crate::simulator::envelope;
use crate::simulator::happening::{Happening, What};
use crate::simulator::ident::ScopeKey;
use crate::simulator::sqs::{Message, Sender};
use crate::simulator::world::World;

/// Delivers events as they become due, for ever.
pub(crate) async fn run(world: World) {
    loop {
        world.pump();
        let doze = world.clock().doze(world.next_event());
        // Wakes when something happens, and otherwise after a while.
        drop(timeout(doze, world.outbox().pushed.notified()).await);
    }
}

impl Stage {
    fn deliver(&mut self, world: &World, event: &Event, now: Moment) {
        for bus in self.deliver_at(world, event, &event.scope, now) {
            // A bus sends nothing on that came from another one.
            self.deliver_at(world, event, &bus, now);
        }
    }

    /// Delivers an event to the queues that the rules of one bus name. Returns the buses that they name.
    fn deliver_at(&mut self, world: &World, event: &Event, at: &ScopeKey, now: Moment) -> Vec<ScopeKey> {
        let (account, region) = at;
        let mut buses = Vec::new();
        let rules = world.bus().rules(account, region);
        let targets = rules.read().targets(&event.json, event.read_only);
        self.counts.unmatched += u64::from(targets.is_empty());
        for Aim { rule, target, dead_letters } in targets {
            if let Some(bus) = default_bus_of(&target) {
                buses.push(bus);
                continue;
            }
            let sender = Sender { service: SERVICE, source_arn: &rule, source_account: account };
            let admitted = |arn: &str| world.sqs().find_arn(arn).filter(|queue| queue.admits(sender));
            let message = || Message::new(event.json.as_ref().to_owned(), SENDER.to_owned(), now);
            if let Some(queue) = admitted(&target) {
                queue.put(message(), None, now);
                self.counts.delivered += 1;
                continue;
            }
            self.counts.undeliverable += 1;
            if let Some(queue) = dead_letters.as_deref().and_then(admitted) {
                queue.put(message(), None, now);
            }
        }
        buses
    }
}

/// Whether what was announced took place. States that a call sets at once (`pending`, `stopping`, `shutting-down`)
/// always did; a later call may have prevented the states that follow.
fn came_true(world: &World, happening: &Happening) -> bool {
    match &happening.what {
        What::InstanceState { id, state: state @ ("running" | "stopped" | "terminated") } => {
            let account = world.account(&happening.account, &happening.region);
            account.state_at(id, happening.at) == Some(*state)
        }
        what => world.account(&happening.account, &happening.region).came_true(what, happening.at),
    }
}

impl World {
    /// Delivers all due events to the queues. A running server does this by itself; without a server, receiving from a
    /// queue does it.
    pub fn pump(&self) {
        let (bus, now) = (self.bus(), self.clock().moment());
        let mut stage = bus.stage.lock();
        for happening in self.outbox().due(now) {
            self.trail().record(&happening);
            if came_true(self, &happening) {
                let scope = (happening.account.clone(), happening.region.clone());
                let form = mix(bus.seed ^ stage.counts.emitted) & 1 == 0;
                stage.accept(bus, scope, happening.at, || envelope::event(&happening, form));
            }
        }
        while let Some(arrival) = stage.waiting.first_entry().filter(|first| first.key().0 <= now) {
            let event = arrival.remove();
            stage.deliver(self, &event, now);
        }
    }

    /// When the next event is due, as far as is known now.
    pub(crate) fn next_event(&self) -> Option<Moment> {
        let waiting = self.bus().stage.lock().waiting.first_key_value().map(|((at, _), _)| *at);
        waiting.into_iter().chain(self.outbox().next_due()).min()
    }
}

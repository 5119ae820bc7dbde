//! `DescribeInstanceStatus`: the status checks of running instances, or of all instances if the call asks for them.

use std::time::Duration;

use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call, next_token, walk};
use crate::simulator::ec2::instance_item::operator;
use crate::simulator::ec2::lifecycle::{OPERATOR, state};
use crate::simulator::filter::{Filter, Filtered, Filters};
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Check, Instance, Life, ScheduledEvent, State};
use crate::simulator::page::Page;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// EC2's limit on the number of named instances.
const MAX_IDS: usize = 100;
/// The approximate size of a status in XML.
const BYTES: usize = 900;

/// Answers a `DescribeInstanceStatus` call.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.account.plan();
    let all = call.params.flag("IncludeAllInstances")?;
    call.params.flag("IncludeManagedResources")?;
    let chosen = ["IncludeAllInstances", "IncludeManagedResources"];
    let page = Page::parse(call.params, "InstanceId", &chosen, plan.seed)?;
    let filters = Filters::<Checked>::parse(call.params)?;
    let ids = call.params.set("InstanceId");
    if ids.len() > MAX_IDS {
        return Err(Refusal::invalid_value("You can specify up to 100 instance IDs per request."));
    }
    let mut numbers = call.instances(&ids)?;
    call.dry_run()?;
    let reading = call.account.reading();
    let initializing = call.account.pace().initializing;
    let see = |number: u64| {
        let (instance, now) = call.see(&reading, number)?;
        let shown = all || instance.state(now) == State::Running;
        let checked = Checked { instance, initializing };
        (shown && filters.hold(&checked, plan, now)).then_some((checked, now))
    };
    let expected = page.limit.unwrap_or(numbers.len());
    Ok(call.envelope("DescribeInstanceStatus", BYTES * expected, |xml| {
        xml.open("instanceStatusSet");
        let mut next = None;
        if numbers.is_empty() {
            next = walk(reading.end(), &page, see, |(checked, now)| checked.write(xml, plan, now));
        } else {
            numbers.sort_unstable();
            numbers.into_iter().filter_map(see).for_each(|(checked, now)| checked.write(xml, plan, now));
        }
        xml.close("instanceStatusSet");
        next_token(xml, &page, next);
    }))
}

/// An instance whose status checks are shown.
struct Checked {
    instance: Instance,
    /// How long status checks are `initializing` after an instance begins to run.
    initializing: Duration,
}

/// `(status, reachability, impaired since)` of one check.
type Outcome = (&'static str, &'static str, Option<Moment>);

impl Checked {
    fn check(&self, check: Check, now: Moment) -> Outcome {
        let instance = &self.instance;
        let Life::Up { running } = instance.phase.life else { return NOT_APPLICABLE };
        if now < running {
            return NOT_APPLICABLE;
        }
        match instance.health.as_ref().and_then(|health| health.impaired_since(check)) {
            Some(since) => ("impaired", "failed", Some(since)),
            None if now < running.plus(self.initializing) => ("initializing", "initializing", None),
            None => ("ok", "passed", None),
        }
    }

    /// The reachability that a check reports; `None` for checks that do not apply.
    fn reachability(&self, check: Check, now: Moment) -> Option<&'static str> {
        Some(self.check(check, now).1).filter(|text| !text.is_empty())
    }

    fn events(&self) -> impl Iterator<Item = &ScheduledEvent> {
        self.instance.health.iter().flat_map(|health| &health.events)
    }

    fn write(&self, xml: &mut Xml, plan: &Plan, now: Moment) {
        let instance = &self.instance;
        let zone = plan.zone(instance.zone);
        xml.within("item", |xml| {
            xml.plain("instanceId", |out| plan.idents.write(Kind::Instance, instance.number, out));
            xml.text("availabilityZone", &zone.name);
            xml.text("availabilityZoneId", &zone.id);
            events(xml, instance);
            state(xml, "instanceState", instance.state(now));
            summary(xml, "systemStatus", self.check(Check::System, now));
            summary(xml, "instanceStatus", self.check(Check::Instance, now));
            summary(xml, "attachedEbsStatus", self.check(Check::AttachedEbs, now));
            operator(xml, instance.managed);
        });
    }
}

impl Filtered for Checked {
    const FILTERS: &'static [Filter<Self>] = &[
        ("attached-ebs-status.status", |it, values| values.text(it.check(Check::AttachedEbs, values.at).0)),
        ("availability-zone", |it, values| values.text(&values.plan.zone(it.instance.zone).name)),
        ("availability-zone-id", |it, values| values.text(&values.plan.zone(it.instance.zone).id)),
        ("event.code", |it, values| values.texts(it.events().map(|event| event.code.as_str()))),
        ("event.description", |it, values| values.texts(it.events().map(|event| event.description.as_str()))),
        ("event.instance-event-id", |it, values| values.texts(it.events().map(|event| event.id.as_str()))),
        ("event.not-after", |it, values| {
            values.show(it.events().filter_map(|event| event.not_after).map(|end| Moment::of(end).iso()));
        }),
        ("event.not-before", |it, values| values.show(it.events().map(|event| Moment::of(event.not_before).iso()))),
        ("instance-state-code", |it, values| values.show([it.instance.state(values.at).code()])),
        ("instance-state-name", |it, values| values.text(it.instance.state(values.at).name())),
        ("instance-status.reachability", |it, values| values.texts(it.reachability(Check::Instance, values.at))),
        ("instance-status.status", |it, values| values.text(it.check(Check::Instance, values.at).0)),
        ("operator.managed", |it, values| values.flag(it.instance.managed)),
        ("operator.principal", |it, values| values.texts(it.instance.managed.then_some(OPERATOR))),
        ("system-status.reachability", |it, values| values.texts(it.reachability(Check::System, values.at))),
        ("system-status.status", |it, values| values.text(it.check(Check::System, values.at).0)),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = None;
}

const NOT_APPLICABLE: Outcome = ("not-applicable", "", None);

fn summary(xml: &mut Xml, tag: &str, (status, reachability, since): Outcome) {
    xml.within(tag, |xml| {
        xml.text("status", status);
        // Checks that do not apply have no details.
        if !reachability.is_empty() {
            xml.within("details", |xml| {
                xml.within("item", |xml| {
                    xml.text("name", "reachability");
                    xml.text("status", reachability);
                    if let Some(since) = since {
                        xml.text("impairedSince", &since.iso());
                    }
                });
            });
        }
    });
}

fn events(xml: &mut Xml, instance: &Instance) {
    let Some(health) = instance.health.as_ref().filter(|health| !health.events.is_empty()) else { return };
    xml.within("eventsSet", |xml| {
        for event in &health.events {
            xml.within("item", |xml| {
                xml.text("instanceEventId", &event.id);
                xml.text("code", &event.code);
                xml.text("description", &event.description);
                xml.text("notBefore", &Moment::of(event.not_before).iso());
                if let Some(end) = event.not_after {
                    xml.text("notAfter", &Moment::of(end).iso());
                }
            });
        }
    });
}

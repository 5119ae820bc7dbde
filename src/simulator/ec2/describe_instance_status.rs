//! `DescribeInstanceStatus`: the status checks of running instances, or of all when asked.

use std::time::Duration;

use crate::simulator::clock::Moment;
use crate::simulator::ec2::describe_instances::operator;
use crate::simulator::ec2::instance_field::InstanceField;
use crate::simulator::ec2::lifecycle::state;
use crate::simulator::ec2::{Answer, Call, next_token, walk};
use crate::simulator::filter::Filters;
use crate::simulator::ident::Kind;
use crate::simulator::instance::{Check, Instance, Life, State};
use crate::simulator::page::Page;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::xml::Xml;

/// EC2's limit on named instances.
const MAX_IDS: usize = 100;
/// About what a status takes in XML.
const BYTES: usize = 900;

/// Answers a `DescribeInstanceStatus`.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.estate.plan();
    let all = call.params.flag("IncludeAllInstances")?;
    call.params.flag("IncludeManagedResources")?;
    let chosen = ["IncludeAllInstances", "IncludeManagedResources"];
    let page = Page::parse(call.params, "InstanceId", &chosen, plan.seed)?;
    let filters = Filters::parse(call.params, Field::parse)?;
    let ids = call.params.set("InstanceId");
    if ids.len() > MAX_IDS {
        return Err(Refusal::invalid_value("You can specify up to 100 instance IDs per request."));
    }
    let mut numbers = call.instances(&ids)?;
    call.dry_run()?;
    let view = call.estate.view();
    let initializing = call.estate.pace().initializing;
    let see = |number: u64| {
        let (instance, now) = call.see(&view, number)?;
        let look = Look { plan, initializing, now };
        let shown = (all || instance.state(now) == State::Running)
            && filters.hold(|field, matches| field.any(&instance, &look, matches));
        shown.then_some((instance, look))
    };
    let expected = page.limit.unwrap_or(numbers.len());
    Ok(call.envelope("DescribeInstanceStatus", BYTES * expected, |xml| {
        xml.open("instanceStatusSet");
        let mut next = None;
        if numbers.is_empty() {
            next = walk(view.end(), &page, see, |(instance, look)| look.write(xml, &instance));
        } else {
            numbers.sort_unstable();
            numbers.into_iter().filter_map(see).for_each(|(instance, look)| look.write(xml, &instance));
        }
        xml.close("instanceStatusSet");
        next_token(xml, &page, next);
    }))
}

/// An instance's checks as EC2 sees them at one moment.
#[derive(Clone, Copy)]
struct Look<'a> {
    plan: &'a Plan,
    initializing: Duration,
    now: Moment,
}

/// `(status, reachability, impaired since)` of one check.
type Seen = (&'static str, &'static str, Option<Moment>);

impl Look<'_> {
    fn check(&self, instance: &Instance, check: Check) -> Seen {
        let now = self.now;
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

    fn write(&self, xml: &mut Xml, instance: &Instance) {
        let zone = self.plan.zone(instance.zone);
        xml.within("item", |xml| {
            xml.plain("instanceId", |out| self.plan.idents.write(Kind::Instance, instance.number, out));
            xml.text("availabilityZone", &zone.name);
            xml.text("availabilityZoneId", &zone.id);
            events(xml, instance);
            state(xml, "instanceState", instance.state(self.now));
            summary(xml, "systemStatus", self.check(instance, Check::System));
            summary(xml, "instanceStatus", self.check(instance, Check::Instance));
            summary(xml, "attachedEbsStatus", self.check(instance, Check::AttachedEbs));
            operator(xml, instance.managed);
        });
    }
}

const NOT_APPLICABLE: Seen = ("not-applicable", "", None);

fn summary(xml: &mut Xml, tag: &str, (status, reachability, since): Seen) {
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

/// A filter name of `DescribeInstanceStatus`.
enum Field {
    Status(Check),
    Reachability(Check),
    EventCode,
    EventId,
    EventDescription,
    EventBegins,
    EventEnds,
    Instance(InstanceField),
}

impl Field {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "instance-status.status" => Self::Status(Check::Instance),
            "system-status.status" => Self::Status(Check::System),
            "attached-ebs-status.status" => Self::Status(Check::AttachedEbs),
            "instance-status.reachability" => Self::Reachability(Check::Instance),
            "system-status.reachability" => Self::Reachability(Check::System),
            "event.code" => Self::EventCode,
            "event.instance-event-id" => Self::EventId,
            "event.description" => Self::EventDescription,
            "event.not-before" => Self::EventBegins,
            "event.not-after" => Self::EventEnds,
            "availability-zone"
            | "availability-zone-id"
            | "instance-state-code"
            | "instance-state-name"
            | "operator.managed"
            | "operator.principal" => Self::Instance(InstanceField::parse(name)?),
            _ => return None,
        })
    }

    fn any(&self, instance: &Instance, look: &Look, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        let mut events = instance.health.iter().flat_map(|health| &health.events);
        match self {
            Self::Status(check) => matches(look.check(instance, *check).0),
            // Checks that do not apply have no details.
            Self::Reachability(check) => {
                let reachability = look.check(instance, *check).1;
                !reachability.is_empty() && matches(reachability)
            }
            Self::EventCode => events.any(|event| matches(&event.code)),
            Self::EventId => events.any(|event| matches(&event.id)),
            Self::EventDescription => events.any(|event| matches(&event.description)),
            Self::EventBegins => events.any(|event| matches(&Moment::of(event.not_before).iso())),
            Self::EventEnds => events.filter_map(|event| event.not_after).any(|end| matches(&Moment::of(end).iso())),
            Self::Instance(field) => field.any(instance, look.plan, look.now, matches),
        }
    }
}

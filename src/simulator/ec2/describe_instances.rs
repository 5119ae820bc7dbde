//! `DescribeInstances`: instances grouped by reservation, paged by instance.

use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call, next_token, walk};
use crate::simulator::ec2::instance_item::item;
use crate::simulator::filter::Filters;
use crate::simulator::ident::Kind;
use crate::simulator::instance::Instance;
use crate::simulator::page::Page;
use crate::simulator::plan::Plan;
use crate::simulator::xml::Xml;

/// The approximate size of an instance in XML.
const BYTES: usize = 5_600;

/// Answers a `DescribeInstances` call.
pub(super) fn answer(call: &Call) -> Answer {
    let plan = call.account.plan();
    let page = Page::parse(call.params, "InstanceId", &["IncludeManagedResources"], plan.seed)?;
    call.params.flag("IncludeManagedResources")?;
    let filters = Filters::<Instance>::parse(call.params)?;
    let mut numbers = call.instances(&call.params.set("InstanceId"))?;
    call.dry_run()?;
    let reading = call.account.reading();
    let see = |number: u64| call.see(&reading, number).filter(|(instance, at)| filters.hold(instance, plan, *at));
    let expected = page.limit.unwrap_or(numbers.len());
    Ok(call.envelope("DescribeInstances", BYTES * expected, |xml| {
        let mut listing = ReservationSet::new(xml, plan);
        let mut next = None;
        if numbers.is_empty() {
            next = walk(reading.end(), &page, see, |(instance, at)| listing.add(&instance, at));
        } else {
            numbers.sort_unstable();
            numbers.into_iter().filter_map(see).for_each(|(instance, at)| listing.add(&instance, at));
        }
        listing.end();
        next_token(xml, &page, next);
    }))
}

/// The list of instances as it is written. Adjacent instances of one reservation share the reservation's item.
struct ReservationSet<'a> {
    xml: &'a mut Xml,
    plan: &'a Plan,
    /// The reservation whose item is open.
    open: Option<u64>,
}

impl<'a> ReservationSet<'a> {
    fn new(xml: &'a mut Xml, plan: &'a Plan) -> Self {
        xml.open("reservationSet");
        Self { xml, plan, open: None }
    }

    /// Adds an instance as it was at `at`.
    fn add(&mut self, instance: &Instance, at: Moment) {
        if self.open != Some(instance.lead) {
            self.close();
            self.open = Some(instance.lead);
            self.xml.open("item");
            reservation(self.xml, instance, self.plan);
            self.xml.open("instancesSet");
        }
        item(self.xml, instance, self.plan, at);
    }

    fn close(&mut self) {
        if self.open.take().is_some() {
            self.xml.close("instancesSet");
            self.xml.close("item");
        }
    }

    fn end(mut self) {
        self.close();
        self.xml.close("reservationSet");
    }
}

/// The fields of a reservation before its instances.
pub(super) fn reservation(xml: &mut Xml, instance: &Instance, plan: &Plan) {
    xml.plain("reservationId", |out| plan.idents.write(Kind::Reservation, instance.lead, out));
    xml.text("ownerId", &plan.account);
    if plan.is_scaled(instance) {
        xml.text("requesterId", "722737459838");
    }
    xml.empty("groupSet");
}

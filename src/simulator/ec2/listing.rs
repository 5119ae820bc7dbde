//! What most Describe calls have in common: ids, pages, and how a request sees each resource.

use crate::simulator::account::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::ec2::call::{Answer, Call, next_token};
use crate::simulator::filter::{Filtered, Filters};
use crate::simulator::ident::{Kind, Malformed};
use crate::simulator::page::Page;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;
use crate::simulator::view::Sight;
use crate::simulator::xml::Xml;

/// The number that an id of `kind` encodes, if `exists` accepts it.
pub(super) fn number(call: &Call, kind: Kind, id: &str, exists: impl Fn(u64) -> bool) -> Result<u64, Refusal> {
    match call.account.plan().idents.number(kind, id) {
        // EC2 treats malformed allocation ids as unknown.
        Err(Malformed) if kind != Kind::Allocation => Err(Refusal::malformed_resource(kind, id)),
        known => known.ok().flatten().filter(|n| exists(*n)).ok_or_else(|| Refusal::unknown_resource(kind, id)),
    }
}

/// The resource that a call names by id in order to change it, as it is now.
pub(super) fn named<T: Described>(call: &Call) -> Result<T, Refusal> {
    let id = call.params.get(T::IDS).ok_or_else(|| Refusal::missing(T::IDS))?;
    let reading = call.account.reading();
    let find = |number| T::find(reading.scene(), number, reading.now());
    let number = number(call, T::KIND, id, |number| find(number).is_some())?;
    find(number).ok_or_else(|| Refusal::unknown_resource(T::KIND, id))
}

/// The number of the account's own VPC that a call names.
pub(super) fn own_vpc(call: &Call) -> Result<u64, Refusal> {
    let id = call.params.get("VpcId").ok_or_else(|| Refusal::missing("vpcId"))?;
    number(call, Kind::Vpc, id, |number| number < call.account.plan().vpcs)
}

/// The positions that `find` gives for the ids. All of them must be found.
fn places(
    kind: Kind,
    ids: &[&str],
    find: impl Fn(&str) -> Result<Option<u64>, Malformed>,
) -> Result<Vec<u64>, Refusal> {
    let mut places = Vec::with_capacity(ids.len());
    let mut unknown = Vec::new();
    for id in ids {
        match find(id) {
            Ok(Some(place)) => places.push(place),
            // EC2's describes treat malformed ids of these as unknown.
            Err(Malformed) if !matches!(kind, Kind::Allocation | Kind::Subnet | Kind::RouteTable) => {
                return Err(Refusal::malformed_resource(kind, id));
            }
            Ok(None) | Err(Malformed) => unknown.push(*id),
        }
    }
    places.sort_unstable();
    if unknown.is_empty() { Ok(places) } else { Err(Refusal::unknown_resources(kind, &unknown)) }
}

/// The part of a listing that a request asks for: a page of everything, or the named resources.
pub(super) struct Listing<'a> {
    call: &'a Call<'a>,
    kind: Kind,
    page: Page,
    named: Option<Vec<u64>>,
}

impl<'a> Listing<'a> {
    /// Reads paging and the ids in `parameter`. `exists` says whether a named number exists at the moment at which the
    /// request sees it.
    pub(super) fn parse(
        call: &'a Call<'a>,
        kind: Kind,
        parameter: &str,
        chosen: &[&str],
        exists: impl Fn(u64, Moment) -> bool,
    ) -> Result<Self, Refusal> {
        let seen = |number: &u64| exists(*number, call.view.of(kind, *number).at);
        Self::find(call, kind, parameter, chosen, |id| Ok(call.account.plan().idents.number(kind, id)?.filter(seen)))
    }

    /// Like [`Listing::parse`], for resources whose positions differ from the numbers that their ids encode.
    pub(super) fn find(
        call: &'a Call<'a>,
        kind: Kind,
        parameter: &str,
        chosen: &[&str],
        find: impl Fn(&str) -> Result<Option<u64>, Malformed>,
    ) -> Result<Self, Refusal> {
        Self::bounded(call, kind, parameter, chosen, (5, 1_000), find)
    }

    fn bounded(
        call: &'a Call<'a>,
        kind: Kind,
        parameter: &str,
        chosen: &[&str],
        bounds: (i64, i64),
        find: impl Fn(&str) -> Result<Option<u64>, Malformed>,
    ) -> Result<Self, Refusal> {
        let page = Page::within(call.params, parameter, chosen, call.account.plan().seed, bounds)?;
        let ids = call.params.set(parameter);
        let places = places(kind, &ids, find)?;
        Ok(Self { call, kind, page, named: (!ids.is_empty()).then_some(places) })
    }

    /// The first number of the page.
    pub(super) const fn from(&self) -> u64 {
        self.page.from
    }

    /// An estimate of how many items the answer has.
    pub(super) fn expected(&self) -> usize {
        let named = self.named.as_ref().map(Vec::len);
        named.or(self.page.limit).unwrap_or(1_000)
    }

    /// Writes `<set>` and the token. `numbers` begins at [`Listing::from`]; `find` gives the item to show for a number.
    pub(super) fn write<T>(
        &self,
        xml: &mut Xml,
        set: &str,
        mut numbers: impl Iterator<Item = u64>,
        find: impl Fn(u64, Sight) -> Option<T>,
        write: impl Fn(&mut Xml, &T, Sight),
    ) {
        let mut next = None;
        xml.within(set, |xml| {
            let mut show = |number| {
                let sight = self.call.view.of(self.kind, number);
                let found = if sight.hidden { None } else { find(number, sight) };
                if let Some(item) = &found {
                    xml.within("item", |xml| write(xml, item, sight));
                }
                found.is_some()
            };
            if let Some(named) = &self.named {
                for number in named {
                    show(*number);
                }
                return;
            }
            let mut taken = 0;
            next = numbers.find(|number| {
                let full = self.page.limit.is_some_and(|limit| taken == limit);
                taken += usize::from(!full && show(*number));
                full
            });
        });
        next_token(xml, &self.page, next);
    }
}

/// A kind that a Describe call lists by number.
pub(super) trait Described: Filtered {
    const ACTION: &'static str;
    const KIND: Kind;
    /// The parameter that names resources by id.
    const IDS: &'static str;
    /// The element around the list.
    const SET: &'static str;
    /// The approximate size of an item in XML.
    const BYTES: usize;
    /// The least and the greatest `MaxResults`.
    const PAGE: (i64, i64) = (5, 1_000);
    /// The parameters that choose items, besides ids and filters.
    const CHOSEN: &'static [&'static str] = &[];

    /// The numbers of all resources that ever existed, starting with `from`, in listing order.
    fn numbers(scene: Scene<'_>, from: u64) -> impl Iterator<Item = u64>;

    /// The resource as it was at `at`; `None` when EC2 does not list it.
    fn find(scene: Scene<'_>, number: u64, at: Moment) -> Option<Self>;

    fn tags_mut(&mut self) -> &mut Tags;

    /// Writes what is inside the resource's `<item>`.
    fn write(&self, xml: &mut Xml, call: &Call, at: Moment);
}

/// Answers a Describe call with everything that the request names and filters for, as far as it is `wanted`.
pub(super) fn describe<T: Described>(call: &Call, wanted: impl Fn(&T) -> bool) -> Answer {
    let plan = call.account.plan();
    let filters = Filters::<T>::parse(call.params)?;
    let reading = call.account.reading();
    let scene = reading.scene();
    let exists = |number: &u64| T::find(scene, *number, call.view.of(T::KIND, *number).at).is_some();
    let listing = Listing::bounded(call, T::KIND, T::IDS, T::CHOSEN, T::PAGE, |id| {
        Ok(plan.idents.number(T::KIND, id)?.filter(exists))
    })?;
    call.dry_run()?;
    Ok(call.envelope(T::ACTION, T::BYTES * listing.expected(), |xml| {
        listing.write(
            xml,
            T::SET,
            T::numbers(scene, listing.from()),
            |number, sight| {
                let mut item = T::find(scene, number, sight.at).filter(&wanted)?;
                seen_tags(scene, T::KIND, number, sight, item.tags_mut());
                filters.hold(&item, plan, sight.at).then_some(item)
            },
            |xml, item, sight| item.write(xml, call, sight.at),
        );
    }))
}

/// Replaces `born`, the first tags of a resource, by the tags that a request sees.
pub(super) fn seen_tags(scene: Scene, kind: Kind, number: u64, sight: Sight, born: &mut Tags) {
    if sight.tagless {
        *born = Tags::default();
    } else if let Some(tags) = scene.retagged(kind, number, sight.at) {
        *born = tags.clone();
    }
}

/// `<tag>prefix-...</tag>`
pub(super) fn id(xml: &mut Xml, call: &Call, tag: &str, kind: Kind, number: u64) {
    let idents = call.account.plan().idents;
    xml.plain(tag, |out| idents.write(kind, number, out));
}

//! What the describes of subnets, volumes, snapshots, interfaces and addresses have in common: ids, pages, and how a
//! request sees each resource.

use crate::simulator::clock::Moment;
use crate::simulator::ec2::{Call, next_token};
use crate::simulator::holdings::Scene;
use crate::simulator::ident::Kind;
use crate::simulator::lens::Sight;
use crate::simulator::page::Page;
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;
use crate::simulator::xml::Xml;

/// What EC2 calls a kind of resource when it refuses an id.
pub(super) struct Naming {
    pub(super) kind: Kind,
    /// The parameter that names them.
    pub(super) parameter: &'static str,
    pub(super) malformed: &'static str,
    pub(super) not_found: &'static str,
    /// As in "The volume 'vol-...' does not exist".
    pub(super) noun: &'static str,
}

impl Naming {
    /// The number an id stands for, if `exists` says there is such a thing.
    pub(super) fn number(&self, call: &Call, id: &str, exists: impl Fn(u64) -> bool) -> Result<u64, Refusal> {
        let numbers = self.numbers(call, &[id], exists)?;
        numbers.first().copied().ok_or_else(|| Refusal::not_found(self.not_found, self.noun, &[id]))
    }

    /// As [`Naming::number`], of several; all of them must exist.
    fn numbers(&self, call: &Call, ids: &[&str], exists: impl Fn(u64) -> bool) -> Result<Vec<u64>, Refusal> {
        let idents = call.estate.plan().idents;
        let mut numbers = Vec::with_capacity(ids.len());
        let mut unknown = Vec::new();
        for id in ids {
            let number = match idents.number(self.kind, id) {
                Ok(number) => number,
                Err(_) if self.malformed.is_empty() => None,
                Err(_) => return Err(Refusal::malformed(self.malformed, id, self.kind.prefix())),
            };
            match number.filter(|number| exists(*number)) {
                Some(number) => numbers.push(number),
                None => unknown.push(*id),
            }
        }
        numbers.sort_unstable();
        if unknown.is_empty() { Ok(numbers) } else { Err(Refusal::not_found(self.not_found, self.noun, &unknown)) }
    }
}

/// A part of a listing: a page of everything, or what was named.
pub(super) struct Listing<'a> {
    call: &'a Call<'a>,
    kind: Kind,
    page: Page,
    named: Option<Vec<u64>>,
}

impl<'a> Listing<'a> {
    /// Reads paging and ids. `exists` is asked of each named number, at the moment the request sees it as of.
    pub(super) fn parse(
        call: &'a Call<'a>,
        naming: &Naming,
        chosen: &[&str],
        exists: impl Fn(u64, Moment) -> bool,
    ) -> Result<Self, Refusal> {
        let page = Page::parse(call.params, naming.parameter, chosen, call.estate.plan().seed)?;
        let ids = call.params.set(naming.parameter);
        let kind = naming.kind;
        let numbers = naming.numbers(call, &ids, |number| exists(number, call.lens.of(kind, number).at))?;
        Ok(Self { call, kind, page, named: (!ids.is_empty()).then_some(numbers) })
    }

    /// The first number wanted.
    pub(super) const fn from(&self) -> u64 {
        self.page.from
    }

    /// About how many items the answer will have.
    pub(super) fn expected(&self) -> usize {
        let named = self.named.as_ref().map(Vec::len);
        named.or(self.page.limit).unwrap_or(1_000)
    }

    /// Writes `<set>` and the token. `numbers` are those from [`Listing::from`] on; `find` gives what is to be shown at one.
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
                let sight = self.call.lens.of(self.kind, number);
                let found = find(number, sight).filter(|_| !sight.hidden);
                let shown = found.is_some();
                if let Some(item) = found {
                    xml.within("item", |xml| write(xml, &item, sight));
                }
                shown
            };
            if let Some(named) = &self.named {
                named.iter().for_each(|number| {
                    show(*number);
                });
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

/// The tags a request sees on something that was born with `born`.
pub(super) fn seen_tags(scene: Scene, kind: Kind, number: u64, sight: Sight, born: &mut Tags) {
    if sight.tagless {
        *born = Tags::default();
    } else if let Some(tags) = scene.hosts.retagged(kind, number, sight.at) {
        *born = tags.clone();
    }
}

/// `<tag>prefix-...</tag>`
pub(super) fn id(xml: &mut Xml, call: &Call, tag: &str, kind: Kind, number: u64) {
    let idents = call.estate.plan().idents;
    xml.plain(tag, |out| idents.write(kind, number, out));
}

/// A boolean as filters spell it.
pub(super) const fn truth(flag: bool) -> &'static str {
    if flag { "true" } else { "false" }
}

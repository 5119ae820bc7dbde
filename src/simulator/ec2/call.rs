//! One call to EC2's API, the envelope around its answer, and what Describe calls have in common.

use crate::simulator::account::{Account, Reading};
use crate::simulator::clock::Moment;
use crate::simulator::happening::RecordedCaller;
use crate::simulator::ident::{Idents, Kind};
use crate::simulator::instance::Instance;
use crate::simulator::page::Page;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::tags::Tags;
use crate::simulator::view::View;
use crate::simulator::xml::Xml;

/// One call, with everything that its answer may depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) params: &'a Params,
    pub(crate) account: &'a Account,
    /// The moment of the request.
    pub(crate) now: Moment,
    /// How Describe calls see the account.
    pub(crate) view: View,
    pub(crate) request: &'a str,
    /// Who makes it.
    pub(crate) by: &'a RecordedCaller,
}

/// The XML that a call is answered with, or its refusal.
pub(super) type Answer = Result<String, Refusal>;

impl Call<'_> {
    /// Ends a dry run. EC2 checks parameters and ids before this point, and states after it.
    pub(super) fn dry_run(&self) -> Result<(), Refusal> {
        if self.params.flag("DryRun")? { Err(Refusal::dry_run()) } else { Ok(()) }
    }

    /// The answer's document: an `ActionResponse` around what `inside` writes, which takes about `bytes`.
    pub(super) fn envelope(&self, action: &str, bytes: usize, inside: impl FnOnce(&mut Xml)) -> String {
        let mut xml = Xml::with_capacity(bytes + 512);
        xml.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<");
        xml.raw(action);
        xml.raw("Response xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">");
        xml.text("requestId", self.request);
        inside(&mut xml);
        xml.raw("</");
        xml.raw(action);
        xml.raw("Response>");
        xml.finish()
    }

    /// The answer of a call that only reports success.
    pub(super) fn done(&self, action: &str) -> String {
        self.envelope(action, 64, |xml| xml.flag("return", true))
    }

    /// The numbers of the named instances, if this Describe call sees all of them.
    pub(super) fn instances(&self, ids: &[&str]) -> Result<Vec<u64>, Refusal> {
        self.numbers(ids, |reading, number| reading.listed(number, self.view.of(Kind::Instance, number).at).is_some())
    }

    /// The numbers of the named instances, if all of them exist now. Calls that change instances use this.
    pub(super) fn targets(&self, ids: &[&str]) -> Result<Vec<u64>, Refusal> {
        self.numbers(ids, |reading, number| reading.listed(number, reading.now()).is_some())
    }

    fn numbers(&self, ids: &[&str], exists: impl Fn(&Reading, u64) -> bool) -> Result<Vec<u64>, Refusal> {
        let reading = self.account.reading();
        let mut numbers = Vec::with_capacity(ids.len());
        let mut unknown = Vec::new();
        for id in ids {
            let number = reading.number(id).map_err(|_| Refusal::malformed_instance(id))?;
            match number.filter(|number| exists(&reading, *number)) {
                Some(number) => numbers.push(number),
                None => unknown.push(*id),
            }
        }
        if unknown.is_empty() { Ok(numbers) } else { Err(Refusal::instance_not_found(&unknown)) }
    }

    /// An instance as this Describe call sees it, and the moment of that view.
    pub(super) fn see(&self, reading: &Reading, number: u64) -> Option<(Instance, Moment)> {
        let sight = self.view.of(Kind::Instance, number);
        let mut instance = if sight.hidden { None } else { reading.listed(number, sight.at) }?;
        if sight.tagless {
            instance.tags = Tags::default();
        }
        Some((instance, sight.at))
    }
}

/// Passes what `see` returns for a page's numbers to `emit`. Returns the position at which the next page starts.
///
/// The end is noticed only when a page finds nothing beyond it, so a token may lead to an empty page, as on AWS.
pub(super) fn walk<T>(
    end: u64,
    page: &Page,
    mut see: impl FnMut(u64) -> Option<T>,
    mut emit: impl FnMut(T),
) -> Option<u64> {
    let mut taken = 0;
    for number in page.from..end {
        if page.limit.is_some_and(|limit| taken == limit) {
            return Some(number);
        }
        if let Some(item) = see(number) {
            taken += 1;
            emit(item);
        }
    }
    None
}

/// The numbers of the named resources below `end`, or EC2's refusal of malformed and unknown ids.
pub(super) fn named(
    idents: Idents,
    kind: Kind,
    ids: &[&str],
    end: u64,
    not_found: impl FnOnce(&[&str]) -> Refusal,
) -> Result<Vec<u64>, Refusal> {
    let mut numbers = Vec::with_capacity(ids.len());
    let mut unknown = Vec::new();
    for id in ids {
        let number = idents.number(kind, id).map_err(|_| Refusal::malformed_resource(kind, id))?;
        match number.filter(|number| *number < end) {
            Some(number) => numbers.push(number),
            None => unknown.push(*id),
        }
    }
    if unknown.is_empty() { Ok(numbers) } else { Err(not_found(&unknown)) }
}

pub(super) fn next_token(xml: &mut Xml, page: &Page, next: Option<u64>) {
    if let Some(position) = next {
        xml.text("nextToken", &page.token(position));
    }
}

//! A sweep: a listing of two pages, which may lag, lack resources or tags, or end early.

use super::{CheckResult, HERD, Runner};
use crate::freshness::Swept;
use crate::ingest::Ledger;
use crate::ingest::ledger::LedgerView;
use crate::ingest::truth::aws::Millis;
use crate::ingest::truth::place::RunningListing;
use crate::ingest::truth::shelf::Backing;
use crate::model::fixtures::kind;
use crate::model::{Clock, ErrorClass, Item, ItemHash, Page, SweepStep, Trouble};

impl<S: Backing> Runner<'_, S> {
    pub(super) fn sweep(&mut self) -> CheckResult {
        self.chose()?;
        if !self.here().watched {
            return Ok(());
        }
        // What is on its way since before comes first.
        while !self.here().stray.is_empty() {
            self.deliver_stray();
        }
        let here = self.here();
        here.due = false;
        here.listing = Some(RunningListing::default());
        let at = self.clock.now();
        self.message(SweepStep::Started { at });
        self.tally.count("sweep");
        Ok(())
    }

    pub(super) fn ask(&mut self, lag: u8, tagless: bool, hide: bool, blind: bool) {
        let now = self.now;
        let here = self.here();
        let Some(asked) = here.listing.as_ref().filter(|listing| listing.page.is_none()).map(|listing| listing.asked)
        else {
            return;
        };
        if asked > 1 {
            return;
        }
        let parity = usize::from(asked);
        let seen = now - Millis::from(lag) * 1000;
        // Two listings in a row that lack the same resource are the proof that it is gone: AWS never errs twice so. But a
        // listing that is blind to most may come any number of times: the guard is there for it.
        let hide = hide && !here.hid;
        // Nor does it lose all tags of a resource in two listings, which is the proof that they were taken off.
        let tagless = tagless && !here.lost;
        here.lost |= tagless;
        let blind = blind && (0..HERD).all(|n| here.aws.at(&format!("h-{n}"), now).is_some());
        let mut items = Vec::new();
        let here = &self.places[self.here];
        for (n, id) in here.aws.ids_at(seen).enumerate() {
            let number = id.bytes().fold(0_usize, |sum, byte| sum * 31 + usize::from(byte));
            if number % 2 != parity || (hide && number % 4 < 2 && n % 2 == 0) || (blind && number % 16 > 1) {
                continue;
            }
            let Some(version) = here.aws.at(id, seen) else { continue };
            let mut version = version.clone();
            // What was never seen with tags is believed to have none: rule 3 says so, and nobody could tell.
            if tagless && number % 3 > 0 && self.is_tagged(id) {
                version.tags.clear();
            }
            items.push(Item::new(id.as_str(), version.document(self.mapping)));
        }
        let page = self.cut(Page { sent_at: self.clock.now(), items, ..Page::default() });
        if let Some(listing) = &mut self.here().listing {
            listing.hides |= hide;
            listing.loses |= tagless;
            listing.asked += 1;
            listing.page = Some(page);
        }
    }

    /// Takes out of a page what the writer remembers when the answer arrives. It is recorded later, when something else may be known.
    fn cut(&self, mut page: Page) -> Page {
        let hash = |item: &Item| ItemHash::new(item.document.digest());
        let hashes: Vec<_> = page.items.iter().map(|item| (&*item.id, hash(item))).collect();
        let scope = &self.places[self.here].scope;
        let mut known = self.handle.freshness().known_items(scope, &kind()).unchanged(&hashes);
        for (item, known) in std::mem::take(&mut page.items).into_iter().zip(known.drain(..)) {
            match known {
                Some(known) => page.unchanged.push(known),
                None => page.items.push(Item { hash: Some(hash(&item)), ..item }),
            }
        }
        page
    }

    fn is_tagged(&self, id: &str) -> bool {
        let view = self.ingest.as_ref().and_then(|ingest| ingest.ledger().view().ok());
        let current = view.and_then(|view| view.current(&self.places[self.here].id(id)).ok()).flatten();
        current.is_some_and(|current| current.document.tags().next().is_some())
    }

    pub(super) fn land(&mut self) {
        if !self.here().stray.is_empty() {
            return self.deliver_stray();
        }
        let Some(listing) = &mut self.here().listing else { return };
        let Some(page) = listing.page.take() else { return };
        listing.landed += 1;
        self.message(SweepStep::Page(page));
        self.tally.count("page");
    }

    pub(super) fn finish(&mut self, lag: u8) -> CheckResult {
        if self.here().listing.is_none() {
            self.sweep()?;
        }
        while self.here().listing.as_ref().is_some_and(|listing| listing.landed < 2) {
            self.ask(lag, false, false, false);
            self.land();
        }
        let Some(listing) = self.here().listing.take() else { return Ok(()) };
        (self.here().hid, self.here().lost) = (listing.hides, listing.loses);
        let ended = self.clock.now();
        let before = self.complete();
        self.message(SweepStep::Completed { ended });
        // A listing during which the clock jumped proves nothing.
        if self.complete() != before {
            let here = self.here();
            here.begins |= !here.begun;
            here.begun = true;
            self.tally.count("sweep complete");
        }
        Ok(())
    }

    /// The last complete sweep here, as the writer knows it.
    pub(super) fn complete(&self) -> Option<Swept> {
        self.handle.freshness().of(&self.places[self.here].scope, &kind())?.complete
    }

    pub(super) fn give_up(&mut self) {
        if self.here().listing.take().is_some() {
            let (what, fix) = ("made up".to_owned(), String::new());
            let trouble =
                Trouble { class: ErrorClass::Transient.into(), what, fix, since: self.clock.now(), retry_at: None };
            self.message(SweepStep::Failed { trouble });
        }
    }
}

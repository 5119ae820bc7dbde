//! A reload of the configuration file: accounts and regions come and go.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;

use super::{CheckResult, Runner};
use crate::ingest::Ledger;
use crate::ingest::ledger::LedgerView;
use crate::ingest::truth::program::ReloadFault;
use crate::ingest::truth::shelf::Backing;
use crate::ingest::work::{Choice, WatchChoice};
use crate::model::{AccountId, Clock, Region, SweepStep, WatchSelection};

impl<S: Backing> Runner<'_, S> {
    pub(super) fn reload(
        &mut self,
        turned: u8,
        whole: bool,
        cut: bool,
        within: bool,
        fault: ReloadFault,
    ) -> CheckResult {
        for (number, is_in) in self.file.iter_mut().enumerate() {
            *is_in ^= turned & (1 << number) > 0;
        }
        self.whole = whole;
        for number in 0..self.places.len() {
            if self.file[number] || !self.places[number].watched {
                continue;
            }
            if !cut {
                self.asks(number, whole)?;
            }
            let place = &mut self.places[number];
            for (is_so, what) in [
                (place.listing.is_some(), "scope given up with a listing under way"),
                (!place.tools.is_empty(), "scope given up with a tool's call under way"),
                (place.refresh.is_some(), "scope given up with a describe under way"),
                (!place.begun && !place.left, "scope given up before its first sweep"),
            ] {
                if is_so {
                    self.tally.count(what);
                }
            }
            place.cut_off(cut);
        }
        if fault == ReloadFault::Unrecorded {
            if let Some(ingest) = &self.ingest {
                self.shelf.stick(ingest.ledger());
            }
            self.tally.count("choice of scopes that is not recorded");
        }
        let stray = (0..self.places.len()).find(|number| within && !self.places[*number].stray.is_empty());
        match stray {
            Some(number) if fault == ReloadFault::Nothing => self.choose_within(number)?,
            _ => self.choose()?,
        }
        if fault == ReloadFault::Nothing {
            return Ok(());
        }
        if fault == ReloadFault::Killed {
            self.tally.count("kill after the choice of scopes");
        }
        self.restart(true)
    }

    /// At the moment a place is given up, a page of its listing is on its way, the last one with `last`, and a describe.
    fn asks(&mut self, number: usize, last: bool) -> CheckResult {
        self.here = number;
        if self.here().listing.is_none() {
            self.sweep()?;
        }
        self.ask(0, false, false, false);
        if last {
            self.land();
            self.ask(0, false, false, false);
        }
        self.refresh(0, false);
        Ok(())
    }

    /// The watchers of a new process begin with this; what the file says may have changed meanwhile.
    pub(super) fn chose(&mut self) -> CheckResult {
        if self.chosen { Ok(()) } else { self.choose() }
    }

    /// Records which scopes are watched, as the file says.
    pub(super) fn choose(&mut self) -> CheckResult {
        let selection = self.selection();
        let (done, mut outcome) = oneshot::channel();
        let Some(ingest) = &mut self.ingest else { return Err("no writer".to_owned()) };
        ingest.choose(WatchChoice { choice: Choice::Scopes(selection), done });
        // A choice that fails is made again, by this process or the next one.
        if outcome.try_recv().map_err(|_| "no outcome of a choice")?.is_ok() { self.took_effect() } else { Ok(()) }
    }

    /// The choice waits while the writer serves a message of a listing of this place, and is served in the middle of it, or after.
    fn choose_within(&mut self, number: usize) -> CheckResult {
        self.here = number;
        let (done, mut outcome) = oneshot::channel();
        let choice = WatchChoice { choice: Choice::Scopes(self.selection()), done };
        self.handle.choices.try_send(choice).map_err(|_| "a choice waits already")?;
        self.deliver_stray();
        let mut said = outcome.try_recv();
        if said.is_ok() {
            self.tally.count("scope given up within a message of its listing");
        } else {
            let Some(ingest) = &mut self.ingest else { return Err("no writer".to_owned()) };
            while let Some(work) = ingest.lanes.urgent() {
                ingest.serve(work);
            }
            said = outcome.try_recv();
        }
        said.map_err(|_| "no outcome of a choice")?.map_err(|error| error.to_string())?;
        self.took_effect()
    }

    /// Delivers a message of a listing that was cut off.
    pub(super) fn deliver_stray(&mut self) {
        let Some(step) = self.here().stray.pop_front() else { return };
        if !self.here().watched {
            self.tally.count("message of a listing after its scope was given up");
        }
        let step = match step {
            SweepStep::Completed { .. } => SweepStep::Completed { ended: self.clock.now() },
            step => step,
        };
        self.message(step);
    }

    fn selection(&self) -> WatchSelection {
        let mut watched: BTreeMap<AccountId, Option<BTreeSet<Region>>> = BTreeMap::new();
        for place in self.places.iter().filter(|place| self.file[usize::from(place.number)]) {
            let regions = watched.entry(place.scope.account.clone()).or_insert_with(|| Some(BTreeSet::new()));
            regions.get_or_insert_default().insert(place.scope.region.clone());
        }
        let accounts = self.places.iter().map(|place| place.scope.account.clone());
        let given_up = accounts.filter(|account| !watched.contains_key(account)).collect();
        WatchSelection::Accounts { watched, given_up, is_whole: self.whole }
    }

    /// What the file says holds from now on.
    fn took_effect(&mut self) -> CheckResult {
        self.chosen = true;
        let Some(ingest) = &self.ingest else { return Err("no writer".to_owned()) };
        let retired = ingest.ledger().view().map_err(|error| error.to_string())?.retired();
        for place in &mut self.places {
            let is_watched = self.file[usize::from(place.number)];
            if is_watched && retired.contains_key(&place.scope) {
                return Err(format!("{} is watched, and noted as given up", place.scope));
            }
            if is_watched == place.watched {
                continue;
            }
            (place.watched, place.turned) = (is_watched, true);
            place.heard |= is_watched;
            if is_watched {
                (place.begun, place.begun_before) = (false, false);
                self.tally.count("return");
            } else {
                place.left = true;
                if place.is_used() {
                    self.tally.count("scope given up");
                }
            }
        }
        Ok(())
    }
}

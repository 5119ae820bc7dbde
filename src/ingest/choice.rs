//! Which scopes and kinds are watched: a choice is recorded, whoever reads of what came or went is told, and what was under way in what
//! is given up is not heard any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::error::IngestError;
use super::ledger::LedgerView;
use super::work::{Choice, WatchChoice};
use super::{Ingest, Ledger};
use crate::freshness::Signal;
use crate::model::{Kind, KindSelection, Scope, Timestamp, WatchSelection};
use crate::notify::ChangeTopic;
use crate::store::{CommitBatch, CommitError, ReadError, Watermark};

/// How much later than its last sweep a run of watching is saved that proves nothing.
const AFTER_LAST: Duration = Duration::from_millis(1);

impl<L: Ledger> Ingest<L> {
    /// Records which scopes or kinds are watched from now on.
    pub(super) fn choose(&mut self, WatchChoice { choice, done }: WatchChoice) {
        let outcome = match choice {
            Choice::Scopes(selection) => self.record_choice(selection),
            Choice::Kinds { chosen, is_durable } => {
                // What is chosen now: an older choice never comes after a newer one.
                let watched = chosen.borrow().clone();
                self.choose_kinds(&watched, is_durable)
            }
        };
        // The caller may have gone: what is recorded stays.
        drop(done.send(outcome));
    }

    /// Starts with these kinds, as far as readers and observations go by them: whether the store may be changed is not known yet.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn of_kinds(mut self, watched: &KindSelection) -> Result<Self, ReadError> {
        if *watched != KindSelection::All {
            self.turn_to_kinds(watched, false)?;
        }
        Ok(self)
    }

    fn choose_kinds(&mut self, watched: &KindSelection, is_durable: bool) -> Result<(), IngestError> {
        if self.kinds_chosen == Some((watched.clone(), is_durable)) {
            return Ok(());
        }
        if is_durable {
            self.end_runs(watched)?;
        }
        self.turn_to_kinds(watched, is_durable)?;
        Ok(())
    }

    /// Lets readers and observations go by these kinds.
    fn turn_to_kinds(&mut self, watched: &KindSelection, is_durable: bool) -> Result<(), ReadError> {
        // Sweeps of this process are saved when it stops.
        let marks = self.ledger.view()?.watermarks()?.into_iter().chain(self.freshness.watermarks());
        let mut swept: BTreeMap<(Scope, Kind), Timestamp> = BTreeMap::new();
        for mark in marks.filter(|mark| !watched.watches(&mark.kind)) {
            let last = swept.entry((mark.scope, mark.kind)).or_insert(mark.ended);
            *last = (*last).max(mark.ended);
        }
        let before: BTreeSet<(Scope, Kind)> = self.left().collect();
        self.sweeps.retain(|(_, kind), _| watched.watches(kind));
        self.freshness.signal(Signal::Kinds { watched: watched.clone(), swept });
        self.kinds_chosen = Some((watched.clone(), is_durable));
        self.hub.mark([ChangeTopic::Freshness, ChangeTopic::Summary]);
        let after: BTreeSet<(Scope, Kind)> = self.left().collect();
        let mut turned: BTreeMap<&Kind, BTreeSet<Scope>> = BTreeMap::new();
        for (scope, kind) in before.symmetric_difference(&after) {
            turned.entry(kind).or_default().insert(scope.clone());
        }
        for (kind, scopes) in turned {
            self.tell_of(&scopes, Some(kind));
        }
        Ok(())
    }

    /// The (scope, kind)s that are not watched because of their kind.
    fn left(&self) -> impl Iterator<Item = (Scope, Kind)> {
        let unwatched = self.freshness.unwatched().into_iter();
        unwatched.filter(|state| !self.freshness.watches_kind(&state.kind)).map(|state| (state.scope, state.kind))
    }

    /// Saves when the kinds were swept last that are no longer watched, each with a run of watching after that without a complete
    /// sweep: what their next sweep finds counts as known before, even if another process sweeps them.
    fn end_runs(&mut self, watched: &KindSelection) -> Result<(), IngestError> {
        let is_left = |mark: &Watermark| !watched.watches(&mark.kind);
        let ending: Vec<Watermark> = self.freshness.watermarks().into_iter().filter(is_left).collect();
        if !ending.is_empty() {
            self.save(CommitBatch { watermarks: ending, ..CommitBatch::default() })?;
        }
        let known = self.ledger.view()?.watermarks()?.into_iter();
        let over = known.filter(|mark| mark.complete && is_left(mark)).map(|mark| {
            let ended = mark.ended + AFTER_LAST;
            Watermark { since: ended, started: ended, ended, complete: false, ..mark }
        });
        let over: Vec<Watermark> = over.collect();
        if !over.is_empty() {
            self.save(CommitBatch { watermarks: over, ..CommitBatch::default() })?;
        }
        Ok(())
    }

    fn record_choice(&mut self, selection: WatchSelection) -> Result<(), IngestError> {
        let before = self.ledger.view()?.retired();
        // They are retired as of their last sweep.
        let is_retiring = |mark: &Watermark| selection.watches(&mark.scope) == Some(false);
        let ending: Vec<Watermark> = self.freshness.watermarks().into_iter().filter(is_retiring).collect();
        if !ending.is_empty()
            && let Err(error) = self.save(CommitBatch { watermarks: ending, ..CommitBatch::default() })
        {
            tracing::warn!(%error, "the last sweeps of what is no longer watched are not saved");
        }
        let begins_anew = matches!(selection, WatchSelection::Accounts { .. });
        if begins_anew {
            self.begin_anew(before.keys().filter(|scope| selection.watches(scope) == Some(true)))?;
        }
        self.ledger.watch_only(&selection, self.clock.now())?;
        // What was asked before it was given up proves nothing once it is watched again.
        self.sweeps.retain(|(scope, _), _| selection.watches(scope) != Some(false));
        self.selection = Some(selection.clone());
        let after = self.ledger.view()?.retired();
        let turned = before.keys().filter(|scope| !after.contains_key(*scope));
        let turned: BTreeSet<Scope> =
            turned.chain(after.keys().filter(|scope| !before.contains_key(*scope))).cloned().collect();
        self.freshness.signal(Signal::Retired { scopes: after, begins_anew, selection });
        self.hub.mark([ChangeTopic::Freshness, ChangeTopic::Summary]);
        if !turned.is_empty() {
            self.tell_of(&turned, None);
        }
        Ok(())
    }

    /// Saves that what the next sweeps of these scopes find counts as known before, even if the process ends before they do: a run
    /// of watching without a complete sweep.
    fn begin_anew<'s>(&mut self, scopes: impl Iterator<Item = &'s Scope>) -> Result<(), CommitError> {
        let scopes: BTreeSet<&Scope> = scopes.collect();
        if scopes.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let known = self.freshness.unwatched().into_iter();
        let swept = known.filter(|state| scopes.contains(&state.scope) && state.complete.is_some());
        let begun = swept.map(|state| Watermark {
            scope: state.scope,
            kind: state.kind,
            since: now,
            started: now,
            ended: now,
            complete: false,
        });
        self.save(CommitBatch { watermarks: begun.collect(), ..CommitBatch::default() })
    }

    /// Tells the subscribers of what is in these scopes, of one kind or of all: what they read of it says something else now.
    pub(super) fn tell_of(&self, scopes: &BTreeSet<Scope>, kind: Option<&Kind>) {
        let Ok(view) = self.ledger.view() else { return self.hub.mark_all() };
        let is_meant = |of: &Kind| kind.is_none_or(|kind| kind == of);
        let mut told = Vec::new();
        for topic in self.hub.topics() {
            let is_told = match &*topic {
                ChangeTopic::Resource { kind, scope: Some(scope), .. } | ChangeTopic::Collection { scope, kind } => {
                    is_meant(kind) && scopes.contains(scope)
                }
                ChangeTopic::Resource { kind, id, scope: None } if is_meant(kind) => view.is_held_in(kind, id, scopes),
                _ => false,
            };
            if is_told {
                told.push((*topic).clone());
            }
        }
        self.hub.mark_with_list(told);
    }

    /// Whether what is observed of a kind in a scope is recorded: it is watched, as far as that is recorded. The assumption that readers
    /// see until the account is known does not count.
    pub(super) fn hears(&self, view: &L::View, scope: &Scope, kind: &Kind) -> bool {
        !(self.is_given_up(scope, kind) || self.freshness.is_unwatched(scope, kind) || view.is_noted_unwatched(scope))
    }

    /// Whether this process was told that a scope or a kind is not watched.
    pub(super) fn is_given_up(&self, scope: &Scope, kind: &Kind) -> bool {
        let is_left = |(watched, _): &(KindSelection, bool)| !watched.watches(kind);
        self.kinds_chosen.as_ref().is_some_and(is_left)
            || self.selection.as_ref().is_some_and(|selection| selection.watches(scope) == Some(false))
    }
}

#[cfg(test)]
mod tests;

//! Which scopes are watched: a choice is recorded, whoever reads of what came or went is told, and what was under way in a scope that
//! is given up is not heard any more.

use std::collections::BTreeSet;

use super::error::IngestError;
use super::ledger::LedgerView;
use super::work::WatchChoice;
use super::{Ingest, Ledger};
use crate::freshness::Signal;
use crate::model::{Kind, Scope, WatchSelection};
use crate::notify::ChangeTopic;
use crate::store::{CommitBatch, CommitError, Watermark};

impl<L: Ledger> Ingest<L> {
    /// Records which scopes are watched from now on.
    pub(super) fn choose(&mut self, WatchChoice { selection, done }: WatchChoice) {
        // The caller may have gone: what is recorded stays.
        drop(done.send(self.record_choice(selection)));
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
        !(self.is_given_up(scope) || self.freshness.is_unwatched(scope, kind) || view.is_noted_unwatched(scope))
    }

    /// Whether this process has recorded that a scope is not watched.
    pub(super) fn is_given_up(&self, scope: &Scope) -> bool {
        self.selection.as_ref().is_some_and(|selection| selection.watches(scope) == Some(false))
    }
}

#[cfg(test)]
mod tests;

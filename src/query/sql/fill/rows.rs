//! The rows of a kind as they were at one moment, and the documents behind them.
//!
//! All of a statement is read from one state of the store. What changed since the moment is put together from its own records;
//! so is what was removed since.

use std::collections::BTreeSet;

use super::filling::Filling;
use super::row_key::RowKey;
use crate::kinds::KindSpec;
use crate::model::{Document, Kind, ResourceId, Row, Scope};
use crate::query::moment::holds;
use crate::query::past::{is_baseline, row_then};
use crate::query::sql::SqlError;
use crate::store::{IndexRows, ReadError, RowSelection, RowView, Snapshot};

/// The tag whose value is a resource's name.
pub(super) const NAME: &str = "Name";
/// Above so many ids, a walk over all rows is shorter than a look for each of them.
const NAMED: usize = if cfg!(test) { 4 } else { 2_000 };
/// How many rows are walked between two looks at the clock.
const STEP: usize = 4_096;
/// How many resources may have changed or been removed since the moment.
const CHANGED: usize = if cfg!(test) { 10 } else { 20_000 };

/// Shows rows.
pub(super) struct Rows<'a> {
    filling: &'a Filling<'a>,
    /// With the scopes that were watched at the moment.
    snapshot: Snapshot,
    changed: usize,
    partial: bool,
    /// The accounts and the regions that the table at hand can hold rows of; all where it does not say.
    within: [Option<BTreeSet<String>>; 2],
}

impl<'a> Rows<'a> {
    pub(super) fn new(filling: &'a Filling<'a>) -> Result<Self, SqlError> {
        holds(&filling.snapshot, filling.point)?;
        let snapshot = filling.snapshot.watched_at(filling.point.at);
        Ok(Rows { filling, snapshot, changed: 0, partial: false, within: [None, None] })
    }

    /// From now on rows of other accounts and regions than these need not be shown.
    pub(super) fn keep_within(&mut self, accounts: Option<&BTreeSet<String>>, regions: Option<&BTreeSet<String>>) {
        self.within = [accounts.cloned(), regions.cloned()];
    }

    fn is_within(&self, scope: &Scope) -> bool {
        let [accounts, regions] = &self.within;
        accounts.as_ref().is_none_or(|wanted| wanted.contains(scope.account.as_str()))
            && regions.as_ref().is_none_or(|wanted| wanted.contains(scope.region.as_str()))
    }

    /// Whether no row is left out for what it is of.
    pub(super) fn sees_all(&self) -> bool {
        self.filling.visible.is_all()
    }

    /// Whether a first sweep was under way at the moment, as far as what was shown tells.
    pub(super) fn is_partial(&self) -> bool {
        self.partial
    }

    /// Fails when the time is up.
    pub(super) fn on_time(&self) -> Result<(), SqlError> {
        if (self.filling.expired)() { Err(SqlError::Time) } else { Ok(()) }
    }

    /// Shows `visit` the rows of a kind that `selection` says, and of them at least what it says: out of the index where that
    /// stands at the moment, else as stored. A row that meets no condition of it but the ids may be shown all the same.
    pub(super) fn each(
        &mut self,
        spec: &'static KindSpec,
        selection: &RowSelection<'_>,
        mut visit: impl FnMut(&RowKey<'_>, &RowView<'_>) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        match self.copied(spec, selection)? {
            Some(copy) => self.indexed(spec, &copy, &mut visit),
            None => self.stored(spec, selection.ids, visit),
        }
    }

    /// The same of whole rows as they are stored: with the name, and several values of a filter in the document's order.
    pub(super) fn stored(
        &mut self,
        spec: &'static KindSpec,
        ids: Option<&BTreeSet<String>>,
        mut visit: impl FnMut(&RowKey<'_>, &RowView<'_>) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let kind = spec.kind();
        let is_wanted = |id: &ResourceId| ids.is_none_or(|ids| ids.contains(&*id.id));
        let mut visit = |id: &ResourceId, row: &RowView<'_>| {
            if is_wanted(id) { visit(&RowKey::of(id), row) } else { Ok(()) }
        };
        match ids {
            Some(ids) if ids.len() <= NAMED => self.named(&kind, ids, &mut visit),
            _ => self.all(&kind, &mut visit),
        }
    }

    /// Rows out of the index; `None` where it does not stand at the moment.
    fn copied(&self, spec: &KindSpec, selection: &RowSelection<'_>) -> Result<Option<IndexRows>, SqlError> {
        self.on_time()?;
        let at = self.snapshot.seq();
        if self.filling.point.seq < at {
            return Ok(None);
        }
        let sees = |scope: &Scope| !self.snapshot.leaves_out(scope) && self.is_within(scope);
        Ok(self.filling.store.copied(&spec.kind(), at, selection, sees))
    }

    fn indexed(
        &self,
        spec: &KindSpec,
        copy: &IndexRows,
        visit: &mut dyn FnMut(&RowKey<'_>, &RowView<'_>) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let (kind, visible) = (spec.kind(), self.filling.visible);
        let mut nth = 0_usize;
        copy.each(|id, scope, row| {
            nth += 1;
            if nth.is_multiple_of(STEP) {
                self.on_time()?;
            }
            let key = RowKey::new(&kind, scope, id);
            if !visible.is_all() && !visible.sees(&key.owned()) {
                return Ok(());
            }
            // Kinds with a name of their own are not read here.
            row.name =
                row.tags.iter().find(|(key, _)| *key == NAME).map(|(_, name)| *name).filter(|name| !name.is_empty());
            visit(&key, row)
        })
    }

    fn all(
        &mut self,
        kind: &Kind,
        visit: &mut dyn FnMut(&ResourceId, &RowView<'_>) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let (point, visible) = (self.filling.point, self.filling.visible);
        let mut since: Vec<ResourceId> = Vec::new();
        let mut after = None;
        loop {
            self.on_time()?;
            let mut outcome = Ok(());
            let next = self.snapshot.each_row(kind, after.as_ref(), STEP, |id, row| {
                if outcome.is_err() || !visible.sees(id) {
                } else if row.changed <= point.seq {
                    outcome = visit(id, row);
                } else {
                    since.push(id.clone());
                }
            })?;
            outcome?;
            self.count(since.len())?;
            match next {
                Some(last) => after = Some(last),
                None => break,
            }
        }
        if point.seq < self.snapshot.seq() {
            self.removed(kind, &mut since)?;
        }
        self.changed += since.len();
        for id in since {
            self.on_time()?;
            self.then(&id, visit)?;
        }
        Ok(())
    }

    /// Adds what was removed after the moment.
    fn removed(&self, kind: &Kind, found: &mut Vec<ResourceId>) -> Result<(), SqlError> {
        let mut after = None;
        loop {
            self.on_time()?;
            let page = self.snapshot.tombstones_after(kind, after.as_ref(), STEP)?;
            after = page.next;
            let later = page.gone.into_iter().filter(|(_, tombstone)| tombstone.seq > self.filling.point.seq);
            found.extend(later.map(|(id, _)| id).filter(|id| self.filling.visible.sees(id)));
            self.count(found.len())?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn count(&self, more: usize) -> Result<(), SqlError> {
        if self.changed + more > CHANGED { Err(SqlError::TooManyChanged(CHANGED)) } else { Ok(()) }
    }

    fn named(
        &mut self,
        kind: &Kind,
        ids: &BTreeSet<String>,
        visit: &mut dyn FnMut(&ResourceId, &RowView<'_>) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let is_now = self.filling.point.seq >= self.snapshot.seq();
        let scopes = if is_now { BTreeSet::new() } else { self.snapshot.scopes()? };
        for id in ids {
            self.on_time()?;
            let places: Vec<ResourceId> = if is_now {
                self.snapshot.copies(kind, id)?.into_iter().map(|head| head.id).collect()
            } else {
                scopes.iter().map(|scope| ResourceId::new(scope, kind, id.as_str())).collect()
            };
            for id in places {
                if !self.snapshot.leaves_out(&id.scope()) && self.filling.visible.sees(&id) {
                    self.then(&id, visit)?;
                }
            }
        }
        Ok(())
    }

    /// Shows the row of a resource as it was, if it was there.
    fn then(
        &mut self,
        id: &ResourceId,
        visit: &mut dyn FnMut(&ResourceId, &RowView<'_>) -> Result<(), SqlError>,
    ) -> Result<(), SqlError> {
        let point = self.filling.point;
        let row: Option<Row> = match self.snapshot.row(id) {
            Ok(Some(row)) if row.changed <= point.seq => Some(row),
            Ok(_) | Err(ReadError::Damaged(_)) => row_then(&self.snapshot, id, point)?,
            Err(error) => return Err(error.into()),
        };
        if let Some(row) = row {
            return visit(id, &RowView::of(&row));
        }
        self.partial = self.partial || is_baseline(&self.snapshot, id, point)?;
        Ok(())
    }

    /// The document of a resource as it was; `None` when it was not there, or cannot be read, which the store has noted.
    pub(super) fn document(&self, id: &ResourceId) -> Result<Option<Document>, SqlError> {
        match self.snapshot.past(id, self.filling.point.seq) {
            Err(ReadError::Damaged(_)) => Ok(None),
            past => Ok(past?.map(|current| current.document)),
        }
    }
}

//! The instances that filters choose, the least healthy first.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::kinds::health::VERDICTS;
use crate::kinds::{INSTANCE, INSTANCE_STATUS};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::tools::arguments::filters::GivenFilters;
use crate::mcp::tools::label::FreshnessLabel;
use crate::mcp::tools::zero;
use crate::model::{ResourceId, Scope, ScopeFilter, Seq};
use crate::query::Filters;
use crate::query::selection::MatchingRows;
use crate::store::{On, RowSelection};

/// How many instances have each verdict.
pub(super) type Verdicts = BTreeMap<&'static str, u64>;

/// The instances that were chosen.
pub(super) struct ChosenInstances {
    /// The least healthy, at most so many as were asked for.
    pub(super) worst: Vec<ResourceId>,
    /// How many match.
    pub(super) total: u64,
    /// How many of them have each verdict.
    pub(super) verdicts: Verdicts,
    /// How many match and as of when, and what lessens the answer.
    pub(super) headline: String,
    /// The same as fields.
    pub(super) fields: Map<String, Value>,
    /// The last record that is taken into account.
    pub(super) seq: Seq,
}

/// The place of a verdict, the worst first. A scheduled event goes before what is as healthy without one.
pub(super) fn place(verdict: &str, has_event: bool) -> (usize, bool) {
    let place = VERDICTS.iter().position(|known| *known == verdict).unwrap_or(VERDICTS.len());
    (place, !has_event)
}

impl ChosenInstances {
    /// Those that meet the filters, in `scope` or everywhere.
    ///
    /// # Errors
    /// When the filters cannot be used, or the store cannot be read.
    pub(super) fn of(
        core: &Core,
        filters: &GivenFilters,
        scope: &ScopeFilter,
        most: usize,
    ) -> Result<Self, RequestError> {
        let settled = filters.settle(core, scope, None)?;
        let scope = &settled.scope;
        let mut hints = zero::settle(core, INSTANCE, &settled.filters)?;
        // Freshness is read before the data: see `fresh`.
        let label = FreshnessLabel::of_all(core, &[INSTANCE, INSTANCE_STATUS], scope, None)?;
        let RankedInstances { ids, mut placed, verdicts, seq } =
            match RankedInstances::indexed(core, &settled.filters, scope)? {
                Some(ranked) => ranked,
                None => RankedInstances::stored(core, &settled.filters, scope)?,
            };
        if most < placed.len() {
            placed.select_nth_unstable(most);
            placed.truncate(most);
        }
        placed.sort_unstable();
        let label = label.damaged(core, INSTANCE, scope);
        let total = ids.len() as u64;
        let is_at_least = settled.is_at_least || label.is_at_least(false);
        if total == 0 && !settled.filters.is_empty() {
            hints.extend(zero::hints(core, INSTANCE, scope, &settled.filters, false)?);
        }
        let mut headline = label.headline(INSTANCE, total, None, false);
        headline.push_str(&zero::said(&hints));
        for reading in &settled.readings {
            headline = format!("{headline}\n{reading}");
        }
        let mut fields = label.fields();
        fields.insert("at_least".to_owned(), is_at_least.into());
        for (name, said) in [("hints", hints), ("readings", settled.readings)] {
            if !said.is_empty() {
                fields.insert(name.to_owned(), said.into());
            }
        }
        let worst = placed.iter().filter_map(|(_, nth)| ids.get(*nth).cloned()).collect();
        Ok(ChosenInstances { worst, total, verdicts, headline, fields, seq })
    }
}

/// All instances that were chosen, each with its place.
#[derive(Default)]
struct RankedInstances {
    /// In list order.
    ids: Vec<ResourceId>,
    /// By place among `ids`.
    placed: Vec<((usize, bool), usize)>,
    verdicts: Verdicts,
    seq: Seq,
}

impl RankedInstances {
    /// Out of the index; `None` where it does not hold both kinds as of one moment.
    fn indexed(core: &Core, filters: &Filters, scope: &ScopeFilter) -> Result<Option<Self>, RequestError> {
        let Some(found) = core.store.find(&INSTANCE.kind(), scope, filters.matcher(), None, usize::MAX) else {
            return Ok(None);
        };
        // The index may be ahead of what can be read.
        if found.seq > core.snapshot()?.seq() {
            return Ok(None);
        }
        let [health, event] = facets();
        let selection = RowSelection { facets: vec![health, event], ..RowSelection::default() };
        let is_asked = |of: &Scope| scope.takes(of);
        let copied = core.store.copied(&INSTANCE_STATUS.kind(), found.seq, &selection, is_asked);
        let Some(statuses) = copied else { return Ok(None) };
        let mut ranked =
            RankedInstances { placed: Vec::with_capacity(found.ids.len()), seq: found.seq, ..Self::default() };
        let mut left = found.ids.iter().enumerate().peekable();
        statuses.each(|id, of, row| {
            // Both are in the order of ids and scopes.
            let key = (id, of.account.as_str(), of.region.as_str());
            while let Some((nth, instance)) = left.next_if(|(_, instance)| key_of(instance) <= key) {
                let of = |facet: u16| row.facets.iter().find(|(number, _)| *number == facet).map(|(_, value)| *value);
                let known = (key_of(instance) == key).then(|| (of(health), of(event).is_some()));
                ranked.rank(nth, known);
            }
            Ok::<_, RequestError>(())
        })?;
        left.for_each(|(nth, _)| ranked.rank(nth, None));
        Ok(Some(RankedInstances { ids: found.ids, ..ranked }))
    }

    /// By the rows as they are stored.
    fn stored(core: &Core, filters: &Filters, scope: &ScopeFilter) -> Result<Self, RequestError> {
        let kind = INSTANCE.kind();
        let selection = MatchingRows { kind: &kind, scope, filters, point: None, is_lent: false };
        let mut ids = Vec::new();
        let (seq, _) = selection.each(&core.store, |row| ids.push(row.id))?;
        let [health, event] = facets().map(On::Facet);
        let mut ranked = RankedInstances { seq, ..Self::default() };
        let mut nth = 0;
        for some in ids.chunks(1_000) {
            let snapshot = core.snapshot()?;
            for id in some {
                let status = snapshot.row(&ResourceId { kind: INSTANCE_STATUS.kind(), ..id.clone() })?;
                let known =
                    status.as_ref().map(|status| (health.values(status).next(), event.values(status).next().is_some()));
                ranked.rank(nth, known);
                nth += 1;
            }
        }
        Ok(RankedInstances { ids, ..ranked })
    }

    /// Takes an instance by its health, and whether something is scheduled for it; `None` where nothing is known of either.
    fn rank(&mut self, nth: usize, known: Option<(Option<&str>, bool)>) {
        let (health, has_event) = known.unwrap_or_default();
        let verdict = VERDICTS.into_iter().find(|known| Some(*known) == health).unwrap_or("unknown");
        self.placed.push((place(verdict, has_event), nth));
        *self.verdicts.entry(verdict).or_default() += 1;
    }
}

/// Where a row of a status has its health, and what is scheduled next.
fn facets() -> [u16; 2] {
    ["health", "next-event"].map(|name| INSTANCE_STATUS.filter(name).map_or(u16::MAX, |filter| filter.number))
}

fn key_of(id: &ResourceId) -> (&str, &str, &str) {
    (&id.id, id.account.as_str(), id.region.as_str())
}

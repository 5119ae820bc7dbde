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
use crate::model::{ResourceId, Scope, Seq};
use crate::query::selection::MatchingRows;
use crate::store::On;

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
        scope: Option<&Scope>,
        most: usize,
    ) -> Result<Self, RequestError> {
        let settled = filters.settle(core, scope, None)?;
        let scope = settled.scope.as_ref();
        let mut hints = zero::settle(core, INSTANCE, &settled.filters)?;
        // Freshness is read before the data: see `fresh`.
        let label = FreshnessLabel::of_all(core, &[INSTANCE, INSTANCE_STATUS], scope, None)?;
        let kind = INSTANCE.kind();
        let selection = MatchingRows { kind: &kind, scope, filters: &settled.filters, point: None, is_lent: false };
        let mut ids = Vec::new();
        let (seq, _) = selection.each(&core.store, |row| ids.push(row.id))?;
        let of = |name: &str| On::Facet(INSTANCE_STATUS.filter(name).map_or(u16::MAX, |filter| filter.number));
        let (health, event) = (of("health"), of("next-event"));
        let (mut placed, mut verdicts) = (Vec::with_capacity(ids.len()), Verdicts::new());
        for some in ids.chunks(1_000) {
            let snapshot = core.snapshot()?;
            for id in some {
                let status = snapshot.row(&ResourceId { kind: INSTANCE_STATUS.kind(), ..id.clone() })?;
                let verdict = status.as_ref().and_then(|status| health.values(status).next());
                let verdict = VERDICTS.into_iter().find(|known| Some(*known) == verdict).unwrap_or("unknown");
                let has_event = status.as_ref().is_some_and(|status| event.values(status).next().is_some());
                placed.push((place(verdict, has_event), id));
                *verdicts.entry(verdict).or_default() += 1;
            }
        }
        placed.sort();
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
        let worst = placed.into_iter().take(most).map(|(_, id)| id.clone()).collect();
        Ok(ChosenInstances { worst, total, verdicts, headline, fields, seq })
    }
}

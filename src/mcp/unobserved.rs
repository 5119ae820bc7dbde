//! The gaps in watching that answers about the past report: in a gap, resources may have come and gone unseen.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::core::Core;
use super::error::RequestError;
use super::tools::schema;
use super::tools::table::AnswerText;
use crate::freshness::ScopeFreshness;
use crate::kinds::{self, KindSpec};
use crate::model::{Kind, Scope, ScopeFilter, Timestamp};
use crate::query::unobserved::{Gap, around, gaps};
use crate::store::Snapshot;

/// Gaps shown one by one as data.
const SHOWN: usize = 40;
/// Gaps shown one by one as text.
const SAID: usize = 8;

/// The kinds and scopes for which gaps are wanted.
#[derive(Clone, Debug, Default)]
pub struct GapQuery {
    /// The kinds; all when empty.
    pub kinds: Vec<&'static KindSpec>,
    /// The scopes.
    pub scope: ScopeFilter,
}

/// Gaps, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unobserved {
    gaps: Vec<Gap>,
    left_out: usize,
}

/// When one kind in one scope was watched.
struct WatchRecord {
    /// Its runs, each from its first sweep to its last.
    runs: Vec<(Timestamp, Timestamp)>,
    /// From one sweep to the next.
    interval: Duration,
}

impl GapQuery {
    /// Asks for gaps of `kinds`, in `scope` or everywhere.
    #[must_use]
    pub fn of(kinds: &[&'static KindSpec], scope: &ScopeFilter) -> Self {
        GapQuery { kinds: kinds.to_vec(), scope: scope.clone() }
    }

    fn takes(&self, scope: &Scope, kind: &Kind) -> bool {
        (self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted.name == kind.as_str())) && self.is_in(scope)
    }

    /// Whether gaps in `scope` are wanted.
    #[must_use]
    pub fn is_in(&self, scope: &Scope) -> bool {
        self.scope.takes(scope)
    }
}

impl Core {
    /// The gaps in watching between `from` and `to`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn unobserved(
        &self,
        snapshot: &Snapshot,
        watch: &GapQuery,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Unobserved, RequestError> {
        let runs = self.runs(snapshot, watch)?.into_iter();
        let found = runs.flat_map(|((scope, kind), WatchRecord { runs, interval })| {
            let gap = move |(from, to)| Gap { from, to, scope: scope.clone(), kind: kind.clone() };
            gaps(runs, interval, from, to).into_iter().map(gap)
        });
        Ok(Unobserved::new(found.collect()))
    }

    /// The gaps in watching around the time `at`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn unobserved_at(
        &self,
        snapshot: &Snapshot,
        watch: &GapQuery,
        at: Timestamp,
    ) -> Result<Unobserved, RequestError> {
        let (earliest, now) = (snapshot.earliest()?.unwrap_or(at).min(at), self.now());
        let runs = self.runs(snapshot, watch)?.into_iter();
        let found = runs.filter_map(|((scope, kind), WatchRecord { runs, interval })| {
            let (from, to) = around(runs, interval, at, earliest, now)?;
            Some(Gap { from, to, scope, kind })
        });
        Ok(Unobserved::new(found.collect()))
    }

    /// The runs of watching: those that the store holds, and the current ones, which last until now while their copy is fresh.
    fn runs(
        &self,
        snapshot: &Snapshot,
        watch: &GapQuery,
    ) -> Result<BTreeMap<(Scope, Kind), WatchRecord>, RequestError> {
        let (freshness, now) = (self.ingest.freshness(), self.now());
        let mut watched = BTreeMap::new();
        let states = freshness.scopes();
        let current: BTreeMap<(&Scope, &Kind), &ScopeFreshness> =
            states.iter().map(|state| ((&state.scope, &state.kind), state)).collect();
        let known = states.iter().map(|state| (state.scope.clone(), state.kind.clone()));
        let saved = snapshot.watermarks()?.into_iter().map(|watermark| (watermark.scope, watermark.kind));
        for (scope, kind) in known.chain(saved).filter(|(scope, kind)| watch.takes(scope, kind)) {
            if watched.contains_key(&(scope.clone(), kind.clone())) {
                continue;
            }
            let saved = snapshot.intervals(&scope, &kind)?.into_iter().filter(|run| run.complete);
            let runs = saved.map(|run| (run.since, run.started)).collect();
            let interval = current.get(&(&scope, &kind)).map(|state| state.interval);
            let interval = interval.or_else(|| Some(freshness.of(&scope, &kind)?.interval));
            let interval = interval.or_else(|| Some(kinds::of(&kind)?.interval)).unwrap_or_default();
            watched.insert((scope, kind), WatchRecord { runs, interval });
        }
        for run in freshness.runs() {
            let Some(watched) = watched.get_mut(&(run.scope.clone(), run.kind.clone())) else { continue };
            let state = current.get(&(&run.scope, &run.kind)).copied();
            let goes_on = state.and_then(ScopeFreshness::fresh_until).is_some_and(|until| now <= until);
            watched.runs.push((run.since, if goes_on { now.max(run.started) } else { run.started }));
        }
        Ok(watched)
    }
}

impl Unobserved {
    fn new(mut gaps: Vec<Gap>) -> Self {
        let left_out = gaps.len().saturating_sub(SHOWN);
        if left_out > 0 {
            gaps.sort_by_key(|gap| std::cmp::Reverse(gap.to.since(gap.from)));
            gaps.truncate(SHOWN);
        }
        gaps.sort();
        Unobserved { gaps, left_out }
    }

    /// Whether there is no gap.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gaps.is_empty()
    }

    /// The gaps as fields of an answer.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, Value)> {
        let gaps = self.gaps.iter().map(|gap| {
            let Gap { from, to, scope, kind } = gap;
            json!({"account": scope.account, "region": scope.region, "kind": slug(kind), "from": from, "to": to})
        });
        let mut fields = vec![("unobserved", Value::Array(gaps.collect()))];
        if self.left_out > 0 {
            fields.push(("unobserved_not_shown", json!(self.left_out)));
        }
        fields
    }

    /// Adds the gaps to the text of an answer, one line each.
    pub fn say(&self, text: &mut AnswerText) {
        let mut said: Vec<(&Gap, Vec<&str>)> = Vec::new();
        for gap in &self.gaps {
            let same = |other: &Gap| (&gap.scope, gap.from, gap.to) == (&other.scope, other.from, other.to);
            match said.iter_mut().find(|(other, _)| same(other)) {
                Some((_, kinds)) => kinds.push(slug(&gap.kind)),
                None => said.push((gap, vec![slug(&gap.kind)])),
            }
        }
        for (gap, kinds) in said.iter().take(SAID) {
            let Gap { from, to, scope, .. } = gap;
            text.add(format_args!("\nNot watched: {} in {scope}, from {from} to {to}", kinds.join(", ")));
        }
        let more = said.len().saturating_sub(SAID) + self.left_out;
        if more > 0 {
            text.add(format_args!("\nNot watched: {more} more times and places"));
        }
    }
}

/// What the output schemas of answers about the past say of gaps.
#[must_use]
pub fn described() -> [(&'static str, Value); 2] {
    let gap = schema::object(
        &["account", "region", "kind", "from", "to"],
        json!({
            "account": schema::text("The AWS account."),
            "region": schema::text("The region."),
            "kind": schema::text("The kind of resource."),
            "from": schema::text("When the gap began."),
            "to": schema::text("When the gap ended."),
        }),
    );
    [
        (
            "unobserved",
            schema::list(gap, "Times when Muster was not watching: a resource that existed only then was never seen."),
        ),
        ("unobserved_not_shown", schema::count("How many shorter gaps were left out.")),
    ]
}

fn slug(kind: &Kind) -> &str {
    kinds::of(kind).map_or(kind.as_str(), |kind| kind.slug)
}

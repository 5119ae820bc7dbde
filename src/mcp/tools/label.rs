//! What an answer says about how fresh and how complete it is, whether it is about now or about the past.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::as_of::AsOf;
use super::newer::newest_after;
use super::table::AnswerText;
use crate::freshness::{ScopeCoverage, ScopeFreshness};
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::damage::{AnswerSubject, DamagedRecords};
use crate::mcp::error::RequestError;
use crate::mcp::failed_scopes::FailedScopes;
use crate::mcp::places::{self, NAMED};
use crate::mcp::progress::PendingSweeps;
use crate::mcp::stale::Stale;
use crate::mcp::stale_scopes::StaleScopes;
use crate::mcp::unobserved::GapQuery;
use crate::mcp::unreadable;
use crate::model::{ResourceId, Scope, ScopeFilter, Timestamp};
use crate::query::Point;

/// How fresh and complete an answer is.
pub enum FreshnessLabel {
    /// It is about now.
    Now(NowLabel),
    /// It is about the past.
    Then(AsOf),
}

impl FreshnessLabel {
    /// Of an answer about `kind`, in `scope` or everywhere. Ask before what it is about is read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(
        core: &Core,
        kind: &'static KindSpec,
        scope: &ScopeFilter,
        point: Option<Point>,
    ) -> Result<Self, RequestError> {
        Self::of_all(core, &[kind], scope, point)
    }

    /// The same of an answer about several kinds.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of_all(
        core: &Core,
        kinds: &[&'static KindSpec],
        scope: &ScopeFilter,
        point: Option<Point>,
    ) -> Result<Self, RequestError> {
        Ok(match point {
            None => FreshnessLabel::Now(NowLabel::new(core, kinds, scope)?),
            Some(point) => FreshnessLabel::Then(AsOf::new(core, &GapQuery::of(kinds, scope), point)?),
        })
    }

    /// Adds the damaged records that reading for the answer has found. Call this after reading.
    #[must_use]
    pub fn damaged(self, core: &Core, kind: &'static KindSpec, scope: &ScopeFilter) -> Self {
        let damage = match &self {
            FreshnessLabel::Now(_) => core.damage(AnswerSubject::Now(&[kind], scope)),
            FreshnessLabel::Then(_) => core.damage(AnswerSubject::Then(&[kind], scope)),
        };
        self.with(damage)
    }

    /// With this damage.
    #[must_use]
    pub fn with(mut self, damage: DamagedRecords) -> Self {
        match &mut self {
            FreshnessLabel::Now(about) => about.damage = damage,
            FreshnessLabel::Then(as_of) => as_of.damage = damage,
        }
        self
    }

    /// Adds to a first line of text as of when it is, and below it what lessens it.
    pub fn say(&self, text: &mut AnswerText, partial: bool) {
        match self {
            FreshnessLabel::Now(about) => about.say(text, "resources"),
            FreshnessLabel::Then(as_of) => {
                as_of.say(text);
                if partial {
                    text.add("\nIncomplete: a first sweep was under way then, and had not shown everything yet");
                }
            }
        }
    }

    /// Whether records that it may be about cannot be read.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        match self {
            FreshnessLabel::Now(about) => !about.damage.is_empty(),
            FreshnessLabel::Then(as_of) => !as_of.damage.is_empty(),
        }
    }

    /// Whether more may match than was seen. `partial`: a first sweep was under way then.
    #[must_use]
    pub fn is_at_least(&self, partial: bool) -> bool {
        match self {
            FreshnessLabel::Now(about) => about.is_at_least(),
            FreshnessLabel::Then(as_of) => partial || !as_of.unobserved.is_empty() || !as_of.damage.is_empty(),
        }
    }

    /// How many match; of these `shown`, where they are shown.
    #[must_use]
    pub fn headline(&self, kind: &KindSpec, total: u64, shown: Option<usize>, partial: bool) -> String {
        match self {
            FreshnessLabel::Now(about) => about.headline(kind, total, shown),
            FreshnessLabel::Then(_) => {
                let at_least = if self.is_at_least(partial) { "at least " } else { "" };
                let mut text = AnswerText::new(format!("{at_least}{total} {} matched", kind.counted(total)));
                if let Some(shown) = shown.filter(|shown| *shown as u64 != total) {
                    text.add(format_args!("; {shown} shown"));
                }
                self.say(&mut text, partial);
                text.into()
            }
        }
    }

    /// The fields of the answer.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        match self {
            FreshnessLabel::Now(about) => about.fields(),
            FreshnessLabel::Then(as_of) => {
                as_of.fields().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
            }
        }
    }
}

/// How fresh and complete an answer about now is. It is about the scopes that were looked at; those that failed are named.
pub struct NowLabel {
    as_of: Option<Timestamp>,
    /// When the newest change after that was recorded.
    changes_until: Option<Timestamp>,
    missing: u64,
    stale: StaleScopes,
    pending: PendingSweeps,
    failed: FailedScopes,
    /// Whether a kind was looked at nowhere, or an unfinished sweep of a scope that failed has shown some of its resources.
    lacks_failed: bool,
    /// The scopes that are asked about.
    scopes: BTreeSet<Scope>,
    /// The scopes in which AWS lists something that cannot be read.
    unreadable: Vec<ScopeFreshness>,
    /// Filled in once everything was read.
    pub(super) damage: DamagedRecords,
}

impl NowLabel {
    /// Of `kinds`, in `scope` or everywhere. Ask before what it is about is read.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn new(core: &Core, kinds: &[&'static KindSpec], scope: &ScopeFilter) -> Result<Self, RequestError> {
        let mut states = core.scopes_asked_for(kinds, scope);
        let covered = || states.iter().filter(|state| state.coverage() == ScopeCoverage::Covered);
        let as_of = covered().map(|state| state.settled).min().flatten();
        let changes_until = match as_of {
            Some(as_of) => newest_after(core, kinds, scope, as_of)?,
            None => None,
        };
        let missing = states.iter().map(|state| state.missing).sum();
        let (everywhere, now) = (core.ingest.freshness().trouble(), core.now());
        let mut stale = StaleScopes::default();
        for state in states.iter().filter(|state| state.coverage() != ScopeCoverage::Failed) {
            let Some(reason) = Stale::of(state, everywhere.as_ref(), now) else { continue };
            let kind = kinds.iter().filter(|_| kinds.len() > 1).find(|kind| kind.name == state.kind.as_str());
            stale.add(state.scope.clone(), kind.map(|kind| kind.slug), reason);
        }
        let (pending, failed) = (PendingSweeps::of(&states), FailedScopes::of(&states).beside(core.unreached(scope)));
        let is_nowhere = |kind: &&'static KindSpec| covered().all(|state| state.kind.as_str() != kind.name);
        let mut lacks_failed = !failed.is_empty() && kinds.iter().any(is_nowhere);
        if !failed.is_empty() && !lacks_failed {
            let snapshot = core.snapshot()?;
            for state in states.iter().filter(|state| state.coverage() == ScopeCoverage::Failed) {
                lacks_failed |= snapshot.count(&state.kind, &(&state.scope).into())? > 0;
            }
        }
        let scopes = states.iter().map(|state| state.scope.clone()).collect();
        states.retain(|state| !state.unreadable.is_empty());
        Ok(NowLabel {
            as_of,
            changes_until,
            missing,
            stale,
            pending,
            failed,
            lacks_failed,
            scopes,
            unreadable: states,
            damage: DamagedRecords::default(),
        })
    }

    /// Whether more may match than was seen: while first sweeps run, while nothing is watched, or when something cannot be read.
    /// What failed as a whole is not in the answer, and is named.
    #[must_use]
    pub fn is_at_least(&self) -> bool {
        !self.pending.is_empty()
            || self.lacks_failed
            || self.scopes.is_empty()
            || !self.unreadable.is_empty()
            || !self.damage.is_empty()
    }

    /// Which part of a resource cannot be read; `None` when all of it can.
    #[must_use]
    pub fn unreadable_at(&self, id: &ResourceId) -> Option<String> {
        let state = self.unreadable.iter().find(|state| state.scope == id.scope())?;
        state.unreadable.of(&id.id).map(|(item, _)| item.why())
    }

    /// How many match; of these `shown`, where they are shown.
    #[must_use]
    pub fn headline(&self, kind: &KindSpec, total: u64, shown: Option<usize>) -> String {
        let at_least = if self.is_at_least() { "at least " } else { "" };
        let matching = if total == 1 { "matches" } else { "match" };
        let mut text =
            format!("{at_least}{total} {} {matching} in {}", kind.counted(total), places::said(&self.scopes));
        if let Some(shown) = shown.filter(|shown| *shown as u64 != total) {
            text = format!("{text}; {shown} shown");
        }
        let mut text = AnswerText::new(text);
        self.say(&mut text, kind.plural);
        text.into()
    }

    /// Adds to a first line as of when it is, and below it what lessens it. `plural` is what was searched.
    fn say(&self, text: &mut AnswerText, plural: &str) {
        match (self.as_of, self.changes_until) {
            (Some(as_of), None) => text.add(format_args!("; as of {as_of}")),
            (Some(as_of), Some(until)) => {
                text.add(format_args!("; complete as of {as_of}; newer changes up to {until} are included"));
            }
            (None, _) => {}
        }
        if self.missing > 0 {
            text.add(format_args!(
                "\n{} of the {plural} searched were missing from the last complete sweep and may be gone",
                self.missing
            ));
        }
        if let Some(said) = unreadable::said(&self.unreadable) {
            text.add(format_args!("\nUnreadable: {said}"));
        }
        self.stale.say(text);
        self.failed.say(text);
        self.pending.say(text);
        self.damage.say(text);
    }

    /// The fields of an answer.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(as_of) = self.as_of {
            fields.insert("as_of".to_owned(), json!(as_of));
        }
        if let Some(until) = self.changes_until {
            fields.insert("changes_until".to_owned(), json!(until));
        }
        if self.missing > 0 {
            fields.insert("missing_unproved".to_owned(), json!(self.missing));
        }
        fields.insert("stale".to_owned(), self.stale.field());
        fields.extend(unreadable::fields(&self.unreadable));
        fields.insert("incomplete".to_owned(), self.pending.field());
        let (all, pending, failed) = (self.scopes.len(), self.pending.scopes(), self.failed.scopes());
        if failed > 0 || all > NAMED {
            fields.insert("coverage".to_owned(), json!({"all": all, "pending": pending, "failed": failed}));
        }
        fields.extend(self.failed.fields());
        let watched = if all <= NAMED {
            self.scopes.iter().map(ToString::to_string).collect()
        } else {
            vec![places::said(&self.scopes)]
        };
        fields.insert("watched".to_owned(), json!(watched));
        fields.extend(self.damage.fields().into_iter().map(|(name, value)| (name.to_owned(), value)));
        fields
    }
}

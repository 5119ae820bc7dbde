//! What an answer says about how fresh and how complete it is, whether it is about now or about the past.

use serde_json::{Map, Value, json};

use super::as_of::AsOf;
use super::newer::newest_after;
use super::table::AnswerText;
use crate::freshness::ScopeFreshness;
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::damage::{AnswerSubject, DamagedRecords};
use crate::mcp::error::RequestError;
use crate::mcp::progress::IncompleteSweep;
use crate::mcp::unobserved::GapQuery;
use crate::mcp::unreadable;
use crate::model::{ResourceId, ScopeFilter, Timestamp};
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

/// How fresh and complete an answer about now is.
pub struct NowLabel {
    as_of: Option<Timestamp>,
    /// When the newest change after that was recorded.
    changes_until: Option<Timestamp>,
    missing: u64,
    stale: Vec<Value>,
    incomplete: Vec<IncompleteSweep>,
    watched: Vec<String>,
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
        let mut scopes = core.scopes_asked_for(kinds, scope);
        let as_of = scopes.iter().map(|state| state.settled).min().flatten();
        let changes_until = match as_of {
            Some(as_of) => newest_after(core, kinds, scope, as_of)?,
            None => None,
        };
        let missing = scopes.iter().map(|state| state.missing).sum();
        let stale = scopes.iter().filter_map(|state| {
            let kind = kinds.iter().find(|kind| kind.name == state.kind.as_str())?;
            let stale = core.stale(&state.scope, kind)?;
            let mut entry = json!({"account": state.scope.account, "region": state.scope.region, "why": stale.why});
            if let (2.., Value::Object(entry)) = (kinds.len(), &mut entry) {
                entry.insert("kind".to_owned(), json!(kind.slug));
            }
            if let (Some(since), Value::Object(entry)) = (stale.since, &mut entry) {
                entry.insert("since".to_owned(), json!(since));
            }
            Some(entry)
        });
        let mut incomplete = core.incomplete(kinds);
        incomplete.retain(|incomplete| scope.takes(&incomplete.scope));
        let mut watched: Vec<String> = Vec::new();
        for watched_scope in scopes.iter().map(|state| state.scope.to_string()) {
            if !watched.contains(&watched_scope) {
                watched.push(watched_scope);
            }
        }
        let stale = stale.collect();
        scopes.retain(|state| !state.unreadable.is_empty());
        let damage = DamagedRecords::default();
        Ok(NowLabel { as_of, changes_until, missing, stale, incomplete, watched, unreadable: scopes, damage })
    }

    /// Whether more may match than was seen: while first sweeps run, while nothing is watched, or when something cannot be read.
    #[must_use]
    pub fn is_at_least(&self) -> bool {
        !self.incomplete.is_empty() || self.watched.is_empty() || !self.unreadable.is_empty() || !self.damage.is_empty()
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
        let mut text = format!("{at_least}{total} {} {matching} in {}", kind.counted(total), self.watched.join(", "));
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
        for stale in &self.stale {
            let why = stale.get("why").and_then(Value::as_str).unwrap_or_default();
            let kind = stale.get("kind").and_then(Value::as_str).map_or_else(String::new, |kind| format!("{kind}: "));
            text.add(format_args!("\nStale: {kind}{why}"));
        }
        for IncompleteSweep { scope, seen, trouble, .. } in &self.incomplete {
            let trouble = trouble.as_ref().map_or_else(String::new, |trouble| format!(": {trouble}"));
            text.add(format_args!("\nIncomplete: first sweep of {scope} under way, {seen} seen{trouble}"));
        }
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
        fields.insert("stale".to_owned(), json!(self.stale));
        fields.extend(unreadable::fields(&self.unreadable));
        fields.insert("incomplete".to_owned(), json!(self.incomplete));
        fields.insert("watched".to_owned(), json!(self.watched));
        fields.extend(self.damage.fields().into_iter().map(|(name, value)| (name.to_owned(), value)));
        fields
    }
}

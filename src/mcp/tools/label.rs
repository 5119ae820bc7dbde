//! What an answer says about how fresh and how complete it is, whether it is about now or about the past.

use serde_json::{Map, Value, json};

use super::as_of::AsOf;
use super::table::AnswerText;
use crate::freshness::ScopeFreshness;
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::damage::{AnswerSubject, DamagedRecords};
use crate::mcp::error::RequestError;
use crate::mcp::progress::IncompleteSweep;
use crate::mcp::unobserved::GapQuery;
use crate::mcp::unreadable;
use crate::model::{ResourceId, Scope};
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
        scope: Option<&Scope>,
        point: Option<Point>,
    ) -> Result<Self, RequestError> {
        Ok(match point {
            None => FreshnessLabel::Now(NowLabel::new(core, kind, scope)),
            Some(point) => FreshnessLabel::Then(AsOf::new(core, &GapQuery::of(&[kind], scope), point)?),
        })
    }

    /// Adds the damaged records that reading for the answer has found. Call this after reading.
    #[must_use]
    pub fn damaged(mut self, core: &Core, kind: &'static KindSpec, scope: Option<&Scope>) -> Self {
        match &mut self {
            FreshnessLabel::Now(about) => about.damage = core.damage(AnswerSubject::Now(&[kind], scope)),
            FreshnessLabel::Then(as_of) => as_of.damage = core.damage(AnswerSubject::Then(&[kind], scope)),
        }
        self
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
            FreshnessLabel::Then(as_of) => {
                let at_least = if self.is_at_least(partial) { "at least " } else { "" };
                let mut text = AnswerText::new(format!("{at_least}{total} {} matched", kind.plural));
                if let Some(shown) = shown.filter(|shown| *shown as u64 != total) {
                    text.add(format_args!("; {shown} shown"));
                }
                as_of.say(&mut text);
                if partial {
                    text.add("\nIncomplete: a first sweep was under way then, and had not shown everything yet");
                }
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
    as_of: Option<crate::model::Timestamp>,
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
    /// Of `kind`, in `scope` or everywhere. Ask before what it is about is read.
    #[must_use]
    pub fn new(core: &Core, kind: &'static KindSpec, scope: Option<&Scope>) -> Self {
        let mut scopes = core.scopes_asked_for(&[kind], scope);
        let as_of = scopes.iter().map(|state| state.settled).min().flatten();
        let missing = scopes.iter().map(|state| state.missing).sum();
        let stale = scopes.iter().filter_map(|state| {
            let stale = core.stale(&state.scope, kind)?;
            let mut entry = json!({"account": state.scope.account, "region": state.scope.region, "why": stale.why});
            if let (Some(since), Value::Object(entry)) = (stale.since, &mut entry) {
                entry.insert("since".to_owned(), json!(since));
            }
            Some(entry)
        });
        let mut incomplete = core.incomplete(&[kind]);
        incomplete.retain(|incomplete| scope.is_none_or(|scope| incomplete.scope == *scope));
        let watched = scopes.iter().map(|state| state.scope.to_string()).collect();
        let stale = stale.collect();
        scopes.retain(|state| !state.unreadable.is_empty());
        NowLabel { as_of, missing, stale, incomplete, watched, unreadable: scopes, damage: DamagedRecords::default() }
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
        let mut text = format!("{at_least}{total} {} match in {}", kind.plural, self.watched.join(", "));
        if let Some(shown) = shown.filter(|shown| *shown as u64 != total) {
            text = format!("{text}; {shown} shown");
        }
        if let Some(as_of) = self.as_of {
            text = format!("{text}; as of {as_of}");
        }
        if self.missing > 0 {
            text = format!(
                "{text}\n{} of the {} searched were missing from the last complete sweep and may be gone",
                self.missing, kind.plural
            );
        }
        if let Some(said) = unreadable::said(&self.unreadable) {
            text = format!("{text}\nUnreadable: {said}");
        }
        for stale in self.stale.iter().filter_map(|stale| stale.get("why")?.as_str()) {
            text = format!("{text}\nStale: {stale}");
        }
        for IncompleteSweep { scope, seen, trouble, .. } in &self.incomplete {
            let trouble = trouble.as_ref().map_or_else(String::new, |trouble| format!(": {trouble}"));
            text = format!("{text}\nIncomplete: first sweep of {scope} under way, {seen} seen{trouble}");
        }
        let mut text = AnswerText::new(text);
        self.damage.say(&mut text);
        text.into()
    }

    /// The fields of an answer.
    #[must_use]
    pub fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::new();
        if let Some(as_of) = self.as_of {
            fields.insert("as_of".to_owned(), json!(as_of));
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

//! Selects records of the log.

use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use crate::kinds;
use crate::model::difference::differences;
use crate::model::{ActionId, Cause, Change, Event, Kind, Recorded, ResourceId, ScopeFilter};

/// The kinds of causes, as filters name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    /// The first sweep of a scope.
    Baseline,
    /// A full listing.
    Sweep,
    /// A describe of named ids.
    Refresh,
    /// An EventBridge event, also one that CloudTrail caused.
    Event,
    /// A call that a tool of Muster made.
    Tool,
    /// Somebody's call that CloudTrail reported.
    Call,
}

/// Selects records by resource, field and cause.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Records about the resource of this id.
    pub id: Option<Arc<str>>,
    /// Records about resources of these kinds; of any kind when empty.
    pub kinds: Vec<Kind>,
    /// Records about resources that these scopes see.
    pub scope: ScopeFilter,
    /// Changes of this field or of fields below it: `State.Name`, `Tags`, `Tags[Name]`. Letter case does not matter.
    pub field: Option<String>,
    /// Records with this kind of cause.
    pub by: Option<CauseKind>,
    /// Only records of tools' calls that change AWS, with refusals and confirmations.
    pub actions: bool,
    /// Only records of this one call of AWS that a tool made: its request, its end, and what it changed.
    pub action: Option<ActionId>,
    /// Whether to include what first sweeps found, what a new mapping of Muster reads, and what a status repeats of its resource.
    pub quiet: bool,
}

/// Whether a record matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordMatch {
    /// It does not match.
    No,
    /// It matches, but is quiet, and quiet records were not requested.
    Hidden,
    /// It matches.
    Yes,
}

impl CauseKind {
    /// All kinds of causes, with the names that arguments and answers use.
    pub const ALL: [(&'static str, CauseKind); 6] = [
        ("baseline", CauseKind::Baseline),
        ("sweep", CauseKind::Sweep),
        ("refresh", CauseKind::Refresh),
        ("event", CauseKind::Event),
        ("tool", CauseKind::Tool),
        ("call", CauseKind::Call),
    ];

    /// The kind of a cause.
    #[must_use]
    pub fn of(cause: &Cause) -> CauseKind {
        match cause {
            Cause::Baseline => CauseKind::Baseline,
            Cause::Sweep | Cause::Resumed { .. } => CauseKind::Sweep,
            Cause::Refresh => CauseKind::Refresh,
            Cause::Notification { .. } => CauseKind::Event,
            Cause::Tool { .. } | Cause::Attempt => CauseKind::Tool,
            Cause::Call { .. } => CauseKind::Call,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        CauseKind::ALL.iter().find(|(_, by)| *by == self).map_or("", |(name, _)| name)
    }
}

impl ChangeFilter {
    /// A hash that differs between filters whose pages must not be mixed.
    #[must_use]
    pub fn hash(&self) -> u64 {
        // The debug text is unambiguous, because it quotes each part.
        xxh3_64(format!("{self:?}").as_bytes())
    }

    /// Whether `record` matches.
    #[must_use]
    pub fn verdict(&self, record: &Recorded) -> RecordMatch {
        let of = |id: &ResourceId| self.is_of(id);
        let about = match &record.event {
            // What names no resource matches only a filter for everything.
            Event::ActionFinished { .. } => self.is_of_all(),
            event => match (event.resource(), event.targets()) {
                (Some(id), _) => of(id),
                (None, []) => self.is_of_all(),
                (None, targets) => targets.iter().any(of),
            },
        };
        if self.actions && !record.event.is_of_action() {
            return RecordMatch::No;
        }
        if self.action.is_some_and(|action| action_of(record) != Some(action)) {
            return RecordMatch::No;
        }
        if !about || !self.by.is_none_or(|by| by.takes(&record.cause)) || !self.is_on_field(&record.event) {
            return RecordMatch::No;
        }
        let is_remapped = matches!(record.event, Event::Remapped { .. });
        let quiet = record.cause == Cause::Baseline || is_remapped || self.repeats(&record.event);
        if quiet && !self.quiet && self.by != Some(CauseKind::Baseline) {
            RecordMatch::Hidden
        } else {
            RecordMatch::Yes
        }
    }

    /// Whether a record of a first sweep that discovered this resource matches: the same as [`ChangeFilter::verdict`] says of it.
    #[must_use]
    pub fn verdict_of_baseline(&self, kind: &str, id: &str, account: &str, region: &str) -> RecordMatch {
        let is_of = self.takes(kind, id, account, region);
        let is_other = self.actions || self.action.is_some() || self.field.is_some();
        match self.by {
            _ if !is_of || is_other => RecordMatch::No,
            Some(CauseKind::Baseline) => RecordMatch::Yes,
            None if self.quiet => RecordMatch::Yes,
            None => RecordMatch::Hidden,
            Some(_) => RecordMatch::No,
        }
    }

    fn is_of(&self, id: &ResourceId) -> bool {
        self.takes(id.kind.as_str(), &id.id, id.account.as_str(), id.region.as_str())
    }

    fn takes(&self, kind: &str, id: &str, account: &str, region: &str) -> bool {
        self.id.as_ref().is_none_or(|wanted| **wanted == *id)
            && (self.kinds.is_empty() || self.kinds.iter().any(|wanted| wanted.as_str() == kind))
            && self.scope.takes_parts(account, region)
    }

    fn is_of_all(&self) -> bool {
        self.id.is_none() && self.kinds.is_empty() && self.scope.is_everywhere()
    }

    /// Whether the event says of a status what is said of the resource that it belongs to: that it came, that it went, or its state.
    /// Who asks for statuses alone, or for a field, hears of it.
    fn repeats(&self, event: &Event) -> bool {
        let spec = event.resource().and_then(|id| kinds::of(&id.kind)).filter(|spec| spec.status_of.is_some());
        let Some(spec) = spec.filter(|spec| self.field.is_none() && self.kinds != [spec.kind()]) else { return false };
        match event {
            Event::Discovered { .. } | Event::Removed { .. } => true,
            Event::Changed { changes, .. } => {
                let state = spec.state_path.and_then(|path| path.split('.').next());
                !changes.is_empty()
                    && state.is_some_and(|state| changes.iter().all(|change| meets(state, &change.path)))
            }
            _ => false,
        }
    }

    fn is_on_field(&self, event: &Event) -> bool {
        let Some(field) = &self.field else { return true };
        match event {
            Event::Changed { changes, .. } | Event::Remapped { changes, .. } => {
                changes.iter().any(|change| is_on(field, change))
            }
            _ => false,
        }
    }
}

/// The call of AWS that a record is about or comes of.
fn action_of(record: &Recorded) -> Option<ActionId> {
    match (&record.event, &record.cause) {
        (Event::ActionRequested { action, .. } | Event::ActionFinished { action, .. }, _)
        | (_, Cause::Tool { action }) => Some(*action),
        _ => None,
    }
}

impl CauseKind {
    fn takes(self, cause: &Cause) -> bool {
        CauseKind::of(cause) == self || (self == CauseKind::Event && matches!(cause, Cause::Call { .. }))
    }
}

/// Whether a change affects `field`, or a field above or below it. A field may name an element of a list: `Tags[Name]`.
fn is_on(field: &str, change: &Change) -> bool {
    meets(field, &change.path)
        && (!field.contains('[') || differences(change).iter().any(|difference| meets(field, &difference.path())))
}

/// Whether one of two paths equals the other or is above it.
#[must_use]
pub fn meets(field: &str, path: &str) -> bool {
    let (short, long) = if field.len() <= path.len() { (field, path) } else { (path, field) };
    let head = long.get(..short.len()).is_some_and(|head| head.eq_ignore_ascii_case(short));
    head && matches!(long.as_bytes().get(short.len()), None | Some(b'.' | b'['))
}

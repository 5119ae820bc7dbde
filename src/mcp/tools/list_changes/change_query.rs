//! What a call of `list_changes` requests: filters, a range of the log, and how long to wait.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::arguments::{Arguments, CauseArgument, OrderArgument};
use crate::kinds::{KINDS, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::fresh::part_of;
use crate::mcp::lookup::beside;
use crate::mcp::places;
use crate::mcp::tools::arguments::ArgumentError;
use crate::mcp::tools::arguments::kind::KindArgument;
use crate::mcp::tools::arguments::past::TIMES;
use crate::mcp::tools::arguments::resource::ResourceArguments;
use crate::mcp::tools::arguments::scope::ScopeArguments;
use crate::model::{ActionId, ResourceId, Scope, ScopeFilter, Seq, Timestamp};
use crate::query::CursorError;
use crate::query::changes::{ChangeFilter, ChangesError, LogCursor, LogRange, ReadOrder};
use crate::query::moment::{self, AskedPoint};
use crate::store::{ReadError, Snapshot};

/// Tokens left for everything around the changes.
pub(super) const FRAME: usize = 2_300;

/// The request of a call, read from its arguments.
pub(super) struct ChangeQuery {
    /// Which records are wanted.
    pub(super) question: ChangeFilter,
    /// The kinds; all when empty.
    pub(super) kinds: Vec<&'static KindSpec>,
    /// The only resources whose records are read; `None` for all.
    pub(super) subjects: Option<Vec<ResourceId>>,
    /// What to read.
    pub(super) start: LogRange,
    /// The time that `since` gives, if it is not a cursor.
    pub(super) since: Option<Timestamp>,
    /// The time that `until` gives.
    pub(super) until: Option<Timestamp>,
    /// The beginning of the log, where `since` is before it.
    pub(super) begins: Option<Timestamp>,
    /// Whether an earlier answer is continued.
    pub(super) continued: bool,
    /// How many changes, at most.
    pub(super) limit: usize,
    /// How long to wait for one.
    pub(super) wait: Duration,
    /// Whether callers are looked up.
    pub(super) who: bool,
}

/// When the client made a call.
#[derive(Clone, Copy)]
struct AskedAt {
    /// What `now` means in its arguments: earlier than now where the call comes again, because another server was lost with it.
    at: Timestamp,
    /// Now.
    now: Timestamp,
}

/// The range to read, and the times that define it.
struct Times {
    start: LogRange,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    begins: Option<Timestamp>,
}

impl ChangeQuery {
    /// Reads the arguments of a call that the client made `elapsed` ago, which is what `now` means in them.
    ///
    /// # Errors
    /// When they contradict each other, or name something that is not known.
    pub(super) async fn read(
        core: &Arc<Core>,
        arguments: &Arguments,
        elapsed: Duration,
    ) -> Result<Arc<Self>, RequestError> {
        let mut kinds: Vec<&'static KindSpec> = arguments.kind.iter().map(|KindArgument(kind)| *kind).collect();
        let mut id = arguments.id.as_deref().map(|id| Arc::<str>::from(id.trim()));
        // The id of a tool's call is no resource's.
        let action = id.as_deref().and_then(ActionId::parse);
        if action.is_some() {
            id = None;
        }
        let mut scope: Option<Scope> = None;
        if let Some(uri) = &arguments.uri {
            let named = ResourceArguments { uri: Some(uri.clone()), kind: arguments.kind, id: arguments.id.clone() };
            let (kind, named, within) = named.resource()?;
            (kinds, id, scope) = (vec![kind], Some(Arc::from(named)), within);
        }
        // What changes in a part is a change of the resource.
        let parts: Vec<&'static KindSpec> = kinds.iter().filter_map(|kind| part_of(kind)).collect();
        kinds.extend(parts);
        let is_other =
            |named: &Scope| arguments.scope.region.as_deref().is_some_and(|region| region != named.region.as_str());
        let scope = match scope {
            Some(named) if is_other(&named) || !scopes(core, &arguments.scope)?.takes(&named) => {
                return Err(arguments.scope.unlike(&named).into());
            }
            Some(named) => named.into(),
            None => scopes(core, &arguments.scope)?,
        };
        let question = ChangeFilter {
            id,
            kinds: kinds.iter().map(|kind| kind.kind()).collect(),
            scope,
            field: arguments.field.as_deref().map(|field| field.trim().to_owned()),
            by: match arguments.cause {
                Some(CauseArgument::Kind(by)) => Some(by),
                Some(CauseArgument::Action) | None => None,
            },
            actions: arguments.cause == Some(CauseArgument::Action),
            action,
            quiet: arguments.include_baseline,
        };
        let wait = Duration::from_secs(arguments.wait_seconds);
        if arguments.summary && (arguments.who || wait > Duration::ZERO) {
            let problem = "argument `summary` counts what is there: leave out `who` and `wait_seconds`, or `summary`";
            return Err(ArgumentError::said(problem).into());
        }
        let subjects = subjects(core, &question, &kinds).await?;
        let snapshot = core.snapshot()?;
        let now = core.now();
        let asked = AskedAt { at: now - elapsed, now };
        let Times { start, since, until, begins } = Self::span(&snapshot, arguments, &question, wait, asked)?;
        let continued = arguments.cursor.is_some();
        Ok(Arc::new(ChangeQuery {
            question,
            kinds,
            subjects,
            start,
            since,
            until,
            begins,
            continued,
            limit: arguments.limit,
            wait,
            who: arguments.who,
        }))
    }

    /// Reads the range and the times that define it.
    fn span(
        snapshot: &Snapshot,
        arguments: &Arguments,
        question: &ChangeFilter,
        wait: Duration,
        AskedAt { at: asked_at, now }: AskedAt,
    ) -> Result<Times, RequestError> {
        let order = arguments.order.map(|OrderArgument(order)| order);
        let waits = wait > Duration::ZERO;
        let backwards = || ArgumentError::form("order", "oldest when waiting, because new changes come last", "newest");
        if let Some(text) = &arguments.cursor {
            let place = placed(snapshot, text)?;
            let span = place.span;
            if place.question != question.hash() || order.is_some_and(|order| order != span.order) {
                return Err(CursorError::OtherQuestion.into());
            }
            if waits && span.order == ReadOrder::Newest {
                return Err(backwards().into());
            }
            return Ok(Times { start: span, since: None, until: None, begins: None });
        }
        let since = arguments.since.as_deref();
        let mut since_time = since.and_then(|since| moment::time(since, asked_at));
        let until = arguments.until.as_deref();
        let until =
            until.map(|text| moment::time(text, asked_at).ok_or_else(|| ArgumentError::form("until", TIMES, text)));
        let until_time = until.transpose()?;
        // Checked before the log is read, because no log could answer this.
        let backwards_in_time = |until: Timestamp| ArgumentError::form("until", "later than since", until.to_string());
        if let (Some(since), Some(until)) = (since_time, until_time)
            && since > until
        {
            return Err(backwards_in_time(until).into());
        }
        let begins = since_time.and_then(|since| moment::begins_after(snapshot, since).transpose()).transpose()?;
        // A log that begins later and has lost nothing holds everything that was known since then.
        since_time = begins.or(since_time);
        let from = match (since, since_time) {
            (None, _) => None,
            (Some(_), Some(at)) => Some(moment::before(snapshot, at, now)?),
            (Some(text), None) => Some(after(snapshot, text)?),
        };
        let until = until_time.map(|at| AskedPoint::At(at).point(snapshot, now)).transpose()?;
        // A range up to now has no end, because records committed meanwhile belong to it.
        let until = until.filter(|until| until.at < asked_at);
        if let (Some(from), Some(until)) = (from, until)
            && (from > until.seq || since_time.is_some_and(|since| since > until.at))
        {
            return Err(backwards_in_time(until.at).into());
        }
        let (newest, last) = (snapshot.seq(), until.map(|until| until.seq));
        let order = order.unwrap_or(if waits { ReadOrder::Oldest } else { ReadOrder::Newest });
        let span = match order {
            ReadOrder::Newest if waits => return Err(backwards().into()),
            ReadOrder::Newest => LogRange::newest(last.unwrap_or(newest), from),
            ReadOrder::Oldest if waits => {
                // What was recorded since the client asked is what it waits for.
                let is_again = asked_at < now;
                let then = if is_again { Some(newest_before(snapshot, asked_at)?) } else { None };
                LogRange::oldest(from.or(then).unwrap_or(newest), last)
            }
            ReadOrder::Oldest => LogRange::oldest(from.unwrap_or(snapshot.horizon()), last),
        };
        Ok(Times { start: span, since: since_time, until: until.map(|until| until.at), begins })
    }
}

/// The last record from before `at` that the log still holds, else the record after which it begins.
fn newest_before(snapshot: &Snapshot, at: Timestamp) -> Result<Seq, ReadError> {
    let seq = snapshot.seq_at(at - Duration::from_millis(1))?;
    Ok(seq.unwrap_or(Seq::ZERO).max(snapshot.horizon()))
}

/// A cursor of this log.
fn placed(snapshot: &Snapshot, text: &str) -> Result<LogCursor, RequestError> {
    let place = LogCursor::read(text)?;
    if place.log != snapshot.cursor_log() {
        return Err(ChangesError::Foreign { earliest: snapshot.earliest()? }.into());
    }
    let (newest, LogRange { at, bound, .. }) = (snapshot.seq(), place.span);
    // Muster made none beyond the log's end.
    if at > newest.next() || bound.is_some_and(|bound| bound > newest) {
        return Err(CursorError::Garbled.into());
    }
    Ok(place)
}

/// The record after which a cursor given as `since` goes on.
fn after(snapshot: &Snapshot, text: &str) -> Result<Seq, RequestError> {
    let place = match placed(snapshot, text) {
        Err(RequestError::Cursor(CursorError::Garbled)) => {
            let expected = format!("{TIMES}; or a cursor of list_changes");
            return Err(ArgumentError::form("since", &expected, text).into());
        }
        place => place?,
    };
    match place.span.order {
        ReadOrder::Oldest if place.span.at < snapshot.horizon() => {
            Err(ChangesError::Expired { earliest: snapshot.earliest()?.unwrap_or_default() }.into())
        }
        ReadOrder::Oldest => Ok(place.span.at),
        ReadOrder::Newest => {
            let expected =
                "a time, or the newest_cursor of an answer: a cursor that pages backwards goes into `cursor`";
            Err(ArgumentError::form("since", expected, text).into())
        }
    }
}

/// The scopes that arguments select, of all that are or were watched: their changes are in the log.
///
/// # Errors
/// When they select none, because an answer of no changes would look like a fact.
fn scopes(core: &Core, arguments: &ScopeArguments) -> Result<ScopeFilter, RequestError> {
    if arguments.is_everywhere() {
        return Ok(ScopeFilter::Everywhere);
    }
    let known: BTreeSet<Scope> = core.known_scopes(&core.snapshot()?)?.into_iter().collect();
    let chosen = arguments.among(&core.known_accounts(), &known, &BTreeSet::new());
    chosen.map_err(|refused| arguments.unreached(core).unwrap_or(refused))
}

/// The one resource that was named, in every scope; `None` when none was named.
///
/// # Errors
/// When nothing is known about it, because an answer of no changes would look like a fact.
async fn subjects(
    core: &Arc<Core>,
    question: &ChangeFilter,
    kinds: &[&'static KindSpec],
) -> Result<Option<Vec<ResourceId>>, RequestError> {
    let Some(id) = &question.id else { return Ok(None) };
    let all = if kinds.is_empty() { KINDS } else { kinds };
    let scopes = core.known_scopes(&core.snapshot()?)?;
    let ids =
        all.iter().flat_map(|kind| scopes.iter().map(|scope| ResourceId::new(scope, &kind.kind(), Arc::clone(id))));
    let ids: Vec<ResourceId> = ids.collect();
    let snapshot = core.snapshot()?;
    let is_known = |id: &ResourceId| -> Result<bool, ReadError> {
        Ok(!snapshot.timeline(id, Seq::ZERO, 1)?.is_empty() || snapshot.base(id)?.is_some())
    };
    for id in &ids {
        if is_known(id)? {
            return Ok(Some(ids));
        }
    }
    for kind in all {
        beside(&snapshot, kind, id, None, |other| {
            scopes.iter().try_for_each(|scope| is_known(&ResourceId::new(scope, &kind.kind(), other)).map(drop))
        })?;
    }
    drop(snapshot);
    if let Some(kind) = kinds.first() {
        drop(core.locate(kind, id, &ScopeFilter::Everywhere).await?);
        return Ok(Some(ids));
    }
    let progress = core.progress(KINDS, &ScopeFilter::Everywhere);
    if progress.is_pending() || progress.covered == 0 {
        return Err(RequestError::NotSeenYet { subject: format!("`{id}` was"), progress: progress.into() });
    }
    let (id, scopes) = (crate::model::text::shown(id, 80), places::said(&scopes));
    Err(RequestError::NotFound { title: "resource", id, scopes, stale: None })
}

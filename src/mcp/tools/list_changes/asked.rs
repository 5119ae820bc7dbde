//! What a call of `list_changes` asks for.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use crate::kinds::{KINDS, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::mcp::fresh::part_of;
use crate::mcp::tools::arguments::Arguments;
use crate::mcp::tools::as_of::TIMES;
use crate::mcp::tools::named::{self, kind};
use crate::model::{AccountId, Region, ResourceId, Scope, Seq, Timestamp};
use crate::query::changes::{By, ChangesError, Order, Place, Question, Span};
use crate::query::moment::{self, Moment};
use crate::query::{CursorError, filter};
use crate::store::Snapshot;

/// Changes on a page unless asked for more.
pub(super) const DEFAULT: usize = 50;
/// Changes on a page at most; the budget may cut it shorter.
pub(super) const MOST: usize = 500;
/// The longest wait.
pub(super) const WAIT: usize = 45;

/// A call's question, read.
pub(super) struct Asked {
    /// Which records are wanted.
    pub(super) question: Question,
    /// Of which kinds; of all when empty.
    pub(super) kinds: Vec<&'static KindSpec>,
    /// The only resources whose records are read, where there are such.
    pub(super) subjects: Option<Vec<ResourceId>>,
    /// What to read.
    pub(super) start: Span,
    /// The time since which was asked, where it was one.
    pub(super) since: Option<Timestamp>,
    /// The time up to which was asked.
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

/// What to read, and the times by which it was asked for.
struct Times {
    start: Span,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    begins: Option<Timestamp>,
}

impl Asked {
    /// Reads the arguments of a call.
    ///
    /// # Errors
    /// When they make no question, or one about something that nothing is known of.
    pub(super) async fn read(core: &Arc<Core>, arguments: &Arguments) -> Result<Arc<Self>, Fault> {
        let mut kinds = match arguments.value("kind") {
            Some(_) => vec![kind(arguments, "kind")?],
            None => Vec::new(),
        };
        let mut id = arguments.text("id")?.map(|id| Arc::<str>::from(id.trim()));
        let mut scope: Option<Scope> = None;
        if arguments.value("uri").is_some() {
            let (of, named, within) = named::resource(arguments)?;
            (kinds, id, scope) = (vec![of], Some(Arc::from(named)), within);
        }
        if id.is_some() {
            let parts: Vec<&'static KindSpec> = kinds.iter().filter_map(|kind| part_of(kind)).collect();
            kinds.extend(parts);
        }
        let account = arguments.text("account")?.map(AccountId::new);
        let region = arguments.text("region")?.map(Region::new);
        if let Some(scope) = &scope {
            let other = "that of `uri`, or left out";
            if let Some(account) = account.as_ref().filter(|account| **account != scope.account) {
                return Err(arguments.form("account", other, &json!(account)).into());
            }
            if let Some(region) = region.as_ref().filter(|region| **region != scope.region) {
                return Err(arguments.form("region", other, &json!(region)).into());
            }
        }
        let question = Question {
            id,
            kinds: kinds.iter().map(|kind| kind.kind()).collect(),
            account: scope.as_ref().map(|scope| scope.account.clone()).or(account),
            region: scope.map(|scope| scope.region).or(region),
            field: arguments.text("field")?.map(|field| field.trim().to_owned()),
            by: by(arguments)?,
            quiet: arguments.flag("include_baseline", false)?,
        };
        let wait = Duration::from_secs(arguments.number("wait_seconds", 0..=WAIT, 0)? as u64);
        let who = arguments.flag("who", false)?;
        let limit = arguments.number("limit", 1..=MOST, DEFAULT)?;
        watched(core, &question)?;
        let subjects = subjects(core, &question, &kinds).await?;
        let snapshot = core.snapshot()?;
        let Times { start, since, until, begins } = Self::span(core, &snapshot, arguments, &question, wait)?;
        let continued = arguments.value("cursor").is_some();
        Ok(Arc::new(Asked { question, kinds, subjects, start, since, until, begins, continued, limit, wait, who }))
    }

    /// What to read, and the times by which it was asked for.
    fn span(
        core: &Core,
        snapshot: &Snapshot,
        arguments: &Arguments,
        question: &Question,
        wait: Duration,
    ) -> Result<Times, Fault> {
        let order = match arguments.text("order")? {
            None => None,
            Some("oldest") => Some(Order::Oldest),
            Some("newest") => Some(Order::Newest),
            Some(other) => return Err(arguments.form("order", "oldest or newest", &json!(other)).into()),
        };
        let waits = wait > Duration::ZERO;
        let backwards = || arguments.form("order", "oldest when waiting: what comes next comes last", &json!("newest"));
        if let Some(text) = arguments.text("cursor")? {
            let place = placed(snapshot, text)?;
            let span = place.span;
            if place.question != question.hash() || order.is_some_and(|order| order != span.order) {
                return Err(CursorError::OtherQuestion.into());
            }
            if waits && span.order == Order::Newest {
                return Err(backwards().into());
            }
            return Ok(Times { start: span, since: None, until: None, begins: None });
        }
        let now = core.now();
        let since = arguments.text("since")?;
        let mut since_time = since.and_then(|since| moment::time(since, now));
        let until_time = match arguments.text("until")? {
            None => None,
            Some(text) => Some(moment::time(text, now).ok_or_else(|| arguments.form("until", TIMES, &json!(text)))?),
        };
        // Before the log is asked: no log could answer that.
        let backwards_in_time = |until: Timestamp| arguments.form("until", "later than since", &json!(until));
        if let (Some(since), Some(until)) = (since_time, until_time)
            && since > until
        {
            return Err(backwards_in_time(until).into());
        }
        let begins = since_time.and_then(|since| moment::begins_after(snapshot, since).transpose()).transpose()?;
        // A log that begins later and has lost nothing holds all there was to know since then.
        since_time = begins.or(since_time);
        let from = match (since, since_time) {
            (None, _) => None,
            (Some(_), Some(at)) => Some(moment::before(snapshot, at, now)?),
            (Some(text), None) => Some(after(snapshot, arguments, text)?),
        };
        let until = until_time.map(|at| Moment::At(at).point(snapshot, now)).transpose()?;
        // Up to now there is no end: what is committed meanwhile belongs to it.
        let until = until.filter(|until| until.at < now);
        if let (Some(from), Some(until)) = (from, until)
            && (from > until.seq || since_time.is_some_and(|since| since > until.at))
        {
            return Err(backwards_in_time(until.at).into());
        }
        let (newest, last) = (snapshot.seq(), until.map(|until| until.seq));
        let order = order.unwrap_or(if waits { Order::Oldest } else { Order::Newest });
        let span = match order {
            Order::Newest if waits => return Err(backwards().into()),
            Order::Newest => Span::newest(last.unwrap_or(newest), from),
            Order::Oldest if waits => Span::oldest(from.unwrap_or(newest), last),
            Order::Oldest => Span::oldest(from.unwrap_or(snapshot.horizon()), last),
        };
        Ok(Times { start: span, since: since_time, until: until.map(|until| until.at), begins })
    }
}

/// A cursor of this log.
fn placed(snapshot: &Snapshot, text: &str) -> Result<Place, Fault> {
    let place = Place::read(text)?;
    if place.log != snapshot.log_id() {
        return Err(ChangesError::Foreign { earliest: snapshot.earliest()? }.into());
    }
    let (newest, Span { at, bound, .. }) = (snapshot.seq(), place.span);
    // Muster made none beyond the log's end.
    if at > newest.next() || bound.is_some_and(|bound| bound > newest) {
        return Err(CursorError::Garbled.into());
    }
    Ok(place)
}

/// The record after which a cursor given as `since` goes on.
fn after(snapshot: &Snapshot, arguments: &Arguments, text: &str) -> Result<Seq, Fault> {
    let place = match placed(snapshot, text) {
        Err(Fault::Cursor(CursorError::Garbled)) => {
            return Err(arguments.form("since", &format!("{TIMES}; or a cursor of list_changes"), &json!(text)).into());
        }
        place => place?,
    };
    match place.span.order {
        Order::Oldest if place.span.at < snapshot.horizon() => {
            Err(ChangesError::Expired { earliest: snapshot.earliest()?.unwrap_or_default() }.into())
        }
        Order::Oldest => Ok(place.span.at),
        Order::Newest => {
            let expected =
                "a time, or the newest_cursor of an answer: a cursor that pages backwards goes into `cursor`";
            Err(arguments.form("since", expected, &json!(text)).into())
        }
    }
}

fn by(arguments: &Arguments) -> Result<Option<By>, Fault> {
    let Some(name) = arguments.text("cause")? else { return Ok(None) };
    if let Some((_, by)) = By::ALL.iter().find(|(known, _)| *known == name) {
        return Ok(Some(*by));
    }
    let names: Vec<&str> = By::ALL.iter().map(|(name, _)| *name).collect();
    let near = filter::near(filter::nearest(name, names.iter().copied()));
    Err(arguments.form("cause", &format!("one of {}{near}", names.join(", ")), &json!(name)).into())
}

/// Refuses an account or region of which nothing is known: that nothing changed there would look like a fact.
fn watched(core: &Core, question: &Question) -> Result<(), Fault> {
    let scopes = core.known_scopes(&core.snapshot()?)?;
    let is_of = |scope: &Scope| {
        question.account.as_ref().is_none_or(|account| *account == scope.account)
            && question.region.as_ref().is_none_or(|region| *region == scope.region)
    };
    if scopes.is_empty() || scopes.iter().any(is_of) {
        return Ok(());
    }
    let known: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let what = match (&question.region, &question.account) {
        (Some(region), None) => format!("region {region}"),
        (None, Some(account)) => format!("account {account}"),
        (Some(region), Some(account)) => format!("region {region} of account {account}"),
        (None, None) => return Ok(()),
    };
    Err(Fault::unwatched(&what, &known))
}

/// The one resource in question, in every scope; `None` when the question is about many.
///
/// # Errors
/// When nothing is known of it: that nothing changed would look like a fact.
async fn subjects(
    core: &Arc<Core>,
    question: &Question,
    kinds: &[&'static KindSpec],
) -> Result<Option<Vec<ResourceId>>, Fault> {
    let Some(id) = &question.id else { return Ok(None) };
    let all = if kinds.is_empty() { KINDS } else { kinds };
    let scopes = core.known_scopes(&core.snapshot()?)?;
    let ids =
        all.iter().flat_map(|kind| scopes.iter().map(|scope| ResourceId::new(scope, &kind.kind(), Arc::clone(id))));
    let ids: Vec<ResourceId> = ids.collect();
    let snapshot = core.snapshot()?;
    for id in &ids {
        let is_known = !snapshot.timeline(id, Seq::ZERO, 1)?.is_empty() || snapshot.base(id)?.is_some();
        if is_known {
            return Ok(Some(ids));
        }
    }
    drop(snapshot);
    if let Some(kind) = kinds.first() {
        drop(core.locate(kind, id, None).await?);
        return Ok(Some(ids));
    }
    let progress = core.progress(KINDS, None);
    if !progress.is_complete() {
        return Err(Fault::NotSeenYet { subject: format!("`{id}` was"), progress: progress.into() });
    }
    let scopes: Vec<String> = scopes.iter().map(ToString::to_string).collect();
    let (id, scopes) = (crate::model::text::shown(id, 80), scopes.join(", "));
    Err(Fault::NotFound { title: "resource", id, scopes, stale: None })
}

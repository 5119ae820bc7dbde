//! Finds out who made a change: the call that caused it, from the log or from AWS's event history.
//!
//! A change that a sweep or a state event showed does not name its caller. The log may hold a call near it that a trail recorded;
//! otherwise AWS's event history is queried on request. A call that fits a change ([`Effect`]) is likely its cause, not proved:
//! the answer gives the call's name and time, so that a reader can judge. If no call is found, the answer says why.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::core::Core;
use super::error::RequestError;
use crate::aws::trail::{REACHES, SETTLES, TrailCalls};
use crate::kinds;
use crate::model::effect::Effect;
use crate::model::text::shown;
use crate::model::{ApiCall, Cause, Event, Recorded, ResourceId, Seq, Timestamp};
use crate::store::Snapshot;

/// How long before a change was seen its call may have been made.
const BEFORE: Duration = Duration::from_mins(15);
/// How much later than its change a call may be dated, because both times are rounded to the second.
const GRAIN: Duration = Duration::from_secs(2);
/// How many records of a resource are looked at on either side of a change.
const NEAR: usize = 8;
/// How many lookups one answer makes.
const LOOKUPS: usize = 10;
/// How long one answer waits for them.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who made a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// The call that fits it.
    Caller {
        /// Who called what.
        call: ApiCall,
        /// When.
        at: Timestamp,
        /// Where the call was found: `log` or `cloudtrail`.
        from: &'static str,
    },
    /// The caller is not known, for this reason.
    Unknown(String),
}

/// The search for the caller of a change.
#[derive(Clone, Debug)]
pub struct CallerSearch {
    seq: Seq,
    /// The resource that calls name; for an instance's status, the instance.
    id: ResourceId,
    /// The earliest time of the call.
    from: Timestamp,
    /// The latest time of the call.
    to: Timestamp,
    change: Effect,
    /// Words in the names of the calls that create such a resource.
    made_by: &'static [&'static str],
}

impl CallerSearch {
    /// The search for the caller of a record's change; none when the record names its caller, or there was no call.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn of(snapshot: &Snapshot, record: &Recorded) -> Result<Option<CallerSearch>, RequestError> {
        if matches!(record.cause, Cause::Baseline | Cause::Call { .. } | Cause::Tool { .. }) {
            return Ok(None);
        }
        let (Some(id), Some(change)) = (record.event.resource(), Effect::of(&record.event)) else { return Ok(None) };
        let seen = evidence(&record.event).unwrap_or(record.recorded_at);
        let earlier = snapshot.timeline_before(id, record.seq, NEAR)?;
        let previous = earlier.iter().find_map(|earlier| evidence(&earlier.event));
        let from = match (&record.cause, previous) {
            (Cause::Resumed { since }, _) => *since,
            // The end of a transition was caused by the call that began it.
            (_, Some(previous)) if !change.ends_transition() => (previous - GRAIN).max(seen - BEFORE),
            _ => seen - BEFORE,
        };
        let made_by = kinds::of(&id.kind).map_or(&[][..], |spec| spec.calls.makes);
        let (id, from) = (subject(id), from.min(seen));
        Ok(Some(CallerSearch { seq: record.seq, id, from, to: seen + GRAIN, change, made_by }))
    }

    /// The caller, if the log holds a call that fits.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn in_log(&self, snapshot: &Snapshot) -> Result<Option<Who>, RequestError> {
        // A trail's event mostly comes after the state event or describe that shows what the call did.
        let mut near = snapshot.timeline(&self.id, self.seq.next(), NEAR)?;
        near.extend(snapshot.timeline_before(&self.id, self.seq, NEAR)?);
        let calls = near.into_iter().filter_map(|record| match (record.event, record.cause) {
            (Event::Called { at, .. }, Cause::Call { call, .. }) => Some((at, call)),
            _ => None,
        });
        let fitting = calls.filter(|(at, call)| self.fits(*at, &call.name)).max_by_key(|(at, _)| *at);
        Ok(fitting.map(|(at, call)| Who::Caller { call, at, from: "log" }))
    }

    fn fits(&self, at: Timestamp, name: &str) -> bool {
        (self.from..=self.to).contains(&at) && self.change.fits(name, self.made_by)
    }

    /// The caller according to the event history's answer.
    fn judge(&self, calls: &TrailCalls, now: Timestamp) -> Who {
        let fitting =
            calls.calls.iter().filter(|found| self.fits(found.at, &found.call.name)).max_by_key(|found| found.at);
        if let Some(found) = fitting {
            return Who::Caller { call: found.call.clone(), at: found.at, from: "cloudtrail" };
        }
        let CallerSearch { from, to, .. } = self;
        let mut why =
            format!("not found: CloudTrail's event history has no call from {from} to {to} that fits this change");
        if !calls.complete {
            why.push_str("; only the newest calls were looked at");
        } else if *to + SETTLES > now {
            why.push_str(" yet; it can take 15 minutes: ask again");
        } else if !calls.calls.is_empty() {
            why = format!("{why}, though {} others", calls.calls.len());
        } else {
            why.push_str("; AWS itself may have done it");
        }
        Who::Unknown(why)
    }
}

/// Finds the callers of changes, first in the log, then in AWS's event history.
///
/// # Errors
/// When the store cannot be read. A failed AWS call is an answer with the reason.
pub async fn look_up(core: &Arc<Core>, records: Vec<Recorded>) -> Result<BTreeMap<Seq, Who>, RequestError> {
    let (mut known, open) = core.walk(move |core| in_log(core, &records)).await?;
    let now = core.now();
    let (old, mut open): (Vec<CallerSearch>, Vec<CallerSearch>) =
        open.into_iter().partition(|case| case.to + REACHES < now);
    let reaches = "not looked up: CloudTrail's event history reaches back 90 days";
    known.extend(old.into_iter().map(|case| (case.seq, Who::Unknown(reaches.to_owned()))));
    let rest = open.split_off(open.len().min(LOOKUPS));
    let most = format!(
        "not looked up: one answer looks up {LOOKUPS} changes; ask again with a smaller limit, or for this resource \
            alone"
    );
    known.extend(rest.into_iter().map(|case| (case.seq, Who::Unknown(most.clone()))));
    let asked = join_all(open.into_iter().map(|case| {
        let core = Arc::clone(core);
        async move {
            let scope = case.id.scope();
            let calls = core.aws.calls_of(&scope, &case.id.id, case.from, case.to);
            let who = match timeout(PATIENCE, calls).await {
                Ok(Ok(calls)) => case.judge(&calls, core.now()),
                Ok(Err(error)) => {
                    Who::Unknown(core.visibility().masked(&format!("not looked up: {error}; {}", error.fix())))
                }
                Err(_) => Who::Unknown(format!(
                    "not looked up: CloudTrail, which allows two calls a second, did not answer within {} s; ask again",
                    PATIENCE.as_secs()
                )),
            };
            (case.seq, who)
        }
    }));
    known.extend(asked.await);
    Ok(known)
}

/// The callers that the log shows, and the searches that remain.
fn in_log(core: &Core, records: &[Recorded]) -> Result<(BTreeMap<Seq, Who>, Vec<CallerSearch>), RequestError> {
    let snapshot = core.snapshot()?;
    let (mut known, mut open) = (BTreeMap::new(), Vec::new());
    for record in records {
        let Some(case) = CallerSearch::of(&snapshot, record)? else { continue };
        match case.in_log(&snapshot)? {
            Some(who) => drop(known.insert(case.seq, who)),
            None if case.change.is_nobodys() => {
                drop(known.insert(case.seq, Who::Unknown("nobody: no EC2 call causes this change".to_owned())));
            }
            None => open.push(case),
        }
    }
    Ok((known, open))
}

impl Who {
    /// The caller in words, to follow `who:`.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Who::Unknown(why) => why.clone(),
            Who::Caller { call, at, from } => {
                let address = call.address.as_ref().map(|address| format!(" from {}", shown(address, 80)));
                let (actor, name) = (shown(&call.actor, 200), shown(&call.name, 80));
                let told = if *from == "log" { "an event of a trail" } else { "CloudTrail's event history" };
                format!("{actor} called {name}{} at {at} ({told})", address.unwrap_or_default())
            }
        }
    }

    /// The caller as data.
    #[must_use]
    pub fn data(&self) -> Value {
        let mut data = Map::new();
        data.insert("found".to_owned(), json!(matches!(self, Who::Caller { .. })));
        data.insert("words".to_owned(), json!(self.words()));
        if let Who::Caller { call, at, from } = self {
            let optional = |text: &Option<String>| text.as_ref().map(|text| shown(text, 200));
            let fields = [
                ("from", Some((*from).to_owned())),
                ("at", Some(at.to_string())),
                ("call", Some(shown(&call.name, 80))),
                ("actor", Some(shown(&call.actor, 200))),
                ("address", optional(&call.address)),
                ("agent", optional(&call.agent)),
            ];
            data.extend(fields.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))));
        }
        Value::Object(data)
    }
}

/// The resource that calls name for a change of `id`.
fn subject(id: &ResourceId) -> ResourceId {
    let whole = kinds::of(&id.kind).and_then(|spec| spec.status_of).and_then(kinds::by_slug);
    whole.map_or_else(|| id.clone(), |whole| ResourceId { kind: whole.kind(), ..id.clone() })
}

/// When AWS showed the change of a record.
fn evidence(event: &Event) -> Option<Timestamp> {
    match event {
        Event::Discovered { evidence, .. } => Some(evidence.at),
        Event::Changed { evidence, .. } => evidence.iter().map(|(_, evidence)| evidence.at).max(),
        Event::Removed { at, .. } => Some(*at),
        _ => None,
    }
}

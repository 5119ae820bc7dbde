//! What an answer about changes says beside them: the range that it covers, what it leaves out, and what was not watched.

use serde_json::{Map, Value, json};

use super::change_query::ChangeQuery;
use crate::mcp::core::Core;
use crate::mcp::damage::AnswerSubject;
use crate::mcp::error::RequestError;
use crate::mcp::failed_scopes::FailedScopes;
use crate::mcp::tools::table::AnswerText;
use crate::mcp::unobserved::GapQuery;
use crate::mcp::unwatched::UnwatchedScopes;
use crate::mcp::watched_kinds::UnwatchedKinds;
use crate::model::{Scope, Seq, Timestamp};
use crate::query::changes::{ChangePage, LogCursor, LogRange, ReadOrder, StopReason};
use crate::store::Snapshot;

impl ChangeQuery {
    /// Adds to a first line of text which range of the log it is about, and below it what lessens the answer. `hidden` records were
    /// left out of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(super) fn caveats(
        &self,
        core: &Core,
        snapshot: &Snapshot,
        found: &ChangePage,
        hidden: u64,
        text: &mut AnswerText,
    ) -> Result<Map<String, Value>, RequestError> {
        let (from, to) = self.window(core, snapshot, found)?;
        let watch = GapQuery { kinds: self.kinds.clone(), scope: self.question.scope.clone() };
        let unobserved = core.unobserved(snapshot, &watch, from, to)?;
        let earliest = snapshot.earliest()?;
        let span = found.span();
        let mut data = Map::new();
        let mut put = |name: &str, value: Value| drop(data.insert(name.to_owned(), value));
        text.add(format_args!(", from {from} to {to}; the log ends at seq {}", found.newest()));
        if let Some(earliest) = earliest {
            text.add(format_args!(" and reaches back to {earliest}"));
            put("earliest", json!(earliest));
        }
        if let Some(begins) = self.begins {
            text.add(format_args!(
                "\nThe log begins at {begins}, later than `since`, and knows of nothing before that"
            ));
            put("starts_at", json!(begins));
        }
        if hidden > 0 {
            text.add(format_args!(
                "\n{hidden} records are left out that are no changes of their own (of first sweeps, of new mappings, and what \
                 status checks repeat of their instance): include_baseline shows them"
            ));
        }
        put("hidden", json!(hidden));
        if found.end() == StopReason::Enough {
            let at = time_of(snapshot, span.at)?;
            text.add(format_args!("\nThis call looked only up to seq {} of {at}; continue with the cursor", span.at));
            put("scanned", json!({"through_seq": span.at, "at": at}));
        }
        unobserved.say(text);
        unobserved.fields().into_iter().for_each(|(name, value)| put(name, value));
        // Who names an account is told also that it left before.
        let asked_from = if watch.scope.names_accounts() { None } else { Some(self.asked_from(snapshot)?) };
        let is_told =
            |scope: &Scope, since: Timestamp| watch.is_in(scope) && asked_from.is_none_or(|from| from <= since);
        let unwatched = snapshot.retired().iter().filter(|(scope, since)| is_told(scope, **since));
        let unwatched = UnwatchedScopes::of(core, unwatched.map(|(scope, since)| (scope.clone(), *since)));
        unwatched.say(text);
        unwatched.fields().into_iter().for_each(|(name, value)| put(name, value));
        let left_out = core.unwatched_kinds().among(&self.kinds);
        if !left_out.is_empty() {
            text.add(format_args!("\nNo newer changes are known of what is {}", left_out.advice()));
            put(UnwatchedKinds::FIELD, left_out.field());
        }
        let unreached = FailedScopes::default().beside(core.unreached(&self.question.scope));
        unreached.say(text);
        unreached.fields().into_iter().for_each(|(name, value)| put(&name, value));
        let damage = core.damage(AnswerSubject::Log(self.subjects.as_deref()));
        damage.say(text);
        damage.fields().into_iter().for_each(|(name, value)| put(name, value));
        put("more", json!(found.end() != StopReason::Reached));
        put("seq", json!(found.newest()));
        put("log", json!(core.log()));
        Ok(data)
    }

    /// The cursor of a range of this question.
    pub(super) fn cursor(&self, core: &Core, span: LogRange) -> String {
        LogCursor { log: core.store.cursor_log(), question: self.question.hash(), span }.encode()
    }

    /// The beginning of the time range that is asked about.
    fn asked_from(&self, snapshot: &Snapshot) -> Result<Timestamp, RequestError> {
        match (self.since, self.start.bound) {
            (Some(since), _) => Ok(since),
            (None, _) if self.start.order == ReadOrder::Oldest => time_of(snapshot, self.start.at),
            (None, bound) => time_of(snapshot, bound.unwrap_or(Seq::ZERO)),
        }
    }

    /// The time range that a page covers completely.
    fn window(
        &self,
        core: &Core,
        snapshot: &Snapshot,
        found: &ChangePage,
    ) -> Result<(Timestamp, Timestamp), RequestError> {
        let (start, end, now) = (self.start, found.span(), core.now());
        let reached = found.end() == StopReason::Reached;
        let until = match (self.until, start.bound) {
            (Some(until), _) => until,
            (None, Some(bound)) if start.order == ReadOrder::Oldest => time_of(snapshot, bound)?,
            (None, _) => now,
        };
        let since = self.asked_from(snapshot)?;
        Ok(match start.order {
            ReadOrder::Oldest if reached => (since, until),
            ReadOrder::Oldest => (since, time_of(snapshot, end.at)?),
            ReadOrder::Newest => {
                let to = if self.continued { time_of(snapshot, start.at)? } else { until };
                (if reached { since } else { time_of(snapshot, end.at)? }, to)
            }
        })
    }
}

/// When a record was committed; the earliest known time for a record that is folded away.
fn time_of(snapshot: &Snapshot, seq: Seq) -> Result<Timestamp, RequestError> {
    let seq = seq.min(snapshot.seq());
    if seq > snapshot.horizon() {
        return Ok(snapshot.moment_of(seq)?);
    }
    Ok(snapshot.earliest()?.unwrap_or_default())
}

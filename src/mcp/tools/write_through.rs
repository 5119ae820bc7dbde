//! The one way in which tools change AWS: look again live, record the intent, call, record the answer, then tell.
//!
//! Whoever reads at the seq of an answer sees what the call did. A call between AWS's answer and its record must not be
//! lost with its client, so it runs as a task of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde::Serialize;
use serde_json::{Value, json};

use super::schema;
use crate::aws::{AwsError, Class, Priority};
use crate::ingest::Lane;
use crate::kinds::INSTANCE;
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::model::known::state_name;
use crate::model::text::shown;
use crate::model::{ActionId, Cause, Document, Observation, Outcome, ResourceId, Scope, Seen, Seq, Source};

/// An instance as AWS showed it a moment ago.
#[derive(Clone, Debug)]
pub struct Target {
    /// The instance.
    pub id: ResourceId,
    /// Its live document.
    pub document: Arc<Document>,
}

/// What a live look at the instances of a call showed.
#[derive(Debug, Default)]
pub struct Checked {
    /// Those that are there.
    pub targets: Vec<Target>,
    /// Those that are not, or could not be looked at, with the reason.
    pub problems: Vec<(String, Verdict, String)>,
    /// Where the log holds what was seen.
    pub seq: Option<Seq>,
}

/// How it went for one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// AWS accepted the call.
    Done,
    /// It was so already; nothing was called.
    Already,
    /// A dry run: it would be allowed.
    WouldBeAllowed,
    /// AWS refused; nothing happened.
    Refused,
    /// AWS's answer was lost: it may have happened.
    Unknown,
    /// There is no such instance.
    NotFound,
}

impl Verdict {
    /// Whether the instance is, or would be, as asked.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Verdict::Done | Verdict::Already | Verdict::WouldBeAllowed)
    }

    /// The schema of verdicts.
    #[must_use]
    pub fn schema() -> Value {
        json!({
            "type": "string",
            "enum": ["done", "already", "would_be_allowed", "refused", "unknown", "not_found"],
            "description": "How it went: `already` and `done` are success; `unknown` means that AWS's answer was lost.",
        })
    }
}

impl Target {
    /// The name of its live state.
    #[must_use]
    pub fn state(&self) -> &str {
        self.document.get("State").and_then(state_name).unwrap_or("unknown")
    }
}

/// What every write tool takes beside the instances.
#[must_use]
pub fn dry_run() -> Value {
    schema::flag("Only ask AWS whether the call would be allowed (IAM); change nothing.", false)
}

/// Looks at instances live, wherever they are, and hands what it saw to the inventory.
///
/// # Errors
/// When the inventory cannot be read or what was seen cannot be recorded. What AWS refuses is among the problems.
pub async fn check(core: &Core, ids: &[String]) -> Result<Checked, Fault> {
    let mut checked = Checked::default();
    let Placed { known, unknown } = placed(core, ids)?;
    let mut observations = Vec::new();
    for (scope, ids) in known {
        look(core, &scope, ids, &mut checked, &mut observations).await;
    }
    if !unknown.is_empty() {
        search(core, unknown, &mut checked, &mut observations).await?;
    }
    if !observations.is_empty() {
        checked.seq = Some(core.ingest.observe(Lane::Tools, observations, Cause::Refresh).await?.seq);
    }
    let order = |id: &str| ids.iter().position(|asked| asked == id);
    checked.targets.sort_by_key(|target| order(&target.id.id));
    Ok(checked)
}

/// Ids by the scope in which the inventory holds them, and those that it does not hold.
#[derive(Default)]
struct Placed {
    known: BTreeMap<Scope, Vec<String>>,
    unknown: Vec<String>,
}

fn placed(core: &Core, ids: &[String]) -> Result<Placed, Fault> {
    let snapshot = core.snapshot()?;
    let mut placed = Placed::default();
    for id in ids {
        let copies = snapshot.copies(&INSTANCE.kind(), id)?;
        match copies.iter().max_by_key(|copy| copy.fingerprint.seen) {
            Some(copy) => placed.known.entry(copy.id.scope()).or_default().push(id.clone()),
            None => placed.unknown.push(id.clone()),
        }
    }
    Ok(placed)
}

/// Asks every watched region at once for ids that the inventory does not hold, until all are found.
///
/// What no region knows is not found only if every region answered.
async fn search(
    core: &Core,
    mut unknown: Vec<String>,
    checked: &mut Checked,
    observations: &mut Vec<Observation>,
) -> Result<(), Fault> {
    let mut scopes: Vec<Scope> = core.scopes(&[INSTANCE]).into_iter().map(|state| state.scope).collect();
    if scopes.is_empty() {
        let account = core.aws.identify().await?;
        scopes =
            core.regions().iter().map(|region| Scope { account: account.clone(), region: region.clone() }).collect();
    }
    let ids = unknown.clone();
    let looks = scopes.iter().map(async |scope| {
        let (mut found, mut seen) = (Checked::default(), Vec::new());
        look(core, scope, ids.clone(), &mut found, &mut seen).await;
        (found, seen)
    });
    let mut looks: FuturesUnordered<_> = looks.collect();
    let mut problems = Vec::new();
    while !unknown.is_empty()
        && let Some((mut found, mut seen)) = looks.next().await
    {
        unknown.retain(|id| !found.targets.iter().any(|target| *target.id.id == **id));
        checked.targets.append(&mut found.targets);
        observations.append(&mut seen);
        problems.append(&mut found.problems);
    }
    for id in unknown {
        let mut said = problems.iter().filter(|(of, ..)| *of == id);
        let unanswered = said.clone().find(|(_, verdict, _)| *verdict != Verdict::NotFound);
        checked.problems.extend(unanswered.or_else(|| said.next()).cloned());
    }
    Ok(())
}

/// Describes ids of one scope. Those that AWS does not know become problems.
async fn look(
    core: &Core,
    scope: &Scope,
    mut ids: Vec<String>,
    checked: &mut Checked,
    observations: &mut Vec<Observation>,
) {
    while !ids.is_empty() {
        match core.aws.describe(scope, INSTANCE, &ids, Priority::Tool).await {
            Ok(listed) => {
                for item in listed.items {
                    let id = ResourceId::new(scope, &INSTANCE.kind(), item.id.as_str());
                    let document = Arc::new(item.document);
                    ids.retain(|asked| *asked != item.id);
                    let seen = Seen::Described(Arc::clone(&document));
                    observations.push(Observation {
                        source: Source::Refresh,
                        at: listed.sent_at,
                        id: id.clone(),
                        seen,
                    });
                    checked.targets.push(Target { id, document });
                }
                // AWS answered without them: it does not know them.
                let absent = ids.drain(..).map(|id| (id, Verdict::NotFound, "AWS does not know it".to_owned()));
                checked.problems.extend(absent);
            }
            Err(error) if error.class == Class::NotFound => {
                let named = |id: &String| error.ids.contains(id);
                let (gone, left): (Vec<String>, Vec<String>) = ids.into_iter().partition(named);
                // Unnamed, and so not to be told apart from the rest: ask for the first alone.
                let (gone, left) = if gone.is_empty() { split_first(left) } else { (gone, left) };
                if !left.is_empty() && error.ids.is_empty() {
                    Box::pin(look(core, scope, gone, checked, observations)).await;
                } else {
                    let text = explain(&error);
                    checked.problems.extend(gone.into_iter().map(|id| (id, Verdict::NotFound, text.clone())));
                }
                ids = left;
            }
            Err(error) => {
                let text = explain(&error);
                checked.problems.extend(ids.drain(..).map(|id| (id, Verdict::Refused, text.clone())));
            }
        }
    }
}

fn split_first(mut ids: Vec<String>) -> (Vec<String>, Vec<String>) {
    let rest = ids.split_off(1.min(ids.len()));
    (ids, rest)
}

/// Runs `work` to its end even when its client leaves.
///
/// # Errors
/// What `work` failed with; [`Fault::Stopping`] when the runtime ends first.
pub async fn to_the_end<T: Send + 'static>(
    core: &Core,
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    match core.tasks.spawn(work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Fault::Stopping),
    }
}

/// What AWS said and what to do about it, short enough to repeat for each of fifty instances.
#[must_use]
pub fn explain(error: &AwsError) -> String {
    format!("{}. {}", shown(&error.to_string(), 240), shown(&error.fix(), 240))
}

/// A failed call as the log records it, and as the answer judges it.
#[must_use]
pub fn failed(error: &AwsError) -> (Outcome, Verdict) {
    if error.perhaps_done {
        return (Outcome::Unknown { message: error.to_string() }, Verdict::Unknown);
    }
    let code = error.code.clone().unwrap_or_else(|| "NotSent".to_owned());
    (Outcome::Refused { code, message: error.message.clone() }, Verdict::Refused)
}

/// Records how a call ended. When that fails, AWS has acted all the same, so it is a remark, not an error.
pub async fn record(
    core: &Core,
    action: ActionId,
    outcome: Outcome,
    observations: Vec<Observation>,
) -> (Option<Seq>, Option<String>) {
    match core.ingest.finish(action, outcome, observations).await {
        Ok(seq) => (Some(seq), None),
        Err(error) => {
            let remark =
                format!("AWS answered, but the answer could not be recorded ({error}): the next sweep shows it");
            (None, Some(remark))
        }
    }
}

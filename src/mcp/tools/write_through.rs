//! The one way in which tools change AWS: check live, record the intent, call AWS, record its answer, then answer the client.
//!
//! A read at the seq of an answer shows what the call did. A call must be recorded even if its client leaves, so it runs as a
//! task of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::timeout;

use super::verdict::WriteVerdict;
use crate::aws::{AwsError, AwsErrorKind, DescribeResult, Pinned, Priority};
use crate::ingest::Lane;
use crate::kinds::{INSTANCE, KindSpec};
use crate::mcp::calls::RunningCall;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::own_task::within_operation;
use crate::model::known::state_name;
use crate::model::text::shown;
use crate::model::{
    ActionEnd, ActionId, ActionRequest, Cause, Chosen, Document, Named, Observation, Page, ResourceId, Scope, Seen,
    Seq, Source,
};
use crate::policy::Visibility;

/// How long a describe of a call's results may take.
const SHOWING: Duration = Duration::from_secs(5);

/// An instance as AWS showed it a moment ago.
#[derive(Clone, Debug)]
pub struct LiveInstance {
    /// The instance.
    pub id: ResourceId,
    /// Its live document.
    pub document: Arc<Document>,
}

/// The result of describing the instances of a call live. Each instance that was named is either a target or a problem.
#[derive(Debug, Default)]
pub struct LiveCheck {
    /// The instances that exist, in the order in which they were named.
    pub targets: Vec<LiveInstance>,
    /// The instances for which no call is made.
    pub problems: Vec<UncalledInstance>,
}

/// Why no call is made for an instance.
#[derive(Clone, Debug)]
pub struct UncalledInstance {
    /// The instance.
    pub id: String,
    /// What kind of reason it is.
    pub verdict: WriteVerdict,
    /// The reason, and what to do about it.
    pub message: String,
}

impl UncalledInstance {
    fn of(id: String, error: &AwsError) -> Self {
        UncalledInstance { id, verdict: WriteVerdict::of_look(error), message: error.explained() }
    }
}

impl LiveInstance {
    /// The name of its live state.
    #[must_use]
    pub fn state(&self) -> &str {
        self.document.get("State").and_then(state_name).unwrap_or("unknown")
    }
}

/// Describes instances live, in whatever scope they are, and passes the results to the inventory.
///
/// When an answer is about instances that were not requested, no result counts, from whatever scope: every instance becomes a
/// problem, and no call is made.
///
/// # Errors
/// When the inventory cannot be read or a result cannot be recorded. What AWS refuses is among the problems.
pub async fn check(core: &Core, aws: &Pinned, named: &Named) -> Result<LiveCheck, RequestError> {
    let Placed { known, unknown } = placed(core, named)?;
    let mut seen = Looked::default();
    for (scope, ids) in known {
        seen.add(look(aws, &named.choose(&scope, |id| ids.contains(id))).await);
    }
    let visibility = core.visibility();
    if !visibility.is_everything() {
        // AWS would show what is hidden, so it is not asked about what cannot be seen.
        seen.problems.extend(unknown.into_iter().map(unseen));
    } else if !unknown.is_empty() {
        seen.add(search(core, aws, named, unknown).await?);
    }
    let Looked { mut targets, mut problems, observations, distrust } = seen;
    targets.retain(|target| match judged(&visibility, target) {
        Some(problem) => {
            problems.push(problem);
            false
        }
        None => true,
    });
    if let Some(why) = distrust {
        let left = targets.drain(..).map(|target| UncalledInstance {
            id: target.id.id.to_string(),
            verdict: WriteVerdict::AnswerNotTrusted,
            message: uncalled(&why),
        });
        problems.extend(left);
    }
    for problem in &mut problems {
        problem.message = visibility.masked(&problem.message);
    }
    if !observations.is_empty() {
        core.ingest.observe(Lane::Tools, observations, Cause::Refresh).await?;
    }
    targets.sort_by_key(|target| named.place(&target.id.id));
    Ok(LiveCheck { targets, problems })
}

/// What is said of an instance that cannot be seen, whether it exists or not.
fn unseen(id: String) -> UncalledInstance {
    let message = "There is no such instance among those that you may see. Check the id; an instance launched seconds ago, or tagged \
                   seconds ago, may not be visible yet. No call was made for it.";
    UncalledInstance { id, verdict: WriteVerdict::NotFound, message: message.to_owned() }
}

/// Why an instance is not changed, as AWS has just shown it, by somebody with this visibility; `None` if it may be.
fn judged(visibility: &Visibility, target: &LiveInstance) -> Option<UncalledInstance> {
    let ResourceId { kind, id, account, region } = &target.id;
    let tags: Vec<(&str, &str)> = target.document.tags().collect();
    let tags = || tags.iter().copied();
    if !visibility.sees(account.as_str(), region.as_str(), kind, &tags()) {
        return Some(unseen(id.to_string()));
    }
    if visibility.may_change(account.as_str(), region.as_str(), kind, &tags()) {
        return None;
    }
    let message = "What you may do on this server lets you see this instance, but not change it. AWS was not called. A person who \
                   runs the server can give you a grant with writes = true that holds it.";
    Some(UncalledInstance { id: id.to_string(), verdict: WriteVerdict::PolicyRefused, message: message.to_owned() })
}

/// Ids by the scope in which the inventory holds them, and those that it does not hold.
#[derive(Default)]
struct Placed {
    known: BTreeMap<Scope, BTreeSet<String>>,
    unknown: BTreeSet<String>,
}

fn placed(core: &Core, named: &Named) -> Result<Placed, RequestError> {
    core.watched_kind(INSTANCE)?;
    let snapshot = core.snapshot()?;
    let unwatched: BTreeSet<Scope> = core.unwatched(&[INSTANCE]).into_iter().map(|state| state.scope).collect();
    let mut placed = Placed::default();
    for id in named.ids() {
        let copies = snapshot.copies(&INSTANCE.kind(), id)?;
        match copies.iter().max_by_key(|copy| (!unwatched.contains(&copy.id.scope()), copy.fingerprint.seen)) {
            Some(copy) => drop(placed.known.entry(copy.id.scope()).or_default().insert(id.to_owned())),
            None => drop(placed.unknown.insert(id.to_owned())),
        }
    }
    Ok(placed)
}

/// What the checks of some of the instances showed.
#[derive(Default)]
struct Looked {
    targets: Vec<LiveInstance>,
    problems: Vec<UncalledInstance>,
    observations: Vec<Observation>,
    /// Why nothing may be called at all.
    distrust: Option<String>,
}

impl Looked {
    fn add(&mut self, other: Looked) {
        self.targets.extend(other.targets);
        self.problems.extend(other.problems);
        self.observations.extend(other.observations);
        self.distrust = self.distrust.take().or(other.distrust);
    }
}

/// Asks every watched region at once for ids that the inventory does not hold, until all are found.
///
/// An instance counts as not found only if every region answered.
async fn search(
    core: &Core,
    aws: &Pinned,
    named: &Named,
    mut unknown: BTreeSet<String>,
) -> Result<Looked, RequestError> {
    let mut seen = Looked::default();
    let mut scopes: Vec<Scope> = core.scopes(&[INSTANCE]).into_iter().map(|state| state.scope).collect();
    if scopes.is_empty() {
        let account = match aws.identify().await {
            Ok(account) => account,
            Err(error) if error.kind == AwsErrorKind::IdentityUnproved => {
                let problems = unknown.into_iter().map(|id| UncalledInstance::of(id, &error));
                return Ok(Looked { problems: problems.collect(), ..Looked::default() });
            }
            Err(error) => return Err(error.into()),
        };
        scopes =
            core.regions().iter().map(|region| Scope { account: account.clone(), region: region.clone() }).collect();
    }
    let asked = unknown.clone();
    let looks = scopes.iter().map(|scope| {
        let chosen = named.choose(scope, |id| asked.contains(id));
        async move { look(aws, &chosen).await }
    });
    let mut looks: FuturesUnordered<_> = looks.collect();
    let mut problems = Vec::new();
    while !unknown.is_empty()
        && let Some(mut found) = looks.next().await
    {
        // Whichever region shows it first has it: an id is unique over regions.
        found.targets.retain(|target| unknown.remove(&*target.id.id));
        found.observations.retain(|seen| found.targets.iter().any(|target| target.id == seen.id));
        problems.append(&mut found.problems);
        let is_distrusted = found.distrust.is_some();
        seen.add(found);
        if is_distrusted {
            break;
        }
    }
    for id in unknown {
        let mut said = problems.iter().filter(|problem| problem.id == id);
        let unanswered = said.clone().find(|problem| problem.verdict != WriteVerdict::NotFound);
        seen.problems.extend(unanswered.or_else(|| said.next()).cloned());
    }
    Ok(seen)
}

/// Describes ids of one scope. Those that AWS does not know, or does not mention, become problems.
async fn look(aws: &Pinned, chosen: &Chosen<'_>) -> Looked {
    let scope = chosen.scope();
    let DescribeResult { answers, not_found, silent, unreadable, failed, .. } = match aws.look(chosen).await {
        Ok(described) => described,
        Err(error) => {
            let problems = chosen.ids().map(|id| UncalledInstance::of(id.to_string(), &error)).collect();
            let distrust = (error.kind == AwsErrorKind::Unasked).then(|| error.explained());
            return Looked { problems, distrust, ..Looked::default() };
        }
    };
    let mut looked = Looked::default();
    for (sent_at, item) in answers.into_iter().flat_map(Page::dated) {
        let id = ResourceId::new(scope, &INSTANCE.kind(), item.id);
        if looked.targets.iter().any(|target| target.id == id) {
            continue;
        }
        let seen = Seen::Described(Arc::clone(&item.document));
        looked.observations.push(Observation { source: Source::Refresh, at: sent_at, id: id.clone(), seen });
        looked.targets.push(LiveInstance { id, document: item.document });
    }
    let problem = |id: Arc<str>, verdict, message: &str| UncalledInstance {
        id: id.to_string(),
        verdict,
        message: message.to_owned(),
    };
    let gone = format!(
        "AWS does not know this instance in account {}, region {}. Check the id; an instance launched seconds ago may not be \
        visible yet.",
        scope.account, scope.region
    );
    looked.problems.extend(not_found.into_iter().map(|id| problem(id, WriteVerdict::NotFound, &gone)));
    let unsaid = "AWS answered, but said nothing about this instance, so it is not known whether it exists. No call was made for it.";
    looked.problems.extend(silent.into_iter().map(|id| problem(id, WriteVerdict::AnswerNotTrusted, unsaid)));
    looked.problems.extend(unreadable.into_iter().map(|(id, why)| {
        let message =
            format!("AWS's answer about this instance cannot be read ({}). No call was made for it.", shown(&why, 240));
        problem(id, WriteVerdict::AnswerNotTrusted, &message)
    }));
    if let Some((left, error)) = failed {
        looked.problems.extend(left.into_iter().map(|id| UncalledInstance::of(id.to_string(), &error)));
    }
    looked
}

/// Describes resources that a tool's call created or that its answer names, so that a read at the returned seq shows them. `None`
/// when AWS does not show them yet, or does not let them be described: then the next sweep shows them.
pub async fn witness(core: &Core, scope: &Scope, spec: &'static KindSpec, ids: &[String]) -> Option<Seq> {
    let described = timeout(SHOWING, core.aws.describe(scope, spec, ids, Priority::Tool)).await.ok()?;
    core.take_in(Lane::Tools, scope, spec, ids, described.answers).await.ok()?.1
}

/// Has resources described again in a moment, and for a minute, because a tool has had AWS change them.
pub async fn mention(core: &Core, scope: &Scope, spec: &'static KindSpec, ids: &[String]) {
    let mention = |id: &String| Observation {
        source: Source::Tool,
        at: core.now(),
        id: ResourceId::new(scope, &spec.kind(), id.as_str()),
        seen: Seen::Mentioned,
    };
    let mentions = ids.iter().map(mention).collect();
    // Where this fails, a sweep shows them later.
    drop(core.ingest.observe(Lane::Tools, mentions, Cause::Refresh).await);
}

/// Runs `work` to its end even when its client leaves.
///
/// # Errors
/// What `work` failed with; [`RequestError::Stopping`] when the runtime ends first.
pub async fn to_the_end<T: Send + 'static>(
    core: &Core,
    work: impl Future<Output = Result<T, RequestError>> + Send + 'static,
) -> Result<T, RequestError> {
    match core.tasks.spawn(within_operation(work)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(RequestError::Stopping),
    }
}

/// The reason not to trust an endpoint that carries out a dry run.
pub const ACTED: &str = "The endpoint ignores DryRun: it carried out a dry run as if it were a real call.";

/// The message for an instance that nothing is called for, because an answer about others cannot be trusted.
#[must_use]
pub fn uncalled(why: &str) -> String {
    format!(
        "No call was made for this instance, because an answer to another part of this request cannot be trusted. {why}"
    )
}

/// Why nothing more is called after a failed call, if it shows that the endpoint may not heed a dry run. AWS answers each dry
/// run with an error that can be read.
#[must_use]
pub fn distrust(error: &AwsError, dry_run: bool) -> Option<&'static str> {
    match error.kind {
        AwsErrorKind::Unreadable if dry_run && error.perhaps_done => {
            Some("The answer to a dry run could not be read, so the endpoint may have carried it out.")
        }
        AwsErrorKind::DryRunIgnored if dry_run => {
            Some("The endpoint ignores DryRun, so no dry run of a change is sent to it.")
        }
        _ => None,
    }
}

/// The message for an instance that nothing is called for, because its call could not be recorded after others of the same request
/// were made. Those are told, so that nobody repeats them.
#[must_use]
pub fn unrecorded(error: &RequestError) -> String {
    format!(
        "Nothing was sent to AWS for this instance, because its call could not be recorded: {}. Repeat the call for this \
        instance alone.",
        shown(error.to_string().trim_end_matches('.'), 300)
    )
}

/// A call of a tool, as the log holds it.
#[derive(Clone, Debug)]
pub struct Intent {
    /// Names the call.
    pub action: ActionId,
    /// What to record of a dry run, which is not in the log: it is recorded only when it turns out to have been carried out.
    unrecorded: Option<ActionRequest>,
}

impl Intent {
    /// Records that `tool` is about to call AWS for `targets` in a call that runs; durable when this returns. A dry run leaves no trace.
    ///
    /// # Errors
    /// When it cannot be recorded; the call must not be made then.
    pub async fn begin(
        core: &Core,
        running: &RunningCall,
        tool: &'static str,
        targets: Vec<ResourceId>,
        dry_run: bool,
    ) -> Result<Self, RequestError> {
        let request = running.request(tool, targets);
        if dry_run {
            return Ok(Intent { action: ActionId(fastrand::u64(..)), unrecorded: Some(request) });
        }
        Ok(Intent { action: core.ingest.begin(request).await?, unrecorded: None })
    }

    /// Records how the call ended. A failure to record it is a remark, not an error, because AWS has acted.
    pub async fn finish(
        self,
        core: &Core,
        end: ActionEnd,
        observations: Vec<Observation>,
    ) -> (Option<Seq>, Option<String>) {
        let Intent { action, unrecorded } = self;
        let recorded = match unrecorded {
            Some(request) => core.ingest.acted(action, request, end, observations).await,
            None => core.ingest.finish(action, end, observations).await,
        };
        match recorded {
            Ok(seq) => (Some(seq), None),
            Err(error) => {
                let remark =
                    format!("AWS answered, but the answer could not be recorded ({error}): the next sweep shows it.");
                (None, Some(remark))
            }
        }
    }
}

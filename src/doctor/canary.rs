//! Checks for each rule whether an event that is put on the bus arrives in the queue, and how long that takes.
//!
//! One call puts a canary for each rule. Where a server receives, its freshness shows which canaries it has seen. Where none
//! does, this check receives: it deletes all canaries, and holds other messages until the end, when they become visible again.
//! That counts as one receive of each, so the check stops at a message that was received nearly as often as the queue's redrive
//! policy allows, and does not search a deep queue.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::finding::{AwsAnswer, Check, Finding, asked, seconds};
use super::listener;
use super::local::RunningServer;
use crate::aws::bus::CustomEvent;
use crate::aws::canary::canaries;
use crate::aws::peek::Peeked;
use crate::aws::queue::{BATCH, Queue};
use crate::aws::{Aws, AwsError};
use crate::kinds::rules::{self, CANARY_SOURCE, RULES, RuleSpec};
use crate::model::{Scope, Timestamp};

pub(crate) static CHECK: Check = Check {
    name: "canary",
    title: "A custom event put on the bus comes back through each rule and the queue, and how long that takes",
};

/// How long a canary may take. EventBridge delivers within about a second; a rule that was just changed takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long one receive waits.
const WAIT: Duration = Duration::from_secs(2);
/// How often to ask a server.
const STEP: Duration = Duration::from_millis(200);
/// How long messages stay invisible to others if this process ends before it makes them visible again.
const HOLD: Duration = Duration::from_mins(1);
/// A queue with more messages than this is not searched.
const DEEP: u64 = 500;

/// Where canaries go.
pub(crate) struct CanaryRoute<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) scope: &'a Scope,
    /// What the names of queues and rules begin with.
    pub(crate) name: &'a str,
    /// The rules without a fault.
    pub(crate) rules: Vec<&'static RuleSpec>,
    pub(crate) queue: &'a Queue,
    /// How many messages wait.
    pub(crate) depth: u64,
    /// After how many receives a message goes to the dead-letter queue.
    pub(crate) most_receives: Option<u64>,
    /// The server that receives, if one does.
    pub(crate) server: Option<&'a dyn RunningServer>,
}

/// The results of sending canaries.
#[derive(Debug, Default)]
pub(crate) struct CanaryResults {
    /// Whether the canaries could be put on the bus; `None` when nobody tried.
    pub(crate) put: Option<AwsAnswer<()>>,
    /// Whether the queue could be received from; `None` when nobody tried.
    pub(crate) received: Option<AwsAnswer<()>>,
    /// Whether messages could be held, for each call.
    pub(crate) held: Vec<AwsAnswer<()>>,
    /// Whether canaries could be deleted, for each call.
    pub(crate) deleted: Vec<AwsAnswer<()>>,
    /// How long each canary took, by its rule's slug.
    pub(crate) back: BTreeMap<String, Duration>,
    /// Why the search ended before its time.
    pub(crate) stopped: Option<String>,
    /// The age of the oldest other message that was received.
    pub(crate) oldest: Option<Duration>,
}

/// Sends a canary for each rule, and waits for all of them.
pub(crate) async fn fly(way: &CanaryRoute<'_>) -> CanaryResults {
    let mut flight = CanaryResults::default();
    if way.server.is_none() && way.depth > DEEP {
        let depth = way.depth;
        flight.stopped = Some(format!(
            "about {depth} messages wait and no server receives them: a search would count as a receive of each. Start \
             `muster serve`, and run doctor again"
        ));
        return flight;
    }
    let sender = format!("doctor-{:016x}", fastrand::u64(..));
    let all = RULES.iter().zip(canaries(way.name, &sender, way.aws.clock().now()));
    let events: Vec<CustomEvent> = all.filter(|(rule, _)| way.rules.contains(rule)).map(|(_, event)| event).collect();
    let started = Instant::now();
    let (put, _) = asked(way.aws.put_events(way.scope, &events)).await;
    let went = put.is_ok();
    flight.put = Some(put.map(drop));
    if went {
        match way.server {
            Some(server) => ask(way, server, &sender, started, &mut flight).await,
            None => receive(way, &sender, started, &mut flight).await,
        }
    }
    flight
}

/// Asks the server until it has seen all of them.
async fn ask(
    way: &CanaryRoute<'_>,
    server: &dyn RunningServer,
    sender: &str,
    started: Instant,
    flight: &mut CanaryResults,
) {
    while flight.back.len() < way.rules.len() && started.elapsed() < PATIENCE {
        let Ok(Ok(said)) = timeout(PATIENCE, server.freshness()).await else {
            flight.stopped = Some("the server ended meanwhile: run doctor again".to_owned());
            return;
        };
        let path = listener::of(&said, &way.scope.region);
        for (rule, (sent, seen)) in path.map(|path| listener::returned(path, sender)).unwrap_or_default() {
            flight.back.entry(rule).or_insert_with(|| took(&sent, &seen).unwrap_or_else(|| started.elapsed()));
        }
        sleep(STEP).await;
    }
}

/// Returns how long a canary took, by the times that sender and receiver noted. Both use AWS's time.
fn took(sent: &str, seen: &str) -> Option<Duration> {
    Some(Timestamp::parse(seen)?.since(Timestamp::parse(sent)?))
}

/// Receives until all canaries came back, and makes other messages visible again.
async fn receive(way: &CanaryRoute<'_>, sender: &str, started: Instant, flight: &mut CanaryResults) {
    let (mut held, mut ended) = (Vec::new(), Vec::new());
    let mut outcome = Ok(());
    while flight.back.len() < way.rules.len() && flight.stopped.is_none() && started.elapsed() < PATIENCE {
        let (peeked, _) = asked(way.aws.peek(way.queue, HOLD, WAIT)).await;
        let peeked = match peeked {
            Ok(peeked) => peeked,
            Err(why) => {
                outcome = Err(why);
                break;
            }
        };
        for peeked in peeked {
            sort(peeked, way, sender, started, flight, &mut held, &mut ended);
        }
    }
    flight.received = Some(outcome);
    // A server extends the visibility of messages while its store is slow. Canaries test the permission.
    if let Some(receipts) = ended.chunks(BATCH).next() {
        flight.held.push(put_right(way.aws.extend(way.queue, receipts, HOLD)).await);
    }
    for receipts in ended.chunks(BATCH) {
        flight.deleted.push(put_right(way.aws.delete(way.queue, receipts)).await);
    }
    // A message that cannot be made visible comes again when its hold ends.
    for receipts in held.chunks(BATCH) {
        flight.held.push(put_right(way.aws.extend(way.queue, receipts, Duration::ZERO)).await);
    }
}

async fn put_right<T>(work: impl Future<Output = Result<T, AwsError>>) -> AwsAnswer<()> {
    asked(work).await.0.map(drop)
}

/// Sorts one message: into `ended`, the receipts to delete, or `held`, those of messages to make visible again.
fn sort(
    peeked: Peeked,
    way: &CanaryRoute<'_>,
    sender: &str,
    started: Instant,
    flight: &mut CanaryResults,
    held: &mut Vec<String>,
    ended: &mut Vec<String>,
) {
    if let Some((rule, sent_by)) = canary(&peeked.message.body) {
        if sent_by == sender {
            flight.back.entry(rule.slug.to_owned()).or_insert_with(|| started.elapsed());
        }
        ended.push(peeked.message.receipt);
        return;
    }
    let age = peeked.sent_at.map(|sent_at| way.aws.clock().now().since(sent_at));
    flight.oldest = flight.oldest.max(age);
    if way.most_receives.is_some_and(|most| u64::from(peeked.message.receives) + 1 >= most) {
        let (id, times) = (&peeked.message.id, peeked.message.receives);
        flight.stopped = Some(format!(
            "message {id} was already received {times} times, and would soon go to the dead-letter queue: start `muster serve`, and run doctor again"
        ));
    }
    held.push(peeked.message.receipt);
}

/// Reads the rule and the sender of a canary; `None` for any other message.
fn canary(body: &str) -> Option<(&'static RuleSpec, String)> {
    let event: Value = serde_json::from_str(body).ok()?;
    if event.get("source")?.as_str()? != CANARY_SOURCE {
        return None;
    }
    let (rule, _) = rules::of_canary(event.get("detail-type")?.as_str()?)?;
    Some((rule, event.pointer("/detail/sent_by")?.as_str()?.to_owned()))
}

/// Judges each rule's canary. A canary that the policy did not allow is skipped: the check of permissions names the cause.
pub(crate) fn judge(rules: &[&'static RuleSpec], name: &str, flight: &CanaryResults, server: bool) -> Vec<Finding> {
    let failed = flight.put.iter().chain(&flight.received).find_map(|outcome| outcome.as_ref().err());
    let judged = rules.iter().map(|rule| {
        let subject = rule.name(name);
        match (flight.back.get(rule.slug), failed, &flight.stopped) {
            (Some(took), _, _) => {
                let by = if server { "the server received it" } else { "it came back" };
                CHECK.ok(subject, format!("{by} after {}", seconds(*took)))
            }
            (None, Some(why), _) => CHECK.unanswered(subject, why),
            (None, None, Some(why)) => CHECK.skipped(subject, &**why),
            (None, None, None) => {
                let fact = format!("it did not come back within {} s", PATIENCE.as_secs());
                let fix = "A rule that was made or changed a moment ago may take a minute: run doctor again. If it still fails, see the \
                           checks of the rule, its target, the queue and its policy; `muster setup` mends them.";
                CHECK.failed(subject, fact, fix)
            }
        }
    });
    judged.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::super::finding::tests::denied;
    use super::*;

    #[test]
    fn a_canary_is_known_by_what_was_put_and_no_other_event_is() {
        for (rule, put) in RULES.iter().zip(canaries("muster", "doctor-1", Timestamp::EPOCH)) {
            let detail: Value = serde_json::from_str(&put.detail).unwrap();
            let body = json!({"source": put.source, "detail-type": put.detail_type, "detail": detail}).to_string();
            assert_eq!(canary(&body), Some((rule, "doctor-1".to_owned())));
        }
        let other = json!({"source": "aws.ec2", "detail-type": RULES[0].canary_type("m"), "detail": {"sent_by": "x"}});
        assert_eq!(canary(&other.to_string()), None);
        assert_eq!(canary("no JSON"), None);
    }

    #[test]
    fn each_rule_is_told_by_its_own_canary() {
        let rules: Vec<&'static RuleSpec> = RULES.iter().take(2).collect();
        let mut flight = CanaryResults { put: Some(Ok(())), received: Some(Ok(())), ..CanaryResults::default() };
        flight.back.insert(rules[0].slug.to_owned(), Duration::from_millis(250));
        let verdicts = |flight: &CanaryResults| -> Vec<Verdict> {
            judge(&rules, "muster", flight, false).iter().map(|finding| finding.verdict).collect()
        };
        assert_eq!(verdicts(&flight), [Verdict::Ok, Verdict::Failed]);
        assert!(judge(&rules, "muster", &flight, false)[0].fact.contains("0.250 s"));
        flight.stopped = Some("too deep".to_owned());
        assert_eq!(verdicts(&flight), [Verdict::Ok, Verdict::Skipped]);
        flight.put = Some(Err(denied("events:PutEvents")));
        assert_eq!(verdicts(&flight), [Verdict::Ok, Verdict::Skipped]);
    }

    #[test]
    fn the_time_taken_is_between_sending_and_seeing() {
        let took = took("2026-11-22T10:00:00.100Z", "2026-11-22T10:00:00.400Z");
        assert_eq!(took, Some(Duration::from_millis(300)));
    }
}

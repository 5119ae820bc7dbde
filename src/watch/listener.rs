//! Receives the events of one scope: finds its queue, receives from it, and sends canaries that prove the path.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::canaries;
use super::events::{self, EventReach, QueueSpeaker, Unreadable};
use super::member::MemberBook;
use super::refresh::Dispatcher;
use super::settings::WatchSettings;
use super::tasks::Tasks;
use crate::aws::queue::Queue;
use crate::aws::{Aws, EventPlan, EventWay};
use crate::freshness::{EventRule, EventSource, SERVER, Signal};
use crate::ingest::IngestHandle;
use crate::kinds::rules::{DEFAULT_NAME, RULES};
use crate::model::{ErrorClass, Scope, Trouble};
use crate::source::backoff::Backoff;

/// How many receivers a queue has: while one waits for the writer or SQS, the others continue.
const RECEIVERS: usize = 4;

/// How long a missing queue is not looked for again: somebody may set it up at any time.
const ABSENT_PAUSE: Duration = Duration::from_mins(2);

/// How this server receives events.
#[derive(Clone)]
pub(super) struct EventListener {
    /// The queues given by URL.
    pub(super) queues: Vec<Queue>,
    /// The prefix of the names of the queues to look for.
    named: Option<String>,
    /// What the entry of an account says in place of these.
    own: EventPlan,
    /// The watched accounts, where there are several.
    members: Option<MemberBook>,
    /// The sender name of this process's canaries.
    sent_by: Arc<str>,
    /// The time from one round of canaries to the next.
    every: Duration,
}

impl EventListener {
    /// A listener with these settings and a sender name of its own. `members` are the watched accounts, where there are several.
    pub(super) fn new(settings: &WatchSettings, members: Option<&MemberBook>) -> Self {
        let WatchSettings { queues, events, canary_interval, .. } = settings;
        EventListener {
            queues: queues.clone(),
            named: events.clone(),
            own: EventPlan::default(),
            members: members.cloned(),
            sent_by: format!("{SERVER}{:08x}", fastrand::u32(..)).into(),
            every: *canary_interval,
        }
    }

    /// The listener of an account whose entry says this.
    pub(super) fn of(&self, plan: &EventPlan) -> Self {
        EventListener { own: plan.clone(), ..self.clone() }
    }

    /// Receives from the queues given by URL, which all watched accounts share. The account need not be known for that.
    pub(super) fn receive(&self, aws: &Aws, ingest: &IngestHandle, tasks: &Tasks, dispatcher: &Dispatcher) {
        for queue in &self.queues {
            receive(aws, queue, ingest, tasks, &self.reach(QueueSpeaker::Everybody, dispatcher));
        }
    }

    fn reach(&self, speaker: QueueSpeaker, dispatcher: &Dispatcher) -> EventReach {
        EventReach { speaker, members: self.members.clone(), dispatcher: dispatcher.clone() }
    }

    /// Sends canaries that prove the events of `scope`; also looks for its queue and receives from it, unless a queue was given. A
    /// queue that is found so speaks for the account of the scope alone. Returns whether its events are to be received.
    pub(super) fn watch(
        &self,
        aws: &Aws,
        scope: &Scope,
        ingest: &IngestHandle,
        tasks: &Tasks,
        dispatcher: &Dispatcher,
    ) -> bool {
        let default = aws.regions().into_iter().next();
        let of = |queue: &Queue| queue.region().cloned().or_else(|| default.clone());
        let given = || self.queues.iter().find(|queue| of(queue).as_ref() == Some(&scope.region));
        let (given, named) = match self.own.of(&scope.region) {
            None => (given(), self.named.as_ref()),
            Some(EventWay::Off) => return false,
            Some(EventWay::Queue(queue)) => (Some(queue), None),
            Some(EventWay::Named(name)) => (None, Some(name)),
        };
        if let Some(queue) = given {
            self.prove(queue, self.named.as_deref(), aws, scope, ingest, tasks);
            return true;
        }
        let Some(name) = named.cloned() else { return false };
        let (listener, aws, scope, ingest, tasks) =
            (self.clone(), aws.clone(), scope.clone(), ingest.clone(), tasks.clone());
        let reach = self.reach(QueueSpeaker::Account(scope.account.clone()), dispatcher);
        tasks.clone().spawn_until_stopped("the search for a queue", async move {
            let queue = found(&aws, &ingest, &scope, &format!("{name}-events")).await;
            tracing::info!(%scope, %queue, "listening to events");
            listener.prove(&queue, Some(&name), &aws, &scope, &ingest, &tasks);
            receive(&aws, &queue, &ingest, &tasks, &reach);
        });
        true
    }

    /// Sends canaries that come back through a queue, by the rules whose names begin with `name`.
    fn prove(&self, queue: &Queue, name: Option<&str>, aws: &Aws, scope: &Scope, ingest: &IngestHandle, tasks: &Tasks) {
        let source = self.source(queue, name.unwrap_or(DEFAULT_NAME), aws);
        ingest.signal(Signal::Listening { scope: scope.clone(), source: source.clone() });
        let (aws, ingest, scope) = (aws.clone(), ingest.clone(), scope.clone());
        let proving = move || canaries::run(aws.clone(), ingest.clone(), scope.clone(), source.clone());
        tasks.spawn_supervised("the canaries", proving);
    }

    fn source(&self, queue: &Queue, name: &str, aws: &Aws) -> EventSource {
        let rules = RULES.iter().map(|rule| EventRule { slug: rule.slug, name: rule.name(name).into() });
        EventSource {
            queue: queue.to_string().into(),
            name: name.into(),
            rules: rules.collect(),
            sent_by: Arc::clone(&self.sent_by),
            every: self.every,
            since: aws.clock().now(),
        }
    }
}

/// Starts the receivers of a queue.
pub(super) fn receive(aws: &Aws, queue: &Queue, ingest: &IngestHandle, tasks: &Tasks, reach: &EventReach) {
    let unreadable = Unreadable::default();
    for _ in 0..RECEIVERS {
        let (aws, queue, ingest) = (aws.clone(), Arc::new(queue.clone()), ingest.clone());
        let (reach, unreadable) = (reach.clone(), unreadable.clone());
        let receiving =
            move || events::run(aws.clone(), Arc::clone(&queue), ingest.clone(), unreadable.clone(), reach.clone());
        tasks.spawn_supervised("the events", receiving);
    }
}

/// Looks for a queue until it exists; the reason for the delay is shown meanwhile.
async fn found(aws: &Aws, ingest: &IngestHandle, scope: &Scope, name: &str) -> Queue {
    let (mut backoff, since) = (Backoff::new(), aws.clock().now());
    loop {
        let (trouble, pause) = match aws.queue_url(scope, name).await {
            Ok(Some(queue)) => return queue,
            Ok(None) => {
                backoff.succeeded();
                let what = format!("there is no queue {name} in {}", scope.region);
                let fix = "Run `muster setup`, which creates it; Muster looks for it every 2 minutes".to_owned();
                (Trouble { class: ErrorClass::NotFound.into(), what, fix, since, retry_at: None }, ABSENT_PAUSE)
            }
            Err(error) => {
                let pause = match error.class {
                    ErrorClass::Throttled | ErrorClass::Transient => backoff.failed(),
                    _ => ABSENT_PAUSE,
                };
                (error.to_trouble(since), pause)
            }
        };
        tracing::warn!(%scope, what = trouble.what, fix = trouble.fix, "no events are received");
        ingest.signal(Signal::NoQueue { scope: scope.clone(), why: trouble });
        sleep(pause).await;
    }
}

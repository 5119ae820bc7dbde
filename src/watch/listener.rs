//! Listens to the events of one scope: finds its queue, receives from it, and puts the canaries that prove the way there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::canaries;
use super::events::{self, Unreadable};
use super::settings::WatchSettings;
use super::tasks::Tasks;
use crate::aws::Aws;
use crate::aws::queue::Queue;
use crate::freshness::{EventRule, EventSource, SERVER, Signal};
use crate::ingest::Handle;
use crate::kinds::rules::{DEFAULT_NAME, RULES};
use crate::model::{ErrorClass, Scope, Trouble};
use crate::source::backoff::Backoff;

/// How many tasks receive from one queue: while one waits for the writer or for SQS, the others continue.
const RECEIVERS: usize = 4;

/// How long to wait before looking again for a queue that does not exist.
const ABSENT_PAUSE: Duration = Duration::from_mins(2);

/// How this server listens to events.
#[derive(Clone, Debug)]
pub(super) struct EventListener {
    /// The queues that were named by their URLs.
    queues: Vec<Queue>,
    /// What the names of the queues begin with that are looked for.
    named: Option<String>,
    /// The name under which this process puts canaries.
    sent_by: Arc<str>,
    /// From one round of canaries to the next.
    every: Duration,
}

impl EventListener {
    /// Listens as the settings say, under a name of its own.
    pub(super) fn new(settings: &WatchSettings) -> Self {
        let WatchSettings { queues, events, canary_interval, .. } = settings;
        let sent_by = format!("{SERVER}{:08x}", fastrand::u32(..)).into();
        EventListener { queues: queues.clone(), named: events.clone(), sent_by, every: *canary_interval }
    }

    /// Whether events are listened to at all.
    pub(super) fn listens(&self) -> bool {
        self.named.is_some() || !self.queues.is_empty()
    }

    /// Receives from the queues that were named by their URLs. Whose account it is need not be known for that.
    pub(super) fn receive(&self, aws: &Aws, ingest: &Handle, tasks: &Tasks) {
        for queue in &self.queues {
            receive(aws, queue, ingest, tasks);
        }
    }

    /// Puts canaries that prove the events of `scope`, and looks for its queue and receives from it, unless the queue was named.
    pub(super) fn watch(&self, aws: &Aws, scope: &Scope, ingest: &Handle, tasks: &Tasks) {
        let default = aws.regions().into_iter().next();
        let of = |queue: &Queue| queue.region().cloned().or_else(|| default.clone());
        let given = self.queues.iter().find(|queue| of(queue).as_ref() == Some(&scope.region));
        if let Some(queue) = given {
            self.prove(queue, aws, scope, ingest, tasks);
        } else if let Some(name) = &self.named {
            let (listener, aws, scope, ingest, tasks) =
                (self.clone(), aws.clone(), scope.clone(), ingest.clone(), tasks.clone());
            let queue = format!("{name}-events");
            tasks.clone().spawn_until_stopped("the search for a queue", async move {
                let queue = found(&aws, &ingest, &scope, &queue).await;
                tracing::info!(%scope, %queue, "listening to events");
                listener.prove(&queue, &aws, &scope, &ingest, &tasks);
                receive(&aws, &queue, &ingest, &tasks);
            });
        }
    }

    /// Puts canaries that come back through a queue.
    fn prove(&self, queue: &Queue, aws: &Aws, scope: &Scope, ingest: &Handle, tasks: &Tasks) {
        let source = self.source(queue, aws);
        ingest.signal(Signal::Listening { scope: scope.clone(), source: source.clone() });
        let (aws, ingest, scope) = (aws.clone(), ingest.clone(), scope.clone());
        let proving = move || canaries::run(aws.clone(), ingest.clone(), scope.clone(), source.clone());
        tasks.spawn_supervised("the canaries", proving);
    }

    fn source(&self, queue: &Queue, aws: &Aws) -> EventSource {
        let name = self.named.as_deref().unwrap_or(DEFAULT_NAME);
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

/// Receives from a queue, several at a time.
fn receive(aws: &Aws, queue: &Queue, ingest: &Handle, tasks: &Tasks) {
    let unreadable = Unreadable::default();
    for _ in 0..RECEIVERS {
        let (aws, queue, ingest) = (aws.clone(), Arc::new(queue.clone()), ingest.clone());
        let unreadable = unreadable.clone();
        let receiving = move || events::run(aws.clone(), Arc::clone(&queue), ingest.clone(), unreadable.clone());
        tasks.spawn_supervised("the events", receiving);
    }
}

/// Looks for a queue until it is there; what keeps it from being found shows meanwhile.
async fn found(aws: &Aws, ingest: &Handle, scope: &Scope, name: &str) -> Queue {
    let (mut backoff, since) = (Backoff::new(), aws.clock().now());
    loop {
        let (trouble, pause) = match aws.queue_url(scope, name).await {
            Ok(Some(queue)) => return queue,
            Ok(None) => {
                backoff.succeeded();
                let what = format!("there is no queue {name} in {}", scope.region);
                let fix = "Run `muster setup`, which makes it; the server looks for it every 2 minutes".to_owned();
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
        tracing::warn!(%scope, what = trouble.what, fix = trouble.fix, "no events are listened to");
        ingest.signal(Signal::NoQueue { scope: scope.clone(), why: trouble });
        sleep(pause).await;
    }
}

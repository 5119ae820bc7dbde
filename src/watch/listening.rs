//! Listens to the events of one scope: finds its queue, receives from it, and puts the canaries that prove the way there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::events::{self, Unreadable};
use super::tasks::Tasks;
use crate::aws::Aws;
use crate::aws::queue::Queue;
use crate::config::Config;
use crate::freshness::Freshness;
use crate::freshness::path::{Listening, Rule, SERVER};
use crate::ingest::Handle;
use crate::kinds::rules::{DEFAULT_NAME, RULES};
use crate::model::{ErrorClass, Scope, Trouble};
use crate::source::backoff::Backoff;
use crate::watch::canaries;

/// How many receive from one queue: while one waits for the writer or for SQS, the others go on.
const RECEIVERS: usize = 4;

/// How long a queue that is absent is not looked for again: somebody may set it up at any time.
const ABSENT_PAUSE: Duration = Duration::from_mins(2);

/// How this server listens to events.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// The queues that were named by their URLs.
    queues: Vec<Queue>,
    /// What the queues to be found begin with.
    named: Option<String>,
    /// The name that this process puts canaries under.
    sent_by: Arc<str>,
    /// How often.
    every: Duration,
}

impl Listener {
    /// As configured.
    pub(crate) fn new(config: &Config) -> Self {
        let sent_by = format!("{SERVER}{:08x}", fastrand::u32(..)).into();
        let (queues, named, every) = (config.queues.clone(), config.events.clone(), config.canary_interval);
        Listener { queues, named, sent_by, every }
    }

    /// Whether events are listened to at all.
    pub(crate) fn listens(&self) -> bool {
        self.named.is_some() || !self.queues.is_empty()
    }

    /// Receives from the queues that were named by their URLs. Whose account it is need not be known for that.
    pub(crate) fn receive(&self, aws: &Aws, ingest: &Handle, tasks: &Tasks) {
        for queue in &self.queues {
            receive(aws, queue, ingest, tasks);
        }
    }

    /// Proves the way that events take to `scope`, and finds its queue, unless it was named.
    pub(crate) fn watch(&self, aws: &Aws, scope: &Scope, ingest: &Handle, tasks: &Tasks) {
        let default = aws.regions().into_iter().next();
        let of = |queue: &Queue| queue.region().cloned().or_else(|| default.clone());
        let given = self.queues.iter().find(|queue| of(queue).as_ref() == Some(&scope.region));
        let freshness = ingest.freshness().clone();
        if let Some(queue) = given {
            let listening = self.listening(queue, aws);
            freshness.listen(scope, listening.clone());
            prove(aws, &freshness, scope, &listening, tasks);
        } else if let Some(name) = &self.named {
            let (listener, aws, scope, ingest, tasks) =
                (self.clone(), aws.clone(), scope.clone(), ingest.clone(), tasks.clone());
            let queue = format!("{name}-events");
            tasks.clone().spawn_until_stopped("the search for a queue", async move {
                let queue = found(&aws, &freshness, &scope, &queue).await;
                tracing::info!(%scope, %queue, "listening to events");
                let listening = listener.listening(&queue, &aws);
                freshness.listen(&scope, listening.clone());
                receive(&aws, &queue, &ingest, &tasks);
                prove(&aws, &freshness, &scope, &listening, &tasks);
            });
        }
    }

    fn listening(&self, queue: &Queue, aws: &Aws) -> Listening {
        let name = self.named.as_deref().unwrap_or(DEFAULT_NAME);
        let rules = RULES.iter().map(|rule| Rule { slug: rule.slug, name: rule.name(name).into() });
        Listening {
            queue: queue.to_string().into(),
            name: name.into(),
            rules: rules.collect(),
            sent_by: Arc::clone(&self.sent_by),
            every: self.every,
            since: aws.clock().now(),
        }
    }
}

fn receive(aws: &Aws, queue: &Queue, ingest: &Handle, tasks: &Tasks) {
    let unreadable = Unreadable::default();
    for _ in 0..RECEIVERS {
        let (aws, queue, ingest) = (aws.clone(), Arc::new(queue.clone()), ingest.clone());
        let unreadable = unreadable.clone();
        let receiving = move || events::run(aws.clone(), Arc::clone(&queue), ingest.clone(), unreadable.clone());
        tasks.spawn_supervised("the events", receiving);
    }
}

fn prove(aws: &Aws, freshness: &Freshness, scope: &Scope, listening: &Listening, tasks: &Tasks) {
    let (aws, freshness, scope, listening) = (aws.clone(), freshness.clone(), scope.clone(), listening.clone());
    let proving = move || canaries::run(aws.clone(), freshness.clone(), scope.clone(), listening.clone());
    tasks.spawn_supervised("the canaries", proving);
}

/// Looks for a queue until it is there; what keeps it from being found shows meanwhile.
async fn found(aws: &Aws, freshness: &Freshness, scope: &Scope, name: &str) -> Queue {
    let (mut backoff, since) = (Backoff::new(), aws.clock().now());
    loop {
        let (trouble, pause) = match aws.queue_url(scope, name).await {
            Ok(Some(queue)) => return queue,
            Ok(None) => {
                backoff.succeeded();
                let what = format!("there is no queue {name} in {}", scope.region);
                let fix = "Run `muster setup`, which makes it; it is looked for every 2 minutes".to_owned();
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
        freshness.miss(scope, trouble);
        sleep(pause).await;
    }
}

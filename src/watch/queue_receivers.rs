//! The receivers of the queues that entries of accounts name by URL or ARN. A queue that several name is received from once.

use std::collections::BTreeMap;

use super::events::{EventReach, QueueSpeaker};
use super::listener::receive;
use super::member::MemberBook;
use super::refresh::Dispatcher;
use super::tasks::Tasks;
use crate::aws::Aws;
use crate::aws::queue::Queue;
use crate::freshness::Signal;
use crate::ingest::IngestHandle;
use crate::model::AccountId;

/// The receivers of the queues that entries name.
pub(super) struct QueueReceivers {
    /// The connection that receives from queues that accounts share.
    root: Aws,
    ingest: IngestHandle,
    tasks: Tasks,
    dispatcher: Dispatcher,
    book: MemberBook,
    running: BTreeMap<String, RunningReceiver>,
}

/// The receivers of one queue.
struct RunningReceiver {
    /// The number of the member whose credentials are used.
    by: Option<u64>,
    tasks: Tasks,
}

/// A watched account, as far as queues ask.
pub(super) struct QueueUser<'a> {
    /// Its number.
    pub(super) number: u64,
    /// The account, where it is known.
    pub(super) account: Option<AccountId>,
    /// The queues that its entry names.
    pub(super) queues: Vec<&'a Queue>,
    /// Its connection.
    pub(super) aws: &'a Aws,
}

impl QueueReceivers {
    /// Receives from no queue yet.
    pub(super) fn new(
        root: &Aws,
        ingest: &IngestHandle,
        tasks: &Tasks,
        dispatcher: &Dispatcher,
        book: &MemberBook,
    ) -> Self {
        QueueReceivers {
            root: root.clone(),
            ingest: ingest.clone(),
            tasks: tasks.clone(),
            dispatcher: dispatcher.clone(),
            book: book.clone(),
            running: BTreeMap::new(),
        }
    }

    /// Receives from exactly the queues that these accounts name from now on, but for those that are set for all (`common`).
    pub(super) fn keep(&mut self, users: &[QueueUser<'_>], common: &[Queue]) {
        let named = users.iter().flat_map(|user| &user.queues).filter(|queue| !common.contains(queue));
        let wanted: BTreeMap<String, &Queue> = named.map(|queue| (queue.to_string(), *queue)).collect();
        let by: BTreeMap<&str, Option<u64>> =
            wanted.iter().map(|(text, queue)| (text.as_str(), credentials(queue, users))).collect();
        let ingest = &self.ingest;
        self.running.retain(|queue, running| {
            let stays = by.get(queue.as_str()).is_some_and(|by| *by == running.by);
            if !stays {
                running.tasks.end();
                ingest.signal(Signal::Receiving { queue: queue.clone(), trouble: None });
            }
            stays
        });
        for (text, queue) in &wanted {
            if self.running.contains_key(text) {
                continue;
            }
            let by = by.get(text.as_str()).copied().flatten();
            let aws = users.iter().find(|user| Some(user.number) == by).map_or(&self.root, |user| user.aws);
            let tasks = self.tasks.part();
            let reach = EventReach {
                speaker: QueueSpeaker::Entries,
                members: Some(self.book.clone()),
                dispatcher: self.dispatcher.clone(),
            };
            tracing::info!(%queue, "listening to events");
            receive(aws, queue, &self.ingest, &tasks, &reach);
            self.running.insert(text.clone(), RunningReceiver { by, tasks });
        }
    }
}

/// The number of the account whose credentials receive from a queue: the only one that names it, as long as the queue may be its own.
/// From a queue that accounts share Muster's own credentials receive, as from one that is set for all.
fn credentials(queue: &Queue, users: &[QueueUser<'_>]) -> Option<u64> {
    let mut naming = users.iter().filter(|user| user.queues.contains(&queue));
    let (first, other) = (naming.next()?, naming.next());
    let is_own = match (&first.account, queue.account()) {
        (Some(account), Some(owner)) => account == owner,
        _ => true,
    };
    (is_own && other.is_none()).then_some(first.number)
}

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

    /// Receives from exactly the queues that these accounts name from now on, but for those that are set for all (`common`), each
    /// with the credentials that fit what is known of the accounts now.
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

/// The number of the account whose credentials receive from a queue: the only one that names it, unless the queue says that it is
/// another's. Until it is known which account an entry leads to, a queue that says whose it is counts as another's. From that, and
/// from a queue that accounts share, Muster's own credentials receive, as from one that is set for all.
fn credentials(queue: &Queue, users: &[QueueUser<'_>]) -> Option<u64> {
    let mut naming = users.iter().filter(|user| user.queues.contains(&queue));
    let (first, other) = (naming.next()?, naming.next());
    let is_own = queue.account().is_none_or(|owner| first.account.as_ref() == Some(owner));
    (is_own && other.is_none()).then_some(first.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::AwsSettings;

    const OURS: &str = "111122223333";
    const THEIRS: &str = "444455556666";

    #[tokio::test]
    async fn a_queue_that_says_whose_it_is_is_received_from_with_its_owners_credentials_or_musters_own() {
        // Nothing is called.
        let settings = AwsSettings { emulator: Some("http://127.0.0.1:1".to_owned()), ..AwsSettings::default() };
        let aws = Aws::load(settings).await;
        let owned: Queue = format!("https://sqs.eu-west-1.amazonaws.com/{OURS}/events").parse().unwrap();
        let unsaid: Queue = "http://localhost:1/queues/events".parse().unwrap();
        let user = |number, account: Option<&str>, queue| QueueUser {
            number,
            account: account.map(AccountId::new),
            queues: vec![queue],
            aws: &aws,
        };
        let by = |queue, account| credentials(queue, &[user(7, account, queue)]);
        assert_eq!(by(&owned, Some(OURS)), Some(7));
        assert_eq!(by(&owned, Some(THEIRS)), None, "the central queue of another account");
        assert_eq!(by(&owned, None), None, "an entry with a profile, whose account is not known yet");
        assert_eq!((by(&unsaid, Some(OURS)), by(&unsaid, None)), (Some(7), Some(7)));
        let both = [user(7, Some(OURS), &owned), user(8, Some(THEIRS), &owned)];
        assert_eq!((credentials(&owned, &both), credentials(&unsaid, &both)), (None, None), "shared, and not named");
    }
}

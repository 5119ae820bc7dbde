//! All queues of all accounts, and their names.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::simulator::clock::Moment;
use crate::simulator::ident::ScopeKey;
use crate::simulator::refusal::Refusal;
use crate::simulator::sqs::attributes::Attributes;
use crate::simulator::sqs::queue::Queue;

/// All queues.
#[derive(Debug, Default)]
pub(crate) struct Sqs(RwLock<HashMap<ScopeKey, Queues>>);

#[derive(Debug, Default)]
struct Queues {
    live: BTreeMap<String, Arc<Queue>>,
    /// When the queue of a name was deleted. The name cannot be used again for a minute.
    deleted: BTreeMap<String, Moment>,
}

impl Sqs {
    pub(crate) fn find(&self, account: &str, region: &str, name: &str) -> Option<Arc<Queue>> {
        let scope = (account.to_owned(), region.to_owned());
        self.0.read().get(&scope)?.live.get(name).cloned()
    }

    /// The queue with an ARN, `arn:aws:sqs:region:account:name`.
    pub(crate) fn find_arn(&self, arn: &str) -> Option<Arc<Queue>> {
        let (account, region, name) = parts(arn)?;
        self.find(account, region, name)
    }

    /// The names of an account's queues in a region, sorted.
    pub(super) fn names(&self, account: &str, region: &str) -> Vec<String> {
        let scope = (account.to_owned(), region.to_owned());
        self.0.read().get(&scope).map(|queues| queues.live.keys().cloned().collect()).unwrap_or_default()
    }

    /// Creates a queue, or returns the existing one of that name; the result says which.
    ///
    /// # Errors
    /// When a queue of that name was deleted less than a minute ago.
    pub(crate) fn create(
        &self,
        account: &str,
        region: &str,
        name: &str,
        attributes: Attributes,
        now: Moment,
    ) -> Result<(Arc<Queue>, bool), Refusal> {
        let mut all = self.0.write();
        let queues = all.entry((account.to_owned(), region.to_owned())).or_default();
        if let Some(queue) = queues.live.get(name) {
            return Ok((Arc::clone(queue), false));
        }
        if queues.deleted.get(name).is_some_and(|at| now < at.plus(Duration::from_mins(1))) {
            let message =
                "You must wait 60 seconds after deleting a queue before you can create another with the same name.";
            return Err(Refusal::new(400, "QueueDeletedRecently", message));
        }
        let queue = Arc::new(Queue::new(name.to_owned(), arn(account, region, name), attributes, now));
        queues.live.insert(name.to_owned(), Arc::clone(&queue));
        Ok((queue, true))
    }

    pub(super) fn delete(&self, account: &str, region: &str, name: &str, now: Moment) {
        let mut all = self.0.write();
        let queues = all.entry((account.to_owned(), region.to_owned())).or_default();
        if let Some(queue) = queues.live.remove(name) {
            queues.deleted.insert(name.to_owned(), now);
            queue.close();
        }
    }
}

/// A queue's URL at an endpoint.
pub(crate) fn url(base: &str, account: &str, name: &str) -> String {
    format!("{base}/{account}/{name}")
}

/// A queue's ARN.
pub(crate) fn arn(account: &str, region: &str, name: &str) -> String {
    format!("arn:aws:sqs:{region}:{account}:{name}")
}

/// The account, region and name in a queue's ARN.
pub(crate) fn parts(arn: &str) -> Option<(&str, &str, &str)> {
    let (region, rest) = arn.strip_prefix("arn:aws:sqs:")?.split_once(':')?;
    let (account, name) = rest.split_once(':')?;
    Some((account, region, name))
}

/// Whether a standard queue can have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=80).contains(&name.len()) && name.bytes().all(allowed)
}

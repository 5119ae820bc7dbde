//! SQS: standard queues of every account and region, and the actions on them.
//!
//! A queue belongs to the account in its URL and to the region of the credential scope; queues of other accounts do not
//! exist for a caller, whatever their policies say. There are no FIFO queues: a name for one is refused.

mod attributes;
mod handle;
mod message_attributes;
mod messages;
mod policy;
mod queue;
mod queues;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use serde_json::Value;

use crate::simulator::clock::Moment;
use crate::simulator::json;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;

pub(crate) use attributes::Attributes;
pub(crate) use policy::Sender;
pub(crate) use queue::{Message, Queue};
pub(crate) use queues::is_name;

type Scope = (String, String);

/// One call, with everything its answer may depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) body: &'a [u8],
    /// The caller's access key, the `SenderId` of what it sends.
    pub(crate) sender: &'a str,
    /// `http://host:port` as the caller reached it: queue URLs lead back the same way.
    pub(crate) base: &'a str,
    pub(crate) now: Moment,
}

type Answer = Result<Value, Refusal>;

/// An action that answers at once; receiving is the one that waits.
struct Action {
    name: &'static str,
    answer: fn(&Call) -> Answer,
}

const RECEIVE: &str = "ReceiveMessage";

static ACTIONS: [Action; 16] = [
    Action { name: "ChangeMessageVisibility", answer: messages::change_visibility },
    Action { name: "ChangeMessageVisibilityBatch", answer: messages::change_visibility_batch },
    Action { name: "CreateQueue", answer: queues::create },
    Action { name: "DeleteMessage", answer: messages::delete },
    Action { name: "DeleteMessageBatch", answer: messages::delete_batch },
    Action { name: "DeleteQueue", answer: queues::delete },
    Action { name: "GetQueueAttributes", answer: queues::get_attributes },
    Action { name: "GetQueueUrl", answer: queues::get_url },
    Action { name: "ListQueueTags", answer: queues::list_tags },
    Action { name: "ListQueues", answer: queues::list },
    Action { name: "PurgeQueue", answer: queues::purge },
    Action { name: "SendMessage", answer: messages::send },
    Action { name: "SendMessageBatch", answer: messages::send_batch },
    Action { name: "SetQueueAttributes", answer: queues::set_attributes },
    Action { name: "TagQueue", answer: queues::tag },
    Action { name: "UntagQueue", answer: queues::untag },
];

/// Whether the simulator has an action of this name.
pub(crate) fn knows(action: &str) -> bool {
    names().any(|name| name == action)
}

/// The names of all actions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|action| action.name).chain([RECEIVE])
}

/// Answers one call. A long poll takes as long as it says, by the runtime's time.
pub(crate) async fn answer(call: &Call<'_>, action: &str) -> Answer {
    if action == RECEIVE {
        return messages::receive(call).await;
    }
    let found = ACTIONS.iter().find(|known| known.name == action);
    let known = found.ok_or_else(|| Refusal::invalid_action(action))?;
    (known.answer)(call)
}

/// All queues.
#[derive(Debug, Default)]
pub(crate) struct Sqs(RwLock<HashMap<Scope, Queues>>);

#[derive(Debug, Default)]
struct Queues {
    live: BTreeMap<String, Arc<Queue>>,
    /// When a name was last given up: it is blocked for a minute.
    deleted: BTreeMap<String, Moment>,
}

impl Sqs {
    pub(crate) fn find(&self, account: &str, region: &str, name: &str) -> Option<Arc<Queue>> {
        let scope = (account.to_owned(), region.to_owned());
        self.0.read().get(&scope)?.live.get(name).cloned()
    }

    /// The queue of an ARN, `arn:aws:sqs:region:account:name`.
    pub(crate) fn find_arn(&self, arn: &str) -> Option<Arc<Queue>> {
        let (account, region, name) = parts(arn)?;
        self.find(account, region, name)
    }

    /// The names of an account's queues in a region, in order.
    fn names(&self, account: &str, region: &str) -> Vec<String> {
        let scope = (account.to_owned(), region.to_owned());
        self.0.read().get(&scope).map(|queues| queues.live.keys().cloned().collect()).unwrap_or_default()
    }

    /// Makes a queue, or hands back the one of that name and says so.
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

    fn delete(&self, account: &str, region: &str, name: &str, now: Moment) {
        let mut all = self.0.write();
        let queues = all.entry((account.to_owned(), region.to_owned())).or_default();
        if let Some(queue) = queues.live.remove(name) {
            queues.deleted.insert(name.to_owned(), now);
            queue.close();
        }
    }
}

impl Call<'_> {
    fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, Refusal> {
        json::read(self.body)
    }

    /// The queue a URL names.
    fn queue(&self, url: Option<&str>) -> Result<Arc<Queue>, Refusal> {
        let url = url.filter(|url| !url.is_empty()).ok_or_else(|| Refusal::missing("QueueUrl"))?;
        let mut segments = url.rsplit('/');
        let (name, account) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        if name.is_empty() || account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            let message = format!("The address {url} is not valid for this endpoint.");
            return Err(Refusal::new(404, "InvalidAddress", message));
        }
        let own = (account == self.account).then(|| self.world.sqs().find(account, self.region, name));
        own.flatten().ok_or_else(queue::gone)
    }

    fn url(&self, queue: &str) -> String {
        url(self.base, self.account, queue)
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

/// Account, region and name of a queue's ARN.
pub(crate) fn parts(arn: &str) -> Option<(&str, &str, &str)> {
    let (region, rest) = arn.strip_prefix("arn:aws:sqs:")?.split_once(':')?;
    let (account, name) = rest.split_once(':')?;
    Some((account, region, name))
}

//! SQS: standard queues in every account and region, and the actions on them.
//!
//! A queue belongs to the account in its URL and to the region of the credential scope. A caller cannot use queues of
//! other accounts, whatever their policies say. There are no FIFO queues; a name for one is refused.

mod attributes;
mod call;
mod handle;
mod message_attributes;
mod messages;
mod policy;
mod queue;
mod queues;
mod service;

use crate::simulator::refusal::Refusal;

use call::Answer;

pub(crate) use attributes::Attributes;
pub(crate) use call::Call;
pub(crate) use policy::Sender;
pub(crate) use queue::Message;
pub(crate) use service::{Sqs, arn, is_name, parts, url};

/// An action that answers at once. Receiving is the only one that waits.
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

/// Answers one call. A long poll waits in the runtime's time, not the simulated one.
pub(crate) async fn answer(call: &Call<'_>, action: &str) -> Answer {
    if action == RECEIVE {
        return messages::receive(call).await;
    }
    let found = ACTIONS.iter().find(|known| known.name == action);
    let known = found.ok_or_else(|| Refusal::invalid_action(action))?;
    (known.answer)(call)
}

//! Replaces the ids of a client's requests by unique numbers, so that a reused id never gets the answer to its first use.
//!
//! rmcp finds the request that an answer belongs to by the client's id. When a client cancels a request and uses the id
//! again while the first handler still runs, the late answer of the first goes out as the answer of the second. Here each
//! request gets a number that is used once, and the client's id comes back on what is sent to it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, GetExtensions, GetMeta, JsonRpcMessage, RequestId, ServerJsonRpcMessage,
    ServerResult,
};
use rmcp::service::{OriginatingRequestId, RoleServer};
use rmcp::transport::Transport;

use super::leaving_answers::{LeavingAnswer, LeavingAnswers};
use crate::mcp::normalise::Conversation;

/// A transport whose requests are numbered.
pub(super) struct Numbered<T> {
    inner: T,
    conversation: Arc<Mutex<Conversation>>,
    leaving: LeavingAnswers,
    numbers: RequestNumbers,
}

impl<T> Numbered<T> {
    /// Numbers what comes from `inner`, and tells `conversation` what was answered, and `leaving` until when the answer is on its way.
    pub(super) fn new(inner: T, conversation: Arc<Mutex<Conversation>>, leaving: LeavingAnswers) -> Self {
        Numbered { inner, conversation, leaving, numbers: RequestNumbers::default() }
    }
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Numbered<T> {
    type Error = T::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        let mut answer: Option<LeavingAnswer> = None;
        let item = self.numbers.outbound(item, |id| {
            answer = Some(self.leaving.begin(id));
            self.conversation.lock().answered(id);
        });
        let sending = item.map(|item| self.inner.send(item));
        async move {
            let sent = match sending {
                Some(sending) => sending.await,
                None => Ok(()),
            };
            drop(answer);
            sent
        }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let item = self.inner.receive().await?;
        Some(self.numbers.inbound(item, |id| self.conversation.lock().answered(id)))
    }

    fn close(&mut self) -> impl Future<Output = Result<(), Self::Error>> + Send {
        self.inner.close()
    }
}

/// Which number replaces which id of the client.
#[derive(Default)]
struct RequestNumbers {
    last: i64,
    by_number: HashMap<i64, RequestId>,
    by_id: HashMap<RequestId, i64>,
}

impl RequestNumbers {
    fn inbound(&mut self, mut item: ClientJsonRpcMessage, freed: impl Fn(&RequestId)) -> ClientJsonRpcMessage {
        match &mut item {
            JsonRpcMessage::Request(request) => {
                self.last += 1;
                self.by_number.insert(self.last, request.id.clone());
                let id = std::mem::replace(&mut request.id, RequestId::Number(self.last));
                self.by_id.insert(id, self.last);
            }
            JsonRpcMessage::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &mut notification.notification
                    && let Some(id) = cancelled.params.request_id.take()
                {
                    // A cancellation that arrives before its request has no effect.
                    if let Some(number) = self.by_id.remove(&id) {
                        self.by_number.remove(&number);
                        // rmcp sends no answer to a request that was cancelled.
                        freed(&id);
                        cancelled.params.request_id = Some(RequestId::Number(number));
                    }
                }
            }
            JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
        }
        item
    }

    /// The message with the client's id; `None` when its request is over.
    fn outbound(
        &mut self,
        mut item: ServerJsonRpcMessage,
        mut freed: impl FnMut(&RequestId),
    ) -> Option<ServerJsonRpcMessage> {
        match &mut item {
            JsonRpcMessage::Response(response) => {
                response.id = self.take(&response.id)?;
                freed(&response.id);
                if let ServerResult::SubscriptionsListenResult(ended) = &mut response.result {
                    ended.meta.set_subscription_id(response.id.clone());
                }
            }
            JsonRpcMessage::Error(error) => {
                if let Some(id) = &mut error.id {
                    *id = self.take(id)?;
                    freed(id);
                }
            }
            JsonRpcMessage::Notification(notification) => {
                let notification = &mut notification.notification;
                if let Some(number) = notification.get_meta().subscription_id() {
                    let id = self.id(&number)?.clone();
                    notification.get_meta_mut().set_subscription_id(id);
                }
            }
            JsonRpcMessage::Request(request) => {
                // A question about a request of the client goes out on the stream of that request, which is found by the client's id.
                if let Some(about) = request.request.extensions_mut().get_mut::<OriginatingRequestId>()
                    && let Some(id) = self.id(&about.0)
                {
                    about.0 = id.clone();
                }
            }
        }
        Some(item)
    }

    fn id(&self, number: &RequestId) -> Option<&RequestId> {
        match number {
            RequestId::Number(number) => self.by_number.get(number),
            RequestId::String(_) => None,
        }
    }

    fn take(&mut self, number: &RequestId) -> Option<RequestId> {
        let RequestId::Number(number) = number else { return None };
        let id = self.by_number.remove(number)?;
        if self.by_id.get(&id) == Some(number) {
            self.by_id.remove(&id);
        }
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn client(message: Value) -> ClientJsonRpcMessage {
        serde_json::from_value(message).unwrap()
    }

    fn request(numbers: &mut RequestNumbers, id: impl Into<Value>) -> i64 {
        let message = client(json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/list"}));
        match numbers.inbound(message, |_| ()) {
            JsonRpcMessage::Request(request) => match request.id {
                RequestId::Number(number) => number,
                RequestId::String(text) => panic!("not numbered: {text}"),
            },
            other => panic!("no request: {other:?}"),
        }
    }

    fn answer(numbers: &mut RequestNumbers, number: i64) -> Option<Value> {
        let message = json!({"jsonrpc": "2.0", "id": number, "result": {}});
        let sent = numbers.outbound(serde_json::from_value(message).unwrap(), |_| ())?;
        Some(serde_json::to_value(sent).unwrap()["id"].clone())
    }

    #[test]
    fn the_late_answer_to_a_cancelled_request_is_not_the_answer_to_the_next_one_of_its_id() {
        let mut numbers = RequestNumbers::default();
        let first = request(&mut numbers, 7);
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
        let cancelled = serde_json::to_value(numbers.inbound(client(cancel), |_| ())).unwrap();
        assert_eq!(cancelled["params"]["requestId"], first);
        let second = request(&mut numbers, 7);
        assert_ne!(first, second);
        assert_eq!(answer(&mut numbers, first), None);
        assert_eq!(answer(&mut numbers, second), Some(json!(7)));
        assert!(numbers.by_number.is_empty() && numbers.by_id.is_empty());
    }

    #[test]
    fn a_number_and_its_text_are_two_ids_and_each_gets_its_own_answer() {
        let mut numbers = RequestNumbers::default();
        let (number, text) = (request(&mut numbers, 1), request(&mut numbers, "1"));
        assert_eq!(answer(&mut numbers, text), Some(json!("1")));
        assert_eq!(answer(&mut numbers, number), Some(json!(1)));
        assert_eq!(answer(&mut numbers, number), None);
    }

    #[test]
    fn cancelling_what_is_not_there_cancels_nothing() {
        let mut numbers = RequestNumbers::default();
        request(&mut numbers, "a");
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
        let freed = |id: &RequestId| panic!("{id} may still be on its way");
        let cancelled = serde_json::to_value(numbers.inbound(client(cancel), freed)).unwrap();
        assert_eq!(cancelled["params"].get("requestId"), None, "{cancelled}");
    }

    #[test]
    fn a_subscription_is_told_of_under_the_id_of_its_request() {
        let mut numbers = RequestNumbers::default();
        let number = request(&mut numbers, "listen");
        let key = "io.modelcontextprotocol/subscriptionId";
        let told = json!({
            "jsonrpc": "2.0", "method": "notifications/resources/list_changed", "params": {"_meta": {key: number}},
        });
        let told: ServerJsonRpcMessage = serde_json::from_value(told).unwrap();
        let sent = serde_json::to_value(numbers.outbound(told.clone(), |_| ()).unwrap()).unwrap();
        assert_eq!(sent["params"]["_meta"][key], "listen");
        assert_eq!(answer(&mut numbers, number), Some(json!("listen")));
        assert!(numbers.outbound(told, |_| ()).is_none(), "it is over");
    }

    #[test]
    fn a_question_of_the_server_goes_out_with_the_id_of_the_request_that_it_is_about() {
        let mut numbers = RequestNumbers::default();
        let number = request(&mut numbers, "call");
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
        let mut question: ServerJsonRpcMessage = serde_json::from_value(ping).unwrap();
        let JsonRpcMessage::Request(asked) = &mut question else { panic!("{question:?}") };
        asked.request.extensions_mut().insert(OriginatingRequestId(RequestId::Number(number)));
        let Some(JsonRpcMessage::Request(sent)) = numbers.outbound(question, |_| ()) else { panic!("it is sent") };
        let about = sent.request.extensions().get::<OriginatingRequestId>().unwrap();
        assert_eq!(about.0, RequestId::String("call".into()));
        assert_eq!(answer(&mut numbers, number), Some(json!("call")), "it is answered as before");
    }
}

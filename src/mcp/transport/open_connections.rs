//! The open connections of HTTP, and which of them closes when there are too many.
//!
//! A connection is idle until a request has arrived whole, and again when its answer has gone out. When one more connects than may
//! be open, the connection that has been idle for the longest time is closed. So whoever opens connections and sends nothing, or
//! halves of requests, closes connections of their own.

use std::sync::Arc;

use axum::response::Response;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::answered_body::AnsweredBody;
use crate::mcp::idle::IdleQueue;
use crate::mcp::operations::Operations;

/// The open connections. Clones share them.
#[derive(Clone)]
pub(super) struct OpenConnections(Arc<Mutex<ConnectionTable>>);

struct ConnectionTable {
    most: usize,
    open: usize,
    idle: IdleQueue<CancellationToken>,
    /// Where the number of open ones is noted.
    operations: Option<Arc<Operations>>,
}

impl ConnectionTable {
    fn note(&self) {
        if let Some(operations) = &self.operations {
            operations.note_connections(self.open);
        }
    }
}

/// One open connection. It counts until it is dropped, or closed in favour of another.
pub(super) struct OpenConnection {
    all: OpenConnections,
    /// Its number while it is idle.
    idle: Mutex<Option<u64>>,
    closed: CancellationToken,
}

/// A request that is being answered: its connection is not idle.
pub(super) struct Answering(Arc<OpenConnection>);

impl OpenConnections {
    /// At most `most` connections.
    pub(super) fn new(most: usize) -> Self {
        let table = ConnectionTable { most, open: 0, idle: IdleQueue::default(), operations: None };
        OpenConnections(Arc::new(Mutex::new(table)))
    }

    /// Notes how many are open from now on.
    pub(super) fn measured(self, operations: Arc<Operations>) -> Self {
        self.0.lock().operations = Some(operations);
        self
    }

    /// Adds a connection. `None` when there are too many, and none of them is idle.
    pub(super) fn add(&self) -> Option<Arc<OpenConnection>> {
        let mut table = self.0.lock();
        if table.open >= table.most {
            table.idle.remove_longest()?.cancel();
            table.open -= 1;
        }
        table.open += 1;
        table.note();
        let closed = CancellationToken::new();
        let idle = Mutex::new(Some(table.idle.add(closed.clone())));
        drop(table);
        Some(Arc::new(OpenConnection { all: self.clone(), idle, closed }))
    }
}

impl OpenConnection {
    /// Waits until the connection is to be closed in favour of another.
    pub(super) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    /// Begins to answer a request that has arrived whole.
    pub(super) fn answer(self: Arc<Self>) -> Answering {
        let mut table = self.all.0.lock();
        if let Some(number) = self.idle.lock().take() {
            table.idle.remove(number);
        }
        drop(table);
        Answering(self)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut table = self.all.0.lock();
        if !self.closed.is_cancelled() {
            table.open -= 1;
            table.note();
            if let Some(number) = self.idle.get_mut().take() {
                table.idle.remove(number);
            }
        }
    }
}

impl Answering {
    /// Lasts until the body of `response` has gone out.
    pub(super) fn until_sent(self, response: Response) -> Response {
        AnsweredBody::keeping(response, self)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let connection = &self.0;
        let mut table = connection.all.0.lock();
        if !connection.closed.is_cancelled() {
            *connection.idle.lock() = Some(table.idle.add(connection.closed.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, HttpBody};
    use futures::FutureExt;

    use super::*;

    fn is_closed(connection: &OpenConnection) -> bool {
        connection.closed().now_or_never().is_some()
    }

    #[test]
    fn the_connection_that_has_been_idle_for_the_longest_time_closes_for_one_more() {
        let all = OpenConnections::new(3);
        let [first, second, third] = [(); 3].map(|()| all.add().unwrap());
        let answering = Arc::clone(&first).answer();
        let fourth = all.add().unwrap();
        assert!(is_closed(&second) && !is_closed(&first) && !is_closed(&third));
        drop(answering);
        // The first one is idle for a shorter time than the third.
        let fifth = all.add().unwrap();
        assert!(is_closed(&third) && !is_closed(&first));
        let _answering = [first, fourth, fifth].map(OpenConnection::answer);
        assert!(all.add().is_none(), "nobody is idle");
    }

    #[test]
    fn what_closed_by_itself_or_for_another_is_not_counted() {
        let all = OpenConnections::new(2);
        for _ in 0..10 {
            drop(all.add().unwrap());
        }
        let first = all.add().unwrap();
        let _second = all.add().unwrap().answer();
        let third = all.add().unwrap();
        assert!(is_closed(&first));
        // It ends after it was closed.
        drop(Arc::clone(&first).answer());
        drop(first);
        let _third = third.answer();
        assert!(all.add().is_none());
        let table = all.0.lock();
        assert_eq!((table.open, table.idle.len()), (2, 0));
    }

    #[tokio::test]
    async fn an_answer_lasts_until_its_body_has_gone_out() {
        let all = OpenConnections::new(1);
        let connection = all.add().unwrap();
        let response = Arc::clone(&connection).answer().until_sent(Response::new(Body::from("whole")));
        assert_eq!(response.body().size_hint().exact(), Some(5));
        assert!(all.add().is_none());
        let body = axum::body::to_bytes(response.into_body(), 10).await.unwrap();
        assert_eq!(&body[..], b"whole");
        assert!(all.add().is_some() && is_closed(&connection));
    }
}

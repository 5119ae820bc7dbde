//! The calls of tools that may change AWS, by the names that front ends give them.
//!
//! A front end whose connection broke asks what became of a call. A call that was asked about before it began never begins: it may
//! still stand in the buffer of a connection that broke, and the front end was told that nothing was sent to AWS.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rmcp::model::JsonObject;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::call_origin::CallOrigin;
use crate::model::{ActionRequest, ResourceId};

/// How many names of calls that may not begin any more are kept. One matters only while a broken connection is read to its end.
const KEPT: usize = 4096;
/// The longest name.
const MAX_NAME: usize = 64;
/// The longest time for which a call is sent again and again.
const MAX_ELAPSED: Duration = Duration::from_hours(24);

const NAME: &str = "muster/call";
const ELAPSED: &str = "muster/elapsed_ms";

/// What a front end says of a call, in its metadata.
#[derive(Clone, Debug, Default)]
pub struct CallMeta {
    /// Its name.
    pub name: Option<Arc<str>>,
    /// How long ago the client made it; more than nothing when it is sent again.
    pub elapsed: Duration,
}

impl CallMeta {
    /// Reads the metadata of a request. A name that no front end makes counts as none.
    #[must_use]
    pub fn of(meta: &JsonObject) -> Self {
        let is_plain = |name: &&str| {
            !name.is_empty()
                && name.len() <= MAX_NAME
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let name = meta.get(NAME).and_then(|name| name.as_str()).filter(is_plain).map(Arc::from);
        let elapsed = meta.get(ELAPSED).and_then(serde_json::Value::as_u64).map(Duration::from_millis);
        CallMeta { name, elapsed: elapsed.unwrap_or_default().min(MAX_ELAPSED) }
    }
}

/// The calls that run, and those that may not begin any more. Clones share one book.
#[derive(Clone, Debug, Default)]
pub struct CallBook(Arc<Mutex<BookedCalls>>);

#[derive(Debug, Default)]
struct BookedCalls {
    running: HashMap<Arc<str>, CancellationToken>,
    forbidden: VecDeque<Arc<str>>,
}

/// A call that runs, until the last clone is dropped.
#[derive(Clone, Debug, Default)]
pub struct RunningCall {
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Who made it, and with what.
    pub origin: CallOrigin,
    _entry: Option<Arc<CallEntry>>,
}

impl RunningCall {
    /// A call of AWS that is part of this one, as the log records it.
    #[must_use]
    pub fn request(&self, tool: &str, targets: Vec<ResourceId>) -> ActionRequest {
        self.origin.request(tool, targets, self.name.as_deref())
    }
}

/// The entry of a call in the book.
#[derive(Debug)]
struct CallEntry {
    book: CallBook,
    name: Arc<str>,
    _ended: DropGuard,
}

impl Drop for CallEntry {
    fn drop(&mut self) {
        self.book.0.lock().running.remove(&self.name);
    }
}

impl CallBook {
    /// Begins a call; `None` if it may not begin any more, or runs already. One without a name always may.
    #[must_use]
    pub fn begin(&self, name: Option<&Arc<str>>) -> Option<RunningCall> {
        let Some(name) = name else { return Some(RunningCall::default()) };
        let mut calls = self.0.lock();
        if calls.forbidden.contains(name) || calls.running.contains_key(name) {
            return None;
        }
        let ended = CancellationToken::new();
        calls.running.insert(Arc::clone(name), ended.clone());
        let entry = CallEntry { book: self.clone(), name: Arc::clone(name), _ended: ended.drop_guard() };
        Some(RunningCall { name: Some(Arc::clone(name)), origin: CallOrigin::default(), _entry: Some(Arc::new(entry)) })
    }

    /// Waits until a call does not run, which from then on it never does.
    pub async fn settle(&self, name: &Arc<str>) {
        loop {
            let running = {
                let mut calls = self.0.lock();
                let running = calls.running.get(name).cloned();
                if running.is_none() && !calls.forbidden.contains(name) {
                    calls.forbidden.push_back(Arc::clone(name));
                    if calls.forbidden.len() > KEPT {
                        calls.forbidden.pop_front();
                    }
                }
                running
            };
            match running {
                Some(ended) => ended.cancelled().await,
                None => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn a_call_that_was_asked_about_never_begins_and_one_that_runs_is_waited_for() {
        let book = CallBook::default();
        let (first, second): (Arc<str>, Arc<str>) = (Arc::from("a-1"), Arc::from("a-2"));
        book.settle(&first).await;
        assert!(book.begin(Some(&first)).is_none());
        let running = book.begin(Some(&second)).unwrap();
        assert!(book.begin(Some(&second)).is_none(), "once at a time");
        let waiting = book.settle(&second);
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            () = &mut waiting => panic!("it runs"),
            () = tokio::task::yield_now() => {}
        }
        drop(running);
        waiting.await;
        assert!(book.begin(Some(&second)).is_none());
        assert!(book.begin(None).is_some());
    }

    #[test]
    fn a_name_is_short_and_plain_or_none() {
        let name = |name: Value| match json!({"muster/call": name, "muster/elapsed_ms": 5}) {
            Value::Object(meta) => CallMeta::of(&meta),
            _ => CallMeta::default(),
        };
        assert_eq!(name(json!("0a-1")).name.as_deref(), Some("0a-1"));
        assert_eq!(name(json!("0a-1")).elapsed, Duration::from_millis(5));
        for wrong in [json!(""), json!(7), json!("a b"), json!("a\u{202e}"), json!("x".repeat(65))] {
            assert_eq!(name(wrong).name, None);
        }
    }
}

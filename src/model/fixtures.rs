//! What the unit tests of every module are about: an account and a region, a kind, ids, moments, and clocks that they set.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::{AccountId, Clock, Document, Kind, Map, Region, ResourceId, Row, RowFields, Scope, Seq, Timestamp, Value};

/// The account.
pub(crate) const ACCOUNT: &str = "123456789012";

/// So many seconds after the epoch.
pub(crate) fn at(second: i64) -> Timestamp {
    at_millis(second * 1000)
}

/// So many milliseconds after the epoch.
pub(crate) fn at_millis(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// The account in us-east-1.
pub(crate) fn scope() -> Scope {
    scope_in("us-east-1")
}

/// The account in a region.
pub(crate) fn scope_in(region: &str) -> Scope {
    Scope { account: AccountId::new(ACCOUNT), region: Region::new(region) }
}

/// Instances.
pub(crate) fn kind() -> Kind {
    Kind::new("AWS::EC2::Instance")
}

/// An instance of [`scope`].
pub(crate) fn id(name: &str) -> ResourceId {
    ResourceId::new(&scope(), &kind(), name)
}

/// A row of an instance with these fields.
pub(crate) fn row(fields: RowFields) -> Row {
    Row { id: id("i-1"), fields, digest: 0, provisional: false, seen: Timestamp::EPOCH, changed: Seq::ZERO }
}

/// What a document holds as its state.
pub(crate) fn state(name: &str) -> Value {
    Value::Map(Map::from([("Name", name.into())]))
}

/// What a document holds as its tags.
pub(crate) fn tags<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let tag = |(key, value): (&str, &str)| Value::Map(Map::from([("Key", key.into()), ("Value", value.into())]));
    Value::List(pairs.into_iter().map(tag).collect())
}

/// A value of a document, written as JSON.
pub(crate) fn json_value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => Value::Int(number.as_i64().unwrap()),
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(list) => Value::List(list.iter().map(json_value).collect()),
        serde_json::Value::Object(fields) => {
            Value::Map(fields.iter().map(|(name, field)| (name.clone(), json_value(field))).collect())
        }
    }
}

/// A document, written as JSON.
pub(crate) fn json_document(json: &serde_json::Value) -> Document {
    let Value::Map(fields) = json_value(json) else { panic!("{json} is no object") };
    Document::new(fields)
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Default)]
pub(crate) struct SetClock {
    now: AtomicI64,
    steady_since: AtomicI64,
}

impl SetClock {
    /// One that stands at a moment.
    pub(crate) fn new(at: Timestamp) -> Self {
        SetClock { now: at.as_millis().into(), steady_since: AtomicI64::default() }
    }

    /// Time passes.
    pub(crate) fn pass(&self, by: Duration) {
        self.set(self.now() + by);
    }

    /// From now on it shows `at`.
    pub(crate) fn set(&self, at: Timestamp) {
        self.now.store(at.as_millis(), Ordering::Relaxed);
    }

    /// It jumped just now.
    pub(crate) fn jumped(&self) {
        self.steady_since.store(self.now().as_millis(), Ordering::Relaxed);
    }
}

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        at_millis(self.now.load(Ordering::Relaxed))
    }

    fn steady_since(&self) -> Timestamp {
        at_millis(self.steady_since.load(Ordering::Relaxed))
    }
}

/// A clock that goes with the runtime's time, which tests may pause, and that they can set ahead of it.
#[derive(Debug)]
pub(crate) struct RuntimeClock {
    from: Timestamp,
    begun: Instant,
    ahead: AtomicI64,
    steady_since: AtomicI64,
}

impl RuntimeClock {
    /// One that shows `from` now.
    pub(crate) fn from(from: Timestamp) -> Self {
        RuntimeClock { from, begun: Instant::now(), ahead: AtomicI64::default(), steady_since: AtomicI64::default() }
    }

    /// From now on it is as far ahead of where it was set to begin.
    pub(crate) fn ahead(&self, by: Duration) {
        self.ahead.store(i64::try_from(by.as_millis()).unwrap(), Ordering::Relaxed);
    }

    /// It jumps to where it is as far ahead.
    pub(crate) fn jump(&self, by: Duration) {
        self.ahead(by);
        self.steady_since.store(self.now().as_millis(), Ordering::Relaxed);
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        at_millis((self.from + self.begun.elapsed()).as_millis() + self.ahead.load(Ordering::Relaxed))
    }

    fn steady_since(&self) -> Timestamp {
        at_millis(self.steady_since.load(Ordering::Relaxed))
    }
}

//! Small inventories for tests, written as JSON.

use tempfile::TempDir;

use crate::kinds;
use crate::model::{
    AccountId, Cause, Document, Event, Evidence, Map, Region, ResourceId, Scope, Source, Timestamp, Value,
};
use crate::store::{CommitBatch, Store, StoreOptions, Writer};

/// Where everything is.
pub(super) fn scope() -> Scope {
    Scope { account: AccountId::new("123456789012"), region: Region::new("us-east-1") }
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => Value::Int(number.as_i64().unwrap()),
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(list) => Value::List(list.iter().map(value).collect()),
        serde_json::Value::Object(fields) => {
            Value::Map(fields.iter().map(|(name, field)| (name.clone(), value(field))).collect::<Map>())
        }
    }
}

/// A document.
pub(super) fn document(json: &serde_json::Value) -> Document {
    let Value::Map(fields) = value(json) else { panic!("an object") };
    Document::new(fields)
}

/// The id of a resource of a kind.
pub(super) fn resource(slug: &str, id: &str) -> ResourceId {
    ResourceId::new(&scope(), &kinds::by_slug(slug).unwrap().kind(), id.to_owned())
}

/// A store that a first look at these resources filled: kind, id, and the rest of the document.
pub(super) fn store(resources: &[(&str, &str, serde_json::Value)]) -> (TempDir, Writer, Store) {
    let dir = tempfile::tempdir().unwrap();
    let options = StoreOptions { cache_bytes: 4 << 20, ..StoreOptions::new(dir.path(), kinds::project) };
    let (mut writer, store) = crate::store::open(options).unwrap();
    let entries = resources.iter().map(|(slug, id, rest)| {
        let mut rest = rest.clone();
        rest[kinds::by_slug(slug).unwrap().id_field] = (*id).into();
        let evidence = Evidence { source: Source::Sweep, at: Timestamp::from_millis(1_000) };
        let (id, document) = (resource(slug, id), document(&rest));
        (Cause::Baseline, Event::Discovered { id, document, evidence, mapping: 1 })
    });
    let entries = entries.collect();
    writer
        .commit(CommitBatch { recorded_at: Timestamp::from_millis(2_000), entries, ..CommitBatch::default() })
        .unwrap();
    store.build_index().unwrap();
    (dir, writer, store)
}

//! Small inventories for tests, written as JSON.

use tempfile::TempDir;

use crate::kinds;
use crate::model::fixtures::{json_document, scope};
use crate::model::{Cause, Event, Evidence, ResourceId, Source, Timestamp};
use crate::store::{CommitBatch, Store, StoreOptions, Writer};

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
        let (id, document) = (resource(slug, id), json_document(&rest));
        (Cause::Baseline, Event::Discovered { id, document, evidence, mapping: 1 })
    });
    let entries = entries.collect();
    writer
        .commit(CommitBatch { recorded_at: Timestamp::from_millis(2_000), entries, ..CommitBatch::default() })
        .unwrap();
    store.build_index().unwrap();
    (dir, writer, store)
}

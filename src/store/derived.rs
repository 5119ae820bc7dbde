//! Forms of a record or resource in other tables.

use super::codec::{self, DiskHead, EncodeError};
use crate::model::known::Tombstone;
use crate::model::{Current, Event, Recorded, ResourceId, RowFields, Timestamp};

/// The resources whose timeline shows an event: the one it changes, or those that a call names.
pub(super) fn subjects(event: &Event) -> &[ResourceId] {
    event.resource().map_or_else(|| event.targets(), std::slice::from_ref)
}

/// The row of a resource, as stored.
pub(super) fn row_bytes(key: &[u8], current: &Current, fields: &RowFields) -> Result<Vec<u8>, EncodeError> {
    let head = DiskHead {
        digest: current.document.fingerprint(current.mapping).to_le_bytes(),
        provisional: current.provisional.is_some(),
        seen: current.evidence.newest().as_millis(),
        changed: current.changed.0,
        name: fields.name.as_deref(),
        owner: fields.owner.as_deref(),
    };
    codec::encode_row(key, head, fields)
}

/// The tombstone of a removed resource.
pub(super) fn tombstone(at: Timestamp, record: &Recorded, last: Current) -> Tombstone {
    Tombstone { at, removed_at: record.recorded_at, seq: record.seq, document: last.document }
}

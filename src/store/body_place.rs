//! Where a resource's body stands: once in the file, whoever shows it.
//!
//! A version of a resource is named by the record that made it. A record changes one resource, so its seq alone is the name.
//! `current` and `base` hold all of a resource but its document, and name the version (`changed`) whose body they show:
//!
//! - The record of a discovery holds the body itself. A version that a discovery made is read there while the log holds the record.
//!   Most resources never change, so theirs has no second place.
//! - Any other version stands in the table `bodies` under its seq, as long as `current` or `base` shows it.
//!
//! Folding a discovery moves its body from the record to the table. Both shares of a version go on naming it: at the horizon, a
//! resource that did not change since has the same version in `base` as in `current`.
//!
//! From this follows who shows a version that a change leaves behind, without a look: a version at or below the horizon is that of
//! `base`; a later one, unless a discovery made it, is nobody's, and its body is removed.
//!
//! A damaged body is therefore damaged for everybody who shows it, and `muster log verify` finds it. A version in the table above the
//! horizon is made again of `base` and the log, by a repair or when its records are folded. A discovery and a version that `base` shows
//! have no second copy: a repair ends the log there or gives the resource up, which the next sweep then finds anew. A backup has its own
//! copy.

use redb::{AccessGuard, ReadableTable, StorageError};

use super::codec::{self, DecodeError, DiskKnown, RecordFault};
use super::stored::StoredDocument;
use crate::model::{Document, Seq};

/// The place of a version's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyPlace {
    /// The record of its discovery.
    Record(Seq),
    /// The table `bodies`.
    Table(Seq),
}

impl BodyPlace {
    /// The place of the body of the version that record `changed` made of a resource, while the log is folded up to `horizon`.
    pub(super) fn of(discovered: u64, changed: u64, horizon: u64) -> Self {
        if changed == discovered && changed > horizon {
            BodyPlace::Record(Seq(changed))
        } else {
            BodyPlace::Table(Seq(changed))
        }
    }

    /// The same of what a record of `current` or `base` shows.
    pub(super) fn of_known(known: &DiskKnown<'_>, horizon: u64) -> Self {
        Self::of(known.discovered(), known.changed, horizon)
    }

    /// The seq in the table `bodies` if the body is removed with the version: nothing else shows it.
    pub(super) fn left_behind(self, horizon: u64) -> Option<u64> {
        match self {
            BodyPlace::Table(seq) if seq.0 > horizon => Some(seq.0),
            _ => None,
        }
    }

    /// The document.
    pub(super) fn document<E>(
        self,
        events: &impl ReadableTable<u64, &'static [u8]>,
        bodies: &impl ReadableTable<u64, &'static [u8]>,
    ) -> Result<Document, E>
    where
        E: From<StorageError> + From<DecodeError>,
    {
        let bytes = self.bytes::<E>(events, bodies)?;
        Ok(match self {
            BodyPlace::Record(seq) => codec::decode_discovered(seq, bytes.value())?,
            BodyPlace::Table(seq) => codec::decode_body(seq, bytes.value())?,
        })
    }

    /// The document in its stored form.
    pub(super) fn stored<E>(
        self,
        events: &impl ReadableTable<u64, &'static [u8]>,
        bodies: &impl ReadableTable<u64, &'static [u8]>,
    ) -> Result<StoredDocument, E>
    where
        E: From<StorageError> + From<DecodeError>,
    {
        let bytes = self.bytes::<E>(events, bodies)?;
        let tokens = match self {
            BodyPlace::Record(seq) => codec::discovered_tokens(seq, bytes.value())?,
            BodyPlace::Table(seq) => codec::body_tokens(seq, bytes.value())?,
        };
        Ok(StoredDocument::new(tokens))
    }

    fn bytes<'t, E>(
        self,
        events: &'t impl ReadableTable<u64, &'static [u8]>,
        bodies: &'t impl ReadableTable<u64, &'static [u8]>,
    ) -> Result<AccessGuard<'t, &'static [u8]>, E>
    where
        E: From<StorageError> + From<DecodeError>,
    {
        let found = match self {
            BodyPlace::Record(seq) => events.get(seq.0)?.ok_or_else(|| codec::event_fault(seq, RecordFault::Missing)),
            BodyPlace::Table(seq) => bodies.get(seq.0)?.ok_or_else(|| codec::body_fault(seq, RecordFault::Missing)),
        };
        Ok(found?)
    }
}

//! Rows as they are stored; and, where another version of their kind's projection made one or it is damaged, as they would be
//! stored now: a row is made of what `current` holds, so nothing of it is lost.

use super::{Fingerprint, Head, ReadError, Snapshot};
use crate::model::{Document, Kind, ResourceId, Row, Seq};
use crate::store::codec::{self, DiskHead, DiskRow};
use crate::store::row_view::RowView;

impl Snapshot {
    /// Calls `visit` with at most `limit` rows of a kind after `after`, and returns the last one's id: where to go on with
    /// the next snapshot. `None` when there are no more. Copies nothing: several times as fast as [`Snapshot::rows`].
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn each_row(
        &self,
        kind: &Kind,
        after: Option<&ResourceId>,
        limit: usize,
        mut visit: impl FnMut(&ResourceId, &RowView<'_>),
    ) -> Result<Option<ResourceId>, ReadError> {
        let mut version = None;
        let visited = self.page(kind, None, after, limit, |id, key, bytes| {
            match codec::decode_row(key, bytes) {
                Ok(DiskRow { head, projection, facets, tags })
                    if projection == *version.get_or_insert_with(|| self.projection(&id)) =>
                {
                    visit(&id, &RowView { name: head.name, changed: Seq(head.changed), facets, tags });
                }
                _ => visit(&id, &RowView::of(&self.row_or_made(&id, key, bytes, &mut version)?)),
            }
            Ok(id)
        })?;
        Ok(if visited.len() < limit { None } else { visited.into_iter().next_back() })
    }

    /// The version of the projection that makes rows of a resource's kind now.
    fn projection(&self, id: &ResourceId) -> u32 {
        (self.0.project)(id, &Document::default()).projection
    }

    /// A row as it is stored; or as it would be stored now, when another version of the projection made it or it is damaged.
    /// `version` is that of the kind, once it was looked up.
    pub(super) fn row_or_made(
        &self,
        id: &ResourceId,
        key: &[u8],
        bytes: &[u8],
        version: &mut Option<u32>,
    ) -> Result<Row, ReadError> {
        match codec::decode_row(key, bytes) {
            Ok(disk) if disk.projection == *version.get_or_insert_with(|| self.projection(id)) => {
                Ok(row(id.clone(), &disk))
            }
            Ok(disk) => match self.current(id)? {
                Some(current) => Ok(self.row_of(id, &current)),
                None => Ok(row(id.clone(), &disk)),
            },
            Err(error) => {
                self.0.damages.note(key, Some(id), &error);
                let current = self.current(id)?.ok_or(error)?;
                Ok(self.row_of(id, &current))
            }
        }
    }

    /// The same of its head, which does not depend on what rows are made of.
    pub(super) fn head_or_made(&self, id: ResourceId, key: &[u8], bytes: &[u8]) -> Result<Head, ReadError> {
        if let Ok(disk) = codec::decode_head(key, bytes) {
            return Ok(head(id, &disk));
        }
        let Row { id, fields, digest, provisional, seen, changed } = self.row_or_made(&id, key, bytes, &mut None)?;
        let fingerprint = Fingerprint { digest, provisional, seen };
        Ok(Head { id, name: fields.name, owner: fields.owner, fingerprint, changed })
    }
}

fn head(id: ResourceId, disk: &DiskHead<'_>) -> Head {
    Head {
        id,
        name: disk.name.map(str::to_owned),
        owner: disk.owner.map(str::to_owned),
        fingerprint: Fingerprint::of(disk),
        changed: Seq(disk.changed),
    }
}

fn row(id: ResourceId, disk: &DiskRow<'_>) -> Row {
    let Fingerprint { digest, provisional, seen } = Fingerprint::of(&disk.head);
    Row { id, fields: disk.fields(), digest, provisional, seen, changed: Seq(disk.head.changed) }
}

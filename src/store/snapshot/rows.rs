//! Rows as stored. A row that is damaged, or was made by another version of its kind's projection, is made again from `current`, so
//! nothing is lost.

use super::{Fingerprint, Head, ReadError, Snapshot};
use crate::model::{Document, Kind, ResourceId, Row, ScopeFilter, Seq};
use crate::store::codec::{self, DiskHead, DiskRow};
use crate::store::row_view::RowView;

impl Snapshot {
    /// Calls `visit` with at most `limit` rows of a kind after `after`, and returns the last one's id, from which the next snapshot
    /// continues. `None` if there are no more. Copies nothing: several times as fast as [`Snapshot::rows`].
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
        let visited = self.page(kind, &ScopeFilter::Everywhere, after, limit, |id, key, bytes| {
            match codec::decode_row(key, bytes) {
                Ok(disk) if disk.projection == *version.get_or_insert_with(|| self.projection(&id)) => {
                    visit(&id, &disk.into());
                }
                _ => visit(&id, &RowView::of(&self.row_or_made(&id, key, bytes, &mut version)?)),
            }
            Ok(id)
        })?;
        Ok(if visited.len() < limit { None } else { visited.into_iter().next_back() })
    }

    /// The current version of the projection of a resource's kind, which takes as long to make as a row.
    fn projection(&self, id: &ResourceId) -> u32 {
        let mut known = self.0.projections.lock();
        if let Some((_, version)) = known.iter().find(|(kind, _)| *kind == id.kind) {
            return *version;
        }
        let version = (self.0.project)(id, &Document::default()).projection;
        known.push((id.kind.clone(), version));
        version
    }

    /// A row as stored, or made again if another version of the projection made it or it is damaged. `version` caches the version
    /// of the kind.
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
            Ok(disk) => match self.current(id) {
                Ok(Some(current)) => Ok(self.row_of(id, &current)),
                // What another version made of it is better than its absence.
                Ok(None) | Err(ReadError::Damaged(_)) => Ok(row(id.clone(), &disk)),
                Err(error) => Err(error),
            },
            Err(error) => {
                self.0.damages.note(key, Some(id), &error);
                let current = self.current(id)?.ok_or(error)?;
                Ok(self.row_of(id, &current))
            }
        }
    }

    /// The same for its head, which does not depend on the projection.
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

impl<'a> From<DiskRow<'a>> for RowView<'a> {
    fn from(DiskRow { head, facets, tags, .. }: DiskRow<'a>) -> Self {
        RowView {
            name: head.name,
            changed: Seq(head.changed),
            facets: facets.into_iter().map(|(number, value)| (number, value.0)).collect(),
            tags: tags.into_iter().map(|(key, value)| (key.0, value.0)).collect(),
        }
    }
}

fn row(id: ResourceId, disk: &DiskRow<'_>) -> Row {
    let Fingerprint { digest, provisional, seen } = Fingerprint::of(&disk.head);
    Row { id, fields: disk.fields(), digest, provisional, seen, changed: Seq(disk.head.changed) }
}

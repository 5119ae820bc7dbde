//! A store file that is never written: whatever redb writes stays in memory.
//!
//! Opening a redb file changes bytes of it, and checking its integrity writes a commit. Neither may happen to a file that is
//! examined for damage, or to a backup. Few pages are written; everything else is read from the file. A file that a writer has open
//! is refused, since it would change meanwhile.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::ops::{Bound, Range};
use std::path::Path;

use parking_lot::Mutex;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

const PAGE: usize = 4096;

/// A store file whose changes stay in memory.
#[derive(Debug)]
pub(super) struct ReadOnlyFile {
    file: Box<dyn StorageBackend>,
    changed: Mutex<Changed>,
}

/// The changes to the file.
#[derive(Debug)]
struct Changed {
    length: u64,
    /// The file is cut off here: nothing behind it is visible any more.
    intact: u64,
    /// Written pages, by number.
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl ReadOnlyFile {
    /// The file at `path`, which must not be open for writing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Self::over(Box::new(FileBackend::new(File::open(path)?).map_err(io::Error::other)?))
    }

    /// Wraps an open file, which is only read.
    pub(super) fn over(file: Box<dyn StorageBackend>) -> io::Result<Self> {
        let length = file.len()?;
        Ok(ReadOnlyFile { file, changed: Mutex::new(Changed { length, intact: length, pages: BTreeMap::new() }) })
    }

    /// Reads a part of one page with its changes.
    fn load(&self, changed: &Changed, page: u64, part: Range<usize>, out: &mut [u8]) -> io::Result<()> {
        if let Some(bytes) = changed.pages.get(&page) {
            out.copy_from_slice(bytes.get(part).ok_or(io::ErrorKind::UnexpectedEof)?);
            return Ok(());
        }
        let from = page * PAGE as u64 + part.start as u64;
        let there = usize::try_from(changed.intact.saturating_sub(from)).unwrap_or(usize::MAX).min(out.len());
        let (read, rest) = out.split_at_mut(there);
        rest.fill(0);
        if read.is_empty() { Ok(()) } else { self.file.read(from, read) }
    }
}

/// The pages that hold `length` bytes from `offset` on: each one's number, the part of it, and the length of that part.
fn pages(offset: u64, length: usize) -> impl Iterator<Item = (u64, Range<usize>)> {
    let end = offset + length as u64;
    let mut at = offset;
    std::iter::from_fn(move || {
        let left = usize::try_from(end - at).unwrap_or(usize::MAX);
        let start = usize::try_from(at % PAGE as u64).unwrap_or_default();
        let taken = left.min(PAGE - start);
        let page = at / PAGE as u64;
        at += taken as u64;
        (taken > 0).then_some((page, start..start + taken))
    })
}

impl StorageBackend for ReadOnlyFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.changed.lock().length)
    }

    fn read(&self, offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        let changed = self.changed.lock();
        if offset.checked_add(out.len() as u64).is_none_or(|end| end > changed.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, part) in pages(offset, out.len()) {
            let (here, rest) = out.split_at_mut(part.len());
            self.load(&changed, page, part, here)?;
            out = rest;
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut changed = self.changed.lock();
        if length < changed.length {
            changed.intact = changed.intact.min(length);
            let last = length.div_ceil(PAGE as u64);
            drop(changed.pages.split_off(&last));
            let within = usize::try_from(length % PAGE as u64).unwrap_or_default();
            if let Some(cut) = last.checked_sub(1).filter(|_| within > 0).and_then(|page| changed.pages.get_mut(&page))
            {
                cut.iter_mut().skip(within).for_each(|byte| *byte = 0);
            }
        }
        changed.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, mut data: &[u8]) -> io::Result<()> {
        let mut changed = self.changed.lock();
        if offset.checked_add(data.len() as u64).is_none_or(|end| end > changed.length) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, part) in pages(offset, data.len()) {
            let mut whole = vec![0; PAGE];
            if !changed.pages.contains_key(&page) {
                self.load(&changed, page, 0..PAGE, &mut whole)?;
            }
            let bytes = match changed.pages.entry(page) {
                Entry::Occupied(entry) => entry.into_mut(),
                Entry::Vacant(entry) => entry.insert(whole.into()),
            };
            let (here, rest) = data.split_at(part.len());
            bytes.get_mut(part).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(here);
            data = rest;
        }
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    // The file is open for reading, so only a shared lock is possible; it keeps writers out as well.

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_reads_back_and_the_file_stays_as_it_was(
            steps in proptest::collection::vec((0..3_u8, 0..20_000_u64, 0..9_000_usize), 1..30),
        ) {
            let file = tempfile::NamedTempFile::new().unwrap();
            let before: Vec<u8> = (0..10_000_u32).map(|at| (at % 251) as u8).collect();
            std::fs::write(file.path(), &before).unwrap();
            let read_only = ReadOnlyFile::open(file.path()).unwrap();
            let mut plain = before.clone();
            for (fill, (step, offset, length)) in (1_u8..).zip(steps) {
                let range = usize::try_from(offset).unwrap()..usize::try_from(offset).unwrap() + length;
                let inside = range.end <= plain.len();
                match step {
                    0 => {
                        read_only.set_len(offset).unwrap();
                        plain.resize(range.start, 0);
                    }
                    1 => {
                        prop_assert_eq!(read_only.write(offset, &vec![fill; length]).is_ok(), inside);
                        if inside {
                            plain[range].fill(fill);
                        }
                    }
                    _ => {
                        let mut read = vec![0; length];
                        prop_assert_eq!(read_only.read(offset, &mut read).is_ok(), inside);
                        if inside {
                            prop_assert_eq!(&read, &plain[range]);
                        }
                    }
                }
                prop_assert_eq!(read_only.len().unwrap(), plain.len() as u64);
            }
            let mut read = vec![0; plain.len()];
            read_only.read(0, &mut read).unwrap();
            prop_assert_eq!(read, plain);
            prop_assert_eq!(std::fs::read(file.path()).unwrap(), before);
        }
    }
}

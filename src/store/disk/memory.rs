//! A disk in memory, for tests: it records calls in order, fails on demand, and fills up.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;

use super::StoreDisk;

/// A disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<MemoryState>>);

#[derive(Debug)]
struct MemoryState {
    names: BTreeMap<PathBuf, usize>,
    files: Vec<Vec<u8>>,
    /// The recorded steps, while recording.
    notes: Option<Vec<DiskStep>>,
    calls: u64,
    /// Calls that these faults select fail.
    faults: Option<InjectedFaults>,
    failed: u64,
    free: u64,
}

impl Default for MemoryState {
    fn default() -> Self {
        MemoryState {
            names: BTreeMap::new(),
            files: Vec::new(),
            notes: None,
            calls: 0,
            faults: None,
            failed: 0,
            free: u64::MAX,
        }
    }
}

/// One change of the disk's file. (Recording is for disks with a single file.)
#[derive(Clone, Debug)]
pub(crate) enum DiskStep {
    Write {
        offset: usize,
        data: Vec<u8>,
    },
    SetLen {
        len: usize,
    },
    Sync,
    /// The file gets its name, durably or not at all.
    Link,
}

/// A call on an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileCall {
    Len,
    Read,
    SetLen,
    Sync,
    Write,
}

/// The calls that fail: those numbered `from..to` that are among `calls`, at most `most` of them; and their error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InjectedFaults {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) calls: &'static [FileCall],
    pub(crate) most: u64,
    pub(crate) kind: io::ErrorKind,
}

/// Every call.
pub(crate) const ALL: &[FileCall] = &[FileCall::Len, FileCall::Read, FileCall::SetLen, FileCall::Sync, FileCall::Write];

impl Memory {
    /// A disk with one file.
    pub(crate) fn holding(path: &Path, bytes: Vec<u8>) -> Self {
        let disk = Memory::default();
        disk.0.lock().files.push(bytes);
        disk.0.lock().names.insert(path.to_owned(), 0);
        disk
    }

    /// Starts recording.
    pub(crate) fn note(&self) {
        self.0.lock().notes = Some(Vec::new());
    }

    /// The number of recorded steps.
    pub(crate) fn noted(&self) -> usize {
        self.0.lock().notes.as_ref().map_or(0, Vec::len)
    }

    /// The recorded steps.
    pub(crate) fn notes(&self) -> Vec<DiskStep> {
        self.0.lock().notes.clone().unwrap_or_default()
    }

    /// The number of calls on open files.
    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().calls
    }

    /// The number of calls that failed on demand.
    pub(crate) fn failed(&self) -> u64 {
        self.0.lock().failed
    }

    /// Sets which calls fail, if any.
    pub(crate) fn fail(&self, faults: Option<InjectedFaults>) {
        self.0.lock().faults = faults;
    }

    /// Sets how many bytes the disk reports as free.
    pub(crate) fn set_free(&self, bytes: u64) {
        self.0.lock().free = bytes;
    }

    /// Changes a file behind the store's back.
    pub(crate) fn tamper(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.0.lock();
        let file = state.names[path];
        change(&mut state.files[file]);
    }

    fn file(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        let file = *self.0.lock().names.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(MemoryFile { disk: self.clone(), file }))
    }
}

impl StoreDisk for Memory {
    fn size(&self, path: &Path) -> io::Result<Option<u64>> {
        let state = self.0.lock();
        Ok(state.names.get(path).map(|file| state.files[*file].len() as u64))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        let mut state = self.0.lock();
        let file = state.files.len();
        state.files.push(Vec::new());
        state.names.insert(path.to_owned(), file);
        drop(state);
        self.file(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        self.file(path)
    }

    fn read(&self, path: &Path) -> io::Result<Box<dyn StorageBackend>> {
        self.file(path)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        let file = state.names[from];
        if state.names.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.names.insert(to.to_owned(), file);
        state.done(DiskStep::Link);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().names.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(self.0.lock().free)
    }
}

impl MemoryState {
    fn done(&mut self, step: DiskStep) {
        if let Some(notes) = &mut self.notes {
            notes.push(step);
        }
    }

    /// Counts a call, which may fail.
    fn call(&mut self, call: FileCall) -> io::Result<()> {
        let number = self.calls;
        self.calls += 1;
        match self.faults {
            Some(InjectedFaults { from, to, calls, most, kind })
                if (from..to).contains(&number) && calls.contains(&call) && self.failed < most =>
            {
                self.failed += 1;
                Err(kind.into())
            }
            _ => Ok(()),
        }
    }
}

/// An open file of a [`Memory`].
#[derive(Debug)]
struct MemoryFile {
    disk: Memory,
    file: usize,
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for MemoryFile {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.0.lock();
        state.call(FileCall::Len)?;
        Ok(state.files[self.file].len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(FileCall::Read)?;
        let from = place(offset);
        let found = state.files[self.file].get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(FileCall::SetLen)?;
        let step = DiskStep::SetLen { len: place(len) };
        step.apply(&mut state.files[self.file]);
        state.done(step);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(FileCall::Sync)?;
        state.done(DiskStep::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(FileCall::Write)?;
        let step = DiskStep::Write { offset: place(offset), data: data.to_vec() };
        step.apply(&mut state.files[self.file]);
        state.done(step);
        Ok(())
    }
}

impl DiskStep {
    /// Applies this step to the content of a file.
    pub(crate) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            DiskStep::Write { offset, data } => {
                let end = offset + data.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(data);
            }
            DiskStep::SetLen { len } => content.resize(*len, 0),
            DiskStep::Sync | DiskStep::Link => {}
        }
    }
}

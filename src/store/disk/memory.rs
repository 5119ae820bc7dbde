//! A disk in memory, for tests: it records calls in order, fails on demand, and fills up.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use redb::StorageBackend;

use super::Disk;

/// A disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    names: BTreeMap<PathBuf, usize>,
    files: Vec<Vec<u8>>,
    /// The recorded steps, while recording.
    notes: Option<Vec<Step>>,
    calls: u64,
    /// Calls that these faults select fail.
    faults: Option<Faults>,
    failed: u64,
    free: u64,
}

impl Default for State {
    fn default() -> Self {
        State {
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
pub(crate) enum Step {
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
pub(crate) enum Call {
    Len,
    Read,
    SetLen,
    Sync,
    Write,
}

/// The calls that fail: those numbered `from..to` that are among `calls`, at most `most` of them; and their error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) calls: &'static [Call],
    pub(crate) most: u64,
    pub(crate) kind: io::ErrorKind,
}

/// Every call.
pub(crate) const ALL: &[Call] = &[Call::Len, Call::Read, Call::SetLen, Call::Sync, Call::Write];

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
    pub(crate) fn notes(&self) -> Vec<Step> {
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
    pub(crate) fn fail(&self, faults: Option<Faults>) {
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
        Ok(Box::new(Open { disk: self.clone(), file }))
    }
}

impl Disk for Memory {
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
        state.done(Step::Link);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().names.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(self.0.lock().free)
    }
}

impl State {
    fn done(&mut self, step: Step) {
        if let Some(notes) = &mut self.notes {
            notes.push(step);
        }
    }

    /// Counts a call, which may fail.
    fn call(&mut self, call: Call) -> io::Result<()> {
        let number = self.calls;
        self.calls += 1;
        match self.faults {
            Some(Faults { from, to, calls, most, kind })
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
struct Open {
    disk: Memory,
    file: usize,
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl StorageBackend for Open {
    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.0.lock();
        state.call(Call::Len)?;
        Ok(state.files[self.file].len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(Call::Read)?;
        let from = place(offset);
        let found = state.files[self.file].get(from..from + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(Call::SetLen)?;
        let step = Step::SetLen { len: place(len) };
        step.apply(&mut state.files[self.file]);
        state.done(step);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(Call::Sync)?;
        state.done(Step::Sync);
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        state.call(Call::Write)?;
        let step = Step::Write { offset: place(offset), data: data.to_vec() };
        step.apply(&mut state.files[self.file]);
        state.done(step);
        Ok(())
    }
}

impl Step {
    /// Applies this step to the content of a file.
    pub(crate) fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Step::Write { offset, data } => {
                let end = offset + data.len();
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*offset..end].copy_from_slice(data);
            }
            Step::SetLen { len } => content.resize(*len, 0),
            Step::Sync | Step::Link => {}
        }
    }
}

//! Stretches of the log that hold nothing but what first sweeps found, so that reading skips them.
//!
//! After a first sweep the newest records are one for each resource of the account, and lists of changes leave them out but count
//! them. Records never change, so a stretch that was read once is known for good, until it is folded away. It is remembered by how
//! many resources of which kind and scope it holds.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use super::log_cursor::{LogRange, ReadOrder};
use crate::model::{AccountId, Kind, LogId, Region, Seq};
use crate::store::BaselineRecord;

/// The shortest stretch that is worth remembering.
const SHORT: u64 = if cfg!(test) { 2 } else { 128 };
/// The longest one. What is asked for may end inside of one, and then a part of it is read again.
const LONG: u64 = if cfg!(test) { 4 } else { 8_192 };
/// How many are remembered. When there are more, all are forgotten.
const MOST: usize = 4_096;

/// The stretches that are known. Cheap where it knows none.
#[derive(Debug, Default)]
pub struct BaselineRuns(Mutex<KnownRuns>);

#[derive(Debug, Default)]
struct KnownRuns {
    log: Option<LogId>,
    /// By the first record of each.
    runs: BTreeMap<Seq, BaselineRun>,
}

/// Records of first sweeps without any other between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineRun {
    /// The first record.
    pub first: Seq,
    /// The last record.
    pub last: Seq,
    /// How many there are of which kind, account and region.
    pub found: Vec<((Kind, AccountId, Region), u64)>,
}

impl BaselineRun {
    /// The stretch of one record.
    fn of(seq: Seq) -> Self {
        BaselineRun { first: seq, last: seq, found: Vec::new() }
    }

    fn len(&self) -> u64 {
        self.last.0 - self.first.0 + 1
    }

    fn count(&mut self, record: &BaselineRecord<'_>) {
        let is_of = |(kind, account, region): &(Kind, AccountId, Region)| {
            kind.as_str() == record.kind && account.as_str() == record.account && region.as_str() == record.region
        };
        // Records of one kind come in pages.
        if let Some((_, count)) = self.found.iter_mut().rev().find(|(of, _)| is_of(of)) {
            *count += 1;
        } else {
            let of = (Kind::new(record.kind), AccountId::new(record.account), Region::new(record.region));
            self.found.push((of, 1));
        }
    }
}

/// A stretch that is being read, in either direction.
pub struct OpenRun<'a> {
    known: &'a BaselineRuns,
    log: LogId,
    run: Option<BaselineRun>,
}

impl OpenRun<'_> {
    /// Adds a record of a first sweep.
    pub fn add(&mut self, seq: Seq, record: &BaselineRecord<'_>) {
        let goes_on = |run: &BaselineRun| run.len() < LONG && (run.last.next() == seq || seq.next() == run.first);
        if !self.run.as_ref().is_some_and(goes_on) {
            self.end();
        }
        let run = self.run.get_or_insert_with(|| BaselineRun::of(seq));
        (run.first, run.last) = (run.first.min(seq), run.last.max(seq));
        run.count(record);
    }

    /// Ends the stretch before a record of another sort.
    pub fn end(&mut self) {
        if let Some(run) = self.run.take().filter(|run| run.len() >= SHORT) {
            self.known.remember(self.log, run);
        }
    }
}

impl Drop for OpenRun<'_> {
    fn drop(&mut self) {
        self.end();
    }
}

impl BaselineRuns {
    /// Begins to read a log.
    pub fn open(&self, log: LogId) -> OpenRun<'_> {
        OpenRun { known: self, log, run: None }
    }

    /// The known stretch that comes next in a range of a log and is wholly in it. `horizon` is the last record that is folded away.
    pub fn next(&self, log: LogId, range: LogRange, horizon: Seq) -> Option<BaselineRun> {
        let mut known = self.0.lock();
        if known.log != Some(log) {
            return None;
        }
        known.runs.retain(|first, _| *first > horizon);
        let run = match range.order {
            ReadOrder::Oldest => known.runs.get(&range.at.next())?,
            ReadOrder::Newest => known.runs.range(..range.at).next_back().map(|(_, run)| run)?,
        };
        let is_whole = match range.order {
            ReadOrder::Oldest => range.bound.is_none_or(|last| run.last <= last),
            ReadOrder::Newest => run.last.next() == range.at && range.bound.is_none_or(|before| run.first > before),
        };
        is_whole.then(|| run.clone())
    }

    /// Where the next known stretch begins in a range, as the place to read up to.
    pub fn begins(&self, log: LogId, range: LogRange) -> Option<Seq> {
        let known = self.0.lock();
        if known.log != Some(log) {
            return None;
        }
        match range.order {
            ReadOrder::Oldest => known.runs.range(range.at.next().next()..).next().map(|(first, _)| *first),
            ReadOrder::Newest => {
                let before = known.runs.range(..range.at).rev().map(|(_, run)| run.last);
                before.into_iter().find(|last| last.next() < range.at)
            }
        }
    }

    fn remember(&self, log: LogId, run: BaselineRun) {
        let mut known = self.0.lock();
        if known.log != Some(log) || known.runs.len() >= MOST {
            *known = KnownRuns { log: Some(log), runs: BTreeMap::new() };
        }
        let before = known.runs.range(..=run.last).next_back();
        if before.is_none_or(|(_, known)| known.last < run.first) {
            known.runs.insert(run.first, run);
        }
    }
}

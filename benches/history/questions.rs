//! Questions about the past of a store that has one.

use std::time::Duration;

use anyhow::Context as _;
use muster::kinds::INSTANCE;
use muster::model::{ScopeFilter, Seq, Timestamp};
use muster::query::changes::{BaselineRuns, ChangeFilter, LogRange, find};
use muster::query::{AskedPoint, Filters, Point, Query, search};
use serde_json::json;

use crate::filled::Filled;
use crate::lived;
use crate::say;
use crate::times::Times;

/// Searches measured of each kind.
const SEARCHES: usize = 5;

/// Entries of a page of changes, as the tool has it unless told otherwise.
const CHANGES: usize = 50;

/// One resource at some point of the past.
pub(crate) fn read(lived: &Filled, reads: usize) -> anyhow::Result<Times> {
    let mut random = fastrand::Rng::with_seed(3);
    let mut times = Times::default();
    for _ in 0..reads {
        let id = lived.ids.get(random.usize(..lived.ids.len())).context("no instances")?;
        let seq = lived::moment(lived, &mut random)?;
        let found = times.measure(|| Ok(lived.store.snapshot()?.past(id, seq)?))?;
        anyhow::ensure!(found.is_some(), "{id} was not there at {seq}");
    }
    say(&format!("as-of read of one resource: {}", times.shown()))?;
    Ok(times)
}

/// Those that ran: a quarter of an hour ago, half-way, and in the beginning. Beside it now.
pub(crate) fn searches(lived: &Filled) -> anyhow::Result<Vec<(&'static str, Times)>> {
    lived.store.build_index()?;
    let snapshot = lived.store.snapshot()?;
    let newest = snapshot.seq();
    let now = snapshot.record(newest)?.recorded_at;
    let half = Seq(u64::midpoint(lived.ids.len() as u64, newest.0));
    let points: [(&'static str, Option<Point>); 4] = [
        ("now", None),
        ("a quarter of an hour ago", Some(point(lived, AskedPoint::At(now - Duration::from_mins(15)), now)?)),
        ("half-way back", Some(point(lived, AskedPoint::Seq(half), now)?)),
        ("in the beginning", Some(point(lived, AskedPoint::Seq(Seq(lived.ids.len() as u64)), now)?)),
    ];
    drop(snapshot);
    let mut all = Vec::new();
    for (when, point) in points {
        let mut times = Times::default();
        for _ in 0..SEARCHES {
            let filters = Filters::parse(&json!({"instance-state-name": ["running"]}), INSTANCE, Timestamp::default())?;
            let query = Query {
                kind: INSTANCE.kind(),
                scope: ScopeFilter::Everywhere,
                filters,
                order: None,
                point,
                limit: 25,
                cursor: None,
            };
            let hits = times.measure(|| Ok(search(&lived.store, &query)?))?;
            anyhow::ensure!(hits.total > 0, "none ran {when}");
        }
        say(&format!("search for what ran {when}: {}", times.shown()))?;
        all.push((when, times));
    }
    Ok(all)
}

fn point(lived: &Filled, moment: AskedPoint, now: Timestamp) -> anyhow::Result<Point> {
    Ok(moment.point(&lived.store.snapshot()?, now)?)
}

/// Pages of changes from anywhere in the log, newest first, and the timelines of single resources.
pub(crate) fn changes(lived: &Filled, reads: usize) -> anyhow::Result<(Times, Times)> {
    let mut random = fastrand::Rng::with_seed(6);
    let (mut pages, mut timelines) = (Times::default(), Times::default());
    let (question, runs) = (ChangeFilter::default(), BaselineRuns::default());
    for _ in 0..reads / 10 {
        let span = LogRange::newest(lived::moment(lived, &mut random)?, None);
        let found =
            pages.measure(|| Ok(find(|| lived.store.snapshot(), &runs, &question, None, span, CHANGES, |_| false)?))?;
        anyhow::ensure!(found.records().len() > 0, "a page is empty");
        let id = lived.ids.get(random.usize(..lived.ids.len())).context("no instances")?.clone();
        let newest = LogRange::newest(lived.store.snapshot()?.seq(), None);
        let subjects = Some(std::slice::from_ref(&id));
        let own = ChangeFilter { quiet: true, ..ChangeFilter::default() };
        let found = timelines
            .measure(|| Ok(find(|| lived.store.snapshot(), &runs, &own, subjects, newest, CHANGES, |_| false)?))?;
        anyhow::ensure!(found.records().len() > 0, "{id} has no timeline");
    }
    say(&format!("a page of {CHANGES} changes from anywhere: {}", pages.shown()))?;
    say(&format!("the timeline of one resource: {}", timelines.shown()))?;
    Ok((pages, timelines))
}

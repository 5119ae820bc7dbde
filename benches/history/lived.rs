//! A store with a past: instances as the simulator has them, and many changes of them.

use std::collections::HashMap;

use anyhow::Context as _;
use muster::model::Evidence;
use muster::model::document::Change;
use muster::model::event::Overlay;
use muster::model::{Cause, Event, Group, ResourceId, Seq, Source, Timestamp, Value};
use muster::store::CommitBatch;

use crate::filled::Filled;

/// From one change to the next: ten a minute.
const APART: i64 = 6_000;

/// Changes in one commit.
const BATCH: usize = 1_000;

/// Adds `count` changes to a store, each of a random instance: it stops or starts. The first is the first after the newest record.
pub(crate) fn live(filled: &mut Filled, count: usize) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::with_seed(2);
    let mut states: HashMap<ResourceId, (i64, String)> = HashMap::new();
    let snapshot = filled.store.snapshot()?;
    let mut at = snapshot.record(snapshot.seq())?.recorded_at.as_millis();
    drop(snapshot);
    let mut left = count;
    while left > 0 {
        let size = left.min(BATCH);
        left -= size;
        let mut entries = Vec::with_capacity(size);
        for _ in 0..size {
            at += APART;
            let id = filled.ids.get(random.usize(..filled.ids.len())).context("no instances")?.clone();
            if !states.contains_key(&id) {
                let current = filled.store.snapshot()?.current(&id)?.context("an instance is missing")?;
                let code = match current.document.get("State.Code") {
                    Some(Value::Int(code)) => *code,
                    _ => anyhow::bail!("{id} has no state"),
                };
                states.insert(id.clone(), (code, current.state().unwrap_or_default().to_owned()));
            }
            let state = states.get_mut(&id).context("a state is missing")?;
            let next = if state.0 == 16 { (80, "stopped".to_owned()) } else { (16, "running".to_owned()) };
            let before = std::mem::replace(state, next.clone());
            entries.push((Cause::Sweep, changed(id, before, next, Timestamp::from_millis(at))));
        }
        let recorded_at = Timestamp::from_millis(at);
        filled.writer.commit(CommitBatch { recorded_at, entries, ..CommitBatch::default() })?;
    }
    Ok(())
}

fn changed(id: ResourceId, before: (i64, String), after: (i64, String), at: Timestamp) -> Event {
    let change = |path: &str, before: Value, after: Value| Change {
        path: path.to_owned(),
        before: Some(before),
        after: Some(after),
    };
    let changes = vec![
        change("State.Code", Value::Int(before.0), Value::Int(after.0)),
        change("State.Name", Value::Text(before.1), Value::Text(after.1)),
    ];
    let evidence = vec![(Group::State, Evidence { source: Source::Sweep, at })];
    Event::Changed { id, changes, evidence, overlay: Overlay::Keep }
}

/// A random point in the log, after everything was discovered.
pub(crate) fn moment(filled: &Filled, random: &mut fastrand::Rng) -> anyhow::Result<Seq> {
    let newest = filled.store.snapshot()?.seq().0;
    Ok(Seq(random.u64(filled.ids.len() as u64..=newest)))
}

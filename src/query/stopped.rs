//! Stopped instances: since when, what they cost while they are stopped, and what they would cost running.
//!
//! A stopped instance costs its volumes and its Elastic IP addresses. Snapshots of its volumes cost too, at most their full size;
//! they are counted apart. What it would cost running is what it does not cost while stopped, and no saving.

mod bill;
mod since;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

pub use self::bill::{Bill, Cost, Unpriced};
pub use self::since::StoppedSince;

use crate::kinds::{INSTANCE, SNAPSHOT};
use crate::model::{Row, Scope, Seq, Timestamp};
use crate::query::prices::{Money, PriceTable};
use crate::query::unsure::Unsure;
use crate::store::{Comparison, Matcher, On, ReadError, Store, ValuePattern};

/// How many resources are read from one snapshot.
const STEP: usize = 1_000;

/// The last words of tag keys that say whom to ask.
const OWNERS: [&str; 9] =
    ["owner", "team", "contact", "createdby", "department", "project", "costcenter", "email", "maintainer"];

/// Which stopped instances are asked for.
#[derive(Clone, Debug)]
pub struct StoppedQuery<'a> {
    /// Of one scope, or of all.
    pub scope: Option<&'a Scope>,
    /// What they meet, beside being stopped.
    pub matcher: &'a Matcher,
    /// Only those stopped at this time or before.
    pub stopped_by: Option<Timestamp>,
    /// In which order.
    pub order: Order,
}

/// In which order instances are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What costs most while stopped first.
    #[default]
    Cost,
    /// What was stopped longest ago first.
    Since,
}

/// A stopped instance.
#[derive(Clone, Debug)]
pub struct StoppedInstance {
    /// Its row: id, name, tags.
    pub row: Row,
    /// Its type.
    pub instance_type: Option<String>,
    /// Since when it is stopped.
    pub since: StoppedSince,
    /// What it costs.
    pub bill: Bill,
    /// Tags that say whom to ask, as they are found.
    pub owners: Vec<(String, String)>,
}

/// What all stopped instances cost that were asked for.
#[derive(Clone, Debug, Default)]
pub struct StoppedReport {
    /// In the order that was asked for.
    pub instances: Vec<StoppedInstance>,
    /// What all of them cost. A volume that several of them share counts once.
    pub total: Bill,
    /// How many are left out because it is not known whether they were stopped in time.
    pub undecided: usize,
    /// Every record up to this one is taken into account.
    pub seq: Seq,
}

/// Reports stopped instances. `unsure` says which kinds cannot be relied on.
///
/// # Errors
/// When the store cannot be read.
pub fn report(
    store: &Store,
    prices: &PriceTable,
    query: &StoppedQuery<'_>,
    unsure: Unsure<'_>,
) -> Result<StoppedReport, ReadError> {
    let stopped = instances(store, query)?;
    let mut report = StoppedReport { seq: store.snapshot()?.seq(), ..StoppedReport::default() };
    let volumes: BTreeSet<(Scope, String)> = stopped
        .iter()
        .flat_map(|row| bill::facets(INSTANCE, row, "block-device-mapping.volume-id").map(move |id| (row, id)))
        .map(|(row, id)| (row.id.scope(), id.to_owned()))
        .collect();
    let snapshots = if volumes.is_empty() { HashMap::new() } else { snapshots(store, prices, query.scope, &volumes)? };
    let brought = if stopped.is_empty() { HashSet::new() } else { bill::brought(store, query.scope)? };
    let mut bills = bill::Pricer { prices, volumes: HashMap::new(), snapshots, brought };
    let (mut counted, mut doubts) = (BTreeSet::new(), HashMap::new());
    for row in stopped {
        let snapshot = store.snapshot()?;
        let document = match snapshot.current(&row.id) {
            Ok(Some(current)) if current.document.text("State.Name") == Some("stopped") => current.document,
            // It was started or removed since it was found.
            Ok(_) => continue,
            Err(ReadError::Damaged(_)) => {
                report.total.add_damaged(&row.id.id);
                continue;
            }
            Err(error) => return Err(error),
        };
        let since = StoppedSince::of(&snapshot, &row.id, &document)?;
        if let Some(by) = query.stopped_by {
            match since.is_by(by) {
                Some(true) => {}
                Some(false) => continue,
                None => {
                    report.undecided += 1;
                    continue;
                }
            }
        }
        let scope = row.id.scope();
        let doubt = doubts.entry(scope.clone()).or_insert_with(|| unsure(&scope, SNAPSHOT));
        let (bill, parts) = bills.bill(&snapshot, &row.id, &document, doubt.as_deref())?;
        report.total.add_once(&scope, &bill, &parts, &mut counted);
        report.instances.push(StoppedInstance {
            instance_type: document.text("InstanceType").map(str::to_owned),
            owners: owners(&row),
            row,
            since,
            bill,
        });
    }
    match query.order {
        Order::Cost => report.instances.sort_by_cached_key(|one| (Reverse(one.bill.stopped()), one.row.id.id.clone())),
        Order::Since => report.instances.sort_by_cached_key(|one| (one.since.latest(), one.row.id.id.clone())),
    }
    Ok(report)
}

/// The rows of the stopped instances that the filters match. Their documents are read one by one, as there may be many.
fn instances(store: &Store, query: &StoppedQuery<'_>) -> Result<Vec<Row>, ReadError> {
    let state = INSTANCE.filter("instance-state-name").map_or(u16::MAX, |filter| filter.number);
    let is_stopped = Comparison { on: On::Facet(state), pattern: ValuePattern::exactly("stopped") };
    let matcher = query.matcher.clone().and(vec![is_stopped]);
    // At once: each page would count anew how many there are.
    let ids = store.scan(&INSTANCE.kind(), query.scope, &matcher, None, usize::MAX)?.ids;
    let mut found = Vec::with_capacity(ids.len());
    for ids in ids.chunks(STEP) {
        let snapshot = store.snapshot()?;
        for id in ids {
            // One that the index names may be gone by now.
            found.extend(snapshot.row(id)?);
        }
    }
    Ok(found)
}

/// What the snapshots of each of these volumes cost at most, all of them together.
fn snapshots(
    store: &Store,
    prices: &PriceTable,
    scope: Option<&Scope>,
    volumes: &BTreeSet<(Scope, String)>,
) -> Result<HashMap<(Scope, String), Cost>, ReadError> {
    let mut found: HashMap<(Scope, String), Cost> = HashMap::new();
    let mut after = None;
    loop {
        let rows = store.snapshot()?.rows(&SNAPSHOT.kind(), scope, after.as_ref(), STEP)?;
        for row in &rows {
            let Some(volume) = bill::facet(SNAPSHOT, row, "volume-id") else { continue };
            let key = (row.id.scope(), volume.to_owned());
            if volumes.contains(&key) {
                let cost = found.entry(key).or_default();
                cost.add(bill::snapshot(prices, row));
            }
        }
        if rows.len() < STEP {
            return Ok(found);
        }
        after = rows.into_iter().next_back().map(|row| row.id);
    }
}

/// Tags that say whom to ask: Owner, team, `ops:cost-center` and the like, in whatever case.
fn owners(row: &Row) -> Vec<(String, String)> {
    let is_owner = |key: &str| {
        let last = key.rsplit([':', '/', '.']).next().unwrap_or(key);
        let plain: String = last.chars().filter(char::is_ascii_alphanumeric).collect();
        OWNERS.contains(&plain.to_ascii_lowercase().as_str())
    };
    let tags =
        row.fields.tags.iter().filter(|(key, value)| !value.is_empty() && !key.starts_with("aws:") && is_owner(key));
    tags.cloned().collect()
}

impl StoppedReport {
    /// What all of them cost a month while stopped, as far as it is known.
    #[must_use]
    pub fn stopped(&self) -> Money {
        self.total.stopped()
    }
}

#[cfg(test)]
mod tests;

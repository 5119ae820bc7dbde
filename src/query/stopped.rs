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
use crate::store::{Comparison, Matcher, On, ReadError, RowSelection, Store, ValuePattern};

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
        .flat_map(|row| volumes_of(row).map(move |id| (row, id)))
        .map(|(row, id)| (row.id.scope(), id.to_owned()))
        .collect();
    let snapshots = if volumes.is_empty() { HashMap::new() } else { snapshots(store, prices, query.scope, &volumes)? };
    let brought = if stopped.is_empty() { HashSet::new() } else { bill::brought(store, query.scope)? };
    let mut bills = bill::Pricer { prices, volumes: HashMap::new(), snapshots, brought };
    let (mut counted, mut doubts) = (BTreeSet::new(), HashMap::new());
    for row in stopped {
        let snapshot = store.snapshot()?;
        let document = match snapshot.parts(&row.id, &bill::INSTANCE_PARTS) {
            Ok(Some(document)) if document.text("State.Name") == Some("stopped") => document,
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

/// The volumes of an instance.
fn volumes_of(row: &Row) -> impl Iterator<Item = &str> {
    let number = INSTANCE.filter("block-device-mapping.volume-id").map(|filter| filter.number);
    let facets = row.fields.facets.iter().filter(move |(facet, _)| Some(*facet) == number);
    facets.map(|(_, value)| value.as_str())
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
    let mut add = |of: &Scope, snapshot: &str, facets: &[(u16, &str)]| {
        let Some(volume) = bill::facet(SNAPSHOT, facets, "volume-id") else { return };
        let key = (of.clone(), volume.to_owned());
        if volumes.contains(&key) {
            found.entry(key).or_default().add(bill::snapshot(prices, of, snapshot, facets));
        }
    };
    let is_asked = |of: &Scope| scope.is_none_or(|scope| scope == of);
    let wanted = ["volume-id", "volume-size", "storage-tier"];
    let facets = wanted.iter().filter_map(|name| SNAPSHOT.filter(name)).map(|filter| filter.number).collect();
    let selection = RowSelection { facets, ..RowSelection::default() };
    let snapshot = store.snapshot()?;
    let is_seen = |of: &Scope| is_asked(of) && (scope.is_some() || !snapshot.leaves_out(of));
    if let Some(copy) = store.index().copied(&SNAPSHOT.kind(), snapshot.seq(), &selection, is_seen) {
        copy.each(|id, of, row| {
            add(of, id, &row.facets);
            Ok::<_, ReadError>(())
        })?;
        return Ok(found);
    }
    drop(snapshot);
    let mut after = None;
    loop {
        let snapshot = store.snapshot()?;
        // Who names a scope means it even if it is no longer watched.
        let snapshot = if scope.is_some() { snapshot.whole() } else { snapshot };
        let next = snapshot.each_row(&SNAPSHOT.kind(), after.as_ref(), STEP, |id, row| {
            let of = id.scope();
            if is_asked(&of) {
                add(&of, &id.id, &row.facets);
            }
        })?;
        match next {
            Some(last) => after = Some(last),
            None => return Ok(found),
        }
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

//! Stopped instances: since when, what they cost while they are stopped, and what they would cost running.
//!
//! A stopped instance costs its volumes and its Elastic IP addresses. Snapshots of its volumes cost too, at most their full size;
//! they are counted apart. What it would cost running is what it does not cost while stopped, and no saving.

mod bill;
mod since;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use self::bill::{Bill, Cost, Unpriced};
pub use self::since::StoppedSince;

use self::bill::VolumeCost;
use crate::kinds::{INSTANCE, SNAPSHOT, VOLUME};
use crate::model::{ResourceId, Row, Scope, ScopeFilter, Seq, Timestamp};
use crate::query::prices::{Money, PriceTable};
use crate::query::unsure::Unsure;
use crate::store::{Comparison, Matcher, On, ReadError, RowSelection, Snapshot, Store, ValuePattern};

/// How many resources are read from one snapshot.
const STEP: usize = 1_000;
/// How often a report is made at most.
const ATTEMPTS: usize = 3;

/// The last words of tag keys that say whom to ask.
const OWNERS: [&str; 9] =
    ["owner", "team", "contact", "createdby", "department", "project", "costcenter", "email", "maintainer"];

/// Which stopped instances are asked for.
#[derive(Clone, Debug)]
pub struct StoppedQuery<'a> {
    /// Of some scopes, or of all.
    pub scope: &'a ScopeFilter,
    /// What they meet, beside being stopped.
    pub matcher: &'a Matcher,
    /// Only those stopped at this time or before.
    pub stopped_by: Option<Timestamp>,
    /// In which order.
    pub order: Order,
    /// How many of them, from the first, are shown with their names and owners.
    pub shown: usize,
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
    /// Which it is.
    pub id: ResourceId,
    /// Its name, if it is shown and has one.
    pub name: Option<String>,
    /// Its type.
    pub instance_type: Option<String>,
    /// Since when it is stopped.
    pub since: StoppedSince,
    /// What it costs.
    pub bill: Bill,
    /// Tags that say whom to ask, as they are found, if it is shown.
    pub owners: Vec<(String, String)>,
    volumes: Vec<ResourceId>,
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
/// Instances and volumes are read in the order of their ids, in which the store holds them. Names and tags are read of those that are
/// shown only, at the end. If one of these was removed meanwhile, the report is made again, a few times at most.
///
/// # Errors
/// When the store cannot be read.
pub fn report(
    store: &Store,
    prices: &PriceTable,
    query: &StoppedQuery<'_>,
    unsure: Unsure<'_>,
) -> Result<StoppedReport, ReadError> {
    let mut report = made(store, prices, query, unsure)?;
    for _ in 1..ATTEMPTS {
        if name_shown(store, query, &mut report)? {
            return Ok(report);
        }
        report = made(store, prices, query, unsure)?;
    }
    name_shown(store, query, &mut report)?;
    Ok(report)
}

/// Reports stopped instances without their names.
fn made(
    store: &Store,
    prices: &PriceTable,
    query: &StoppedQuery<'_>,
    unsure: Unsure<'_>,
) -> Result<StoppedReport, ReadError> {
    let found = instances(store, query)?;
    let mut report = StoppedReport { seq: store.snapshot()?.seq(), ..StoppedReport::default() };
    if found.is_empty() {
        return Ok(report);
    }
    let costs = bill::Pricer { prices, brought: bill::brought(store, query.scope)? };
    for id in &found {
        // Since when it is stopped may take hundreds of records, so each one has a snapshot of its own.
        read(&store.snapshot()?, query, &costs, id, &mut report)?;
    }
    let ids: BTreeSet<ResourceId> = report.instances.iter().flat_map(|one| one.volumes.iter().cloned()).collect();
    let mut volumes = BTreeMap::new();
    let mut snapshot = store.snapshot()?;
    for (nth, id) in ids.into_iter().enumerate() {
        if nth.is_multiple_of(STEP) {
            snapshot = store.snapshot()?;
        }
        let volume = costs.volume_cost(&snapshot, &id)?;
        volumes.insert(id, volume);
    }
    drop(snapshot);
    if !volumes.is_empty() {
        add_snapshots(store, prices, query.scope, &mut volumes)?;
        doubt(&mut volumes, unsure);
    }
    for StoppedInstance { bill, volumes: of, .. } in &mut report.instances {
        report.total.add_instance(bill);
        for id in of {
            let Some(volume) = volumes.get_mut(id) else { continue };
            bill.add_volume(volume);
            if !std::mem::replace(&mut volume.is_counted, true) {
                report.total.add_volume(volume);
            }
        }
    }
    match query.order {
        Order::Cost => report.instances.sort_by_cached_key(|one| (Reverse(one.bill.stopped()), one.id.id.clone())),
        Order::Since => report.instances.sort_by_cached_key(|one| (one.since.latest(), one.id.id.clone())),
    }
    Ok(report)
}

/// Reads names and owners of the instances that are shown. Whether all of them are still there: a report without a name would look
/// like that of an instance without tags.
fn name_shown(store: &Store, query: &StoppedQuery<'_>, report: &mut StoppedReport) -> Result<bool, ReadError> {
    let (snapshot, mut are_there) = (store.snapshot()?, true);
    for instance in report.instances.iter_mut().take(query.shown) {
        match snapshot.row(&instance.id) {
            Ok(Some(row)) => {
                instance.owners = owners(&row);
                instance.name = row.fields.name;
            }
            Ok(None) => are_there = false,
            Err(ReadError::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(are_there)
}

/// Reads an instance and adds it to a report, without its volumes, if it is stopped and was stopped in time.
fn read(
    snapshot: &Snapshot,
    query: &StoppedQuery<'_>,
    costs: &bill::Pricer<'_>,
    id: &ResourceId,
    report: &mut StoppedReport,
) -> Result<(), ReadError> {
    let document = match snapshot.parts(id, &bill::INSTANCE_PARTS) {
        Ok(Some(document)) if document.text("State.Name") == Some("stopped") => document,
        // It was started or removed since it was found.
        Ok(_) => return Ok(()),
        Err(ReadError::Damaged(_)) => {
            report.total.add_damaged(&id.id);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let since = StoppedSince::of(snapshot, id, &document)?;
    match query.stopped_by.map_or(Some(true), |by| since.is_by(by)) {
        Some(true) => report.instances.push(StoppedInstance {
            instance_type: document.text("InstanceType").map(str::to_owned),
            bill: costs.bill(id, &document),
            volumes: bill::volumes(id, &document),
            id: id.clone(),
            since,
            name: None,
            owners: Vec::new(),
        }),
        Some(false) => {}
        None => report.undecided += 1,
    }
    Ok(())
}

/// The stopped instances that the filters match. Their documents are read one by one, as there may be many.
fn instances(store: &Store, query: &StoppedQuery<'_>) -> Result<Vec<ResourceId>, ReadError> {
    let state = INSTANCE.filter("instance-state-name").map_or(u16::MAX, |filter| filter.number);
    let is_stopped = Comparison { on: On::Facet(state), pattern: ValuePattern::exactly("stopped") };
    let matcher = query.matcher.clone().and(vec![is_stopped]);
    // At once: each page would count anew how many there are.
    Ok(store.scan(&INSTANCE.kind(), query.scope, &matcher, None, usize::MAX)?.ids)
}

/// Adds that not all snapshots of the volumes may be known, where that is so.
fn doubt(volumes: &mut BTreeMap<ResourceId, VolumeCost>, unsure: Unsure<'_>) {
    let mut doubts = HashMap::new();
    for (id, volume) in volumes {
        let scope = id.scope();
        let doubt = doubts.entry(scope.clone()).or_insert_with(|| unsure(&scope, SNAPSHOT));
        if let Some(why) = doubt {
            let what = format!("snapshots of {}", id.id);
            volume.snapshots.unknown.push(Unpriced { what, why: format!("{}: {why}", SNAPSHOT.plural) });
        }
    }
}

/// Adds what the snapshots of each of these volumes cost at most, all of them together.
fn add_snapshots(
    store: &Store,
    prices: &PriceTable,
    scope: &ScopeFilter,
    volumes: &mut BTreeMap<ResourceId, VolumeCost>,
) -> Result<(), ReadError> {
    let kind = VOLUME.kind();
    let mut add = |of: &Scope, snapshot: &str, facets: &[(u16, &str)]| {
        let Some(volume) = bill::facet(SNAPSHOT, facets, "volume-id") else { return };
        if let Some(volume) = volumes.get_mut(&ResourceId::new(of, &kind, volume)) {
            volume.snapshots.add(bill::snapshot(prices, of, snapshot, facets));
        }
    };
    let is_asked = |of: &Scope| scope.takes(of);
    let wanted = ["volume-id", "volume-size", "storage-tier"];
    let facets = wanted.iter().filter_map(|name| SNAPSHOT.filter(name)).map(|filter| filter.number).collect();
    let selection = RowSelection { facets, ..RowSelection::default() };
    let snapshot = store.snapshot()?;
    let is_seen = |of: &Scope| is_asked(of) && (scope.is_with_retired() || !snapshot.leaves_out(of));
    if let Some(copy) = store.copied(&SNAPSHOT.kind(), snapshot.seq(), &selection, is_seen) {
        return copy.each(|id, of, row| {
            add(of, id, &row.facets);
            Ok(())
        });
    }
    drop(snapshot);
    let mut after = None;
    loop {
        let snapshot = store.snapshot()?;
        // Who names a scope means it even if it is no longer watched.
        let snapshot = if scope.is_with_retired() { snapshot.whole() } else { snapshot };
        let next = snapshot.each_row(&SNAPSHOT.kind(), after.as_ref(), STEP, |id, row| {
            let of = id.scope();
            if is_asked(&of) {
                add(&of, &id.id, &row.facets);
            }
        })?;
        match next {
            Some(last) => after = Some(last),
            None => return Ok(()),
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

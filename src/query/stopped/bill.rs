//! What a stopped instance costs.

use std::collections::{BTreeSet, HashSet};

use crate::kinds::{ADDRESS, KindSpec, SNAPSHOT, VOLUME};
use crate::model::{Document, ResourceId, Scope, ScopeFilter, Value};
use crate::query::prices::{Money, PriceTable, PricedVolume, Tier};
use crate::store::{ReadError, Snapshot, Store};

/// How many rows are read from one snapshot.
const STEP: usize = 1_000;

/// What is read of instances. Where they are, what runs on them, and what stays while they are stopped.
pub(super) const INSTANCE_PARTS: [&str; 11] = [
    "State.Name",
    "StateTransitionReason",
    "InstanceType",
    "PlatformDetails",
    "InstanceLifecycle",
    "Placement.Tenancy",
    "Placement.AvailabilityZone",
    "OutpostArn",
    "BlockDeviceMappings.Ebs.VolumeId",
    "NetworkInterfaces.Association",
    "NetworkInterfaces.PrivateIpAddresses.Association",
];
/// What is read of volumes.
const VOLUME_PARTS: [&str; 6] = ["VolumeType", "Size", "Iops", "Throughput", "AvailabilityZone", "OutpostArn"];
/// What is read of addresses.
const ADDRESS_PARTS: [&str; 2] = ["PublicIp", "PublicIpv4Pool"];

/// An amount, and what it does not include because its price is not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// What is known.
    pub known: Money,
    /// What is not, and why.
    pub unknown: Vec<Unpriced>,
}

/// Something whose price is not known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unpriced {
    /// What: an id.
    pub what: String,
    /// Why.
    pub why: String,
}

impl Cost {
    /// Adds the price of something, or that it is not known.
    pub(super) fn add(&mut self, price: Result<Money, Unpriced>) {
        match price {
            Ok(price) => self.known = self.known + price,
            Err(unpriced) => self.unknown.push(unpriced),
        }
    }

    fn join(&mut self, other: &Cost) {
        self.known = self.known + other.known;
        self.unknown.extend(other.unknown.iter().cloned());
    }
}

/// What something costs a month.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bill {
    /// Volumes.
    pub volumes: Cost,
    /// Public IPv4 addresses that stay while it is stopped: Elastic IP addresses.
    pub addresses: Cost,
    /// Snapshots of the volumes, at most: each as if it held all of its volume.
    pub snapshots: Cost,
    /// The instance itself, if it ran all the time.
    pub running: Cost,
}

impl Bill {
    /// What it costs while it is stopped, without snapshots, as far as it is known.
    #[must_use]
    pub fn stopped(&self) -> Money {
        self.volumes.known + self.addresses.known
    }

    /// Of how many things that cost while it is stopped the price is not known.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.volumes.unknown.len() + self.addresses.unknown.len()
    }

    /// Adds an instance of which nothing can be read.
    pub(super) fn add_damaged(&mut self, id: &str) {
        self.volumes.unknown.push(unpriced(id, "what is held of it is damaged".to_owned()));
    }

    /// Adds a volume and its snapshots.
    pub(super) fn add_volume(&mut self, volume: &VolumeCost) {
        self.volumes.join(&volume.cost);
        self.snapshots.join(&volume.snapshots);
    }

    /// Adds the bill of an instance without its volumes, of which several instances may share one.
    pub(super) fn add_instance(&mut self, bill: &Bill) {
        self.addresses.join(&bill.addresses);
        self.running.join(&bill.running);
    }
}

/// What a volume costs a month.
#[derive(Default)]
pub(super) struct VolumeCost {
    pub(super) cost: Cost,
    /// What its snapshots cost at most.
    pub(super) snapshots: Cost,
    /// Whether a total has it already.
    pub(super) is_counted: bool,
}

/// Prices what belongs to instances.
pub(super) struct Pricer<'a> {
    pub(super) prices: &'a PriceTable,
    /// The addresses that the account brought to AWS itself, which cost nothing.
    pub(super) brought: HashSet<(Scope, String)>,
}

impl Pricer<'_> {
    /// The bill of an instance without its volumes.
    pub(super) fn bill(&self, id: &ResourceId, document: &Document) -> Bill {
        let mut bill = Bill::default();
        for address in addresses(document) {
            let key = (id.scope(), address);
            if !self.brought.contains(&key) {
                let price = self.prices.address_month(id.region.as_str());
                bill.addresses.add(price.ok_or_else(|| unpriced(&key.1, format!("no price in {}", id.region))));
            }
        }
        bill.running.add(self.running(id, document));
        bill
    }

    /// What a volume costs, without its snapshots.
    pub(super) fn volume_cost(&self, snapshot: &Snapshot, id: &ResourceId) -> Result<VolumeCost, ReadError> {
        let mut volume = VolumeCost::default();
        volume.cost.add(self.volume(snapshot, id)?);
        Ok(volume)
    }

    fn volume(&self, snapshot: &Snapshot, id: &ResourceId) -> Result<Result<Money, Unpriced>, ReadError> {
        let document = match snapshot.parts(id, &VOLUME_PARTS) {
            Ok(Some(document)) => document,
            Ok(None) => return Ok(Err(unpriced(&id.id, "it is not held".to_owned()))),
            Err(ReadError::Damaged(_)) => return Ok(Err(unpriced(&id.id, "what is held of it is damaged".to_owned()))),
            Err(error) => return Err(error),
        };
        let number = |name: &str| match document.get(name) {
            Some(Value::Int(number)) => u64::try_from(*number).ok(),
            _ => None,
        };
        let (Some(volume_type), Some(gib)) = (document.text("VolumeType"), number("Size")) else {
            return Ok(Err(unpriced(&id.id, "its type or size is not known".to_owned())));
        };
        let volume = PricedVolume { volume_type, gib, iops: number("Iops"), mibps: number("Throughput") };
        let price = place(id, &document).and_then(|region| {
            self.prices
                .volume_month(region, volume)
                .ok_or_else(|| format!("no price of such a {volume_type} in {region}"))
        });
        Ok(price.map_err(|why| unpriced(&id.id, why)))
    }

    /// What the instance would cost a month if it ran.
    fn running(&self, id: &ResourceId, document: &Document) -> Result<Money, Unpriced> {
        let text = |path: &str| document.text(path);
        let instance_type = text("InstanceType").unwrap_or("its type");
        let other = |what: &str| Err(format!("the table has no prices of {what}"));
        let price = match (text("PlatformDetails"), text("Placement.Tenancy"), text("InstanceLifecycle")) {
            (_, _, Some(lifecycle)) => other(&format!("{lifecycle} instances")),
            (_, Some(tenancy), _) if tenancy != "default" => other(&format!("tenancy {tenancy}")),
            (Some("Linux/UNIX"), ..) => place(id, document).and_then(|region| {
                let hour = self.prices.instance_hour(region, instance_type);
                hour.ok_or_else(|| format!("no price of {instance_type} in {region}"))
            }),
            (Some(platform), ..) => other(&format!("the platform {platform}")),
            (None, ..) => Err("its platform is not known".to_owned()),
        };
        price.map(Money::a_month).map_err(|why| unpriced(&id.id, why))
    }
}

fn unpriced(what: &str, why: String) -> Unpriced {
    Unpriced { what: what.to_owned(), why }
}

/// The region whose prices hold for a resource: not in Local Zones, Wavelength Zones and on Outposts, which have prices of their own.
fn place<'i>(id: &'i ResourceId, document: &Document) -> Result<&'i str, String> {
    let region = id.region.as_str();
    if document.text("OutpostArn").is_some_and(|arn| !arn.is_empty()) {
        return Err("it is on an Outpost".to_owned());
    }
    let zone = document.text("Placement.AvailabilityZone").or_else(|| document.text("AvailabilityZone"));
    match zone.and_then(|zone| zone.strip_prefix(region)) {
        Some(letter) if letter.len() <= 1 => Ok(region),
        _ => Err(format!("it is in the zone {}, which may have prices of its own", zone.unwrap_or("unknown"))),
    }
}

/// The volumes of an instance.
pub(super) fn volumes(id: &ResourceId, instance: &Document) -> Vec<ResourceId> {
    let (scope, kind) = (id.scope(), VOLUME.kind());
    let ids = instance.scalars("BlockDeviceMappings.Ebs.VolumeId");
    ids.into_iter().map(|id| ResourceId::new(&scope, &kind, id)).collect()
}

/// The public IPv4 addresses of an instance that stay while it is stopped. Those that AWS lent are given back then.
fn addresses(instance: &Document) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in ["NetworkInterfaces.Association", "NetworkInterfaces.PrivateIpAddresses.Association"] {
        let each = |field: &str| instance.scalars(&format!("{path}.{field}"));
        // Where AWS says of each whose it is.
        let (addresses, owners) = (each("PublicIp"), each("IpOwnerId"));
        let is_lent =
            |place: usize| addresses.len() == owners.len() && owners.get(place).is_some_and(|owner| owner == "amazon");
        found.extend(
            addresses.iter().enumerate().filter(|(place, _)| !is_lent(*place)).map(|(_, address)| address.clone()),
        );
    }
    found
}

/// The addresses that come from pools which accounts brought themselves: AWS charges nothing for them.
pub(super) fn brought(store: &Store, scope: &ScopeFilter) -> Result<HashSet<(Scope, String)>, ReadError> {
    let (mut found, mut after) = (HashSet::new(), None::<ResourceId>);
    loop {
        let snapshot = store.snapshot()?;
        let rows = snapshot.heads(&ADDRESS.kind(), scope, after.as_ref(), STEP)?;
        for row in &rows {
            let document = match snapshot.parts(&row.id, &ADDRESS_PARTS) {
                Ok(document) => document,
                Err(ReadError::Damaged(_)) => None,
                Err(error) => return Err(error),
            };
            let Some(document) = document else { continue };
            if let (Some(address), Some(pool)) = (document.text("PublicIp"), document.text("PublicIpv4Pool"))
                && pool.starts_with("ipv4pool-")
            {
                found.insert((row.id.scope(), address.to_owned()));
            }
        }
        if rows.len() < STEP {
            return Ok(found);
        }
        after = rows.into_iter().next_back().map(|row| row.id);
    }
}

/// What a snapshot costs a month at most.
pub(super) fn snapshot(
    prices: &PriceTable,
    scope: &Scope,
    id: &str,
    facets: &[(u16, &str)],
) -> Result<Money, Unpriced> {
    let region = scope.region.as_str();
    let tier = match facet(SNAPSHOT, facets, "storage-tier") {
        Some("archive") => Tier::Archive,
        Some("standard") | None => Tier::Standard,
        Some(other) => return Err(unpriced(id, format!("the table has no prices of the tier {other}"))),
    };
    let gib = facet(SNAPSHOT, facets, "volume-size").and_then(|size| size.parse().ok());
    let gib = gib.ok_or_else(|| unpriced(id, "its size is not known".to_owned()))?;
    prices.snapshot_month(region, tier, gib).ok_or_else(|| unpriced(id, format!("no price in {region}")))
}

/// The value of a filter in a row.
pub(super) fn facet<'r>(kind: &KindSpec, facets: &[(u16, &'r str)], filter: &str) -> Option<&'r str> {
    let number = kind.filter(filter)?.number;
    facets.iter().find(|(facet, _)| *facet == number).map(|(_, value)| *value)
}

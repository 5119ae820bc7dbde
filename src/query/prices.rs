//! What AWS charges, by AWS's public list prices.
//!
//! Muster carries a table of them (see `NOTICE` beside it), which a file can replace. A price that the table does not have is
//! unknown: no price of another region or type stands in for it.

mod error;
mod money;

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use crate::model::Timestamp;

pub use self::error::{PricesError, TableError};
pub use self::money::{HOURS_A_MONTH, Money};

/// The table that Muster carries.
const TABLE: &str = include_str!("prices/table.txt");

/// The first line of a table, which says how to read the rest.
const FORMAT: &str = "muster-prices 1";

/// How old a table may be before answers say that prices may have changed.
const OLD: Duration = Duration::from_hours(180 * 24);

/// What no figure includes.
pub const LEAVES_OUT: &str = "list prices in US dollars: without discounts, Savings Plans, reserved or Spot prices, free tier, taxes, \
     licences (Windows, RHEL, SUSE, Marketplace), data transfer, I/O requests of magnetic volumes and CPU credits";

/// IOPS that every gp3 volume has at no extra charge.
const GP3_IOPS: u64 = 3_000;
/// Throughput in MiB/s that every gp3 volume has at no extra charge.
const GP3_MIBPS: u64 = 125;
/// Above this many IOPS an io2 volume's next ones cost less, by tiers that the table does not have.
const IO2_TIER: u64 = 32_000;

/// What a row of the table is the price of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Unit {
    /// An hour of a running instance: Linux, on demand, on shared hardware.
    InstanceHour,
    /// A GiB of a volume for a month.
    VolumeGib,
    /// One IOPS of a volume for a month.
    VolumeIops,
    /// One MiB/s of a volume for a month.
    VolumeMibps,
    /// A GiB of a snapshot for a month.
    SnapshotGib,
    /// An hour of an address.
    AddressHour,
}

impl Unit {
    const ALL: [(&str, Unit); 6] = [
        ("instance-hour", Unit::InstanceHour),
        ("volume-gib-month", Unit::VolumeGib),
        ("volume-iops-month", Unit::VolumeIops),
        ("volume-mibps-month", Unit::VolumeMibps),
        ("snapshot-gib-month", Unit::SnapshotGib),
        ("address-hour", Unit::AddressHour),
    ];
}

/// Where and when prices are from, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The regions with prices.
    pub regions: Vec<String>,
    /// Instance types with a price in at least one region.
    pub instance_types: usize,
    /// Prices of instance types, over all regions.
    pub instance_prices: usize,
    /// Volume types with a price in at least one region.
    pub volume_types: Vec<String>,
}

/// A volume, as far as its price depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PricedVolume<'a> {
    /// Its type, such as gp3.
    pub volume_type: &'a str,
    /// Its size in GiB.
    pub gib: u64,
    /// Its IOPS, where AWS says them.
    pub iops: Option<u64>,
    /// Its throughput in MiB/s, where AWS says it.
    pub mibps: Option<u64>,
}

/// Which prices a snapshot has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// The standard tier.
    Standard,
    /// The archive tier.
    Archive,
}

/// List prices by region. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceTable {
    published: Timestamp,
    source: String,
    taken_from: String,
    regions: Vec<String>,
    /// In micro-USD, one place a region.
    prices: HashMap<(Unit, String), Box<[Option<NonZeroU32>]>>,
}

impl PriceTable {
    /// The table that Muster carries.
    #[must_use]
    pub fn carried() -> Arc<PriceTable> {
        // A test reads it. Were it wrong all the same, every price would be unknown.
        static CARRIED: LazyLock<Arc<PriceTable>> =
            LazyLock::new(|| Arc::new(PriceTable::parse(TABLE).unwrap_or_default()));
        Arc::clone(&CARRIED)
    }

    /// The text of the table that Muster carries, to be made another one of.
    #[must_use]
    pub fn carried_text() -> &'static str {
        TABLE
    }

    /// The table in a file.
    ///
    /// # Errors
    /// [`PricesError`], which names the file, and the line that is wrong.
    pub fn read(path: &Path) -> Result<PriceTable, PricesError> {
        let text = std::fs::read_to_string(path).map_err(|error| PricesError::unreadable(path, error))?;
        PriceTable::parse(&text).map_err(|error| PricesError::wrong(path, error))
    }

    /// Reads a table's text.
    ///
    /// # Errors
    /// [`TableError`], which names the line that is wrong.
    pub fn parse(text: &str) -> Result<PriceTable, TableError> {
        let mut lines = (1..).zip(text.lines());
        if lines.next().is_none_or(|(_, line)| line != FORMAT) {
            return Err(TableError::Format { expected: FORMAT });
        }
        let mut head = |name: &'static str| match lines.next().map(|(_, line)| line.split_once(' ')) {
            Some(Some((found, value))) if found == name => Ok(value.trim().to_owned()),
            _ => Err(TableError::Head { name }),
        };
        let published = head("published")?;
        let published = Timestamp::parse(&published).ok_or(TableError::Published { found: published })?;
        let (source, taken_from, unit, regions) =
            (head("source")?, head("taken-from")?, head("unit")?, head("regions")?);
        if unit != "micro-USD" {
            return Err(TableError::Currency { found: unit });
        }
        let regions: Vec<String> = regions.split_whitespace().map(str::to_owned).collect();
        let mut prices = HashMap::new();
        for (number, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let (key, values) = row(line, regions.len()).map_err(|why| TableError::Row { number, why })?;
            if prices.insert(key, values).is_some() {
                return Err(TableError::Row { number, why: "this price was given before".to_owned() });
            }
        }
        if !prices.keys().any(|(unit, _)| *unit == Unit::InstanceHour) {
            return Err(TableError::Empty);
        }
        Ok(PriceTable { published, source, taken_from, regions, prices })
    }

    /// When AWS published the prices.
    #[must_use]
    pub fn published(&self) -> Timestamp {
        self.published
    }

    /// AWS's price list that they are from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The package that they were taken from.
    #[must_use]
    pub fn taken_from(&self) -> &str {
        &self.taken_from
    }

    /// The day on which AWS published the prices, such as `2026-10-15`.
    #[must_use]
    pub fn day(&self) -> String {
        self.published.to_string().chars().take(10).collect()
    }

    /// Whether the table is so old at `now` that prices may have changed since.
    #[must_use]
    pub fn is_old(&self, now: Timestamp) -> bool {
        now.since(self.published) > OLD
    }

    /// What every answer with a figure says of the table.
    #[must_use]
    pub fn said(&self, now: Timestamp) -> String {
        let age = if self.is_old(now) { ", more than 180 days ago: list prices may have changed" } else { "" };
        format!("Prices: AWS's list of {}{age}; {LEAVES_OUT}", self.day())
    }

    /// What the table has prices of.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        let of = |wanted: Unit| self.prices.iter().filter(move |((unit, _), _)| *unit == wanted);
        let mut volume_types: Vec<String> = of(Unit::VolumeGib).map(|((_, name), _)| name.clone()).collect();
        volume_types.sort();
        Coverage {
            regions: self.regions.clone(),
            instance_types: of(Unit::InstanceHour).count(),
            instance_prices: of(Unit::InstanceHour).map(|(_, prices)| prices.iter().flatten().count()).sum(),
            volume_types,
        }
    }

    fn price(&self, unit: Unit, name: &str, region: &str) -> Option<Money> {
        let place = self.regions.iter().position(|known| known == region)?;
        let price = (*self.prices.get(&(unit, name.to_owned()))?.get(place)?)?;
        Some(Money::from_micros(price.get().into()))
    }

    /// What an hour of a running instance costs: Linux without other licences, on demand, on shared hardware.
    #[must_use]
    pub fn instance_hour(&self, region: &str, instance_type: &str) -> Option<Money> {
        self.price(Unit::InstanceHour, instance_type, region)
    }

    /// What a month of a volume costs, whether or not anything reads it.
    #[must_use]
    pub fn volume_month(&self, region: &str, volume: PricedVolume<'_>) -> Option<Money> {
        let PricedVolume { volume_type, gib, iops, mibps } = volume;
        let price = |unit| self.price(unit, volume_type, region);
        let size = price(Unit::VolumeGib)?.times(gib);
        match volume_type {
            "gp3" => {
                let iops = price(Unit::VolumeIops)?.times(iops?.saturating_sub(GP3_IOPS));
                Some(size + iops + price(Unit::VolumeMibps)?.times(mibps?.saturating_sub(GP3_MIBPS)))
            }
            "io1" => Some(size + price(Unit::VolumeIops)?.times(iops?)),
            "io2" => {
                let iops = iops.filter(|iops| *iops <= IO2_TIER)?;
                Some(size + price(Unit::VolumeIops)?.times(iops))
            }
            _ => Some(size),
        }
    }

    /// What a month of a snapshot costs that holds this many GiB.
    #[must_use]
    pub fn snapshot_month(&self, region: &str, tier: Tier, gib: u64) -> Option<Money> {
        let tier = match tier {
            Tier::Standard => "standard",
            Tier::Archive => "archive",
        };
        Some(self.price(Unit::SnapshotGib, tier, region)?.times(gib))
    }

    /// What a month of a public IPv4 address costs, in use or not.
    #[must_use]
    pub fn address_month(&self, region: &str) -> Option<Money> {
        Some(self.price(Unit::AddressHour, "public-ipv4", region)?.a_month())
    }

    /// Every price: what it is of, its name, the region, and the price of one. The units are those of the table's file.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &str, &str, Money)> {
        self.prices.iter().flat_map(|((unit, name), prices)| {
            let said = Unit::ALL.iter().find(|(_, known)| known == unit).map_or("", |(said, _)| said);
            let priced = self.regions.iter().zip(prices.iter());
            priced.filter_map(move |(region, price)| {
                let price = Money::from_micros((*price)?.get().into());
                Some((said, name.as_str(), region.as_str(), price))
            })
        })
    }
}

/// A row: what its prices are of, and the price in each region.
type Priced = ((Unit, String), Box<[Option<NonZeroU32>]>);

fn row(line: &str, regions: usize) -> Result<Priced, String> {
    let mut words = line.split_whitespace();
    let unit = words.next().unwrap_or_default();
    let (_, unit) = Unit::ALL.iter().find(|(name, _)| *name == unit).ok_or_else(|| {
        let known = Unit::ALL.map(|(name, _)| name).join(", ");
        format!("`{}` is not one of {known}", crate::model::text::shown(unit, 40))
    })?;
    let name = words.next().ok_or("the name is missing")?;
    let price = |word: &str| match word {
        "-" => Ok(None),
        // Zero is no price of anything that AWS charges for.
        _ => word
            .parse::<NonZeroU32>()
            .map(Some)
            .map_err(|_| format!("`{}` is neither a price in micro-USD nor `-`", crate::model::text::shown(word, 40))),
    };
    let prices: Box<[_]> = words.map(price).collect::<Result<_, String>>()?;
    if prices.len() != regions {
        return Err(format!("there are {} prices for {regions} regions", prices.len()));
    }
    Ok(((*unit, name.to_owned()), prices))
}

#[cfg(test)]
mod tests;

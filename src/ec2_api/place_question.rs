//! Which regions or availability zones a request asks for, of those that AWS lists.

use super::copy_fault::CopyFault;
use super::fault::Ec2Fault;
use super::request::{AskedFilter, Ec2Request};
use super::sent_text::shown;
use super::unknown_filter::UnknownFilter;
use super::wire::WireTable;
use crate::model::Document;
use crate::model::glob::{Piece, matches, pieces};

/// The action that lists regions.
pub const DESCRIBE_REGIONS: &str = "DescribeRegions";
/// The action that lists the zones of a region.
pub const DESCRIBE_ZONES: &str = "DescribeAvailabilityZones";

/// The status of what an account would have to opt in to first.
const OFF: &str = "not-opted-in";

/// The filters of both actions, each with where a place has its value.
const FILTERS: [(&str, &str); 12] = [
    ("endpoint", "Endpoint"),
    ("group-long-name", "GroupLongName"),
    ("group-name", "GroupName"),
    ("message", "Messages.Message"),
    ("opt-in-status", "OptInStatus"),
    ("parent-zone-id", "ParentZoneId"),
    ("parent-zone-name", "ParentZoneName"),
    ("region-name", "RegionName"),
    ("state", "State"),
    ("zone-id", "ZoneId"),
    ("zone-name", "ZoneName"),
    ("zone-type", "ZoneType"),
];

/// What one filter tests: one of the values must match.
struct PlaceTest {
    path: &'static str,
    any: Vec<Vec<Piece>>,
}

/// A parameter that names places, where a place has that name, and what AWS calls it where there is none.
struct NamingParameter {
    name: &'static str,
    path: &'static str,
    called: &'static str,
}

const REGIONS: [NamingParameter; 1] =
    [NamingParameter { name: "RegionNames", path: "RegionName", called: "region provided" }];
const ZONES: [NamingParameter; 2] = [
    NamingParameter { name: "ZoneNames", path: "ZoneName", called: "availability zone" },
    NamingParameter { name: "ZoneIds", path: "ZoneId", called: "availability zone-id" },
];

impl NamingParameter {
    /// The names of it that a request gives, of which none of `places` is called so.
    fn unknown<'r>(&self, request: &'r Ec2Request, places: &[Document]) -> Vec<&'r String> {
        let is_known = |name: &str| places.iter().any(|place| place.text(self.path) == Some(name));
        request.texts(self.name).iter().filter(|name| !is_known(name)).collect()
    }
}

fn naming(table: &WireTable) -> &'static [NamingParameter] {
    if table.action == DESCRIBE_REGIONS { &REGIONS } else { &ZONES }
}

/// What a request names that is none of `places`.
#[must_use]
pub fn unknown_places(request: &Ec2Request, table: &WireTable, places: &[Document]) -> Vec<String> {
    naming(table).iter().flat_map(|parameter| parameter.unknown(request, places)).map(|name| shown(name)).collect()
}

/// Those of `places`, which are all that there are, that a request asks for, in their order.
///
/// # Errors
/// When AWS has no such filter or place, or does not document what it answers.
pub fn asked_places<'p>(
    request: &Ec2Request,
    table: &WireTable,
    places: &'p [Document],
) -> Result<Vec<&'p Document>, CopyFault> {
    let tests = request.filters.iter().map(|filter| test(filter, table)).collect::<Result<Vec<_>, _>>()?;
    let is_of_regions = table.action == DESCRIBE_REGIONS;
    let all = request.flag("AllRegions") || request.flag("AllAvailabilityZones");
    let mut given = Vec::new();
    for parameter in naming(table) {
        let names = request.texts(parameter.name);
        let is_called = |place: &Document, name: &str| place.text(parameter.path) == Some(name);
        let unknown: Vec<String> = parameter.unknown(request, places).into_iter().map(|name| shown(name)).collect();
        if !unknown.is_empty() {
            let called = parameter.called;
            return Err(Ec2Fault::UnknownPlace(format!("{called}: [{}]", unknown.join(", "))).into());
        }
        let is_off = |name: &&String| places.iter().filter(|place| is_called(place, name)).all(is_off);
        if let Some(off) = names.iter().find(|name| !is_of_regions && !all && is_off(name)) {
            let what = format!("the zone {}, which the account has not opted in to", shown(off));
            return Err(CopyFault::Beyond { action: table.action, what, why: "ask with AllAvailabilityZones" });
        }
        if !names.is_empty() {
            given.push((parameter.path, names));
        }
    }
    if given.len() > 1 {
        let what = "zones by name and by id at once".to_owned();
        return Err(CopyFault::Beyond { action: table.action, what, why: "name them in one way" });
    }
    let is_meant = |place: &&Document| match given.first() {
        Some((path, names)) => place.text(path).is_some_and(|name| names.iter().any(|one| one == name)),
        None => all || !is_off(place),
    };
    Ok(places.iter().filter(is_meant).filter(|place| tests.iter().all(|test| test.is_met(place))).collect())
}

fn is_off(place: &Document) -> bool {
    place.text("OptInStatus") == Some(OFF)
}

fn test(filter: &AskedFilter, table: &WireTable) -> Result<PlaceTest, CopyFault> {
    let known = table.filter(&filter.name).ok_or_else(|| UnknownFilter::new(table.action, &filter.name))?;
    let found = FILTERS.iter().find(|(name, _)| *name == known);
    let (_, path) = found.ok_or_else(|| CopyFault::LackedFilter(shown(&filter.name)))?;
    Ok(PlaceTest { path, any: filter.values.iter().map(|value| pieces(value)).collect() })
}

impl PlaceTest {
    fn is_met(&self, place: &Document) -> bool {
        place.scalars(self.path).iter().any(|value| self.any.iter().any(|wanted| matches(wanted, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::action::Ec2Action;
    use crate::ec2_api::request::parse;
    use crate::ec2_api::wire::table;
    use crate::model::{Map, Value};

    fn places(of: &[&[(&'static str, &str)]]) -> Vec<Document> {
        let place = |fields: &&[(&'static str, &str)]| {
            Document::new(fields.iter().map(|(name, value)| (*name, Value::from(*value))).collect::<Map>())
        };
        of.iter().map(place).collect()
    }

    fn regions() -> Vec<Document> {
        places(&[
            &[("RegionName", "eu-west-1"), ("OptInStatus", "opt-in-not-required"), ("Endpoint", "ec2.eu-west-1.test")],
            &[("RegionName", "af-south-1"), ("OptInStatus", "opted-in"), ("Endpoint", "ec2.af-south-1.test")],
            &[("RegionName", "ap-east-1"), ("OptInStatus", "not-opted-in"), ("Endpoint", "ec2.ap-east-1.test")],
        ])
    }

    fn zones() -> Vec<Document> {
        places(&[
            &[("ZoneName", "eu-west-1a"), ("ZoneId", "euw1-az1"), ("OptInStatus", "opt-in-not-required")],
            &[("ZoneName", "eu-west-1-dub-1a"), ("ZoneId", "euw1-dub1-az1"), ("OptInStatus", "not-opted-in")],
        ])
    }

    fn asked(action: &str, rest: &str, places: &[Document]) -> Result<Vec<String>, CopyFault> {
        let query = format!("Action={action}&Version=2016-11-15&{rest}");
        let request = parse("GET", &query, b"").unwrap();
        let Ec2Action::Describe(table) = request.action else { panic!("{action}") };
        let found = asked_places(&request, table, places)?;
        let name = |place: &&Document| place.text("ZoneName").or(place.text("RegionName")).unwrap().to_owned();
        Ok(found.iter().map(name).collect())
    }

    #[test]
    fn regions_are_those_that_are_enabled_or_named_or_all() {
        let of = |rest: &str| asked(DESCRIBE_REGIONS, rest, &regions());
        assert_eq!(of("").unwrap(), ["eu-west-1", "af-south-1"]);
        assert_eq!(of("AllRegions=false").unwrap(), ["eu-west-1", "af-south-1"]);
        assert_eq!(of("AllRegions=true").unwrap().len(), 3);
        assert_eq!(of("RegionName.1=ap-east-1").unwrap(), ["ap-east-1"]);
        assert_eq!(of("Filter.1.Name=endpoint&Filter.1.Value.1=*west*").unwrap(), ["eu-west-1"]);
        assert_eq!(of("Filter.1.Name=opt-in-status&Filter.1.Value.1=not-opted-in").unwrap(), Vec::<String>::new());
        let error = of("RegionName.1=mars-1&RegionName.2=eu-west-1").unwrap_err();
        assert_eq!(
            (error.code(), error.to_string().as_str()),
            ("InvalidParameterValue", "Invalid region provided: [mars-1]")
        );
        assert!(matches!(of("Filter.1.Name=zone-id&Filter.1.Value.1=x"), Err(CopyFault::NoFilter(_))));
    }

    #[test]
    fn zones_are_those_that_are_opted_in_to_or_all() {
        let of = |rest: &str| asked(DESCRIBE_ZONES, rest, &zones());
        assert_eq!(of("").unwrap(), ["eu-west-1a"]);
        assert_eq!(of("AllAvailabilityZones=true").unwrap(), ["eu-west-1a", "eu-west-1-dub-1a"]);
        assert_eq!(of("ZoneId.1=euw1-az1").unwrap(), ["eu-west-1a"]);
        assert_eq!(of("AllAvailabilityZones=true&ZoneName.1=eu-west-1-dub-1a").unwrap(), ["eu-west-1-dub-1a"]);
        for (rest, said) in [("ZoneName.1=mars-1a", "zone: [mars-1a]"), ("ZoneId.1=m1", "zone-id: [m1]")] {
            let error = of(rest).unwrap_err();
            assert!(error.code() == "InvalidParameterValue" && error.to_string().ends_with(said), "{error}");
        }
        for rest in ["ZoneName.1=eu-west-1-dub-1a", "ZoneName.1=eu-west-1a&ZoneId.1=euw1-az1"] {
            assert!(matches!(of(rest), Err(CopyFault::Beyond { .. })), "{rest}");
        }
        let query =
            "Action=DescribeAvailabilityZones&Version=2016-11-15&ZoneName.1=mars-1a&ZoneName.2=eu-west-1a&ZoneId.1=m1";
        let request = parse("GET", query, b"").unwrap();
        assert_eq!(unknown_places(&request, table(DESCRIBE_ZONES).unwrap(), &zones()), ["mars-1a", "m1"]);
    }

    #[test]
    fn every_filter_of_aws_has_its_place_in_what_is_listed() {
        for action in [DESCRIBE_REGIONS, DESCRIBE_ZONES] {
            let table = table(action).unwrap();
            let listing = table.listing().unwrap();
            let crate::ec2_api::wire::WireForm::Structure(structure) = listing.form else { panic!("{action}") };
            for filter in &table.filters {
                let (_, path) = FILTERS.iter().find(|(name, _)| filter.contains(name)).unwrap();
                let field = path.split('.').next().unwrap();
                assert!(table.fields(structure).iter().any(|known| known.name == field), "{filter:?}: {path}");
            }
        }
    }
}

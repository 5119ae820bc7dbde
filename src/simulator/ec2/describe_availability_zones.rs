//! `DescribeAvailabilityZones`: the three zones of the region, and a local zone that nobody has opted in to.

use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::filter::{Filter, Filtered, Filters};
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;

/// A zone, as filters see it.
struct ListedZone {
    name: String,
    id: String,
    region: String,
    group: String,
    group_title: String,
    opt_in: &'static str,
    kind: &'static str,
    /// The name and the id of the zone that a local zone belongs to.
    parent: Option<(String, String)>,
    message: Option<&'static str>,
}

/// Answers a `DescribeAvailabilityZones` call. The local zone is shown only if the call asks for all.
pub(super) fn answer(call: &Call) -> Answer {
    let all = call.params.flag("AllAvailabilityZones")?;
    let filters = Filters::<ListedZone>::parse(call.params)?;
    let plan = call.account.plan();
    let zones = zones(call);
    let (names, ids) = (call.params.set("ZoneName"), call.params.set("ZoneId"));
    let known = |zone: &&ListedZone| all || zone.opt_in != "not-opted-in";
    if let Some(unknown) = names.iter().find(|name| !zones.iter().filter(known).any(|zone| zone.name == **name)) {
        return Err(Refusal::invalid_value(format!("Invalid availability zone: [{unknown}]")));
    }
    if let Some(unknown) = ids.iter().find(|id| !zones.iter().filter(known).any(|zone| zone.id == **id)) {
        return Err(Refusal::invalid_value(format!("Invalid availability zone-id: [{unknown}]")));
    }
    call.dry_run()?;
    Ok(call.envelope("DescribeAvailabilityZones", 4_096, |xml| {
        xml.within("availabilityZoneInfo", |xml| {
            for zone in zones.iter().filter(known) {
                let is_named = names.is_empty() || names.contains(&zone.name.as_str());
                let is_meant = is_named && (ids.is_empty() || ids.contains(&zone.id.as_str()));
                if !is_meant || !filters.hold(zone, plan, call.now) {
                    continue;
                }
                xml.within("item", |xml| {
                    xml.text("optInStatus", zone.opt_in);
                    xml.within("messageSet", |xml| {
                        if let Some(message) = zone.message {
                            xml.within("item", |xml| xml.text("message", message));
                        }
                    });
                    xml.text("regionName", &zone.region);
                    xml.text("zoneName", &zone.name);
                    xml.text("zoneId", &zone.id);
                    xml.text("groupName", &zone.group);
                    xml.text("groupLongName", &zone.group_title);
                    xml.text("networkBorderGroup", &zone.region);
                    xml.text("zoneType", zone.kind);
                    if let Some((name, id)) = &zone.parent {
                        xml.text("parentZoneName", name);
                        xml.text("parentZoneId", id);
                    }
                    xml.text("zoneState", "available");
                });
            }
        });
    }))
}

fn zones(call: &Call) -> Vec<ListedZone> {
    let plan = call.account.plan();
    let region = plan.region.clone();
    let of_region = |name: &str, id: &str| ListedZone {
        name: name.to_owned(),
        id: id.to_owned(),
        region: region.clone(),
        group: format!("{region}-zg-1"),
        group_title: format!("{region} 1"),
        opt_in: "opt-in-not-required",
        kind: "availability-zone",
        parent: None,
        message: None,
    };
    let mut zones: Vec<ListedZone> = plan.zones.iter().map(|zone| of_region(&zone.name, &zone.id)).collect();
    let parent = plan.zones.first().map(|zone| (zone.name.clone(), zone.id.clone()));
    let local = parent.map(|(name, id)| ListedZone {
        group: format!("{region}-lax-1"),
        group_title: format!("{region} (Los Angeles)"),
        opt_in: "not-opted-in",
        kind: "local-zone",
        message: Some("It takes no new subnets."),
        parent: Some((name, id.clone())),
        ..of_region(&format!("{region}-lax-1a"), &format!("{id}-lax1"))
    });
    zones.extend(local);
    zones
}

impl Filtered for ListedZone {
    const FILTERS: &'static [Filter<Self>] = &[
        ("group-long-name", |zone, values| values.text(&zone.group_title)),
        ("group-name", |zone, values| values.text(&zone.group)),
        ("message", |zone, values| values.texts(zone.message)),
        ("opt-in-status", |zone, values| values.text(zone.opt_in)),
        ("parent-zone-id", |zone, values| values.texts(zone.parent.as_ref().map(|(_, id)| id.as_str()))),
        ("parent-zone-name", |zone, values| values.texts(zone.parent.as_ref().map(|(name, _)| name.as_str()))),
        ("region-name", |zone, values| values.text(&zone.region)),
        ("state", |_, values| values.text("available")),
        ("zone-id", |zone, values| values.text(&zone.id)),
        ("zone-name", |zone, values| values.text(&zone.name)),
        ("zone-type", |zone, values| values.text(zone.kind)),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = None;
}

//! Regions and availability zones as documents, with the field names of the AWS CLI's JSON. They are no kinds: nothing is recorded of
//! them.

use aws_sdk_ec2::types;

use super::fields::{Fields, Mapped, mapped};
use crate::model::Document;

/// A region that AWS lists.
#[must_use]
pub fn region(listed: types::Region) -> Document {
    listed.fields().document()
}

/// An availability zone that AWS lists.
#[must_use]
pub fn zone(listed: types::AvailabilityZone) -> Document {
    listed.fields().document()
}

mapped!(|region: Region| {
    Fields::new()
        .text("Endpoint", region.endpoint)
        .list("Geography", region.geography)
        .text("OptInStatus", region.opt_in_status)
        .text("RegionName", region.region_name)
});

mapped!(|zone: AvailabilityZone| {
    Fields::new()
        .list("Geography", zone.geography)
        .text("GroupLongName", zone.group_long_name)
        .text("GroupName", zone.group_name)
        .list("Messages", zone.messages)
        .text("NetworkBorderGroup", zone.network_border_group)
        .code("OptInStatus", zone.opt_in_status)
        .text("ParentZoneId", zone.parent_zone_id)
        .text("ParentZoneName", zone.parent_zone_name)
        .text("RegionName", zone.region_name)
        .code("State", zone.state)
        .list("SubGeography", zone.sub_geography)
        .text("ZoneId", zone.zone_id)
        .text("ZoneName", zone.zone_name)
        .text("ZoneType", zone.zone_type)
});

mapped!(|place: RegionGeography, AvailabilityZoneGeography, AvailabilityZoneSubGeography| {
    Fields::new().text("Name", place.name)
});

mapped!(|message: AvailabilityZoneMessage| Fields::new().text("Message", message.message));

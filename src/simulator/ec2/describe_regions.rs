//! `DescribeRegions`: the regions every account has, all of them opted in.

use crate::simulator::catalog::REGIONS;
use crate::simulator::ec2::{Answer, Call};
use crate::simulator::filter::Filters;
use crate::simulator::refusal::Refusal;

/// Answers a `DescribeRegions`.
pub(super) fn answer(call: &Call) -> Answer {
    call.params.flag("AllRegions")?;
    let filters = Filters::parse(call.params, |name| match name {
        "region-name" => Some(Field::Name),
        "endpoint" => Some(Field::Endpoint),
        "opt-in-status" => Some(Field::OptIn),
        _ => None,
    })?;
    let names = call.params.set("RegionName");
    if let Some(unknown) = names.iter().find(|name| !REGIONS.iter().any(|(region, _)| region == *name)) {
        return Err(Refusal::invalid_value(format!("Invalid region provided: {unknown}")));
    }
    call.dry_run()?;
    Ok(call.envelope("DescribeRegions", 4_096, |xml| {
        xml.within("regionInfo", |xml| {
            for (name, place) in &REGIONS {
                let endpoint = format!("ec2.{name}.amazonaws.com");
                let wanted = names.is_empty() || names.contains(name);
                let holds = filters.hold(|field, matches| {
                    matches(match field {
                        Field::Name => name,
                        Field::Endpoint => &endpoint,
                        Field::OptIn => "opt-in-not-required",
                    })
                });
                if wanted && holds {
                    xml.within("item", |xml| {
                        xml.text("regionName", name);
                        xml.text("regionEndpoint", &endpoint);
                        xml.text("optInStatus", "opt-in-not-required");
                        xml.within("geographySet", |xml| xml.within("item", |xml| xml.text("name", place)));
                    });
                }
            }
        });
    }))
}

enum Field {
    Name,
    Endpoint,
    OptIn,
}

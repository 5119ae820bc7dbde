//! `DescribeRegions`: the regions that the account can use, or all regions.

use crate::simulator::catalog::{OPT_IN_REGIONS, REGIONS};
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::filter::{Filter, Filtered, Filters};
use crate::simulator::refusal::Refusal;
use crate::simulator::tags::Tags;

/// Answers a `DescribeRegions` call. A region that the account has not opted in to is shown if the call asks for all or
/// names it.
pub(super) fn answer(call: &Call) -> Answer {
    let all = call.params.flag("AllRegions")?;
    let filters = Filters::<Region>::parse(call.params)?;
    let plan = call.account.plan();
    let opted_in = &plan.opted_in;
    let status = |name: &str| {
        let opted = opted_in.iter().any(|region| region == name);
        if opted { "opted-in" } else { "not-opted-in" }
    };
    let always = REGIONS.iter().map(|(name, place)| (*name, *place, "opt-in-not-required"));
    let mut regions: Vec<_> =
        always.chain(OPT_IN_REGIONS.iter().map(|(name, place)| (*name, *place, status(name)))).collect();
    regions.sort_unstable();
    let names = call.params.set("RegionName");
    if let Some(unknown) = names.iter().find(|name| !regions.iter().any(|(region, ..)| region == *name)) {
        return Err(Refusal::invalid_value(format!("Invalid region provided: {unknown}")));
    }
    call.dry_run()?;
    Ok(call.envelope("DescribeRegions", 8_192, |xml| {
        xml.within("regionInfo", |xml| {
            for (name, place, opt_in) in regions {
                let endpoint = format!("ec2.{name}.amazonaws.com");
                let wanted = if names.is_empty() { all || opt_in != "not-opted-in" } else { names.contains(&name) };
                let region = Region { name, endpoint, opt_in };
                if wanted && filters.hold(&region, plan, call.now) {
                    xml.within("item", |xml| {
                        xml.text("regionName", name);
                        xml.text("regionEndpoint", &region.endpoint);
                        xml.text("optInStatus", opt_in);
                        xml.within("geographySet", |xml| xml.within("item", |xml| xml.text("name", place)));
                    });
                }
            }
        });
    }))
}

/// A region, as filters see it.
struct Region {
    name: &'static str,
    endpoint: String,
    opt_in: &'static str,
}

impl Filtered for Region {
    const FILTERS: &'static [Filter<Self>] = &[
        ("endpoint", |region, values| values.text(&region.endpoint)),
        ("opt-in-status", |region, values| values.text(region.opt_in)),
        ("region-name", |region, values| values.text(region.name)),
    ];
    const TAGS: Option<fn(&Self) -> &Tags> = None;
}

//! EC2's Query API: the actions, the envelope around their answers, and what they have in common.

mod actions;
mod call;
mod client_token;
mod create_snapshot;
mod create_snapshots;
mod create_volume;
mod delete_volume;
mod describe_addresses;
mod describe_availability_zones;
mod describe_images;
mod describe_instance_status;
mod describe_instances;
mod describe_internet_gateways;
mod describe_nat_gateways;
mod describe_network_acls;
mod describe_network_interfaces;
mod describe_regions;
mod describe_route_tables;
mod describe_security_groups;
mod describe_snapshots;
mod describe_subnets;
mod describe_volumes;
mod describe_vpcs;
mod elastic_address;
mod image;
mod instance_filters;
mod instance_item;
mod internet_gateway;
mod lifecycle;
mod listing;
mod modify_volume;
mod nat_gateway;
mod network_acl;
mod network_interface;
mod owners;
mod route_table;
mod run_instances;
mod security_group_rules;
mod tagging;
mod trail;
mod volume_attachment;

use crate::simulator::happening::{Happening, What};
use crate::simulator::refusal::Refusal;

use actions::ACTIONS;
use call::Answer;
pub(crate) use call::Call;

const VERSION: &str = "2016-11-15";

/// Whether the simulator has an action of this name.
pub(crate) fn knows(action: &str) -> bool {
    ACTIONS.iter().any(|known| known.name == action)
}

/// Whether an action of this name changes things.
pub(crate) fn mutates(action: &str) -> bool {
    ACTIONS.iter().any(|known| known.name == action && known.mutates)
}

/// The names of all actions.
#[cfg(test)]
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|action| action.name)
}

/// Answers one EC2 call.
pub(crate) fn answer(call: &Call, action: &str) -> Answer {
    let found = ACTIONS.iter().find(|known| known.name == action);
    let known = found.ok_or_else(|| Refusal::invalid_action(action))?;
    let version = call.params.get("Version").unwrap_or_default();
    if version != VERSION {
        return Err(Refusal::no_such_version(version, "AmazonEC2"));
    }
    let answer = call.params.only(known.parameters).and_then(|()| (known.answer)(call));
    if known.mutates {
        record(call, known.name, &answer);
    }
    answer
}

/// Records in `CloudTrail` that a call was refused before it was carried out, if the action changes things.
pub(crate) fn refused(call: &Call, action: &str, refusal: &Refusal) {
    if let Some(known) = ACTIONS.iter().find(|known| known.name == action && known.mutates) {
        record(call, known.name, &Err(refusal.clone()));
    }
}

/// Records a call in `CloudTrail`, whether or not it succeeded.
fn record(call: &Call, name: &'static str, answer: &Answer) {
    let plan = call.account.plan();
    let what = What::Call {
        name,
        request: trail::request(name, call.params),
        response: answer.as_ref().map_or(serde_json::Value::Null, |xml| trail::response(xml)),
        error: answer.as_ref().err().map(trail::error),
        request_id: call.request.to_owned(),
        by: Box::new(call.by.clone()),
    };
    let (account, region) = (plan.account.clone(), plan.region.clone());
    call.account.outbox().push(Happening { at: call.now, account, region, what });
}

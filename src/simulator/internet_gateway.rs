//! Internet gateways: one for each VPC, one unattached, and those that calls created.

use crate::simulator::plan::Plan;
use crate::simulator::tags::Tags;

/// One internet gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InternetGateway {
    pub(crate) number: u64,
    /// The VPC it is attached to.
    pub(crate) vpc: Option<u64>,
    pub(crate) deleted: bool,
    /// Its first tags.
    pub(crate) tags: Tags,
}

impl InternetGateway {
    /// How many the formula has. An account without instances has only its default VPC's gateway.
    pub(crate) fn count(plan: &Plan) -> u64 {
        plan.vpcs + u64::from(plan.count > 0)
    }

    /// The `number`th gateway of the formula: that of the VPC with the same number, or the unattached one after them.
    pub(crate) fn of(plan: &Plan, number: u64) -> Option<Self> {
        if number >= Self::count(plan) {
            return None;
        }
        let vpc = (number < plan.vpcs).then_some(number);
        let mut tags = Tags::default();
        match vpc {
            Some(0) => {}
            Some(vpc) => tags.put("Name", format!("net-{vpc:02}-internet")),
            None => tags.put("Name", "spare"),
        }
        Some(Self { number, vpc, deleted: false, tags })
    }
}

//! The VPCs that an account sees: its own and those shared with it.

use crate::simulator::account::differences::Differences;
use crate::simulator::account::share::{SharedVpc, SubnetPlace};
use crate::simulator::clock::Moment;
use crate::simulator::ident::{Kind, Malformed};
use crate::simulator::network::{GROUPS, SecurityGroup, Vpc};
use crate::simulator::plan::{Plan, ZONES, base};
use crate::simulator::tags::Tags;

impl Differences {
    /// The number of VPCs that the account sees, including shared ones.
    pub(in crate::simulator::account) fn vpcs(&self, plan: &Plan) -> u64 {
        plan.vpcs + u64::try_from(self.shares.len()).unwrap_or(0)
    }

    pub(in crate::simulator::account) fn share(&self, plan: &Plan, place: u64) -> Option<&SharedVpc> {
        self.shares.get(usize::try_from(place.checked_sub(plan.vpcs)?).ok()?)
    }

    /// The VPC at a position as of `at`, and its owner's formula.
    pub(in crate::simulator::account) fn vpc<'a>(
        &'a self,
        plan: &'a Plan,
        place: u64,
        at: Moment,
    ) -> Option<(Vpc, &'a Plan)> {
        if place < plan.vpcs {
            let mut vpc = Vpc::of(place);
            if let Some(tagged) = self.tags.get(&(Kind::Vpc, place)).and_then(|tags| tags.at(at)) {
                vpc.tags = tagged.tags.clone();
            }
            return Some((vpc, plan));
        }
        let share = self.share(plan, place).filter(|share| share.from <= at)?;
        let mut vpc = Vpc::of(share.vpc);
        vpc.tags = Tags::default();
        Some((vpc, &share.plan))
    }

    /// The position of a VPC that the account sees.
    pub(in crate::simulator::account) fn vpc_place(&self, plan: &Plan, id: &str) -> Result<Option<u64>, Malformed> {
        let own = plan.idents.number(Kind::Vpc, id)?.filter(|number| *number < plan.vpcs);
        let shared = || (plan.vpcs..).zip(&self.shares).find(|(_, share)| share.id() == id);
        Ok(own.or_else(|| shared().map(|(place, _)| place)))
    }

    /// A subnet in which the account may launch instances.
    pub(in crate::simulator::account) fn place(&self, plan: &Plan, id: &str) -> Result<Option<SubnetPlace>, Malformed> {
        let Some(number) = plan.idents.number(Kind::Subnet, id)? else { return Ok(None) };
        if number < plan.vpcs * ZONES {
            return Ok(Some(SubnetPlace::own(number)));
        }
        let stands_for = |kind, id: &str| plan.idents.number(kind, id).ok().flatten();
        let found = (plan.vpcs..).zip(&self.shares).find_map(|(network, share)| {
            let subnet = |zone: &u64| share.plan.idents.text(Kind::Subnet, share.vpc * ZONES + zone) == id;
            let zone = (0..ZONES).find(subnet)?;
            let vpc = stands_for(Kind::Vpc, &share.id())?;
            Some(SubnetPlace { network, vpc, subnet: number, zone, base: base(share.vpc), shared: true })
        });
        Ok(found)
    }

    /// A security group of the formula, without changes.
    pub(in crate::simulator::account) fn group(&self, plan: &Plan, number: u64) -> SecurityGroup {
        let network = number / GROUPS;
        match self.share(plan, network) {
            None => SecurityGroup::of(number, network, base(network)),
            Some(share) => {
                let vpc = plan.idents.number(Kind::Vpc, &share.id()).ok().flatten().unwrap_or(network);
                SecurityGroup::of(number, vpc, base(share.vpc))
            }
        }
    }
}

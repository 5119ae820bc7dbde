//! Machine images.

use crate::simulator::account::scene::Scene;
use crate::simulator::ami::{Ami, FOREIGN, OWN};
use crate::simulator::clock::Moment;

impl Scene<'_> {
    /// The image as it was at `at`; `None` when EC2 does not show it to the account.
    pub(crate) fn ami(self, number: u64, at: Moment) -> Option<Ami> {
        self.kept(number, at).filter(|ami: &Ami| !ami.deregistered && ami.created <= at)
    }

    /// The numbers of all images that ever existed, starting with `from`, in listing order.
    pub(crate) fn amis(self, from: u64) -> impl Iterator<Item = u64> {
        let own = from.max(OWN)..OWN + Ami::own(self.plan);
        (from..FOREIGN).chain(own).chain(self.tables().amis.made(from))
    }

    /// The moments at which what Describe calls show of an image may change.
    pub(crate) fn ami_moments(self, number: u64) -> Vec<Moment> {
        let versions = self.versions_of::<Ami>(number).into_iter();
        versions.flat_map(|(from, ami)| [from, ami.created, ami.ready]).collect()
    }
}

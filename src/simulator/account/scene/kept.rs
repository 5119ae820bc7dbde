//! Resources that are either a formula of their number or what calls made of them.

use crate::simulator::account::scene::Scene;
use crate::simulator::clock::Moment;
use crate::simulator::history::History;
use crate::simulator::tables::Versioned;

impl Scene<'_> {
    /// A resource as it was at `at`, deleted or not; `None` before it was made.
    pub(crate) fn kept<T: Versioned>(self, number: u64, at: Moment) -> Option<T> {
        match T::changes(self.tables()).get(number) {
            Some(history) => history.at(at).cloned(),
            None => T::formula(self.plan, number),
        }
    }

    /// Whether the resource ever existed.
    pub(crate) fn ever_kept<T: Versioned>(self, number: u64) -> bool {
        self.kept::<T>(number, Moment::LAST).is_some()
    }

    /// The versions of a resource. A resource that was never changed has one.
    pub(crate) fn versions_of<T: Versioned>(self, number: u64) -> Vec<(Moment, T)> {
        match T::changes(self.tables()).get(number) {
            Some(history) => history.versions().map(|(from, version)| (from, version.clone())).collect(),
            None => T::formula(self.plan, number).map(|thing| (Moment::NEVER, thing)).into_iter().collect(),
        }
    }

    /// The moments at which calls changed a resource.
    pub(crate) fn kept_moments<T: Versioned>(self, number: u64) -> Vec<Moment> {
        T::changes(self.tables()).get(number).into_iter().flat_map(History::moments).collect()
    }
}

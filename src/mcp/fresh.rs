//! How fresh an answer is. Freshness is read before the data: a commit in between then makes the data newer than the answer says,
//! never older.

use std::collections::BTreeMap;

use super::core::Core;
use super::stale::Stale;
use crate::freshness::SeenAt;
use crate::ingest::Lacked;
use crate::kinds::{self, KindSpec};
use crate::model::{Group, GroupEvidence, ResourceId, Scope, Timestamp};

/// How fresh one resource was when this was made.
#[derive(Clone, Debug)]
pub struct Fresh {
    /// The resource.
    pub id: ResourceId,
    /// Why its copy may be out of date.
    pub stale: Option<Stale>,
    seen: SeenAt,
}

impl Fresh {
    /// The time at which everything in the copy was last confirmed, if it is read after this was made.
    #[must_use]
    pub fn as_of(&self, evidence: &GroupEvidence, provisional: bool, changed_at: Timestamp) -> Timestamp {
        self.seen.as_of(evidence, provisional, changed_at)
    }

    /// The same for each group of fields; `None` when no group was confirmed later than the whole.
    #[must_use]
    pub fn groups(
        &self,
        evidence: &GroupEvidence,
        provisional: bool,
        changed_at: Timestamp,
    ) -> Option<BTreeMap<Group, Timestamp>> {
        let as_of = |group| self.seen.group_as_of(group, evidence, provisional, changed_at);
        let groups = Group::ALL.map(|group| (group, as_of(group)));
        let differ = groups.iter().any(|(_, at)| *at != self.as_of(evidence, provisional, changed_at));
        differ.then(|| groups.into_iter().collect())
    }
}

impl Core {
    /// How fresh a resource of `kind` is, before it is read.
    #[must_use]
    pub fn fresh(&self, kind: &'static KindSpec, id: &ResourceId) -> Fresh {
        let seen = self.ingest.freshness().seen(id, self.now());
        let unreadable = self.ingest.freshness().unreadable(id).map(|(item, since)| Stale {
            why: format!(
                "AWS lists it in a form that cannot be read, so this is its last readable version: {}. Look at it in the AWS \
                console",
                item.why()
            ),
            since: Some(since),
        });
        Fresh { id: id.clone(), stale: unreadable.or_else(|| self.stale(&id.scope(), kind)), seen }
    }

    /// How fresh the part is that is served with a resource; `None` for kinds without a part.
    #[must_use]
    pub fn fresh_part(&self, kind: &KindSpec, id: &ResourceId) -> Option<Fresh> {
        let part = part_of(kind)?;
        Some(self.fresh(part, &ResourceId { kind: part.kind(), ..id.clone() }))
    }

    /// Why the copies of `kind` in `scope` may be out of date. A scope that is not watched always may be.
    #[must_use]
    pub fn stale(&self, scope: &Scope, kind: &'static KindSpec) -> Option<Stale> {
        let freshness = self.ingest.freshness();
        match freshness.of(scope, &kind.kind()) {
            Some(state) => Stale::of(&state, freshness.trouble().as_ref(), self.now()),
            None => Some(Stale { why: "not watched by this server now".to_owned(), since: None }),
        }
    }
}

/// Explains that sweeps no longer list a resource, and what decides whether it is gone.
#[must_use]
pub fn missing(Lacked { since, sweeps }: Lacked) -> String {
    let sweeps =
        if sweeps == 1 { "the last complete sweep".to_owned() } else { format!("the last {sweeps} complete sweeps") };
    format!(
        "Missing since {since}: {sweeps} did not list it. It counts as removed once AWS answers NotFound for its ID, or once \
         another sweep, started at least a minute after it was last seen, does not list it either"
    )
}

/// The kind that is served as part of `kind` under the same id.
#[must_use]
pub fn part_of(kind: &KindSpec) -> Option<&'static KindSpec> {
    kinds::KINDS.iter().find(|part| part.status_of == Some(kind.slug)).copied()
}

#[cfg(test)]
mod tests {
    use crate::kinds::INSTANCE;
    use crate::mcp::tests::World;
    use crate::model::fixtures::scope;
    use crate::model::{Region, ResourceId, Scope};

    #[tokio::test]
    async fn what_was_asked_before_a_sweep_claims_nothing_of_that_sweep() {
        let world = World::small().await;
        let client = world.client(false).await;
        let id = ResourceId::new(&scope(), &INSTANCE.kind(), world.instance(&client, "running").await);
        let before = world.core.fresh(INSTANCE, &id);
        let between = world.core.now();
        world.sweep().await;
        let current = world.core.snapshot().unwrap().current(&id).unwrap().unwrap();
        assert!(before.as_of(&current.evidence, false, current.changed_at) <= between);
        assert!(world.core.fresh(INSTANCE, &id).as_of(&current.evidence, false, current.changed_at) >= between);
    }

    #[tokio::test]
    async fn what_nobody_watches_is_stale() {
        let world = World::small().await;
        let elsewhere = Scope { region: Region::new("eu-west-9"), ..scope() };
        assert_eq!(world.core.stale(&scope(), INSTANCE), None);
        let stale = world.core.stale(&elsewhere, INSTANCE).unwrap();
        assert_eq!(stale.why, "not watched by this server now");
    }
}

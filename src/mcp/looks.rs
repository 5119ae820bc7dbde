//! Live looks at single resources, remembered for all who want one at the same time: however many clients wait for an instance, AWS is
//! asked once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex as Lock;
use tokio::sync::Mutex;

use crate::aws::Priority;
use crate::kinds::KindSpec;
use crate::model::{Kind, ResourceId, Scope, Timestamp};

/// How many ids of a kind and scope are remembered with what was seen of them.
const MAX_REMEMBERED: usize = 1_000;

/// What a live look showed of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// AWS shows it; what it shows is in the inventory.
    Shown,
    /// AWS does not know it.
    NotFound,
    /// AWS does not take its id for one, so that nothing has it.
    Malformed,
    /// AWS answered and did not say, with the reason and what to do about it.
    Unsaid(String),
    /// The call failed, whatever it was about, with the reason and what to do about it.
    Failed(String),
}

/// What a look showed of one resource in one scope.
#[derive(Clone, Debug)]
pub struct LiveSight {
    /// Where AWS was asked.
    pub scope: Scope,
    /// Its kind.
    pub kind: &'static KindSpec,
    /// Its id.
    pub id: Arc<str>,
    /// What AWS showed.
    pub sight: Sight,
}

impl Sight {
    /// Why AWS did not say whether there is such a resource; `None` where it did.
    #[must_use]
    pub fn unsaid(&self) -> Option<&str> {
        match self {
            Sight::Unsaid(why) | Sight::Failed(why) => Some(why),
            Sight::Shown | Sight::NotFound | Sight::Malformed => None,
        }
    }

    /// Whether AWS says that there is no such resource.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Sight::NotFound | Sight::Malformed)
    }

    /// What looks at one resource in several scopes show together.
    #[must_use]
    pub fn together<'a>(sights: impl IntoIterator<Item = &'a Sight>) -> Sight {
        let mut all = None;
        for sight in sights {
            match (sight, &all) {
                (Sight::Shown, _) => return Sight::Shown,
                (Sight::Unsaid(_) | Sight::Failed(_), Some(Sight::NotFound | Sight::Malformed) | None)
                | (Sight::NotFound | Sight::Malformed, None) => {
                    all = Some(sight.clone());
                }
                _ => {}
            }
        }
        all.unwrap_or_else(|| Sight::Unsaid("It is not known yet which regions are watched.".to_owned()))
    }
}

/// The last live looks of a server. Each kind of a scope is looked at by one call of a priority at a time; who waits for it takes what it
/// showed. Who is urgent does not wait for a call of those who are not.
#[derive(Default)]
pub struct Looks {
    recent: Lock<HashMap<(Scope, Kind, Priority), SharedLooks>>,
    rebooted: Lock<HashMap<ResourceId, Timestamp>>,
}

/// The last looks at a kind in a scope, which one caller at a time reads and adds to.
pub type SharedLooks = Arc<Mutex<RecentLooks>>;

/// What the last looks at a kind in a scope showed, and when each was asked for.
#[derive(Default)]
pub struct RecentLooks(HashMap<Arc<str>, (Timestamp, Sight)>);

impl Looks {
    /// The last looks at a kind in a scope with this priority, for one caller at a time.
    #[must_use]
    pub fn of(&self, scope: &Scope, kind: &Kind, priority: Priority) -> SharedLooks {
        Arc::clone(self.recent.lock().entry((scope.clone(), kind.clone(), priority)).or_default())
    }

    /// Remembers that AWS took a reboot of an instance at `at`.
    pub fn note_reboot(&self, id: ResourceId, at: Timestamp) {
        let mut rebooted = self.rebooted.lock();
        if rebooted.len() > MAX_REMEMBERED {
            rebooted.clear();
        }
        rebooted.insert(id, at);
    }

    /// When this server last had an instance rebooted.
    #[must_use]
    pub fn rebooted(&self, id: &ResourceId) -> Option<Timestamp> {
        self.rebooted.lock().get(id).copied()
    }
}

impl RecentLooks {
    /// What a look at `id` showed that was asked for at `since` or later.
    #[must_use]
    pub fn get(&self, id: &str, since: Timestamp) -> Option<&Sight> {
        self.0.get(id).filter(|(asked_at, _)| *asked_at >= since).map(|(_, sight)| sight)
    }

    /// Remembers what a look showed that was asked for at `asked_at`.
    pub fn remember(&mut self, asked_at: Timestamp, seen: Vec<(Arc<str>, Sight)>) {
        // Those of a minute ago nobody waits for any more.
        self.0.retain(|_, (earlier, _)| asked_at.since(*earlier) < Duration::from_mins(1));
        self.0.extend(seen.into_iter().map(|(id, sight)| (id, (asked_at, sight))));
    }
}

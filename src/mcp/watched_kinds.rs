//! Which kinds are watched, and what is said of a question about one that is not.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::core::Core;
use super::error::RequestError;
use crate::kinds::{KINDS, KindSpec};
use crate::model::Timestamp;
use crate::query::Point;

/// What to do about a kind that is not watched.
const FIX: &str =
    "Add them to `kinds` of the server (its configuration file and `muster reload`, --kinds or MUSTER_KINDS)";
/// The same for whoever does not see everything, and does not know which of the two it is.
const ASK: &str = "Ask a person who runs the server for a grant that holds them, or to add them to its `kinds`";

impl Core {
    /// Whether a kind is watched, in whatever accounts and regions.
    #[must_use]
    pub fn watches(&self, kind: &KindSpec) -> bool {
        self.knows_kind(kind) && self.ingest.freshness().watches_kind(&kind.kind())
    }

    /// Whether anything of a kind may be seen, as far as grants say.
    #[must_use]
    pub fn knows_kind(&self, kind: &KindSpec) -> bool {
        self.visibility().sees_kind(&kind.kind())
    }

    /// Those of these kinds that are watched.
    #[must_use]
    pub fn watched_of(&self, kinds: &[&'static KindSpec]) -> Vec<&'static KindSpec> {
        kinds.iter().copied().filter(|kind| self.watches(kind)).collect()
    }

    /// The kinds that are not watched.
    #[must_use]
    pub fn unwatched_kinds(&self) -> UnwatchedKinds {
        let freshness = self.ingest.freshness();
        let unwatched = KINDS.iter().copied().filter(|kind| !self.watches(kind));
        let left = |kind: &KindSpec| freshness.kind_left(&kind.kind()).filter(|_| self.knows_kind(kind));
        let kinds = unwatched.map(|kind| (kind, left(kind))).collect();
        UnwatchedKinds { kinds, is_limited: !self.visibility().is_everything() }
    }

    /// Refuses a question about what there is now of a kind that is not watched.
    ///
    /// # Errors
    /// [`RequestError::KindNotWatched`].
    pub fn watched_kind(&self, kind: &'static KindSpec) -> Result<(), RequestError> {
        self.watched_kind_at(kind, None)
    }

    /// The same of a question about what there is now, or was at `point`: if the kind was ever watched, the answer says since when it
    /// is not.
    ///
    /// # Errors
    /// [`RequestError::KindNotWatched`].
    pub fn watched_kind_at(&self, kind: &'static KindSpec, point: Option<Point>) -> Result<(), RequestError> {
        if self.watches(kind) {
            return Ok(());
        }
        if !self.knows_kind(kind) {
            return Err(RequestError::KindHidden { plural: kind.plural });
        }
        let since = self.ingest.freshness().kind_left(&kind.kind());
        match (point, since) {
            (Some(_), Some(_)) => Ok(()),
            _ => Err(RequestError::KindNotWatched { plural: kind.plural, slug: kind.slug, since }),
        }
    }
}

/// Kinds that are not watched, each since when, where it was watched.
#[derive(Clone, Debug, Default)]
pub struct UnwatchedKinds {
    kinds: Vec<(&'static KindSpec, Option<Timestamp>)>,
    /// Whether the asker does not see everything: some of them may be watched and hidden.
    is_limited: bool,
}

impl UnwatchedKinds {
    /// The field of answers that names them.
    pub const FIELD: &str = "unwatched_kinds";

    /// Those of them that a question about these kinds is about; about all kinds if there are none.
    #[must_use]
    pub fn among(mut self, kinds: &[&'static KindSpec]) -> Self {
        self.kinds.retain(|(kind, _)| kinds.is_empty() || kinds.iter().any(|asked| asked.slug == kind.slug));
        self
    }

    /// Their slugs.
    #[must_use]
    pub fn slugs(&self) -> BTreeSet<&'static str> {
        self.kinds.iter().map(|(kind, _)| kind.slug).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }

    /// That they are not watched, as a sentence without its end.
    #[must_use]
    pub fn said(&self) -> String {
        let named = self.kinds.iter().map(|(kind, since)| match since {
            Some(since) => format!("{} (since {since})", kind.plural),
            None => kind.plural.to_owned(),
        });
        let how = if self.is_limited { "not watched here, or nothing that you may see" } else { "not watched here" };
        format!("{how}: {}", named.collect::<Vec<_>>().join(", "))
    }

    /// The same with what to do about it.
    #[must_use]
    pub fn advice(&self) -> String {
        format!("{}. {}", self.said(), self.fix())
    }

    fn fix(&self) -> &'static str {
        if self.is_limited { ASK } else { FIX }
    }

    /// As a field of an answer.
    #[must_use]
    pub fn field(&self) -> Value {
        let kinds = self.kinds.iter().map(|(kind, since)| match since {
            Some(since) => json!({"kind": kind.slug, "since": since}),
            None => json!({"kind": kind.slug}),
        });
        json!({"kinds": kinds.collect::<Vec<_>>(), "what": self.said(), "fix": self.fix()})
    }
}

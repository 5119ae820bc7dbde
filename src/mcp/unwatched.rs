//! Accounts and regions that are no longer watched, as answers name them.

use std::fmt;

use serde_json::{Value, json};

use super::core::Core;
use crate::model::{Scope, Timestamp};

/// A scope that is no longer watched.
#[derive(Clone, Debug)]
pub struct UnwatchedScope {
    scope: Scope,
    since: Timestamp,
    /// The cause, where it is known.
    why: Option<std::sync::Arc<str>>,
}

impl UnwatchedScope {
    /// A scope that is no longer watched since then, with the cause as far as it is known.
    #[must_use]
    pub fn of(core: &Core, scope: Scope, since: Timestamp) -> Self {
        let why = core.ingest.freshness().gone(&scope.account);
        UnwatchedScope { scope, since, why }
    }

    /// As an entry of the field `unwatched` of an answer.
    #[must_use]
    pub fn field(&self) -> Value {
        let UnwatchedScope { scope, since, why } = self;
        let mut entry = json!({"account": scope.account, "region": scope.region, "since": since});
        if let (Some(why), Value::Object(entry)) = (why, &mut entry) {
            entry.insert("why".to_owned(), json!(why));
        }
        entry
    }
}

impl fmt::Display for UnwatchedScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let UnwatchedScope { scope, since, why } = self;
        write!(f, "No longer watched since {since}: {scope}")?;
        why.as_ref().map_or(Ok(()), |why| write!(f, " ({why})"))
    }
}

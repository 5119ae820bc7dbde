//! Whom the events of a queue reach.

use crate::watch::member::MemberBook;
use crate::watch::refresh::Dispatcher;

/// Whom the events of a queue reach.
#[derive(Clone)]
pub(in crate::watch) struct EventReach {
    /// The watched accounts, where several share the queue.
    pub(in crate::watch) members: Option<MemberBook>,
    /// Wakes the scopes in which something happened.
    pub(in crate::watch) dispatcher: Dispatcher,
}

//! Whom the events of a queue reach.

use std::sync::Arc;

use crate::aws::queue::Queue;
use crate::model::{AccountId, WatchSelection};
use crate::watch::member::MemberBook;
use crate::watch::refresh::Dispatcher;
use crate::watch::voice::QueueVoice;

/// Whom the events of a queue reach.
#[derive(Clone)]
pub(in crate::watch) struct EventReach {
    /// Who may speak through the queue.
    pub(in crate::watch) speaker: QueueSpeaker,
    /// The watched accounts, where there are several.
    pub(in crate::watch) members: Option<MemberBook>,
    /// Wakes the scopes in which something happened.
    pub(in crate::watch) dispatcher: Dispatcher,
}

/// Who may speak through a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::watch) enum QueueSpeaker {
    /// Everybody: the queue is set for all that is watched.
    Everybody,
    /// The account in which it was found.
    Account(AccountId),
    /// The accounts whose entries name the queue.
    Entries,
}

impl EventReach {
    /// The accounts about which the queue is believed now.
    pub(super) fn voice(&self, queue: &Queue) -> QueueVoice {
        match (&self.speaker, &self.members) {
            (QueueSpeaker::Account(account), _) => QueueVoice::one(account.clone()),
            (QueueSpeaker::Entries, Some(members)) => members.voice(queue),
            (QueueSpeaker::Entries, None) | (QueueSpeaker::Everybody, _) => QueueVoice::Any,
        }
    }

    /// The account of events that name none.
    pub(super) fn owner(&self, queue: &Queue) -> Option<AccountId> {
        match (&self.speaker, &self.members) {
            // Nobody else uses it.
            (QueueSpeaker::Everybody, None) => queue.account().cloned(),
            _ => self.voice(queue).owner(queue),
        }
    }

    /// Which scopes are watched, where several accounts are.
    pub(super) fn selection(&self) -> Option<Arc<WatchSelection>> {
        self.members.as_ref().map(MemberBook::selection)
    }
}

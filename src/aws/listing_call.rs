//! A call that lists resources: what it asks for, and what its answer showed beyond the SDK's result.
//!
//! The connector and the interceptors see only requests and answers, so the caller says in the task what it lists
//! ([`ListingCall::during`]).

use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::kinds::KindSpec;
use crate::model::{AccountId, Item, ItemHash, ItemMemory, UnchangedItem, UnreadableItem};

tokio::task_local! {
    static ASKED: Arc<ListingCall>;
}

/// What a call lists, and what its answer showed.
pub(super) struct ListingCall {
    /// If set, resources of other accounts are left out.
    pub(super) own: Option<AccountId>,
    pub(super) spec: &'static KindSpec,
    /// If set, items whose bytes it knows are not decoded.
    pub(super) memory: Option<Arc<dyn ItemMemory>>,
    pub(super) learned: Mutex<Learned>,
}

/// What was learned from a call.
#[derive(Default)]
pub(super) struct Learned {
    /// The called host.
    pub(super) host: Option<String>,
    /// The listed items that cannot be read.
    pub(super) unreadable: Vec<UnreadableItem>,
    /// Whether the answer was proved complete before the SDK got it.
    pub(super) whole: bool,
    /// The listed items that the SDK did not get, because their bytes are known.
    pub(super) unchanged: Vec<UnchangedItem>,
    /// The ids and hashes of the items that it got, in order, if there is a memory. Items without an id have none.
    pub(super) decoded: Vec<Option<(String, ItemHash)>>,
}

impl ListingCall {
    /// Makes a call that lists resources of a kind. If `own` is given, resources of other accounts are left out; if a `memory` is
    /// given, items that it knows are not decoded.
    pub(super) async fn during<T>(
        own: Option<&AccountId>,
        spec: &'static KindSpec,
        memory: Option<&Arc<dyn ItemMemory>>,
        call: impl Future<Output = T>,
    ) -> (T, Learned) {
        let learned = Mutex::default();
        let asked = Arc::new(ListingCall { own: own.cloned(), spec, memory: memory.cloned(), learned });
        let answer = ASKED.scope(Arc::clone(&asked), call).await;
        let learned = std::mem::take(&mut *asked.learned.lock());
        (answer, learned)
    }

    /// The call that this task makes. Not every call lists resources.
    pub(super) fn current() -> Option<Arc<ListingCall>> {
        ASKED.try_with(Arc::clone).ok()
    }
}

impl Learned {
    /// Gives the decoded items the hashes of their bytes, where it is certain which bytes are whose.
    pub(super) fn mark(&self, items: &mut [Item]) {
        if items.len() == self.decoded.len() {
            for (item, decoded) in items.iter_mut().zip(&self.decoded) {
                item.hash = decoded.as_ref().filter(|(id, _)| **id == *item.id).map(|(_, hash)| *hash);
            }
        }
    }
}

//! One of several accounts that are watched beside one another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::voice::QueueVoice;
use crate::aws::queue::Queue;
use crate::aws::{AccountPlan, Aws, Regions};
use crate::freshness::{Signal, StatesWanted};
use crate::ingest::{IngestError, IngestHandle};
use crate::model::{
    AccountId, Kind, KnownAccount, KnownAccounts, Region, Scope, SweepMessage, SweepStep, Trouble, WatchSelection,
};

/// What is known of all members. Clones share it.
#[derive(Clone, Default)]
pub(super) struct MemberBook {
    list: Arc<Mutex<MemberList>>,
    /// Counts the members that left.
    left: watch::Sender<u64>,
    /// Held while it is recorded which scopes are watched, so that an older choice never comes after a newer one.
    recording: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct MemberList {
    /// Each member by its number: its plan, its account once that is known, and its regions once these are.
    each: BTreeMap<u64, MemberFacts>,
    /// The accounts that were watched and no longer are.
    given_up: BTreeSet<AccountId>,
    /// Whether further accounts may turn out to be watched that are no members yet.
    is_part: bool,
    next: u64,
}

struct MemberFacts {
    plan: Arc<AccountPlan>,
    account: Option<AccountId>,
    regions: Option<BTreeSet<Region>>,
}

/// One of several accounts.
#[derive(Clone)]
pub(super) struct Member {
    book: MemberBook,
    number: u64,
    pub(super) plan: Arc<AccountPlan>,
    /// The connection that all share; it makes the calls of tools.
    root: Aws,
}

impl MemberBook {
    /// A new member. `before` is the account to which the same credentials led before, if they did: it stays watched until AWS says
    /// which one it is now.
    pub(super) fn enter(&self, plan: &AccountPlan, before: Option<AccountId>, root: &Aws) -> Member {
        let plan = Arc::new(plan.clone());
        let mut members = self.list.lock();
        members.next += 1;
        let (number, account) = (members.next, plan.account.clone().or(before));
        if let Some(account) = &account {
            members.given_up.remove(account);
        }
        let regions = known_regions(&plan);
        members.each.insert(number, MemberFacts { plan: Arc::clone(&plan), account, regions });
        Member { book: self.clone(), number, plan, root: root.clone() }
    }

    /// Notes whether the members are all accounts that are watched.
    pub(super) fn ends(&self, is_whole: bool) {
        self.list.lock().is_part = !is_whole;
    }

    /// Notes what a member is called now, and where it stands.
    pub(super) fn rename(&self, member: &Member, plan: &AccountPlan) {
        if let Some(facts) = self.list.lock().each.get_mut(&member.number) {
            facts.plan = Arc::new(plan.clone());
        }
    }

    /// Which scopes are watched, as far as it is known.
    pub(super) fn selection(&self) -> WatchSelection {
        let members = self.list.lock();
        let mut watched: BTreeMap<AccountId, Option<BTreeSet<Region>>> = BTreeMap::new();
        for facts in members.each.values() {
            let Some(account) = &facts.account else { continue };
            let regions = watched.entry(account.clone()).or_insert_with(|| Some(BTreeSet::new()));
            match (regions.as_mut(), &facts.regions) {
                (Some(known), Some(more)) => known.extend(more.iter().cloned()),
                (_, None) => *regions = None,
                (None, Some(_)) => {}
            }
        }
        let is_whole = !members.is_part && members.each.values().all(|facts| facts.account.is_some());
        WatchSelection::Accounts { watched, given_up: members.given_up.clone(), is_whole }
    }

    /// The accounts about which a queue is believed that entries name: those of the entries, as far as they are known.
    pub(super) fn voice(&self, queue: &Queue) -> QueueVoice {
        let members = self.list.lock();
        let named = members.each.values().filter(|facts| facts.plan.events.queues().any(|named| named == queue));
        let (mut accounts, mut is_whole) = (BTreeSet::new(), !members.is_part);
        for facts in named {
            is_whole &= facts.account.is_some();
            accounts.extend(facts.account.clone());
        }
        QueueVoice::Of { accounts, is_whole }
    }

    /// Records durably which scopes are watched, as far as it is known.
    ///
    /// # Errors
    /// When the store fails; then it is not recorded.
    pub(super) async fn record(&self, ingest: &IngestHandle) -> Result<(), IngestError> {
        let _recording = self.recording.lock().await;
        ingest.watch_only(self.selection()).await
    }

    /// What people call the accounts.
    pub(super) fn known(&self) -> KnownAccounts {
        let members = self.list.lock();
        let named = members.each.values().filter_map(|facts| {
            let name = facts.plan.name.as_deref().map(Arc::from);
            let ou = facts.plan.ou.as_deref().map(Arc::from);
            Some((facts.account.clone()?, KnownAccount { name, ou }))
        });
        KnownAccounts::new(named.collect::<Vec<_>>())
    }
}

impl Member {
    /// What tells it from the others.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// What it is called in messages.
    pub(super) fn label(&self) -> String {
        self.plan.label()
    }

    /// Notes the account of the credentials. False if another member is this account too: then this one must not watch it.
    pub(super) fn identified(&self, account: &AccountId, aws: &Aws) -> bool {
        {
            let mut members = self.book.list.lock();
            let is_taken = members
                .each
                .iter()
                .any(|(number, facts)| *number != self.number && facts.account.as_ref() == Some(account));
            if is_taken {
                return false;
            }
            let Some(facts) = members.each.get_mut(&self.number) else {
                // It is not watched any more, and is about to end.
                return false;
            };
            facts.account = Some(account.clone());
            members.given_up.remove(account);
            self.root.adopt(account, aws);
        }
        self.root.call_accounts(self.book.known());
        true
    }

    /// Changes when a member leaves.
    pub(super) fn left(&self) -> watch::Receiver<u64> {
        self.book.left.subscribe()
    }

    /// Records durably that these regions are watched beside the scopes of the other members.
    ///
    /// # Errors
    /// When the store fails; then it is not recorded.
    pub(super) async fn watches(
        &self,
        account: &AccountId,
        regions: &[Region],
        ingest: &IngestHandle,
    ) -> Result<(), IngestError> {
        if let Some(facts) = self.book.list.lock().each.get_mut(&self.number) {
            facts.account = Some(account.clone());
            facts.regions = Some(regions.iter().cloned().collect());
        }
        self.book.record(ingest).await
    }

    /// Reports trouble of the account as a whole, or that there is none, unless it is no longer watched.
    pub(super) fn report(&self, trouble: Option<Trouble>, ingest: &IngestHandle) {
        let members = self.book.list.lock();
        if members.each.contains_key(&self.number) {
            ingest.signal(Signal::Member { label: self.label(), trouble });
        }
    }

    /// Notes that it is no longer watched.
    pub(super) fn leave(&self, ingest: &IngestHandle) {
        {
            let mut members = self.book.list.lock();
            ingest.signal(Signal::Member { label: self.label(), trouble: None });
            let facts = members.each.remove(&self.number);
            if let Some(account) = facts.and_then(|facts| facts.account)
                && !members.each.values().any(|facts| facts.account.as_ref() == Some(&account))
            {
                members.given_up.insert(account);
            }
        }
        self.book.left.send_modify(|count| *count += 1);
    }

    /// Makes no more calls through its connection.
    pub(super) fn release(&self, aws: &Aws) {
        self.root.release(aws);
    }

    /// The scopes that are to be watched, as far as they are known before AWS is asked.
    pub(super) fn expected(&self, ingest: &IngestHandle) -> Vec<Scope> {
        let Some(account) = self.account() else { return Vec::new() };
        let held = || {
            let wanted = StatesWanted { account: Some(&account), ..StatesWanted::default() };
            ingest.freshness().those(&wanted).into_iter().map(|state| state.scope.region).collect()
        };
        let mut regions: BTreeSet<Region> = known_regions(&self.plan).unwrap_or_else(held);
        if regions.is_empty() {
            regions.extend(self.plan.regions.known_region());
        }
        regions.into_iter().map(|region| Scope { account: account.clone(), region }).collect()
    }

    /// Reports that nothing of the account can be observed: each of its scopes fails for this reason.
    pub(super) async fn unreached(&self, trouble: Trouble, ingest: &IngestHandle, kinds: &[Kind]) {
        let expected = self.expected(ingest);
        if expected.is_empty() {
            self.report(Some(trouble), ingest);
            return;
        }
        for scope in expected {
            for kind in kinds {
                let step = SweepStep::Failed { trouble: trouble.clone() };
                // The writer has stopped: nothing needs to be told any more.
                drop(ingest.sweep(SweepMessage { scope: scope.clone(), kind: kind.clone(), step }).await);
            }
        }
    }

    /// Its account, as far as that is known.
    pub(super) fn account(&self) -> Option<AccountId> {
        self.book.list.lock().each.get(&self.number)?.account.clone()
    }
}

/// The regions of a plan, if they are known before AWS is asked.
fn known_regions(plan: &AccountPlan) -> Option<BTreeSet<Region>> {
    match &plan.regions {
        Regions::Named(regions) if !regions.is_empty() => Some(regions.iter().cloned().collect()),
        Regions::Named(_) | Regions::All { .. } => None,
    }
}

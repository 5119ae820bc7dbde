//! One of several accounts that are watched beside one another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::voice::QueueVoice;
use crate::aws::queue::Queue;
use crate::aws::{AccountPlan, Aws, Regions};
use crate::freshness::{MemberTrouble, Signal, StatesWanted};
use crate::ingest::{IngestError, IngestHandle};
use crate::model::{
    AccountId, AccountRetirement, Kind, KnownAccount, KnownAccounts, Region, Scope, SweepMessage, SweepStep, Timestamp,
    Trouble, WatchSelection,
};

/// What is known of all members. Clones share it.
#[derive(Clone)]
pub(super) struct MemberBook {
    list: Arc<Mutex<MemberList>>,
    /// Counts the members that left.
    left: watch::Sender<u64>,
    /// Counts the members that name queues and whose account became another, or known at all.
    recognized: watch::Sender<u64>,
    /// Held while it is told what is known, so that older facts never come after newer ones. Always taken before the list.
    telling: Arc<Mutex<()>>,
    /// The choice that was recorded last. Held while it is recorded which scopes are watched, so that an older choice never comes after
    /// a newer one, and hundreds of accounts that become known at once are recorded together.
    recording: Arc<tokio::sync::Mutex<Option<Arc<WatchSelection>>>>,
    /// What is known of the accounts, for whoever keeps it.
    known: watch::Sender<KnownAccounts>,
}

#[derive(Default)]
struct MemberList {
    /// Each member by its number: its plan, its account once that is known, and its regions once these are.
    each: BTreeMap<u64, MemberFacts>,
    /// Which member watches each account: one, also where several entries lead to it.
    holders: BTreeMap<AccountId, u64>,
    /// The accounts that were watched and no longer are.
    given_up: BTreeSet<AccountId>,
    /// What is known of accounts that are or were watched.
    former: BTreeMap<AccountId, KnownAccount>,
    /// Why accounts of an organization are not watched any more.
    gone: BTreeMap<AccountId, &'static str>,
    /// Whether further accounts may turn out to be watched that are no members yet.
    is_part: bool,
    next: u64,
    /// Which scopes are watched, until something changes from which that follows: see [`MemberBook::change`].
    selection: Option<Arc<WatchSelection>>,
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

impl MemberList {
    /// What people call the accounts that are or were watched. Those to which no member leads any more are retired as of `now`.
    fn known(&mut self, now: Timestamp) -> KnownAccounts {
        let mut led = BTreeSet::new();
        for facts in self.each.values() {
            let Some(account) = &facts.account else { continue };
            led.insert(account.clone());
            let name = facts.plan.name.as_deref().map(Arc::from);
            let ou = facts.plan.ou.as_deref().map(Arc::from);
            self.former.insert(account.clone(), KnownAccount { name, ou, retired: None });
        }
        let is_whole = !self.is_part && self.each.values().all(|facts| facts.account.is_some());
        for (account, known) in &mut self.former {
            let is_gone = is_whole || self.given_up.contains(account);
            if led.contains(account) || known.retired.is_some() || !is_gone {
                continue;
            }
            let cause = match self.gone.get(account) {
                Some(told) => format!("it {told}"),
                None => "the configuration file does not name it any more".to_owned(),
            };
            known.retired = Some(AccountRetirement { at: now, cause: cause.into() });
        }
        KnownAccounts::new(self.former.clone())
    }

    /// Lets a member watch an account unless another does. Returns whether it does.
    fn claim(&mut self, account: &AccountId, number: u64) -> bool {
        self.given_up.remove(account);
        *self.holders.entry(account.clone()).or_insert(number) == number
    }

    /// Takes an account from a member that no longer leads to it. The first other one that does watches it from now on.
    fn pass_on(&mut self, account: &AccountId, number: u64) {
        if self.holders.get(account) != Some(&number) {
            return;
        }
        let leads =
            |(other, facts): &(&u64, &MemberFacts)| **other != number && facts.account.as_ref() == Some(account);
        match self.each.iter().find(leads).map(|(other, _)| *other) {
            Some(next) => drop(self.holders.insert(account.clone(), next)),
            None => drop(self.holders.remove(account)),
        }
    }

    /// Which scopes are watched, as far as it is known.
    fn selected(&self) -> WatchSelection {
        let mut watched: BTreeMap<AccountId, Option<BTreeSet<Region>>> = BTreeMap::new();
        for (number, facts) in &self.each {
            let Some(account) = facts.account.as_ref().filter(|account| self.holders.get(*account) == Some(number))
            else {
                continue;
            };
            let regions = watched.entry(account.clone()).or_insert_with(|| Some(BTreeSet::new()));
            match (regions.as_mut(), &facts.regions) {
                (Some(known), Some(more)) => known.extend(more.iter().cloned()),
                (_, None) => *regions = None,
                (None, Some(_)) => {}
            }
        }
        let is_whole = !self.is_part && self.each.values().all(|facts| facts.account.is_some());
        WatchSelection::Accounts { watched, given_up: self.given_up.clone(), is_whole }
    }
}

impl MemberBook {
    /// A book without members. `known` holds what was known of accounts before, and is told what is known from now on.
    pub(super) fn new(known: watch::Sender<KnownAccounts>) -> Self {
        let former = known.borrow().each().map(|(account, facts)| (account.clone(), facts.clone())).collect();
        let list = Arc::new(Mutex::new(MemberList { former, ..MemberList::default() }));
        let (left, recognized) = (watch::Sender::default(), watch::Sender::default());
        MemberBook { list, left, recognized, telling: Arc::default(), recording: Arc::default(), known }
    }

    /// Locks the list to change something from which it follows which scopes are watched.
    fn change(&self) -> MutexGuard<'_, MemberList> {
        let mut members = self.list.lock();
        members.selection = None;
        members
    }

    /// A new member. `before` is the account to which the same credentials led before, if they did: it stays watched until AWS says
    /// which one it is now.
    pub(super) fn enter(&self, plan: &AccountPlan, before: Option<AccountId>, root: &Aws) -> Member {
        let plan = Arc::new(plan.clone());
        let mut members = self.change();
        members.next += 1;
        let (number, account) = (members.next, plan.account.clone().or(before));
        if let Some(account) = &account {
            members.claim(account, number);
        }
        let regions = known_regions(&plan);
        members.each.insert(number, MemberFacts { plan: Arc::clone(&plan), account, regions });
        Member { book: self.clone(), number, plan, root: root.clone() }
    }

    /// Notes whether the members are all accounts that are watched, and why others of an organization are not any more.
    pub(super) fn ends(&self, is_whole: bool, gone: BTreeMap<AccountId, &'static str>) {
        let mut members = self.change();
        (members.is_part, members.gone) = (!is_whole, gone);
    }

    /// Notes what a member is called now, and where it stands.
    pub(super) fn rename(&self, member: &Member, plan: &AccountPlan) {
        if let Some(facts) = self.list.lock().each.get_mut(&member.number) {
            facts.plan = Arc::new(plan.clone());
        }
    }

    /// Which scopes are watched, as far as it is known. Every batch of events asks for it.
    pub(super) fn selection(&self) -> Arc<WatchSelection> {
        let mut members = self.list.lock();
        if let Some(selection) = &members.selection {
            return Arc::clone(selection);
        }
        let selection = Arc::new(members.selected());
        members.selection = Some(Arc::clone(&selection));
        selection
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

    /// Changes when another account may use queues with its own credentials.
    pub(super) fn recognized(&self) -> watch::Receiver<u64> {
        self.recognized.subscribe()
    }

    /// Records durably which scopes are watched, as far as it is known.
    ///
    /// # Errors
    /// When the store fails; then it is not recorded.
    pub(super) async fn record(&self, ingest: &IngestHandle) -> Result<(), IngestError> {
        let mut recorded = self.recording.lock().await;
        let selection = self.selection();
        if recorded.as_ref().is_none_or(|recorded| **recorded != *selection) {
            ingest.watch_only(WatchSelection::clone(&selection)).await?;
            *recorded = Some(selection);
        }
        Ok(())
    }

    /// Tells what is known of the accounts, and which of them are no longer watched.
    pub(super) fn tell(&self, root: &Aws, ingest: &IngestHandle) {
        let _telling = self.telling.lock();
        let known = self.list.lock().known(root.clock().now());
        let causes = known.each().filter_map(|(account, facts)| {
            let retired = facts.retired.as_ref()?;
            Some((account.clone(), Arc::clone(&retired.cause)))
        });
        ingest.signal(Signal::Gone(causes.collect()));
        root.call_accounts(known.clone());
        self.known.send_if_modified(|kept| {
            let is_other = *kept != known;
            *kept = known;
            is_other
        });
    }
}

impl Member {
    /// What tells it from the others.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// What it is called in messages.
    pub(super) fn label(&self) -> String {
        // It may have another name since.
        let members = self.book.list.lock();
        members.each.get(&self.number).map_or_else(|| self.plan.label(), |facts| facts.plan.label())
    }

    /// Notes the account of the credentials. False if another member is this account too: then this one must not watch it.
    pub(super) fn identified(&self, account: &AccountId, aws: &Aws, ingest: &IngestHandle) -> bool {
        {
            let mut members = self.book.change();
            let Some(facts) = members.each.get_mut(&self.number) else {
                // It is not watched any more, and is about to end.
                return false;
            };
            let before = facts.account.replace(account.clone());
            if before.as_ref() != Some(account) && self.plan.events.queues().next().is_some() {
                self.book.recognized.send_modify(|count| *count += 1);
            }
            if let Some(other) = before.filter(|before| before != account) {
                members.pass_on(&other, self.number);
            }
            if !members.claim(account, self.number) {
                return false;
            }
            self.root.adopt(account, aws);
        }
        self.book.tell(&self.root, ingest);
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
        if let Some(facts) = self.book.change().each.get_mut(&self.number) {
            facts.account = Some(account.clone());
            facts.regions = Some(regions.iter().cloned().collect());
        }
        self.book.record(ingest).await
    }

    /// Reports trouble of the account as a whole, or that there is none, unless it is no longer watched.
    pub(super) fn report(&self, trouble: Option<Trouble>, ingest: &IngestHandle) {
        let members = self.book.list.lock();
        if let Some(facts) = members.each.get(&self.number) {
            let (label, account) = (facts.plan.label(), facts.account.clone());
            let trouble = trouble.map(|trouble| MemberTrouble { label, account, trouble });
            ingest.signal(Signal::Member { number: self.number, trouble });
        }
    }

    /// Notes that it is no longer watched.
    pub(super) fn leave(&self, ingest: &IngestHandle) {
        {
            let mut members = self.book.change();
            ingest.signal(Signal::Member { number: self.number, trouble: None });
            let facts = members.each.remove(&self.number);
            if let Some(account) = facts.and_then(|facts| facts.account) {
                members.pass_on(&account, self.number);
                if !members.holders.contains_key(&account) {
                    members.given_up.insert(account);
                }
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
        let Some(account) = self.held() else { return Vec::new() };
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
        self.report(None, ingest);
        for scope in expected {
            for kind in kinds {
                let step = SweepStep::Failed { trouble: trouble.clone() };
                // The writer has stopped: nothing needs to be told any more.
                drop(ingest.sweep(SweepMessage { scope: scope.clone(), kind: kind.clone(), step }).await);
            }
        }
    }

    /// Its account, if it is known, and this member is the one that watches it.
    pub(super) fn held(&self) -> Option<AccountId> {
        let members = self.book.list.lock();
        let account = members.each.get(&self.number)?.account.clone()?;
        (members.holders.get(&account) == Some(&self.number)).then_some(account)
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

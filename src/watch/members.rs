//! Watches several accounts beside one another: one watcher each, which starts when the account is added and ends when it is removed.
//!
//! None holds another up: each has its own connection, tasks and patience. What fails for one is the trouble of its scopes.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::sleep;

use super::account::{AccountWatcher, NOTE_AGAIN, ask_silent};
use super::files;
use super::member::{Member, MemberBook};
use super::queue_receivers::{QueueReceivers, QueueUser};
use super::scope::ScopeWatchers;
use super::settings::WatchSettings;
use super::tasks::Tasks;
use crate::aws::{AccountPlan, AccountPlans, Aws};
use crate::freshness::Signal;
use crate::ingest::{IngestHandle, WantedReceiver};
use crate::model::{ErrorClass, KnownAccounts, Scope, Trouble};
use crate::source::referred::ReferredIds;

/// Watches several accounts.
pub struct MembersWatcher {
    aws: Aws,
    ingest: IngestHandle,
    scopes: ScopeWatchers,
    tasks: Tasks,
    book: MemberBook,
}

/// A watched account.
struct RunningMember {
    member: Member,
    aws: Aws,
    tasks: Tasks,
}

impl MembersWatcher {
    /// Starts what needs no account: receiving from the queues given by URL, and dispatching wanted ids. `referred` returns, by the
    /// slug of a kind, the ids of that kind that other kinds refer to. `known` holds what was known of the accounts before, and is told
    /// what is known from now on.
    #[must_use]
    pub fn start(
        settings: WatchSettings,
        referred: HashMap<&'static str, ReferredIds>,
        aws: Aws,
        ingest: IngestHandle,
        wanted: WantedReceiver,
        tasks: &Tasks,
        known: watch::Sender<KnownAccounts>,
    ) -> Self {
        tasks.spawn_until_stopped("the configuration files", files::follow(aws.clone(), ingest.clone()));
        let book = MemberBook::new(known);
        let scopes = ScopeWatchers::start(settings, referred, &aws, &ingest, wanted, tasks, Some(&book));
        MembersWatcher { aws, ingest, scopes, tasks: tasks.clone(), book }
    }

    /// Watches the accounts that `plans` holds, now and whenever it changes.
    pub async fn watch(self, mut plans: watch::Receiver<AccountPlans>) {
        let mut running: Vec<RunningMember> = Vec::new();
        let mut receivers =
            QueueReceivers::new(&self.aws, &self.ingest, &self.tasks, &self.scopes.dispatcher, &self.book);
        let mut recognized = self.book.recognized();
        loop {
            let AccountPlans { plans: mut wanted, is_whole, gone } = plans.borrow_and_update().clone();
            self.book.ends(is_whole, gone);
            let mut taken = |is_it: &dyn Fn(&AccountPlan) -> bool| {
                let place = wanted.iter().position(is_it);
                place.map(|place| wanted.remove(place))
            };
            let (mut kept, others): (Vec<_>, Vec<_>) =
                running.into_iter().partition(|one: &RunningMember| taken(&|plan| *plan == *one.member.plan).is_some());
            // A new name or another place in the organization restarts nothing.
            let mut ended = Vec::new();
            for one in others {
                match taken(&|plan| plan.watches_as(&one.member.plan)) {
                    Some(plan) => {
                        self.book.rename(&one.member, &plan);
                        kept.push(one);
                    }
                    None => ended.push(one),
                }
            }
            running = kept;
            let mut members: Vec<Member> = Vec::new();
            for plan in wanted {
                let led_to = |one: &RunningMember| one.member.plan.credentials == plan.credentials;
                let before = ended.iter().find(|one| led_to(one)).and_then(|one| one.member.account());
                // The new ones come first, so that an account whose plan changed is never without one.
                members.push(self.book.enter(&plan, before, &self.aws));
            }
            // What is about to be watched is told before anything is waited for: a question about it is not refused.
            self.expect(&members);
            self.book.tell(&self.aws, &self.ingest);
            for RunningMember { member, tasks, .. } in &ended {
                tracing::info!(account = member.label(), "no longer watched, or in another way");
                tasks.end();
                member.leave(&self.ingest);
            }
            self.scopes.dispatcher.forget_ended();
            while let Err(error) = self.book.record(&self.ingest).await {
                tracing::error!(%error, "cannot record which accounts are watched");
                sleep(NOTE_AGAIN).await;
            }
            while !members.is_empty() {
                // What somebody waits for begins first: hundreds take a while.
                let is_ahead = |member: &Member| {
                    member.held().is_some_and(|account| self.ingest.freshness().is_account_ahead(&account))
                };
                let next = members.iter().position(is_ahead).unwrap_or(0);
                running.push(self.begin(members.remove(next)).await);
            }
            recognized.mark_unchanged();
            self.receive(&mut receivers, &running);
            // Calls of tools go through the old connection until the new one is there.
            for RunningMember { member, aws, .. } in &ended {
                member.release(aws);
            }
            self.book.tell(&self.aws, &self.ingest);
            loop {
                let changed = async {
                    if plans.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    () = changed => break,
                    // It never ends: the book is here.
                    _ = recognized.changed() => self.receive(&mut receivers, &running),
                }
            }
        }
    }

    /// Receives from the queues that the entries of these accounts name.
    fn receive(&self, receivers: &mut QueueReceivers, running: &[RunningMember]) {
        let users: Vec<QueueUser<'_>> = running.iter().map(RunningMember::user).collect();
        receivers.keep(&users, &self.scopes.listener.queues);
    }

    /// Tells which scopes are going to be watched, as far as they are known.
    fn expect(&self, members: &[Member]) {
        let scopes: Vec<Scope> = members.iter().flat_map(|member| member.expected(&self.ingest)).collect();
        let kinds = self.scopes.chosen().into_iter().map(|(spec, interval)| (spec.kind(), interval));
        if !scopes.is_empty() {
            self.ingest.signal(Signal::AllExpected { scopes, kinds: kinds.collect() });
        }
    }

    /// Starts the watcher of an account.
    async fn begin(&self, member: Member) -> RunningMember {
        let aws = Box::pin(self.aws.member(&member.plan)).await;
        let tasks = self.tasks.part();
        if let Some(account) = member.held() {
            self.aws.adopt(&account, &aws);
        }
        let listener = self.scopes.listener.of(&member.plan.events);
        let scopes = ScopeWatchers { aws: aws.clone(), tasks: tasks.clone(), listener, ..self.scopes.clone() };
        let (ingest, scopes) = (self.ingest.clone(), Arc::new(scopes));
        let watcher = AccountWatcher { aws: aws.clone(), ingest, scopes, member: Some(member.clone()) };
        tasks.spawn_until_stopped("identity", ask_silent(aws.clone()));
        tasks.spawn_until_stopped("the watch of an account", watch_member(watcher, member.clone()));
        RunningMember { member, aws, tasks }
    }
}

impl RunningMember {
    /// What queues ask of it.
    fn user(&self) -> QueueUser<'_> {
        let RunningMember { member, aws, .. } = self;
        let queues = member.plan.events.queues().collect();
        QueueUser { number: member.number(), account: member.account(), queues, aws }
    }
}

/// Watches one of several accounts once AWS says which one it is.
async fn watch_member(watcher: AccountWatcher, member: Member) {
    // On the heap while it is asked: hundreds of tasks keep the room of what they once waited for.
    let account = Box::pin(watcher.account()).await;
    let mut left = member.left();
    while !member.identified(&account, &watcher.aws, &watcher.ingest) {
        tracing::error!(%account, entry = member.label(), "two entries of the configuration file lead to the same account");
        let trouble = Trouble {
            class: ErrorClass::Fatal.into(),
            what: format!("another entry leads to account {account} too, and that one is watched"),
            fix: "Remove one of the two entries, and run `muster reload`".to_owned(),
            since: watcher.aws.clock().now(),
            retry_at: None,
        };
        member.report(Some(trouble), &watcher.ingest);
        // Perhaps it was the other entry.
        if left.changed().await.is_err() {
            return;
        }
    }
    member.report(None, &watcher.ingest);
    watcher.watch(account).await;
}

#[cfg(test)]
mod tests;

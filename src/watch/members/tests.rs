use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::*;
use crate::aws::{AwsSettings, CredentialPlan, EventPlan, Purpose, Regions, RolePlan};
use crate::freshness::{Freshness, MemberTrouble};
use crate::ingest::{Ingest, KindEntry};
use crate::kinds::{self, ADDRESS, INSTANCE, KINDS, SECURITY_GROUP};
use crate::model::{AccountId, Cause, KindSelection, KnownAccounts, Region, Scope, ScopeFilter, Timestamp};
use crate::notify::ChangeHub;
use crate::simulator::{self, Simulator};
use crate::store::{self, Store};

const HOME: &str = "123456789012";
const FIRST: &str = "111122223333";
const SECOND: &str = "444455556666";

/// A server of several accounts without clients.
struct Fleet {
    simulator: Simulator,
    store: Store,
    aws: Aws,
    freshness: Freshness,
    plans: watch::Sender<AccountPlans>,
    /// What is known of the accounts, as it is kept.
    kept: watch::Receiver<KnownAccounts>,
    tasks: Tasks,
    /// Ends the writer, also when a test fails.
    stop: DropGuard,
    _dir: TempDir,
}

fn plan(account: &str) -> AccountPlan {
    let role = RolePlan { arn: format!("arn:aws:iam::{account}:role/reader"), external_id: None, session_name: None };
    AccountPlan {
        account: Some(AccountId::new(account)),
        name: Some(format!("account {account}")),
        ou: None,
        credentials: CredentialPlan { profile: None, roles: vec![role] },
        regions: Regions::Named(vec![Region::new("us-east-1")]),
        share_percent: None,
        events: EventPlan::default(),
    }
}

fn scope(account: &str) -> Scope {
    Scope { account: AccountId::new(account), region: Region::new("us-east-1") }
}

fn whole(plans: Vec<AccountPlan>) -> AccountPlans {
    AccountPlans { plans, is_whole: true, ..AccountPlans::default() }
}

impl Fleet {
    async fn of(plans: Vec<AccountPlan>) -> Self {
        let options = simulator::Options { instances: 7, ..simulator::Options::default() };
        let simulator = Simulator::start(options).await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (writer, store) = store::open(store::StoreOptions::new(dir.path(), kinds::project)).unwrap();
        store.build_index().unwrap();
        let settings = AwsSettings {
            emulator: Some(simulator.endpoint()),
            regions: Regions::Named(vec![Region::new("us-east-1")]),
            purpose: Purpose::Source,
            ..AwsSettings::default()
        };
        let aws = Aws::load(settings).await;
        let entries = KINDS.iter().map(|spec| KindEntry {
            kind: spec.kind(),
            rules: spec.rules(),
            interval: spec.interval,
            event_rules: None,
        });
        let (stop, tasks) = (CancellationToken::new(), Tasks::new());
        let hub = ChangeHub::new(Vec::new());
        let (ingest, handle, wanted) = Ingest::new(writer, hub, aws.clock(), entries.collect(), stop.clone()).unwrap();
        let runtime = tokio::runtime::Handle::current();
        tokio::task::spawn_blocking(move || drop(ingest.run(&runtime)));
        let freshness = handle.freshness().clone();
        let settings = WatchSettings {
            kinds: watch::channel(KindSelection::All).1,
            intervals: KINDS.iter().map(|spec| (*spec, Duration::from_secs(1))).collect(),
            queues: Vec::new(),
            events: None,
            canary_interval: Duration::from_mins(1),
            quiet: None,
        };
        let (plans, followed) = watch::channel(whole(plans));
        let (known, kept) = watch::channel(KnownAccounts::default());
        let watcher = MembersWatcher::start(settings, HashMap::new(), aws.clone(), handle, wanted, &tasks, known);
        tasks.spawn_until_stopped("the watch", watcher.watch(followed));
        Fleet { simulator, store, aws, freshness, plans, kept, tasks, stop: stop.drop_guard(), _dir: dir }
    }

    /// Waits until `holds`.
    async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        for _ in 0..2_400 {
            if holds(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let states: Vec<String> = self.freshness.scopes().iter().map(|state| format!("{state:?}")).collect();
        panic!("{what}: {}", states.join("\n"));
    }

    fn is_swept(&self, account: &str) -> bool {
        let states: Vec<_> = self.freshness.scopes();
        let mut own = states.iter().filter(|state| state.scope == scope(account)).peekable();
        own.peek().is_some() && own.all(|state| state.swept_now)
    }

    fn count(&self, kind: &crate::kinds::KindSpec, of: Option<&Scope>) -> u64 {
        let scopes = of.cloned().map_or(ScopeFilter::Everywhere, ScopeFilter::from);
        self.store.snapshot().unwrap().count(&kind.kind(), &scopes).unwrap()
    }

    async fn end(self) {
        self.tasks.stop(Duration::from_secs(5)).await;
        drop(self.stop);
        self.simulator.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_account_is_watched_with_its_own_role_and_one_that_is_removed_leaves_answers() {
    let fleet = Fleet::of(vec![plan(HOME), plan(FIRST)]).await;
    fleet.until("both are swept", |fleet| fleet.is_swept(HOME) && fleet.is_swept(FIRST)).await;
    assert_eq!(fleet.count(INSTANCE, None), 7);
    assert_eq!(fleet.count(INSTANCE, Some(&scope(HOME))), 7);
    assert_eq!(fleet.count(INSTANCE, Some(&scope(FIRST))), 0);
    let (both, of_first) = (fleet.count(SECURITY_GROUP, None), fleet.count(SECURITY_GROUP, Some(&scope(FIRST))));
    assert!(of_first > 0 && both > of_first, "{both}, {of_first}");
    let known = fleet.aws.known_accounts();
    assert_eq!(known.called("ACCOUNT 111122223333").collect::<Vec<_>>(), [&scope(FIRST).account]);

    // One more beside them, and the first one goes.
    fleet.plans.send_replace(whole(vec![plan(HOME), plan(SECOND)]));
    fleet.until("the new one is swept", |fleet| fleet.is_swept(SECOND)).await;
    assert_eq!(fleet.count(SECURITY_GROUP, None), both, "one of each");
    assert_eq!(fleet.count(SECURITY_GROUP, Some(&scope(FIRST))), of_first, "what was known stays");
    assert!(fleet.freshness.unwatched().iter().all(|state| state.scope == scope(FIRST)));
    assert_eq!(fleet.freshness.unwatched().len(), KINDS.len());
    let known = fleet.kept.borrow().of(&scope(FIRST).account).cloned().unwrap();
    assert_eq!(known.name.as_deref(), Some("account 111122223333"), "its name stays known");
    assert!(known.retired.unwrap().cause.contains("does not name it"));
    let stale = fleet.freshness.unwatched().remove(0).stale(Timestamp::EPOCH).unwrap();
    assert!(stale.ends_with(": the configuration file does not name it any more"), "{stale}");

    // Back again: what is found then is no news.
    let before = fleet.store.snapshot().unwrap().seq();
    let first = fleet.simulator.world().account(FIRST, "us-east-1");
    first.allocate_address();
    fleet.plans.send_replace(whole(vec![plan(HOME), plan(SECOND), plan(FIRST)]));
    fleet.until("it is swept again", |fleet| fleet.count(ADDRESS, Some(&scope(FIRST))) == 1).await;
    assert!(fleet.freshness.unwatched().is_empty());
    assert_eq!(fleet.kept.borrow().of(&scope(FIRST).account).unwrap().retired, None);
    let records = fleet.store.snapshot().unwrap().records(before.next(), 1_000).unwrap();
    let causes: Vec<&Cause> = records.iter().map(|record| &record.cause).collect();
    assert_eq!(causes, [&Cause::Baseline], "{records:?}");
    assert!(fleet.count(SECURITY_GROUP, None) > both);
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_role_cannot_be_assumed_fails_alone_and_says_why() {
    let mut wrong = plan(SECOND);
    // STS names another account than the entry expects.
    wrong.credentials.roles[0].arn = format!("arn:aws:iam::{FIRST}:role/reader");
    let mut broken = plan(FIRST);
    broken.credentials.roles[0].arn = format!("arn:aws:iam::{FIRST}:user/nobody");
    let fleet = Fleet::of(vec![plan(HOME), wrong, broken]).await;
    fleet.until("the sound one is swept", |fleet| fleet.is_swept(HOME)).await;
    let failing = |fleet: &Fleet, account: &str| {
        let states = fleet.freshness.scopes();
        let own: Vec<_> = states.into_iter().filter(|state| state.scope == scope(account)).collect();
        (own.len() == KINDS.len()).then(|| own.into_iter().map(|state| state.trouble).collect::<Option<Vec<_>>>())?
    };
    fleet.until("the others fail", |fleet| failing(fleet, FIRST).is_some() && failing(fleet, SECOND).is_some()).await;
    let told = failing(&fleet, SECOND).unwrap().remove(0);
    assert!(told.what.contains(SECOND) && told.what.contains(FIRST), "{told:?}");
    let told = failing(&fleet, FIRST).unwrap().remove(0);
    assert!(told.what.contains("ValidationError") && told.fix.contains("trust policy"), "{told:?}");
    assert_eq!(fleet.freshness.trouble(), None, "nothing is wrong as a whole");
    // Nothing of an account is ever asked with the credentials of another.
    assert_eq!(fleet.count(SECURITY_GROUP, Some(&scope(FIRST))) + fleet.count(SECURITY_GROUP, Some(&scope(SECOND))), 0);
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_of_roles_ends_in_the_account_of_the_last_and_the_middle_is_assumed_once() {
    let hub = RolePlan {
        arn: format!("arn:aws:iam::{HOME}:role/hub"),
        external_id: Some("x".to_owned()),
        session_name: Some("through-the-hub".to_owned()),
    };
    let through = |account: &str| {
        let mut plan = plan(account);
        plan.credentials.roles.insert(0, hub.clone());
        plan
    };
    let fleet = Fleet::of(vec![through(FIRST), through(SECOND)]).await;
    fleet.until("both are swept", |fleet| fleet.is_swept(FIRST) && fleet.is_swept(SECOND)).await;
    let world = fleet.simulator.world();
    assert_eq!(world.requests("AssumeRole"), 3, "the hub once, then one role each");
    assert!(world.requests("GetCallerIdentity") <= 2, "once an account, not once a sweep");
    // A call for an account that is not watched is refused here.
    let error = fleet.aws.confirm_by_sts(&scope(HOME)).await.unwrap_err();
    assert!(error.to_string().contains("not watched"), "{error}");
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_that_lead_to_one_account_are_told_and_one_of_them_watches_it() {
    // The emulator's own credentials, which are of the simulator's account.
    let own = |name: &str| AccountPlan {
        account: None,
        name: Some(name.to_owned()),
        credentials: CredentialPlan::default(),
        ..plan(HOME)
    };
    let fleet = Fleet::of(vec![own("one"), own("the same")]).await;
    fleet.until("the account is swept", |fleet| fleet.is_swept(HOME)).await;
    fleet.until("the other entry is told", |fleet| fleet.freshness.members().len() == 1).await;
    let MemberTrouble { account, trouble: told, .. } = fleet.freshness.members().remove(0);
    assert!(told.what.contains(HOME) && told.fix.contains("muster reload"), "{told:?}");
    assert_eq!(account, Some(AccountId::new(HOME)));
    assert_eq!(fleet.count(INSTANCE, None), 7, "once");
    // Without one of them, the other watches it.
    fleet.plans.send_replace(whole(vec![own("the same")]));
    fleet.until("nothing is wrong", |fleet| fleet.freshness.members().is_empty()).await;
    assert!(fleet.freshness.unwatched().is_empty());
    fleet.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_and_a_profile_of_one_account_do_not_disturb_each_other() {
    // The profile's own credentials are of the account of the role.
    let own = AccountPlan { account: None, credentials: CredentialPlan::default(), ..plan(HOME) };
    let mut broken = plan(HOME);
    broken.credentials.roles[0].arn = format!("arn:aws:iam::{HOME}:user/nobody");
    // The profile watches the account before the role is listed, which cannot be assumed.
    let fleet = Fleet::of(vec![own.clone()]).await;
    fleet.until("the account is swept", |fleet| fleet.is_swept(HOME)).await;
    fleet.plans.send_replace(whole(vec![own.clone(), broken.clone()]));
    fleet.until("the role is told", |fleet| fleet.freshness.members().len() == 1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let states = fleet.freshness.scopes();
    assert!(states.iter().all(|state| state.trouble.is_none()), "the trouble of the role is not that of the account");
    assert!(fleet.aws.confirm_by_sts(&scope(HOME)).await.is_ok(), "calls go through the profile");
    assert!(fleet.freshness.unwatched().is_empty());
    // The profile goes, and the account is the role's.
    fleet.plans.send_replace(whole(vec![broken]));
    fleet
        .until("the account fails with the role", |fleet| {
            fleet.freshness.signal(Signal::TryNow);
            fleet.freshness.scopes().iter().all(|state| state.trouble.is_some())
        })
        .await;
    assert!(fleet.freshness.unwatched().is_empty(), "it is still meant to be watched");
    fleet.end().await;
}

#[tokio::test]
async fn what_is_watched_is_worked_out_once_until_something_changes_that() {
    // Nothing is called.
    let settings = AwsSettings { emulator: Some("http://127.0.0.1:1".to_owned()), ..AwsSettings::default() };
    let aws = Aws::load(settings).await;
    let book = MemberBook::new(watch::Sender::default());
    let watches = |account: &str| book.selection().watches(&scope(account));
    assert_eq!(watches(HOME), Some(false));
    let member = book.enter(&plan(HOME), None, &aws);
    assert_eq!((watches(HOME), watches(FIRST)), (Some(true), Some(false)));
    let before = book.selection();
    book.rename(&member, &plan(HOME));
    assert!(Arc::ptr_eq(&before, &book.selection()), "a name changes nothing");
    book.ends(false, BTreeMap::new());
    assert_eq!((watches(HOME), watches(FIRST)), (Some(true), None));
    let profile = AccountPlan { account: None, ..plan(FIRST) };
    let profile = book.enter(&profile, None, &aws);
    book.ends(true, BTreeMap::new());
    assert_eq!(watches(FIRST), None, "the profile may be that account's");
    assert_eq!(profile.account(), None);
}

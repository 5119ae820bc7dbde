//! Ten clients of every kind read and subscribe while an account is added, removed and added again.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::driver::{Driver, Flavour, Transport};
use crate::harness::muster::{Endpoint, OFTEN, Sandbox};
use crate::harness::roles::{AccountsFile, role};
use crate::harness::simulator::Simulator;
use crate::harness::{PATIENCE, eventually_within};

const STAYS: (&str, &str) = ("stays", "200000000001");
const LEAVES: (&str, &str) = ("leaves", "200000000002");
const REGION: &str = "us-east-1";
/// Several sweeps: long enough for a notification that must not come.
const SEVERAL_SWEEPS: Duration = Duration::from_secs(3);
/// All clients, some of them interpreters, at once.
const CROWD: Duration = Duration::from_mins(5);

/// What has happened to the account.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Stage {
    Watched,
    Removed,
    Back,
    Changed,
}

/// What the clients and the test tell one another.
#[derive(Default)]
struct Progress {
    stage: AtomicUsize,
    /// How many clients have seen all that there is to see of the stages.
    done: AtomicUsize,
    over: AtomicBool,
}

impl Progress {
    /// The clients see this stage to its end.
    fn reach(&self, stage: Stage) {
        self.stage.store(stage as usize, Ordering::Relaxed);
        let expected = Flavour::MATRIX.len() * (stage as usize + 1);
        eventually_within(CROWD, "every client sees it", || {
            assert!(!self.over.load(Ordering::Relaxed), "a client failed");
            (self.done.load(Ordering::Relaxed) >= expected).then_some(())
        });
    }
}

/// Ends the clients, whether the test passes or one of them fails.
struct EndOnDrop<'a>(&'a Progress);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// An instance of an account, by its id.
fn instance(simulator: &Simulator, account: &str) -> String {
    let endpoint = Endpoint { region: REGION.to_owned(), ..simulator.endpoint() };
    let reservations =
        Account::by_role(&endpoint, &role(account)).every("ec2.describe_instances", "Reservations", &json!({}));
    reservations[0]["Instances"][0]["InstanceId"].as_str().unwrap().to_owned()
}

/// A client that reads all the time.
struct Reader<'a> {
    driver: Driver,
    flavour: Flavour,
    progress: &'a Progress,
    /// The instance of the account that leaves.
    uri: &'a str,
}

impl Reader<'_> {
    /// Asks for a bit of everything: nothing of it is an error.
    fn reads(&mut self) {
        for (tool, arguments) in [
            ("search_inventory", json!({"kind": "instance", "limit": 20})),
            ("count_inventory", json!({"kind": "instance"})),
            ("list_changes", json!({"limit": 5})),
            ("get_inventory_summary", json!({})),
        ] {
            let answer = self.driver.call(tool, &arguments);
            assert!(answer["isError"] != true, "{:?} {tool}: {answer}", self.flavour);
        }
        assert!(!self.driver.resources().is_empty());
        self.driver.read("ec2://inventory/summary");
        self.driver.read(self.uri);
    }

    /// Reads until a stage is reached; false if the test is over.
    fn until(&mut self, stage: Stage) -> bool {
        while self.progress.stage.load(Ordering::Relaxed) < stage as usize {
            if self.progress.over.load(Ordering::Relaxed) {
                return false;
            }
            self.reads();
        }
        true
    }

    /// Hears of the instance of the account that leaves, and of no other.
    fn hears(&mut self, of_what: &str) {
        if self.flavour.subscribes() {
            let heard = self.driver.updated(PATIENCE);
            let (heard, _) = heard.unwrap_or_else(|| panic!("{:?} does not hear of {of_what}", self.flavour));
            assert_eq!(heard, self.uri, "{:?}: {of_what}", self.flavour);
        }
    }

    /// How many notifications come in several sweeps.
    fn hears_more(&mut self) -> usize {
        let mut count = 0;
        while self.flavour.subscribes() && self.driver.updated(SEVERAL_SWEEPS).is_some() {
            count += 1;
        }
        count
    }

    /// Reads the instance until `holds`.
    fn reads_until(&mut self, what: &str, holds: impl Fn(&Value) -> bool) {
        eventually_within(PATIENCE, what, || {
            let read = self.driver.read(self.uri);
            holds(&read).then_some(())
        });
    }

    /// The whole visit of the client; ends early if the test is over.
    fn visit(mut self) {
        self.reads();
        let before = self.driver.read(self.uri);
        self.progress.done.fetch_add(1, Ordering::Relaxed);

        if !self.until(Stage::Removed) {
            return;
        }
        self.hears("the account's end");
        let read = self.driver.read(self.uri);
        let why = read["stale"]["why"].as_str().unwrap_or_default().to_owned();
        assert!(why.contains("no longer watched"), "{:?} reads {read}", self.flavour);
        assert_eq!(read["document"], before["document"], "it is not deleted, and is as it was");
        assert_eq!(self.hears_more(), 0, "{:?} hears of it once", self.flavour);
        self.progress.done.fetch_add(1, Ordering::Relaxed);

        if !self.until(Stage::Back) {
            return;
        }
        self.hears("the account's return");
        self.reads_until("the copy is fresh again", |read| read["stale"].is_null());
        self.hears_more();
        self.progress.done.fetch_add(1, Ordering::Relaxed);

        if !self.until(Stage::Changed) {
            return;
        }
        self.hears("a change after the return");
        let state = before["document"]["State"].clone();
        self.reads_until("the change is seen", |read| read["document"]["State"] != state);
        self.progress.done.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn ten_clients_read_and_subscribe_while_an_account_comes_and_goes() {
    let simulator = Simulator::start(
        5,
        &["--accounts", "2", "--account-regions", "us-east-1,eu-west-1", "--account-instances", "30"],
    );
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &[REGION, "eu-west-1"]);
    // It is added while the server runs, and then removed and added again.
    file.write(&[STAYS]);
    let server = sandbox.serve(&[&OFTEN[..], &["--config", file.path()]].concat());
    server.swept();
    let reload = || {
        let data = sandbox.data();
        let told = sandbox.muster(&["reload", "--data-dir", data.to_str().unwrap()]).output().unwrap();
        assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    };
    file.write(&[STAYS, LEAVES]);
    reload();
    let uris = [LEAVES, STAYS].map(|(_, account)| format!("ec2://instance/{}", instance(&simulator, account)));
    let mut first = Driver::connect(Flavour::Rust, &Transport::Http(&server.http));
    eventually_within(PATIENCE, "the account that was added is seen", || first.try_read(&uris[0]).ok());
    server.swept();

    let progress = Progress::default();
    std::thread::scope(|threads| {
        let _end = EndOnDrop(&progress);
        for flavour in Flavour::MATRIX {
            let (progress, uris, http) = (&progress, &uris, &server.http);
            threads.spawn(move || {
                let mut driver = Driver::connect(flavour, &Transport::Http(http));
                if flavour.subscribes() {
                    driver.subscribe(uris);
                    // What changed a moment ago is told to who comes a moment later.
                    while driver.updated(SEVERAL_SWEEPS).is_some() {}
                }
                let reader = Reader { driver, flavour, progress, uri: &uris[0] };
                if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reader.visit())).is_err() {
                    progress.over.store(true, Ordering::Relaxed);
                    panic!("{flavour:?} failed");
                }
            });
        }
        progress.reach(Stage::Watched);
        file.write(&[STAYS]);
        reload();
        progress.reach(Stage::Removed);
        file.write(&[STAYS, LEAVES]);
        reload();
        progress.reach(Stage::Back);
        let flip = json!({"account": LEAVES.1, "region": REGION, "from": 0, "count": 10_000});
        simulator.control("POST", "/flip", &flip);
        progress.reach(Stage::Changed);
    });
}

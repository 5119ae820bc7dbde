//! The AWS emulator moto.
//!
//! One emulator serves all tests that run at a moment (it takes seconds to start and 200 MB): each test has a region of its
//! own, and regions share nothing of EC2. It ends with its last user. Its pages hold one reservation.

use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use serde_json::Value;

use super::PATIENCE;
use super::account::Account;
use super::muster::Endpoint;
use super::process::Running;
use super::python::Environment;

/// Regions the emulator knows. A test takes one and never gives it back.
const REGIONS: [&str; 33] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-east-1",
    "ca-central-1",
    "ca-west-1",
    "sa-east-1",
    "me-south-1",
    "me-central-1",
    "il-central-1",
    "af-south-1",
    "mx-central-1",
    "ap-east-2",
];

/// The account number of the emulator's only account.
pub(crate) const ACCOUNT: &str = "123456789012";

/// The emulator's process.
struct Emulator {
    url: String,
    /// How many of its regions are taken.
    taken: AtomicUsize,
    // Held for its end: dropping it stops the emulator. (The lock makes it shareable; nobody takes it.)
    _running: Mutex<Running>,
}

/// One account and region of the emulator, for one test.
pub(crate) struct Moto {
    emulator: Arc<Emulator>,
    region: &'static str,
    account: Account,
}

impl Moto {
    /// An empty region of the shared emulator.
    pub(crate) fn start() -> Moto {
        static SHARED: Mutex<Weak<Emulator>> = Mutex::new(Weak::new());
        let emulator = {
            let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            shared.upgrade().unwrap_or_else(|| {
                let emulator = Arc::new(Emulator::start());
                *shared = Arc::downgrade(&emulator);
                emulator
            })
        };
        Moto::within(emulator)
    }

    /// An emulator of its own, for what would disturb other tests.
    pub(crate) fn alone() -> Moto {
        Moto::within(Arc::new(Emulator::start()))
    }

    fn within(emulator: Arc<Emulator>) -> Moto {
        let taken = emulator.taken.fetch_add(1, Ordering::Relaxed);
        let region = *REGIONS.get(taken).expect("more tests use moto than there are regions: add regions to REGIONS");
        let account = Account::at(&Endpoint { url: emulator.url.clone(), region: region.to_owned() });
        Moto { emulator, region, account }
    }

    /// Where AWS is, for Muster.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { url: self.emulator.url.clone(), region: self.region.to_owned() }
    }
}

impl Deref for Moto {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.account
    }
}

impl Emulator {
    fn start() -> Emulator {
        let running = Running::start("moto", Environment::Moto.script("emulator.py"));
        let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
        let url = said["endpoint"].as_str().unwrap().to_owned();
        Emulator { url, taken: AtomicUsize::new(0), _running: Mutex::new(running) }
    }
}

//! Watches how a server's sweeps go, by what its freshness shows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::harness::rpc::Client;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(200);

/// What was seen of sweeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Complete sweeps by scope, as `us-east-1 instance`. One that was over between two looks is not counted.
    sweeps: BTreeMap<String, u64>,
    /// How long the last one of each took, which tells it from the one before.
    last: BTreeMap<String, String>,
    /// What was held back, once for each time.
    pub(super) holds: Vec<String>,
    holding: BTreeMap<String, bool>,
}

/// A watch that goes on until it is stopped.
pub(super) struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to watch.
    pub(super) fn start(http: &str) -> Watch {
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let (shared, stopped, mut client) = (Arc::clone(&seen), Arc::clone(&stop), Client::http(http));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                let freshness = client.read("ec2://inventory/freshness");
                let mut seen = shared.lock().unwrap();
                freshness["scopes"].as_array().unwrap().iter().for_each(|scope| seen.take(scope));
                drop(seen);
                sleep(LOOK);
            }
        });
        Watch { seen, stop, thread: Some(thread) }
    }

    /// Complete sweeps so far, by scope.
    pub(super) fn sweeps(&self) -> BTreeMap<String, u64> {
        self.seen.lock().unwrap().sweeps.clone()
    }

    /// Waits until every scope was swept `times` more, from beginning to end.
    pub(super) fn all_swept_again(&self, times: u64, patience: Duration) {
        self.swept_again_where(times, patience, |_| true);
    }

    /// As [`Watch::all_swept_again`], for some scopes.
    pub(super) fn swept_again_where(&self, times: u64, patience: Duration, meant: impl Fn(&str) -> bool) {
        let (begun, before) = (Instant::now(), self.sweeps());
        // The one under way began before.
        let done = |sweeps: &BTreeMap<String, u64>| {
            let more = |(scope, count): (&String, &u64)| *count > before.get(scope).unwrap_or(&0) + times;
            !sweeps.is_empty() && sweeps.iter().filter(|(scope, _)| meant(scope)).all(more)
        };
        while !done(&self.sweeps()) {
            assert!(begun.elapsed() < patience, "not swept again within {patience:?}: {:?}", self.sweeps());
            sleep(LOOK);
        }
    }

    /// Ends it, and tells what was seen.
    pub(super) fn stop(mut self) -> Seen {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

impl Seen {
    fn take(&mut self, scope: &Value) {
        let name = format!("{} {}", scope["region"].as_str().unwrap(), scope["kind"].as_str().unwrap());
        let took = scope["sweep_seconds"].to_string();
        let before = self.last.insert(name.clone(), took.clone());
        let sweeps = self.sweeps.entry(name.clone()).or_default();
        if before.is_some_and(|before| before != took) {
            *sweeps += 1;
        }
        let held = scope["held"].is_object();
        if held && self.holding.get(&name) != Some(&true) {
            self.holds.push(format!("{name}: {}", scope["held"]));
        }
        self.holding.insert(name, held);
    }
}

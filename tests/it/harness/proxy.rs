//! The emulator behind microburst, a proxy that breaks AWS's answers by rules.
//!
//! One proxy serves all tests that run at a moment. Each has a region of its own, which its rules name, and by which what
//! the proxy did is told apart.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde_json::{Value, json};

use super::moto::Moto;
use super::muster::Endpoint;
use super::process::Running;
use super::python::Environment;
use super::{PATIENCE, rpc};

/// The proxy's process, and the emulator behind it.
struct Shared {
    url: String,
    // Held for its end: dropping it stops the proxy. (The lock makes it shareable; nobody takes it.)
    _running: Mutex<Running>,
}

/// An empty region behind the proxy; dereferences to the same region without it.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    moto: Moto,
    rules: AtomicU64,
}

/// A request that a rule matched.
#[derive(Clone, Debug)]
pub(crate) struct Fired {
    /// The proxy's time when it came, in seconds.
    pub(crate) at: f64,
    pub(crate) rule: u64,
    pub(crate) operation: String,
}

impl Proxy {
    /// Starts without rules: everything passes.
    pub(crate) fn start() -> Proxy {
        static SHARED: Mutex<Weak<Shared>> = Mutex::new(Weak::new());
        let moto = Moto::start();
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Shared::start(&moto.endpoint().url));
            *shared = Arc::downgrade(&started);
            started
        });
        Proxy { shared, moto, rules: AtomicU64::new(0) }
    }

    /// Where AWS is, for Muster: through the proxy.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { url: self.shared.url.clone(), region: self.moto.endpoint().region }
    }

    /// Replaces this region's rules, and names the new ones. The first that matches a request applies; one without a fault
    /// only counts.
    pub(crate) fn rules(&self, rules: &[Value]) -> Vec<u64> {
        // Added before the old ones go, so that no request slips through between. A moment in the far future, until
        // when they apply, marks those that are set together.
        let old = self.rules.fetch_add(1, Ordering::Relaxed);
        let mark = |generation: u64| json!(4_000_000_000_u64 + generation);
        let region = self.endpoint().region;
        let mut new = rules.to_vec();
        for rule in &mut new {
            rule["region"] = json!(region);
            rule["until"] = mark(old + 1);
        }
        let set = self.control("PATCH", "/rules", &json!(new));
        self.control("DELETE", "/rules", &json!([{"region": region, "until": mark(old)}]));
        set.as_array().unwrap().iter().map(|rule| rule["id"].as_u64().unwrap()).collect()
    }

    /// The requests of this region that rules matched, oldest first.
    pub(crate) fn fired(&self) -> Vec<Fired> {
        let region = self.endpoint().region;
        let fired = self.control("GET", "/fired?limit=100000", &Value::Null);
        let fired = fired.as_array().unwrap().iter().filter(|fired| fired["region"] == region);
        let read = fired.map(|fired| Fired {
            at: fired["ts"].as_f64().unwrap(),
            rule: fired["rule_id"].as_u64().unwrap(),
            operation: fired["operation"].as_str().unwrap_or_default().to_owned(),
        });
        read.collect()
    }

    /// How many requests a rule matched.
    pub(crate) fn count(&self, rule: u64) -> usize {
        self.fired().iter().filter(|fired| fired.rule == rule).count()
    }

    fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        rpc::control(method, &format!("{}/_microburst{path}", self.shared.url), body)
    }
}

impl Deref for Proxy {
    type Target = Moto;

    fn deref(&self) -> &Moto {
        &self.moto
    }
}

impl Shared {
    fn start(upstream: &str) -> Shared {
        let mut command = Environment::Proxy.script("proxy.py");
        command.arg(upstream);
        let running = Running::start("proxy", command);
        let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
        Shared { url: said["endpoint"].as_str().unwrap().to_owned(), _running: Mutex::new(running) }
    }
}

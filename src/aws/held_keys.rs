//! Keys that take the place of those in the environment of the process.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwapOption;
use aws_credential_types::Credentials;

/// A place for keys; empty at first. Clones share it. The keys are not shown.
#[derive(Clone, Default)]
pub struct HeldKeys(Arc<ArcSwapOption<Credentials>>);

impl fmt::Debug for HeldKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HeldKeys(..)")
    }
}

impl HeldKeys {
    /// A place that holds these keys.
    #[must_use]
    pub fn of(id: &str, secret: &str, token: Option<&str>, expires: Option<SystemTime>) -> Self {
        let keys = Credentials::new(id, secret, token.map(str::to_owned), expires, "a client's environment");
        HeldKeys(Arc::new(ArcSwapOption::from_pointee(keys)))
    }

    /// Puts the keys of another place here.
    pub(super) fn take(&self, other: &HeldKeys) {
        self.0.store(other.0.load_full());
    }

    /// The keys.
    pub(super) fn get(&self) -> Option<Credentials> {
        self.0.load().as_deref().cloned()
    }
}

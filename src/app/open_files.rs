//! The system's limit of open files, of which every client needs one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for as many connections as HTTP accepts, and for everything else. macOS allows no more.
const WANTED: u64 = 10_240;

/// Raises the limit of this process, as far as it may.
pub(super) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let most = maximum.map_or(WANTED, |maximum| maximum.min(WANTED));
    if current.is_some_and(|current| current < most)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum })
    {
        tracing::debug!(%error, "the limit of open files stays as it is");
    }
}

//! Notices a server that answers nothing while somebody waits for it. Pure: it is told the time.
//!
//! A server may take long over one request, so silence alone proves nothing: the server is then probed on another connection, and only
//! when several probes in a row fail does it count as hung.

use std::time::Duration;

/// How long a server may say nothing while a request waits, before it is probed.
const QUIET: Duration = Duration::from_secs(5);
/// How many probes in a row fail before a server counts as hung; each takes some seconds.
const MISSES: u32 = 5;

/// How long a server has been silent.
#[derive(Debug, Default)]
pub(super) struct ServerSilence {
    /// When it last said something, or was probed, or nobody waited.
    since: Duration,
    misses: u32,
    is_probing: bool,
    is_hung: bool,
}

impl ServerSilence {
    /// That of a server that is there since `now`.
    pub(super) fn begin(now: Duration) -> Self {
        ServerSilence { since: now, ..ServerSilence::default() }
    }

    /// The server said something.
    pub(super) fn broken(&mut self, now: Duration) {
        *self = ServerSilence { is_probing: self.is_probing, ..ServerSilence::begin(now) };
    }

    /// Nobody has waited until `now`.
    pub(super) fn unheeded(&mut self, now: Duration) {
        if !self.is_hung && self.misses == 0 {
            self.since = now;
        }
    }

    /// Whether the server counts as hung.
    pub(super) fn is_hung(&self) -> bool {
        self.is_hung
    }

    /// When to probe the server; `None` while nobody waits (`is_awaited`), or a probe is on its way.
    pub(super) fn probe_at(&self, is_awaited: bool) -> Option<Duration> {
        // One that hangs is tried again even if nobody waits, so that whoever comes next finds it as it is.
        if self.is_probing || !(is_awaited || self.is_hung) {
            return None;
        }
        let is_in_doubt = self.misses > 0 && !self.is_hung;
        Some(if is_in_doubt { self.since } else { self.since + QUIET })
    }

    /// A probe is sent.
    pub(super) fn probe(&mut self) {
        self.is_probing = true;
    }

    /// A probe ended. Returns whether the server counts as hung from now on.
    pub(super) fn probed(&mut self, is_alive: bool, now: Duration) -> bool {
        self.is_probing = false;
        if is_alive {
            self.broken(now);
            return false;
        }
        (self.since, self.misses) = (now, self.misses + 1);
        let begins = !self.is_hung && self.misses >= MISSES;
        self.is_hung |= begins;
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn only_a_server_that_fails_several_probes_in_a_row_hangs() {
        let mut silence = ServerSilence::begin(seconds(1));
        assert_eq!(silence.probe_at(false), None, "nobody waits");
        assert_eq!(silence.probe_at(true), Some(seconds(6)));
        for second in [6, 9, 12] {
            silence.probe();
            assert_eq!(silence.probe_at(true), None, "one at a time");
            assert!(!silence.probed(false, seconds(second + 3)));
            assert_eq!(silence.probe_at(true), Some(seconds(second + 3)), "at once");
        }
        silence.probe();
        assert!(!silence.probed(true, seconds(18)));
        assert_eq!(silence.probe_at(true), Some(seconds(23)), "it works");
        let hangs: Vec<bool> = (0..6)
            .map(|_| {
                silence.probe();
                silence.probed(false, seconds(40))
            })
            .collect();
        assert_eq!(hangs, [false, false, false, false, true, false], "it is said once");
        assert!(silence.is_hung());
        assert_eq!(silence.probe_at(false), Some(seconds(45)), "it is tried again");
        silence.broken(seconds(41));
        assert!(!silence.is_hung());
    }
}

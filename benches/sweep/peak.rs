//! The most memory that a process has from some moment on.

use anyhow::Context as _;

use crate::usage;

/// Resident memory when the watch began.
pub(crate) struct Peak {
    pid: u32,
    before: u64,
}

impl Peak {
    /// Forgets the peak of a process. Needs Linux, and the rights of a debugger.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{pid}/clear_refs");
        // 5 resets the peak, and nothing else.
        std::fs::write(&path, "5").with_context(|| format!("cannot write {path}"))?;
        Ok(Peak { pid, before: usage::memory(pid)?.now })
    }

    /// How many bytes more than then there were at most.
    pub(crate) fn risen(&self) -> anyhow::Result<u64> {
        Ok(usage::memory(self.pid)?.peak.saturating_sub(self.before))
    }
}

//! What a process has used: CPU time and memory, as `/proc` tells. Elsewhere than on Linux nothing is known.

use std::time::Duration;

use anyhow::Context as _;

/// Ticks of `/proc/PID/stat` a second: `USER_HZ`, 100 in the ABI of every Linux that Rust runs on.
const TICKS_PER_SECOND: u32 = 100;

/// Resident memory of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) now: u64,
    /// The most it ever was.
    pub(crate) peak: u64,
}

/// CPU time of a process and its threads since its start, user and system. Its grain is 10 ms.
pub(crate) fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The second field is the program's name in parentheses and may hold anything; fields are counted behind it.
    let (_, fields) = stat.rsplit_once(") ").with_context(|| format!("{path} has another form"))?;
    let ticks = |nth: usize| -> Option<u32> { fields.split(' ').nth(nth)?.parse().ok() };
    let user = ticks(11).with_context(|| format!("{path} lacks utime"))?;
    let system = ticks(12).with_context(|| format!("{path} lacks stime"))?;
    Ok(Duration::from_secs(u64::from(user + system)) / TICKS_PER_SECOND)
}

/// Resident memory of a process.
pub(crate) fn memory(pid: u32) -> anyhow::Result<Memory> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let bytes = |field: &str| -> anyhow::Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kib.with_context(|| format!("{path} lacks {field}"))? * 1024)
    };
    Ok(Memory { now: bytes("VmRSS")?, peak: bytes("VmHWM")? })
}

//! The memory of a process, by what it consists of.

use anyhow::Context as _;

/// What Linux says of a process, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footprint {
    /// All its pages in memory.
    pub(crate) resident: u64,
    /// The most that ever were.
    pub(crate) peak: u64,
    /// Pages that it has written and no other process has.
    pub(crate) private: u64,
    /// Pages that belong to no file.
    pub(crate) anonymous: u64,
    /// Pages of the program's code.
    pub(crate) code: u64,
    /// Its share of all its pages: one that several processes have counts once for all of them.
    pub(crate) share: u64,
}

impl Footprint {
    /// Asks for that of a process.
    pub(crate) fn of(pid: u32) -> anyhow::Result<Self> {
        let rollup = format!("/proc/{pid}/smaps_rollup");
        let status = format!("/proc/{pid}/status");
        Ok(Footprint {
            resident: bytes(&rollup, "Rss")?,
            peak: bytes(&status, "VmHWM")?,
            private: bytes(&rollup, "Private_Dirty")?,
            anonymous: bytes(&rollup, "Anonymous")?,
            code: code(pid)?,
            share: bytes(&rollup, "Pss")?,
        })
    }

    /// Pages of files, above all of the program.
    pub(crate) fn of_files(&self) -> u64 {
        self.resident.saturating_sub(self.anonymous)
    }
}

/// The resident pages of the mappings from which a process runs its program.
fn code(pid: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{pid}/smaps");
    let program = std::fs::read_link(format!("/proc/{pid}/exe"))?;
    let program = program.to_str().context("the program's path is not UTF-8")?;
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let (mut is_code, mut kib) = (false, 0);
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Rss:"), Some(resident)) if is_code => kib += resident.parse::<u64>()?,
            // A mapping begins with its addresses and rights, and ends with its file.
            (Some(addresses), Some(rights)) if addresses.contains('-') => {
                is_code = rights.contains('x') && line.ends_with(program);
            }
            _ => {}
        }
    }
    Ok(kib * 1024)
}

/// A field in KiB.
fn bytes(path: &str, field: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.with_context(|| format!("{path} lacks {field}"))? * 1024)
}

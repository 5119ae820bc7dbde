//! A tool that changes AWS, with one instance or several.

/// A tool that changes AWS, with so many instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WritePath {
    /// The tool.
    pub(super) tool: &'static str,
    /// How many instances a call names.
    pub(super) count: usize,
    /// The AWS action.
    pub(super) action: &'static str,
    /// In which state the instances are before.
    pub(super) state: &'static str,
}

const fn path(tool: &'static str, count: usize, action: &'static str, state: &'static str) -> WritePath {
    WritePath { tool, count, action, state }
}

/// Every path.
pub(super) const PATHS: [WritePath; 8] = [
    path("start_instance", 1, "StartInstances", "stopped"),
    path("start_instance", 2, "StartInstances", "stopped"),
    path("stop_instance", 1, "StopInstances", "running"),
    path("stop_instance", 2, "StopInstances", "running"),
    path("reboot_instance", 1, "RebootInstances", "running"),
    path("reboot_instance", 2, "RebootInstances", "running"),
    path("create_snapshot", 1, "CreateSnapshots", "running"),
    path("create_snapshot", 2, "CreateSnapshots", "running"),
];

impl WritePath {
    /// Whether somebody has to agree: to what interrupts, and to whatever reaches more than one instance.
    pub(super) fn needs_agreement(self) -> bool {
        matches!(self.tool, "stop_instance" | "reboot_instance") || self.count > 1
    }

    pub(super) fn is_snapshot(self) -> bool {
        self.tool == "create_snapshot"
    }

    /// How many calls of AWS one call of the tool makes: AWS takes several instances at once, but snapshots one at a time. What AWS
    /// refuses for several instances, perhaps because of one of them, is tried for each of them.
    pub(super) fn calls(self, is_split: bool) -> usize {
        match self.count {
            count if self.is_snapshot() => count,
            count if is_split && count > 1 => 1 + count,
            _ => 1,
        }
    }

    /// Its name in messages.
    pub(super) fn name(self) -> String {
        format!("{} of {}", self.tool, self.count)
    }
}

//! What is wrong with a configuration file.

use std::path::Path;

use crate::model::text::shown;

/// The most faults that are told.
const TOLD: usize = 20;
/// The longest text of one.
const LONGEST: usize = 600;

/// Something that is wrong with a configuration file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigFault {
    /// The line and the column, counted from 1; `None` where it concerns the file as a whole.
    pub place: Option<(usize, usize)>,
    /// The key, where one is concerned.
    pub key: Option<String>,
    /// What is wrong, and what is allowed.
    pub what: String,
}

impl ConfigFault {
    /// A fault of the file as a whole.
    #[must_use]
    pub fn of_all(what: String) -> Self {
        ConfigFault { place: None, key: None, what }
    }
}

/// Names the faults, each on a line of its own, as compilers do: `FILE:LINE:COLUMN: KEY: WHAT`.
pub(crate) fn told(path: &Path, faults: &[ConfigFault]) -> String {
    let path = shown(&path.to_string_lossy(), LONGEST);
    let line = |fault: &ConfigFault| {
        let place = fault.place.map(|(line, column)| format!(":{line}:{column}")).unwrap_or_default();
        let key = fault.key.as_deref().map(|key| format!(": {}", shown(key, 80))).unwrap_or_default();
        format!("{path}{place}{key}: {}", shown(&fault.what, LONGEST))
    };
    let mut lines: Vec<String> = faults.iter().take(TOLD).map(line).collect();
    if faults.len() > TOLD {
        lines.push(format!("{path}: and {} more", faults.len() - TOLD));
    }
    lines.join("\n")
}

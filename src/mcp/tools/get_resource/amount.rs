//! How much of a resource is shown.

/// How much of a resource a call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    /// The columns of its kind, tags, and what an instance has beside it.
    Short,
    /// The whole document.
    Full,
    /// Some fields of the document.
    Paths(Vec<String>),
}

impl Amount {
    /// What the arguments `full` and `paths` ask for.
    pub(super) fn of(full: bool, paths: Vec<String>) -> Self {
        match (paths.is_empty(), full) {
            (false, _) => Amount::Paths(paths),
            (true, true) => Amount::Full,
            (true, false) => Amount::Short,
        }
    }

    /// The fields that are asked for by name.
    pub(super) fn paths(&self) -> &[String] {
        match self {
            Amount::Paths(paths) => paths,
            Amount::Short | Amount::Full => &[],
        }
    }
}

//! What the last listing of an organization showed, as answers tell it.

use super::Timestamp;

/// What the last listing of an organization showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownOrganization {
    /// When it began.
    pub listed: Timestamp,
    /// How many accounts it named.
    pub found: usize,
    /// How many of them, and of those that it lacks, are watched.
    pub watched: usize,
    /// How many were given up.
    pub retired: usize,
    /// How many it lacks that stay watched because too many are lacking.
    pub held: usize,
    /// Which these are, and what to do about it.
    pub notice: Option<(String, String)>,
}

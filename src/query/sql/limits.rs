//! How much a statement may take, in time and memory.

use std::sync::Arc;
use std::time::Duration;

/// How long a statement may take, with the filling of its tables.
pub const TIME: Duration = Duration::from_secs(2);

/// How many bytes SQLite may take in this process.
pub(super) const HEAP: usize = 192 << 20;

/// The longest value, in bytes.
pub(super) const VALUE: i32 = 1 << 20;

/// The longest statement, in bytes.
pub(super) const LENGTH: usize = 32 << 10;

/// The longest pattern of LIKE and GLOB, in bytes.
pub(super) const PATTERN: usize = 200;

/// How deep parentheses may be nested: both parsers go down a level for each.
pub(super) const DEPTH: usize = 60;

/// Says whether the time of a statement is up.
pub type Expired = Arc<dyn Fn() -> bool + Send + Sync>;

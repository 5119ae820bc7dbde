//! Queries over many resources: AWS-style filters, keyset pages, counts, SQL, and the history in the log. They are pure over
//! store snapshots.

pub mod changes;
pub mod cursor;
pub mod filter;
pub mod moment;
pub mod nearness;
pub mod past;
#[cfg(test)]
mod samples;
pub mod search;
pub mod sql;
pub mod summary;
pub mod tally;
pub mod unobserved;

pub use cursor::{Cursor, CursorError};
pub use filter::{FilterError, Filters};
pub use moment::{AskedPoint, PastError, Point};
pub use search::{Hits, Query, SearchError, search};
pub use summary::{StateCounts, counts};

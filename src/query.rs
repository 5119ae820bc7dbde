//! Queries over many resources: AWS-style filters, keyset pages, counts, SQL, the history in the log, and what resources cost,
//! expose and use. They are pure over store snapshots.

pub mod changes;
pub mod column;
pub mod cursor;
pub mod document_walk;
#[cfg(test)]
mod estate;
pub mod exposure;
pub mod filter;
pub mod filter_name;
pub mod in_documents;
pub mod lent;
pub mod moment;
pub mod nearness;
pub mod order;
pub mod past;
pub mod prices;
pub mod relations;
#[cfg(test)]
mod samples;
pub mod search;
pub mod selection;
pub mod sql;
pub mod stopped;
pub mod summary;
pub mod tally;
pub mod unobserved;
pub mod unsure;
pub mod walk;

pub use cursor::{Cursor, CursorError, SortedAfter};
pub use filter::{FilterError, Filters};
pub use moment::{AskedPoint, PastError, Point};
pub use search::{Hits, Query, SearchError, search};
pub use summary::{StateCounts, counts};
pub use unsure::Unsure;

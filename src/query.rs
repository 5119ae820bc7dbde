//! Questions about many resources: AWS-style filters, keyset pages and counts. Pure over a store snapshot.
//!
//! What can be filtered on is the asker's knowledge (a kind's filter table), passed in as [`filter::Fields`].

pub mod cursor;
pub mod filter;
pub mod search;
pub mod summary;

pub use cursor::{Cursor, CursorError};
pub use filter::{Field, Fields, FilterError, Filters};
pub use search::{Hits, Query, SearchError, search};
pub use summary::{Counts, counts};

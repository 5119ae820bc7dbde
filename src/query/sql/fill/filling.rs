//! What tables are filled from.

use rusqlite::Connection;

use super::visible::Visible;
use crate::query::Point;
use crate::query::sql::limits::Expired;
use crate::query::sql::outside::Outside;
use crate::store::{Snapshot, Store};

/// What tables are filled from.
pub(in crate::query::sql) struct Filling<'a> {
    pub(in crate::query::sql) connection: &'a Connection,
    /// The state of the store.
    pub(in crate::query::sql) snapshot: Snapshot,
    /// Its index, which may stand at another moment.
    pub(in crate::query::sql) store: &'a Store,
    /// The moment in it: its end, or a point in the past.
    pub(in crate::query::sql) point: Point,
    pub(in crate::query::sql) visible: &'a Visible,
    pub(in crate::query::sql) outside: &'a Outside,
    pub(in crate::query::sql) expired: &'a Expired,
}

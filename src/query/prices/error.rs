//! Why a table of prices cannot be used.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

/// Why there are no prices: the file, and what is wrong with it.
#[derive(Clone, Debug, Error)]
#[error("the price table {} cannot be used: {why}", place.display())]
pub struct PricesError {
    place: PathBuf,
    why: Why,
}

#[derive(Clone, Debug, Error)]
enum Why {
    #[error("{0}")]
    Unreadable(#[source] Arc<io::Error>),
    #[error(transparent)]
    Wrong(#[from] TableError),
}

/// What is wrong with the text of a table.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TableError {
    /// It is something else, or of another version.
    #[error("its first line is not `{expected}`, as in the table that `muster prices --print` prints")]
    Format {
        /// What the line should be.
        expected: &'static str,
    },
    /// A line of its head is missing or out of order.
    #[error(
        "the line `{name} ..` is missing: published, source, taken-from, unit and regions come first, in this order"
    )]
    Head {
        /// What the line begins with.
        name: &'static str,
    },
    /// Its date is none.
    #[error("it was published at `{found}`, which is not a time such as 2026-10-15T19:13:16Z")]
    Published {
        /// What stands there.
        found: String,
    },
    /// Its prices are in another unit.
    #[error("its unit is `{found}`, not micro-USD")]
    Currency {
        /// What stands there.
        found: String,
    },
    /// A price cannot be read.
    #[error("line {number}: {why}")]
    Row {
        /// Which line, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
    },
    /// There is not one price of an instance in it.
    #[error("it has no price of any instance type: perhaps its end is missing")]
    Empty,
}

impl PricesError {
    pub(super) fn unreadable(path: &Path, error: io::Error) -> Self {
        PricesError { place: path.to_owned(), why: Why::Unreadable(Arc::new(error)) }
    }

    pub(super) fn wrong(path: &Path, error: TableError) -> Self {
        PricesError { place: path.to_owned(), why: error.into() }
    }
}

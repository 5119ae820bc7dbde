//! How the values of a filter are read from a document.

use super::health;
use super::transition::told_at;
use crate::model::{Document, Timestamp, written};

/// How the values of a filter are made of what stands at its paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FacetReading {
    /// They are the scalars there.
    Scalars,
    /// The times with which texts there end.
    TimesAtEnd,
    /// The worst result of the checks there.
    WorstCheck,
    /// The code of the next scheduled event.
    NextEvent,
    /// The earliest start of the next scheduled event.
    NextEventAt,
}

impl FacetReading {
    /// The values of a document.
    #[must_use]
    pub fn values(self, paths: &[&str], document: &Document) -> Vec<String> {
        let scalars = || paths.iter().flat_map(|path| document.scalars(path));
        match self {
            FacetReading::Scalars => scalars().collect(),
            FacetReading::TimesAtEnd => scalars().filter_map(|text| told_at(&text)).map(as_document).collect(),
            FacetReading::WorstCheck => {
                let results: Vec<String> = scalars().collect();
                vec![health::verdict(results.iter().map(String::as_str)).to_owned()]
            }
            FacetReading::NextEvent => {
                health::next_event(document).map(|(code, _)| code.to_owned()).into_iter().collect()
            }
            FacetReading::NextEventAt => {
                health::next_event(document).map(|(_, at)| at.to_owned()).into_iter().collect()
            }
        }
    }
}

/// A time as documents write times.
fn as_document(at: Timestamp) -> String {
    written::as_document(at.as_millis().div_euclid(1000), 0)
}

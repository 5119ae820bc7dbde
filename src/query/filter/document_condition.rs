//! A filter on documents.

use std::collections::BTreeSet;

use super::doubtful_value::DoubtfulValue;
use super::error::FilterError;
use super::patterns::FilterPatterns;
use crate::kinds::DocumentFilter;
use crate::model::{Document, Timestamp};

/// A condition that only a resource's document can decide.
#[derive(Clone, Debug)]
pub struct DocumentCondition {
    filter: &'static DocumentFilter,
    values: Vec<String>,
    patterns: FilterPatterns,
}

impl DocumentCondition {
    /// Reads the values of a filter, with everything that values of other filters may be.
    ///
    /// # Errors
    /// [`FilterError::Bound`] when a bound has no limit.
    pub fn read(filter: &'static DocumentFilter, values: &[String], now: Timestamp) -> Result<Self, FilterError> {
        let patterns = FilterPatterns::read(filter.name, values, filter.form, now)?;
        Ok(DocumentCondition { filter, values: values.to_vec(), patterns })
    }

    /// AWS's name of the filter.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.filter.name
    }

    /// The values as they were written.
    #[must_use]
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// The values that a document has for the filter. Empty text is a value only where the filter's values may be empty.
    #[must_use]
    pub fn held(&self, document: &Document) -> Vec<String> {
        let mut held = document.scalars(self.filter.path);
        held.retain(|value| !value.is_empty() || self.filter.form.may_be_empty());
        held
    }

    /// Whether a resource with these values meets the condition.
    #[must_use]
    pub fn is_met(&self, held: &[String]) -> bool {
        self.patterns.hold(held)
    }

    /// Whether one of the values does not have the form of the filter's values.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        !self.patterns.doubtful.is_empty()
    }

    /// Refuses a condition that no resource can meet, given the values that resources have.
    ///
    /// # Errors
    /// [`FilterError::Never`] where none of its values has the form of the filter's values or matches one of `held`.
    pub fn refuse(&self, held: &BTreeSet<String>) -> Result<(), FilterError> {
        let never = self.patterns.doubtful.iter().filter_map(|(value, pattern)| {
            let doubt = DoubtfulValue {
                name: self.filter.name.to_owned(),
                value: value.clone(),
                form: self.filter.form,
                pattern: pattern.clone(),
            };
            doubt.judge(held.iter().map(String::as_str)).err()
        });
        let mut never: Vec<FilterError> = never.collect();
        match never.pop() {
            Some(error) if never.len() + 1 == self.values.len() => Err(error),
            _ => Ok(()),
        }
    }
}

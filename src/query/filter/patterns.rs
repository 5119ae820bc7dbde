//! The values of one filter as patterns, of which one has to match.

use super::error::FilterError;
use super::special_value::{self, SpecialValue};
use crate::model::{Form, Timestamp};
use crate::store::ValuePattern;

/// The values of one filter.
#[derive(Clone, Debug, Default)]
pub struct FilterPatterns {
    /// One of these has to match.
    pub any: Vec<ValuePattern>,
    /// The values that do not have the form of the filter's values, and their patterns.
    pub doubtful: Vec<(String, ValuePattern)>,
}

impl FilterPatterns {
    /// Reads the values of the filter `name`, whose values have a form. Bounds on times that are so long ago count from `now`.
    ///
    /// # Errors
    /// [`FilterError::Bound`] when a bound has no limit.
    pub fn read(name: &str, values: &[String], form: Form, now: Timestamp) -> Result<Self, FilterError> {
        let mut patterns = FilterPatterns::default();
        let mut bounds = Vec::new();
        for value in values {
            match special_value::read(name, value, form, now)? {
                Some(SpecialValue::Word(pattern)) => {
                    patterns.any.push(pattern);
                    continue;
                }
                Some(SpecialValue::Bound(bound)) => {
                    bounds.push(bound);
                    continue;
                }
                None => {}
            }
            let pattern = if form == Form::Time { ValuePattern::time(value) } else { ValuePattern::new(value) };
            if let Some(also) = form.also(value) {
                // Taken literally: neither addresses nor protocols have wildcards.
                patterns.any.push(ValuePattern::new(&also));
            }
            if !form.admits(value) {
                patterns.doubtful.push((value.clone(), pattern.clone()));
            }
            patterns.any.push(pattern);
        }
        if !bounds.is_empty() {
            patterns.any.push(ValuePattern::bounded(bounds));
        }
        Ok(patterns)
    }

    /// Whether a resource with these values for the filter matches.
    #[must_use]
    pub fn hold(&self, held: &[String]) -> bool {
        self.any.iter().any(|pattern| {
            if pattern.is_absent() { held.is_empty() } else { held.iter().any(|value| pattern.matches(value)) }
        })
    }
}

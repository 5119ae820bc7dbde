//! Values that a filter can never match.

use super::error::FilterError;
use super::special_value::{ABSENT, means_absent, parts};
use crate::model::Form;
use crate::model::text::shown;
use crate::query::moment::is_ago;
use crate::query::nearness::{NEAR, closest};
use crate::store::ValuePattern;

/// How close a resource's value must be to count as the intended one where AWS makes up the values, because ids all begin alike.
const TYPED: f64 = 0.95;

/// A value that does not have the form of its filter's values.
///
/// AWS may have values that this version of Muster does not know, and an emulator has ids of its own. So a value is refused only
/// if no resource has a value that it matches: see [`DoubtfulValue::judge`]. A filter is refused only if none of its values can
/// match; otherwise the answer names the values that cannot: see [`Filters::refuse`](super::Filters::refuse).
#[derive(Clone, Debug)]
pub struct DoubtfulValue {
    /// The filter's name.
    pub name: String,
    /// The value as it was given.
    pub value: String,
    /// What the filter's values look like.
    pub form: Form,
    pub(super) pattern: ValuePattern,
}

impl DoubtfulValue {
    /// Refuses the value, unless it matches one of the values in `held`, which resources have.
    ///
    /// # Errors
    /// [`FilterError::Never`], which names the value that was probably meant.
    pub fn judge<'a>(&self, held: impl Iterator<Item = &'a str> + Clone) -> Result<(), FilterError> {
        if held.clone().any(|value| self.pattern.matches(value)) {
            return Ok(());
        }
        let mut why = self.form.advice();
        let is_word = |part: &str| match self.form {
            Form::Word(words) => words.contains(&part),
            _ => held.clone().any(|value| value == part),
        };
        if let Some(list) = parts(&self.value, is_word) {
            let (name, value) = (shown(&self.name, 80), shown(&self.value, 80));
            return Err(FilterError::Never {
                name,
                value,
                nearest: None,
                why: format!("give several values as a list: {list}"),
            });
        }
        if self.form == Form::Time && is_ago(&self.value) {
            let value = shown(&self.value, 80);
            why = format!("{why}; write `<{value}` for times before that, or `>{value}` for times after it");
        }
        if means_absent(&self.value) {
            why = format!("{why}. {ABSENT} finds what has no value");
        }
        let nearest = self.meant(held).map(|nearest| shown(&nearest, 80));
        if self.value.contains(['[', ']']) {
            why = format!("{why}. {BRACKETS}");
        }
        Err(FilterError::Never { name: shown(&self.name, 80), value: shown(&self.value, 80), nearest, why })
    }

    /// The value that was probably intended: the same in the right form, or one that AWS documents, or one that a resource has.
    fn meant<'a>(&self, held: impl Iterator<Item = &'a str>) -> Option<String> {
        if let Some(repaired) = self.form.repaired(&self.value) {
            return Some(repaired);
        }
        if let Form::Word(words) | Form::IdOr(words, _) = self.form
            && let Some(word) = closest(&self.value, words.iter().copied(), NEAR)
        {
            return Some(word.to_owned());
        }
        let threshold = if matches!(self.form, Form::Word(_)) { NEAR } else { TYPED };
        closest(&self.value, held, threshold).map(str::to_owned)
    }
}

/// An explanation of brackets in a value.
pub const BRACKETS: &str = "AWS's patterns have only the wildcards * and ?; brackets are ordinary characters in them, so [1-8] matches no digit";

//! Values that a filter can never match.

use super::error::FilterError;
use crate::model::Form;
use crate::model::text::shown;
use crate::query::nearness::{NEAR, closest};
use crate::store::Pattern;

/// How near a resource's own value must be to be meant, where values are made up by AWS: ids all begin alike.
const TYPED: f64 = 0.95;

/// A value of a filter that has not the form of that filter's values.
///
/// AWS may have values that this version of Muster does not know, and an emulator has ids of its own. So it counts only when no
/// resource has a value that it matches: see [`DoubtfulValue::judge`]. A filter of which no value can match is refused; where others can,
/// as AWS takes them as alternatives, the answer says which cannot: see [`Filters::refuse`](super::Filters::refuse).
#[derive(Clone, Debug)]
pub struct DoubtfulValue {
    /// Which of the question's filters it stands in.
    pub place: usize,
    /// The filter's number in its kind.
    pub facet: u16,
    /// The filter's name.
    pub name: String,
    /// The value as it was given.
    pub value: String,
    /// What the filter's values look like.
    pub form: Form,
    pub(super) pattern: Pattern,
}

impl DoubtfulValue {
    /// Refuses the value, unless one of `held` matches it: those are the values that resources have.
    ///
    /// # Errors
    /// [`FilterError::Never`], which names the value that was probably meant.
    pub fn judge<'a>(&self, held: impl Iterator<Item = &'a str> + Clone) -> Result<(), FilterError> {
        if held.clone().any(|value| self.pattern.matches(value)) {
            return Ok(());
        }
        let nearest = self.meant(held).map(|nearest| shown(&nearest, 80));
        let mut why = self.form.advice();
        if self.value.contains(['[', ']']) {
            why = format!("{why}. {BRACKETS}");
        }
        Err(FilterError::Never { name: shown(&self.name, 80), value: shown(&self.value, 80), nearest, why })
    }

    /// The value that was probably meant: the same in the right form, or one that AWS documents, or one that a resource has.
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

/// What to know about brackets in a value.
pub const BRACKETS: &str = "AWS's patterns have only the wildcards * and ?; brackets are ordinary characters in them, so [1-8] matches no digit";

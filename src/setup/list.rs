//! Writes lists in words.

use std::fmt;

/// Writes a list in words: `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn listed(words: &[impl fmt::Display]) -> String {
    match words {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("{} and {last}", first.join(", "))
        }
    }
}

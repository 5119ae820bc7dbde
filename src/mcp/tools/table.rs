//! Compact text tables: a model pays for every character.

use std::fmt;

use crate::model::text::shown;

/// The longest cell.
const CELL: usize = 80;

/// Text that grows piece by piece.
#[derive(Clone, Debug, Default)]
pub struct AnswerText(String);

impl AnswerText {
    /// Begins with `start`.
    #[must_use]
    pub fn new(start: impl Into<String>) -> Self {
        AnswerText(start.into())
    }

    /// Adds a piece.
    pub fn add(&mut self, piece: impl fmt::Display) {
        self.0.push_str(&piece.to_string());
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<AnswerText> for String {
    fn from(text: AnswerText) -> Self {
        text.0
    }
}

/// Text as one cell: nothing in it looks like the border of another.
#[must_use]
pub fn whole(text: &str) -> String {
    text.replace('|', "/")
}

/// A line of the table: cells joined by ` | `, a dash where there is nothing.
#[must_use]
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells = cells.into_iter().map(|cell| {
        let cell = whole(&shown(cell, CELL));
        if cell.is_empty() { "-".to_owned() } else { cell }
    });
    cells.collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_that_strangers_write_cannot_break_the_table() {
        assert_eq!(line(["a|b", "", "x\ny\u{202E}"]), "a/b | - | xy");
    }
}

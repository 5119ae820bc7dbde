//! What an answer may cost the model that reads it.

use super::tokens::tokens;

/// The most tokens of text, and of structured content, in one answer. Hosts cut what a tool answers at about 25,000.
pub const BUDGET: usize = 8_000;

/// What is left of [`BUDGET`] for rows, as text and as data.
#[derive(Clone, Copy, Debug)]
pub struct RowBudget {
    text: usize,
    data: usize,
    is_empty: bool,
}

impl RowBudget {
    /// For an answer of which everything around the rows costs `frame` tokens.
    #[must_use]
    pub fn beside(frame: usize) -> Self {
        let left = BUDGET.saturating_sub(frame);
        RowBudget { text: left, data: left, is_empty: true }
    }

    /// Whether a row still fits, as a line of text and as JSON; then it is counted. The first always fits.
    pub fn takes(&mut self, line: &str, data: &str) -> bool {
        // A line ends, and JSON's rows are parted by commas.
        let (text, data) = (tokens(line) + 1, tokens(data) + 1);
        if !self.is_empty && (text > self.text || data > self.data) {
            return false;
        }
        self.is_empty = false;
        self.text = self.text.saturating_sub(text);
        self.data = self.data.saturating_sub(data);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_row_fits_whatever_it_costs_and_the_others_within_the_budget() {
        let row = "i-0123456789abcdef0 | web\n";
        let cost = tokens(row) + 1;
        let mut budget = RowBudget::beside(BUDGET - 3 * cost);
        assert!((0..3).all(|_| budget.takes(row, row)));
        assert!(!budget.takes(row, row));
        let mut budget = RowBudget::beside(BUDGET);
        assert!(budget.takes(row, row));
        assert!(!budget.takes(row, row));
    }
}

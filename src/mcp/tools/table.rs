//! Compact text tables: a model pays for every character.

use crate::model::text::shown;

/// The longest cell.
const CELL: usize = 80;

/// A line of the table: cells joined by ` | `, a dash where there is nothing.
#[must_use]
pub fn line<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells = cells.into_iter().map(|cell| {
        let cell = shown(cell, CELL).replace('|', "/");
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

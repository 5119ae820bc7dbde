//! Prints tables for people and JSON for programs, on a terminal and in a pipe.
//!
//! Tags and names are text that strangers write. Terminal control characters are left out of a table and escaped in JSON, so
//! that a program reads back exactly what AWS said.

use std::io::IsTerminal;

use serde_json::Value;
use terminal_size::{Width, terminal_size_of};
use unicode_width::UnicodeWidthStr;

use crate::model::text::{shown, visible_json};

pub(super) mod layout;

use layout::{Layout, wrapped};

/// The longest cell on a terminal, in characters.
const NARROW: usize = 60;

/// The longest cell in a pipe or file.
const WIDE: usize = 2000;

/// Makes a terminal show what follows in bold, until [`PLAIN`].
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// Where output goes, and what it can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Medium {
    /// Whether it is a terminal, on which long cells are cut.
    pub(super) terminal: bool,
    /// Whether it shows colours.
    pub(super) colours: bool,
    /// How many columns a line has; `None` where lines may have any length.
    pub(super) width: Option<usize>,
}

/// A table: rows under a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Medium {
    /// Describes standard output, as the environment sets it.
    pub(super) fn stdout() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let plain = set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = std::io::stdout().is_terminal();
        let said = || std::env::var("COLUMNS").ok()?.trim().parse().ok();
        let asked = || terminal_size_of(std::io::stdout()).map(|(Width(width), _)| usize::from(width));
        let known = |width: &usize| *width > 0;
        let width = if terminal { said().filter(known).or_else(|| asked().filter(known)) } else { None };
        Medium { terminal, colours: terminal && !plain, width }
    }

    /// Returns the text that a cell shows. `last`: it is in the last column.
    fn clean(self, cell: &str, last: bool) -> String {
        let cell = shown(cell, self.widest(last));
        if cell.is_empty() { "-".to_owned() } else { cell }
    }

    /// The longest cell. The last cell of a row may be longer, since none stands behind it.
    pub(super) fn widest(self, last: bool) -> usize {
        match (self.terminal, last) {
            (true, false) => NARROW,
            (true, true) => 4 * NARROW,
            (false, _) => WIDE,
        }
    }
}

impl Table {
    /// Makes a table with these columns and no rows.
    pub(super) fn new(columns: &[&str]) -> Self {
        Table { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows: Vec::new() }
    }

    /// Makes a table with one row for each object and one column for each field that any of them has, in the order of the fields.
    /// Fields in `hidden` are left out.
    pub(super) fn of(objects: &[Value], hidden: &[&str]) -> Self {
        let mut columns: Vec<String> = Vec::new();
        for object in objects.iter().filter_map(Value::as_object) {
            let mut place = 0;
            for name in object.keys().filter(|name| !hidden.contains(&name.as_str())) {
                if let Some(known) = columns.iter().position(|known| known == name) {
                    place = known + 1;
                } else {
                    columns.insert(place, name.clone());
                    place += 1;
                }
            }
        }
        let cells =
            |object: &Value| columns.iter().map(|name| object.get(name).map(text).unwrap_or_default()).collect();
        let rows = objects.iter().map(cells).collect();
        Table { columns, rows }
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// Writes header and rows, each with its line end. A table without rows is empty text.
    pub(super) fn print(&self, medium: Medium) -> String {
        self.print_with(medium, |_| None)
    }

    /// Writes the table with a note below some rows, by their number.
    pub(super) fn print_with(&self, medium: Medium, below: impl Fn(usize) -> Option<String>) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let last = self.columns.len().saturating_sub(1);
        let clean = |cells: &Vec<String>| -> Vec<String> {
            cells.iter().enumerate().map(|(place, cell)| medium.clean(cell, place == last)).collect()
        };
        let header = names(&self.columns);
        let rows: Vec<Vec<String>> = self.rows.iter().map(clean).collect();
        let natural: Vec<usize> = (0..header.len())
            .map(|column| {
                let cells = std::iter::once(&header).chain(&rows).filter_map(|row| row.get(column));
                cells.map(|cell| cell.width()).max().unwrap_or_default()
            })
            .collect();
        let layout = Layout::fit(&header, &natural, medium.width);
        let mut lines = Vec::new();
        if !layout.is_stacked() {
            let bold = |line| if medium.colours { format!("{BOLD}{line}{PLAIN}") } else { line };
            lines.extend(layout.lines(&header, &header).into_iter().map(bold));
        }
        for (number, row) in rows.iter().enumerate() {
            if layout.is_stacked() && number > 0 {
                lines.push(String::new());
            }
            lines.extend(layout.lines(&header, row));
            lines.extend(below(number).into_iter().flat_map(|note| noted(&note, medium)));
        }
        lines.join("\n") + "\n"
    }
}

/// Writes a note below a row.
fn noted(note: &str, medium: Medium) -> Vec<String> {
    let (first, other) = ("  -> ", "     ");
    let lines = match medium.width {
        Some(width) => wrapped(note, width.saturating_sub(first.len()).max(1)),
        None => vec![note.to_owned()],
    };
    lines.iter().enumerate().map(|(place, line)| format!("{}{line}", if place == 0 { first } else { other })).collect()
}

/// Writes the names of columns for a header.
pub(super) fn names(columns: &[String]) -> Vec<String> {
    columns.iter().map(|name| shown(name, NARROW).to_uppercase()).collect()
}

/// Writes a value as a cell: text as it is, everything else as JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Escapes terminal control characters in JSON. It reads back as the same value.
pub(super) fn harmless(json: &str) -> String {
    visible_json(json.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    use serde_json::json;

    #[test]
    fn columns_are_those_of_any_row_in_their_order() {
        let rows = [json!({"id": "i-1", "type": "t3"}), json!({"id": "i-2", "name": "web", "type": "t3", "uri": "x"})];
        let printed = Table::of(&rows, &["uri"]).print(Medium::default());
        assert_eq!(printed, "ID   NAME  TYPE\ni-1  -     t3\ni-2  web   t3\n");
    }

    #[test]
    fn what_strangers_write_cannot_break_the_table_or_the_terminal() {
        let mut table = Table::new(&["id", "name"]);
        table.row(vec!["i-1".to_owned(), "a\u{1b}[2J\nb\u{202E}".to_owned()]);
        let printed = table.print(Medium { terminal: true, ..Medium::default() });
        assert_eq!(printed, "ID   NAME\ni-1  a[2Jb\n");
        table.row(vec!["x".repeat(100), "x".repeat(300)]);
        assert!(
            table.print(Medium { terminal: true, ..Medium::default() }).lines().all(|line| line.chars().count() < 310)
        );
    }

    #[test]
    fn a_table_heeds_the_width_of_the_terminal_and_of_nothing_else() {
        let rows: Vec<Value> = (0..3)
            .map(|number| {
                json!({
                    "id": format!("i-0123456789abcdef{number}"), "name": "東京のウェブサーバー", "state": "running",
                    "vpc_id": "vpc-0123456789abcdef0", "description": "a long text ".repeat(12),
                })
            })
            .collect();
        let table = Table::of(&rows, &[]);
        for width in [20, 40, 80, 100, 132, 200] {
            let printed = table.print(Medium { terminal: true, colours: false, width: Some(width) });
            for line in printed.lines() {
                assert!(line.width() <= width, "{width}: {line:?}");
            }
            assert!(width < 20 || printed.replace('\n', "").contains("0123456789abcdef"), "{width}: {printed}");
        }
        let piped = table.print(Medium::default());
        assert_eq!(piped.lines().count(), 4);
        assert!(
            piped
                .lines()
                .nth(1)
                .is_some_and(|line| line.ends_with(rows[0]["description"].as_str().unwrap().trim_end()))
        );
        // Columns begin at the same place, whatever stands before them.
        let mixed =
            Table::of(&[json!({"name": "東京", "state": "running"}), json!({"name": "tokyo", "state": "x"})], &[]);
        assert_eq!(mixed.print(Medium::default()), "NAME   STATE\n東京   running\ntokyo  x\n");
    }
}

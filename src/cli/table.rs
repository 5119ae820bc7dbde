//! Columns for people, and JSON for programs; on a terminal and in a pipe.
//!
//! Tags and names are text that strangers write. In a table what a terminal would obey is left out; in JSON it is escaped, so
//! that a program reads back what AWS said.

use serde_json::Value;

use crate::model::text::{hostile, shown};

/// The longest cell on a terminal, in characters.
const NARROW: usize = 60;

/// The longest cell elsewhere.
const WIDE: usize = 2000;

/// Makes a terminal show what follows in bold, until [`PLAIN`].
const BOLD: &str = "\u{1b}[1m";
const PLAIN: &str = "\u{1b}[0m";

/// Between two columns.
const GAP: &str = "  ";

/// What is printed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Medium {
    /// Whether a person looks at it: long cells are cut.
    pub(super) terminal: bool,
    /// Whether it takes colours.
    pub(super) colours: bool,
}

/// Rows under a header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Medium {
    /// Standard output, as it is and as the environment wants it.
    pub(super) fn stdout() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let plain = set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
        Medium { terminal, colours: terminal && !plain }
    }

    /// The longest cell; the last one of a row pushes no other away.
    pub(super) fn widest(self, last: bool) -> usize {
        match (self.terminal, last) {
            (true, false) => NARROW,
            (true, true) => 4 * NARROW,
            (false, _) => WIDE,
        }
    }
}

impl Table {
    /// A table with these columns and no rows.
    pub(super) fn new(columns: &[&str]) -> Self {
        Table { columns: columns.iter().map(|&column| column.to_owned()).collect(), rows: Vec::new() }
    }

    /// One row an object, one column a field that any of them has, in the order in which the fields come; without those
    /// that are `hidden`.
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

    /// Header and rows, each with its line end. Nothing where there are no rows.
    pub(super) fn print(&self, medium: Medium) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let last = self.columns.len().saturating_sub(1);
        let clean = |cells: &Vec<String>| -> Vec<String> {
            let cells = cells.iter().enumerate().map(|(place, cell)| shown(cell, medium.widest(place == last)));
            cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell }).collect()
        };
        let header: Vec<String> = self.columns.iter().map(|name| shown(name, NARROW).to_uppercase()).collect();
        let rows: Vec<Vec<String>> = self.rows.iter().map(clean).collect();
        let widths: Vec<usize> = (0..header.len())
            .map(|column| {
                let cells = std::iter::once(&header).chain(&rows).filter_map(|row| row.get(column));
                cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
            })
            .collect();
        let mut header = line(&header, &widths);
        if medium.colours {
            header = format!("{BOLD}{header}{PLAIN}");
        }
        let lines: Vec<String> = std::iter::once(header).chain(rows.iter().map(|row| line(row, &widths))).collect();
        lines.join("\n") + "\n"
    }
}

/// Cells padded to their columns, without blanks at the end.
fn line(cells: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if place > 0 {
            line.push_str(GAP);
        }
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
    }
    line.truncate(line.trim_end().len());
    line
}

/// A value as a cell: texts as they are, the rest as JSON.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Half or all of a character as JSON escapes it.
fn escape(unit: u16) -> String {
    format!("\\u{unit:04x}")
}

/// JSON with everything escaped that a terminal would obey. It reads back as the same.
pub(super) fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        // Inside of texts JSON escapes line ends by itself; between them they are its layout.
        if letter != '\n' && hostile(letter) {
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                out.push_str(&escape(*unit));
            }
        } else {
            out.push(letter);
        }
    }
    out
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
        let printed = table.print(Medium { terminal: true, colours: false });
        assert_eq!(printed, "ID   NAME\ni-1  a[2Jb\n");
        table.row(vec!["x".repeat(100), "x".repeat(300)]);
        assert!(table.print(Medium { terminal: true, colours: false }).lines().all(|line| line.chars().count() < 310));
    }

    #[test]
    fn json_is_harmless_and_reads_back_as_the_same() {
        let value = json!({"name": "a\u{1b}[2J\u{7f}\u{9b}\u{202E}\u{E0041}\nb", "n": 1});
        let printed = harmless(&format!("{value:#}"));
        assert!(printed.chars().all(|c| c == '\n' || !hostile(c)), "{printed:?}");
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), value);
    }
}

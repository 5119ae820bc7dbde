//! Lays out the cells of a row in lines that fit a terminal.
//!
//! Columns stand side by side while each has enough room to be read: the last one wraps, the others are cut. On a narrower
//! terminal each row becomes a block with a line for each column, and nothing is cut.

use unicode_width::UnicodeWidthStr;

/// The space between two columns.
const GAP: &str = "  ";
/// The least width of a column whose cells are wider.
const LEAST: usize = 16;
/// The least width of the last column, which wraps.
const LEAST_LAST: usize = 24;
/// A narrower terminal is treated as if it were this wide.
const NARROWEST: usize = 8;

/// The places of the cells of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Layout {
    /// Side by side.
    Columns {
        /// How wide each column is.
        widths: Vec<usize>,
        /// How wide the last one may be; `None`: as wide as its cells.
        last: Option<usize>,
    },
    /// One below another, in lines of this width.
    Stacked(usize),
}

impl Layout {
    /// Fits columns with these names and widest cells into `width`; `None` outside of a terminal.
    pub(in crate::cli) fn fit(names: &[String], natural: &[usize], width: Option<usize>) -> Self {
        let whole = Layout::Columns { widths: natural.to_vec(), last: None };
        let Some(width) = width.map(|width| width.max(NARROWEST)) else { return whole };
        let gaps = GAP.len() * natural.len().saturating_sub(1);
        let end = natural.len().saturating_sub(1);
        let floors = natural.iter().enumerate().map(|(place, natural)| match names.get(place) {
            _ if place == end => *natural.min(&LEAST_LAST),
            Some(name) if is_whole(name) => *natural,
            _ => *natural.min(&LEAST),
        });
        let mut widths: Vec<usize> = floors.collect();
        let Some(mut left) = width.checked_sub(widths.iter().sum::<usize>() + gaps) else {
            return Layout::Stacked(width);
        };
        for (width, natural) in widths.iter_mut().zip(natural) {
            let more = left.min(natural.saturating_sub(*width));
            *width += more;
            left -= more;
        }
        let last = widths.last().map(|last| last + left);
        Layout::Columns { widths, last }
    }

    /// Writes a row as lines.
    pub(in crate::cli) fn lines(&self, names: &[String], cells: &[String]) -> Vec<String> {
        match self {
            Layout::Columns { widths, last } => columns(widths, *last, cells),
            Layout::Stacked(width) => stacked(names, cells, *width),
        }
    }

    /// Whether rows are blocks, which need no header.
    pub(in crate::cli) fn is_stacked(&self) -> bool {
        matches!(self, Layout::Stacked(_))
    }
}

/// Whether the cells of a column are useless when cut.
fn is_whole(name: &str) -> bool {
    let name = name.to_lowercase();
    matches!(name.as_str(), "id" | "uri" | "seq" | "count") || name.ends_with("_id") || name.ends_with("-id")
}

fn columns(widths: &[usize], last: Option<usize>, cells: &[String]) -> Vec<String> {
    let mut line = String::new();
    let mut rest = Vec::new();
    let end = widths.len().saturating_sub(1);
    for (place, (cell, width)) in cells.iter().zip(widths).enumerate() {
        if place > 0 {
            line.push_str(GAP);
        }
        let cell = match last {
            Some(last) if place == end => {
                let indent = line.width();
                let mut chunks = wrapped(cell, last).into_iter();
                let first = chunks.next().unwrap_or_default();
                rest.extend(chunks.map(|chunk| format!("{}{chunk}", " ".repeat(indent))));
                first
            }
            Some(_) => cut(cell, *width),
            None => cell.clone(),
        };
        line.push_str(&cell);
        line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.width())));
    }
    std::iter::once(line).chain(rest).map(|line| line.trim_end().to_owned()).collect()
}

fn stacked(names: &[String], cells: &[String], width: usize) -> Vec<String> {
    let label = names.iter().map(|name| name.width()).max().unwrap_or_default();
    let beside = label + GAP.len();
    let mut lines = Vec::new();
    for (name, cell) in names.iter().zip(cells) {
        if width < beside + LEAST {
            lines.extend(wrapped(name, width));
            // One blank only, so that an instance's id fits a line of twenty columns.
            lines.extend(wrapped(cell, width.saturating_sub(1)).iter().map(|chunk| format!(" {chunk}")));
            continue;
        }
        for (place, chunk) in wrapped(cell, width - beside).iter().enumerate() {
            let name = if place == 0 { name.as_str() } else { "" };
            let pad = " ".repeat(beside - name.width());
            lines.push(format!("{name}{pad}{chunk}"));
        }
    }
    lines
}

/// Cuts `text` to at most `width` columns of a terminal, with `…` at the end.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for letter in text.chars() {
        out.push(letter);
        if out.width() + 1 > width {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}

/// Breaks `text` into lines of at most `width` columns of a terminal, at blanks where there are any.
pub(in crate::cli) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for letter in text.chars() {
        line.push(letter);
        if line.width() <= width || line.chars().count() == 1 {
            continue;
        }
        // The blank at which a line is broken is not shown.
        if let Some((before, after)) = line.rsplit_once(' ').filter(|(before, _)| !before.trim().is_empty()) {
            let after = after.to_owned();
            lines.push(before.to_owned());
            line = after;
        } else {
            line.pop();
            lines.push(std::mem::replace(&mut line, letter.to_string()));
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_pipe_is_never_cut() {
        let natural = [300, 500];
        let layout = Layout::fit(&owned(&["A", "B"]), &natural, None);
        let cells = ["x".repeat(300), "y".repeat(500)];
        assert_eq!(layout.lines(&owned(&["A", "B"]), &cells), [format!("{}  {}", cells[0], cells[1])]);
    }

    #[test]
    fn the_last_column_wraps_and_ids_are_never_cut() {
        let names = owned(&["ID", "NAME", "CHANGES"]);
        let id = "i-0123456789abcdef0";
        let cells = owned(&[id, &"n".repeat(40), "State.Name: running -> stopped; Tags[Team]: web -> db"]);
        let natural: Vec<usize> = cells.iter().map(|cell| cell.width()).collect();
        let lines = Layout::fit(&names, &natural, Some(70)).lines(&names, &cells);
        assert!(lines[0].starts_with(id) && lines[0].contains("n…  State.Name"), "{lines:?}");
        assert!(lines.len() > 1 && lines.iter().all(|line| line.width() <= 70), "{lines:?}");
        let last: Vec<&str> = lines.iter().map(|line| line.rsplit("  ").next().unwrap().trim()).collect();
        assert_eq!(last.join(" "), cells[2]);
    }

    #[test]
    fn on_a_narrow_terminal_rows_are_blocks_in_which_nothing_is_cut() {
        let names = owned(&["ID", "AVAILABILITY_ZONE", "NAME"]);
        let cells = owned(&["i-0123456789abcdef0", "us-east-1a", "web server of the team"]);
        let natural: Vec<usize> = cells.iter().map(|cell| cell.width()).collect();
        for width in [20, 40] {
            let layout = Layout::fit(&names, &natural, Some(width));
            assert!(layout.is_stacked(), "{width}");
            let lines = layout.lines(&names, &cells);
            assert!(lines.iter().all(|line| line.width() <= width), "{lines:?}");
            let all: String = lines.concat().split_whitespace().collect();
            for cell in &cells {
                assert!(all.contains(&cell.replace(' ', "")), "{cell} is not whole in {lines:?}");
            }
        }
    }

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(cut("東京東京", 5), "東京…");
        assert_eq!(cut("東京", 4), "東京");
        assert_eq!(wrapped("東京東京", 5), ["東京", "東京"]);
        let lines = Layout::fit(&owned(&["NAME", "X"]), &[8, 1], None);
        assert_eq!(lines.lines(&owned(&["NAME", "X"]), &owned(&["東京", "1"])), ["東京      1"]);
    }

    proptest! {
        #[test]
        fn every_line_fits_the_terminal_and_a_block_keeps_every_letter(
            cells in prop::collection::vec("[a-zé東🚀 .:-]{0,60}", 1..9),
            width in 8_usize..200,
        ) {
            let names: Vec<String> = (0..cells.len()).map(|number| format!("COLUMN{number}")).collect();
            let natural: Vec<usize> = cells.iter().zip(&names).map(|(cell, name)| cell.width().max(name.width())).collect();
            let layout = Layout::fit(&names, &natural, Some(width));
            let lines = layout.lines(&names, &cells);
            for line in &lines {
                prop_assert!(line.width() <= width, "{width}: {line:?} of {lines:?}");
            }
            let letters = |text: &str| text.chars().filter(|letter| *letter != ' ').collect::<String>();
            if layout.is_stacked() {
                let all = letters(&lines.concat());
                for cell in &cells {
                    prop_assert!(all.contains(&letters(cell)), "{cell:?} is not whole in {lines:?}");
                }
            }
        }
    }
}

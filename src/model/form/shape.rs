//! Whether a pattern and a form have a text in common.
//!
//! A form is a few alternatives, each a row of cells. A cell takes one character of a set; some cells may be skipped or repeated.
//! The pattern is walked along each alternative, with every cell that could come next.

use super::Form;
use crate::model::glob::Piece;

const DIGIT: &str = "0123456789";
const HEX: &str = "0123456789abcdef";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const WORD: &str = "abcdefghijklmnopqrstuvwxyz0123456789-";

/// The characters that a cell takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CharSet {
    One(char),
    Of(&'static str),
    Any,
}

/// One position of an alternative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    set: CharSet,
    /// Whether it may be skipped.
    optional: bool,
    /// Whether it may be repeated any number of times.
    again: bool,
}

/// Cells in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cells(Vec<Cell>);

impl Cells {
    fn new(literal: &str) -> Self {
        Cells::default().literal(literal)
    }

    fn literal(mut self, text: &str) -> Self {
        self.0.extend(text.chars().map(|c| Cell { set: CharSet::One(c), optional: false, again: false }));
        self
    }

    /// From `least` to `most` characters of `set`.
    fn of(mut self, set: &'static str, least: usize, most: usize) -> Self {
        let cell = |optional| Cell { set: CharSet::Of(set), optional, again: false };
        self.0.extend(std::iter::repeat_n(cell(false), least));
        self.0.extend(std::iter::repeat_n(cell(true), most.saturating_sub(least)));
        self
    }

    /// Any number of characters of `set`, even none.
    fn many(mut self, set: CharSet) -> Self {
        self.0.push(Cell { set, optional: true, again: true });
        self
    }
}

impl CharSet {
    fn has(self, wanted: char) -> bool {
        match self {
            CharSet::One(c) => c == wanted,
            CharSet::Of(set) => set.contains(wanted),
            CharSet::Any => true,
        }
    }
}

/// Whether any text of `form` matches the pattern.
pub(super) fn could_match(form: Form, pattern: &[Piece]) -> bool {
    alternatives(form).iter().any(|cells| meets(&cells.0, pattern))
}

fn meets(cells: &[Cell], pattern: &[Piece]) -> bool {
    // The cells that may come next; the index behind the last cell is the end.
    let mut next = vec![false; cells.len() + 1];
    next.iter_mut().take(1).for_each(|place| *place = true);
    skip(cells, &mut next);
    for piece in pattern {
        let mut after = vec![false; cells.len() + 1];
        if *piece == Piece::AnyMany {
            // Every later cell can be reached through some characters, since no set is empty.
            let first = next.iter().position(|place| *place).unwrap_or(next.len());
            after.iter_mut().skip(first).for_each(|place| *place = true);
        } else {
            for (place, cell) in cells.iter().enumerate() {
                let takes = next.get(place) == Some(&true)
                    && match piece {
                        Piece::One(c) => cell.set.has(*c),
                        Piece::AnyOne | Piece::AnyMany => true,
                    };
                if takes {
                    let then = if cell.again { place } else { place + 1 };
                    after.iter_mut().skip(then).take(1).for_each(|place| *place = true);
                }
            }
            skip(cells, &mut after);
        }
        next = after;
    }
    next.last() == Some(&true)
}

/// Adds the cells behind those that may be skipped.
fn skip(cells: &[Cell], next: &mut [bool]) {
    let mut reached = false;
    for (place, slot) in next.iter_mut().enumerate() {
        reached |= *slot;
        *slot = reached;
        reached &= cells.get(place).is_some_and(|cell| cell.optional);
    }
}

/// The texts of a form.
fn alternatives(form: Form) -> Vec<Cells> {
    match form {
        Form::Text | Form::Prose => vec![Cells::default().many(CharSet::Any)],
        Form::Word(words) => words.iter().map(|word| Cells::new(word)).collect(),
        Form::Flag => vec![Cells::new("true"), Cells::new("false")],
        Form::Id(prefixes) => ids(prefixes).collect(),
        Form::IdOr(prefixes, word) => ids(prefixes).chain([Cells::new(word)]).collect(),
        Form::Prefixed(prefix) => vec![Cells::new(prefix).of(WORD, 1, 1).many(CharSet::Of(WORD))],
        Form::Arn => vec![Cells::new("arn:").of(LOWER, 1, 1).many(CharSet::Any)],
        Form::Account => vec![Cells::default().of(DIGIT, 12, 12)],
        Form::Time => times(),
        Form::Number => numbers(),
        Form::Port => numbers().into_iter().chain([Cells::new("-1")]).collect(),
        Form::Protocol => {
            let words = ["-1", "tcp", "udp", "icmp", "icmpv6"].map(Cells::new);
            numbers().into_iter().chain(words).collect()
        }
        Form::Percent => vec![Cells::default().of(DIGIT, 1, 3).literal("%")],
        Form::Ipv4 => vec![ipv4()],
        Form::Ipv6 => vec![ipv6()],
        Form::Cidr => vec![ipv4().literal("/").of(DIGIT, 1, 2)],
        Form::Cidr6 => vec![ipv6().literal("/").of(DIGIT, 1, 3)],
        Form::Zone => {
            let start = Cells::default().of(LOWER, 2, 3).literal("-").of(LOWER, 1, 1).many(CharSet::Of(WORD));
            let wavelength = start.clone().literal("-wlz-").of(DIGIT, 1, 2);
            vec![start.literal("-").of(DIGIT, 1, 2).of(LOWER, 1, 1), wavelength]
        }
        Form::ZoneId => {
            let start = Cells::default().of(LOWER, 2, 4).of(DIGIT, 1, 2).many(CharSet::Of(WORD));
            let wavelength = start.clone().literal("-wlz").of(DIGIT, 1, 2);
            vec![start.literal("-az").of(DIGIT, 1, 2), wavelength]
        }
        Form::Mac => {
            let first = Cells::default().of(HEX, 2, 2);
            vec![(1..6).fold(first, |cells, _| cells.literal(":").of(HEX, 2, 2))]
        }
    }
}

fn ids(prefixes: &'static [&'static str]) -> impl Iterator<Item = Cells> {
    let lengths = |prefix: &'static str| [8, 17].map(|length| Cells::new(prefix).of(HEX, length, length));
    prefixes.iter().copied().flat_map(lengths)
}

fn numbers() -> Vec<Cells> {
    vec![Cells::new("0"), Cells::default().of("123456789", 1, 1).many(CharSet::Of(DIGIT))]
}

fn ipv4() -> Cells {
    (1..4).fold(Cells::default().of(DIGIT, 1, 3), |cells, _| cells.literal(".").of(DIGIT, 1, 3))
}

/// A superset of IPv6 addresses: the parser checks which colons may be doubled.
fn ipv6() -> Cells {
    Cells::default().of("0123456789abcdef:", 2, 2).many(CharSet::Of("0123456789abcdef:."))
}

/// Times as AWS's filters and as documents write them.
fn times() -> Vec<Cells> {
    let mut all = Vec::new();
    for month in [("0", "123456789"), ("1", "012")] {
        for day in [("0", "123456789"), ("12", DIGIT), ("3", "01")] {
            for hour in [("01", DIGIT), ("2", "0123")] {
                let two = |cells: Cells, (first, second): (&'static str, &'static str)| {
                    cells.of(first, 1, 1).of(second, 1, 1)
                };
                let date = two(Cells::default().of(DIGIT, 4, 4).literal("-"), month).literal("-");
                let time = two(two(date, day).literal("T"), hour);
                let sixty = ("012345", DIGIT);
                let time = two(two(time.literal(":"), sixty).literal(":"), sixty);
                all.push(time.clone().literal(".").of(DIGIT, 3, 3).literal("Z"));
                all.push(time.clone().literal("+00:00"));
                all.push(time.literal(".").of(DIGIT, 6, 6).literal("+00:00"));
            }
        }
    }
    all
}

//! `LIKE` and `GLOB` with a look at the clock.
//!
//! SQLite's own look at a megabyte of text for each wildcard of their pattern, and nothing interrupts a function: one call can take
//! seconds.

use std::str::Chars;
use std::sync::Arc;

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};

use super::limits::{Expired, PATTERN};
use super::search::{in_time, text};

/// How many letters are compared between two looks at the clock.
const STEP: u32 = 1 << 16;

/// A pattern, read.
type Pattern = Vec<PatternPart>;

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PatternPart {
    /// Any text.
    Many,
    /// Any letter.
    One,
    /// This letter.
    Letter(char),
    /// A letter from one to another, of any of these, or of none of them.
    Range { ranges: Vec<(char, char)>, is_other: bool },
    /// Nothing: the pattern ends too early.
    Never,
}

/// Puts them in the place of SQLite's own.
pub(super) fn add(connection: &Connection, expired: &Expired) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_INNOCUOUS;
    for (name, arguments, is_glob) in [("like", 2, false), ("like", 3, false), ("glob", 2, true)] {
        let expired = expired.clone();
        connection.create_scalar_function(name, arguments, flags, move |context| {
            in_time(&expired)?;
            let (Some(pattern), Some(subject)) = (text(context, 0), text(context, 1)) else { return Ok(None) };
            if pattern.len() > PATTERN {
                return Err(failed("LIKE or GLOB pattern too complex"));
            }
            let pattern = match (is_glob, arguments) {
                (true, _) => Arc::new(glob(&pattern)),
                (false, 2) => context.get_or_create_aux(0, |_| Ok::<_, rusqlite::Error>(like(&pattern, None)))?,
                (false, _) => match escape(context)? {
                    Some(escape) => Arc::new(like(&pattern, Some(escape))),
                    None => return Ok(None),
                },
            };
            matches(&pattern, &subject, !is_glob, &expired).map(Some)
        })?;
    }
    Ok(())
}

fn failed(message: &str) -> rusqlite::Error {
    rusqlite::Error::UserFunctionError(message.into())
}

/// The third argument: the letter that makes the next one literal; `None` for NULL.
fn escape(context: &Context<'_>) -> rusqlite::Result<Option<char>> {
    let Some(escape) = text(context, 2) else { return Ok(None) };
    let mut letters = escape.chars();
    match (letters.next(), letters.next()) {
        (Some(letter), None) => Ok(Some(letter)),
        _ => Err(failed("ESCAPE expression must be a single character")),
    }
}

fn like(pattern: &str, escape: Option<char>) -> Pattern {
    let mut letters = pattern.chars();
    let mut parts = Pattern::new();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            _ if Some(letter) == escape => letters.next().map_or(PatternPart::Never, PatternPart::Letter),
            '%' => PatternPart::Many,
            '_' => PatternPart::One,
            _ => PatternPart::Letter(letter),
        });
    }
    parts
}

fn glob(pattern: &str) -> Pattern {
    let mut letters = pattern.chars();
    let mut parts = Pattern::new();
    while let Some(letter) = letters.next() {
        parts.push(match letter {
            '*' => PatternPart::Many,
            '?' => PatternPart::One,
            '[' => range(&mut letters),
            _ => PatternPart::Letter(letter),
        });
    }
    parts
}

/// What stands in brackets, as SQLite reads it: `]` may come first, and `-` is literal at either end.
fn range(letters: &mut Chars<'_>) -> PatternPart {
    let mut ranges: Vec<(char, char)> = Vec::new();
    let mut before = None;
    let mut next = letters.next();
    let is_other = next == Some('^');
    if is_other {
        next = letters.next();
    }
    if next == Some(']') {
        ranges.push((']', ']'));
        next = letters.next();
    }
    while let Some(letter) = next {
        if letter == ']' {
            return PatternPart::Range { ranges, is_other };
        }
        let ahead = letters.clone().next();
        match before {
            Some(first) if letter == '-' && ahead.is_some_and(|ahead| ahead != ']') => {
                ranges.extend(letters.next().map(|last| (first, last)));
                before = None;
            }
            _ => {
                ranges.push((letter, letter));
                before = Some(letter);
            }
        }
        next = letters.next();
    }
    PatternPart::Never
}

impl PatternPart {
    fn takes(&self, letter: char, is_folded: bool) -> bool {
        match self {
            PatternPart::Many | PatternPart::One => true,
            PatternPart::Letter(wanted) if is_folded => wanted.eq_ignore_ascii_case(&letter),
            PatternPart::Letter(wanted) => *wanted == letter,
            PatternPart::Range { ranges, is_other } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter)) != *is_other
            }
            PatternPart::Never => false,
        }
    }
}

/// Whether a text matches. Of the texts that a wildcard can stand for, only the last wildcard's are tried again.
fn matches(pattern: &Pattern, text: &str, is_folded: bool, expired: &Expired) -> rusqlite::Result<bool> {
    let (mut at, mut rest) = (0, text.chars());
    let mut again: Option<(usize, Chars<'_>)> = None;
    let mut steps = 0_u32;
    loop {
        steps = steps.wrapping_add(1);
        if steps.is_multiple_of(STEP) {
            in_time(expired)?;
        }
        match pattern.get(at) {
            Some(PatternPart::Many) => {
                at += 1;
                if at == pattern.len() {
                    return Ok(true);
                }
                again = Some((at, rest.clone()));
                continue;
            }
            Some(part) => match rest.next() {
                Some(letter) if part.takes(letter, is_folded) => {
                    at += 1;
                    continue;
                }
                Some(_) => {}
                // Less text is left for every later try.
                None => return Ok(false),
            },
            None if rest.as_str().is_empty() => return Ok(true),
            None => {}
        }
        let Some((part, from)) = &mut again else { return Ok(false) };
        if from.next().is_none() {
            return Ok(false);
        }
        (at, rest) = (*part, from.clone());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let never: Expired = Arc::new(|| false);
        add(&connection, &never).unwrap();
        connection
    }

    fn ask(connection: &Connection, sql: &str, given: &[&str]) -> Result<Option<bool>, String> {
        connection
            .query_row(sql, rusqlite::params_from_iter(given), |row| row.get::<_, Option<bool>>(0))
            .map_err(|error| error.to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

        #[test]
        fn they_answer_as_those_of_sqlite_do(
            pattern in "[aAb\u{e9}%_*?\\[\\]^\\-!]{0,8}",
            text in "[aAb\u{e9}\u{c9}%_!\\]^-]{0,8}",
            escape in "[!%_a\u{e9}]",
        ) {
            thread_local! {
                static BOTH: [Connection; 2] = [ours(), Connection::open_in_memory().unwrap()];
            }
            BOTH.with(|[ours, theirs]| {
                for sql in ["SELECT ?2 LIKE ?1", "SELECT ?2 GLOB ?1", "SELECT ?2 NOT LIKE ?1"] {
                    let given = [pattern.as_str(), text.as_str()];
                    prop_assert_eq!(ask(ours, sql, &given), ask(theirs, sql, &given), "{} {:?}", sql, given);
                }
                let given = [pattern.as_str(), text.as_str(), escape.as_str()];
                let sql = "SELECT ?2 LIKE ?1 ESCAPE ?3";
                prop_assert_eq!(ask(ours, sql, &given), ask(theirs, sql, &given), "{} {:?}", sql, given);
                Ok(())
            })?;
        }
    }

    #[test]
    fn numbers_null_and_what_is_no_pattern_are_as_those_of_sqlite() {
        let (ours, theirs) = (ours(), Connection::open_in_memory().unwrap());
        for sql in [
            "SELECT NULL LIKE 'a'",
            "SELECT 'a' LIKE NULL",
            "SELECT 'a' LIKE 'a' ESCAPE NULL",
            "SELECT 12 LIKE '1%'",
            "SELECT 1.5 GLOB '1.?'",
            "SELECT 'a' LIKE 'a' ESCAPE 'ab'",
        ] {
            let (ours, theirs) = (ask(&ours, sql, &[]), ask(&theirs, sql, &[]));
            assert_eq!(ours.as_ref().ok(), theirs.as_ref().ok(), "{sql}: {ours:?} {theirs:?}");
        }
    }

    #[test]
    fn a_long_look_ends_with_the_time() {
        let connection = Connection::open_in_memory().unwrap();
        let looks = std::sync::atomic::AtomicU32::new(0);
        let soon: Expired = Arc::new(move || looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 3);
        add(&connection, &soon).unwrap();
        let long = "SELECT printf('%.1000000c', 'a') LIKE '%' || printf('%.150c', 'a') || 'b%'";
        assert!(ask(&connection, long, &[]).is_err_and(|error| error.contains("interrupted")));
    }
}

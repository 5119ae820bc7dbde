//! Walks through the tables of a configuration file, and notes what is wrong with where it stands.

use std::ops::Range;
use std::path::Path;

use strsim::osa_distance;
use toml::de::{DeTable, DeValue};

use super::fault::ConfigFault;
use crate::config::error::ConfigError;

/// How many letters of a key may be wrong for it to be suggested.
const NEAR: usize = 3;

/// What a key that looks like that of a secret holds. It does not belong here, since others may read the file.
const SECRETS: [&str; 6] = ["secret", "password", "passwd", "access_key", "session_token", "credential"];

/// A configuration file while it is read.
pub(super) struct Reading<'a> {
    text: &'a str,
    faults: Vec<(Option<usize>, ConfigFault)>,
}

/// A key with its value, and where both stand.
pub(super) struct Spot<'a, 'i> {
    pub(super) key: &'a str,
    pub(super) key_span: Range<usize>,
    pub(super) value: &'a DeValue<'i>,
    pub(super) span: Range<usize>,
}

/// A text with its place.
pub(super) type Said = (String, Range<usize>);

/// The keys of a table.
pub(super) fn entries<'a, 'i>(table: &'a DeTable<'i>) -> impl Iterator<Item = Spot<'a, 'i>> {
    table.iter().map(|(key, value)| Spot {
        key: key.get_ref().as_ref(),
        key_span: key.span(),
        value: value.get_ref(),
        span: value.span(),
    })
}

/// One key of a table.
pub(super) fn entry<'a, 'i>(table: &'a DeTable<'i>, key: &str) -> Option<Spot<'a, 'i>> {
    entries(table).find(|entry| entry.key == key)
}

/// A text, or a number as it is written.
pub(super) fn plain(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.clone().into_owned()),
        DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

impl<'a> Reading<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Reading { text, faults: Vec::new() }
    }

    /// Notes a fault. The key is that of a table in a table where it has a dot.
    pub(super) fn fault(&mut self, span: Option<Range<usize>>, key: Option<&str>, what: &str) {
        let at = span.map(|span| span.start);
        let place = at.map(|at| self.place(at));
        self.faults.push((at, ConfigFault { place, key: key.map(str::to_owned), what: what.to_owned() }));
    }

    /// Ends reading: with an error where a fault was noted.
    pub(super) fn checked(mut self, path: &Path) -> Result<(), ConfigError> {
        self.faults.sort_by_key(|(at, _)| *at);
        let faults: Vec<ConfigFault> = self.faults.into_iter().map(|(_, fault)| fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(ConfigError::File { path: path.to_owned(), faults }) }
    }

    /// Forgets the faults of all keys but these.
    pub(super) fn only(&mut self, keys: &[String]) {
        self.faults.retain(|(_, fault)| fault.key.as_ref().is_none_or(|key| keys.contains(key)));
    }

    /// The line and the column of a byte, counted from 1.
    pub(super) fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        (line, column)
    }

    /// Refuses keys that are not among `known`. `path` is that of the table, with a dot at its end.
    pub(super) fn keys(&mut self, table: &DeTable<'_>, path: &str, known: &[&str]) {
        for Spot { key, key_span, .. } in entries(table).filter(|entry| !known.contains(&entry.key)) {
            let what = unknown(key, known);
            self.fault(Some(key_span), Some(&format!("{path}{key}")), &what);
        }
    }

    /// The text of a key, if it has one.
    pub(super) fn text(&mut self, table: &DeTable<'_>, path: &str, key: &str) -> Option<Said> {
        let Spot { value, span, .. } = entry(table, key)?;
        let path = format!("{path}{key}");
        let text = plain(value);
        match text.as_deref().map(str::trim) {
            Some("") => self.fault(Some(span), Some(&path), "it is empty: give a value, or leave the key out"),
            Some(text) => return Some((text.to_owned(), span)),
            None => self.fault(Some(span), Some(&path), "it must be a text, in quotes"),
        }
        None
    }
}

/// Why a key is not known, with the nearest one that is.
fn unknown(key: &str, known: &[&str]) -> String {
    let lower = key.to_ascii_lowercase().replace('-', "_");
    if SECRETS.iter().any(|secret| lower.contains(secret)) && !known.contains(&lower.as_str()) {
        return "credentials do not belong in this file: put them into a profile of ~/.aws/credentials, and name that profile \
                here with profile or source_profile"
            .to_owned();
    }
    let near = known.iter().map(|known| (osa_distance(&lower, known), *known)).min();
    if let Some((_, near)) = near.filter(|(distance, _)| *distance <= NEAR) {
        return format!("there is no such key: did you mean {near}?");
    }
    let mut known = known.to_vec();
    known.sort_unstable();
    format!("there is no such key. Keys are {}", known.join(", "))
}

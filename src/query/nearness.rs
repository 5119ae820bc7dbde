//! Suggests a known word for an unknown one.

use crate::model::text::shown;

/// How far a suggestion may be from what was written (Jaro-Winkler, 1 is equal).
pub const NEAR: f64 = 0.75;

/// Finds the candidate closest to the written word, if one is close enough.
pub fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(&written, candidate), candidate));
    scored.filter(|(score, _)| *score >= NEAR).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, candidate)| candidate)
}

/// How many of the values that exist are named where none is near.
const VALUES: usize = 8;

/// What exists in the place of what was written, in words: the nearest of `held`, else some of them.
pub fn instead<'a>(written: &[String], held: impl Iterator<Item = &'a str> + Clone) -> String {
    let meant = written.iter().filter(|value| !value.is_empty());
    let meant = meant.into_iter().find_map(|value| closest(value, held.clone(), NEAR));
    if let Some(meant) = meant {
        return format!("the nearest that exists is `{}`", shown(meant, 80));
    }
    let some: Vec<String> = held.clone().take(VALUES).map(|value| format!("`{}`", shown(value, 80))).collect();
    match held.count().saturating_sub(VALUES) {
        _ if some.is_empty() => "there is no value at all".to_owned(),
        0 => format!("those that exist are {}", some.join(", ")),
        more => format!("those that exist are {} and {more} more", some.join(", ")),
    }
}

/// The suggestion in words.
#[must_use]
pub fn near(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"))
}

/// Finds the candidate closest to the written word without regard to letter case, if it is at least as near as `threshold`
/// (Jaro-Winkler, 1 is equal).
pub fn closest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>, threshold: f64) -> Option<&'a str> {
    let written = written.to_lowercase();
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(&written, &candidate.to_lowercase()), candidate));
    let near = scored.filter(|(score, _)| *score >= threshold);
    near.max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, candidate)| candidate)
}

//! Extracts ids from AWS's messages, and cleans the messages.

use crate::model::text::shown;

/// The resource ids in a message, in order, each once: `i-0123456789abcdef0` and the like, or quoted text after "id".
pub(super) fn named_ids(message: &str) -> Vec<String> {
    let words = message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let mut ids: Vec<String> = Vec::new();
    for word in words.filter(|word| is_id(word)) {
        if !ids.iter().any(|known| known == word) {
            ids.push(word.to_owned());
        }
    }
    if ids.is_empty() && message.to_lowercase().contains("id") {
        ids.extend(
            message.split(['"', '\'']).skip(1).step_by(2).filter(|quoted| quoted.contains('-')).map(str::to_owned),
        );
    }
    ids
}

fn is_id(word: &str) -> bool {
    word.rsplit_once('-').is_some_and(|(prefix, hex)| {
        !prefix.is_empty()
            && prefix.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            && matches!(hex.len(), 8..=17)
            && hex.bytes().all(|byte| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase())
    })
}

/// What comes before the encoded text of a denial.
const ENCODED: &str = "encoded authorization failure message";
/// The longest encoded text.
const MAX_ENCODED: usize = 8_000;

/// The encoded text of a denial.
pub(super) fn encoded(message: &str) -> Option<String> {
    // Lower case of ASCII keeps the places of all bytes.
    let place = message.to_ascii_lowercase().find(ENCODED)? + ENCODED.len();
    let rest = message.get(place..)?.trim_start_matches([':', ' ']);
    let is_of_it = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '=' | '+' | '/' | '.');
    let text: String = rest.chars().take_while(is_of_it).take(MAX_ENCODED).collect();
    (!text.is_empty()).then_some(text)
}

/// `message` without the encoded authorization blob and access key ids, at most 600 characters.
pub(super) fn cleaned(message: &str) -> String {
    let end = message.to_ascii_lowercase().find(ENCODED);
    let message = end.and_then(|end| message.get(..end)).unwrap_or(message).trim();
    let words = message.split_inclusive(|c: char| !c.is_ascii_alphanumeric());
    let clean: String = words.map(|word| if is_key_id(word) { "(key id) " } else { word }).collect();
    shown(clean.trim(), 600)
}

fn is_key_id(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    word.len() >= 16
        && (word.starts_with("AKIA") || word.starts_with("ASIA"))
        && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_cannot_carry_control_characters_or_be_endless() {
        let clean = cleaned(&format!("a\u{1b}[31m{}", "x".repeat(2000)));
        assert!(!clean.contains('\u{1b}') && clean.chars().count() <= 600);
    }

    #[test]
    fn the_encoded_text_of_a_denial_is_found_and_nothing_after_it() {
        let message = "You may not. Encoded Authorization failure message: 4VRYs0-_me=\u{1b}[31m";
        assert_eq!(encoded(message).as_deref(), Some("4VRYs0-_me="));
        assert_eq!((encoded("You may not."), encoded("encoded authorization failure message: ")), (None, None));
    }

    #[test]
    fn ids_of_all_kinds_are_found_in_order_each_once() {
        let message = "vol-0123456789abcdef0, eipalloc-1a2b3c4d and vol-0123456789abcdef0 in us-east-1 (i-short)";
        assert_eq!(named_ids(message), ["vol-0123456789abcdef0", "eipalloc-1a2b3c4d"]);
        assert_eq!(named_ids("Request limit exceeded for 'your-account'"), [""; 0]);
    }
}

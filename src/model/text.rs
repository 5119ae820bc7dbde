//! Text that strangers can write: tags, names, descriptions.

/// Makes `text` safe to show to a person or a model: control and bidirectional characters are removed, and it is cut to `limit`
/// characters with `…` at the end.
///
/// Anyone who may tag a resource can write this text, so it is always data. This is for titles, descriptions and tables; documents
/// keep the text as AWS gave it, and JSON escapes control characters there.
#[must_use]
pub fn shown(text: &str, limit: usize) -> String {
    let mut clean = text.chars().filter(|c| !hostile(*c));
    let mut out: String = clean.by_ref().take(limit).collect();
    if clean.next().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

/// A text of several lines without the characters that readers cannot see. Everything that is said to a model ends here, whatever
/// it is made of.
#[must_use]
pub fn readable(text: String) -> String {
    let is_bad = |c: char| c != '\n' && hostile(c);
    if text.chars().any(is_bad) { text.replace(is_bad, "") } else { text }
}

/// Both texts as [`shown`]. If one is longer than `limit`, both start shortly before the first difference, since equal beginnings
/// say nothing.
#[must_use]
pub fn apart(before: &str, after: &str, limit: usize) -> (String, String) {
    let is_long = |text: &str| text.chars().filter(|c| !hostile(*c)).nth(limit).is_some();
    let alike = before.chars().zip(after.chars()).take_while(|(a, b)| a == b).count();
    let skipped = alike.saturating_sub(limit / 3);
    if skipped == 0 || !(is_long(before) || is_long(after)) {
        return (shown(before, limit), shown(after, limit));
    }
    let rest = |text: &str| shown(&std::iter::once('…').chain(text.chars().skip(skipped)).collect::<String>(), limit);
    (rest(before), rest(after))
}

/// The same JSON with the characters escaped that readers cannot see; line ends, which are its layout, stay.
#[must_use]
pub fn visible_json(json: String) -> String {
    // What JSON leaves as it is among the ASCII characters is visible, except for this one.
    if json.is_ascii() && !json.contains('\u{7f}') {
        return json;
    }
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
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

/// Escapes a UTF-16 unit for JSON.
fn escape(unit: u16) -> String {
    format!("\\u{unit:04x}")
}

/// An error and its causes on one line, separated by colons.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// Whether readers cannot see `c`: control characters, bidirectional controls, zero-width characters, and the Unicode tag block
/// (which models still read).
#[must_use]
pub fn hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
        || matches!(c, '\u{E0000}'..='\u{E007F}' | '\u{FFF9}'..='\u{FFFB}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidirectional_characters_are_removed() {
        assert_eq!(shown("web\u{202E}\n\u{0}-1\u{E0041}", 64), "web-1");
    }

    #[test]
    fn a_text_of_several_lines_keeps_them() {
        assert_eq!(readable("a\u{1b}[2J\nb\u{202E}\r\n".to_owned()), "a[2J\nb\n");
    }

    #[test]
    fn long_text_is_cut_with_an_ellipsis() {
        assert_eq!(shown("abcdef", 4), "abc…");
        assert_eq!(shown("abcd", 4), "abcd");
    }

    #[test]
    fn json_shows_every_character_and_reads_back_as_the_same() {
        let value = serde_json::json!({"name": "a\u{1b}[2J\u{7f}\u{9b}\u{202E}\u{E0041}\nb", "n": 1});
        let printed = visible_json(format!("{value:#}"));
        assert!(printed.chars().all(|c| c == '\n' || !hostile(c)), "{printed:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&printed).unwrap(), value);
    }

    #[test]
    fn texts_that_start_alike_are_cut_around_their_difference() {
        assert_eq!(apart("aaaa", "aaab", 6), ("aaaa".to_owned(), "aaab".to_owned()));
        assert_eq!(apart("0123456789x", "0123456789y", 6), ("…89x".to_owned(), "…89y".to_owned()));
        assert_eq!(apart("0123456789", "0123456789yzabc", 6), ("…89".to_owned(), "…89yz…".to_owned()));
        assert_eq!(apart("x123456789", "y", 6), ("x1234…".to_owned(), "y".to_owned()));
        assert_eq!(apart("", "0123456789", 6), (String::new(), "01234…".to_owned()));
        assert_eq!(apart("日本語日本語日本語é", "日本語日本語日本語e", 6), ("…本語é".to_owned(), "…本語e".to_owned()));
    }
}

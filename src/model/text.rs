//! Text that strangers can write: tags, names, descriptions.

/// `text` made safe to show to a person or a model: control and bidirectional characters removed, at most `limit`
/// characters, with `…` where it was cut.
///
/// Anyone who may tag a resource can write this text, so it is always data. Documents keep it as AWS gave it; JSON
/// escapes control characters there. This is for titles, descriptions and tables.
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

/// Whether nobody who reads `c` sees it: control characters, bidirectional controls, zero-width characters, and the Unicode tag
/// block (invisible text that models still read).
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
    fn long_text_is_cut_with_an_ellipsis() {
        assert_eq!(shown("abcdef", 4), "abc…");
        assert_eq!(shown("abcd", 4), "abcd");
    }
}

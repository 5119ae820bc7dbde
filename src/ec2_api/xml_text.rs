//! Text in XML.

/// Appends text as XML has it between two tags. A character that XML 1.0 cannot have at all, such as a NUL, becomes `U+FFFD`: an
/// answer with it would be no XML, and nobody could read the rest of it.
pub(super) fn escape(text: &str, out: &mut String) {
    // Nearly all text is of letters that need nothing done, which bytes show faster than characters do.
    if !text.bytes().any(may_be_special) {
        out.push_str(text);
        return;
    }
    let mut rest = text;
    while let Some(at) = rest.find(is_special) {
        let (plain, tail) = rest.split_at(at);
        out.push_str(plain);
        let mut letters = tail.chars();
        out.push_str(match letters.next() {
            Some('&') => "&amp;",
            Some('<') => "&lt;",
            Some('>') => "&gt;",
            // A parser reads a bare one as the end of a line.
            Some('\r') => "&#13;",
            _ => "\u{fffd}",
        });
        rest = letters.as_str();
    }
    out.push_str(rest);
}

/// Whether text cannot have this character as it is. Tabs and ends of lines are text as any other.
fn is_special(letter: char) -> bool {
    matches!(letter, '&' | '<' | '>' | '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether a byte is, or may begin, a character that text cannot have as it is.
fn may_be_special(byte: u8) -> bool {
    const BEGINS_THE_LAST: u8 = 0xef;
    byte == BEGINS_THE_LAST || (byte.is_ascii() && is_special(char::from(byte)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        escape(text, &mut out);
        out
    }

    #[test]
    fn markup_and_what_xml_cannot_have_are_escaped() {
        assert_eq!(escaped("R&D <\"é\">\t\n\r"), "R&amp;D &lt;\"é\"&gt;\t\n&#13;");
        assert_eq!(escaped("a\0b\u{1b}c\u{ffff}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(escaped("]]>"), "]]&gt;");
    }

    proptest! {
        #[test]
        fn a_parser_reads_the_text_again(text in ".{0,40}") {
            let xml = format!("<a>{}</a>", escaped(&text));
            let mut read = String::new();
            for token in xmlparser::Tokenizer::from(xml.as_str()) {
                match token.unwrap() {
                    xmlparser::Token::Text { text } => read.push_str(text.as_str()),
                    xmlparser::Token::ElementStart { local, .. } => prop_assert_eq!(local.as_str(), "a"),
                    _ => {}
                }
            }
            for (written, letter) in [("&lt;", "<"), ("&gt;", ">"), ("&#13;", "\r"), ("&amp;", "&")] {
                read = read.replace(written, letter);
            }
            let letters = text.chars().map(|letter| match letter {
                '\t' | '\n' | '\r' => letter,
                '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
                letter => letter,
            });
            prop_assert_eq!(read, letters.collect::<String>());
        }
    }
}

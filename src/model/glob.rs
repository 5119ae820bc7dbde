//! The pieces of a filter value, as AWS reads it: `*` matches any text, `?` any one character, and a backslash makes the next
//! character ordinary. Nothing else is special: `[1-8]` is five ordinary characters.

/// One piece of a filter value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Exactly this character.
    One(char),
    /// `?`: any one character.
    AnyOne,
    /// `*`: any text, even none.
    AnyMany,
}

/// Splits a filter value into pieces. Every text is valid; a backslash at the end is an ordinary character.
#[must_use]
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::AnyMany,
            '?' => Piece::AnyOne,
            '\\' => Piece::One(chars.next().unwrap_or('\\')),
            c => Piece::One(c),
        });
    }
    pieces
}

/// The only text that a filter value matches; `None` if it has wildcards.
#[must_use]
pub fn exact(pieces: &[Piece]) -> Option<String> {
    let one = |piece: &Piece| match piece {
        Piece::One(c) => Some(*c),
        Piece::AnyOne | Piece::AnyMany => None,
    };
    pieces.iter().map(one).collect()
}

/// Whether a whole text matches.
#[must_use]
pub fn matches(pieces: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut piece, mut at) = (0, 0);
    // The last `*` that was met, and how far the text is that it takes.
    let mut star: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(at) {
        match pieces.get(piece) {
            Some(Piece::AnyMany) => {
                star = Some((piece, at));
                piece += 1;
            }
            Some(Piece::AnyOne) => (piece, at) = (piece + 1, at + 1),
            Some(Piece::One(wanted)) if wanted == letter => (piece, at) = (piece + 1, at + 1),
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                (piece, at) = (place + 1, taken + 1);
            }
        }
    }
    pieces.iter().skip(piece).all(|piece| *piece == Piece::AnyMany)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition: what each piece may take, tried one by one.
    fn plainly(pieces: &[Piece], text: &[char]) -> bool {
        match pieces.split_first() {
            None => text.is_empty(),
            Some((Piece::AnyMany, rest)) => (0..=text.len()).any(|taken| plainly(rest, &text[taken..])),
            Some((Piece::AnyOne, rest)) => !text.is_empty() && plainly(rest, &text[1..]),
            Some((Piece::One(c), rest)) => text.first() == Some(c) && plainly(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_as_its_pieces_say(pattern in "[ab*?\\\\]{0,8}", text in "[ab*]{0,8}") {
            let pieces = pieces(&pattern);
            prop_assert_eq!(matches(&pieces, &text), plainly(&pieces, &text.chars().collect::<Vec<_>>()));
        }
    }

    #[test]
    fn a_backslash_makes_a_wildcard_an_ordinary_character() {
        assert_eq!(pieces(r"a*\*"), [Piece::One('a'), Piece::AnyMany, Piece::One('*')]);
        assert_eq!(exact(&pieces(r"\?[1-8]\\")).as_deref(), Some(r"?[1-8]\"));
        assert_eq!(exact(&pieces("a?")), None);
        assert_eq!(exact(&pieces(r"end\")).as_deref(), Some(r"end\"));
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_makes_a_wildcard_an_ordinary_character() {
        assert_eq!(pieces(r"a*\*"), [Piece::One('a'), Piece::AnyMany, Piece::One('*')]);
        assert_eq!(exact(&pieces(r"\?[1-8]\\")).as_deref(), Some(r"?[1-8]\"));
        assert_eq!(exact(&pieces("a?")), None);
        assert_eq!(exact(&pieces(r"end\")).as_deref(), Some(r"end\"));
    }
}

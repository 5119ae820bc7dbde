//! Parts of a statement that find nothing, whatever the account holds: paths without `$.`, and the values of redacted tags.

use std::collections::BTreeSet;

use sqlparser::tokenizer::Token;

use super::schema;
use crate::model::text::shown;

/// The longest part of a statement that a hint repeats.
const SHOWN: usize = 80;

/// A sentence for each path into a document that SQLite takes for the name of one field.
pub(super) fn dotted(sql: &str) -> Vec<String> {
    let mut hints = Vec::new();
    for path in operands(sql, "document").into_iter().map(|(path, _)| path) {
        // No field of a document has a dot in its name.
        if path.contains('.') && !path.starts_with('$') {
            let path = shown(&path, SHOWN);
            let hint = format!(
                "'{path}' is taken for the name of one field, which no document has, so the value is NULL: write '$.{path}'"
            );
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    hints
}

/// The keys of tags whose values a statement compares: of the column `tags`, and of the table `tag`.
pub(super) fn compared_tags(sql: &str) -> BTreeSet<String> {
    let of_column = operands(sql, "tags").into_iter().filter(|(_, is_compared)| *is_compared);
    let mut keys: BTreeSet<String> = of_column.map(|(path, _)| key(&path).to_owned()).collect();
    let tokens = schema::tokens(sql).unwrap_or_default();
    let is_compared = |name: &str| {
        let at = tokens.iter().enumerate().filter(|(_, token)| is_word(token, name));
        at.filter(|(place, _)| compares(tokens.get(place + 1))).map(|(place, _)| place).collect::<Vec<_>>()
    };
    if tokens.iter().any(|token| is_word(token, "tag")) && !is_compared("value").is_empty() {
        for place in is_compared("key") {
            // All that is listed behind `key =` or `key IN (`.
            let is_before = |token: &Token| {
                matches!(token, Token::Eq | Token::DoubleEq | Token::LParen)
                    || ["in", "like", "glob"].iter().any(|word| is_word(token, word))
            };
            let listed = tokens.iter().skip(place + 1).skip_while(|token| is_before(token));
            let listed = listed.take_while(|token| matches!(token, Token::SingleQuotedString(_) | Token::Comma));
            keys.extend(listed.filter_map(|token| match token {
                Token::SingleQuotedString(key) => Some(key.clone()),
                _ => None,
            }));
        }
    }
    keys
}

/// What `->` and `->>` take out of a column, and whether that is compared with something.
fn operands(sql: &str, column: &str) -> Vec<(String, bool)> {
    let tokens = schema::tokens(sql).unwrap_or_default();
    let mut found = Vec::new();
    let mut is_within = false;
    for (place, token) in tokens.iter().enumerate() {
        let is_behind_arrow = place.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(is_arrow);
        match token {
            Token::SingleQuotedString(path) if is_within && is_behind_arrow => {
                found.push((path.clone(), compares(tokens.get(place + 1))));
            }
            token => is_within = is_word(token, column) || is_within && is_arrow(token),
        }
    }
    found
}

/// The key that a path names: `Name`, `$.Name`, `$.\"Name\"`.
fn key(path: &str) -> &str {
    path.strip_prefix("$.").unwrap_or(path).trim_matches('"')
}

fn is_arrow(token: &Token) -> bool {
    matches!(token, Token::Arrow | Token::LongArrow)
}

fn is_word(token: &Token, name: &str) -> bool {
    matches!(token, Token::Word(word) if word.value.eq_ignore_ascii_case(name))
}

/// Whether what stands before this token is compared with what follows it.
fn compares(token: Option<&Token>) -> bool {
    let Some(token) = token else { return false };
    matches!(token, Token::Eq | Token::DoubleEq | Token::Neq | Token::Lt | Token::Gt | Token::LtEq | Token::GtEq)
        || ["in", "like", "glob", "between", "not"].iter().any(|word| is_word(token, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_its_beginning_is_told() {
        let said = dotted("SELECT document ->> 'Monitoring.State' FROM instance i WHERE i.document->'A'->>'B.C' = 'x'");
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("write '$.Monitoring.State'") && said[1].contains("write '$.B.C'"), "{said:?}");
        for fine in [
            "SELECT document ->> '$.Monitoring.State', document ->> 'VpcId', tags ->> 'a.b' FROM instance",
            "SELECT document, 'a.b' FROM instance WHERE name = 'web.1'",
        ] {
            assert_eq!(dotted(fine), Vec::<String>::new(), "{fine}");
        }
    }

    #[test]
    fn the_tags_whose_values_are_compared_are_known() {
        let keys = |sql| compared_tags(sql).into_iter().collect::<Vec<_>>();
        assert_eq!(keys("SELECT * FROM tag t WHERE t.key = 'pin' AND t.value LIKE 'x%'"), ["pin"]);
        assert_eq!(keys("SELECT * FROM tag WHERE value = 'x' AND key IN ('a', 'b')"), ["a", "b"]);
        assert_eq!(
            keys("SELECT * FROM instance WHERE tags ->> '$.\"pin\"' = 'x' OR tags->>'b' IN ('y')"),
            ["b", "pin"]
        );
        assert_eq!(keys("SELECT * FROM tag t JOIN tag u ON t.key = u.key AND t.value = 'x'"), Vec::<String>::new());
        for none in ["SELECT value FROM tag WHERE key = 'pin'", "SELECT tags ->> 'pin' FROM instance", "SELECT 'key'"] {
            assert_eq!(keys(none), Vec::<String>::new(), "{none}");
        }
    }
}

//! What people write in shells of databases to see the tables: answered with them.

use super::SqlError;
use super::said;
use super::schema;

/// Words that list tables, and words that describe one.
const LISTS: [&str; 6] = ["show", "\\d", "\\dt", "\\d+", ".tables", ".schema"];
const DESCRIBES: [&str; 7] = ["describe", "desc", "show", "\\d", "\\d+", ".schema", "pragma"];

/// The tables, or the columns of the one that is named, where a statement is such words; `None` where it is anything else.
pub(super) fn answered(sql: &str) -> Option<SqlError> {
    let words: Vec<String> = sql
        .split(|letter: char| letter.is_whitespace() || matches!(letter, '(' | ')' | ';' | '"' | '`' | '\'' | '='))
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let (first, rest) = words.split_first()?;
    let is_describing =
        DESCRIBES.contains(&first.as_str()) && (first != "pragma" || rest.first()?.starts_with("table_"));
    if rest.len() > 4 || !(is_describing || LISTS.contains(&first.as_str())) {
        return None;
    }
    let written = || crate::model::text::shown(sql, 60);
    let named = rest
        .last()
        .filter(|word| !matches!(word.as_str(), "tables" | "table_list" | "schemas" | "databases" | "table" | "full"));
    let Some(name) = named else {
        let tables = schema::tables().iter().map(|table| table.name.as_str()).collect::<Vec<_>>().join(", ");
        return Some(SqlError::Listed { written: written(), tables });
    };
    let table = schema::find(name).map(|(_, table)| table).or_else(|| schema::nearest(name));
    Some(table.map_or_else(
        || said::no_table(name),
        |table| SqlError::Described { written: written(), table: schema::described(table) },
    ))
}

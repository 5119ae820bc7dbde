//! What every row of a table must meet to be seen at all, so that the others need not be filled in.
//!
//! The statement is parsed a second time, by a parser that shows its parts. Of a table that it names once, the conditions count
//! which its SELECT joins by AND to everything else: in WHERE, and in ON where a row that fails it is never joined. A condition
//! is a column equal to a value, one of several, or (of a log) a bound. It stays in the statement: what it leaves out is only what
//! the statement would. Nothing under OR or NOT counts, no bound of a table that is named twice, and nothing that is not
//! understood.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use sqlparser::ast::{BinaryOperator, Expr, InTarget, Query, Select, TableFactor};
use sqlparser::tokenizer::Token;

use super::cell::ColumnForm;
use super::parse_tree::{TableItem, each_term, factors, item, walk};
use super::reads::Reads;
use super::schema::{self, Flat, SqlTable, TableSource};
use super::times;

/// The functions that may stand in a value: they give the same when they are called again, or with the time of now a later one.
const FUNCTIONS: [&str; 6] = ["lower", "upper", "trim", "date", "datetime", "ago"];

/// What every row of a table must meet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NarrowTerms {
    /// The values that a column may have, by the column's name.
    pub(super) sets: BTreeMap<String, BTreeSet<String>>,
    /// The first and last record, of a log.
    pub(super) seqs: (Option<u64>, Option<u64>),
    /// The earliest and latest time, of a log, as tables hold times.
    pub(super) times: (Option<String>, Option<String>),
}

/// The same by the place of the table.
pub(super) type Narrowed = BTreeMap<usize, NarrowTerms>;

impl NarrowTerms {
    /// Whether a log is bound by anything but kinds and places.
    pub(super) fn is_bound(&self) -> bool {
        self.seqs != (None, None) || self.times != (None, None) || self.sets.contains_key("id")
    }

    /// Lets a column have only these values.
    pub(super) fn meet(&mut self, column: &str, values: BTreeSet<String>) {
        match self.sets.get_mut(column) {
            Some(known) => known.retain(|value| values.contains(value)),
            None => drop(self.sets.insert(column.to_owned(), values)),
        }
    }
}

/// What narrows the tables that `sql` reads. `connection` computes values, such as `datetime('now', '-7 days')`.
pub(super) fn narrowed(connection: &Connection, sql: &str, query: &Query, reads: &Reads) -> Narrowed {
    let singles = singles(sql, reads);
    let mut found = Narrowed::new();
    let mut take = |select: &Select| of_select(connection, select, &singles, &mut found);
    walk(query, &mut take);
    found
}

/// The places of the tables that a statement names once.
pub(super) fn singles(sql: &str, reads: &Reads) -> BTreeSet<usize> {
    let named = named(sql);
    let is_single = |place: usize| {
        let times = |table: &SqlTable| named.iter().filter(|name| table.name.eq_ignore_ascii_case(name)).count();
        schema::tables().get(place).is_some_and(|table| times(table) == 1)
    };
    reads.iter().filter(|(place, read)| read.times == 1 && is_single(**place)).map(|(place, _)| *place).collect()
}

/// The words that may name a table: all but those that something is taken from by a dot, and text where a name can stand.
fn named(sql: &str) -> Vec<String> {
    let tokens = schema::tokens(sql).unwrap_or_default();
    let mut found = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| tokens.get(before));
        match token {
            Token::Word(word) if tokens.get(place + 1) != Some(&Token::Period) => found.push(word.value.clone()),
            Token::SingleQuotedString(text)
                if matches!(before, Some(Token::Word(_) | Token::Comma | Token::Period)) =>
            {
                found.push(text.clone());
            }
            _ => {}
        }
    }
    found
}

fn of_select(connection: &Connection, select: &Select, singles: &BTreeSet<usize>, found: &mut Narrowed) {
    let factors: Vec<&TableFactor> = select.from.iter().flat_map(factors).collect();
    let items: Vec<TableItem<'_>> = factors.iter().filter_map(|factor| item(factor)).collect();
    // Without a name in front, a column is one of the only table.
    let is_alone = factors.len() == 1;
    each_term(select, &mut |term, only| {
        let Some((place, column, bound)) = term_of(connection, term, &items, is_alone) else { return };
        if singles.contains(&place) && only.is_none_or(|only| only == place) {
            apply(found.entry(place).or_default(), place, &column, bound);
        }
    });
}

/// What a term says of a column.
enum Bound {
    In(Vec<KnownValue>),
    AtLeast(KnownValue),
    AtMost(KnownValue),
}

/// A value that is known before anything is read.
#[derive(Clone, Debug, PartialEq)]
enum KnownValue {
    Text(String),
    Int(i64),
}

fn term_of(
    connection: &Connection,
    term: &Expr,
    items: &[TableItem<'_>],
    is_alone: bool,
) -> Option<(usize, String, Bound)> {
    let of = |expr: &Expr| column_of(expr, items, is_alone);
    let known = |expr: &Expr| known(connection, expr);
    match term {
        Expr::BinaryOp { left, op, right } => {
            let (column, value, op) = match (of(left), of(right)) {
                (Some(column), None) => (column, right, op.clone()),
                (None, Some(column)) => (column, left, turned(op)),
                _ => return None,
            };
            let bound = match op {
                BinaryOperator::Eq => Bound::In(vec![known(value)?]),
                BinaryOperator::Gt | BinaryOperator::GtEq => Bound::AtLeast(known(value)?),
                // What is computed of the time of now is computed again later.
                BinaryOperator::Lt | BinaryOperator::LtEq => {
                    Bound::AtMost(literal(value).then(|| known(value)).flatten()?)
                }
                _ => return None,
            };
            Some((column.0, column.1, bound))
        }
        Expr::In { expr, target: InTarget::List(list), negated: false, .. } => {
            let (place, column) = of(expr)?;
            let values = list.iter().map(known).collect::<Option<Vec<KnownValue>>>()?;
            Some((place, column, Bound::In(values)))
        }
        Expr::Between { expr, negated: false, low, .. } => {
            let (place, column) = of(expr)?;
            Some((place, column, Bound::AtLeast(known(low)?)))
        }
        _ => None,
    }
}

fn turned(op: &BinaryOperator) -> BinaryOperator {
    match op {
        BinaryOperator::Lt => BinaryOperator::Gt,
        BinaryOperator::LtEq => BinaryOperator::GtEq,
        BinaryOperator::Gt => BinaryOperator::Lt,
        BinaryOperator::GtEq => BinaryOperator::LtEq,
        other => other.clone(),
    }
}

/// The column that an expression is, where its table is sure, under the name of the column that rows hold.
pub(super) fn column_of(expr: &Expr, items: &[TableItem<'_>], is_alone: bool) -> Option<(usize, String)> {
    let (item, name) = match expr {
        Expr::Identifier(name) if is_alone => (items.first()?, &name.value),
        Expr::CompoundIdentifier(parts) => {
            let [table, name] = parts.as_slice() else { return None };
            let mut named = items.iter().filter(|item| item.name.eq_ignore_ascii_case(&table.value));
            match (named.next(), named.next()) {
                (Some(item), None) => (item, &name.value),
                _ => return None,
            }
        }
        _ => return None,
    };
    let (_, column) = item.table.column(name)?;
    let column = match column.field {
        schema::Field::Same(place) => item.table.columns.get(place)?,
        _ => column,
    };
    Some((item.place, column.name.clone()))
}

fn literal(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(_))
}

/// The value of an expression that names nothing, as SQLite computes it.
fn known(connection: &Connection, expr: &Expr) -> Option<KnownValue> {
    if !names_nothing(expr) {
        return None;
    }
    let mut statement = connection.prepare(&format!("SELECT {expr}")).ok()?;
    let mut rows = statement.query([]).ok()?;
    match rows.next().ok()??.get_ref(0).ok()? {
        ValueRef::Text(text) => Some(KnownValue::Text(std::str::from_utf8(text).ok()?.to_owned())),
        ValueRef::Integer(number) => Some(KnownValue::Int(number)),
        ValueRef::Null | ValueRef::Real(_) | ValueRef::Blob(_) => None,
    }
}

/// Whether an expression is a literal, or a function of literals.
fn names_nothing(expr: &Expr) -> bool {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr, FunctionArguments};
    match expr {
        Expr::Value(value) => !matches!(value.value, sqlparser::ast::Value::Placeholder(_)),
        Expr::Function(function) => {
            let args = match &function.args {
                FunctionArguments::List(list) => list.args.as_slice(),
                FunctionArguments::None => &[],
                FunctionArguments::Subquery(_) => return false,
            };
            let is_same_again = FUNCTIONS.iter().any(|known| function.name.to_string().eq_ignore_ascii_case(known));
            is_same_again
                && function.over.is_none()
                && args
                    .iter()
                    .all(|arg| matches!(arg, FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) if names_nothing(expr)))
        }
        _ => false,
    }
}

fn apply(terms: &mut NarrowTerms, place: usize, column: &str, bound: Bound) {
    let form = schema::tables().get(place).and_then(|table| table.column(column)).map(|(_, column)| column.form);
    // '05' equals the number 5, which is written in another way.
    let is_number = matches!(form, Some(ColumnForm::Number | ColumnForm::Flag));
    let text = |known: &KnownValue| match known {
        KnownValue::Text(_) if is_number => None,
        KnownValue::Text(text) => Some(text.clone()),
        // A number is compared as text with a column of text.
        KnownValue::Int(number) => Some(number.to_string()),
    };
    match (column, bound) {
        ("seq", Bound::In(values)) => {
            let seqs = values.iter().map(seq).collect::<Option<Vec<u64>>>();
            if let Some((first, last)) = seqs.and_then(|seqs| Some((*seqs.iter().min()?, *seqs.iter().max()?))) {
                raise(&mut terms.seqs.0, first);
                lower(&mut terms.seqs.1, last);
            }
        }
        ("seq", Bound::AtLeast(value)) => seq(&value).into_iter().for_each(|seq| raise(&mut terms.seqs.0, seq)),
        ("seq", Bound::AtMost(value)) => seq(&value).into_iter().for_each(|seq| lower(&mut terms.seqs.1, seq)),
        ("time", Bound::AtLeast(KnownValue::Text(time))) => {
            raise(&mut terms.times.0, times::same_form(&time).into_owned());
        }
        ("time", Bound::AtMost(KnownValue::Text(time))) => {
            lower(&mut terms.times.1, times::same_form(&time).into_owned());
        }
        (_, Bound::In(values)) => {
            if let Some(values) = values.iter().map(text).collect::<Option<BTreeSet<String>>>() {
                // Tables take both spellings of a kind as equal.
                let is_kind = matches!(column, "kind" | "from_kind" | "to_kind");
                let values = if is_kind { values.iter().map(|kind| kind.replace('_', "-")).collect() } else { values };
                terms.meet(column, values);
            }
        }
        _ => {}
    }
}

fn seq(known: &KnownValue) -> Option<u64> {
    match known {
        KnownValue::Int(number) => Some(u64::try_from(*number).unwrap_or(0)),
        KnownValue::Text(_) => None,
    }
}

fn raise<T: PartialOrd>(bound: &mut Option<T>, value: T) {
    if bound.as_ref().is_none_or(|known| *known < value) {
        *bound = Some(value);
    }
}

fn lower<T: PartialOrd>(bound: &mut Option<T>, value: T) {
    if bound.as_ref().is_none_or(|known| *known > value) {
        *bound = Some(value);
    }
}

/// The terms that hold for a table: those on columns by which it can be narrowed.
pub(super) fn usable(table: &SqlTable, mut terms: NarrowTerms) -> NarrowTerms {
    terms.sets.retain(|column, _| table.is_narrowed_by(column));
    if !matches!(table.source, TableSource::Flat(Flat::Change | Flat::Action)) {
        terms.seqs = (None, None);
        terms.times = (None, None);
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::query::sql::guard::SqlGuard;
    use crate::query::sql::reads::reads;

    fn narrow(sql: &str, table: &str) -> NarrowTerms {
        let now = Timestamp::parse("2026-11-22T12:00:00Z").unwrap();
        let guard = SqlGuard::open(sql, now, std::sync::Arc::new(|| false)).unwrap();
        let reads = reads(&guard.connection, &guard.roots, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let query = super::super::parse_tree::parsed(sql).unwrap_or_else(|| panic!("{sql} is not parsed"));
        let (place, table) = schema::find(table).unwrap();
        let found = narrowed(&guard.connection, sql, &query, &reads).remove(&place).unwrap_or_default();
        usable(table, found)
    }

    fn set(sql: &str, table: &str, column: &str) -> Option<Vec<String>> {
        narrow(sql, table).sets.get(column).map(|values| values.iter().cloned().collect())
    }

    fn is(values: &[&str]) -> Vec<String> {
        values.iter().map(|value| (*value).to_owned()).collect()
    }

    #[test]
    fn what_is_joined_by_and_narrows() {
        assert_eq!(set("SELECT * FROM instance WHERE id = 'i-1'", "instance", "id"), Some(is(&["i-1"])));
        assert_eq!(set("SELECT * FROM instance WHERE instance_id = 'i-1'", "instance", "id"), Some(is(&["i-1"])));
        assert_eq!(
            set("SELECT * FROM instance WHERE 'i-1' = id AND state = 'x'", "instance", "id"),
            Some(is(&["i-1"]))
        );
        let sql =
            "SELECT * FROM instance i WHERE (i.id IN ('a', 'b') AND i.id IN ('b', 'c')) AND i.region = lower('EU')";
        assert_eq!(set(sql, "instance", "id"), Some(is(&["b"])));
        assert_eq!(set(sql, "instance", "region"), Some(is(&["eu"])));
        let sql = "SELECT * FROM instance i JOIN tag t ON t.id = i.id AND t.key = 'team' WHERE i.id = 'a'";
        assert_eq!(set(sql, "tag", "key"), Some(is(&["team"])));
        assert_eq!(set(sql, "instance", "id"), Some(is(&["a"])));
        let sql = "SELECT * FROM instance i LEFT JOIN tag t ON t.id = i.id AND t.key = 'team' AND i.id = 'a'";
        assert_eq!(set(sql, "tag", "key"), Some(is(&["team"])));
        assert_eq!(set(sql, "instance", "id"), None);
        let sql = "WITH x AS (SELECT id FROM tag WHERE key = 'a') SELECT * FROM x";
        assert_eq!(set(sql, "tag", "key"), Some(is(&["a"])));
    }

    #[test]
    fn what_may_be_otherwise_narrows_nothing() {
        for sql in [
            "SELECT * FROM instance WHERE id = 'a' OR state = 'b'",
            "SELECT * FROM instance WHERE NOT id = 'a'",
            "SELECT * FROM instance WHERE id NOT IN ('a')",
            "SELECT * FROM instance WHERE id <> 'a'",
            "SELECT * FROM instance WHERE id IS NOT 'a'",
            "SELECT * FROM instance a JOIN instance b ON a.vpc_id = b.vpc_id WHERE a.id = 'a'",
            "SELECT * FROM instance i JOIN volume v ON v.name = i.name AND id = 'x' WHERE 1",
            "SELECT * FROM vpc v FULL JOIN instance i ON i.vpc_id = v.id AND i.id = 'a'",
            "SELECT * FROM vpc v RIGHT JOIN instance i ON i.vpc_id = v.id AND i.id = 'a'",
            "WITH instance AS (SELECT * FROM volume) SELECT * FROM instance WHERE id = 'a'",
            "SELECT * FROM instance i WHERE EXISTS (SELECT 1 FROM tag t WHERE t.id = i.id AND i.id = 'a')",
            "SELECT id FROM instance WHERE id = (SELECT id FROM vpc)",
            "SELECT * FROM instance WHERE id COLLATE NOCASE = 'a'",
            "SELECT * FROM instance WHERE id = random()",
            "SELECT * FROM instance, (SELECT 1 FROM 'instance') WHERE instance.id = 'a'",
            "SELECT id FROM instance UNION SELECT id FROM instance WHERE id = 'a'",
            "SELECT CASE WHEN id = 'a' THEN 1 END FROM instance",
        ] {
            let now = Timestamp::EPOCH;
            let guard = SqlGuard::open(sql, now, std::sync::Arc::new(|| false)).unwrap();
            // What SQLite refuses as ambiguous narrows nothing either.
            let Ok(reads) = reads(&guard.connection, &guard.roots, sql) else { continue };
            let Some(query) = super::super::parse_tree::parsed(sql) else { continue };
            let (place, _) = schema::find("instance").unwrap();
            let found = narrowed(&guard.connection, sql, &query, &reads).remove(&place).unwrap_or_default();
            assert_eq!(found, NarrowTerms::default(), "{sql}");
        }
    }

    #[test]
    fn a_log_is_bound_by_time_and_seq() {
        let terms = narrow("SELECT * FROM change WHERE time > ago('1d') AND time < '2026-11-22T06:00:00Z'", "change");
        assert_eq!(terms.times, (Some("2026-11-21 12:00:00".to_owned()), Some("2026-11-22 06:00:00".to_owned())));
        assert!(terms.is_bound());
        let terms = narrow("SELECT * FROM change WHERE seq BETWEEN 5 AND 9 AND seq <= 7", "change");
        assert_eq!(terms.seqs, (Some(5), Some(7)));
        let terms = narrow("SELECT * FROM change WHERE time >= datetime('now', '-7 days') AND kind = 'vpc'", "change");
        assert!(terms.times.0.is_some());
        assert!(!narrow("SELECT * FROM change WHERE kind = 'vpc'", "change").is_bound());
        assert!(narrow("SELECT before, after, path FROM change WHERE id = 'i-1'", "change").is_bound());
    }
}

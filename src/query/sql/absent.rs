//! Values that a statement asks for and that nothing has, for when it finds nothing: no row is a fact about the account only if
//! what was asked for could be there.

use crate::model::ScopeFilter;
use std::collections::{BTreeMap, BTreeSet};

use sqlparser::ast::{BinaryOperator, Expr, InTarget, JoinConstraint, JoinOperator, Query, Select, Value};

use super::SqlError;
use super::answer::SqlValue;
use super::cell::ColumnForm;
use super::parse_tree::{self, TableItem, conjuncts};
use super::schema::{Column, Field, Flat, SqlTable, TableSource};
use crate::model::text::shown;
use crate::query::nearness;
use crate::store::{On, Snapshot, Store};

/// The values that a column must have for a row to be seen.
#[derive(Clone)]
pub(super) struct SoughtValues {
    table: &'static SqlTable,
    column: &'static Column,
    values: Vec<String>,
}

/// What is sought in the columns of tables: the text that a column is compared with, joined by AND to everything else. Of the tables
/// in `singles`, which the statement names once: another may be one of its own that has the same name.
pub(super) fn sought(query: &Query, singles: &BTreeSet<usize>) -> Vec<SoughtValues> {
    let mut found = Vec::new();
    parse_tree::walk(query, &mut |select| of_select(select, singles, &mut found));
    found
}

fn of_select(select: &Select, singles: &BTreeSet<usize>, found: &mut Vec<SoughtValues>) {
    let factors: Vec<_> = select.from.iter().flat_map(parse_tree::factors).collect();
    let items: Vec<TableItem<'_>> = factors.iter().filter_map(|factor| parse_tree::item(factor)).collect();
    let is_known = items.len() == factors.len();
    let joins = select.from.iter().flat_map(|from| &from.joins).filter_map(|join| match &join.join_operator {
        JoinOperator::Join(JoinConstraint::On(on)) | JoinOperator::Inner(JoinConstraint::On(on)) => Some(on),
        _ => None,
    });
    let mut terms = Vec::new();
    select.selection.iter().chain(joins).for_each(|condition| conjuncts(condition, &mut terms));
    for term in terms {
        let Some((column, values)) = compared(term) else { continue };
        let Some((item, column)) = column_of(column, &items, is_known) else { continue };
        if column.form == ColumnForm::Text && singles.contains(&item.place) && on(item.table, column).is_some() {
            found.push(SoughtValues { table: item.table, column, values });
        }
    }
}

/// An expression and the texts that it is compared with.
fn compared(term: &Expr) -> Option<(&Expr, Vec<String>)> {
    match term {
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => match (text(left), text(right)) {
            (None, Some(value)) => Some((left, vec![value])),
            (Some(value), None) => Some((right, vec![value])),
            _ => None,
        },
        Expr::In { expr, target: InTarget::List(list), negated: false, .. } => {
            Some((expr, list.iter().map(text).collect::<Option<_>>()?))
        }
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The table and the column that an expression is, where there can be no other.
fn column_of<'a, 'b>(
    expr: &Expr,
    items: &'a [TableItem<'b>],
    is_known: bool,
) -> Option<(&'a TableItem<'b>, &'static Column)> {
    let (table, name) = match expr {
        Expr::Identifier(name) if is_known => (None, &name.value),
        Expr::CompoundIdentifier(parts) => {
            let [table, name] = parts.as_slice() else { return None };
            (Some(&table.value), &name.value)
        }
        _ => return None,
    };
    let of = items.iter().filter(|item| table.is_none_or(|table| item.name.eq_ignore_ascii_case(table)));
    let mut found = of.filter_map(|item| Some((item, item.table.column(name)?.1)));
    match (found.next(), found.next()) {
        (Some((item, column)), None) => match column.field {
            Field::Same(place) => Some((item, item.table.columns.get(place)?)),
            _ => Some((item, column)),
        },
        _ => None,
    }
}

/// Where the values of a column are found.
enum ValueSource {
    Counted(On),
    Accounts,
    Regions,
    /// The table itself tells them.
    Listed,
}

/// `None` for ids, which are as many as resources, and for columns whose values nobody lists.
fn on(table: &SqlTable, column: &Column) -> Option<ValueSource> {
    match (table.source, column.field, column.name.as_str()) {
        (TableSource::Kind(_), Field::Facet(number), _) if !column.is_array => {
            Some(ValueSource::Counted(On::Facet(number)))
        }
        (TableSource::Kind(spec), Field::Name, _) if spec.name_field.is_none() => {
            Some(ValueSource::Counted(On::Tag("Name".to_owned())))
        }
        (_, Field::Account, _) | (TableSource::Flat(_), _, "account") => Some(ValueSource::Accounts),
        (_, Field::Region, _) | (TableSource::Flat(_), _, "region") => Some(ValueSource::Regions),
        // The log is never read as a whole, and the values of tags are as many as resources too.
        (TableSource::Flat(Flat::Change | Flat::Action), ..) | (TableSource::Flat(Flat::Tag), _, "value") => None,
        (TableSource::Flat(_), _, name) => (!name.ends_with("id")).then_some(ValueSource::Listed),
        _ => None,
    }
}

/// Whether an answer says that there is nothing: no row, or one of which a count is 0.
pub(super) fn is_nothing(rows: &[Vec<SqlValue>], total: u64) -> bool {
    match (rows, total) {
        (_, 0) => true,
        ([row], 1) => {
            let is_nothing = |value: &SqlValue| matches!(value, SqlValue::Null | SqlValue::Int(0));
            row.iter().all(is_nothing) && row.contains(&SqlValue::Int(0))
        }
        _ => false,
    }
}

/// A sentence for each column that has none of the values that are sought in it. `listed` answers a statement with the values of its
/// only column, if it can tell all of them.
pub(super) fn hints(
    store: &Store,
    snapshot: &Snapshot,
    sought: &[SoughtValues],
    listed: impl Fn(&str) -> Option<BTreeSet<String>>,
) -> Result<Vec<String>, SqlError> {
    let mut hints: Vec<String> = Vec::new();
    for SoughtValues { table, column, values } in sought {
        let held: BTreeSet<String> = match (on(table, column), table.source) {
            (None, _) => continue,
            (Some(ValueSource::Counted(on)), TableSource::Kind(spec)) => {
                let held: BTreeMap<String, u64> = store.count_by(&spec.kind(), &ScopeFilter::Everywhere, &on)?;
                held.into_keys().collect()
            }
            (Some(ValueSource::Counted(_) | ValueSource::Listed), _) => {
                let sql =
                    format!("SELECT DISTINCT \"{0}\" FROM \"{1}\" WHERE \"{0}\" IS NOT NULL", column.name, table.name);
                let Some(held) = listed(&sql) else { continue };
                held
            }
            (Some(place), _) => {
                let scopes = snapshot.scopes()?.into_iter().filter(|scope| !snapshot.leaves_out(scope));
                let name = |scope: crate::model::Scope| match place {
                    ValueSource::Accounts => scope.account.to_string(),
                    _ => scope.region.to_string(),
                };
                scopes.map(name).collect()
            }
        };
        if values.is_empty() || values.iter().any(|value| held.contains(value)) {
            continue;
        }
        let none = values.iter().map(|value| format!("'{}'", shown(value, 80))).collect::<Vec<_>>().join(" or ");
        let instead = nearness::instead(values, held.iter().map(String::as_str));
        let thing = match table.source {
            TableSource::Kind(spec) => spec.title.to_owned(),
            TableSource::Flat(_) => format!("row of {}", table.name),
        };
        let hint = format!("no {thing} has the {} {none}: {instead}", column.name);
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    Ok(hints)
}

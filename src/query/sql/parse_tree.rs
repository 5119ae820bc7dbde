//! A statement as the parser of sqlparser shows it: its SELECTs, their tables, and the terms that join them.

use sqlparser::ast::{
    BinaryOperator, Expr, JoinConstraint, JoinOperator, Query, Select, SetExpr, Statement, TableFactor, TableWithJoins,
};
use sqlparser::dialect::SQLiteDialect;
use sqlparser::parser::Parser;

use super::schema::{self, SqlTable};

/// The stack of the parser, in bytes: several times what it needs for the deepest statement that it takes.
const STACK: usize = 32 << 20;

/// The statement as the parser shows it; `None` where it does not understand it. The parser goes deep into a statement, so it has
/// a stack of its own.
pub(super) fn parsed(sql: &str) -> Option<Box<Query>> {
    std::thread::scope(|scope| {
        let parser = std::thread::Builder::new().stack_size(STACK);
        parser.spawn_scoped(scope, || parse(sql)).ok()?.join().ok()?
    })
}

fn parse(sql: &str) -> Option<Box<Query>> {
    let mut statements = Parser::parse_sql(&SQLiteDialect {}, sql).ok()?;
    match (statements.pop()?, statements.is_empty()) {
        (Statement::Query(query), true) => Some(query),
        _ => None,
    }
}

/// Shows `take` every SELECT of a query that stands where rows come from.
pub(super) fn walk(query: &Query, take: &mut impl FnMut(&Select)) {
    for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
        walk(&cte.query, take);
    }
    walk_body(&query.body, take);
}

fn walk_body(body: &SetExpr, take: &mut impl FnMut(&Select)) {
    match body {
        SetExpr::Select(select) => {
            take(select);
            for factor in select.from.iter().flat_map(factors) {
                if let TableFactor::Derived { subquery, .. } = factor {
                    walk(subquery, take);
                }
            }
        }
        SetExpr::Query(query) => walk(query, take),
        SetExpr::SetOperation { left, right, .. } => {
            walk_body(left, take);
            walk_body(right, take);
        }
        _ => {}
    }
}

pub(super) fn factors(from: &TableWithJoins) -> impl Iterator<Item = &TableFactor> {
    std::iter::once(&from.relation).chain(from.joins.iter().map(|join| &join.relation))
}

/// A table of a SELECT under the name that its columns are taken from.
pub(super) struct TableItem<'a> {
    pub(super) name: &'a str,
    pub(super) place: usize,
    pub(super) table: &'static SqlTable,
}

/// A plain table; `None` for anything else.
pub(super) fn item(factor: &TableFactor) -> Option<TableItem<'_>> {
    let TableFactor::Table { name, alias, args: None, .. } = factor else { return None };
    let last = &name.0.last()?.as_ident()?.value;
    let (place, table) = schema::find(last)?;
    if alias.as_ref().is_some_and(|alias| !alias.columns.is_empty()) {
        return None;
    }
    let name = alias.as_ref().map_or(last.as_str(), |alias| alias.name.value.as_str());
    Some(TableItem { name, place, table })
}

/// What is joined by AND.
pub(super) fn conjuncts<'e>(condition: &'e Expr, found: &mut Vec<&'e Expr>) {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And, right } => {
            conjuncts(left, found);
            conjuncts(right, found);
        }
        Expr::Nested(inner) => conjuncts(inner, found),
        other => found.push(other),
    }
}

/// Shows `take` every term that a row of a SELECT has to meet. With a term of an outer join comes the place of the table that is
/// joined: a row of that table which fails the term is never joined; of the other tables the term says nothing.
pub(super) fn each_term(select: &Select, take: &mut impl FnMut(&Expr, Option<usize>)) {
    let mut each = |condition: &Expr, only: Option<usize>| {
        let mut terms = Vec::new();
        conjuncts(condition, &mut terms);
        for term in terms {
            take(term, only);
        }
    };
    if let Some(condition) = &select.selection {
        each(condition, None);
    }
    for join in select.from.iter().flat_map(|from| &from.joins) {
        match &join.join_operator {
            JoinOperator::Join(JoinConstraint::On(condition)) | JoinOperator::Inner(JoinConstraint::On(condition)) => {
                each(condition, None);
            }
            JoinOperator::Left(JoinConstraint::On(condition))
            | JoinOperator::LeftOuter(JoinConstraint::On(condition)) => {
                if let Some(joined) = item(&join.relation) {
                    each(condition, Some(joined.place));
                }
            }
            _ => {}
        }
    }
}

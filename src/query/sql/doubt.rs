//! Comparisons that can never be true: answered with what to write, not with no rows.

use sqlparser::ast::{BinaryOperator, Expr, InTarget, Query, Select, SelectItem, SetExpr, TableFactor, Value};

use super::SqlError;
use super::cell::ColumnForm;
use super::functions::compare_kinds;
use super::parse_tree::{self, TableItem};
use super::schema::Column;
use crate::kinds;
use crate::model::text::shown;
use crate::query::nearness::{near, nearest};

/// Refuses a comparison of a column with a value that it never has.
///
/// # Errors
/// [`SqlError::Never`].
pub(super) fn check(query: &Query) -> Result<(), SqlError> {
    for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
        check(&cte.query)?;
    }
    check_body(&query.body)
}

fn check_body(body: &SetExpr) -> Result<(), SqlError> {
    match body {
        SetExpr::Select(select) => check_select(select),
        SetExpr::Query(query) => check(query),
        SetExpr::SetOperation { left, right, .. } => check_body(left).and_then(|()| check_body(right)),
        _ => Ok(()),
    }
}

fn check_select(select: &Select) -> Result<(), SqlError> {
    let factors: Vec<&TableFactor> = select.from.iter().flat_map(parse_tree::factors).collect();
    for factor in &factors {
        if let TableFactor::Derived { subquery, .. } = factor {
            check(subquery)?;
        }
    }
    let (items, is_known) = tables_of(select);
    let joins = select.from.iter().flat_map(|from| &from.joins).filter_map(|join| on(&join.join_operator));
    let conditions = select.selection.iter().chain(&select.having).chain(joins);
    conditions.into_iter().try_for_each(|condition| check_condition(condition, &items, is_known))
}

/// The plain tables of a SELECT, and whether it has no others.
fn tables_of(select: &Select) -> (Vec<TableItem<'_>>, bool) {
    let factors = || select.from.iter().flat_map(parse_tree::factors);
    let items: Vec<TableItem<'_>> = factors().filter_map(parse_tree::item).collect();
    let is_known = items.len() == factors().count();
    (items, is_known)
}

fn on(operator: &sqlparser::ast::JoinOperator) -> Option<&Expr> {
    use sqlparser::ast::JoinConstraint::On;
    use sqlparser::ast::JoinOperator::{FullOuter, Inner, Join, Left, LeftOuter, Right, RightOuter};
    match operator {
        Join(On(on)) | Inner(On(on)) | Left(On(on)) | LeftOuter(On(on)) | Right(On(on)) | RightOuter(On(on))
        | FullOuter(On(on)) => Some(on),
        _ => None,
    }
}

fn check_condition(condition: &Expr, items: &[TableItem<'_>], is_known: bool) -> Result<(), SqlError> {
    let again = |condition: &Expr| check_condition(condition, items, is_known);
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            again(left).and_then(|()| again(right))
        }
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => again(inner),
        Expr::BinaryOp {
            left,
            op:
                BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq,
            right,
        } => {
            if let (Some(one), Some(other)) = (column_of(left, items, is_known), column_of(right, items, is_known)) {
                return alike(one, other);
            }
            compared(left, right, items, is_known).and_then(|()| compared(right, left, items, is_known))
        }
        Expr::Between { expr, low, high, .. } => {
            compared(expr, low, items, is_known).and_then(|()| compared(expr, high, items, is_known))
        }
        Expr::In { expr, target: InTarget::List(list), .. } => {
            list.iter().try_for_each(|value| compared(expr, value, items, is_known))
        }
        Expr::In { expr, target: InTarget::Subquery(subquery), .. } => {
            if let (Some(column), SetExpr::Select(select)) = (column_of(expr, items, is_known), &*subquery.body) {
                let (others, is_known) = tables_of(select);
                if let [SelectItem::UnnamedExpr(listed)] = select.projection.as_slice()
                    && let Some(listed) = column_of(listed, &others, is_known)
                {
                    alike(column, listed)?;
                }
            }
            check(subquery)
        }
        Expr::Exists { subquery, .. } => check(subquery),
        _ => Ok(()),
    }
}

/// Refuses two columns of which one holds arrays and the other single values.
fn alike(one: &Column, other: &Column) -> Result<(), SqlError> {
    let is_array = |column: &Column| column.form == ColumnForm::Json && column.is_array;
    let (array, single) = match (is_array(one), is_array(other)) {
        (true, false) => (one, other),
        (false, true) => (other, one),
        _ => return Ok(()),
    };
    if single.form == ColumnForm::Json {
        return Ok(());
    }
    Err(SqlError::Never {
        column: array.name.clone(),
        holds: "holds a JSON array".to_owned(),
        value: single.name.clone(),
        fix: format!(
            "join a table that has one row each, such as instance_volume or instance_security_group, or write EXISTS (SELECT 1 FROM \
             json_each({}) WHERE value = {})",
            array.name, single.name
        ),
    })
}

fn compared(column: &Expr, value: &Expr, items: &[TableItem<'_>], is_known: bool) -> Result<(), SqlError> {
    let (Some(column), Expr::Value(value)) = (column_of(column, items, is_known), value) else { return Ok(()) };
    let Value::SingleQuotedString(value) = &value.value else { return Ok(()) };
    let never = |holds: &str, fix: String| {
        Err(SqlError::Never {
            column: column.name.clone(),
            holds: holds.to_owned(),
            value: format!("'{}'", shown(value, 60)),
            fix,
        })
    };
    let name = &column.name;
    match column.form {
        ColumnForm::Json if column.is_array && !value.starts_with('[') => never(
            "holds a JSON array",
            format!(
                "write EXISTS (SELECT 1 FROM json_each({name}) WHERE value = '..'), or join a table that has one row each"
            ),
        ),
        ColumnForm::Flag if value.parse::<i64>().is_err() => {
            never("is 0 or 1", format!("write {name} = 1, or {name} = 0"))
        }
        ColumnForm::Time if !begins_as_a_time(value) => {
            never("is a time", "write ago('7d'), or a time such as '2026-11-17T12:00:00Z'".to_owned())
        }
        ColumnForm::Number if value.trim().parse::<f64>().is_err() => never("is a number", "write a number".to_owned()),
        ColumnForm::Kind if kinds::slugs().all(|slug| compare_kinds(slug, value).is_ne()) => {
            let slugs = kinds::slugs().collect::<Vec<_>>().join(", ");
            never("is a kind", format!("kinds are {slugs}{}", near(nearest(value, kinds::slugs()))))
        }
        _ => Ok(()),
    }
}

/// Whether a text can be compared with times: it begins with a year, and goes on as times do.
fn begins_as_a_time(text: &str) -> bool {
    let (year, rest) = text.split_at_checked(4).unwrap_or((text, ""));
    let is_year = year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
    is_year && (rest.is_empty() || rest.starts_with('-'))
}

/// The column that an expression is, where there can be no other.
fn column_of<'a>(expr: &Expr, items: &'a [TableItem<'_>], is_known: bool) -> Option<&'a Column> {
    let (items, name): (Vec<&TableItem<'_>>, &str) = match expr {
        Expr::Identifier(name) if is_known => (items.iter().collect(), name.value.as_str()),
        Expr::CompoundIdentifier(parts) => {
            let [table, name] = parts.as_slice() else { return None };
            (items.iter().filter(|item| item.name.eq_ignore_ascii_case(&table.value)).collect(), name.value.as_str())
        }
        _ => return None,
    };
    let mut found = items.into_iter().filter_map(|item| item.table.column(name)).map(|(_, column)| column);
    match (found.next(), found.next()) {
        (Some(column), None) => Some(column),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(sql: &str) -> String {
        match check(&parse_tree::parsed(sql).unwrap_or_else(|| panic!("{sql} is not parsed"))) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_can_never_match_is_refused_with_what_to_write() {
        for (sql, fix) in [
            ("SELECT * FROM instance WHERE instance_group_id = 'sg-1'", "json_each(instance_group_id)"),
            ("SELECT * FROM volume v WHERE v.size > 5 AND (v.encrypted = 'true' OR 1)", "encrypted = 1"),
            ("SELECT * FROM volume WHERE size IN ('big')", "is a number"),
            ("SELECT * FROM tag WHERE kind = 'AWS::EC2::Instance'", "kinds are instance"),
            ("SELECT * FROM vpc JOIN tag t ON t.id = vpc.id AND t.kind = 'vpcs'", "did you mean `vpc`?"),
            ("WITH x AS (SELECT id FROM snapshot WHERE encrypted <> 'no') SELECT * FROM x", "is 0 or 1"),
            ("SELECT * FROM instance WHERE launch_time > '-7d'", "ago('7d')"),
            ("SELECT * FROM change WHERE time BETWEEN 'yesterday' AND ago('1h')", "is a time"),
            ("SELECT * FROM volume WHERE size > 'big'", "is a number"),
            ("SELECT 1 WHERE EXISTS (SELECT 1 FROM tag WHERE kind = 'host')", "is a kind"),
            ("SELECT 1 FROM instance i JOIN volume v ON v.attachment_instance_id = i.id", "instance_volume"),
            ("SELECT 1 FROM instance i, security_group g WHERE i.instance_group_id = g.id", "one row each"),
            ("SELECT 1 FROM instance WHERE id NOT IN (SELECT attachment_instance_id FROM volume)", "instance_volume"),
        ] {
            assert!(said(sql).contains(fix), "{sql}: {}", said(sql));
        }
        for fine in [
            "SELECT * FROM instance WHERE instance_group_id = '[\"sg-1\"]'",
            "SELECT * FROM volume WHERE encrypted = 1 AND size = '5'",
            "SELECT 1 FROM instance i JOIN instance_volume v ON v.instance_id = i.id JOIN volume o ON o.id = v.volume_id",
            "SELECT 1 FROM volume v JOIN volume w ON v.attachment_instance_id = w.attachment_instance_id",
            "SELECT * FROM tag WHERE kind IN ('security_group', 'security-group')",
            "SELECT * FROM instance WHERE state = 'runing'",
            "SELECT * FROM instance WHERE launch_time >= '2026-11' AND launch_time < '2026-11-17T12:00:00Z'",
        ] {
            assert_eq!(said(fine), "", "{fine}");
        }
    }
}

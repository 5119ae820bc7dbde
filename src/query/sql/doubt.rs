//! Comparisons that can never be true: answered with what to write, not with no rows. A time ago that a column of times is compared
//! with, such as `'3 days ago'`, is found here, to become a call of the function `ago`.

use sqlparser::ast::{BinaryOperator, Expr, InTarget, Query, Select, SelectItem, SetExpr, TableFactor, Value};
use sqlparser::tokenizer::Location;

use super::SqlError;
use super::cell::ColumnForm;
use super::functions::compare_kinds;
use super::parse_tree::{self, TableItem};
use super::schema::Column;
use crate::kinds;
use crate::model::text::shown;
use crate::query::moment;
use crate::query::nearness::{near, nearest};

/// A time ago that a column of times is compared with, and where the literal begins.
pub(super) type TimeAgo = (String, Location);

/// Refuses a comparison of a column with a value that it never has. Returns the times ago that columns of times are compared with.
///
/// # Errors
/// [`SqlError::Never`].
pub(super) fn check(query: &Query) -> Result<Vec<TimeAgo>, SqlError> {
    let mut ago = Vec::new();
    check_query(query, &mut ago)?;
    Ok(ago)
}

/// The statement with these times ago as calls of the function `ago`; `None` where one of them is not found.
pub(super) fn with_ago(sql: &str, mut ago: Vec<TimeAgo>) -> Option<String> {
    let mut written = sql.to_owned();
    // From the end, so that earlier places stay.
    ago.sort_by_key(|(_, place)| (place.line, place.column));
    for (given, place) in ago.into_iter().rev() {
        let before: usize =
            sql.split_inclusive('\n').take(usize::try_from(place.line).ok()?.checked_sub(1)?).map(str::len).sum();
        let column = usize::try_from(place.column).ok()?.checked_sub(1)?;
        let at = before + sql.get(before..)?.chars().take(column).map(char::len_utf8).sum::<usize>();
        let literal = format!("'{}'", given.replace('\'', "''"));
        let end = at + literal.len();
        if written.get(at..end)? != literal {
            return None;
        }
        written.replace_range(at..end, &format!("ago({literal})"));
    }
    Some(written)
}

fn check_query(query: &Query, ago: &mut Vec<TimeAgo>) -> Result<(), SqlError> {
    for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
        check_query(&cte.query, ago)?;
    }
    check_body(&query.body, ago)
}

fn check_body(body: &SetExpr, ago: &mut Vec<TimeAgo>) -> Result<(), SqlError> {
    match body {
        SetExpr::Select(select) => check_select(select, ago),
        SetExpr::Query(query) => check_query(query, ago),
        SetExpr::SetOperation { left, right, .. } => {
            check_body(left, ago)?;
            check_body(right, ago)
        }
        _ => Ok(()),
    }
}

fn check_select(select: &Select, ago: &mut Vec<TimeAgo>) -> Result<(), SqlError> {
    let factors: Vec<&TableFactor> = select.from.iter().flat_map(parse_tree::factors).collect();
    for factor in &factors {
        if let TableFactor::Derived { subquery, .. } = factor {
            check_query(subquery, ago)?;
        }
    }
    let (items, is_known) = tables_of(select);
    let joins = select.from.iter().flat_map(|from| &from.joins).filter_map(|join| on(&join.join_operator));
    let conditions = select.selection.iter().chain(&select.having).chain(joins);
    conditions.into_iter().try_for_each(|condition| check_condition(condition, &items, is_known, ago))
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

fn check_condition(
    condition: &Expr,
    items: &[TableItem<'_>],
    is_known: bool,
    ago: &mut Vec<TimeAgo>,
) -> Result<(), SqlError> {
    match condition {
        Expr::BinaryOp { left, op: BinaryOperator::And | BinaryOperator::Or, right } => {
            check_condition(left, items, is_known, ago)?;
            check_condition(right, items, is_known, ago)
        }
        Expr::Nested(inner) | Expr::UnaryOp { expr: inner, .. } => check_condition(inner, items, is_known, ago),
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
            compared(left, right, items, is_known, ago)?;
            compared(right, left, items, is_known, ago)
        }
        Expr::Between { expr, low, high, .. } => {
            compared(expr, low, items, is_known, ago)?;
            compared(expr, high, items, is_known, ago)
        }
        Expr::In { expr, target: InTarget::List(list), .. } => {
            list.iter().try_for_each(|value| compared(expr, value, items, is_known, ago))
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
            check_query(subquery, ago)
        }
        Expr::Exists { subquery, .. } => check_query(subquery, ago),
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

fn compared(
    column: &Expr,
    value: &Expr,
    items: &[TableItem<'_>],
    is_known: bool,
    ago: &mut Vec<TimeAgo>,
) -> Result<(), SqlError> {
    let (Some(column), Expr::Value(literal)) = (column_of(column, items, is_known), value) else { return Ok(()) };
    let Value::SingleQuotedString(value) = &literal.value else { return Ok(()) };
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
        ColumnForm::Time if begins_as_a_time(value) => Ok(()),
        ColumnForm::Time if moment::is_ago(value) => {
            ago.push((value.clone(), literal.span.start));
            Ok(())
        }
        ColumnForm::Time => {
            never("is a time", "write '7 days ago', or a time such as '2026-11-17T12:00:00Z'".to_owned())
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
            Ok(_) => String::new(),
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
            ("SELECT * FROM instance WHERE launch_time > 'last week'", "'7 days ago'"),
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

    #[test]
    fn a_time_ago_becomes_a_call_wherever_a_column_of_times_is_compared_with_it() {
        let sql = "SELECT 'ä', 'x' FROM instance\nWHERE 'ö' <> name AND launch_time > '3 days ago'\n  AND (launch_time < '-1h' OR \
                   name = '3 days ago')";
        let ago = check(&parse_tree::parsed(sql).unwrap()).unwrap();
        assert_eq!(
            with_ago(sql, ago).as_deref(),
            Some(
                "SELECT 'ä', 'x' FROM instance\nWHERE 'ö' <> name AND launch_time > ago('3 days ago')\n  AND (launch_time < \
                 ago('-1h') OR name = '3 days ago')"
            )
        );
        assert_eq!(with_ago(sql, Vec::new()).as_deref(), Some(sql));
        let elsewhere = vec![("3 days ago".to_owned(), Location { line: 1, column: 8 })];
        assert_eq!(with_ago(sql, elsewhere), None);
    }
}

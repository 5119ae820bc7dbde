//! What a table must have in common with another for its rows to be seen, so that the other narrows it.
//!
//! `FROM instance i JOIN instance_volume v ON v.instance_id = i.id WHERE i.state = 'stopped'`: once the stopped instances are filled
//! in, only their attachments need to be. A link is a condition as in [`super::narrow`], under the same rules: of tables that the
//! statement names once, joined by AND to everything else, and it stays in the statement. Both columns are plain text, so that
//! values are equal in SQL only if they are written the same.

use std::collections::BTreeSet;

use sqlparser::ast::{BinaryOperator, Expr, JoinConstraint, JoinOperator, Query, Select, TableWithJoins};

use super::cell::ColumnForm;
use super::narrow::column_of;
use super::parse_tree::{self, TableItem, each_term};
use super::schema;

/// A row of one table is seen only if some row of another has the same value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TableLink {
    /// The table that tells the values, and its column.
    pub(super) from: (usize, String),
    /// The table that is narrowed by them, and its column.
    pub(super) to: (usize, String),
}

/// The links between the tables of a statement, of those in `singles`, which it names once.
pub(super) fn links(query: &Query, singles: &BTreeSet<usize>) -> BTreeSet<TableLink> {
    let mut found = BTreeSet::new();
    parse_tree::walk(query, &mut |select| of_select(select, &mut found));
    found.retain(|link| singles.contains(&link.from.0) && singles.contains(&link.to.0) && is_plain(link));
    found
}

/// Whether both columns are text, and the one that is narrowed can be.
fn is_plain(link: &TableLink) -> bool {
    let is_text = |(place, column): &(usize, String)| {
        let found = schema::tables().get(*place).and_then(|table| table.column(column));
        found.is_some_and(|(_, column)| column.form == ColumnForm::Text)
    };
    let narrows = schema::tables().get(link.to.0).is_some_and(|table| table.is_narrowed_by(&link.to.1));
    is_text(&link.from) && is_text(&link.to) && narrows
}

fn of_select(select: &Select, found: &mut BTreeSet<TableLink>) {
    let items: Vec<TableItem<'_>> =
        select.from.iter().flat_map(parse_tree::factors).filter_map(parse_tree::item).collect();
    each_term(select, &mut |term, only| {
        let Expr::BinaryOp { left, op: BinaryOperator::Eq, right } = term else { return };
        if let (Some(one), Some(other)) = (column_of(left, &items, false), column_of(right, &items, false)) {
            add(one, other, only, found);
        }
    });
    select.from.iter().for_each(|from| using(from, found));
}

/// The links of `JOIN .. USING`: a column is that of the first table on the left that has it. Only of plain tables that are joined
/// by nothing but inner joins, where that is sure.
fn using(from: &TableWithJoins, found: &mut BTreeSet<TableLink>) {
    let mut before: Vec<TableItem<'_>> = parse_tree::item(&from.relation).into_iter().collect();
    if before.is_empty() {
        return;
    }
    for join in &from.joins {
        let (JoinOperator::Join(constraint) | JoinOperator::Inner(constraint)) = &join.join_operator else { return };
        let Some(joined) = parse_tree::item(&join.relation) else { return };
        if let JoinConstraint::Using(columns) = constraint {
            for column in columns {
                let Some(name) = column.0.last().and_then(|part| part.as_ident()) else { continue };
                let of = |item: &TableItem<'_>| held(item, &name.value);
                if let (Some(one), Some(other)) = (before.iter().find_map(of), of(&joined)) {
                    add(one, other, None, found);
                }
            }
        }
        before.push(joined);
    }
}

/// The column of this name of a table, under the name of the column that rows hold.
fn held(item: &TableItem<'_>, name: &str) -> Option<(usize, String)> {
    let (_, column) = item.table.column(name)?;
    let column = match column.field {
        schema::Field::Same(place) => item.table.columns.get(place)?,
        _ => column,
    };
    Some((item.place, column.name.clone()))
}

/// Adds the links of two equal columns: both ways, or only to the table `only`.
fn add(one: (usize, String), other: (usize, String), only: Option<usize>, found: &mut BTreeSet<TableLink>) {
    if one.0 == other.0 {
        return;
    }
    for (from, to) in [(one.clone(), other.clone()), (other, one)] {
        if only.is_none_or(|only| only == to.0) {
            found.insert(TableLink { from, to });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The links as text, of a statement whose tables are all named once.
    fn said(sql: &str) -> Vec<String> {
        let query = parse_tree::parsed(sql).unwrap_or_else(|| panic!("{sql} is not parsed"));
        let singles = (0..schema::tables().len()).collect();
        let name = |(place, column): &(usize, String)| format!("{}.{column}", schema::tables()[*place].name);
        let mut said: Vec<String> =
            links(&query, &singles).iter().map(|link| format!("{} > {}", name(&link.from), name(&link.to))).collect();
        said.sort();
        said
    }

    #[test]
    fn equal_columns_link_both_ways_and_those_of_an_outer_join_one_way() {
        let both = ["instance.id > instance_volume.instance_id", "instance_volume.instance_id > instance.id"];
        for sql in [
            "SELECT 1 FROM instance i JOIN instance_volume v ON v.instance_id = i.id",
            "SELECT 1 FROM instance i JOIN instance_volume v USING (instance_id)",
            "SELECT 1 FROM instance i, instance_volume v WHERE i.instance_id = v.instance_id AND i.state = 'x'",
            "WITH x AS (SELECT i.id FROM instance i JOIN instance_volume v ON (i.id = v.instance_id)) SELECT * FROM x",
        ] {
            assert_eq!(said(sql), both, "{sql}");
        }
        assert_eq!(said("SELECT 1 FROM instance i LEFT JOIN instance_volume v ON v.instance_id = i.id"), both[..1]);
    }

    #[test]
    fn what_may_be_otherwise_links_nothing() {
        for sql in [
            "SELECT 1 FROM instance i JOIN instance_volume v ON v.instance_id = i.id OR 1",
            "SELECT 1 FROM instance i JOIN instance_volume v ON NOT v.instance_id = i.id",
            "SELECT 1 FROM instance i FULL JOIN instance_volume v ON v.instance_id = i.id",
            "SELECT 1 FROM instance i RIGHT JOIN instance_volume v USING (instance_id)",
            "SELECT 1 FROM instance i LEFT JOIN instance_volume v USING (instance_id)",
            "SELECT 1 FROM instance i JOIN instance_volume v ON v.instance_id = lower(i.id)",
            "SELECT 1 FROM instance i WHERE EXISTS (SELECT 1 FROM instance_volume v WHERE v.instance_id = i.id)",
            // A time, a number and a kind can be equal and written in two ways.
            "SELECT 1 FROM instance i JOIN volume v ON v.create_time = i.launch_time",
            "SELECT 1 FROM snapshot s JOIN volume v ON v.size = s.volume_size",
            "SELECT 1 FROM tag t JOIN relation r ON r.from_kind = t.kind",
        ] {
            assert_eq!(said(sql), Vec::<String>::new(), "{sql}");
        }
    }
}

//! The tables: one a kind, and flat ones where questions join.
//!
//! A kind's table is named as its slug, with underscores, and has a column for each of its filters. Flat tables have a row for
//! each thing that a document holds several of.

mod flat;

use std::sync::LazyLock;

use sqlparser::dialect::SQLiteDialect;
use sqlparser::tokenizer::{Token, Tokenizer};

pub(super) use self::flat::Flat;
use super::cell::ColumnForm;
use super::lazy::{FUNCTIONS, Lazy};
use crate::kinds::{Filter, KINDS, KindSpec};
use crate::model;
use crate::query::nearness::nearest as nearest_name;

/// A table.
pub(super) struct SqlTable {
    /// Its name.
    pub(super) name: String,
    /// What its rows are.
    pub(super) source: TableSource,
    /// Its columns, in order.
    pub(super) columns: Vec<Column>,
}

/// What the rows of a table are.
#[derive(Clone, Copy)]
pub(super) enum TableSource {
    /// The resources of a kind.
    Kind(&'static KindSpec),
    /// Something else.
    Flat(Flat),
}

/// A column.
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// What its values are.
    pub(super) form: ColumnForm,
    /// Where they come from.
    pub(super) field: Field,
    /// Whether it is an array of the values of a filter of which a resource can have several.
    pub(super) is_array: bool,
}

/// Where the values of a column come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    /// The id.
    Id,
    /// The name.
    Name,
    /// The observing account.
    Account,
    /// The region.
    Region,
    /// The values of the filter of this number.
    Facet(u16),
    /// The tags, as one object.
    Tags,
    /// The same as another column, by its place.
    Same(usize),
    /// Looked up for the rows that need it.
    Lazy(Lazy),
    /// What a flat table's row has at this place.
    Nth(usize),
}

impl Column {
    fn new(name: impl Into<String>, form: ColumnForm, field: Field) -> Self {
        Column { name: name.into(), form, field, is_array: false }
    }

    /// Its name, with what its values are where they are not text.
    pub(super) fn described(&self) -> String {
        match self.form.word() {
            Some(word) => format!("{} {word}", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether two values of it are equal if they are written the same, and only then.
    fn narrows(&self) -> bool {
        match self.field {
            Field::Id | Field::Name | Field::Account | Field::Region => true,
            Field::Facet(_) => !self.is_array && !matches!(self.form, ColumnForm::Time),
            Field::Tags | Field::Same(_) | Field::Lazy(_) | Field::Nth(_) => false,
        }
    }

    /// Whether rows hold it; else it is computed of what they hold.
    pub(super) fn is_stored(&self) -> bool {
        !matches!(self.field, Field::Same(_) | Field::Lazy(_))
    }
}

impl SqlTable {
    /// The column of this name.
    pub(super) fn column(&self, name: &str) -> Option<(usize, &Column)> {
        self.columns.iter().enumerate().find(|(_, column)| column.name.eq_ignore_ascii_case(name))
    }

    /// The places of the columns that rows hold, in order: as SQLite numbers them in a program.
    pub(super) fn stored(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().enumerate().filter(|(_, column)| column.is_stored()).map(|(place, _)| place)
    }

    /// Whether rows can be left out by a column before they are filled in.
    pub(super) fn is_narrowed_by(&self, name: &str) -> bool {
        match self.source {
            TableSource::Kind(_) => self.column(name).is_some_and(|(_, column)| column.narrows()),
            TableSource::Flat(flat) => flat.narrowed_by().contains(&name),
        }
    }

    /// The columns by which rows are best left out, as errors name them.
    pub(super) fn narrowed_by(&self) -> Vec<&str> {
        match self.source {
            TableSource::Kind(_) => vec!["id", "account", "region"],
            TableSource::Flat(flat) => flat.narrowed_by().to_vec(),
        }
    }

    /// The kinds whose rows or records it is made of.
    pub(super) fn kinds(&self) -> Vec<&'static KindSpec> {
        match self.source {
            TableSource::Kind(spec) => vec![spec],
            TableSource::Flat(flat) => flat.kinds(),
        }
    }

    /// The statement that defines it, with those columns that are looked up which `has` says.
    fn definition(&self, has: impl Fn(&str) -> bool) -> String {
        let is_wanted = |column: &&Column| !matches!(column.field, Field::Lazy(_)) || has(&column.name);
        let columns = self.columns.iter().filter(is_wanted).map(|column| {
            let declared = format!("\"{}\" {}", column.name, column.form.declared());
            match column.field {
                Field::Same(place) => {
                    let same = self.columns.get(place).map_or("", |column| column.name.as_str());
                    format!("{declared} AS (\"{same}\")")
                }
                Field::Lazy(what) => format!("{declared} AS ({})", self.call(what)),
                _ => declared,
            }
        });
        format!("CREATE TABLE \"{}\"({});", self.name, columns.collect::<Vec<_>>().join(", "))
    }

    fn call(&self, what: Lazy) -> String {
        let kind = match self.source {
            TableSource::Kind(spec) => KINDS.iter().position(|known| known.slug == spec.slug),
            TableSource::Flat(_) => None,
        };
        let function = FUNCTIONS.iter().find(|(lazy, _)| *lazy == what).map_or("", |(_, name)| *name);
        format!("{function}({}, \"id\", \"account\", \"region\")", kind.unwrap_or(KINDS.len()))
    }
}

/// Every table.
pub(super) fn tables() -> &'static [SqlTable] {
    static TABLES: LazyLock<Vec<SqlTable>> = LazyLock::new(|| {
        let kinds = KINDS.iter().map(|spec| of_kind(spec));
        let flat = Flat::ALL.iter().map(|flat| of_flat(*flat));
        kinds.chain(flat).collect()
    });
    &TABLES
}

/// The table of this name, with its place.
pub(super) fn find(name: &str) -> Option<(usize, &'static SqlTable)> {
    tables().iter().enumerate().find(|(_, table)| table.name.eq_ignore_ascii_case(name))
}

/// The table closest to a name.
pub(super) fn nearest(name: &str) -> Option<&'static SqlTable> {
    // `security-group`, `instances`, `aws_ec2_instance`
    let plain = name.to_ascii_lowercase().replace('-', "_");
    let plain = plain.strip_prefix("aws_").unwrap_or(&plain);
    let plain = ["ec2_", "ebs_", "vpc_"].iter().find_map(|prefix| plain.strip_prefix(prefix)).unwrap_or(plain);
    let singular = plain.strip_suffix('s').unwrap_or(plain);
    let known = |name: &str| find(name).map(|(_, table)| table);
    known(plain)
        .or_else(|| known(singular))
        .or_else(|| known(nearest_name(plain, tables().iter().map(|table| table.name.as_str()))?))
}

/// The column of `tables` closest to a name: also one that searches show under that name.
pub(super) fn nearest_column(tables: &[&'static SqlTable], name: &str) -> Option<String> {
    let shown = tables.iter().find_map(|table| match table.source {
        TableSource::Kind(spec) => spec.filter_of_column(name).map(snake),
        TableSource::Flat(_) => None,
    });
    let columns = || tables.iter().flat_map(|table| &table.columns).map(|column| column.name.as_str());
    shown
        .filter(|shown| columns().any(|column| column == shown))
        .or_else(|| nearest_name(name, columns()).map(str::to_owned))
}

/// The tables that a statement names, whether or not it can be read.
pub(super) fn named_in(sql: &str) -> Vec<&'static SqlTable> {
    let words = sql.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    let mut found: Vec<&'static SqlTable> = Vec::new();
    for (_, table) in words.filter_map(find) {
        if !found.iter().any(|known| known.name == table.name) {
            found.push(table);
        }
    }
    found
}

/// The statements that define what `sql` can name: the others would take longer to define than most statements take to answer.
/// Columns that are looked up are computed for every row that is put in, so they are there only where they may be asked for.
pub(super) fn definitions(sql: &str) -> String {
    let words = || sql.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
    let is_named = |name: &str| words().any(|word| word.eq_ignore_ascii_case(name));
    if words().any(|word| word.to_ascii_lowercase().starts_with("sqlite_")) {
        return tables().iter().map(|table| table.definition(|_| true)).collect();
    }
    let tokens = tokens(sql);
    // Of `count(*)` and `2 * 3` only the former is told apart.
    let is_star = |place: usize, token: &Token| {
        *token == Token::Mul
            && place.checked_sub(1).and_then(|before| tokens.as_ref()?.get(before)) != Some(&Token::LParen)
    };
    let is_whole =
        tokens.as_ref().is_none_or(|tokens| tokens.iter().enumerate().any(|(place, token)| is_star(place, token)));
    // What tables have in common depends on all that they have.
    let is_whole = is_whole || is_named("natural");
    named_in(sql).iter().map(|table| table.definition(|column| is_whole || is_named(column))).collect()
}

/// The words and signs of a statement; `None` where they cannot be told apart.
pub(super) fn tokens(sql: &str) -> Option<Vec<Token>> {
    let tokens = Tokenizer::new(&SQLiteDialect {}, sql).tokenize().ok()?;
    Some(tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).collect())
}

/// A table with its columns, as errors show it.
pub(super) fn described(table: &SqlTable) -> String {
    let columns = table.columns.iter().map(Column::described);
    format!("{}({})", table.name, columns.collect::<Vec<_>>().join(", "))
}

/// The name of a filter as a column.
fn snake(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

fn of_flat(flat: Flat) -> SqlTable {
    let columns = flat.columns().iter().enumerate();
    let columns = columns.map(|(place, (name, form))| Column::new(*name, *form, Field::Nth(place)));
    SqlTable { name: flat.name().to_owned(), source: TableSource::Flat(flat), columns: columns.collect() }
}

fn of_kind(spec: &'static KindSpec) -> SqlTable {
    let mut columns = vec![
        Column::new("id", ColumnForm::Text, Field::Id),
        Column::new("name", ColumnForm::Text, Field::Name),
        Column::new("account", ColumnForm::Text, Field::Account),
        Column::new("region", ColumnForm::Text, Field::Region),
    ];
    let state = spec.state_path.and_then(|path| spec.filter_at(path));
    if let Some(state) = state {
        columns.push(Column::new("state", ColumnForm::Text, Field::Facet(state.number)));
    }
    columns.push(Column::new("first_seen", ColumnForm::Time, Field::Lazy(Lazy::FirstSeen)));
    columns.push(Column::new("changed_at", ColumnForm::Time, Field::Lazy(Lazy::ChangedAt)));
    let place_of = |columns: &[Column], name: &str| columns.iter().position(|column| column.name == name);
    for filter in spec.filters {
        let name = column_name(spec, filter);
        // The id and the state stand under AWS's own names too.
        let same = if filter.paths == [spec.id_field] {
            place_of(&columns, "id")
        } else if state.is_some_and(|state| state.number == filter.number) {
            place_of(&columns, "state")
        } else {
            None
        };
        match (place_of(&columns, &name), same) {
            (Some(_), _) => {}
            (None, Some(same)) => columns.push(Column::new(name, ColumnForm::Text, Field::Same(same))),
            (None, None) => columns.push(Column {
                is_array: filter.is_many,
                ..Column::new(name, form(filter), Field::Facet(filter.number))
            }),
        }
    }
    if spec.tagged_kind().is_none() {
        columns.push(Column::new("tags", ColumnForm::Json, Field::Tags));
    }
    columns.push(Column::new("document", ColumnForm::Json, Field::Lazy(Lazy::Document)));
    SqlTable { name: snake(spec.slug), source: TableSource::Kind(spec), columns }
}

/// The column of a filter. Where its name is a word of SQL or means something else here, it is the one that searches show, or
/// begins with the kind.
fn column_name(spec: &KindSpec, filter: &Filter) -> String {
    let name = snake(filter.name);
    match name.as_str() {
        "default" => {
            let shown = spec.columns.iter().find(|(shown, _)| *shown == filter.name);
            shown.map_or(name, |(_, shown)| (*shown).to_owned())
        }
        "name" => format!("{}_name", snake(spec.slug)),
        _ => name,
    }
}

/// What the values of a filter are.
fn form(filter: &Filter) -> ColumnForm {
    match filter.form {
        _ if filter.is_many => ColumnForm::Json,
        model::Form::Number | model::Form::Port => ColumnForm::Number,
        model::Form::Flag => ColumnForm::Flag,
        model::Form::Time => ColumnForm::Time,
        // AWS takes wildcards for it, as if it were any text.
        _ if filter.name == "creation-date" => ColumnForm::Time,
        _ => ColumnForm::Text,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_is_a_table_and_no_name_is_used_twice() {
        let names: BTreeSet<&str> = tables().iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names.len(), tables().len());
        for spec in KINDS {
            assert!(find(&snake(spec.slug)).is_some(), "{}", spec.slug);
        }
        for table in tables() {
            let columns: BTreeSet<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            assert_eq!(columns.len(), table.columns.len(), "{}", table.name);
            for column in table.narrowed_by() {
                assert!(table.column(column).is_some(), "{}.{column}", table.name);
            }
        }
    }

    #[test]
    fn the_columns_of_an_instance_are_those_of_its_filters() {
        let (_, table) = find("instance").unwrap();
        let column = |name: &str| table.column(name).map(|(_, column)| (column.form, column.field));
        assert_eq!(column("instance_type"), Some((ColumnForm::Text, Field::Facet(3))));
        assert_eq!(column("launch_time"), Some((ColumnForm::Time, Field::Facet(18))));
        assert_eq!(column("instance_group_id"), Some((ColumnForm::Json, Field::Facet(11))));
        assert_eq!(column("instance_id"), Some((ColumnForm::Text, Field::Same(0))));
        assert_eq!(column("state"), Some((ColumnForm::Text, Field::Facet(2))));
        let first: Vec<&str> = table.columns.iter().take(7).map(|column| column.name.as_str()).collect();
        assert_eq!(first, ["id", "name", "account", "region", "state", "first_seen", "changed_at"]);
    }

    #[test]
    fn numbers_are_numbers() {
        let form = |table: &str, name: &str| find(table).unwrap().1.column(name).map(|(_, column)| column.form);
        assert_eq!(form("volume", "size"), Some(ColumnForm::Number));
        assert_eq!(form("volume", "encrypted"), Some(ColumnForm::Flag));
        assert_eq!(form("security_group_rule", "from_port"), Some(ColumnForm::Number));
    }

    #[test]
    fn a_wrong_name_leads_to_the_right_table() {
        for (wrong, right) in [
            ("instances", "instance"),
            ("security-groups", "security_group"),
            ("aws_ec2_instance", "instance"),
            ("aws_ebs_volume", "volume"),
            ("volum", "volume"),
            ("changes", "change"),
        ] {
            assert_eq!(nearest(wrong).map(|table| table.name.as_str()), Some(right), "{wrong}");
        }
        let (_, instance) = find("instance").unwrap();
        assert_eq!(nearest_column(&[instance], "private_ip").as_deref(), Some("private_ip_address"));
        assert_eq!(nearest_column(&[instance], "instance_typ").as_deref(), Some("instance_type"));
    }
}

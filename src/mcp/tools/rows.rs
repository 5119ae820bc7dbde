//! The columns that the rows of a kind show, as text and as data.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::table;
use crate::kinds::KindSpec;
use crate::mcp::uri::Address;
use crate::model::Row;
use crate::model::text::shown;
use crate::query::column::KindColumn;

/// The longest value in a row.
const VALUE: usize = 200;

/// The column of the URI under which the whole resource is read.
const URI: &str = "uri";

/// What rows of a kind show beside the id.
#[derive(Clone, Debug)]
pub struct Columns {
    kind: &'static KindSpec,
    shown: Vec<ShownColumn>,
    /// Whether a call named them; else data has the URI, the account and the region too.
    are_chosen: bool,
}

#[derive(Clone, Debug)]
enum ShownColumn {
    Of(KindColumn),
    Uri,
}

impl Columns {
    /// The default columns of `kind`.
    #[must_use]
    pub fn of(kind: &'static KindSpec) -> Self {
        let is_other = |name: &&str| kind.filter(name).is_some_and(|filter| filter.paths != [kind.id_field]);
        let names = kind.columns.iter().filter(|(filter, _)| is_other(filter)).map(|(_, column)| *column);
        // A kind may have a filter that is called `name` and means something else.
        let columns =
            std::iter::once(KindColumn::of_names()).chain(names.filter_map(|name| KindColumn::named(kind, name)));
        Columns { kind, shown: columns.map(ShownColumn::Of).collect(), are_chosen: false }
    }

    /// The columns of these names, which replace the default ones.
    ///
    /// # Errors
    /// The first unknown name.
    pub fn named<'a>(kind: &'static KindSpec, names: &[&'a str]) -> Result<Self, &'a str> {
        let names = names.iter().filter(|name| **name != "id");
        let shown = names.map(|name| match *name {
            URI => Ok(ShownColumn::Uri),
            name => KindColumn::named(kind, name).map(ShownColumn::Of).ok_or(name),
        });
        Ok(Columns { kind, shown: shown.collect::<Result<_, _>>()?, are_chosen: true })
    }

    /// The columns whose values rows hold.
    pub fn each(&self) -> impl Iterator<Item = &KindColumn> {
        self.shown.iter().filter_map(|column| match column {
            ShownColumn::Of(column) => Some(column),
            ShownColumn::Uri => None,
        })
    }

    /// The number of the filter that holds the name of the state; `None` for kinds without states.
    #[must_use]
    pub fn state(&self) -> Option<u16> {
        self.kind.filter_at(self.kind.state_path?).map(|filter| filter.number)
    }

    /// The names of the columns that [`Columns::line`] prints.
    #[must_use]
    pub fn header(&self) -> String {
        let names = self.shown.iter().map(|column| match column {
            ShownColumn::Of(column) => column.name.as_str(),
            ShownColumn::Uri => URI,
        });
        table::line(std::iter::once("id").chain(names))
    }

    /// A row as text.
    #[must_use]
    pub fn line(&self, row: &Row) -> String {
        let values: Vec<Cow<'_, str>> = self.shown.iter().map(|column| self.value(column, row)).collect();
        table::line(std::iter::once(&*row.id.id).chain(values.iter().map(AsRef::as_ref)))
    }

    /// A row as data: the same columns. What is empty is left out.
    #[must_use]
    pub fn row(&self, row: &Row) -> Map<String, Value> {
        let mut out = Map::new();
        let mut put = |name: &str, text: &str| {
            let text = shown(text, VALUE);
            if !text.is_empty() {
                out.insert(name.to_owned(), Value::String(text));
            }
        };
        put("id", &row.id.id);
        for column in &self.shown {
            let name = if let ShownColumn::Of(column) = column { column.name.as_str() } else { URI };
            put(name, &self.value(column, row));
        }
        if !self.are_chosen {
            put(URI, &self.value(&ShownColumn::Uri, row));
            put("account", row.id.account.as_str());
            put("region", row.id.region.as_str());
        }
        if row.provisional {
            out.insert("provisional".to_owned(), json!("true"));
        }
        out
    }

    fn value<'r>(&self, column: &ShownColumn, row: &'r Row) -> Cow<'r, str> {
        match column {
            ShownColumn::Of(column) => column.text(row),
            ShownColumn::Uri => Cow::Owned(Address::of(self.kind, &row.id.id).to_string()),
        }
    }
}

//! The columns that the rows of a kind show, as text and as data.

use serde_json::{Map, Value, json};

use super::table;
use crate::kinds::KindSpec;
use crate::mcp::uri::Address;
use crate::model::Row;
use crate::model::text::shown;

/// The longest value in a row.
const VALUE: usize = 200;

/// What rows of a kind show beside id and name.
#[derive(Clone, Debug)]
pub struct Columns {
    kind: &'static KindSpec,
    shown: Vec<(String, ColumnSource)>,
}

#[derive(Clone, Debug)]
enum ColumnSource {
    Facet(u16),
    Tag(String),
}

impl Columns {
    /// The default columns of `kind`.
    #[must_use]
    pub fn of(kind: &'static KindSpec) -> Self {
        let shown = kind.columns.iter().filter_map(|(name, column)| {
            let filter = kind.filter(name)?;
            (filter.paths != [kind.id_field]).then(|| ((*column).to_owned(), ColumnSource::Facet(filter.number)))
        });
        Columns { kind, shown: shown.collect() }
    }

    /// The columns of these names: a default column, a filter's name, or `tag:KEY`.
    ///
    /// # Errors
    /// The first unknown name.
    pub fn named<'a>(kind: &'static KindSpec, names: &[&'a str]) -> Result<Self, &'a str> {
        let default = Columns::of(kind);
        let shown = names.iter().map(|name| {
            let column = default.shown.iter().find(|(column, _)| column == name).map(|(_, source)| source.clone());
            let source = column
                .or_else(|| name.strip_prefix("tag:").map(|key| ColumnSource::Tag(key.to_owned())))
                .or_else(|| kind.filter(name).map(|filter| ColumnSource::Facet(filter.number)));
            source.map(|source| ((*name).to_owned(), source)).ok_or(*name)
        });
        Ok(Columns { kind, shown: shown.collect::<Result<_, _>>()? })
    }

    /// The number of the filter that holds the name of the state; `None` for kinds without states.
    #[must_use]
    pub fn state(&self) -> Option<u16> {
        let path = self.kind.state_path?;
        self.kind.filters.iter().find(|filter| filter.paths == [path]).map(|filter| filter.number)
    }

    /// The names of the columns that [`Columns::line`] prints.
    #[must_use]
    pub fn header(&self) -> String {
        let names = self.shown.iter().map(|(name, _)| name.as_str());
        table::line(["id", "name"].into_iter().chain(names))
    }

    /// A row as text.
    #[must_use]
    pub fn line(&self, row: &Row) -> String {
        let name = row.fields.name.as_deref().unwrap_or_default();
        let values: Vec<String> = self.shown.iter().map(|(_, source)| value(source, row)).collect();
        table::line([&*row.id.id, name].into_iter().chain(values.iter().map(String::as_str)))
    }

    /// A row as data: the same columns, with the URI under which the whole resource is read. What is empty is left out.
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
        put("name", row.fields.name.as_deref().unwrap_or_default());
        for (name, source) in &self.shown {
            put(name, &value(source, row));
        }
        put("uri", &Address::of(self.kind, &row.id.id).to_string());
        put("account", row.id.account.as_str());
        put("region", row.id.region.as_str());
        if row.provisional {
            out.insert("provisional".to_owned(), json!("true"));
        }
        out
    }
}

fn value(source: &ColumnSource, row: &Row) -> String {
    match source {
        ColumnSource::Facet(wanted) => {
            let values = row.fields.facets.iter().filter(|(number, _)| number == wanted);
            values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(",")
        }
        ColumnSource::Tag(wanted) => {
            let tag = row.fields.tags.iter().find(|(key, _)| key == wanted);
            tag.map(|(_, value)| value.clone()).unwrap_or_default()
        }
    }
}

//! The filter syntax of AWS's describe calls: values of one filter are alternatives, filters narrow one another.
//!
//! `*` matches any number of characters, `?` exactly one, a backslash takes the next character literally. Names and
//! values are case-sensitive, as AWS's are. Two spellings are taken, because models write both:
//! `[{"Name": "instance-state-name", "Values": ["running"]}]` and `{"instance-state-name": ["running"]}`.

use serde_json::Value;
use thiserror::Error;
use wildmatch::WildMatchPattern;
use xxhash_rust::xxh3::xxh3_64;

use crate::model::Row;

/// Filters in one request, as AWS limits them.
pub const MAX_FILTERS: usize = 50;
/// Values over all filters of one request, as AWS limits them.
pub const MAX_VALUES: usize = 200;
/// How far a suggestion may be from what was written (Jaro-Winkler, 1 is equal).
const NEAR: f64 = 0.75;

/// One filter that a kind knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// AWS's name for it.
    pub name: &'static str,
    /// Where a row holds what it matches.
    pub place: Place,
}

/// Where a row holds the values of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It is the resource's id.
    Id,
    /// It is the owning account.
    Owner,
    /// Among the facets, under this number.
    Facet(u16),
}

/// What one kind can be filtered on, beside `tag:KEY` and `tag-key`, which every kind knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fields {
    /// The kind, as messages call it.
    pub kind: &'static str,
    /// Its filters.
    pub known: Vec<Field>,
}

/// Why filters were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FilterError {
    /// Neither of the two spellings.
    #[error("`filters` must be a list of {{\"Name\", \"Values\"}} objects or an object of name to values; {found} is neither. Example: {EXAMPLE}")]
    Shape {
        /// What was found instead, shortened.
        found: String,
    },
    /// A filter without values.
    #[error("filter `{name}` has no values: give at least one, or leave the filter out. Example: {EXAMPLE}")]
    NoValues {
        /// The filter.
        name: String,
    },
    /// A name that the kind does not know.
    #[error("{kind} has no filter `{name}`{}. It knows: {}, tag:KEY, tag-key. Example: {EXAMPLE}", near(*nearest), known.join(", "))]
    Unknown {
        /// The kind.
        kind: &'static str,
        /// What was written.
        name: String,
        /// The closest known name, when one is close.
        nearest: Option<&'static str>,
        /// All known names.
        known: Vec<&'static str>,
    },
    /// More than AWS takes.
    #[error("{found} {what} given, at most {limit} are taken: ask in several calls")]
    TooMany {
        /// `filters` or `values`.
        what: &'static str,
        /// How many were given.
        found: usize,
        /// How many are taken.
        limit: usize,
    },
}

const EXAMPLE: &str = r#"[{"Name": "instance-state-name", "Values": ["running", "stop*"]}, {"Name": "tag:Team", "Values": ["web"]}]"#;

/// Conditions that a row meets or not.
#[derive(Clone, Debug, Default)]
pub struct Filters(Vec<Clause>);

#[derive(Clone, Debug)]
struct Clause {
    name: String,
    subject: Subject,
    values: Vec<Pattern>,
}

#[derive(Clone, Debug)]
enum Subject {
    Field(Place),
    Tag(String),
    TagKey,
}

/// Wildcards as characters of the private use area, so that an escaped `*` can stay a literal one in the pattern.
type Glob = WildMatchPattern<'\u{E000}', '\u{E001}'>;

#[derive(Clone, Debug)]
struct Pattern {
    text: String,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    Exact(String),
    Glob(Glob),
}

impl Fields {
    fn find(&self, name: &str) -> Option<Place> {
        self.known.iter().find(|field| field.name == name).map(|field| field.place)
    }
}

impl Place {
    /// The values that `row` holds there.
    pub fn values(self, row: &Row) -> impl Iterator<Item = &str> {
        let lone = match self {
            Place::Id => Some(&*row.id.id),
            Place::Owner => row.fields.owner.as_deref(),
            Place::Facet(_) => None,
        };
        let facets = row.fields.facets.iter();
        let facets = facets.filter(move |(number, _)| self == Place::Facet(*number)).map(|(_, value)| value.as_str());
        lone.into_iter().chain(facets)
    }
}

impl Filters {
    /// Reads either spelling. `null` means no filters.
    ///
    /// # Errors
    /// [`FilterError`], whose text says which field is wrong, what is allowed, and shows an example.
    pub fn parse(given: &Value, fields: &Fields) -> Result<Self, FilterError> {
        let pairs = pairs(given)?;
        if pairs.len() > MAX_FILTERS {
            return Err(FilterError::TooMany { what: "filters", found: pairs.len(), limit: MAX_FILTERS });
        }
        let values: usize = pairs.iter().map(|(_, values)| values.len()).sum();
        if values > MAX_VALUES {
            return Err(FilterError::TooMany { what: "filter values", found: values, limit: MAX_VALUES });
        }
        let clauses = pairs.into_iter().map(|(name, values)| clause(name, &values, fields));
        clauses.collect::<Result<_, _>>().map(Filters)
    }

    /// Whether there is no condition.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a row meets every filter.
    #[must_use]
    pub fn matches(&self, row: &Row) -> bool {
        self.0.iter().all(|clause| clause.matches(row))
    }

    /// Tells equal filters from others, so that a cursor cannot be used with a question it was not made for.
    #[must_use]
    pub fn hash(&self) -> u64 {
        let mut bytes = Vec::new();
        for clause in &self.0 {
            feed(&clause.name, &mut bytes);
            bytes.extend((clause.values.len() as u64).to_le_bytes());
            clause.values.iter().for_each(|value| feed(&value.text, &mut bytes));
        }
        xxh3_64(&bytes)
    }
}

impl Clause {
    fn matches(&self, row: &Row) -> bool {
        let meets = |value: &str| self.values.iter().any(|pattern| pattern.matches(value));
        match &self.subject {
            Subject::Field(place) => place.values(row).any(meets),
            Subject::Tag(key) => row.fields.tags.iter().any(|(tag, value)| tag == key && meets(value)),
            Subject::TagKey => row.fields.tags.iter().any(|(tag, _)| meets(tag)),
        }
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        let (mut exact, mut glob, mut wild) = (String::new(), String::new(), false);
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            let (literal, marked) = match c {
                '\\' => {
                    let next = chars.next().unwrap_or('\\');
                    (next, next)
                }
                '*' => (c, '\u{E000}'),
                '?' => (c, '\u{E001}'),
                _ => (c, c),
            };
            wild |= literal != marked;
            exact.push(literal);
            glob.push(marked);
        }
        let form = if wild { Form::Glob(Glob::new(&glob)) } else { Form::Exact(exact) };
        Pattern { text: text.to_owned(), form }
    }

    fn matches(&self, value: &str) -> bool {
        match &self.form {
            Form::Exact(exact) => exact == value,
            Form::Glob(glob) => glob.matches(value),
        }
    }
}

fn pairs(given: &Value) -> Result<Vec<(String, Vec<String>)>, FilterError> {
    match given {
        Value::Null => Ok(Vec::new()),
        Value::Array(list) => list.iter().map(pair).collect(),
        // One filter without its list.
        Value::Object(object) if object.contains_key("Name") || object.contains_key("name") => Ok(vec![pair(given)?]),
        Value::Object(object) => {
            object.iter().map(|(name, given)| Ok((name.clone(), values(name, given)?))).collect()
        }
        _ => Err(shape(given)),
    }
}

fn pair(given: &Value) -> Result<(String, Vec<String>), FilterError> {
    let Value::Object(object) = given else { return Err(shape(given)) };
    let field = |names: [&str; 3]| names.iter().find_map(|name| object.get(*name));
    let Some(Value::String(name)) = field(["Name", "name", "key"]) else { return Err(shape(given)) };
    let given = field(["Values", "values", "Value"]).unwrap_or(&Value::Null);
    Ok((name.clone(), values(name, given)?))
}

fn values(name: &str, given: &Value) -> Result<Vec<String>, FilterError> {
    let list = match given {
        Value::Null => &[],
        Value::Array(list) => list.as_slice(),
        lone => std::slice::from_ref(lone),
    };
    if list.is_empty() {
        return Err(FilterError::NoValues { name: name.to_owned() });
    }
    list.iter()
        .map(|value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            _ => Err(shape(value)),
        })
        .collect()
}

fn clause(name: String, values: &[String], fields: &Fields) -> Result<Clause, FilterError> {
    let subject = match (name.strip_prefix("tag:"), fields.find(&name)) {
        (Some(key), _) => Subject::Tag(key.to_owned()),
        (None, Some(place)) => Subject::Field(place),
        (None, None) if name == "tag-key" => Subject::TagKey,
        (None, None) => {
            let known: Vec<&'static str> = fields.known.iter().map(|field| field.name).collect();
            let nearest = nearest(&name, known.iter().copied());
            return Err(FilterError::Unknown { kind: fields.kind, name, nearest, known });
        }
    };
    Ok(Clause { name, subject, values: values.iter().map(|value| Pattern::new(value)).collect() })
}

/// The candidate closest to what was written, when one is close enough to be meant.
pub fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(&written, candidate), candidate));
    scored.filter(|(score, _)| *score >= NEAR).max_by(|(a, _), (b, _)| a.total_cmp(b)).map(|(_, candidate)| candidate)
}

fn near(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean `{nearest}`?"))
}

fn shape(found: &Value) -> FilterError {
    FilterError::Shape { found: crate::model::text::shown(&found.to_string(), 60) }
}

fn feed(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

#[cfg(test)]
mod tests;

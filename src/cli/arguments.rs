//! Reads the operands of a command line: resources, filters and times.

use serde_json::{Map, Value, json};

use std::net::IpAddr;

use crate::kinds::{self, KindSpec};
use crate::model::Timestamp;
use crate::model::text::shown;
use crate::query::exposure::{self, AskedPorts};
use crate::query::filter::is_tag;
use crate::query::filter_name;
use crate::query::nearness::near;
use crate::query::{AskedPoint, FilterError, Filters};

/// Why an operand or a time cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum OperandError {
    /// Neither a URI nor an id whose kind is known.
    #[error(
        "`{word}` is neither a URI such as ec2://instance/i-0123456789abcdef0 nor an id that begins with {}: give its kind with --kind",
        kinds::prefixes().collect::<Vec<_>>().join(", ")
    )]
    Subject {
        /// What was given.
        word: String,
    },
    /// An id of a kind that is not held.
    #[error("`{word}` is the id of a {title}, a kind of resource that Muster does not hold")]
    Unheld {
        /// What was given.
        word: String,
        /// The name of one resource of that kind.
        title: &'static str,
    },
    /// No kind of that name.
    #[error("there is no kind `{given}`{}. Kinds: {}", near(*nearest), known.join(", "))]
    Kind {
        /// What was given.
        given: String,
        /// The one that was probably meant.
        nearest: Option<&'static str>,
        /// All of them.
        known: Vec<&'static str>,
    },
    /// Text that is not a time.
    #[error(
        "`{text}` is not a time: give 2026-11-17T12:00:00Z, a date such as 2026-11-17 (UTC), or a time ago such as 15m, 2h or '3 days ago'"
    )]
    Moment {
        /// What was given.
        text: String,
    },
    /// A word without `=`.
    #[error("`{word}` is not a filter: write name=value, for example state=running or tag:Team=web,db{hint}")]
    Filter {
        /// What was given.
        word: String,
        /// What to do if it was meant as something else.
        hint: &'static str,
    },
    /// Values of the filter `exposed` that are no ports.
    #[error("exposed={value}: give {}", exposure::FILTER_FORM)]
    Ports {
        /// What was given.
        value: String,
    },
    /// A region that the server does not watch.
    #[error("Region {region} is not watched; this server watches {}", watched.join(", "))]
    NotWatched {
        /// What was given.
        region: String,
        /// Those that are watched.
        watched: Vec<String>,
    },
    /// A flag that selects a data directory, beside another that names one.
    #[error(
        "{flag} selects the server of a region, and {named} already names its data directory: leave out one of them"
    )]
    TwoServers {
        /// The flag that selects one.
        flag: &'static str,
        /// What names one.
        named: String,
    },
    /// A filter that the kind does not have, or a value that the filter cannot have.
    #[error("{}", in_filters(.0))]
    Filters(FilterError),
}

impl From<FilterError> for OperandError {
    /// The text says all of it, so the error is no source of its own.
    fn from(error: FilterError) -> Self {
        OperandError::Filters(error)
    }
}

/// Replaces the example of a tool's arguments by an example of a command line.
fn in_filters(error: &FilterError) -> String {
    match error.to_string().split_once(". Example: ") {
        Some((fact, _)) => format!("{fact}. Example: state=running tag:Team=web"),
        None => error.to_string(),
    }
}

/// Returns the tool arguments that name the resource `word`: a URI, or a kind and an id.
///
/// # Errors
/// [`OperandError`] when the kind is unknown.
pub(super) fn subject(word: &str, kind: Option<&str>) -> Result<Map<String, Value>, OperandError> {
    let word = word.trim();
    let mut arguments = Map::new();
    if word.contains("://") {
        arguments.insert("uri".to_owned(), json!(word));
        return Ok(arguments);
    }
    let slug = match kind {
        Some(given) => self::kind(given)?.slug,
        None => of_id(word).ok_or_else(|| match kinds::unheld::of_id(word) {
            Some(title) => OperandError::Unheld { word: shown(word, 80), title },
            None => OperandError::Subject { word: shown(word, 80) },
        })?,
    };
    arguments.insert("kind".to_owned(), json!(slug));
    arguments.insert("id".to_owned(), json!(word));
    Ok(arguments)
}

/// Returns the slug of the kind whose ids begin like this one. An IP address names an Elastic IP address without an
/// allocation id.
fn of_id(id: &str) -> Option<&'static str> {
    let is_address = id.parse::<IpAddr>().is_ok();
    kinds::of_id(id).map(|spec| spec.slug).or(is_address.then_some(kinds::ADDRESS.slug))
}

/// Finds the kind by its slug or another of its names.
///
/// # Errors
/// [`OperandError::Kind`] lists the kinds.
pub(super) fn kind(given: &str) -> Result<&'static KindSpec, OperandError> {
    kinds::meant(given).ok_or_else(|| {
        let known: Vec<&'static str> = kinds::slugs().collect();
        let nearest = crate::query::nearness::nearest(given, known.iter().copied());
        OperandError::Kind { given: shown(given, 80), nearest, known }
    })
}

/// Checks a time, or a place in the log, and returns it unchanged for a tool.
///
/// # Errors
/// [`OperandError::Moment`] when it is neither.
pub(super) fn moment(text: &str) -> Result<String, OperandError> {
    let known = AskedPoint::parse(text, Timestamp::from_millis(i64::MAX)).map(|_| text.to_owned());
    known.ok_or_else(|| OperandError::Moment { text: shown(text, 80) })
}

/// Parses words `name=value,value` into filters of `kind` as tools take them. A name is AWS's name of the filter or one that [`filter_name`]
/// knows. A backslash takes the next character literally: `tag:a\=b=c\,d`.
///
/// # Errors
/// [`OperandError`] for a word that is not a filter, or not one of this kind.
pub(super) fn filters(words: &[String], kind: &'static KindSpec) -> Result<Value, OperandError> {
    let filters = words.iter().map(|word| {
        let (name, values) = split(word, '=').ok_or_else(|| OperandError::Filter {
            word: shown(word, 80),
            hint: if of_id(word).is_some() { "; `muster get` reads one resource" } else { "" },
        })?;
        let name = name.replace("\\=", "=");
        let meant = filter_name::meant(kind, &name);
        // The server says how it reads this one.
        let name = if name.eq_ignore_ascii_case("name") { &*name } else { meant.as_deref().unwrap_or(&name) };
        let mut rest = values;
        let mut values = Vec::new();
        while let Some((value, others)) = split(rest, ',') {
            values.push(value);
            rest = others;
        }
        values.push(rest);
        Ok(json!({"Name": name, "Values": values}))
    });
    let filters: Vec<Value> = filters.collect::<Result<_, OperandError>>()?;
    // One filter is none of AWS's, and its values are looked at here.
    let is_exposed = |filter: &&Value| filter["Name"] == exposure::FILTER && kind.slug == kinds::INSTANCE.slug;
    let (exposed, others): (Vec<&Value>, Vec<&Value>) = filters.iter().partition(is_exposed);
    for value in exposed.iter().filter_map(|filter| filter["Values"].as_array()).flatten().filter_map(Value::as_str) {
        AskedPorts::parse(value).ok_or_else(|| OperandError::Ports { value: shown(value, 80) })?;
    }
    // A status is found by the tags of its instance.
    let tagged = kind.tagged_kind().and_then(kinds::by_slug);
    let is_lent = |filter: &&Value| {
        let meant = filter["Name"].as_str().and_then(|name| filter_name::meant(kind, name));
        tagged.is_some() && meant.is_some_and(|name| is_tag(&name))
    };
    // What stands below a unit is for the server to know.
    let is_known = |filter: &&Value| filter["Name"].as_str().is_some_and(|name| !name.eq_ignore_ascii_case("ou"));
    let (lent, own): (Vec<&Value>, Vec<&Value>) = others.into_iter().filter(is_known).partition(is_lent);
    for (filters, of) in [(own, kind), (lent, tagged.unwrap_or(kind))] {
        Filters::parse(&json!(filters), of, Timestamp::from_millis(i64::MAX))?;
    }
    Ok(Value::Array(filters))
}

/// Splits `text` at the first `at` that no backslash precedes.
fn split(text: &str, at: char) -> Option<(&str, &str)> {
    let mut literal = false;
    let place = text.char_indices().find_map(|(place, letter)| {
        let here = letter == at && !literal;
        literal = letter == '\\' && !literal;
        here.then_some(place)
    })?;
    let (before, after) = text.split_at_checked(place)?;
    Some((before, after.strip_prefix(at)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{INSTANCE, KINDS};

    fn filters_of(words: &[&str]) -> Result<Value, OperandError> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        filters(&words, INSTANCE)
    }

    #[test]
    fn an_id_tells_its_kind_and_a_uri_needs_none() {
        for (spec, prefix) in KINDS.iter().filter_map(|spec| Some((spec, spec.prefix?))) {
            let id = format!("{prefix}0123456789abcdef0");
            assert_eq!(subject(&id, None).unwrap()["kind"], spec.slug);
        }
        assert_eq!(subject(" ec2://vpc/vpc-1 ", None).unwrap()["uri"], "ec2://vpc/vpc-1");
        assert!(matches!(subject("web-1", None), Err(OperandError::Subject { .. })));
        assert_eq!(subject("web-1", Some("volume")).unwrap()["kind"], "volume");
        let error = subject("web-1", Some("volum")).unwrap_err().to_string();
        assert!(error.contains("did you mean `volume`?"), "{error}");
    }

    #[test]
    fn words_become_filters_under_the_names_of_aws_or_of_columns() {
        let filters = filters_of(&["state=running,stopped", "tag:Team=web", "instance-type=t3.*"]).unwrap();
        let expected = json!([
            {"Name": "instance-state-name", "Values": ["running", "stopped"]},
            {"Name": "tag:Team", "Values": ["web"]},
            {"Name": "instance-type", "Values": ["t3.*"]},
        ]);
        assert_eq!(filters, expected);
    }

    #[test]
    fn an_organizational_unit_is_for_the_server_to_know() {
        let filters = filters_of(&["ou=/Workloads", "account=prod"]).unwrap();
        let expected = json!([
            {"Name": "ou", "Values": ["/Workloads"]},
            {"Name": "account", "Values": ["prod"]},
        ]);
        assert_eq!(filters, expected);
    }

    #[test]
    fn a_backslash_takes_the_next_character_as_it_is() {
        let filters = filters_of(&[r"tag:a\=b=c\,d,e=f"]).unwrap();
        assert_eq!(filters, json!([{"Name": "tag:a=b", "Values": [r"c\,d", "e=f"]}]));
    }

    #[test]
    fn what_is_no_filter_is_refused_with_what_was_meant() {
        let error = filters_of(&["i-0123456789abcdef0"]).unwrap_err().to_string();
        assert!(error.contains("muster get"), "{error}");
        let error = filters_of(&["instance-typ=t3.micro"]).unwrap_err().to_string();
        assert!(error.contains("did you mean `instance-type`?"), "{error}");
        assert!(error.ends_with(". Example: state=running tag:Team=web"), "{error}");
    }

    #[test]
    fn a_time_is_a_date_or_so_long_ago() {
        for time in ["2026-11-17T12:00:00Z", "2026-11-17", "-15m", "-10s", "-3d", "5m", "3 days ago", "now", "seq:7"] {
            assert_eq!(moment(time).as_deref(), Ok(time));
        }
        for other in ["yesterday", "5", "2026-13-17", ""] {
            assert_eq!(moment(other), Err(OperandError::Moment { text: other.to_owned() }));
        }
    }
}

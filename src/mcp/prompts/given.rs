//! The arguments that several prompts take.

use serde_json::{Map, Value, json};

use super::call::quoted;
use crate::mcp::error::RequestError;
use crate::mcp::tools::arguments::ArgumentError;
use crate::model::text::shown;

/// The longest value: a tag has up to 128 characters in its key and 256 in its value.
const MAX_VALUE: usize = 400;

/// A tag, as KEY=VALUE; a key alone stands for any value.
#[derive(Debug)]
pub(super) struct GivenTag {
    key: String,
    value: String,
}

/// The instances that a prompt is about.
#[derive(Debug)]
pub(super) struct AskedInstances {
    tag: Option<GivenTag>,
    region: Option<String>,
}

/// Refuses a value that would have to be cut or cleaned to fit into the message, because that would change its meaning.
pub(super) fn whole(name: &str, value: String) -> Result<String, RequestError> {
    if shown(&value, MAX_VALUE) == value {
        return Ok(value);
    }
    let expected = format!("at most {MAX_VALUE} visible characters");
    Err(ArgumentError::form(name, &expected, value).into())
}

/// A name of letters, digits and hyphens, as AWS gives ids and regions.
pub(super) fn plain(name: &str, expected: &str, value: String) -> Result<String, RequestError> {
    let is_plain = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if value.len() <= MAX_VALUE && is_plain(&value) {
        return Ok(value);
    }
    Err(ArgumentError::form(name, expected, value).into())
}

impl GivenTag {
    fn read(tag: String) -> Result<Self, RequestError> {
        let tag = whole("tag", tag)?;
        let (key, value) = tag.split_once('=').unwrap_or((&tag, "*"));
        if key.trim().is_empty() {
            return Err(ArgumentError::form("tag", "KEY=VALUE", tag).into());
        }
        Ok(GivenTag { key: key.to_owned(), value: value.to_owned() })
    }
}

impl AskedInstances {
    /// Reads the arguments `tag` and `region`.
    pub(super) fn read(tag: Option<String>, region: Option<String>) -> Result<Self, RequestError> {
        let region = region.map(|region| plain("region", "a region such as us-east-1", region));
        Ok(AskedInstances { tag: tag.map(GivenTag::read).transpose()?, region: region.transpose()? })
    }

    /// The same as arguments of a tool that takes filters, added to `arguments`.
    pub(super) fn arguments(&self, mut arguments: Map<String, Value>, mut filters: Map<String, Value>) -> Value {
        if let Some(GivenTag { key, value }) = &self.tag {
            filters.insert(format!("tag:{key}"), json!([value]));
        }
        if !filters.is_empty() {
            arguments.insert("filters".to_owned(), filters.into());
        }
        if let Some(region) = &self.region {
            arguments.insert("region".to_owned(), json!(region));
        }
        arguments.into()
    }

    /// The same in SQL: what joins the table `instance`, called i, to the tag; empty without a tag.
    pub(super) fn joined(&self) -> &'static str {
        if self.tag.is_some() {
            " JOIN tag t ON t.id = i.id AND t.account = i.account AND t.region = i.region"
        } else {
            ""
        }
    }

    /// The conditions in SQL that belong to [`AskedInstances::joined`], each with its AND.
    pub(super) fn conditions(&self) -> String {
        let mut sql = String::new();
        if let Some(GivenTag { key, value }) = &self.tag {
            // Brackets mean themselves, as in filters.
            let value = quoted(&value.replace('[', "[[]"));
            sql = format!(" AND t.kind = 'instance' AND t.key = {} AND t.value GLOB {value}", quoted(key));
        }
        if let Some(region) = &self.region {
            sql = format!("{sql} AND i.region = {}", quoted(region));
        }
        sql
    }
}

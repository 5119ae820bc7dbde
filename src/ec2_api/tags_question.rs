//! What a request of `DescribeTags` asks of the copy: the tags of resources of the kinds that are held.
//!
//! AWS lists the tags of everything that an account has. So a request has to confine itself, by type or by ids, to kinds that are held.

use std::collections::BTreeSet;

use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::copy_fault::CopyFault;
use super::fault::shown;
use super::question::tells;
use super::request::{AskedFilter, Ec2Request};
use crate::kinds::{self, KINDS, KindSpec};
use crate::model::secret_tags::is_mark;
use crate::model::{Document, Map, Scope, SecretTags, Value};
use crate::query::Cursor;
use crate::store::ValuePattern;

/// The action.
pub const DESCRIBE_TAGS: &str = "DescribeTags";

/// The filters that choose among tags, beside `tag:KEY`.
const FILTERS: [&str; 4] = ["key", "value", "resource-id", "resource-type"];

/// What a request asks.
#[derive(Clone, Debug)]
pub struct TagsQuestion {
    /// The kinds whose resources it is about, in their order.
    pub kinds: Vec<&'static KindSpec>,
    filters: Vec<AskedFilter>,
    /// The most tags of a page.
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// A hash of the question, which its cursors carry.
    pub hash: u64,
}

impl TagsQuestion {
    /// What a request asks, about `scope`.
    ///
    /// # Errors
    /// When it is not confined to kinds that are held, or AWS refuses such a request.
    pub fn of(request: &Ec2Request, scope: &Scope, secrets: &SecretTags) -> Result<Self, CopyFault> {
        let filters = request.filters.clone();
        tells(&filters, secrets)?;
        for AskedFilter { name, .. } in &filters {
            if !name.starts_with("tag:") && !FILTERS.contains(&name.as_str()) {
                return Err(CopyFault::NoFilter(shown(name)));
            }
        }
        let of = |name: &'static str| filters.iter().filter(move |filter| filter.name == name);
        let by_type: Vec<BTreeSet<&'static str>> = of("resource-type").map(types).collect::<Result<_, _>>()?;
        let by_id: Vec<BTreeSet<&'static str>> = of("resource-id").map(prefixes).collect::<Result<_, _>>()?;
        let confined: Vec<&BTreeSet<&'static str>> = by_type.iter().chain(&by_id).collect();
        if confined.is_empty() {
            return Err(beyond("everything that has tags"));
        }
        let is_meant = |kind: &&&'static KindSpec| confined.iter().all(|slugs| slugs.contains(kind.slug));
        let kinds: Vec<&'static KindSpec> = KINDS.iter().filter(is_meant).copied().collect();
        let asked = json!([
            DESCRIBE_TAGS,
            scope.to_string(),
            filters.iter().map(|filter| (&filter.name, &filter.values)).collect::<Vec<_>>(),
        ]);
        let hash = xxh3_64(asked.to_string().as_bytes());
        let cursor = request.token().map(|token| Cursor::read(token).map_err(|_| CopyFault::Token)).transpose()?;
        let is_other = |cursor: &Cursor| {
            let is_kind = kinds.iter().any(|kind| cursor.after.kind.as_str() == kind.name);
            cursor.question != hash || !is_kind || cursor.after.scope() != *scope || cursor.sorted.is_some()
        };
        if cursor.as_ref().is_some_and(is_other) {
            return Err(CopyFault::Token);
        }
        Ok(TagsQuestion { kinds, filters, limit: request.page_size(), cursor, hash })
    }

    /// The tags of a resource that the question asks for, as AWS lists them.
    ///
    /// # Errors
    /// When the value of a redacted tag decides.
    pub fn tags(&self, kind: &KindSpec, id: &str, document: &Document) -> Result<Vec<Document>, CopyFault> {
        let Some(of) = kind.arn_type() else { return Ok(Vec::new()) };
        let mut redacted = None;
        let tags = document.tags().filter(|(key, value)| {
            self.filters.iter().all(|AskedFilter { name, values }| {
                let held = match name.as_str() {
                    "key" => key,
                    "value" => {
                        if is_mark(value) {
                            redacted = Some((*key).to_owned());
                        }
                        value
                    }
                    "resource-id" => id,
                    "resource-type" => of,
                    name if name.strip_prefix("tag:") == Some(key) => value,
                    _ => return false,
                };
                values.iter().any(|value| ValuePattern::new(value).matches(held))
            })
        });
        let listed = tags.map(|(key, value)| {
            let fields = [("Key", key), ("ResourceId", id), ("ResourceType", of), ("Value", value)];
            Document::new(Map::from(fields.map(|(name, text)| (name, Value::Text(text.into())))))
        });
        let listed = listed.collect();
        redacted.map_or(Ok(listed), |key| Err(CopyFault::Redacted(key)))
    }
}

fn beyond(what: &str) -> CopyFault {
    let why = "name kinds that Muster holds, by the filter resource-type or resource-id, without wildcards";
    CopyFault::Beyond { action: DESCRIBE_TAGS, what: shown(what), why }
}

/// The kinds of the types that a filter names.
fn types(filter: &AskedFilter) -> Result<BTreeSet<&'static str>, CopyFault> {
    let of = |name: &String| kinds::of_arn_type(name).map(|kind| kind.slug).ok_or_else(|| beyond(name));
    filter.values.iter().map(of).collect()
}

/// The kinds of the ids that a filter names.
fn prefixes(filter: &AskedFilter) -> Result<BTreeSet<&'static str>, CopyFault> {
    let is_plain = |id: &str| !id.contains(['*', '?', '\\']);
    let of = |id: &String| kinds::of_id(id).filter(|_| is_plain(id)).map(|kind| kind.slug).ok_or_else(|| beyond(id));
    filter.values.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::request::parse;
    use crate::kinds::{SNAPSHOT, VOLUME};
    use crate::model::fixtures::{scope, tags};
    use crate::model::secret_tags::MarkKey;

    fn asked(filters: &[(&str, &[&str])]) -> Result<TagsQuestion, CopyFault> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", DESCRIBE_TAGS).append_pair("Version", "2016-11-15");
        for (at, (name, values)) in filters.iter().enumerate() {
            form.append_pair(&format!("Filter.{}.Name", at + 1), name);
            for (place, value) in values.iter().enumerate() {
                form.append_pair(&format!("Filter.{}.Value.{}", at + 1, place + 1), value);
            }
        }
        let secrets = SecretTags::new(&["*password*"], &MarkKey::default());
        TagsQuestion::of(&parse("POST", "", form.finish().as_bytes())?, &scope(), &secrets)
    }

    #[test]
    fn a_question_is_confined_to_kinds_that_are_held() {
        let kinds = |filters: &[(&str, &[&str])]| {
            asked(filters).unwrap().kinds.iter().map(|kind| kind.slug).collect::<Vec<_>>()
        };
        assert_eq!(kinds(&[("resource-type", &["volume", "instance"])]), ["instance", "volume"]);
        assert_eq!(kinds(&[("resource-type", &["elastic-ip", "natgateway"])]), ["nat-gateway", "address"]);
        assert_eq!(kinds(&[("resource-id", &["i-1", "vol-2"]), ("resource-type", &["volume"])]), ["volume"]);
        for beyond in [
            &[][..],
            &[("key", &["Name"][..])],
            &[("resource-type", &["volume", "key-pair"])],
            &[("resource-type", &["*"])],
            &[("resource-id", &["i-*"])],
            &[("resource-id", &["key-1"])],
        ] {
            assert_eq!(asked(beyond).unwrap_err().code(), "UnsupportedOperation", "{beyond:?}");
        }
        assert_eq!(asked(&[("colour", &["x"])]).unwrap_err().code(), "InvalidParameterValue");
    }

    #[test]
    fn tags_are_chosen_one_by_one() {
        let document = Document::new(Map::from([("Tags", tags([("Name", "web"), ("team", "a")]))]));
        let found = |filters: &[(&str, &[&str])]| {
            let question = asked(&[&[("resource-type", &["volume"][..])], filters].concat()).unwrap();
            let tags = question.tags(VOLUME, "vol-1", &document).unwrap();
            tags.iter().map(|tag| tag.text("Key").unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(found(&[]), ["Name", "team"]);
        assert_eq!(found(&[("key", &["N*"])]), ["Name"]);
        assert_eq!(found(&[("value", &["a", "b"])]), ["team"]);
        assert_eq!(found(&[("tag:Name", &["w?b"])]), ["Name"]);
        assert_eq!(found(&[("tag:Name", &["other"])]), [""; 0]);
        assert_eq!(found(&[("resource-id", &["vol-2"])]), [""; 0]);
        let question = asked(&[("resource-type", &["volume"])]).unwrap();
        assert!(question.tags(SNAPSHOT, "snap-1", &document).unwrap().is_empty(), "of another type");
        let key = MarkKey::default();
        let mark = SecretTags::new(&["*password*"], &key).mark("vol-1", "password", "x");
        let secret = Document::new(Map::from([("Tags", tags([("password", mark.as_str())]))]));
        let by_value = asked(&[("resource-type", &["volume"]), ("value", &["x"])]).unwrap();
        assert!(matches!(by_value.tags(VOLUME, "vol-1", &secret), Err(CopyFault::Redacted(_))));
        let by_key = asked(&[("resource-type", &["volume"]), ("key", &["password"])]).unwrap();
        assert_eq!(by_key.tags(VOLUME, "vol-1", &secret).unwrap().len(), 1);
    }
}

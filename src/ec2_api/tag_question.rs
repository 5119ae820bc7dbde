//! What a request for tags asks of the copy, and whether the copy can have all of the answer.
//!
//! AWS lists the tags of whatever has tags, and the copy has those of the kinds that are held. So a request must confine itself to
//! these, by types (the filter `resource-type`) or by ids (`resource-id`): the copy has all of such an answer. An account may tag images
//! and snapshots of others as well, of which the copy has few: so these have to be named.

use thiserror::Error;

use super::request::AskedFilter;
use super::sent_text::shown;
use super::unknown_filter::UnknownFilter;
use crate::kinds::{self, KINDS, KindSpec};
use crate::model::glob::{Piece, exact, matches, pieces};
use crate::model::{Document, Map, Value};

/// What a request asks of the tags of resources.
#[derive(Clone, Debug)]
pub struct TagQuestion {
    /// The kinds whose resources are asked about, in the order in which they are shown.
    pub kinds: Vec<&'static KindSpec>,
    /// The ids that are asked about, if only some are.
    pub ids: Option<Vec<String>>,
    tests: Vec<TagTest>,
}

/// Why the copy cannot have all of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TagQuestionError {
    /// A filter that nobody here knows.
    #[error(transparent)]
    NoFilter(#[from] UnknownFilter),
    /// It asks about what is not held, or about everything.
    #[error(
        "Muster's copy cannot answer DescribeTags about {what}: confine it to types of resources that Muster holds ({held}) by the \
         filter resource-type, or to ids by resource-id, or send this call to AWS, by a client without AWS_ENDPOINT_URL_EC2"
    )]
    Unconfined {
        /// What it asks about.
        what: String,
        /// The types of which all tags are held.
        held: String,
    },
}

/// What one filter tests of a tag and its resource: one of the values must match.
#[derive(Clone, Debug)]
struct TagTest {
    on: TagPart,
    any: Vec<Vec<Piece>>,
}

/// What a filter is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum TagPart {
    Key,
    Value,
    /// The value of the tag with this key.
    ValueOf(String),
    Id,
    Type,
}

impl TagQuestion {
    /// What the filters of a request ask.
    ///
    /// # Errors
    /// When they have one that AWS does not document, or do not confine the request to what is held.
    pub fn of(filters: &[AskedFilter]) -> Result<Self, TagQuestionError> {
        let mut tests = Vec::new();
        for AskedFilter { name, values } in filters {
            let on = match (name.as_str(), name.strip_prefix("tag:")) {
                ("key", _) => TagPart::Key,
                ("value", _) => TagPart::Value,
                ("resource-id", _) => TagPart::Id,
                ("resource-type", _) => TagPart::Type,
                (_, Some(key)) => TagPart::ValueOf(key.to_owned()),
                _ => return Err(UnknownFilter::new("DescribeTags", name).into()),
            };
            tests.push(TagTest { on, any: values.iter().map(|value| pieces(value)).collect() });
        }
        let (mut kinds, mut ids, mut why) = (None, None, None);
        for test in &tests {
            match test.confines() {
                Some(Ok(found)) => kinds = Some(common(kinds, found)),
                Some(Err(other)) => why = why.or(Some(other)),
                None => {}
            }
            if test.on == TagPart::Id && ids.is_none() {
                ids = test.any.iter().map(|value| exact(value)).collect();
            }
        }
        let Some(kinds) = kinds else {
            return Err(unconfined(why.unwrap_or_else(|| "everything that has tags".to_owned())));
        };
        if ids.is_none()
            && let Some(kind) = kinds.iter().find(|kind| kind.own_only)
        {
            let of_type = kind.arn_type().unwrap_or_default();
            return Err(unconfined(format!(
                "all resources of the type {of_type}, since an account may tag those of others as well"
            )));
        }
        Ok(TagQuestion { kinds, ids, tests })
    }

    /// Whether a tag of a resource of `kind` may be asked for, as far as everything but its value tells.
    #[must_use]
    pub fn may_ask(&self, kind: &KindSpec, id: &str, key: &str) -> bool {
        let Some(of_type) = kind.arn_type() else { return false };
        self.tests.iter().all(|test| match &test.on {
            TagPart::Key => test.is_met(key),
            TagPart::Value => true,
            TagPart::ValueOf(named) => named == key,
            TagPart::Id => test.is_met(id),
            TagPart::Type => test.is_met(of_type),
        })
    }

    /// Those of the tags of a resource of `kind` that are asked for, as the answer lists them.
    #[must_use]
    pub fn asked<'t>(
        &self,
        kind: &KindSpec,
        id: &str,
        tags: impl IntoIterator<Item = (&'t str, &'t str)>,
    ) -> Vec<Document> {
        let Some(of_type) = kind.arn_type() else { return Vec::new() };
        let is_asked = |(key, value): &(&str, &str)| {
            self.tests.iter().all(|test| match &test.on {
                TagPart::Key => test.is_met(key),
                TagPart::Value => test.is_met(value),
                TagPart::ValueOf(named) => named == key && test.is_met(value),
                TagPart::Id => test.is_met(id),
                TagPart::Type => test.is_met(of_type),
            })
        };
        let listed = |(key, value): (&str, &str)| {
            let fields = [("Key", key), ("ResourceId", id), ("ResourceType", of_type), ("Value", value)];
            Document::new(fields.map(|(name, text)| (name, Value::from(text))).into_iter().collect::<Map>())
        };
        tags.into_iter().filter(is_asked).map(listed).collect()
    }
}

/// That the copy cannot answer about so much.
fn unconfined(what: String) -> TagQuestionError {
    let held = KINDS.iter().filter(|spec| !spec.own_only).filter_map(|spec| spec.arn_type());
    TagQuestionError::Unconfined { what, held: held.collect::<Vec<_>>().join(", ") }
}

impl TagTest {
    /// The kinds that it confines a request to; an error with what it lets in that is not held, and `None` for a test of the tag.
    fn confines(&self) -> Option<Result<Vec<&'static KindSpec>, String>> {
        let (what, kind_of): (&str, fn(&str) -> Option<&'static KindSpec>) = match self.on {
            TagPart::Type => ("resources of the type", kinds::of_arn_type),
            TagPart::Id => ("the resource", kinds::of_id),
            TagPart::Key | TagPart::Value | TagPart::ValueOf(_) => return None,
        };
        let mut found = Vec::new();
        for value in &self.any {
            match exact(value) {
                Some(value) => match kind_of(&value) {
                    Some(kind) => found.push(kind),
                    None => return Some(Err(format!("{what} {}", shown(&value)))),
                },
                None if self.on == TagPart::Type => return Some(Err("types with wildcards".to_owned())),
                None => return Some(Err("ids with wildcards".to_owned())),
            }
        }
        Some(Ok(KINDS.iter().filter(|spec| found.iter().any(|kind| kind.slug == spec.slug)).copied().collect()))
    }

    fn is_met(&self, text: &str) -> bool {
        self.any.iter().any(|value| matches(value, text))
    }
}

/// The kinds that both leave.
fn common(before: Option<Vec<&'static KindSpec>>, found: Vec<&'static KindSpec>) -> Vec<&'static KindSpec> {
    match before {
        Some(before) => before.into_iter().filter(|kind| found.iter().any(|other| other.slug == kind.slug)).collect(),
        None => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Filters as a test writes them.
    type PlainFilters<'a> = &'a [(&'a str, &'a [&'a str])];

    fn asked(filters: PlainFilters<'_>) -> Result<TagQuestion, TagQuestionError> {
        let filter = |(name, values): &(&str, &[&str])| AskedFilter {
            name: (*name).to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        TagQuestion::of(&filters.iter().map(filter).collect::<Vec<_>>())
    }

    fn kinds_of(filters: PlainFilters<'_>) -> Vec<&'static str> {
        asked(filters).unwrap().kinds.iter().map(|kind| kind.slug).collect()
    }

    #[test]
    fn types_or_ids_confine_a_question_to_what_is_held() {
        assert_eq!(
            kinds_of(&[("resource-type", &["volume", "elastic-ip", "instance"])]),
            ["instance", "address", "volume"]
        );
        assert_eq!(kinds_of(&[("resource-id", &["vol-1", "i-1"]), ("key", &["*"])]), ["instance", "volume"]);
        assert_eq!(kinds_of(&[("resource-id", &["vol-1", "i-1"]), ("resource-type", &["volume"])]), ["volume"]);
        assert_eq!(kinds_of(&[("resource-id", &["*-1"]), ("resource-type", &["natgateway"])]), ["nat-gateway"]);
        assert_eq!(kinds_of(&[("resource-id", &["i-1"]), ("resource-type", &["vpc"])]), Vec::<&str>::new());
        let ids = asked(&[("resource-id", &["i-1", "i-2"])]).unwrap().ids;
        assert_eq!(ids, Some(vec!["i-1".to_owned(), "i-2".to_owned()]));
        assert_eq!(asked(&[("resource-type", &["vpc"])]).unwrap().ids, None);
        assert_eq!(kinds_of(&[("resource-id", &["snap-1", "ami-1"])]), ["snapshot", "image"]);
        assert_eq!(kinds_of(&[("resource-type", &["image", "vpc"]), ("resource-id", &["vpc-1"])]), ["vpc"]);
    }

    #[test]
    fn a_question_about_more_than_is_held_is_refused_and_says_why() {
        let others = "since an account may tag those of others as well";
        let (images, snapshots) = (
            format!("all resources of the type image, {others}"),
            format!("all resources of the type snapshot, {others}"),
        );
        let cases: [(PlainFilters<'_>, &str); 8] = [
            (&[("resource-type", &["volume", "image"]), ("key", &["Name"])], &images),
            (&[("resource-type", &["snapshot"]), ("resource-id", &["snap-*"])], &snapshots),
            (&[], "everything that has tags"),
            (&[("key", &["Name"]), ("tag:a", &["b"])], "everything that has tags"),
            (&[("resource-type", &["instance", "key-pair"])], "resources of the type key-pair"),
            (&[("resource-type", &["inst*"])], "types with wildcards"),
            (&[("resource-id", &["i-*"])], "ids with wildcards"),
            (&[("resource-id", &["rtbassoc-1"])], "the resource rtbassoc-1"),
        ];
        for (filters, what) in cases {
            let error = asked(filters).unwrap_err().to_string();
            assert!(error.contains(&format!("about {what}: confine it")), "{error}");
        }
        for name in ["colour", "tag-value", "Key"] {
            assert_eq!(asked(&[(name, &["x"])]).unwrap_err(), UnknownFilter::new("DescribeTags", name).into());
        }
    }

    #[test]
    fn tags_that_match_are_listed_with_their_resource() {
        const TAGS: [(&str, &str); 3] = [("Name", "web-1"), ("team", "a"), ("empty", "")];
        let listed = |filters: PlainFilters<'_>| {
            let filters = [&[("resource-type", &["instance"][..])], filters].concat();
            let found = asked(&filters).unwrap().asked(kinds::INSTANCE, "i-1", TAGS);
            found.iter().map(|tag| tag.text("Key").unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(listed(&[]), ["Name", "team", "empty"]);
        assert_eq!(listed(&[("key", &["N*", "team"])]), ["Name", "team"]);
        assert_eq!(listed(&[("tag:Name", &["web-?"])]), ["Name"]);
        assert_eq!(listed(&[("tag:Name", &["db*"])]), Vec::<String>::new());
        assert_eq!(listed(&[("value", &[""])]), ["empty"]);
        assert_eq!(listed(&[("value", &["a"]), ("key", &["Name"])]), Vec::<String>::new());
        assert_eq!(listed(&[("resource-id", &["i-2"])]), Vec::<String>::new());
        let all = asked(&[("resource-type", &["instance"])]).unwrap().asked(kinds::INSTANCE, "i-1", TAGS);
        assert_eq!(
            format!("{:?}", all[0]),
            r#"{"Key": "Name", "ResourceId": "i-1", "ResourceType": "instance", "Value": "web-1"}"#
        );
    }
}

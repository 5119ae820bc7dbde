//! Which page of tags a request asks for, and what the copy does not tell of them.

use serde_json::json;
use xxhash_rust::xxh3::xxh3_64;

use super::copy_fault::CopyFault;
use super::question::tells;
use super::request::Ec2Request;
use super::tag_question::TagQuestion;
use super::walk_mark::WalkMark;
use crate::kinds::KindSpec;
use crate::model::secret_tags::is_mark;
use crate::model::{Document, Scope, SecretTags};
use crate::query::Cursor;

/// The action.
pub const DESCRIBE_TAGS: &str = "DescribeTags";

/// A page of tags that a request asks for.
#[derive(Clone, Debug)]
pub struct TagsPage {
    /// What it asks.
    pub question: TagQuestion,
    /// Whether it goes by the values of tags whatever their keys are.
    by_value: bool,
    /// The most tags of the page.
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// A hash of the question, which its cursors carry.
    pub hash: u64,
}

impl TagsPage {
    /// What a request asks, about `scope`. The values of `secrets` are not held.
    ///
    /// # Errors
    /// When the copy cannot have all of the answer, or AWS refuses such a request.
    pub fn of(request: &Ec2Request, scope: &Scope, secrets: &SecretTags) -> Result<Self, CopyFault> {
        let question = TagQuestion::of(&request.filters)?;
        tells(&request.filters, secrets)?;
        let filters: Vec<_> = request.filters.iter().map(|filter| (&filter.name, &filter.values)).collect();
        let hash = xxh3_64(json!([DESCRIBE_TAGS, scope.to_string(), filters]).to_string().as_bytes());
        let cursor = request.token().map(|token| Cursor::read(token).map_err(|_| CopyFault::Token)).transpose()?;
        let is_other = |cursor: &Cursor| {
            let is_kind = question.kinds.iter().any(|kind| cursor.after.kind.as_str() == kind.name);
            let is_other_mark = cursor.sorted.as_ref().is_some_and(|sorted| WalkMark::read(sorted).is_none());
            cursor.question != hash || !is_kind || cursor.after.scope() != *scope || is_other_mark
        };
        if cursor.as_ref().is_some_and(is_other) {
            return Err(CopyFault::Token);
        }
        let by_value = request.filters.iter().any(|filter| filter.name == "value");
        Ok(TagsPage { question, by_value, limit: request.page_size(), cursor, hash })
    }

    /// The tags of a resource that are asked for, as AWS lists them.
    ///
    /// # Errors
    /// When the value of a redacted tag may decide.
    pub fn tags(&self, kind: &KindSpec, id: &str, document: &Document) -> Result<Vec<Document>, CopyFault> {
        if self.by_value
            && let Some((key, _)) =
                document.tags().find(|(key, value)| is_mark(value) && self.question.may_ask(kind, id, key))
        {
            return Err(CopyFault::Redacted(key.to_owned()));
        }
        Ok(self.question.asked(kind, id, document.tags()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::request::parse;
    use crate::kinds::VOLUME;
    use crate::model::fixtures::{at_millis, scope, tags};
    use crate::model::secret_tags::MarkKey;
    use crate::model::{LogId, Map, ResourceId, Seq};
    use crate::query::Point;

    fn asked(parameters: &str) -> Result<TagsPage, CopyFault> {
        let of_volumes = "Filter.1.Name=resource-type&Filter.1.Value.1=volume";
        let body = format!("Action={DESCRIBE_TAGS}&Version=2016-11-15&{of_volumes}{parameters}");
        let secrets = SecretTags::new(&["*password*"], &MarkKey::default());
        TagsPage::of(&parse("POST", "", body.as_bytes())?, &scope(), &secrets)
    }

    #[test]
    fn a_token_is_of_its_question() {
        let page = asked("&MaxResults=5").unwrap();
        let after = ResourceId::new(&scope(), &VOLUME.kind(), "vol-1");
        let point = Some(Point { at: at_millis(1), seq: Seq(1) });
        let token = Cursor { log: LogId(1), question: page.hash, point, after, sorted: None }.encode();
        assert!(asked(&format!("&MaxResults=9&NextToken={token}")).unwrap().cursor.is_some());
        for other in [format!("&Filter.2.Name=key&Filter.2.Value.1=x&NextToken={token}"), "&NextToken=x".to_owned()] {
            assert_eq!(asked(&other).unwrap_err().code(), "InvalidNextToken", "{other}");
        }
    }

    #[test]
    fn redacted_values_decide_nothing() {
        let mark = SecretTags::new(&["*password*"], &MarkKey::default()).mark("vol-1", "password", "x");
        let secret = Document::new(Map::from([("Tags", tags([("password", mark.as_str())]))]));
        let count = |parameters: &str| Ok::<_, CopyFault>(asked(parameters)?.tags(VOLUME, "vol-1", &secret)?.len());
        assert_eq!(count("&Filter.2.Name=key&Filter.2.Value.1=password").unwrap(), 1);
        for by_value in ["&Filter.2.Name=value&Filter.2.Value.1=x", "&Filter.2.Name=tag:password&Filter.2.Value.1=x"] {
            assert!(matches!(count(by_value), Err(CopyFault::Redacted(_))), "{by_value}");
        }
        // What another filter leaves out anyway is not compared.
        let by_value = "&Filter.2.Name=value&Filter.2.Value.1=x";
        for left_out in
            ["&Filter.3.Name=key&Filter.3.Value.1=Name", "&Filter.3.Name=resource-id&Filter.3.Value.1=vol-2"]
        {
            assert_eq!(count(&format!("{by_value}{left_out}")).unwrap(), 0, "{left_out}");
        }
    }
}

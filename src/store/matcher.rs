//! Which rows a search wants: conditions over facets and tags, as AWS's filters have them.

use wildmatch::WildMatchPattern;

use crate::model::glob::{Piece, pieces};
use crate::model::{RowFields, written};

/// Stand for unescaped `*` and `?` in a compiled pattern, so that escaped ones can stay themselves. Noncharacters, which
/// no text from AWS contains.
const MANY: char = '\u{FDD0}';
const ONE: char = '\u{FDD1}';

/// A value or a pattern of values: `*` stands for any text, `?` for one character, `\` takes the next character as it is.
/// Case counts, as with AWS.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern(Form);

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Exact(String),
    Wild(WildMatchPattern<MANY, ONE>),
    /// One moment: as documents write it, and as filters do, where milliseconds hold it.
    Moment(String, Option<String>),
    /// Wildcards over times, compared with both ways of writing them.
    WildTime(WildMatchPattern<MANY, ONE>),
}

impl Pattern {
    /// Compiles a filter value. Every text is a pattern; a lone `\` at the end stands for itself.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (wild, compiled) = compile(text);
        Pattern(if wild { Form::Wild(WildMatchPattern::new(&compiled)) } else { Form::Exact(compiled) })
    }

    /// Matches this text and nothing else, whatever characters it has.
    #[must_use]
    pub fn exactly(text: &str) -> Self {
        Pattern(Form::Exact(text.to_owned()))
    }

    /// Compiles a filter value on times. It matches a document's time also in the form that AWS documents for filters
    /// (`2026-03-30T15:15:21.000Z`); without wildcards any RFC 3339 text matches the same moment.
    #[must_use]
    pub fn time(text: &str) -> Self {
        let (wild, compiled) = compile(text);
        Pattern(match (wild, written::both(&compiled)) {
            (true, _) => Form::WildTime(WildMatchPattern::new(&compiled)),
            (false, Some((document, filter))) => Form::Moment(document, filter),
            (false, None) => Form::Exact(compiled),
        })
    }

    /// Whether `text` is what the pattern describes.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Form::Exact(exact) => exact == text,
            Form::Wild(wild) => wild.matches(text),
            Form::Moment(document, filter) => {
                document == text || filter.is_some() && written::as_filter(text) == *filter
            }
            Form::WildTime(wild) => {
                wild.matches(text) || written::as_filter(text).is_some_and(|written| wild.matches(&written))
            }
        }
    }

    /// The one text that matches, when there are no wildcards and no second way of writing it.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        match &self.0 {
            Form::Exact(exact) => Some(exact),
            Form::Wild(_) | Form::Moment(..) | Form::WildTime(_) => None,
        }
    }
}

/// Whether a filter value has wildcards, and its text with them as [`MANY`] and [`ONE`].
fn compile(text: &str) -> (bool, String) {
    let mut wild = false;
    let compiled = pieces(text).into_iter().map(|piece| {
        wild |= !matches!(piece, Piece::One(_));
        match piece {
            Piece::AnyMany => MANY,
            Piece::AnyOne => ONE,
            // Nothing that AWS has matches these; they must not act as wildcards.
            Piece::One(MANY | ONE) => char::REPLACEMENT_CHARACTER,
            Piece::One(c) => c,
        }
    });
    let compiled = compiled.collect();
    (wild, compiled)
}

/// What a pattern is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// Each value of the filter with this number in its kind.
    Facet(u16),
    /// Each tag's key.
    TagKey,
    /// The value of the tag with this key.
    Tag(String),
}

/// One comparison. It holds when any value on the left matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// With what.
    pub on: On,
    /// The wanted form.
    pub pattern: Pattern,
}

impl On {
    /// The values that a row has there.
    #[must_use]
    pub fn values<'r>(&self, fields: &'r RowFields) -> Box<dyn Iterator<Item = &'r str> + 'r> {
        let tags = fields.tags.iter();
        match self {
            On::Facet(wanted) => {
                let wanted = *wanted;
                let facets = fields.facets.iter().filter(move |(number, _)| *number == wanted);
                Box::new(facets.map(|(_, value)| value.as_str()))
            }
            On::TagKey => Box::new(tags.map(|(key, _)| key.as_str())),
            On::Tag(wanted) => {
                let wanted = wanted.clone();
                Box::new(tags.filter(move |(key, _)| *key == wanted).map(|(_, value)| value.as_str()))
            }
        }
    }
}

impl Test {
    /// Whether a row passes.
    #[must_use]
    pub fn holds(&self, fields: &RowFields) -> bool {
        match &self.on {
            On::Facet(number) => {
                fields.facets.iter().any(|(facet, value)| facet == number && self.pattern.matches(value))
            }
            On::TagKey => fields.tags.iter().any(|(key, _)| self.pattern.matches(key)),
            On::Tag(wanted) => fields.tags.iter().any(|(key, value)| key == wanted && self.pattern.matches(value)),
        }
    }
}

/// Conditions that all have to hold; each holds when any of its tests does. Without conditions every row matches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matcher {
    conditions: Vec<Vec<Test>>,
}

impl Matcher {
    /// Matches every row.
    #[must_use]
    pub fn any() -> Self {
        Matcher::default()
    }

    /// Demands in addition that one of `tests` holds. An empty list matches nothing.
    #[must_use]
    pub fn and(mut self, tests: Vec<Test>) -> Self {
        self.conditions.push(tests);
        self
    }

    /// The conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Vec<Test>] {
        &self.conditions
    }

    /// Whether a row matches.
    #[must_use]
    pub fn matches(&self, fields: &RowFields) -> bool {
        self.conditions.iter().all(|tests| tests.iter().any(|test| test.holds(fields)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        assert!(Pattern::new("web-*").matches("web-"));
        assert!(Pattern::new("web-?").matches("web-1"));
        assert!(!Pattern::new("web-?").matches("web-"));
        assert!(Pattern::new("*").matches(""));
        assert!(!Pattern::new("Web").matches("web"));
    }

    #[test]
    fn a_backslash_takes_the_wildcard_out_of_a_character() {
        assert_eq!(Pattern::new(r"a\*b\?\\").exact(), Some(r"a*b?\"));
        assert!(Pattern::new(r"\**").matches("*x"));
        assert!(!Pattern::new(r"\**").matches("x*"));
        assert_eq!(Pattern::new(r"end\").exact(), Some(r"end\"));
    }

    #[test]
    fn a_time_matches_as_aws_writes_it_and_as_documents_do() {
        let (whole, parts) = ("2026-03-30T15:15:21+00:00", "2026-03-30T15:15:21.120000+00:00");
        for matching in ["2026-03-30T15:15:21.000Z", whole, "2026-03-30T15:15:21Z", "2026-03-30T17:15:21+02:00"] {
            assert!(Pattern::time(matching).matches(whole) && !Pattern::time(matching).matches(parts), "{matching}");
        }
        for matching in ["2026-03-30T15:15:21.120Z", parts, "2026-03-30T15:15:21.12Z"] {
            assert!(Pattern::time(matching).matches(parts) && !Pattern::time(matching).matches(whole), "{matching}");
        }
        for both in ["2026-03-30T*", "2026-03-30T15:15:21*", "*Z", "*+00:00", "2026-03-30T15:15:21.???Z", "*"] {
            assert!(Pattern::time(both).matches(whole), "{both}");
            assert!(Pattern::time(both).matches(parts), "{both}");
        }
        assert!(Pattern::time("2026-03-30T15:15:21.*Z").matches(parts));
        assert!(!Pattern::time("2026-03-31*").matches(whole));
        // AWS counts milliseconds where a document of an emulator may have more.
        assert!(Pattern::time("2026-03-30T15:15:21.123Z").matches("2026-03-30T15:15:21.123456+00:00"));
        assert!(Pattern::time("running").matches("running"));
    }

    #[test]
    fn the_internal_wildcard_characters_are_no_wildcards_in_a_filter() {
        assert!(!Pattern::new("\u{FDD0}").matches("anything"));
        assert!(!Pattern::new("*\u{FDD0}").matches("anything"));
    }

    #[test]
    fn conditions_are_joined_by_and_their_tests_by_or() {
        let fields = RowFields {
            facets: vec![(1, "running".into()), (2, "sg-1".into()), (2, "sg-2".into())],
            tags: vec![("Name".into(), "web-1".into())],
            ..RowFields::default()
        };
        let facet = |number, text: &str| Test { on: On::Facet(number), pattern: Pattern::new(text) };
        let tag = |key: &str, text: &str| Test { on: On::Tag(key.into()), pattern: Pattern::new(text) };
        assert!(Matcher::any().matches(&fields));
        assert!(Matcher::any().and(vec![facet(1, "stopped"), facet(1, "run*")]).matches(&fields));
        assert!(Matcher::any().and(vec![facet(2, "sg-2")]).and(vec![tag("Name", "web-*")]).matches(&fields));
        assert!(!Matcher::any().and(vec![facet(2, "sg-2")]).and(vec![tag("name", "web-*")]).matches(&fields));
        assert!(!Matcher::any().and(Vec::new()).matches(&fields));
        assert!(Matcher::any().and(vec![Test { on: On::TagKey, pattern: Pattern::new("N?me") }]).matches(&fields));
    }
}

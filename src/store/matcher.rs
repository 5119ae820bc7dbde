//! The conditions of a search over facets and tags, like AWS's filters.

use std::collections::BTreeSet;

use wildmatch::WildMatchPattern;

use super::row_view::RowView;
use super::value_bound::ValueBound;
use crate::model::glob::{Piece, pieces};
use crate::model::{Kind, ResourceId, Row, Scope, written};
use crate::policy::grant::tagged_as;
use crate::policy::{Grant, Visibility};

/// Stand for unescaped `*` and `?` in a compiled pattern, so that escaped ones stay literal. They are noncharacters, which no text
/// from AWS contains.
const MANY: char = '\u{FDD0}';
const ONE: char = '\u{FDD1}';

/// A value, or a pattern of values: `*` matches any text, `?` one character, and `\` makes the next character literal.
/// Case-sensitive, as in AWS.
#[derive(Clone, Debug, PartialEq)]
pub struct ValuePattern(PatternForm);

#[derive(Clone, Debug, PartialEq)]
enum PatternForm {
    Exact(String),
    Wild(WildMatchPattern<MANY, ONE>),
    /// One moment, as documents write it, and as filters write it if milliseconds can hold it.
    Moment(String, Option<String>),
    /// Wildcards over times, compared with both written forms.
    WildTime(WildMatchPattern<MANY, ONE>),
    /// Every value that keeps all of these bounds.
    Bounded(Vec<ValueBound>),
    /// Exactly one of these.
    OneOf(BTreeSet<String>),
    /// No value at all.
    Absent,
}

impl ValuePattern {
    /// Compiles a filter value. Every text is valid; a `\` at the end is literal.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (wild, compiled) = compile(text);
        ValuePattern(if wild {
            PatternForm::Wild(WildMatchPattern::new(&compiled))
        } else {
            PatternForm::Exact(compiled)
        })
    }

    /// Matches this text and nothing else, whatever characters it has.
    #[must_use]
    pub fn exactly(text: &str) -> Self {
        ValuePattern(PatternForm::Exact(text.to_owned()))
    }

    /// Matches every text that begins with this one, whatever characters it has.
    #[must_use]
    pub fn beginning(text: &str) -> Self {
        let text = text.replace([MANY, ONE], "\u{FFFD}");
        ValuePattern(PatternForm::Wild(WildMatchPattern::new(&format!("{text}{MANY}"))))
    }

    /// Compiles a filter value for times. It also matches a document's time in the form that AWS documents for filters
    /// (`2026-03-30T15:15:21.000Z`); without wildcards, any RFC 3339 text matches the same moment.
    #[must_use]
    pub fn time(text: &str) -> Self {
        let (wild, compiled) = compile(text);
        ValuePattern(match (wild, written::both(&compiled)) {
            (true, _) => PatternForm::WildTime(WildMatchPattern::new(&compiled)),
            (false, Some((document, filter))) => PatternForm::Moment(document, filter),
            (false, None) => PatternForm::Exact(compiled),
        })
    }

    /// Matches every value that keeps all bounds.
    #[must_use]
    pub fn bounded(bounds: Vec<ValueBound>) -> Self {
        ValuePattern(PatternForm::Bounded(bounds))
    }

    /// Matches each of these texts and nothing else, whatever characters they have.
    #[must_use]
    pub fn one_of(texts: BTreeSet<String>) -> Self {
        ValuePattern(PatternForm::OneOf(texts))
    }

    /// Matches no value: a comparison with it holds for rows that have none.
    #[must_use]
    pub fn absent() -> Self {
        ValuePattern(PatternForm::Absent)
    }

    /// About how many bytes it takes on the heap.
    fn bytes(&self) -> usize {
        let wild = |wild: &WildMatchPattern<MANY, ONE>| size_of::<char>() * wild.to_string().len();
        match &self.0 {
            PatternForm::Exact(text) => text.len(),
            PatternForm::Wild(pattern) | PatternForm::WildTime(pattern) => wild(pattern),
            PatternForm::Moment(document, filter) => document.len() + filter.as_ref().map_or(0, String::len),
            PatternForm::Bounded(bounds) => size_of_val(bounds.as_slice()),
            PatternForm::OneOf(texts) => texts.iter().map(|text| size_of::<String>() + text.len()).sum(),
            PatternForm::Absent => 0,
        }
    }

    /// Whether a comparison with it holds for rows without any value.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.0 == PatternForm::Absent
    }

    /// Whether `text` matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            PatternForm::Exact(exact) => exact == text,
            PatternForm::Wild(wild) => wild.matches(text),
            PatternForm::Moment(document, filter) => {
                document == text || filter.is_some() && written::as_filter(text) == *filter
            }
            PatternForm::WildTime(wild) => {
                wild.matches(text) || written::as_filter(text).is_some_and(|written| wild.matches(&written))
            }
            PatternForm::Bounded(bounds) => bounds.iter().all(|bound| bound.admits(text)),
            PatternForm::OneOf(texts) => texts.contains(text),
            PatternForm::Absent => false,
        }
    }

    /// The only text that matches, if there are no wildcards and only one written form.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        match &self.0 {
            PatternForm::Exact(exact) => Some(exact),
            PatternForm::Wild(_)
            | PatternForm::Moment(..)
            | PatternForm::WildTime(_)
            | PatternForm::Bounded(_)
            | PatternForm::OneOf(_)
            | PatternForm::Absent => None,
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
            // No text from AWS has these; they must not act as wildcards.
            Piece::One(MANY | ONE) => char::REPLACEMENT_CHARACTER,
            Piece::One(c) => c,
        }
    });
    let compiled = compiled.collect();
    (wild, compiled)
}

/// The values that a pattern is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// Each value of the filter with this number in its kind.
    Facet(u16),
    /// Each tag's key.
    TagKey,
    /// The value of the tag with this key.
    Tag(String),
    /// The account that sees the resource.
    Account,
    /// The region.
    Region,
}

/// One comparison: it holds if any of the values matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The values to compare.
    pub on: On,
    /// The pattern to match.
    pub pattern: ValuePattern,
}

impl On {
    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<On>() + if let On::Tag(key) = self { key.len() } else { 0 }
    }

    /// The part of a scope that is compared; `None` where something else is.
    #[must_use]
    pub fn part<'s>(&self, scope: &'s Scope) -> Option<&'s str> {
        match self {
            On::Account => Some(scope.account.as_str()),
            On::Region => Some(scope.region.as_str()),
            On::Facet(_) | On::TagKey | On::Tag(_) => None,
        }
    }

    /// The values of a row that is only looked at.
    #[must_use]
    pub fn values_of<'r>(&'r self, id: &'r ResourceId, row: &'r RowView<'r>) -> Box<dyn Iterator<Item = &'r str> + 'r> {
        let tags = row.tags.iter();
        match self {
            On::Facet(wanted) => {
                Box::new(row.facets.iter().filter(move |(number, _)| number == wanted).map(|(_, value)| *value))
            }
            On::TagKey => Box::new(tags.map(|(key, _)| *key)),
            On::Tag(wanted) => Box::new(tags.filter(move |(key, _)| key == wanted).map(|(_, value)| *value)),
            On::Account => Box::new(std::iter::once(id.account.as_str())),
            On::Region => Box::new(std::iter::once(id.region.as_str())),
        }
    }

    /// The values of a row.
    #[must_use]
    pub fn values<'r>(&self, row: &'r Row) -> Box<dyn Iterator<Item = &'r str> + 'r> {
        let tags = row.fields.tags.iter();
        match self {
            On::Facet(wanted) => {
                let wanted = *wanted;
                let facets = row.fields.facets.iter().filter(move |(number, _)| *number == wanted);
                Box::new(facets.map(|(_, value)| value.as_str()))
            }
            On::TagKey => Box::new(tags.map(|(key, _)| key.as_str())),
            On::Tag(wanted) => {
                let wanted = wanted.clone();
                Box::new(tags.filter(move |(key, _)| *key == wanted).map(|(_, value)| value.as_str()))
            }
            On::Account => Box::new(std::iter::once(row.id.account.as_str())),
            On::Region => Box::new(std::iter::once(row.id.region.as_str())),
        }
    }
}

impl Comparison {
    /// Whether a row satisfies the comparison.
    #[must_use]
    pub fn holds(&self, row: &Row) -> bool {
        let facets = row.fields.facets.iter().map(|(number, value)| (*number, value.as_str()));
        let tags = row.fields.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        self.holds_among(&row.id, facets, tags)
    }

    /// Whether a row that is only looked at satisfies it.
    #[must_use]
    pub fn holds_for(&self, id: &ResourceId, row: &RowView<'_>) -> bool {
        self.holds_among(id, row.facets.iter().copied(), row.tags.iter().copied())
    }

    fn holds_among<'r>(
        &self,
        id: &ResourceId,
        mut facets: impl Iterator<Item = (u16, &'r str)>,
        mut tags: impl Iterator<Item = (&'r str, &'r str)>,
    ) -> bool {
        let absent = self.pattern.is_absent();
        let passes = |value: &str| absent || self.pattern.matches(value);
        let found = match &self.on {
            On::Facet(wanted) => facets.any(|(number, value)| number == *wanted && passes(value)),
            On::TagKey => tags.any(|(key, _)| passes(key)),
            On::Tag(wanted) => tags.any(|(key, value)| key == wanted && passes(value)),
            On::Account => passes(id.account.as_str()),
            On::Region => passes(id.region.as_str()),
        };
        found != absent
    }
}

/// How many conditions the visibility of somebody may come to for the index to judge it.
const MOST_CONDITIONS: usize = 64;

/// Conditions that must all hold; each holds if any of its comparisons does. Without conditions every row matches.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Matcher {
    conditions: Vec<Vec<Comparison>>,
    whole: Option<Box<(Kind, Matcher)>>,
}

impl Matcher {
    /// Matches every row.
    #[must_use]
    pub fn any() -> Self {
        Matcher::default()
    }

    /// Adds the condition that one of `tests` holds. An empty list matches nothing.
    #[must_use]
    pub fn and(mut self, tests: Vec<Comparison>) -> Self {
        self.conditions.push(tests);
        self
    }

    /// The same for whoever sees only this: of a kind, only what is visible matches, for the index to judge. `None` where that cannot be
    /// said by conditions of reasonable size.
    #[must_use]
    pub fn limited_to(&self, visibility: &Visibility, kind: &Kind) -> Option<Self> {
        let Some(grants) = visibility.grants_for(kind) else { return Some(self.clone()) };
        match tagged_as(kind).filter(|_| visibility.goes_by_tags(kind)) {
            None => self.and_any_of(grants),
            // Without tags it is seen whether there is a whole or not.
            Some(_) if visibility.grants_for(kind)?.any(|grant| grant.tags.is_empty()) => None,
            Some(whole) => {
                let seen = Matcher::any().and_any_of(grants)?;
                Some(Matcher { whole: Some(Box::new((whole, seen))), ..self.clone() })
            }
        }
    }

    /// Adds the condition that any of these grants holds a resource of a kind of which it holds something.
    fn and_any_of<'g>(&self, grants: impl Iterator<Item = &'g Grant>) -> Option<Self> {
        let exact = |on: On, text: &str| Comparison { on, pattern: ValuePattern::exactly(text) };
        // The conditions of each grant, all of which hold where it does: any one of each grant is a condition of the whole.
        let mut chosen: Vec<Vec<Comparison>> = vec![Vec::new()];
        for grant in grants {
            let mut conditions: Vec<Vec<Comparison>> = Vec::new();
            if let Some(accounts) = &grant.accounts {
                conditions.push(accounts.iter().map(|account| exact(On::Account, account.as_str())).collect());
            }
            if let Some(regions) = &grant.regions {
                conditions.push(regions.iter().map(|region| exact(On::Region, region.as_str())).collect());
            }
            for (key, values) in &grant.tags {
                let on = || On::Tag(key.clone());
                let test = |pattern| Comparison { on: on(), pattern: ValuePattern::new(pattern) };
                conditions.push(values.patterns().map(test).collect());
            }
            if conditions.is_empty() {
                // It holds everything.
                return Some(self.clone());
            }
            if chosen.len() * conditions.len() > MOST_CONDITIONS {
                return None;
            }
            let with = |before: &Vec<Comparison>| {
                let before = before.clone();
                conditions
                    .iter()
                    .map(move |condition| before.iter().chain(condition).cloned().collect())
                    .collect::<Vec<_>>()
            };
            chosen = chosen.iter().flat_map(with).collect();
        }
        Some(chosen.into_iter().fold(self.clone(), Matcher::and))
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        let tests = self.conditions.iter().flatten();
        size_of_val(self.conditions.as_slice())
            + tests.map(|test| test.on.bytes() + test.pattern.bytes()).sum::<usize>()
    }

    /// What the row of another kind has to match, with the same id in the same scope: that of which a matching row is a part. Only the
    /// index looks at it.
    #[must_use]
    pub fn whole(&self) -> Option<(&Kind, &Matcher)> {
        self.whole.as_deref().map(|(kind, matcher)| (kind, matcher))
    }

    /// The conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Vec<Comparison>] {
        &self.conditions
    }

    /// Whether a row matches.
    #[must_use]
    pub fn matches(&self, row: &Row) -> bool {
        self.conditions.iter().all(|tests| tests.iter().any(|test| test.holds(row)))
    }

    /// Whether a row that is only looked at matches.
    #[must_use]
    pub fn sees(&self, id: &ResourceId, row: &RowView<'_>) -> bool {
        self.conditions.iter().all(|tests| tests.iter().any(|test| test.holds_for(id, row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::RowFields;
    use crate::model::fixtures::row;

    #[test]
    fn a_beginning_is_matched_as_it_stands() {
        let web = ValuePattern::beginning("web*?\\");
        assert!(web.matches("web*?\\") && web.matches("web*?\\1"));
        assert!(!web.matches("web") && !web.matches("web-a\\") && !web.matches("a web*?\\"));
        assert!(ValuePattern::beginning("").matches("x"));
    }

    #[test]
    fn a_star_is_any_text_and_a_question_mark_one_character() {
        assert!(ValuePattern::new("web-*").matches("web-"));
        assert!(ValuePattern::new("web-?").matches("web-1"));
        assert!(!ValuePattern::new("web-?").matches("web-"));
        assert!(ValuePattern::new("*").matches(""));
        assert!(!ValuePattern::new("Web").matches("web"));
    }

    #[test]
    fn a_backslash_makes_a_wildcard_literal() {
        assert_eq!(ValuePattern::new(r"a\*b\?\\").exact(), Some(r"a*b?\"));
        assert!(ValuePattern::new(r"\**").matches("*x"));
        assert!(!ValuePattern::new(r"\**").matches("x*"));
        assert_eq!(ValuePattern::new(r"end\").exact(), Some(r"end\"));
    }

    #[test]
    fn a_time_matches_as_aws_writes_it_and_as_documents_do() {
        let (whole, parts) = ("2026-03-30T15:15:21+00:00", "2026-03-30T15:15:21.120000+00:00");
        for matching in ["2026-03-30T15:15:21.000Z", whole, "2026-03-30T15:15:21Z", "2026-03-30T17:15:21+02:00"] {
            assert!(
                ValuePattern::time(matching).matches(whole) && !ValuePattern::time(matching).matches(parts),
                "{matching}"
            );
        }
        for matching in ["2026-03-30T15:15:21.120Z", parts, "2026-03-30T15:15:21.12Z"] {
            assert!(
                ValuePattern::time(matching).matches(parts) && !ValuePattern::time(matching).matches(whole),
                "{matching}"
            );
        }
        for both in ["2026-03-30T*", "2026-03-30T15:15:21*", "*Z", "*+00:00", "2026-03-30T15:15:21.???Z", "*"] {
            assert!(ValuePattern::time(both).matches(whole), "{both}");
            assert!(ValuePattern::time(both).matches(parts), "{both}");
        }
        assert!(ValuePattern::time("2026-03-30T15:15:21.*Z").matches(parts));
        assert!(!ValuePattern::time("2026-03-31*").matches(whole));
        // AWS counts milliseconds; a document of an emulator may have more digits.
        assert!(ValuePattern::time("2026-03-30T15:15:21.123Z").matches("2026-03-30T15:15:21.123456+00:00"));
        assert!(ValuePattern::time("running").matches("running"));
    }

    #[test]
    fn the_internal_wildcard_characters_are_not_wildcards_in_a_filter() {
        assert!(!ValuePattern::new("\u{FDD0}").matches("anything"));
        assert!(!ValuePattern::new("*\u{FDD0}").matches("anything"));
    }

    #[test]
    fn conditions_are_joined_by_and_their_comparisons_by_or() {
        let row = row(RowFields {
            facets: vec![(1, "running".into()), (2, "sg-1".into()), (2, "sg-2".into())],
            tags: vec![("Name".into(), "web-1".into())],
            ..RowFields::default()
        });
        let facet = |number, text: &str| Comparison { on: On::Facet(number), pattern: ValuePattern::new(text) };
        let tag = |key: &str, text: &str| Comparison { on: On::Tag(key.into()), pattern: ValuePattern::new(text) };
        let looked = |matcher: Matcher| {
            let seen = matcher.sees(&row.id, &RowView::of(&row));
            assert_eq!(matcher.matches(&row), seen);
            seen
        };
        assert!(looked(Matcher::any()));
        assert!(looked(Matcher::any().and(vec![facet(3, "x"), tag("Name", "web-*")])));
        for on in [On::Facet(2), On::Facet(3), On::Tag("Name".into()), On::Tag("name".into()), On::TagKey, On::Region] {
            let view = RowView::of(&row);
            assert_eq!(on.values_of(&row.id, &view).collect::<Vec<_>>(), on.values(&row).collect::<Vec<_>>());
            let absent = Comparison { on: on.clone(), pattern: ValuePattern::absent() };
            assert_eq!(looked(Matcher::any().and(vec![absent])), on.values(&row).next().is_none());
        }
        assert!(Matcher::any().matches(&row));
        assert!(Matcher::any().and(vec![facet(1, "stopped"), facet(1, "run*")]).matches(&row));
        assert!(Matcher::any().and(vec![facet(2, "sg-2")]).and(vec![tag("Name", "web-*")]).matches(&row));
        assert!(!Matcher::any().and(vec![facet(2, "sg-2")]).and(vec![tag("name", "web-*")]).matches(&row));
        assert!(!Matcher::any().and(Vec::new()).matches(&row));
        assert!(
            Matcher::any().and(vec![Comparison { on: On::TagKey, pattern: ValuePattern::new("N?me") }]).matches(&row)
        );
        let (account, region) = (row.id.account.as_str(), row.id.region.as_str());
        let of = |on, pattern| Matcher::any().and(vec![Comparison { on, pattern }]).matches(&row);
        assert!(of(On::Account, ValuePattern::new(account)) && of(On::Region, ValuePattern::new(region)));
        assert!(!of(On::Account, ValuePattern::new(region)) && !of(On::Region, ValuePattern::absent()));
    }
}

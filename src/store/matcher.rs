//! Which rows a search wants: conditions over facets and tags, as AWS's filters have them.

use wildmatch::WildMatchPattern;

use crate::model::RowFields;

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
}

impl Pattern {
    /// Compiles a filter value. Every text is a pattern; a lone `\` at the end stands for itself.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let (mut wild, mut out) = (false, String::with_capacity(text.len()));
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            out.push(match c {
                '*' | '?' => {
                    wild = true;
                    if c == '*' { MANY } else { ONE }
                }
                '\\' => chars.next().unwrap_or('\\'),
                // Nothing that AWS has matches these; they must not act as wildcards.
                MANY | ONE => char::REPLACEMENT_CHARACTER,
                c => c,
            });
        }
        Pattern(if wild { Form::Wild(WildMatchPattern::new(&out)) } else { Form::Exact(out) })
    }

    /// Whether `text` is what the pattern describes.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match &self.0 {
            Form::Exact(exact) => exact == text,
            Form::Wild(wild) => wild.matches(text),
        }
    }

    /// The one text that matches, when there are no wildcards.
    #[must_use]
    pub fn exact(&self) -> Option<&str> {
        match &self.0 {
            Form::Exact(exact) => Some(exact),
            Form::Wild(_) => None,
        }
    }
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

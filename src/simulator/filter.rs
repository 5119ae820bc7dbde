//! `Filter.N.Name` and `Filter.N.Value.M`: all filters must hold; a filter holds when one of its patterns matches one
//! of the resource's values.
//!
//! Patterns support `*`, `?` and a backslash that makes either literal. They are case-sensitive, as on EC2. The matcher
//! is separate from the one in Muster's own filters, because tests compare Muster's answers with the simulator's and
//! the two must not share a mistake.

use std::fmt::Display;

use crate::simulator::clock::Moment;
use crate::simulator::ident::Kind;
use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::tags::Tags;

/// EC2's limit on filters in one call.
const MAX_FILTERS: u32 = 50;

/// EC2's limit on filter values in one call.
const MAX_VALUES: usize = 200;

/// EC2's limit on the characters of a filter value.
const MAX_LENGTH: usize = 255;

/// A filter: its name, and a function that passes an item's values for it to [`Values`].
pub(crate) type Filter<T> = (&'static str, fn(&T, &mut Values<'_>));

/// A kind of item that a Describe call lists, with its filters.
pub(crate) trait Filtered: Sized + 'static {
    /// The filters of the Describe call, except those for tags.
    const FILTERS: &'static [Filter<Self>];

    /// The tags that `tag:KEY` and `tag-key` use; `None` when the Describe call does not have these filters.
    const TAGS: Option<fn(&Self) -> &Tags>;
}

/// What one filter of a request applies to.
#[derive(Debug)]
enum Criterion<T> {
    Own(fn(&T, &mut Values<'_>)),
    Tag(fn(&T) -> &Tags, String),
    TagKey(fn(&T) -> &Tags),
}

/// The filters of a request.
#[derive(Debug)]
pub(crate) struct Filters<T>(Vec<(Criterion<T>, Vec<FilterPattern>)>);

impl<T: Filtered> Filters<T> {
    /// Reads the filters of a request.
    ///
    /// # Errors
    /// When the Describe call has no such filter, a filter has no values, or there are too many values.
    pub(crate) fn parse(params: &Params) -> Result<Self, Refusal> {
        let mut filters = Vec::new();
        let mut count = 0;
        for n in 1_u32.. {
            let Some(name) = params.get(&format!("Filter.{n}.Name")) else { break };
            if n > MAX_FILTERS {
                return Err(Refusal::filter_limit("number of filters specified on a single call is 50"));
            }
            let values = params.list(&format!("Filter.{n}.Value"));
            count += values.len();
            if count > MAX_VALUES {
                return Err(Refusal::filter_limit("number of filter values specified on a single call is 200"));
            }
            if values.iter().any(|value| value.chars().count() > MAX_LENGTH) {
                return Err(Refusal::filter_limit("length for a filter value is 255 characters"));
            }
            if values.is_empty() {
                return Err(Refusal::invalid_value(format!("The filter '{name}' has no values")));
            }
            let field = Self::field(name).ok_or_else(|| Refusal::invalid_filter(name))?;
            filters.push((field, values.into_iter().map(FilterPattern::new).collect()));
        }
        Ok(Self(filters))
    }

    fn field(name: &str) -> Option<Criterion<T>> {
        if let Some(key) = name.strip_prefix("tag:") {
            return T::TAGS.map(|tags| Criterion::Tag(tags, key.to_owned()));
        }
        if name == "tag-key" {
            return T::TAGS.map(Criterion::TagKey);
        }
        T::FILTERS.iter().find(|(known, _)| *known == name).map(|(_, accessor)| Criterion::Own(*accessor))
    }

    /// Whether every filter holds for an item of `plan`'s account at `at`.
    pub(crate) fn hold(&self, item: &T, plan: &Plan, at: Moment) -> bool {
        self.0.iter().all(|(field, patterns)| {
            let mut values = Values { plan, at, patterns, met: false };
            match field {
                Criterion::Own(accessor) => accessor(item, &mut values),
                Criterion::Tag(tags, key) => values.texts(tags(item).get(key)),
                Criterion::TagKey(tags) => values.texts(tags(item).keys()),
            }
            values.met
        })
    }
}

/// Receives the values that a resource has for one filter. The filter holds when one of its patterns matches one of
/// them.
#[derive(Debug)]
pub(crate) struct Values<'a> {
    pub(crate) plan: &'a Plan,
    /// The moment at which the request sees the resource.
    pub(crate) at: Moment,
    patterns: &'a [FilterPattern],
    met: bool,
}

impl Values<'_> {
    /// Adds one value.
    pub(crate) fn text(&mut self, value: &str) {
        self.met = self.met || self.patterns.iter().any(|pattern| pattern.matches(value));
    }

    /// Adds any number of values.
    pub(crate) fn texts<'t>(&mut self, values: impl IntoIterator<Item = &'t str>) {
        values.into_iter().for_each(|value| self.text(value));
    }

    /// Adds a boolean.
    pub(crate) fn flag(&mut self, value: bool) {
        self.text(if value { "true" } else { "false" });
    }

    /// Adds values whose display form is the one that filters use, such as numbers and addresses.
    pub(crate) fn show<V: Display>(&mut self, values: impl IntoIterator<Item = V>) {
        values.into_iter().for_each(|value| self.text(&value.to_string()));
    }

    /// Adds the ids of resources.
    pub(crate) fn ids(&mut self, kind: Kind, numbers: impl IntoIterator<Item = u64>) {
        let idents = self.plan.idents;
        numbers.into_iter().for_each(|number| self.text(&idents.text(kind, number)));
    }
}

/// The pattern in one filter value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FilterPattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    One(char),
    AnyOne,
    AnyMany,
}

impl FilterPattern {
    fn new(text: &str) -> Self {
        let mut chars = text.chars();
        let mut pieces = Vec::with_capacity(text.len());
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' => Piece::AnyMany,
                '?' => Piece::AnyOne,
                '\\' => Piece::One(chars.next().unwrap_or('\\')),
                other => Piece::One(other),
            });
        }
        Self(pieces)
    }

    /// Greedy matching with one point to return to. It is linear except for patterns that are designed to be slow.
    fn matches(&self, text: &str) -> bool {
        let mut pieces = self.0.as_slice();
        let mut rest = text;
        let mut retry: Option<(&[Piece], &str)> = None;
        loop {
            match pieces.split_first() {
                None if rest.is_empty() => return true,
                Some((Piece::AnyMany, after)) => {
                    pieces = after;
                    retry = Some((after, rest));
                    continue;
                }
                Some((piece, after)) => {
                    let mut chars = rest.chars();
                    let next = chars.next();
                    let fits = match piece {
                        Piece::One(c) => next == Some(*c),
                        _ => next.is_some(),
                    };
                    if fits {
                        pieces = after;
                        rest = chars.as_str();
                        continue;
                    }
                }
                None => {}
            }
            // The last `*` takes one more character, and matching continues from there.
            let Some((after, from)) = retry else { return false };
            let mut chars = from.chars();
            if chars.next().is_none() {
                return false;
            }
            pieces = after;
            rest = chars.as_str();
            retry = Some((after, rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::tests::plan;

    /// An item with two fields to filter by.
    #[derive(Debug)]
    struct Pair(&'static str, &'static str);

    impl Filtered for Pair {
        const FILTERS: &'static [Filter<Self>] =
            &[("a", |pair, values| values.text(pair.0)), ("b", |pair, values| values.text(pair.1))];
        const TAGS: Option<fn(&Self) -> &Tags> = None;
    }

    #[test]
    fn wildcards_match_as_ec2_matches_them() {
        for (pattern, text, expected) in [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web*", "web-1", true),
            ("*", "", true),
            ("w?b", "web", true),
            ("w?b", "wb", false),
            ("*-prod-*", "web-prod-1", true),
            ("*ab*ab", "abxabab", true),
            ("*ab*ac", "abxabab", false),
            (r"100\*", "100*", true),
            (r"100\*", "1000", false),
            ("é?", "éé", true),
        ] {
            assert_eq!(FilterPattern::new(pattern).matches(text), expected, "{pattern} against {text}");
        }
    }

    #[test]
    fn filters_are_and_and_values_are_or() {
        let params = Params::parse(
            "",
            b"Filter.1.Name=a&Filter.1.Value.1=x&Filter.1.Value.2=y&Filter.2.Name=b&Filter.2.Value.1=z*",
        );
        let filters = Filters::parse(&params).unwrap();
        let plan = plan(1);
        let item = |a: &'static str, b: &'static str| filters.hold(&Pair(a, b), &plan, plan.born);
        assert!(item("y", "zz"));
        assert!(!item("y", "w"));
        assert!(!item("q", "zz"));
    }

    #[test]
    fn an_unknown_filter_and_too_many_values_are_refused() {
        for name in ["colour", "tag:Name", "tag-key"] {
            let params = Params::parse("", format!("Filter.1.Name={name}&Filter.1.Value.1=x").as_bytes());
            let refusal = Filters::<Pair>::parse(&params).unwrap_err();
            assert_eq!(refusal.message, format!("The filter '{name}' is invalid"));
        }
        let many: Vec<String> = (1..=201).map(|n| format!("&Filter.1.Value.{n}=x")).collect();
        let params = Params::parse("", format!("Filter.1.Name=a{}", many.concat()).as_bytes());
        assert_eq!(Filters::<Pair>::parse(&params).unwrap_err().code, "FilterLimitExceeded");
        let filters = |count: usize| {
            (1..=count).map(|n| format!("&Filter.{n}.Name=a&Filter.{n}.Value.1=x")).collect::<Vec<_>>().concat()
        };
        let long = format!("Filter.1.Name=a&Filter.1.Value.1={}", "x".repeat(256));
        for (form, limit) in [(filters(51), "call is 50"), (long, "255 characters")] {
            let refusal = Filters::<Pair>::parse(&Params::parse("", form.as_bytes())).unwrap_err();
            assert_eq!(refusal.code, "FilterLimitExceeded");
            assert!(refusal.message.ends_with(limit), "{}", refusal.message);
        }
    }
}

//! Questions that are asked again and again while rows change, beside what a plain map of the rows says.

use std::collections::BTreeMap;

use super::ordered::OrderedPage;
use super::*;
use crate::model::ScopeFilter;
use crate::model::fixtures::{kind, scope_in};
use crate::store::ValuePattern;

const STATE: u16 = 1;
const SIZES: u16 = 2;
const NAME: u16 = 3;

/// What a row says: a state, sizes, of which there may be none or several, and whether it is named after its own id.
#[derive(Clone)]
struct PlainRow {
    state: &'static str,
    sizes: Vec<u32>,
    is_own: bool,
}

impl PlainRow {
    fn random(random: &mut fastrand::Rng) -> Self {
        let state = if random.u8(..) < 8 { "stopped" } else { "running" };
        let most = if random.bool() { 400 } else { 1_000_000 };
        let sizes = (0..random.usize(..3)).map(|_| random.u32(..most)).collect();
        PlainRow { state, sizes, is_own: random.bool() }
    }

    fn insert(&self, id: &ResourceId, index: &mut KindIndex) {
        let sizes: Vec<String> = self.sizes.iter().map(u32::to_string).collect();
        let sizes = sizes.iter().map(|size| Term::Facet(SIZES, size));
        let name = if self.is_own { &*id.id } else { "web" };
        let terms = [Term::Facet(STATE, self.state), Term::Facet(NAME, name)];
        assert!(index.insert(id, terms.into_iter().chain(sizes)).is_ok());
    }
}

fn at(region: &str, n: u32) -> ResourceId {
    ResourceId::new(&scope_in(region), &kind(), format!("i-{n:08x}"))
}

/// The largest size first, then what has none.
fn by_size(value: Option<&str>) -> (bool, i64, String) {
    let size = value.and_then(|value| value.parse::<i64>().ok());
    (
        value.is_none(),
        -size.unwrap_or_default(),
        if size.is_some() { String::new() } else { value.unwrap_or_default().to_owned() },
    )
}

/// In the order of their texts, then what has none.
fn by_text(value: Option<&str>) -> (bool, i64, String) {
    (value.is_none(), 0, value.unwrap_or_default().to_owned())
}

#[test]
fn questions_asked_again_find_what_the_rows_say_however_they_changed() {
    let mut random = fastrand::Rng::with_seed(7);
    let (mut index, mut plain) = (KindIndex::default(), BTreeMap::new());
    for n in 0..3_000 {
        let (id, row) = (at(if n % 5 == 0 { "b" } else { "a" }, n), PlainRow::random(&mut random));
        row.insert(&id, &mut index);
        plain.insert(id, row);
    }
    let is = |on, pattern| vec![Comparison { on, pattern }];
    let matchers = [
        Matcher::any(),
        Matcher::any().and(is(On::Facet(STATE), ValuePattern::new("stopped"))),
        Matcher::any().and(is(On::Facet(SIZES), ValuePattern::new("3?"))),
        Matcher::any().and(is(On::Facet(SIZES), ValuePattern::absent())),
    ];
    let passes = |row: &PlainRow, nth: usize| match nth {
        0 => true,
        1 => row.state == "stopped",
        2 => row.sizes.iter().any(|size| (30..40).contains(size)),
        _ => row.sizes.is_empty(),
    };
    let retired = BTreeMap::new();
    let mut kept = 0;
    for round in 0..80 {
        if round % 4 == 3 {
            // Neighbours go and come back: blocks are joined and split, and terms are used up.
            let start = random.u32(..3_000);
            for n in start..start + 300 {
                index.remove(&at("a", n));
                plain.remove(&at("a", n));
            }
            for n in start..start + 300 {
                let (id, row) = (at("a", n), PlainRow::random(&mut random));
                row.insert(&id, &mut index);
                plain.insert(id, row);
            }
        }
        if round == 40 {
            index.asked.get_mut().use_marks();
        }
        // Rows change, come and go.
        for _ in 0..random.usize(..6) {
            let id = at("a", random.u32(..3_300));
            if random.bool() {
                index.remove(&id);
                plain.remove(&id);
            } else {
                let row = PlainRow::random(&mut random);
                row.insert(&id, &mut index);
                plain.insert(id, row);
            }
        }
        let everywhere = WantedScopes { filter: &ScopeFilter::Everywhere, retired: &retired };
        let place = index.note_place(&everywhere, &matchers[1], None);
        kept += index.rows.blocks().iter().filter(|block| block.noted(place).is_some()).count();
        // Few questions, whose notes stay from round to round, and now and then more than there are notes of.
        let all = round % 10 == 0;
        for scope in [None, Some(scope_in("a")).filter(|_| all)] {
            let scopes = WantedScopes { filter: &scope.clone().into(), retired: &retired };
            for (nth, matcher) in matchers.iter().enumerate().filter(|(nth, _)| all || *nth % 2 == 1) {
                let wanted = plain
                    .iter()
                    .filter(|(id, row)| passes(row, nth) && scope.as_ref().is_none_or(|scope| id.scope() == *scope));
                let wanted: Vec<(&ResourceId, &PlainRow)> = wanted.collect();
                let after = at("a", random.u32(..3_300));
                for (after, limit) in [(None, 7), (Some(&after), 50), (None, 0)] {
                    let following = wanted.iter().filter(|(id, _)| after.is_none_or(|after| *id > after));
                    let ids: Vec<ResourceId> = following.take(limit).map(|(id, _)| (*id).clone()).collect();
                    assert_eq!(index.scan(&kind(), &scopes, matcher, None, (after, limit)), (ids, wanted.len() as u64));
                }
                let place = by_size as fn(Option<&str>) -> _;
                for (on, name, place) in [
                    (On::Facet(SIZES), "size", place),
                    (On::Facet(STATE), "state", by_text),
                    (On::Facet(NAME), "name", by_text),
                ] {
                    let values = |id: &ResourceId, row: &PlainRow| match name {
                        "size" => row.sizes.iter().map(u32::to_string).collect(),
                        "state" => vec![row.state.to_owned()],
                        _ => vec![if row.is_own { id.id.to_string() } else { "web".to_owned() }],
                    };
                    let mut expected: Vec<_> = wanted
                        .iter()
                        .map(|(id, row)| {
                            let places = values(id, row).into_iter().map(|value| place(Some(&value)));
                            (places.min().unwrap_or_else(|| place(None)), (*id).clone())
                        })
                        .collect();
                    expected.sort();
                    let from = random.usize(..=expected.len());
                    for from in [0, from] {
                        let last = from.checked_sub(1).map(|last| &expected[last]);
                        let on = &on;
                        let page = OrderedPage { on, name, after: last.map(|(place, id)| (place, id)), limit: 9 };
                        let ids = expected[from..].iter().take(9).map(|(_, id)| id.clone()).collect();
                        let found = index.ordered(&kind(), &scopes, matcher, None, &page, &place);
                        assert_eq!(found, (ids, wanted.len() as u64), "by {name}, after {last:?}");
                    }
                }
            }
        }
    }
    assert!(kept > 0, "notes outlive changes of other blocks");
    assert!(index.cleaned > 0, "terms got other numbers");
}

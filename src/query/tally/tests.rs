use proptest::prelude::*;

use super::*;
use crate::kinds::{Filter, KindSpec};
use crate::model::fixtures::{id, row};
use crate::model::{Form, RowFields};

const FILTERS: &[Filter] =
    &[Filter::new(1, "group", &["Groups"], Form::Text).many(), Filter::new(2, "size", &["Size"], Form::Number)];

fn breakdown(by: &[&str], sum: bool) -> Breakdown {
    let kind = KindSpec { filters: FILTERS, ..KindSpec::DEFAULT };
    let column = |name: &str| KindColumn::named(&kind, name).unwrap();
    Breakdown { by: by.iter().map(|name| column(name)).collect(), sum: sum.then(|| column("size")) }
}

/// A resource: its groups, its team and its size.
type Sample = (Vec<u8>, Option<u8>, Option<u16>);

fn sample(place: usize, (groups, team, size): &Sample) -> Row {
    let groups = groups.iter().map(|group| (1, format!("g{group}")));
    let facets = groups.chain(size.map(|size| (2, size.to_string()))).collect();
    let tags = team.map(|team| ("Team".to_owned(), format!("t{team}"))).into_iter().collect();
    Row { id: id(&format!("i-{place}")), ..row(RowFields { facets, tags, ..RowFields::default() }) }
}

proptest! {
    #[test]
    fn groups_are_those_of_a_plain_count(
        samples in proptest::collection::vec(
            (proptest::collection::vec(0..3_u8, 0..3), proptest::option::of(0..3_u8), proptest::option::of(0..50_u16)),
            0..40,
        ),
        top in 1..12_usize,
        sum: bool,
    ) {
        let asked = breakdown(&["group", "tag:Team"], sum);
        let mut counted = GroupedCounts::default();
        samples.iter().enumerate().for_each(|(place, each)| counted.add(&asked, &sample(place, each)));
        let number = |size: Option<u16>| if sum { u64::from(size.unwrap_or(0)) } else { 0 };
        let groups: Vec<Option<u8>> = vec![None, Some(0), Some(1), Some(2)];
        let mut all = Vec::new();
        for group in &groups {
            for team in &groups {
                let is_in = |(of, owner, _): &&Sample| {
                    owner == team && group.map_or(of.is_empty(), |group| of.contains(&group))
                };
                let members: Vec<&Sample> = samples.iter().filter(is_in).collect();
                let expected = GroupSize {
                    count: members.len() as u64,
                    sum: members.iter().map(|(_, _, size)| number(*size)).sum(),
                };
                let key = vec![group.map(|group| format!("g{group}")), team.map(|team| format!("t{team}"))];
                prop_assert_eq!(counted.groups.get(&key).copied().unwrap_or_default(), expected);
                all.extend((expected.count > 0).then_some(expected));
            }
        }
        prop_assert_eq!(counted.groups.len(), all.len());
        prop_assert_eq!(counted.total.count, samples.len() as u64);
        prop_assert_eq!(counted.total.sum, samples.iter().map(|(_, _, size)| number(*size)).sum::<u64>());
        let without = samples.iter().filter(|(_, _, size)| sum && size.is_none()).count();
        prop_assert_eq!(counted.without_number, without as u64);
        let (largest, others) = counted.largest(&asked, top);
        prop_assert_eq!(largest.len() + others.groups, all.len());
        let shown = largest.iter().map(|(_, size)| size.count).sum::<u64>();
        prop_assert_eq!(shown + others.size.count, all.iter().map(|size| size.count).sum::<u64>());
        let by = |size: &GroupSize| if sum { size.sum } else { size.count };
        let least = largest.iter().map(|(_, size)| by(size)).min();
        prop_assert!(largest.windows(2).all(|pair| by(&pair[0].1) >= by(&pair[1].1)));
        prop_assert!(others.groups == 0 || largest.len() == top && least.is_some());
    }
}

#[test]
fn an_unfiltered_count_without_groups_has_none() {
    let mut counted = GroupedCounts::default();
    counted.add(&Breakdown::default(), &sample(1, &(vec![1], None, Some(7))));
    assert_eq!((counted.total, counted.groups.len()), (GroupSize { count: 1, sum: 0 }, 0));
}

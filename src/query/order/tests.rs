use proptest::prelude::*;

use super::*;
use crate::kinds::{Filter, INSTANCE};
use crate::model::RowFields;
use crate::model::fixtures::{id, row};

const SIZE: &[Filter] = &[Filter::new(1, "size", &["Size"], Form::Number)];

fn kind() -> KindSpec {
    KindSpec { filters: SIZE, ..KindSpec::DEFAULT }
}

fn sized(name: &str, sizes: &[u32]) -> Row {
    let facets = sizes.iter().map(|size| (1, size.to_string())).collect();
    Row { id: id(name), ..row(RowFields { facets, ..RowFields::default() }) }
}

/// The pages of a list, each read after the last row of the one before.
fn pages(order: &RowOrder, rows: &[Row], limit: usize) -> Vec<String> {
    let mut seen: Vec<Row> = Vec::new();
    loop {
        let last = seen.last().cloned();
        let after = last.as_ref().map(|last| (order.value(last), &last.id));
        let mut first = FirstRows::new(order, after, limit);
        rows.iter().cloned().for_each(|row| first.add(row));
        let page = first.rows();
        assert!(page.len() <= limit);
        if page.is_empty() {
            return seen.iter().map(|row| row.id.id.to_string()).collect();
        }
        seen.extend(page);
    }
}

proptest! {
    #[test]
    fn all_pages_together_are_the_whole_sorted_list(
        sizes in proptest::collection::vec(proptest::collection::vec(0..6_u32, 0..3), 0..150),
        limit in 1..40_usize,
        descending: bool,
    ) {
        let rows: Vec<Row> =
            sizes.iter().enumerate().map(|(n, sizes)| sized(&format!("i-{:03}", (n * 37) % 151), sizes)).collect();
        let order = RowOrder::parse(&kind(), if descending { "-size" } else { "size" }).unwrap();
        let by = |sizes: &Vec<u32>| {
            if descending {
                sizes.iter().max().map(|size| -i64::from(*size))
            } else {
                sizes.iter().min().map(|size| i64::from(*size))
            }
        };
        let mut expected: Vec<(bool, Option<i64>, String)> = rows
            .iter()
            .zip(&sizes)
            .map(|(row, sizes)| (sizes.is_empty(), by(sizes), row.id.id.to_string()))
            .collect();
        expected.sort();
        let expected: Vec<String> = expected.into_iter().map(|(_, _, id)| id).collect();
        prop_assert_eq!(pages(&order, &rows, limit), expected);
    }
}

#[test]
fn numbers_are_sorted_as_numbers_times_as_times_and_the_rest_as_text() {
    let order = RowOrder::parse(&kind(), "size").unwrap();
    let rows = [sized("a", &[100]), sized("b", &[9]), sized("c", &[]), sized("d", &[9])];
    assert_eq!(pages(&order, &rows, 3), ["b", "d", "a", "c"]);
    let order = RowOrder::parse(&kind(), "-size").unwrap();
    assert_eq!(pages(&order, &rows, 1), ["a", "b", "d", "c"], "what has no value is last, whichever way");
    let launch = |name: &str, time: &str| {
        let number = INSTANCE.filter("launch-time").unwrap().number;
        Row { id: id(name), ..row(RowFields { facets: vec![(number, time.to_owned())], ..RowFields::default() }) }
    };
    let order = RowOrder::parse(INSTANCE, "-launch-time").unwrap();
    let rows =
        [launch("a", "2026-01-01T10:00:00+00:00"), launch("b", "2026-01-01T10:30:00+01:00"), launch("c", "soon")];
    assert_eq!(pages(&order, &rows, 2), ["c", "a", "b"]);
    assert_eq!(order.written(), "-launch-time");
    assert_eq!(RowOrder::parse(INSTANCE, "-colour"), Err("colour"));
}

#[test]
fn extremes_are_those_by_size_and_by_time() {
    assert_eq!(extremes(Form::Number, ["100", "9", "x", "20"].into_iter()), Some(("9", "100")));
    let times = ["2026-01-02T00:00:00Z", "2026-01-02T00:30:00+01:00"];
    assert_eq!(extremes(Form::Time, times.into_iter()), Some((times[1], times[0])));
    assert_eq!(extremes(Form::Text, ["a", "b"].into_iter()), None);
}

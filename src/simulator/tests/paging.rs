//! Walks over whole listings.

use std::collections::{BTreeMap, BTreeSet};

use crate::simulator::Options;
use crate::simulator::tests::{Aws, options, text, texts};
use crate::simulator::world::World;

#[test]
fn a_walk_shows_every_instance_exactly_once_whatever_the_page_size() {
    let aws = Aws::with(1_234);
    let all: BTreeSet<String> = aws.0.home().instance_ids().into_iter().collect();
    assert_eq!(all.len(), 1_234);
    for size in ["5", "7", "100", "617", "1000"] {
        for (action, more) in [
            ("DescribeInstances", ("IncludeManagedResources", "true")),
            ("DescribeInstanceStatus", ("IncludeAllInstances", "true")),
        ] {
            let pages = aws.pages(action, "instanceId", &[("MaxResults", size), more]);
            let limit = size.parse().unwrap();
            assert!(pages.iter().all(|page| page.len() <= limit), "{action} {size}");
            let seen: Vec<String> = pages.into_iter().flatten().collect();
            assert_eq!(seen.len(), 1_234, "{action} {size}");
            assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all, "{action} {size}");
        }
    }
}

#[test]
fn pages_count_instances_and_split_reservations() {
    let aws = Aws::with(500);
    let mut pages_of: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    let mut token = None;
    for page in 0.. {
        let mut parameters = vec![("MaxResults", "5")];
        parameters.extend(token.as_deref().map(|token| ("NextToken", token)));
        let xml = aws.get("DescribeInstances", &parameters);
        assert!(texts(&xml, "instanceId").len() <= 5);
        for reservation in texts(&xml, "reservationId") {
            pages_of.entry(reservation).or_default().insert(page);
        }
        token = texts(&xml, "nextToken").pop();
        if token.is_none() {
            break;
        }
    }
    assert!(pages_of.values().any(|pages| pages.len() > 1));
}

#[test]
fn without_max_results_the_whole_account_comes_in_one_answer() {
    let aws = Aws::with(1_500);
    let xml = aws.get("DescribeInstances", &[]);
    assert_eq!(texts(&xml, "instanceId").len(), 1_500);
    assert!(!xml.contains("nextToken"));
}

#[test]
fn changes_during_a_walk_move_no_instance_to_another_page() {
    let aws = Aws::with(200);
    let before: BTreeSet<String> = aws.0.home().instance_ids().into_iter().collect();
    let first = aws.get("DescribeInstances", &[("MaxResults", "50")]);
    let token = text(&first, "nextToken");
    let mut seen = texts(&first, "instanceId");
    aws.0.home().forget(&seen[3]).unwrap();
    let launched = aws.0.home().launch();
    let rest = aws.get("DescribeInstances", &[("MaxResults", "1000"), ("NextToken", &token)]);
    seen.extend(texts(&rest, "instanceId"));
    assert_eq!(seen.pop(), Some(launched));
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), before);
}

#[test]
fn a_token_of_another_filter_or_account_is_refused() {
    let aws = Aws::with(100);
    let token = text(&aws.get("DescribeInstances", &[("MaxResults", "5")]), "nextToken");
    let filtered = [
        ("MaxResults", "5"),
        ("NextToken", token.as_str()),
        ("Filter.1.Name", "instance-state-name"),
        ("Filter.1.Value.1", "running"),
    ];
    assert_eq!(aws.refused("DescribeInstances", &filtered).1, "InvalidNextToken");
    let other = Aws(World::new(Options { seed: 2, ..options(100) }));
    let foreign = [("MaxResults", "5"), ("NextToken", token.as_str())];
    assert_eq!(other.refused("DescribeInstances", &foreign).1, "InvalidNextToken");
}

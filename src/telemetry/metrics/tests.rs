use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::*;
use crate::ec2_api::call_tally::Ec2CallTally;
use crate::freshness::Freshness;
use crate::kinds::KINDS;
use crate::mcp::operations::{AskedOperation, NetworkTransport, OperationKey};
use crate::mcp::tools::TOOLS;
use crate::model::fixtures::{RuntimeClock, at_millis};
use crate::model::{AccountId, Region, Scope};

/// What the names of the series of a metric may end with.
const ENDS: [&str; 4] = ["", "_bucket", "_sum", "_count"];

/// The names of all series.
fn known() -> BTreeSet<String> {
    let names = all().map(|spec| (spec.series(), spec.form));
    let ends = |form| if form == MetricForm::Histogram { &ENDS[1..] } else { &ENDS[..1] };
    names.flat_map(|(name, form)| ends(form).iter().map(move |end| format!("{name}{end}"))).collect()
}

/// What looks like the name of a series of ours in a text.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let is_ours = |word: &&str| ["muster_", "mcp_server_", "process_"].iter().any(|start| word.starts_with(start));
    words.filter(is_ours).map(str::to_owned).collect()
}

#[test]
fn a_metric_has_one_name_its_labels_and_a_sentence() {
    let mut names = BTreeSet::new();
    for spec in all() {
        let name = spec.series();
        assert!(names.insert(name.clone()), "{name} stands twice");
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(is_plain(spec.name) && spec.labels.iter().all(|label| is_plain(label)), "{name}");
        assert!(spec.help.len() > 15 && !spec.help.ends_with('.') && !spec.help.contains(['\n', '"']), "{name}");
        assert!(!spec.name.ends_with("_total") && !spec.name.ends_with("_seconds"), "{name} says its form by itself");
    }
}

#[test]
fn the_table_lists_every_metric_once() {
    let table = table();
    assert!(table.lines().all(|line| line.len() <= 110), "{table}");
    let listed: Vec<&str> =
        table.lines().filter_map(|line| line.strip_prefix("- `")).map(|line| line.split('`').next().unwrap()).collect();
    let expected: Vec<String> = all().map(MetricSpec::series).collect();
    assert_eq!(listed, expected);
}

#[test]
fn alerts_and_the_dashboard_name_only_metrics_that_there_are() {
    let known = known();
    for (what, text) in [("alerts", ALERTS), ("dashboard", DASHBOARD)] {
        let named = named(text);
        assert!(named.len() > 10, "{what}: {named:?}");
        let unknown: Vec<&String> = named.difference(&known).filter(|name| *name != "mcp_method_name").collect();
        assert!(unknown.is_empty(), "{what}: {unknown:?}");
    }
}

#[test]
fn the_dashboard_is_json_whose_panels_have_questions() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty() && targets.iter().all(|target| target["expr"].is_string()), "{panel}");
    }
}

/// Freshness of so many accounts, each with every kind in one region, of which nothing was ever swept, or everything fails.
fn freshness(accounts: usize, fails: bool) -> Freshness {
    let clock = std::sync::Arc::new(RuntimeClock::from(at_millis(1_800_000_000_000)));
    let none = std::collections::BTreeMap::new();
    let freshness =
        Freshness::new(Vec::new(), Vec::new(), &|_| Duration::ZERO, std::collections::HashMap::new(), &none, clock);
    let regions = ["eu-west-1", "us-east-1", "ap-south-1"];
    let scopes: Vec<Scope> = (0..accounts)
        .map(|number| Scope {
            account: AccountId::new(format!("{number:012}")),
            region: Region::new(regions[number % regions.len()]),
        })
        .collect();
    let kinds: Vec<_> = KINDS.iter().map(|spec| (spec.kind(), spec.interval)).collect();
    freshness.signal(crate::freshness::Signal::AllExpected { scopes: scopes.clone(), kinds });
    if fails {
        for scope in &scopes {
            for spec in KINDS {
                freshness.update(scope, &spec.kind(), |watched| {
                    watched.state.trouble = Some(Box::new(crate::model::Trouble {
                        class: crate::model::ErrorClass::Denied.into(),
                        what: "denied".to_owned(),
                        fix: String::new(),
                        since: at_millis(1),
                        retry_at: None,
                    }));
                });
            }
        }
    }
    freshness
}

/// A page with every operation that there can be, and the scopes of `freshness`.
fn page(freshness: &Freshness) -> MetricsPage {
    let operations = Operations::default();
    for number in 0..200_000_u32 {
        let at = |step: u32, of: usize| (number / step) as usize % of;
        let transport = [NetworkTransport::Tcp, NetworkTransport::Unix][at(1, 2)];
        let protocol = ["2025-06-18", "2025-11-25", "2026-07-28", "other"][at(2, 4)];
        let error = [None, Some("tool_error"), Some("-32602"), Some("-32603"), Some("_OTHER")][at(8, 5)];
        let asked = AskedOperation::new("tools/call", transport)
            .in_protocol(Some(protocol))
            .of_tool(TOOLS[at(40, TOOLS.len())].name);
        operations.note(OperationKey { asked, error }, Duration::from_micros(u64::from(number)));
    }
    let mut page = MetricsPage::default();
    clients::add_operations(&mut page, &operations, 3);
    scopes::add(&mut page, &freshness.census(scopes::LIMITS));
    page
}

#[tokio::test]
async fn ten_thousand_scopes_have_fewer_series_than_a_page_may() {
    for fails in [false, true] {
        let freshness = freshness(10_000, fails);
        let begun = tokio::time::Instant::now();
        let census = freshness.census(scopes::LIMITS);
        eprintln!("{} scopes of {} kinds are counted in {:?}", census.scopes, KINDS.len(), begun.elapsed());
        let page = page(&freshness);
        assert!(page.series() < MOST_SERIES * 3 / 4, "{} series, the rest needs some too", page.series());
        let text = page.text(PageFormat::Classic).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        assert!(lines.count() < MOST_SERIES, "as many as the text has lines");
        let shown = text.lines().filter(|line| line.starts_with("muster_scope_stale{")).count();
        assert_eq!(shown, if fails { 1_000 } else { 0 });
        let not_shown = format!("muster_scopes_not_shown {}", if fails { 10_000 * KINDS.len() - 1_000 } else { 0 });
        assert!(text.lines().any(|line| line == not_shown), "{not_shown}");
    }
}

#[tokio::test]
async fn two_hundred_accounts_and_regions_are_shown_scope_by_scope() {
    let page = page(&freshness(200, false));
    assert!(page.series() < MOST_SERIES * 3 / 4, "{}", page.series());
    let text = page.text(PageFormat::OpenMetrics).unwrap();
    let shown = text.lines().filter(|line| line.starts_with("muster_scope_stale{")).count();
    assert_eq!(shown, 200 * KINDS.len());
    let line = "muster_scopes{region=\"eu-west-1\",state=\"pending\"} ";
    assert!(text.contains(line) && text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn a_page_without_a_store_says_what_the_process_is() {
    let text = gather(None, &Operations::default(), &Ec2CallTally::default(), 0).text(PageFormat::Classic).unwrap();
    for line in ["muster_ready 0", "# TYPE muster_ready gauge", "# HELP muster_ready 1 while the store is open"] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(text.contains(&format!("muster_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))), "{text}");
}

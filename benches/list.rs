//! A list page and a read, from the store alone.
//!
//! `cargo bench --bench list` fills stores of several sizes with instances as the simulator has them, through AWS's SDK and
//! the kinds' mapping, and measures a page of 1,000 (in the short form that lists read) and the read of one resource.
//! The result is how much more both take in a larger store. `MUSTER_BENCH_SIZES=1000,10000,100000` sets the sizes.

#[path = "list/filled.rs"]
mod filled;

#[path = "http/ec2.rs"]
mod ec2;

mod record;

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use criterion::measurement::{Measurement as _, WallTime};
use criterion::{Bencher, BenchmarkId, Criterion};
use muster::model::{Kind, ResourceId, ScopeFilter};
use muster::store::Store;

use filled::Filled;
use record::{Budget, Record};

/// Entries of a page.
const PAGE: usize = 1_000;

/// How many of the ids are hot.
const HOT: usize = 1_000;

/// How much longer a read may take in a store of 1,000,000 than in one of 10,000.
const GROWTH: f64 = 6.0;

/// What is measured, for one resource; more than 0 when it worked.
type Operation = fn(&Store, &ResourceId) -> anyhow::Result<usize>;

/// Which resources it is measured for.
type Choice = fn(&Filled) -> Vec<ResourceId>;

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they work.
    let measuring = std::env::args().any(|argument| argument == "--bench");
    let sizes = std::env::var("MUSTER_BENCH_SIZES");
    let sizes = sizes.unwrap_or_else(|_| if measuring { "1000,10000" } else { "100" }.to_owned());
    let sizes: Vec<usize> = sizes
        .split(',')
        .map(|size| size.trim().parse())
        .collect::<Result<_, _>>()
        .with_context(|| format!("MUSTER_BENCH_SIZES cannot be `{sizes}`; such as 1000,10000"))?;
    let stores = filled::fill(&sizes)?;

    let mut criterion = Criterion::default().warm_up_time(Duration::from_secs(1)).configure_from_args();
    let operations: [(&str, Operation, Choice); 3] = [
        ("list a page of 1,000 from anywhere", page, before_full_pages),
        ("read any of all", read, all),
        ("read one of 1,000 hot", read, hot),
    ];
    let mut record = Record::new("list");
    for (name, operation, choose) in operations {
        let mut medians: Vec<(usize, Duration)> = Vec::new();
        for filled in &stores {
            let ids = choose(filled);
            let mut times = Vec::new();
            criterion.benchmark_group(name).bench_function(BenchmarkId::from_parameter(filled.ids.len()), |bencher| {
                measure(bencher, &filled.store, operation, &ids, &mut times);
            });
            times.sort_unstable();
            medians.extend(times.get(times.len() / 2).map(|median| (filled.ids.len(), *median)));
            // An operation that fails is quick, and no result.
            for id in ids.iter().take(PAGE) {
                ensure!(operation(&filled.store, id)? > 0, "{id} is not in the store");
            }
        }
        for (size, median) in &medians {
            record.figure(name, *size, median.as_secs_f64() * 1e6, "us", None);
        }
        for pair in medians.windows(2) {
            if let [(small, before), (large, after)] = pair {
                let ratio = after.as_secs_f64() / before.as_secs_f64().max(f64::EPSILON);
                // From 10,000 to 1,000,000 at most; so from a size to the next as well.
                let most = name.starts_with("read").then_some(Budget::AtMost(GROWTH));
                record.figure(&format!("{name}, over that at {small}"), *large, ratio, "x", most);
            }
        }
    }
    criterion.final_summary();
    if measuring { record.write() } else { Ok(()) }
}

/// Runs `operation` on random ids, the same ones in the same order each time, and keeps the time of one.
fn measure(
    bencher: &mut Bencher<'_>,
    store: &Store,
    operation: Operation,
    ids: &[ResourceId],
    times: &mut Vec<Duration>,
) {
    let mut random = fastrand::Rng::with_seed(1);
    bencher.iter_custom(|count| {
        let order: Vec<&ResourceId> = (0..count).filter_map(|_| ids.get(random.usize(..ids.len().max(1)))).collect();
        let start = WallTime.start();
        for id in order {
            drop(black_box(operation(store, black_box(id))));
        }
        let spent = WallTime.end(start);
        times.push(Duration::from_secs_f64(spent.as_secs_f64() / f64::from(u32::try_from(count).unwrap_or(u32::MAX))));
        spent
    });
}

/// The page that begins after `id`; how many entries it has.
fn page(store: &Store, id: &ResourceId) -> anyhow::Result<usize> {
    let kind: &Kind = &id.kind;
    Ok(black_box(store.snapshot()?.heads(kind, &ScopeFilter::Everywhere, Some(id), PAGE)?).len())
}

/// The resource `id`; how many fields its document has.
fn read(store: &Store, id: &ResourceId) -> anyhow::Result<usize> {
    let current = black_box(store.snapshot()?.current(id)?);
    Ok(current.map_or(0, |current| current.document.fields().len()))
}

/// All resources.
fn all(filled: &Filled) -> Vec<ResourceId> {
    filled.ids.clone()
}

/// A thousand resources, the same ones in every run.
fn hot(filled: &Filled) -> Vec<ResourceId> {
    let mut random = fastrand::Rng::with_seed(1);
    random.choose_multiple(filled.ids.iter(), HOT.min(filled.ids.len())).into_iter().cloned().collect()
}

/// Those after which a full page follows; in a store no larger than a page, the first.
fn before_full_pages(filled: &Filled) -> Vec<ResourceId> {
    let mut ids = filled.ids.clone();
    ids.sort_unstable();
    ids.truncate(ids.len().saturating_sub(PAGE).max(1));
    ids
}

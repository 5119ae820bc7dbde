//! The model test: random programs of what AWS does, what of it is seen, and what goes wrong, run through the real writer
//! loop and held against a plain history of what AWS held when.
//!
//! [`aws`] is that history, [`book`] a store in memory (a share of the programs runs on the real one), [`program`] the steps,
//! [`runner`] carries them out and checks after every one. Failures that were found and mended are programs of their own in
//! [`found`].
//!
//! `MUSTER_PROGRAMS` and `MUSTER_PROGRAMS_ON_DISK` set how many programs run; the long run is
//!
//! ```console
//! MUSTER_PROGRAMS=1000000 MUSTER_PROGRAMS_ON_DISK=1000 cargo test --release --lib truth:: -- --nocapture
//! ```

mod aws;
mod book;
mod found;
mod program;
mod runner;
mod shelf;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use book::Book;
use program::{ProgramStep, any_program};
use runner::Runner;
use shelf::{Disk, Shelf};

/// Runs one program; the violated invariant, if any.
fn run<S: Shelf>(shelf: &S, steps: &[ProgramStep]) -> Result<(), String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut runner = Runner::new(shelf);
        for step in steps {
            runner.step(*step)?;
        }
        runner.settle()
    }));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panicked: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    })
}

/// Runs `programs` random programs, on as many threads as there are cores; panics with the shortest one that fails.
fn run_many<S: Shelf>(shelf: impl Fn() -> S + Sync, programs: u32) {
    let threads = u32::try_from(thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    thread::scope(|scope| {
        for number in 0..threads {
            let shelf = &shelf;
            let cases = programs / threads + u32::from(number < programs % threads);
            scope.spawn(move || {
                let config = Config { cases, failure_persistence: None, max_shrink_iters: 50_000, ..Config::default() };
                let seed = [u8::try_from(number).unwrap_or(0) + 1; 32];
                let rng = if programs > 50_000 {
                    TestRng::from_seed(RngAlgorithm::ChaCha, &seed)
                } else {
                    // The bounded run draws other programs each time; a failure prints what it needs to be repeated.
                    TestRng::from_seed(RngAlgorithm::ChaCha, &fresh_seed())
                };
                let outcome = TestRunner::new_with_rng(config, rng)
                    .run(&any_program(), |steps| run(&shelf(), &steps).map_err(TestCaseError::fail));
                match outcome {
                    Ok(()) => {}
                    Err(TestError::Fail(why, steps)) => panic!("{why}\nprogram: {steps:?}"),
                    Err(TestError::Abort(why)) => panic!("{why}"),
                }
            });
        }
    });
}

fn fresh_seed() -> [u8; 32] {
    std::array::from_fn(|_| fastrand::u8(..))
}

fn programs(variable: &str, default: u32) -> u32 {
    env::var(variable).map_or(default, |count| count.parse().unwrap_or_else(|_| panic!("{variable} is not a number")))
}

#[test]
fn what_is_served_was_true_and_ends_as_aws_is() {
    let (count, begun) = (programs("MUSTER_PROGRAMS", 10_000), tokio::time::Instant::now());
    run_many(Book::default, count);
    report("in memory", count, begun.elapsed());
}

#[test]
fn the_same_holds_on_a_real_store() {
    let (count, begun) = (programs("MUSTER_PROGRAMS_ON_DISK", 40), tokio::time::Instant::now());
    run_many(Disk::default, count);
    report("on disk", count, begun.elapsed());
}

#[expect(clippy::print_stdout, reason = "the figures that the long run is for")]
fn report(place: &str, programs: u32, took: Duration) {
    println!("{programs} programs {place}: 0 violations in {:.0} s", took.as_secs_f64());
}

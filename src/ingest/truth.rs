//! The model test: random programs of AWS's changes, of what is seen of them, of accounts and regions that come and go, and of faults
//! run through the real writer loop, and the result is compared with a plain history of AWS.
//!
//! [`aws`] is that history of one scope, [`place`] a scope with what is under way there, [`book`] a store in memory (some programs use
//! the real one), [`program`] the steps; [`runner`] carries them out and checks after each one, and [`tally`] counts what they really
//! did. Failures that were found and fixed are programs of their own in [`found`].
//!
//! `cargo test` runs 10,000 programs in memory and 40 on disk, each time others, with a thread for each core.
//! `MUSTER_PROGRAMS` and `MUSTER_PROGRAMS_ON_DISK` set how many; above 50,000 they are the same in every run. The long run is
//!
//! ```console
//! MUSTER_PROGRAMS=1000000 MUSTER_PROGRAMS_ON_DISK=1000 cargo test --release --lib truth:: -- --nocapture
//! ```

mod aws;
mod book;
mod found;
mod place;
mod program;
mod runner;
mod shelf;
mod tally;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use book::Book;
use parking_lot::Mutex;
use program::{PlacedStep, any_program};
use runner::Runner;
use shelf::{Backing, DiskBacking};
use tally::Tally;

/// After so many programs, everything that they are for has occurred.
const ENOUGH: u32 = 10_000;

/// Runs one program; returns what it did, or the violated invariant.
fn run<S: Backing>(shelf: &S, steps: &[PlacedStep]) -> Result<Tally, String> {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let mut runner = Runner::new(shelf);
        for (place, step) in steps {
            runner.step(*place, *step)?;
        }
        runner.settle()?;
        Ok(runner.tally().clone())
    }));
    outcome.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        Err(format!("panicked: {}", text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("?")))
    })
}

/// Runs `programs` random programs, with one thread per core, and returns what they did; panics with the shortest one that fails.
fn run_many<S: Backing>(shelf: impl Fn() -> S + Sync, programs: u32) -> Tally {
    let tally = Mutex::new(Tally::default());
    let threads = u32::try_from(thread::available_parallelism().map_or(1, usize::from)).unwrap_or(1);
    thread::scope(|scope| {
        for number in 0..threads {
            let (shelf, tally) = (&shelf, &tally);
            let cases = programs / threads + u32::from(number < programs % threads);
            scope.spawn(move || {
                let config = Config { cases, failure_persistence: None, max_shrink_iters: 50_000, ..Config::default() };
                let seed = [u8::try_from(number).unwrap_or(0) + 1; 32];
                let rng = if programs > 50_000 {
                    TestRng::from_seed(RngAlgorithm::ChaCha, &seed)
                } else {
                    // The short run draws different programs each time; a failure prints what is needed to repeat it.
                    TestRng::from_seed(RngAlgorithm::ChaCha, &fresh_seed())
                };
                let outcome = TestRunner::new_with_rng(config, rng).run(&any_program(), |steps| {
                    let done = run(&shelf(), &steps).map_err(TestCaseError::fail)?;
                    tally.lock().add(&done);
                    Ok(())
                });
                match outcome {
                    Ok(()) => {}
                    Err(TestError::Fail(why, steps)) => panic!("{why}\nprogram: {steps:?}"),
                    Err(TestError::Abort(why)) => panic!("{why}"),
                }
            });
        }
    });
    tally.into_inner()
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
    let tally = run_many(Book::default, count);
    report("in memory", count, begun.elapsed(), &tally);
    let lacks = tally.lacks();
    assert!(count < ENOUGH || lacks.is_empty(), "{count} programs never had: {lacks:?}");
}

#[test]
fn the_same_holds_on_a_real_store() {
    let (count, begun) = (programs("MUSTER_PROGRAMS_ON_DISK", 40), tokio::time::Instant::now());
    let tally = run_many(DiskBacking::default, count);
    report("on disk", count, begun.elapsed(), &tally);
}

#[expect(clippy::print_stdout, reason = "the figures that the long run is for")]
fn report(place: &str, programs: u32, took: Duration, tally: &Tally) {
    println!("{programs} programs {place}: 0 violations in {:.0} s\n{tally}", took.as_secs_f64());
}

//! The model test: random programs of AWS's changes, of what is seen of them, and of faults run through the real writer loop, and
//! the result is compared with a plain history of AWS.
//!
//! [`aws`] is that history, [`book`] a store in memory (some programs use the real one), [`program`] the steps; [`runner`] carries
//! them out and checks after each one. Failures that were found and fixed are programs of their own in [`found`].
//!
//! `cargo test` runs 10,000 programs in memory and 40 on disk, each time others, with a thread for each core: some 20 s on 2 cores.
//! `MUSTER_PROGRAMS` and `MUSTER_PROGRAMS_ON_DISK` set how many; above 50,000 they are the same in every run. The long run, which
//! takes some ten minutes on one core and half of that on two, is
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
use shelf::{Backing, DiskBacking};

/// Runs one program; returns the violated invariant, if any.
fn run<S: Backing>(shelf: &S, steps: &[ProgramStep]) -> Result<(), String> {
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

/// Runs `programs` random programs, with one thread per core; panics with the shortest one that fails.
fn run_many<S: Backing>(shelf: impl Fn() -> S + Sync, programs: u32) {
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
                    // The short run draws different programs each time; a failure prints what is needed to repeat it.
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
    run_many(DiskBacking::default, count);
    report("on disk", count, begun.elapsed());
}

#[expect(clippy::print_stdout, reason = "the figures that the long run is for")]
fn report(place: &str, programs: u32, took: Duration) {
    println!("{programs} programs {place}: 0 violations in {:.0} s", took.as_secs_f64());
}

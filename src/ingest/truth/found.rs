//! Programs that once ended in an untruth, as short as they could be made.

use super::book::Book;
use super::program::Step;
use super::run;

#[track_caller]
fn holds(steps: &[Step]) {
    if let Err(why) = run(&Book::default(), steps) {
        panic!("{why}");
    }
}

#[test]
fn a_resource_without_history_is_found() {
    holds(&[Step::Launch, Step::Finish { lag: 0 }]);
}

#[test]
fn a_watermark_claims_nothing_of_a_resource_that_the_sweep_left_in_doubt() {
    use Step::{Delete, Finish, Launch, Remap, Retag, Sweep, Wait};
    let untagged = Retag { which: 0, tags: 0 };
    let (now, late) = (Finish { lag: 0 }, Finish { lag: 1 });
    holds(&[Launch, now, untagged, Wait(2), Wait(3), now, Step::Restart { kill: false }]);
    holds(&[Launch, Wait(1), untagged, Launch, late, Wait(10), now, Sweep, Remap]);
    holds(&[Launch, Wait(1), now, untagged, Wait(10), Delete(0), late, now, Remap]);
}

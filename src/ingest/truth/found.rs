//! Programs that once led to an untrue answer, made as short as possible.

use super::book::Book;
use super::program::PlacedStep;
use super::program::ProgramStep::{
    self, Answer, Delete, Deliver, Finish, Jump, Launch, Refresh, Remap, Restart, Retag, Sweep, Terminate, Wait,
};
use super::run;

/// A program in one scope.
#[track_caller]
fn holds(steps: &[ProgramStep]) {
    holds_in(&steps.iter().map(|step| (0, *step)).collect::<Vec<_>>());
}

/// A program in several scopes.
#[track_caller]
fn holds_in(steps: &[PlacedStep]) {
    if let Err(why) = run(&Book::default(), steps) {
        panic!("{why}");
    }
}

#[test]
fn a_resource_without_history_is_found() {
    holds(&[Launch, Finish { lag: 0 }]);
}

const NOW: ProgramStep = Finish { lag: 0 };
const LATE: ProgramStep = Finish { lag: 1 };
const UNTAG: ProgramStep = Retag { which: 0, tags: 0 };

#[test]
fn a_watermark_claims_nothing_of_a_resource_that_the_sweep_left_in_doubt() {
    holds(&[Launch, NOW, UNTAG, Wait(2), Wait(3), NOW, Restart { kill: false }]);
}

#[test]
fn a_sweep_that_begins_does_not_make_the_last_one_less_doubtful() {
    holds(&[Launch, Wait(1), UNTAG, Launch, LATE, Wait(10), NOW, Sweep, Remap]);
}

#[test]
fn a_sweep_that_lacks_a_resource_claims_nothing_of_it() {
    holds(&[Launch, Wait(1), NOW, UNTAG, Wait(10), Delete(0), LATE, NOW, Remap]);
}

#[test]
fn a_page_that_lags_behind_a_removal_does_not_bring_the_resource_back() {
    holds(&[Launch, NOW, Wait(70), Delete(0), NOW, NOW, Finish { lag: 3 }]);
}

#[test]
fn a_watermark_claims_nothing_of_a_resource_that_an_answer_from_before_the_sweep_brought_after_it() {
    let (told, ask) = (Deliver { which: 0, again: false }, Refresh { lag: 0, fails: false });
    holds(&[Launch, told, Wait(3), ask, Delete(0), Wait(10), NOW, Answer, Restart { kill: false }]);
    holds(&[Launch, told, Wait(3), ask, Delete(0), Wait(10), NOW, Answer, Restart { kill: true }]);
}

#[test]
fn an_answer_that_was_on_its_way_while_the_clock_jumped_does_not_bring_a_resource_back() {
    let (told, ask) = (Deliver { which: 0, again: false }, Refresh { lag: 0, fails: false });
    holds(&[Launch, told, ask, Jump(60), Wait(10), Answer, NOW, ask, Terminate(0), Wait(156), NOW, NOW]);
}

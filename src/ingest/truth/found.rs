//! Programs that once led to an untrue answer, made as short as possible.

use super::book::Book;
use super::program::ProgramStep::{
    self, Answer, Delete, Deliver, Finish, Jump, Land, Launch, Refresh, Remap, Restart, Retag, Sweep, Terminate, Wait,
};
use super::program::{PlacedStep, ReloadFault};
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

/// The first scope comes or goes; nothing of it is on its way.
const TURN: ProgramStep = turn(true, false);
/// The same, while pages and a describe are on their way.
const LATER: ProgramStep = turn(false, false);
/// The same, in the middle of a page.
const AMID: ProgramStep = turn(false, true);

const fn turn(cut: bool, within: bool) -> ProgramStep {
    ProgramStep::Reload { turned: 1, whole: true, cut, within, fault: ReloadFault::Nothing }
}

#[test]
fn a_page_that_was_on_its_way_when_its_scope_was_given_up_makes_nothing() {
    holds(&[Launch, Sweep, LATER, Land, Land]);
    holds(&[Launch, Launch, Sweep, AMID, Land, Land]);
    holds_in(&[(0, Launch), (2, Launch), (0, Sweep), (0, AMID), (2, NOW), (0, Land)]);
}

#[test]
fn what_a_listing_from_before_shows_after_the_return_is_not_news() {
    holds(&[Launch, NOW, Launch, Sweep, LATER, TURN, Land, Land, NOW]);
}

#[test]
fn what_is_found_after_a_return_and_a_kill_was_there_before() {
    holds(&[Launch, NOW, TURN, Launch, TURN, Restart { kill: true }, NOW]);
}

#[test]
fn the_first_sweep_after_a_quick_return_counts_after_a_kill() {
    holds(&[Launch, NOW, TURN, TURN, NOW, Restart { kill: true }, Launch, NOW]);
}

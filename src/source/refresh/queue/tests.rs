use proptest::prelude::*;

use super::super::pace::EVERY;
use super::*;
use crate::kinds::{self, KindSpec};
use crate::model::ResourceId;
use crate::model::fixtures::scope;

fn queue() -> RefreshQueue {
    RefreshQueue::new(KindSpec::DEFAULT.refreshes)
}

fn s(seconds: u64) -> Tick {
    Duration::from_secs(seconds)
}

fn id(name: &str) -> Arc<str> {
    name.into()
}

fn wanted(name: &str, expects: Option<&str>) -> Wanted {
    let id = ResourceId::new(&scope(), &kinds::INSTANCE.kind(), name);
    Wanted { id, expects: expects.map(str::to_owned), is_changing: false }
}

#[test]
fn a_burst_of_mentions_is_one_question_two_seconds_after_the_first() {
    let mut queue = queue();
    for now in [10, 11] {
        queue.push(wanted("i-1", None), s(now));
    }
    assert_eq!(queue.take(s(11)), Vec::<Arc<str>>::new());
    assert_eq!(queue.take(s(12)), [id("i-1")]);
    queue.answered(&id("i-1"), true, None, s(12));
    assert!(queue.is_empty());
}

#[test]
fn an_answer_that_disagrees_is_asked_for_again_at_15_and_60_seconds_and_no_more() {
    let mut queue = queue();
    queue.push(wanted("i-1", Some("running")), s(10));
    for due in [12, 25, 70] {
        assert_eq!(queue.next_due(), Some(s(due)));
        assert_eq!(queue.take(s(due)).len(), 1);
        queue.answered(&id("i-1"), true, Some("pending"), s(due));
    }
    assert!(queue.is_empty());
}

#[test]
fn what_a_tool_changed_is_described_at_every_time_whatever_the_answers_show() {
    let mut queue = queue();
    queue.push(Wanted { is_changing: true, ..wanted("i-1", Some("stopping")) }, s(10));
    // An event about it asks for no fewer.
    queue.push(wanted("i-1", None), s(11));
    for (due, shown) in [(12, "stopping"), (25, "stopped"), (70, "stopped")] {
        assert_eq!(queue.next_due(), Some(s(due)));
        assert_eq!(queue.take(s(due)).len(), 1);
        queue.answered(&id("i-1"), true, Some(shown), s(due));
    }
    assert!(queue.is_empty());
}

#[test]
fn a_snapshot_that_was_just_made_is_looked_at_more_often_at_first() {
    let mut queue = RefreshQueue::new(kinds::SNAPSHOT.refreshes);
    queue.push(wanted("snap-1", Some("completed")), s(10));
    for due in [12, 15, 25, 70] {
        assert_eq!(queue.next_due(), Some(s(due)));
        assert_eq!(queue.take(s(due)).len(), 1);
        queue.answered(&id("snap-1"), true, Some("pending"), s(due));
    }
    assert!(queue.is_empty(), "however long it takes, it is not looked at for ever");
}

#[test]
fn a_mention_while_it_is_asked_for_asks_once_more() {
    let mut queue = queue();
    queue.push(wanted("i-1", Some("pending")), s(10));
    queue.take(s(12));
    queue.push(wanted("i-1", Some("running")), s(13));
    queue.answered(&id("i-1"), true, Some("running"), s(14));
    assert_eq!(queue.next_due(), Some(s(15)));
    queue.take(s(15));
    queue.answered(&id("i-1"), true, Some("running"), s(16));
    assert!(queue.is_empty());
}

#[test]
fn too_many_are_let_go_for_one_sweep() {
    let mut queue = queue();
    for n in 0..MAX_WAITING {
        assert_eq!(queue.push(wanted(&format!("i-{n}"), None), s(0)), Pushed::Waits);
    }
    assert_eq!(queue.push(wanted("i-1", None), s(1)), Pushed::Waits);
    assert_eq!(queue.push(wanted("one too many", None), s(1)), Pushed::Overflowed);
    assert!(queue.is_empty() && queue.next_due().is_none());
}

#[test]
fn what_could_not_be_asked_for_waits_again() {
    let mut queue = queue();
    queue.push(wanted("i-1", None), s(0));
    let taken = queue.take(s(2));
    queue.put_back(taken, s(9));
    assert_eq!(queue.next_due(), Some(s(9)));
    assert_eq!((queue.len(), queue.take(s(9)).len()), (1, 1));
}

#[test]
fn two_changes_a_second_cost_ten_calls_a_minute() {
    let mut queue = queue();
    let (mut calls, mut answers) = (0, 0);
    let mut now = Tick::ZERO;
    for n in 0..1_200_u32 {
        now = Duration::from_millis(500) * n;
        queue.push(wanted(&format!("i-{n}"), Some("running")), now);
        let taken = queue.take(now);
        calls += usize::from(!taken.is_empty());
        answers += taken.len();
        for id in taken {
            // It begins to run half a minute after it was told to: each is described three times.
            let is_running = queue.entries.get(&id).is_some_and(|entry| now.saturating_sub(entry.mentioned) >= s(30));
            queue.answered(&id, true, Some(if is_running { "running" } else { "pending" }), now);
        }
    }
    assert_eq!(now + Duration::from_millis(500), s(600));
    assert!((98..=103).contains(&calls), "{calls} calls in ten minutes");
    assert!(answers > 3_000, "{answers}");
}

#[test]
fn what_a_tool_changed_does_not_wait_for_the_pace_and_takes_along_who_is_due() {
    let mut queue = queue();
    for n in 0..4 {
        queue.push(wanted(&format!("i-{n}"), None), s(n));
    }
    let calls: Vec<usize> = (2..=5).map(|now| queue.take(s(now)).len()).collect();
    assert_eq!((calls, queue.next_due()), (vec![1, 1, 1, 0], Some(s(8))), "three close together, and then the pace");
    queue.push(Wanted { is_changing: true, ..wanted("i-tool", None) }, s(5));
    assert_eq!(queue.next_due(), Some(s(7)));
    assert_eq!(queue.take(s(7)), [id("i-tool"), id("i-3")]);
}

#[test]
fn who_fills_a_call_does_not_wait_for_the_pace() {
    let mut queue = queue();
    for second in 0..3 {
        queue.push(wanted(&format!("i-{second}"), None), s(second));
        queue.take(s(second + 2));
    }
    for n in 0..PER_CALL {
        assert!(queue.next_due().is_none_or(|due| due == s(8)), "{n}");
        queue.push(wanted(&format!("i-of-many-{n}"), None), s(5));
    }
    assert_eq!(queue.next_due(), Some(s(7)));
    assert_eq!((queue.take(s(7)).len(), queue.next_due()), (PER_CALL, None));
}

/// What happens next: time passes, an id is mentioned, or a call is answered.
#[derive(Clone, Copy, Debug)]
enum PaceStep {
    Wait(u32),
    Mention { which: u8, is_changing: bool },
    Answer { settled: bool },
}

fn steps() -> impl Strategy<Value = Vec<PaceStep>> {
    let step = prop_oneof![
        3 => (0_u32..3_000).prop_map(PaceStep::Wait),
        4 => (0_u8..40, prop::bool::weighted(0.05))
            .prop_map(|(which, is_changing)| PaceStep::Mention { which, is_changing }),
        3 => any::<bool>().prop_map(|settled| PaceStep::Answer { settled }),
    ];
    prop::collection::vec(step, 1..400)
}

/// Takes the calls that are due up to `until`. Each id goes within the pace after it is due, and one that a tool had AWS change at once.
fn pass(queue: &mut RefreshQueue, asked: &mut Vec<Arc<str>>, slow: &mut u32, until: Tick) -> Result<(), TestCaseError> {
    while let Some(now) = queue.next_due().filter(|due| *due <= until) {
        let urgent = queue.urgent.len();
        let due: Vec<(Tick, Arc<str>)> = queue.due.iter().filter(|(due, _)| *due <= now).cloned().collect();
        let taken = queue.take(now);
        prop_assert_eq!(taken.len(), due.len(), "fewer ids than fill a call are mentioned");
        for (due, id) in due {
            let is_changing = queue.entries.get(&id).is_some_and(|entry| entry.is_changing);
            prop_assert!(
                now.saturating_sub(due) <= if is_changing { Tick::ZERO } else { EVERY },
                "{id} is due at {due:?} and asked at {now:?}"
            );
        }
        *slow += u32::from(queue.urgent.len() == urgent);
        asked.extend(taken);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, each id is described soon after it is due, and calls keep to the pace.
    #[test]
    fn nobody_waits_longer_than_the_pace_and_calls_keep_to_it(steps in steps()) {
        let (mut queue, mut asked, mut slow, mut now) = (queue(), Vec::new(), 0, Tick::ZERO);
        for step in steps {
            match step {
                PaceStep::Wait(millis) => now += Duration::from_millis(millis.into()),
                PaceStep::Mention { which, is_changing } => {
                    queue.push(Wanted { is_changing, ..wanted(&format!("i-{which}"), None) }, now);
                }
                PaceStep::Answer { settled } => {
                    for id in asked.drain(..) {
                        queue.answered(&id, settled, None, now);
                    }
                }
            }
            pass(&mut queue, &mut asked, &mut slow, now)?;
            let allowed = 3 + now.as_millis() / EVERY.as_millis();
            prop_assert!(u128::from(slow) <= allowed, "{slow} calls that nobody waits for in {now:?}");
        }
        // In the end everybody is settled.
        for _ in 0..100 {
            now += s(7);
            for id in asked.drain(..) {
                queue.answered(&id, true, None, now);
            }
            pass(&mut queue, &mut asked, &mut slow, now)?;
        }
        prop_assert!(queue.is_empty() && queue.urgent.is_empty() && queue.due.is_empty(), "{queue:?}");
    }
}

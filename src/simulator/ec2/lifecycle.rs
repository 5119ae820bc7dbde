//! `StartInstances`, `StopInstances`, `RebootInstances` and `TerminateInstances`.
//!
//! If a call cannot be carried out for one of its instances, it changes none. Asking for the state that an instance
//! already has or is moving to is no error: the answer shows the same state twice.

use crate::simulator::account::Edit;
use crate::simulator::ec2::call::{Answer, Call};
use crate::simulator::instance::State;
use crate::simulator::refusal::Refusal;
use crate::simulator::xml::Xml;

/// The principal of EKS, which manages some instances for the account.
pub(super) const OPERATOR: &str = "eks.amazonaws.com";

/// How one of the calls differs from the others.
struct Verb {
    action: &'static str,
    participle: &'static str,
    /// Whether the call changes an instance in a state, leaves it unchanged, or is refused.
    rule: fn(State) -> StateRule,
    act: fn(&mut Edit, u64),
}

enum StateRule {
    Act,
    AsItIs,
    Refuse,
}

/// Answers a `StartInstances` call.
pub(super) fn start(call: &Call) -> Answer {
    transition(
        call,
        &Verb {
            action: "StartInstances",
            participle: "started",
            rule: |state| match state {
                State::Stopped => StateRule::Act,
                State::Pending | State::Running => StateRule::AsItIs,
                State::Stopping | State::ShuttingDown | State::Terminated => StateRule::Refuse,
            },
            act: |edit, number| edit.start(number),
        },
    )
}

/// Answers a `StopInstances` call.
pub(super) fn stop(call: &Call) -> Answer {
    for flag in ["Force", "Hibernate", "SkipOsShutdown"] {
        call.params.flag(flag)?;
    }
    transition(
        call,
        &Verb {
            action: "StopInstances",
            participle: "stopped",
            rule: |state| match state {
                State::Running => StateRule::Act,
                State::Stopping | State::Stopped => StateRule::AsItIs,
                State::Pending | State::ShuttingDown | State::Terminated => StateRule::Refuse,
            },
            act: |edit, number| edit.stop(number),
        },
    )
}

/// Answers a `TerminateInstances` call.
pub(super) fn terminate(call: &Call) -> Answer {
    for flag in ["Force", "SkipOsShutdown"] {
        call.params.flag(flag)?;
    }
    transition(
        call,
        &Verb {
            action: "TerminateInstances",
            participle: "terminated",
            rule: |state| match state {
                State::ShuttingDown | State::Terminated => StateRule::AsItIs,
                State::Pending | State::Running | State::Stopping | State::Stopped => StateRule::Act,
            },
            act: |edit, number| edit.terminate(number),
        },
    )
}

/// Answers a `RebootInstances` call, which changes nothing that a Describe call shows.
pub(super) fn reboot(call: &Call) -> Answer {
    let (_, numbers) = targets(call)?;
    call.dry_run()?;
    let edit = call.account.edit();
    check(&edit, call, &numbers, "rebooted", |state| match state {
        // EC2's documentation says that rebooting a terminated instance is ignored.
        State::Running | State::Pending | State::ShuttingDown | State::Terminated => StateRule::AsItIs,
        State::Stopping | State::Stopped => StateRule::Refuse,
    })?;
    drop(edit);
    Ok(call.envelope("RebootInstances", 64, |xml| xml.flag("return", true)))
}

fn transition(call: &Call, verb: &Verb) -> Answer {
    let (ids, numbers) = targets(call)?;
    call.dry_run()?;
    let mut edit = call.account.edit();
    check(&edit, call, &numbers, verb.participle, verb.rule)?;
    let states = numbers.iter().filter_map(|&number| {
        let before = edit.instance(number)?.state(edit.now());
        if matches!((verb.rule)(before), StateRule::Act) {
            (verb.act)(&mut edit, number);
        }
        Some((before, at_once(&edit, number)?))
    });
    let states: Vec<(State, State)> = states.collect();
    drop(edit);
    Ok(call.envelope(verb.action, 256 * ids.len(), |xml| {
        xml.within("instancesSet", |xml| {
            for (id, (before, after)) in ids.iter().zip(states) {
                xml.within("item", |xml| {
                    xml.text("instanceId", id);
                    state(xml, "currentState", after);
                    state(xml, "previousState", before);
                });
            }
        });
    }))
}

/// The state in the answer: EC2 answers `pending` and `stopping` even when the change takes no time.
fn at_once(edit: &Edit, number: u64) -> Option<State> {
    let (instance, now) = (edit.instance(number)?, edit.now());
    Some(match instance.state(now) {
        State::Running if instance.launched() == now => State::Pending,
        State::Stopped if instance.asked() == Some(now) => State::Stopping,
        State::Terminated if instance.asked() == Some(now) => State::ShuttingDown,
        state => state,
    })
}

fn targets<'a>(call: &Call<'a>) -> Result<(Vec<&'a str>, Vec<u64>), Refusal> {
    let ids = call.params.set("InstanceId");
    if ids.is_empty() {
        return Err(Refusal::invalid_combination("No instances specified"));
    }
    let numbers = call.targets(&ids)?;
    Ok((ids, numbers))
}

fn check(
    edit: &Edit,
    call: &Call,
    numbers: &[u64],
    participle: &'static str,
    rule: impl Fn(State) -> StateRule,
) -> Result<(), Refusal> {
    for instance in numbers.iter().filter_map(|number| edit.instance(*number)) {
        let id = || call.account.plan().id(&instance);
        if matches!(rule(instance.state(edit.now())), StateRule::Refuse) {
            return Err(Refusal::wrong_state(&id(), participle));
        }
        if instance.managed && participle != "rebooted" {
            return Err(Refusal::managed(&id(), participle, OPERATOR));
        }
    }
    Ok(())
}

/// `<tag><code>16</code><name>running</name></tag>`
pub(super) fn state(xml: &mut Xml, tag: &str, state: State) {
    xml.within(tag, |xml| {
        xml.number("code", state.code());
        xml.text("name", state.name());
    });
}

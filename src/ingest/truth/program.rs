//! Random programs.

use proptest::prelude::*;

/// A step, and the number of the scope in which it happens; some happen everywhere.
pub(super) type PlacedStep = (u8, ProgramStep);

/// What goes wrong while it is recorded which scopes are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ReloadFault {
    Nothing,
    /// The process is killed before it is recorded.
    Unrecorded,
    /// The process is killed right after it.
    Killed,
}

/// One thing that happens. Numbers choose among what exists at that moment, so that every program, and every part of one, makes
/// sense.
#[derive(Clone, Copy, Debug)]
pub(super) enum ProgramStep {
    /// Time passes, in seconds.
    Wait(u16),
    /// AWS: a launch, a start or stop, a termination, a silent deletion, another set of tags, another size.
    Launch,
    Power {
        which: u8,
        on: bool,
    },
    Terminate(u8),
    Delete(u8),
    Retag {
        which: u8,
        tags: u8,
    },
    Resize(u8),
    /// Resources that always existed are deleted all at once.
    DeleteMany,
    /// An event arrives; with `again` it will arrive once more.
    Deliver {
        which: u8,
        again: bool,
    },
    /// An event that arrived earlier arrives once more, however long ago that was.
    Repeat(u8),
    /// An event never arrives.
    Lose(u8),
    /// A listing starts, requests a page, gets it, runs to its end, or is given up. Answers lag by seconds, lack all tags (of two
    /// thirds) or some resources (`hide`: one in four; `blind`: nearly all).
    Sweep,
    Ask {
        lag: u8,
        tagless: bool,
        hide: bool,
        blind: bool,
    },
    Land,
    Finish {
        lag: u8,
    },
    GiveUp,
    /// Due ids are described; the answer arrives.
    Refresh {
        lag: u8,
        fails: bool,
    },
    Answer,
    /// A tool starts or stops an instance; AWS's answer is recorded.
    Tool {
        which: u8,
        on: bool,
    },
    ToolAnswer,
    /// The process ends and starts again; `kill` saves nothing.
    Restart {
        kill: bool,
    },
    /// From now on the clock is wrong by this many seconds.
    Jump(i16),
    /// A new version of the mapping.
    Remap,
    /// The configuration file is read again: what it says of some scopes has turned around, one bit each. With `cut`, messages of a
    /// listing under way there are lost, otherwise they are on their way; with `within`, the writer is in the middle of one.
    Reload {
        turned: u8,
        whole: bool,
        cut: bool,
        within: bool,
        fault: ReloadFault,
    },
}

/// A program, with or without the step that starts with many resources, in one scope or several.
pub(super) fn any_program() -> impl Strategy<Value = Vec<PlacedStep>> {
    prop_oneof![3 => Just(1_u8), 3 => Just(2), 4 => Just(4)]
        .prop_flat_map(|places| prop::collection::vec(placed(places), 1..50 + 10 * usize::from(places)))
}

fn placed(places: u8) -> impl Strategy<Value = PlacedStep> {
    (0..places, prop_oneof![20 => any_step().boxed(), 1 => any_reload(places).boxed()])
}

fn any_reload(places: u8) -> impl Strategy<Value = ProgramStep> {
    let fault = prop_oneof![
        8 => Just(ReloadFault::Nothing),
        1 => Just(ReloadFault::Unrecorded),
        1 => Just(ReloadFault::Killed),
    ];
    // Mostly one of them comes or goes.
    let turned = prop_oneof![6 => (0..places).prop_map(|place| 1 << place), 1 => 0..1_u8 << places];
    (turned, any::<bool>(), any::<bool>(), any::<bool>(), fault)
        .prop_map(|(turned, whole, cut, within, fault)| ProgramStep::Reload { turned, whole, cut, within, fault })
}

fn any_step() -> impl Strategy<Value = ProgramStep> {
    let which = 0..4_u8;
    let lag = 0..6_u8;
    let rarely = |share: f64| prop::bool::weighted(share);
    prop_oneof![
        10 => prop_oneof![3 => 0..6_u16, 2 => 10..40_u16, 1 => 55..200_u16].prop_map(ProgramStep::Wait),
        4 => Just(ProgramStep::Launch),
        6 => (which.clone(), any::<bool>()).prop_map(|(which, on)| ProgramStep::Power { which, on }),
        3 => which.clone().prop_map(ProgramStep::Terminate),
        1 => which.clone().prop_map(ProgramStep::Delete),
        4 => (which.clone(), 0..4_u8).prop_map(|(which, tags)| ProgramStep::Retag { which, tags }),
        2 => which.clone().prop_map(ProgramStep::Resize),
        1 => Just(ProgramStep::DeleteMany),
        8 => (0..6_u8, rarely(0.2)).prop_map(|(which, again)| ProgramStep::Deliver { which, again }),
        2 => any::<u8>().prop_map(ProgramStep::Repeat),
        2 => (0..6_u8).prop_map(ProgramStep::Lose),
        5 => Just(ProgramStep::Sweep),
        6 => (lag.clone(), rarely(0.15), rarely(0.15), rarely(0.15))
            .prop_map(|(lag, tagless, hide, blind)| ProgramStep::Ask { lag, tagless, hide, blind }),
        6 => Just(ProgramStep::Land),
        8 => lag.clone().prop_map(|lag| ProgramStep::Finish { lag }),
        1 => Just(ProgramStep::GiveUp),
        6 => (lag, rarely(0.1)).prop_map(|(lag, fails)| ProgramStep::Refresh { lag, fails }),
        5 => Just(ProgramStep::Answer),
        4 => (which, any::<bool>()).prop_map(|(which, on)| ProgramStep::Tool { which, on }),
        4 => Just(ProgramStep::ToolAnswer),
        2 => any::<bool>().prop_map(|kill| ProgramStep::Restart { kill }),
        1 => prop::sample::select(vec![-3600_i16, -60, -8, 0, 0, 0, 8, 60, 3600]).prop_map(ProgramStep::Jump),
        1 => Just(ProgramStep::Remap),
    ]
}

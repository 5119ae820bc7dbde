//! Random programs.

use proptest::prelude::*;

/// One thing that happens. Numbers choose among what there is at that moment, so that every program makes sense and every
/// part of one does, too.
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
    /// Resources that were always there are deleted all at once.
    DeleteMany,
    /// An event arrives; `again` leaves it to arrive once more.
    Deliver {
        which: u8,
        again: bool,
    },
    /// An event that arrived earlier arrives once more, however long ago that was.
    Repeat(u8),
    /// An event never arrives.
    Lose(u8),
    /// A listing begins, asks for a page, gets it; goes on to its end; or is given up. Answers lag by seconds, lack all tags
    /// (of two thirds) or some resources (`hide`: one in four; nearly all of them with `blind`).
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
    /// Due ids are asked for; the answer arrives.
    Refresh {
        lag: u8,
        fails: bool,
    },
    Answer,
    /// A tool starts or stops an instance; AWS's answer is written down.
    Tool {
        which: u8,
        on: bool,
    },
    ToolAnswer,
    /// The process ends and starts again; `kill` saves nothing.
    Restart {
        kill: bool,
    },
    /// The clock is wrong from now on, by so many seconds.
    Jump(i16),
    /// A new version of the mapping.
    Remap,
}

/// A program, with and without the step that begins with many resources.
pub(super) fn any_program() -> impl Strategy<Value = Vec<ProgramStep>> {
    prop::collection::vec(any_step(), 1..60)
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

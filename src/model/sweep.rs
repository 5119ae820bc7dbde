//! Sweeps: full listings of one kind in one scope, as a stream of steps.

use super::id::{Kind, Scope};
use super::page::{LeftOut, Page};
use super::time::Timestamp;
use super::trouble::Trouble;

/// One step of a sweep, and what is swept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepMessage {
    /// The scope listed.
    pub scope: Scope,
    /// The kind listed.
    pub kind: Kind,
    /// What happened.
    pub step: SweepStep,
}

/// What happened in a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepStep {
    /// A sweep begins. If one of the same scope and kind was under way, it has started over, and what it showed proves no absence.
    Started {
        /// AWS time before the first request.
        at: Timestamp,
    },
    /// A page was answered.
    Page(Page),
    /// A page failed and is asked for again: the sweep goes on.
    Stumbled {
        /// Why, and when it is asked for again.
        trouble: Trouble,
    },
    /// The sweep that is about to complete was made without these optional parameters, which the endpoint does not know. Comes before
    /// [`SweepStep::Completed`] when there are any, or were any in the last complete sweep.
    LeftOut {
        /// Their names; none when the sweep was made with all of them again.
        names: LeftOut,
        /// Whether this differs from the last complete sweep: then what this sweep lacks may exist and only not be shown any more.
        first: bool,
    },
    /// Every page since the last [`SweepStep::Started`] was answered: what was on none of them was not listed.
    Completed {
        /// AWS time after the last answer.
        ended: Timestamp,
    },
    /// The sweep was given up: what it did not show may well exist.
    Failed {
        /// Why, and when it is tried again.
        trouble: Trouble,
    },
}

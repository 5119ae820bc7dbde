//! Sweeps: full listings of one kind in one scope, as a stream of steps.

use super::id::{Kind, Scope};
use super::page::{LeftOut, Page};
use super::time::Timestamp;
use super::trouble::Trouble;

/// One step of a sweep of one kind in one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepMessage {
    /// The scope that is listed.
    pub scope: Scope,
    /// The kind that is listed.
    pub kind: Kind,
    /// What happened.
    pub step: SweepStep,
}

/// What happened in a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepStep {
    /// A sweep starts. If one of the same scope and kind was under way, it starts over, and what it listed so far proves no
    /// absence.
    Started {
        /// AWS time before the first request.
        at: Timestamp,
    },
    /// A page was answered.
    Page(Page),
    /// A page failed and is requested again: the sweep goes on.
    Stumbled {
        /// Why, and when it is requested again.
        trouble: Trouble,
    },
    /// The sweep that is about to complete left out these optional parameters, which the endpoint does not know. Precedes
    /// [`SweepStep::Completed`] if there are any, or if the last complete sweep had any.
    LeftOut {
        /// Their names; empty if the sweep used all parameters again.
        names: LeftOut,
        /// Whether the last complete sweep left out others: then a resource may be missing from this sweep only because it is no
        /// longer shown.
        first: bool,
    },
    /// Every page since the last [`SweepStep::Started`] was answered: a resource on none of them was not listed.
    Completed {
        /// AWS time after the last answer.
        ended: Timestamp,
    },
    /// The sweep was given up: resources that it did not list may exist.
    Failed {
        /// Why, and when the next sweep is tried.
        trouble: Trouble,
    },
}

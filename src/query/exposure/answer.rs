//! Answers about reachability, hop by hop.

use serde::Serialize;

use super::address_set::Family;
use super::ports::{Ports, Protocol};

/// Whether the internet can reach a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReachVerdict {
    /// No: some hop that is known lets nothing through, whatever the others do.
    NotReachable,
    /// It cannot be told: a hop on the way is not held, stale or incomplete, and none that is known blocks.
    Unknown,
    /// Yes: every hop is known and lets traffic through from as much as the internet.
    Reachable,
}

/// What a hop does to the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Does {
    /// It lets it through.
    Passes,
    /// It does not.
    Blocks,
    /// It is not known.
    Unknown,
}

/// One thing that traffic from the internet has to pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// What it is.
    pub hop: &'static str,
    /// What it does.
    pub does: Does,
    /// Why, with the id of the resource, in words.
    pub why: String,
}

/// Whether the internet can reach a port, and what decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exposure {
    /// The answer.
    pub verdict: ReachVerdict,
    /// The ports among those asked for of which that is so. All that were asked for unless the verdict is `reachable`.
    #[serde(skip)]
    pub ports: Ports,
    /// Every hop up to the one that blocks, from the internet inwards.
    pub hops: Vec<Hop>,
}

/// Ports of one protocol about which the answer is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The addresses by which they are reached, or not.
    pub family: Family,
    /// The protocol.
    pub protocol: Protocol,
    /// The ports.
    pub ports: Ports,
    /// The answer.
    pub verdict: ReachVerdict,
    /// Every hop up to the one that blocks.
    pub hops: Vec<Hop>,
}

//! What can go wrong, as one set of values: [`Faults`]. Everything is off until it is set.
//!
//! The same shape is read from JSON (the control endpoint), from TOML (a scenario) and from flags, and checked the same way
//! by the types of its fields. What the values do is `faults/board.rs`'s business.
//!
//! Every decision is a pure function of the seed, the fault, the account, region and action, and the number of the call
//! among theirs, or the resource and the walk: never of the wall clock or of how threads were scheduled. Buckets, lag and
//! skew go by the simulated clock.

mod board;
mod bucket;
mod case;
mod fault;
pub(crate) mod figure;
mod mangle;
mod name;
mod refuse;
mod settings;
mod walk;

pub use board::Board;
pub(crate) use board::{Fate, Judgement};
pub(crate) use case::Case;
pub use figure::{FigureError, Scale, Share, Skew, Span};
pub(crate) use mangle::Mangling;
pub use name::{ActionName, Actions, NameError, RegionName};
pub use settings::{
    Buckets, ClockFault, DeadRegions, FailingPages, Faults, Ignored, Invalid, LagFault, Latency, LossFault, Strike,
    StuckSnapshots,
};

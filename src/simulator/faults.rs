//! Everything that can be made to go wrong, as one set of values: [`Faults`]. All faults are off until they are set.
//!
//! JSON (the control paths), TOML (a scenario) and flags use the same shape, and the types of its fields check the
//! values. `faults/board.rs` applies them.
//!
//! Every decision is a pure function of the seed, the fault, the account, region and action, and either the number of
//! the call or the resource and its walk (one pass over the pages of a listing). It never depends on the wall clock or
//! on the scheduling of threads. Buckets, lag and skew use the simulated clock.

mod board;
mod bucket;
mod case;
mod denial;
mod fault;
pub(crate) mod figure;
mod mangle;
mod name;
mod refuse;
mod roles;
mod settings;
mod walk;

pub use board::Board;
pub(crate) use board::{Fate, Judgement};
pub(crate) use case::Case;
pub use denial::{Denial, DenyingPolicy};
pub use figure::{FigureError, Scale, Share, Skew, Span};
pub(crate) use mangle::Mangling;
pub use name::{AccountName, ActionName, Actions, FaultScopes, NameError, RegionName, ScopeName};
pub use roles::{RoleFaults, RoleName};
pub use settings::{
    Buckets, ClockFault, DeadRegions, FailingPages, Faults, Ignored, Invalid, LagFault, Latency, LossFault, Strike,
    StuckSnapshots,
};

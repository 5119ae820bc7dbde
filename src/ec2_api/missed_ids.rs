//! Resources that are asked for by ids or names, and that the copy does not have.

use std::collections::BTreeSet;

use crate::kinds::KindSpec;
use crate::model::Scope;

/// Resources of one kind that the copy does not have, for AWS to be asked for.
#[derive(Clone, Debug)]
pub struct MissedIds {
    /// Their kind.
    pub kind: &'static KindSpec,
    /// The scope in which they are asked for.
    pub scope: Box<Scope>,
    /// The ids, or what else a client names them by.
    pub names: Vec<String>,
    /// What AWS is asked by.
    pub by: AskedBy,
    /// Whether nothing is answered without them; else those that AWS does not know are just not in the answer.
    pub are_needed: bool,
}

/// What AWS is asked by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedBy {
    /// The ids.
    Ids,
    /// Filters, by their names, with the values as they are, without wildcards.
    Filters(Vec<(&'static str, Vec<String>)>),
}

/// What becomes of what the copy does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissStance {
    /// The copy alone decides.
    Copy,
    /// AWS is to be asked.
    Ask,
    /// AWS was asked a moment ago, and what it showed is in the copy: it knows no more.
    Asked,
}

/// The names of all, each once.
#[must_use]
pub fn names_of(missed: &[MissedIds]) -> Vec<String> {
    let names: BTreeSet<&String> = missed.iter().flat_map(|missed| &missed.names).collect();
    names.into_iter().cloned().collect()
}

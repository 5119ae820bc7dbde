//! The arguments of `list_changes`.

use std::borrow::Cow;

use rmcp::schemars::{self, JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::mcp::tools::arguments::ArgumentError;
use crate::mcp::tools::arguments::kind::KindArgument;
use crate::mcp::tools::arguments::scope::ScopeArguments;
use crate::query::changes::{CauseKind, ReadOrder};

/// The default number of changes per page.
const DEFAULT_CHANGES: usize = 50;
/// The most changes per page; the budget may cut a page shorter.
const MAX_CHANGES: usize = 500;
/// The longest wait.
const MAX_WAIT: u64 = 45;

/// Which changes, in which order, and how many.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Arguments {
    /// A time such as -2h, or a cursor of an earlier answer.
    pub(super) since: Option<String>,
    /// A time such as -15m.
    pub(super) until: Option<String>,
    /// Only this kind.
    pub(super) kind: Option<KindArgument>,
    /// Only this resource, by ID.
    pub(super) id: Option<String>,
    /// Only this resource, by URI.
    pub(super) uri: Option<String>,
    #[serde(flatten)]
    pub(super) scope: ScopeArguments,
    /// Only this field and those below it, such as State.Name or Tags[Name].
    pub(super) field: Option<String>,
    /// event includes call; action: tools' calls.
    pub(super) cause: Option<CauseArgument>,
    /// Count instead of listing; limit is then how many groups.
    #[serde(default)]
    pub(super) summary: bool,
    /// Default: newest, or oldest when waiting.
    pub(super) order: Option<OrderArgument>,
    /// Changes per page.
    #[serde(default = "default_changes")]
    #[schemars(range(min = 1, max = MAX_CHANGES))]
    pub(super) limit: usize,
    /// Wait for a match after since or cursor, else from now on.
    #[serde(default)]
    #[schemars(range(max = MAX_WAIT))]
    pub(super) wait_seconds: u64,
    /// Ask CloudTrail who made changes that name no caller, 10 per answer.
    #[serde(default)]
    pub(super) who: bool,
    /// Also show what first sweeps found.
    #[serde(default)]
    pub(super) include_baseline: bool,
    /// next_cursor of the previous answer, with the same filters.
    pub(super) cursor: Option<String>,
}

/// A cause of changes, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CauseArgument {
    /// A cause that records have.
    Kind(CauseKind),
    /// Not a cause: only tools' calls that change AWS, their refusals and confirmations, without what they changed.
    Action,
}

/// What stands for tools' calls among the causes.
const ACTION: &str = "action";

/// The causes, by name.
fn causes() -> Vec<(&'static str, CauseArgument)> {
    let kinds = CauseKind::ALL.map(|(name, kind)| (name, CauseArgument::Kind(kind)));
    kinds.into_iter().chain([(ACTION, CauseArgument::Action)]).collect()
}

/// An order of changes, by name.
#[derive(Clone, Copy, Debug)]
pub(super) struct OrderArgument(pub(super) ReadOrder);

/// The orders of changes, by name.
const ORDERS: [(&str, ReadOrder); 2] = [("newest", ReadOrder::Newest), ("oldest", ReadOrder::Oldest)];

impl<'de> Deserialize<'de> for CauseArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_of("cause", &causes(), deserializer)
    }
}

impl<'de> Deserialize<'de> for OrderArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_of("order", &ORDERS, deserializer).map(OrderArgument)
    }
}

/// Reads the argument `name` as one of the `known` words.
fn one_of<'de, T: Copy, D: Deserializer<'de>>(
    name: &str,
    known: &[(&'static str, T)],
    deserializer: D,
) -> Result<T, D::Error> {
    let given = String::deserialize(deserializer)?;
    let found = known.iter().find(|(word, _)| *word == given).map(|(_, value)| *value);
    let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
    found.ok_or_else(|| D::Error::custom(ArgumentError::one_of(name, &words, &given)))
}

impl JsonSchema for CauseArgument {
    fn schema_name() -> Cow<'static, str> {
        "Cause".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = causes().into_iter().map(|(name, _)| name).collect();
        json_schema!({"type": "string", "enum": names})
    }
}

impl JsonSchema for OrderArgument {
    fn schema_name() -> Cow<'static, str> {
        "Order".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": ORDERS.map(|(name, _)| name)})
    }
}

fn default_changes() -> usize {
    DEFAULT_CHANGES
}

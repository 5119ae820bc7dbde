//! Many accounts and regions in outline: a row for each account and each kind, not for each kind in each account and region.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::freshness::{ScopeCoverage, ScopeFreshness};
use crate::kinds::{self, KindSpec};
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::failed_scopes::FailedScopes;
use crate::mcp::places::NAMED;
use crate::mcp::progress::PendingSweeps;
use crate::mcp::stale::Stale;
use crate::mcp::stale_scopes::StaleScopes;
use crate::mcp::tools::rows::Columns;
use crate::mcp::tools::schema;
use crate::model::text::shown;
use crate::model::{AccountId, Kind, Scope, ScopeFilter, Timestamp};
use crate::query::counts;

/// How many accounts are shown one by one.
const ACCOUNTS: usize = 30;
/// How the others are found.
const LISTED_BY: &str =
    "query_inventory: SELECT * FROM account WHERE failed > 0, or SELECT * FROM freshness WHERE account = '...'";

/// What is known of some (scope, kind)s together.
#[derive(Default)]
struct Standings<'a> {
    regions: BTreeSet<&'a str>,
    pending: usize,
    failed: usize,
    stale: usize,
    covered: usize,
    /// Of those that are covered.
    as_of: Option<Timestamp>,
    resources: u64,
}

/// Whether so many scopes are shown in outline.
#[must_use]
pub(super) fn is_due(states: &[ScopeFreshness]) -> bool {
    let mut scopes: BTreeSet<&Scope> = BTreeSet::new();
    states.iter().any(|state| scopes.insert(&state.scope) && scopes.len() > NAMED)
}

impl<'a> Standings<'a> {
    fn add(&mut self, state: &'a ScopeFreshness, is_stale: bool) {
        self.regions.insert(state.scope.region.as_str());
        match state.coverage() {
            ScopeCoverage::Pending => self.pending += 1,
            ScopeCoverage::Failed => self.failed += 1,
            ScopeCoverage::Covered => {
                self.stale += usize::from(is_stale);
                self.as_of = if self.covered == 0 { state.settled } else { self.as_of.min(state.settled) };
                self.covered += 1;
            }
        }
    }

    fn put(&self, entry: &mut Map<String, Value>) {
        for (name, count) in [("pending", self.pending), ("failed", self.failed), ("stale", self.stale)] {
            if count > 0 {
                entry.insert(name.to_owned(), json!(count));
            }
        }
        if let Some(as_of) = self.as_of {
            entry.insert("as_of".to_owned(), json!(as_of));
        }
    }
}

/// The fields of an outline of `states`. `counts` says whether resources are counted as well.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn fields(
    core: &Core,
    states: &[ScopeFreshness],
    scope: &ScopeFilter,
    is_counted: bool,
) -> Result<Map<String, Value>, RequestError> {
    let (everywhere, now) = (core.ingest.freshness().trouble(), core.now());
    let mut by_account: BTreeMap<&AccountId, Standings<'_>> = BTreeMap::new();
    let mut by_kind: BTreeMap<&Kind, Standings<'_>> = BTreeMap::new();
    let mut stale = StaleScopes::default();
    for state in states {
        let is_covered = state.coverage() == ScopeCoverage::Covered;
        let reason = Stale::of(state, everywhere.as_ref(), now).filter(|_| is_covered);
        by_account.entry(&state.scope.account).or_default().add(state, reason.is_some());
        by_kind.entry(&state.kind).or_default().add(state, reason.is_some());
        if let Some(reason) = reason {
            stale.add(state.scope.clone(), kinds::of(&state.kind).map(|kind| kind.slug), reason);
        }
    }
    if is_counted {
        for (_, of, count) in core.snapshot()?.counts()? {
            if let Some(standings) = by_account.get_mut(&of.account).filter(|_| scope.takes(&of)) {
                standings.resources += count;
            }
        }
    }
    let mut fields = Map::new();
    let scopes: BTreeSet<&Scope> = states.iter().map(|state| &state.scope).collect();
    let (pending, failed) = (PendingSweeps::of(states), FailedScopes::of(states).beside(core.unreached(scope)));
    fields.insert(
        "coverage".to_owned(),
        json!({"all": scopes.len(), "pending": pending.scopes(), "failed": failed.scopes()}),
    );
    let mut kinds = Vec::new();
    for (kind, standings) in &by_kind {
        let Some(kind) = crate::kinds::of(kind) else { continue };
        kinds.push(of_kind(core, kind, standings, scope, is_counted)?);
    }
    let all = by_account.len();
    fields.insert("kinds".to_owned(), Value::Array(kinds));
    fields.insert("accounts".to_owned(), accounts(core, by_account, is_counted));
    if all > ACCOUNTS {
        fields.insert("accounts_not_shown".to_owned(), json!(all - ACCOUNTS));
    }
    fields.extend(failed.fields());
    if !pending.is_empty() {
        fields.insert("incomplete".to_owned(), pending.field());
    }
    if !stale.is_empty() {
        fields.insert("stale".to_owned(), stale.field());
    }
    fields.insert("listed_by".to_owned(), json!(LISTED_BY));
    Ok(fields)
}

fn of_kind(
    core: &Core,
    kind: &'static KindSpec,
    standings: &Standings<'_>,
    scope: &ScopeFilter,
    is_counted: bool,
) -> Result<Value, RequestError> {
    let mut entry = Map::from_iter([("kind".to_owned(), json!(kind.slug))]);
    if is_counted {
        let counted = counts(&core.store, &kind.kind(), scope, Columns::of(kind).state())?;
        entry.insert("count".to_owned(), json!(counted.total));
        if !counted.by_state.is_empty() {
            entry.insert("by_state".to_owned(), json!(counted.by_state));
        }
    }
    standings.put(&mut entry);
    Ok(Value::Object(entry))
}

/// The accounts: those with failures first, then those with most resources.
fn accounts(core: &Core, by_account: BTreeMap<&AccountId, Standings<'_>>, is_counted: bool) -> Value {
    let known = core.known_accounts();
    let mut accounts: Vec<(&AccountId, Standings<'_>)> = by_account.into_iter().collect();
    accounts.sort_by_key(|(_, of)| std::cmp::Reverse((of.failed, of.pending, of.resources)));
    let entries = accounts.iter().take(ACCOUNTS).map(|(account, standings)| {
        let mut entry = Map::from_iter([("account".to_owned(), json!(account))]);
        let facts = known.of(account);
        let parts = [
            ("name", facts.and_then(|facts| facts.name.as_deref())),
            ("ou", facts.and_then(|facts| facts.ou.as_deref())),
        ];
        for (name, text) in parts {
            if let Some(text) = text {
                entry.insert(name.to_owned(), json!(shown(text, 120)));
            }
        }
        entry.insert("regions".to_owned(), json!(standings.regions.len()));
        if is_counted {
            entry.insert("count".to_owned(), json!(standings.resources));
        }
        standings.put(&mut entry);
        Value::Object(entry)
    });
    entries.collect()
}

/// What output schemas say of an outline.
#[must_use]
pub fn described() -> [(&'static str, Value); 5] {
    let numbers = |mut own: Value| {
        if let Value::Object(own) = &mut own {
            own.insert("count".to_owned(), schema::count("How many resources there are."));
            own.insert("pending".to_owned(), schema::count("How many first sweeps are not complete."));
            own.insert("failed".to_owned(), schema::count("How many could not be looked at."));
            own.insert("stale".to_owned(), schema::count("How many are older than they should be."));
            own.insert("as_of".to_owned(), schema::text("When everything counted was last confirmed."));
        }
        own
    };
    let of_kind = schema::object(
        &["kind"],
        numbers(json!({
            "kind": schema::text("The kind."),
            "by_state": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
        })),
    );
    let of_account = schema::object(
        &["account", "regions"],
        numbers(json!({
            "account": schema::text("Its number."),
            "name": schema::text("Its name."),
            "ou": schema::text("The organizational units above it."),
            "regions": schema::count("How many of its regions are watched."),
        })),
    );
    [
        ("coverage", schema::scope_counts()),
        (
            "kinds",
            schema::list(of_kind, "Where accounts and regions are many: one entry for each kind, in place of scopes."),
        ),
        (
            "accounts",
            schema::list(of_account, "Where accounts and regions are many: those that fail, then the largest."),
        ),
        ("accounts_not_shown", schema::count("How many more accounts there are.")),
        ("listed_by", schema::text("How each account and region is listed.")),
    ]
}

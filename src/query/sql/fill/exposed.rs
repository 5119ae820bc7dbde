//! Fills the table of what the internet can reach: a row an instance and stretch of ports that is open, or may be.
//!
//! Each subnet and set of security groups is judged once. What cannot be told is a row as well, which says why; and the answer
//! says so, since a condition on ports may leave such a row out.

use std::collections::BTreeMap;

use super::filling::Filling;
use super::inserter::Inserter;
use super::kinds::number;
use super::rows::Rows;
use crate::kinds::{KindSpec, NETWORK_INTERFACE};
use crate::model::Scope;
use crate::query::exposure::gather::{INTERFACE_FILTERS, Interface, Open, Reaches};
use crate::query::exposure::{Does, LEAVES_OUT};
use crate::query::sql::SqlError;
use crate::query::sql::cell::SqlCell;
use crate::query::sql::narrow::NarrowTerms;
use crate::store::RowSelection;

/// The instances that are asked about, with their network interfaces that have a public address.
type PublicInstances = BTreeMap<(Scope, String), Vec<Interface>>;

/// Fills it, and returns what is to be said of every answer from it.
pub(super) fn fill(
    filling: &Filling<'_>,
    rows: &mut Rows<'_>,
    terms: &NarrowTerms,
    into: &mut Inserter<'_, '_>,
) -> Result<Vec<String>, SqlError> {
    let mut notes = vec![format!("exposure tells {LEAVES_OUT}")];
    // Where network interfaces cannot be relied on, instances may be missing, and what is held of the others may be over.
    let mut doubts = BTreeMap::new();
    for ((scope, kind), why) in &filling.outside.doubts {
        if *kind == NETWORK_INTERFACE.slug {
            notes.push(format!(
                "instances of {scope} may be missing from exposure: {}: {why}",
                NETWORK_INTERFACE.plural
            ));
            doubts.insert(scope, format!("{}: {why}", NETWORK_INTERFACE.plural));
        }
    }
    let unsure = |scope: &Scope, kind: &'static KindSpec| filling.outside.unsure(scope, kind);
    let mut reaches = Reaches::at(&filling.snapshot, &unsure);
    let mut unknown = 0_usize;
    for ((scope, instance), interfaces) in public(rows, terms)? {
        rows.on_time()?;
        let doubt = doubts.get(&scope).map(String::as_str);
        let open = reaches.open(&scope, &interfaces)?;
        unknown += usize::from(open.iter().any(|open| doubt.or(why(open)).is_some()));
        open.iter().try_for_each(|open| row(&scope, &instance, open, doubt.or(why(open)), into))?;
    }
    if unknown > 0 {
        notes.push(format!(
            "of {unknown} instances it is not known whether the internet can reach them: their rows say why in the column unknown"
        ));
    }
    Ok(notes)
}

/// The instances that have a public address, as far as the terms want them.
fn public(rows: &mut Rows<'_>, terms: &NarrowTerms) -> Result<PublicInstances, SqlError> {
    let facets = INTERFACE_FILTERS.iter().map(|filter| number(NETWORK_INTERFACE, filter)).collect();
    let wanted = terms.sets.get("instance_id");
    let of = number(NETWORK_INTERFACE, "attachment.instance-id");
    let only = wanted.map(|wanted| (of, wanted)).into_iter().collect();
    let mut found = PublicInstances::new();
    rows.each(NETWORK_INTERFACE, &RowSelection { facets, only, ..RowSelection::default() }, |id, row| {
        let Some((instance, interface)) = Interface::of_view(id.id, row) else { return Ok(()) };
        if !interface.addresses.is_empty() && wanted.is_none_or(|wanted| wanted.contains(&instance)) {
            found.entry((id.owned().scope(), instance)).or_default().push(interface);
        }
        Ok(())
    })?;
    Ok(found)
}

/// Why it is not known.
fn why(open: &Open) -> Option<&str> {
    open.hops.iter().find(|hop| hop.does == Does::Unknown).map(|hop| hop.why.as_str())
}

fn row(
    scope: &Scope,
    instance: &str,
    open: &Open,
    unknown: Option<&str>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let path: Vec<&str> = open.hops.iter().map(|hop| hop.why.as_str()).collect();
    into.row(&[
        SqlCell::Text(instance),
        SqlCell::Text(scope.account.as_str()),
        SqlCell::Text(scope.region.as_str()),
        SqlCell::Owned(open.protocol.to_string()),
        SqlCell::Int(i64::from(open.ports.from)),
        SqlCell::Int(i64::from(open.ports.to)),
        SqlCell::Text(open.from),
        SqlCell::Owned(serde_json::to_string(&path).unwrap_or_default()),
        unknown.map_or(SqlCell::Null, SqlCell::Text),
    ])
}

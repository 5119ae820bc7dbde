//! Fills the table of instances' health: one verdict of all status checks, and the next event that AWS has scheduled.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::inserter::Inserter;
use super::kinds::{facet, list, number, text};
use super::rows::Rows;
use crate::kinds::KindSpec;
use crate::kinds::health::{next_event, verdict};
use crate::query::sql::SqlError;
use crate::query::sql::cell::{ColumnForm, SqlCell};
use crate::store::RowSelection;

pub(super) fn fill(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    ids: Option<&BTreeSet<String>>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let of = |name: &str| number(spec, name);
    let state = of("instance-state-name");
    let checks = [of("system-status.status"), of("instance-status.status"), of("attached-ebs-status.status")];
    let event = of("event.code");
    let mut found = Vec::new();
    let [system, instance, ebs] = checks;
    let facets = vec![state, system, instance, ebs, event];
    rows.each(spec, &RowSelection { facets, ids, ..RowSelection::default() }, |id, row| {
        let owned = |number| facet(number, row).map(str::to_owned);
        found.push((id.owned(), owned(state), checks.map(owned), facet(event, row).is_some()));
        Ok(())
    })?;
    for (id, state, results, has_event) in found {
        let document = if has_event { rows.document(&id)? } else { None };
        let next = document.as_ref().and_then(next_event);
        let [system, instance, ebs] = &results;
        let failed: Vec<Cow<'_, str>> = ["system", "instance", "attached_ebs"]
            .iter()
            .zip(&results)
            .filter(|(_, result)| result.as_deref() == Some("impaired"))
            .map(|(check, _)| Cow::Borrowed(*check))
            .collect();
        into.row(&[
            SqlCell::Text(&id.id),
            SqlCell::Text(id.account.as_str()),
            SqlCell::Text(id.region.as_str()),
            text(state.as_deref()),
            SqlCell::Text(verdict(results.iter().flatten().map(String::as_str))),
            text(system.as_deref()),
            text(instance.as_deref()),
            text(ebs.as_deref()),
            SqlCell::Owned(list(&failed)),
            next.map_or(SqlCell::Null, |(code, _)| SqlCell::Text(code)),
            next.map_or(SqlCell::Null, |(_, at)| ColumnForm::Time.cell(at)),
        ])?;
    }
    Ok(())
}

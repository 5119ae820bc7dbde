//! Fills the table of instances' health: one verdict of all status checks, and the next event that AWS has scheduled.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::documents::maps;
use super::inserter::Inserter;
use super::kinds::{facet, list, number, text};
use super::rows::Rows;
use crate::kinds::KindSpec;
use crate::model::{Document, Value};
use crate::query::sql::SqlError;
use crate::query::sql::cell::{ColumnForm, SqlCell};
use crate::store::RowSelection;

/// The results of a check, the worst first. An instance is as healthy as its worst check.
const VERDICTS: [&str; 5] = ["impaired", "insufficient-data", "initializing", "ok", "not-applicable"];

/// What begins the description of an event that is over.
const OVER: [&str; 2] = ["[Completed]", "[Canceled]"];

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
        let next = document.as_ref().and_then(next);
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

/// The worst of all results; `unknown` where there is none.
fn verdict<'a>(results: impl Iterator<Item = &'a str>) -> &'static str {
    let results: Vec<&str> = results.collect();
    if results.iter().any(|result| !VERDICTS.contains(result)) {
        return "unknown";
    }
    VERDICTS.into_iter().find(|verdict| results.contains(verdict)).unwrap_or("unknown")
}

/// The code and earliest start of the scheduled event that begins first, of those that are not over.
fn next(status: &Document) -> Option<(&str, &str)> {
    let field = |value: Option<&'_ Value>| match value {
        Some(Value::Text(text)) => Some(text.as_str().to_owned()),
        _ => None,
    };
    let is_over = |description: Option<String>| {
        description.is_some_and(|description| OVER.iter().any(|over| description.starts_with(over)))
    };
    let events = maps(status.get("Events")).filter(|event| !is_over(field(event.get("Description"))));
    let events = events.filter_map(|event| match (event.get("Code"), event.get("NotBefore")) {
        (Some(Value::Text(code)), Some(Value::Text(at))) => Some((code.as_str(), at.as_str())),
        (Some(Value::Text(code)), _) => Some((code.as_str(), "")),
        _ => None,
    });
    events.min_by_key(|(_, at)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_as_healthy_as_its_worst_check() {
        assert_eq!(verdict(["ok", "impaired", "ok"].into_iter()), "impaired");
        assert_eq!(verdict(["ok", "initializing"].into_iter()), "initializing");
        assert_eq!(verdict(["ok", "not-applicable"].into_iter()), "ok");
        assert_eq!(verdict(["not-applicable"].into_iter()), "not-applicable");
        assert_eq!(verdict(["ok", "sideways"].into_iter()), "unknown");
        assert_eq!(verdict([].into_iter()), "unknown");
    }
}

//! Fills the flat tables that are made of rows: tags, attachments, groups, addresses and references. Where a row does not tell
//! which of several values belong together, the document does.

use std::collections::BTreeSet;

use super::documents;
use super::health;
use super::inserter::Inserter;
use super::kinds::{facet, facets, number, text, time};
use super::row_key::RowKey;
use super::rows::Rows;
use crate::kinds::{self, KindSpec};
use crate::query::relations::{Reference, references_of};
use crate::query::sql::SqlError;
use crate::query::sql::cell::SqlCell;
use crate::query::sql::functions::compare_kinds;
use crate::query::sql::narrow::NarrowTerms;
use crate::query::sql::schema::{Flat, SqlTable, tables};
use crate::store::{RowSelection, RowView, TagSelection};

pub(super) fn fill(
    rows: &mut Rows<'_>,
    flat: Flat,
    terms: &NarrowTerms,
    left_out: &BTreeSet<&'static str>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let set = |column: &str| terms.sets.get(column);
    let ids = flat.id_column().and_then(set);
    for spec in wanted(flat, terms).into_iter().filter(|spec| !left_out.contains(spec.slug)) {
        match flat {
            Flat::Tag => tags(rows, spec, ids, set("key"), into)?,
            Flat::Relation => relations(rows, spec, ids, into)?,
            Flat::InstanceSecurityGroup => groups(rows, spec, ids, set("group_id"), into)?,
            Flat::InstanceVolume => volumes(rows, spec, ids, set("instance_id"), into)?,
            Flat::NetworkInterfaceAddress => addresses(rows, spec, ids, into)?,
            Flat::SecurityGroupRule => documents::rules(rows, spec, ids, into)?,
            Flat::Route => documents::routes(rows, spec, ids, into)?,
            Flat::InstanceHealth => health::fill(rows, spec, ids, into)?,
            Flat::Change | Flat::Action | Flat::Freshness | Flat::Account | Flat::Price | Flat::Exposure => {}
        }
    }
    Ok(())
}

/// The kinds that a table is made of, as far as its terms want them.
fn wanted(flat: Flat, terms: &NarrowTerms) -> Vec<&'static KindSpec> {
    let table = tables().iter().find(|table| is(table, flat));
    let mut kinds = table.map(SqlTable::kinds).unwrap_or_default();
    if let Some(wanted) = flat.kind_column().and_then(|column| terms.sets.get(column)) {
        kinds.retain(|kind| wanted.iter().any(|wanted| compare_kinds(wanted, kind.slug).is_eq()));
    }
    // Where ids are named, those that are of another kind need not be looked for.
    if let Some(ids) = flat.id_column().and_then(|column| terms.sets.get(column)) {
        kinds.retain(|kind| ids.iter().any(|id| kinds::may_have(kind, id)));
    }
    kinds
}

fn is(table: &SqlTable, flat: Flat) -> bool {
    matches!(table.source, crate::query::sql::schema::TableSource::Flat(known) if known == flat)
}

fn place<'a>(id: &RowKey<'a>) -> (SqlCell<'a>, SqlCell<'a>) {
    (SqlCell::Text(id.account), SqlCell::Text(id.region))
}

fn tags(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    ids: Option<&BTreeSet<String>>,
    keys: Option<&BTreeSet<String>>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let tags = keys.map_or(TagSelection::All, TagSelection::Keys);
    rows.each(spec, &RowSelection { tags, ids, ..RowSelection::default() }, |id, row| {
        let (account, region) = place(id);
        row.tags.iter().try_for_each(|(key, value)| {
            into.row(&[
                SqlCell::Text(spec.slug),
                SqlCell::Text(id.id),
                account.clone(),
                region.clone(),
                SqlCell::Text(key),
                SqlCell::Text(value),
            ])
        })
    })
}

fn relations(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    ids: Option<&BTreeSet<String>>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let references: Vec<(Reference, String)> =
        references_of(spec).map(|reference| (reference, reference.via.replace(['-', '.'], "_"))).collect();
    let columns = references.iter().map(|(reference, _)| reference.facet).collect();
    rows.each(spec, &RowSelection { facets: columns, ids, ..RowSelection::default() }, |id, row| {
        for (reference, via) in &references {
            for to in facets(reference.facet, row).filter(|to| reference.names(to) && *to != id.id) {
                // An id of what is no kind here leads nowhere.
                let Some(kind) = kinds::of_id(to) else { continue };
                let (account, region) = place(id);
                into.row(&[
                    SqlCell::Text(spec.slug),
                    SqlCell::Text(id.id),
                    SqlCell::Text(via),
                    SqlCell::Text(kind.slug),
                    SqlCell::Text(to),
                    account,
                    region,
                ])?;
            }
        }
        Ok(())
    })
}

fn groups(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    ids: Option<&BTreeSet<String>>,
    groups: Option<&BTreeSet<String>>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let group = number(spec, "instance.group-id");
    let only = groups.map(|groups| (group, groups)).into_iter().collect();
    rows.each(spec, &RowSelection { facets: vec![group], only, ids, ..RowSelection::default() }, |id, row| {
        let (account, region) = place(id);
        facets(group, row).try_for_each(|group| {
            into.row(&[SqlCell::Text(id.id), SqlCell::Text(group), account.clone(), region.clone()])
        })
    })
}

fn volumes(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    ids: Option<&BTreeSet<String>>,
    instances: Option<&BTreeSet<String>>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let of = |name: &str| number(spec, name);
    let (instance, device, state) = (of("attachment.instance-id"), of("attachment.device"), of("attachment.status"));
    let (attached, deleted) = (of("attachment.attach-time"), of("attachment.delete-on-termination"));
    let mut several = Vec::new();
    let selection = RowSelection {
        facets: vec![instance, device, state, attached, deleted],
        only: instances.map(|instances| (instance, instances)).into_iter().collect(),
        ids,
        ..RowSelection::default()
    };
    rows.each(spec, &selection, |id, row| {
        if is_several(row, instance) || [device, state, attached, deleted].iter().any(|number| is_several(row, *number))
        {
            several.push(id.owned());
            return Ok(());
        }
        let Some(instance) = facet(instance, row) else { return Ok(()) };
        let (account, region) = place(id);
        let flag = facet(deleted, row);
        into.row(&[
            SqlCell::Text(instance),
            SqlCell::Text(id.id),
            account,
            region,
            text(facet(device, row)),
            text(facet(state, row)),
            time(facet(attached, row)),
            flag.map_or(SqlCell::Null, |flag| crate::query::sql::cell::ColumnForm::Flag.cell(flag)),
        ])
    })?;
    for id in several {
        documents::attachments(rows, &id, into)?;
    }
    Ok(())
}

fn addresses(
    rows: &mut Rows<'_>,
    spec: &'static KindSpec,
    ids: Option<&BTreeSet<String>>,
    into: &mut Inserter<'_, '_>,
) -> Result<(), SqlError> {
    let of = |name: &str| number(spec, name);
    let (address, public) = (of("addresses.private-ip-address"), of("addresses.association.public-ip"));
    let (six, instance) = (of("ipv6-addresses.ipv6-address"), of("attachment.instance-id"));
    let (vpc, subnet) = (of("vpc-id"), of("subnet-id"));
    let mut several = Vec::new();
    let facets = vec![address, public, six, instance, vpc, subnet];
    rows.each(spec, &RowSelection { facets, ids, ..RowSelection::default() }, |id, row| {
        if is_several(row, address) || facet(six, row).is_some() {
            several.push(id.owned());
            return Ok(());
        }
        let Some(address) = facet(address, row) else { return Ok(()) };
        let (account, region) = place(id);
        into.row(&[
            SqlCell::Text(id.id),
            account,
            region,
            text(facet(instance, row)),
            text(facet(vpc, row)),
            text(facet(subnet, row)),
            SqlCell::Text(address),
            SqlCell::Int(1),
            text(facet(public, row)),
        ])
    })?;
    for id in several {
        documents::addresses(rows, &id, into)?;
    }
    Ok(())
}

fn is_several(row: &RowView<'_>, number: u16) -> bool {
    facets(number, row).nth(1).is_some()
}

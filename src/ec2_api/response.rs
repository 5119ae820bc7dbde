//! Writes the answer to a request of EC2's API: documents, as XML, by the table of wire names.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::request::API_VERSION;
use super::wire::{WireField, WireForm, WireTable};
use super::xml_fields::{XmlFields, close, empty, open};
use super::xml_text::escape;
use crate::query::document_walk::WalkedDocument;

/// About how many bytes a resource takes.
const RESOURCE_BYTES: usize = 2_048;

/// The answer that lists `documents` in their order: the whole body.
///
/// Instances are put together by their reservations, each where its first instance is.
#[must_use]
pub fn write(table: &WireTable, documents: &[WalkedDocument], next_token: Option<&str>, request_id: &str) -> Vec<u8> {
    finish(table, begin(table, documents, request_id), next_token)
}

/// The beginning of an answer, which goes on with more documents.
#[must_use]
pub fn begin(table: &WireTable, documents: &[WalkedDocument], request_id: &str) -> String {
    let mut answer = WrittenAnswer::of(table, documents.len());
    let action = table.action;
    write!(
        answer.out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <{action}Response xmlns=\"http://ec2.amazonaws.com/doc/{API_VERSION}/\"><requestId>"
    )
    .ok();
    escape(request_id, &mut answer.out);
    close("requestId", &mut answer.out);
    if let Some(listing) = table.listing() {
        open(listing.wire, &mut answer.out);
        answer.items(listing, documents);
    }
    answer.out
}

/// More of an answer that has begun: documents that follow those before, and share no reservation with them.
#[must_use]
pub fn more(table: &WireTable, documents: &[WalkedDocument]) -> String {
    let mut answer = WrittenAnswer::of(table, documents.len());
    if let Some(listing) = table.listing() {
        answer.items(listing, documents);
    }
    answer.out
}

/// Ends an answer that has begun.
#[must_use]
pub fn finish(table: &WireTable, begun: String, next_token: Option<&str>) -> Vec<u8> {
    let mut answer = WrittenAnswer { table, out: begun };
    if let Some(listing) = table.listing() {
        close(listing.wire, &mut answer.out);
    }
    let token = table.answer.iter().find(|field| field.name == "NextToken");
    if let (Some(field), Some(token)) = (token, next_token) {
        answer.within(field.wire, |answer| escape(token, &mut answer.out));
    }
    write!(answer.out, "</{}Response>", table.action).ok();
    answer.out.into_bytes()
}

/// An answer that is being written.
struct WrittenAnswer<'t> {
    table: &'t WireTable,
    out: String,
}

impl<'t> WrittenAnswer<'t> {
    /// Nothing yet, with room for so many documents.
    fn of(table: &'t WireTable, documents: usize) -> Self {
        WrittenAnswer { table, out: String::with_capacity(512 + RESOURCE_BYTES * documents) }
    }

    fn items(&mut self, listing: &WireField, documents: &[WalkedDocument]) {
        let WireForm::Structure(structure) = listing.form else { return };
        let fields = self.table.fields(structure);
        match fields.iter().find(|field| listing.name == "Reservations" && field.name == "Instances") {
            None => documents.iter().for_each(|document| self.item(fields, document)),
            Some(instances) => {
                for members in reserved(documents) {
                    self.within("item", |answer| answer.reservation(fields, instances, &members));
                }
            }
        }
    }

    /// What is inside a reservation. Each instance's document has the fields of the reservation as well.
    fn reservation(&mut self, fields: &'t [WireField], instances: &WireField, members: &[&WalkedDocument]) {
        let WireForm::Structure(structure) = instances.form else { return };
        if let Some(first) = members.first() {
            let first = first.parts.fields();
            first.tell(&mut XmlFields::new(self.table, fields, &mut self.out));
            // AWS always has the groups, and documents only where there are any: those of EC2-Classic.
            if let Some(groups) = fields.iter().find(|field| field.name == "Groups")
                && !first.contains_key("Groups")
            {
                empty(groups.wire, &mut self.out);
            }
        }
        let fields = self.table.fields(structure);
        self.within(instances.wire, |answer| members.iter().for_each(|member| answer.item(fields, member)));
    }

    /// A document as an element of a list.
    fn item(&mut self, fields: &'t [WireField], document: &WalkedDocument) {
        self.within("item", |answer| {
            let mut xml = XmlFields::new(answer.table, fields, &mut answer.out);
            match &document.stored {
                // Its bytes were read before, for the parts.
                Some(stored) => stored.tell(&mut xml).unwrap_or_default(),
                None => document.parts.fields().tell(&mut xml),
            }
        });
    }

    fn within(&mut self, element: &str, inside: impl FnOnce(&mut Self)) {
        open(element, &mut self.out);
        inside(self);
        close(element, &mut self.out);
    }
}

/// Instances by their reservations, in the order of the first of each. One without a reservation is alone.
fn reserved(documents: &[WalkedDocument]) -> Vec<Vec<&WalkedDocument>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut reservations: Vec<Vec<&WalkedDocument>> = Vec::new();
    for document in documents {
        let place = match document.parts.text("ReservationId") {
            Some(reservation) => *places.entry(reservation).or_insert(reservations.len()),
            None => reservations.len(),
        };
        match reservations.get_mut(place) {
            Some(members) => members.push(document),
            None => reservations.push(vec![document]),
        }
    }
    reservations
}

#[cfg(test)]
mod tests;

//! Writes the answer to a request of EC2's API: documents, as XML, by the table of wire names.
//!
//! A field that a document lacks is absent, and an empty list or text is an empty element: so clients see what AWS gave them. A
//! field that AWS's model does not have, such as the notices of an instance's status, is Muster's own and left out.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::request::API_VERSION;
use super::wire::{WireField, WireForm, WireTable};
use super::xml_text::escape;
use crate::model::{Document, Map, Value};

/// About how many bytes a resource takes.
const RESOURCE_BYTES: usize = 2_048;

/// The answer that lists `documents` in their order: the whole body.
///
/// Instances are put together by their reservations, each where its first instance is.
#[must_use]
pub fn write<'a>(
    table: &WireTable,
    documents: impl IntoIterator<Item = &'a Document>,
    next_token: Option<&str>,
    request_id: &str,
) -> Vec<u8> {
    finish(table, begin(table, documents, request_id), next_token)
}

/// The beginning of an answer, which goes on with more documents.
#[must_use]
pub fn begin<'a>(table: &WireTable, documents: impl IntoIterator<Item = &'a Document>, request_id: &str) -> String {
    let documents = documents.into_iter();
    let mut answer = WrittenAnswer::of(table, documents.size_hint().0);
    let action = table.action;
    write!(
        answer.out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <{action}Response xmlns=\"http://ec2.amazonaws.com/doc/{API_VERSION}/\"><requestId>"
    )
    .ok();
    escape(request_id, &mut answer.out);
    answer.close("requestId");
    if let Some(listing) = table.listing() {
        answer.open(listing.wire);
        answer.items(listing, documents);
    }
    answer.out
}

/// More of an answer that has begun: documents that follow those before, and share no reservation with them.
#[must_use]
pub fn more<'a>(table: &WireTable, documents: impl IntoIterator<Item = &'a Document>) -> String {
    let documents = documents.into_iter();
    let mut answer = WrittenAnswer::of(table, documents.size_hint().0);
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
        answer.close(listing.wire);
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

    fn items<'a>(&mut self, listing: &WireField, documents: impl Iterator<Item = &'a Document>) {
        let WireForm::Structure(structure) = listing.form else { return };
        let fields = self.table.fields(structure);
        match fields.iter().find(|field| listing.name == "Reservations" && field.name == "Instances") {
            None => documents.for_each(|document| {
                self.within("item", |answer| answer.structure(fields, document.fields()));
            }),
            Some(instances) => {
                for members in reserved(documents) {
                    self.within("item", |answer| answer.reservation(fields, instances, &members));
                }
            }
        }
    }

    /// What is inside a reservation. Each instance's document has the fields of the reservation as well.
    fn reservation(&mut self, fields: &'t [WireField], instances: &WireField, members: &[&Document]) {
        let WireForm::Structure(structure) = instances.form else { return };
        if let Some(first) = members.first() {
            self.structure(fields, first.fields());
            // AWS always has the groups, and documents only where there are any: those of EC2-Classic.
            if let Some(groups) = fields.iter().find(|field| field.name == "Groups")
                && !first.fields().contains_key("Groups")
            {
                self.empty(groups.wire);
            }
        }
        let fields = self.table.fields(structure);
        self.within(instances.wire, |answer| {
            for member in members {
                answer.within("item", |answer| answer.structure(fields, member.fields()));
            }
        });
    }

    fn structure(&mut self, fields: &'t [WireField], map: &Map) {
        // Both are sorted by name.
        let mut fields = fields.iter().peekable();
        for (name, value) in map.iter() {
            while fields.next_if(|field| field.name < name.as_ref()).is_some() {}
            if let Some(field) = fields.next_if(|field| field.name == name.as_ref()) {
                self.field(field, value);
            }
        }
    }

    fn field(&mut self, field: &WireField, value: &Value) {
        match value {
            Value::List(list) if field.is_list && list.is_empty() => self.empty(field.wire),
            Value::List(list) if field.is_list => self.within(field.wire, |answer| {
                for element in list.iter().filter(|element| fits(field.form, element)) {
                    answer.within("item", |answer| answer.value(field.form, element));
                }
            }),
            value if !field.is_list && fits(field.form, value) => {
                self.within(field.wire, |answer| answer.value(field.form, value));
            }
            _ => {}
        }
    }

    fn value(&mut self, form: WireForm, value: &Value) {
        match (value, form) {
            (Value::Map(map), WireForm::Structure(structure)) => self.structure(self.table.fields(structure), map),
            (Value::Text(text), WireForm::Time) => time(text, &mut self.out),
            (Value::Text(text), _) => escape(text, &mut self.out),
            (Value::Bool(flag), _) => self.out.push_str(if *flag { "true" } else { "false" }),
            // WrittenAnswer into a text cannot fail.
            (Value::Int(number), _) => drop(write!(self.out, "{number}")),
            (Value::Map(_) | Value::List(_) | Value::Null, _) => {}
        }
    }

    fn within(&mut self, element: &str, inside: impl FnOnce(&mut Self)) {
        self.open(element);
        inside(self);
        self.close(element);
    }

    fn open(&mut self, element: &str) {
        self.out.push('<');
        self.out.push_str(element);
        self.out.push('>');
    }

    fn close(&mut self, element: &str) {
        self.out.push_str("</");
        self.out.push_str(element);
        self.out.push('>');
    }

    fn empty(&mut self, element: &str) {
        self.out.push('<');
        self.out.push_str(element);
        self.out.push_str("/>");
    }
}

/// Whether a value can stand in a field: a client could read nothing of an answer in which one does not. No mapping makes such a
/// value.
fn fits(form: WireForm, value: &Value) -> bool {
    match form {
        WireForm::Text | WireForm::Time => matches!(value, Value::Text(_)),
        WireForm::Number => matches!(value, Value::Int(_)),
        WireForm::Flag => matches!(value, Value::Bool(_)),
        WireForm::Structure(_) => matches!(value, Value::Map(_)),
        WireForm::Filter => false,
    }
}

/// Instances by their reservations, in the order of the first of each. One without a reservation is alone.
fn reserved<'a>(documents: impl Iterator<Item = &'a Document>) -> Vec<Vec<&'a Document>> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut reservations: Vec<Vec<&Document>> = Vec::new();
    for document in documents {
        let place = match document.text("ReservationId") {
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

/// Appends a document's time as AWS writes times, with milliseconds. Microseconds stay where there are any, and text that is no
/// time of a document is not changed.
fn time(text: &str, out: &mut String) {
    let Some(at) = text.strip_suffix("+00:00") else { return escape(text, out) };
    match at.split_once('.') {
        None => {
            escape(at, out);
            out.push_str(".000");
        }
        Some((_, micros)) => escape(at.strip_suffix("000").filter(|_| micros.len() == 6).unwrap_or(at), out),
    }
    out.push('Z');
}

#[cfg(test)]
mod tests;

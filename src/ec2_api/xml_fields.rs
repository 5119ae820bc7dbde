//! Writes the fields of a document as XML by the table of wire names, as they are told.
//!
//! A field that is not told is absent, and an empty list or text is an empty element: so clients see what AWS gave them. A field that
//! AWS's model does not have, such as the notices of an instance's status, is Muster's own and left out; so is a value that does not fit
//! its field, as a client could read nothing of an answer that had one. No mapping makes such a value.

use std::fmt::Write as _;

use super::wire::{WireField, WireForm, WireTable};
use super::xml_text::escape;
use crate::model::DocumentListener;

/// What writes the fields of one structure.
pub(super) struct XmlFields<'o, 't> {
    table: &'t WireTable,
    out: &'o mut String,
    open: Vec<OpenField<'t>>,
}

/// What is told of now, and stands in the same below it.
enum OpenField<'t> {
    /// Fields: those that have not come yet, sorted by name; the one whose value comes next; and the element that they stand in.
    Structure { left: &'t [WireField], next: Option<&'t WireField>, element: Option<&'t str> },
    /// The elements of a list.
    List(&'t WireField),
    /// What is not written.
    LeftOut,
}

impl<'o, 't> XmlFields<'o, 't> {
    /// Appends fields to `out`.
    pub(super) fn new(table: &'t WireTable, fields: &'t [WireField], out: &'o mut String) -> Self {
        let outermost = OpenField::Structure { left: fields, next: None, element: None };
        XmlFields { table, out, open: vec![outermost] }
    }

    /// The element in which the value that is told now stands, and its form, unless it stands in none. Lists stand in others than what
    /// they hold.
    fn place(&mut self, is_list: bool) -> Option<(&'t str, &'t WireField)> {
        match self.open.last_mut()? {
            OpenField::Structure { next, .. } => {
                next.take().filter(|field| field.is_list == is_list).map(|field| (field.wire, field))
            }
            OpenField::List(field) if !is_list => Some(("item", field)),
            OpenField::List(_) | OpenField::LeftOut => None,
        }
    }

    fn scalar(&mut self, fits: impl FnOnce(WireForm) -> bool, write: impl FnOnce(WireForm, &mut String)) {
        let Some((element, field)) = self.place(false).filter(|(_, field)| fits(field.form)) else { return };
        open(element, self.out);
        write(field.form, self.out);
        close(element, self.out);
    }
}

impl DocumentListener for XmlFields<'_, '_> {
    fn name(&mut self, name: &str) {
        let Some(OpenField::Structure { left, next, .. }) = self.open.last_mut() else { return };
        let begin = left.iter().take_while(|field| field.name < name).count();
        *left = left.get(begin..).unwrap_or_default();
        *next = left.first().filter(|field| field.name == name);
    }

    fn nothing(&mut self) {
        self.place(false);
    }

    fn flag(&mut self, flag: bool) {
        self.scalar(|form| form == WireForm::Flag, |_, out| out.push_str(if flag { "true" } else { "false" }));
    }

    fn number(&mut self, number: i64) {
        // Writing into a text cannot fail.
        self.scalar(|form| form == WireForm::Number, |_, out| write!(out, "{number}").unwrap_or_default());
    }

    fn text(&mut self, text: &str) {
        let is_text = |form| matches!(form, WireForm::Text | WireForm::Time);
        self.scalar(is_text, |form, out| if form == WireForm::Time { time(text, out) } else { escape(text, out) });
    }

    fn list(&mut self, length: usize) {
        let listed = match self.place(true) {
            Some((element, field)) if length > 0 => {
                open(element, self.out);
                OpenField::List(field)
            }
            Some((element, _)) => {
                empty(element, self.out);
                OpenField::LeftOut
            }
            None => OpenField::LeftOut,
        };
        self.open.push(listed);
    }

    fn fields(&mut self) {
        let told = match self.place(false) {
            Some((element, WireField { form: WireForm::Structure(structure), .. })) => {
                open(element, self.out);
                OpenField::Structure { left: self.table.fields(*structure), next: None, element: Some(element) }
            }
            _ => OpenField::LeftOut,
        };
        self.open.push(told);
    }

    fn end(&mut self) {
        match self.open.pop() {
            Some(OpenField::Structure { element: Some(element), .. }) => close(element, self.out),
            Some(OpenField::List(field)) => close(field.wire, self.out),
            Some(OpenField::Structure { element: None, .. } | OpenField::LeftOut) | None => {}
        }
    }
}

/// Appends the beginning of an element.
pub(super) fn open(element: &str, out: &mut String) {
    out.push('<');
    out.push_str(element);
    out.push('>');
}

/// Appends the end of an element.
pub(super) fn close(element: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(element);
    out.push('>');
}

/// Appends an element that holds nothing.
pub(super) fn empty(element: &str, out: &mut String) {
    out.push('<');
    out.push_str(element);
    out.push_str("/>");
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
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds() {
        for (document, expected) in [
            ("2026-11-22T13:15:10+00:00", "2026-11-22T13:15:10.000Z"),
            ("2026-11-22T13:15:10.120000+00:00", "2026-11-22T13:15:10.120Z"),
            ("2026-11-22T13:15:10.000001+00:00", "2026-11-22T13:15:10.000001Z"),
            ("9223372036854775807", "9223372036854775807"),
            ("<no time>", "&lt;no time&gt;"),
        ] {
            let mut out = String::new();
            time(document, &mut out);
            assert_eq!(out, expected);
        }
    }
}

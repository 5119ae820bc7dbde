//! Builds the fields of a document from an SDK struct: what AWS did not send is absent, what it sent empty stays empty.

use aws_smithy_types::DateTime;

use crate::model::{Document, Map, Value, written};

/// Fields under construction, by the AWS CLI's names.
#[derive(Debug, Default)]
pub(super) struct Fields(Map);

impl Fields {
    pub(super) fn new() -> Self {
        Fields::default()
    }

    /// Text as AWS sent it.
    pub(super) fn text(self, name: &'static str, text: Option<String>) -> Self {
        self.put(name, text.map(Value::Text))
    }

    /// An enumeration by its wire name; a name that this SDK does not know yet is kept as AWS sent it.
    pub(super) fn code(self, name: &'static str, code: Option<impl AsRef<str>>) -> Self {
        self.put(name, code.map(|code| Value::from(code.as_ref())))
    }

    /// A whole number.
    pub(super) fn int(self, name: &'static str, number: Option<impl Into<i64>>) -> Self {
        self.put(name, number.map(|number| Value::Int(number.into())))
    }

    /// A boolean.
    pub(super) fn flag(self, name: &'static str, flag: Option<bool>) -> Self {
        self.put(name, flag.map(Value::Bool))
    }

    /// A time, as the AWS CLI prints it.
    pub(super) fn time(self, name: &'static str, at: Option<DateTime>) -> Self {
        self.put(name, at.as_ref().map(printed))
    }

    /// A structure.
    pub(super) fn map<T>(self, name: &'static str, inner: Option<T>, fields: fn(T) -> Fields) -> Self {
        self.put(name, inner.map(|inner| fields(inner).value()))
    }

    /// A list of texts.
    pub(super) fn texts(self, name: &'static str, list: Option<Vec<String>>) -> Self {
        self.put(name, list.map(|list| Value::List(list.into_iter().map(Value::Text).collect())))
    }

    /// A list of structures; a list that AWS sent empty stays, as an empty list.
    pub(super) fn list<T>(self, name: &'static str, list: Option<Vec<T>>, fields: fn(T) -> Fields) -> Self {
        self.put(name, list.map(|list| Value::List(list.into_iter().map(|element| fields(element).value()).collect())))
    }

    /// A list that is left out when empty.
    pub(super) fn list_unless_empty<T>(
        self,
        name: &'static str,
        list: Option<Vec<T>>,
        fields: fn(T) -> Fields,
    ) -> Self {
        self.list(name, list.filter(|list| !list.is_empty()), fields)
    }

    pub(super) fn document(self) -> Document {
        Document::new(self.0)
    }

    fn put(mut self, name: &'static str, value: Option<Value>) -> Self {
        if let Some(value) = value {
            self.0.insert(name, value);
        }
        self
    }

    pub(super) fn value(self) -> Value {
        Value::Map(self.0)
    }
}

/// A time as the AWS CLI v2 shows it.
fn printed(at: &DateTime) -> Value {
    Value::Text(written::as_document(at.secs(), at.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_the_aws_cli_prints_them() {
        assert_eq!(printed(&DateTime::from_secs(1_795_353_310)), Value::from("2026-11-22T13:15:10+00:00"));
        assert_eq!(
            printed(&DateTime::from_secs_and_nanos(1_795_353_310, 120_000_000)),
            Value::from("2026-11-22T13:15:10.120000+00:00")
        );
        assert_eq!(
            printed(&DateTime::from_secs_and_nanos(-1, 500_000_000)),
            Value::from("1969-12-31T23:59:59.500000+00:00")
        );
        assert_eq!(printed(&DateTime::from_secs(i64::MAX)), Value::from(i64::MAX.to_string()));
    }

    #[test]
    fn what_was_not_sent_is_absent_and_what_was_sent_empty_stays_empty() {
        let document = Fields::new()
            .text("Sent", Some(String::new()))
            .text("NotSent", None)
            .list("Empty", Some(Vec::<bool>::new()), |_| Fields::new())
            .list_unless_empty("Dropped", Some(Vec::<bool>::new()), |_| Fields::new())
            .document();
        assert_eq!(document.text("Sent"), Some(""));
        assert_eq!(document.get("Empty"), Some(&Value::List(Vec::new())));
        assert_eq!(document.fields().len(), 2);
    }
}

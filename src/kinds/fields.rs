//! Builds the fields of a document from an SDK struct. A field that AWS did not send is absent, one that it sent empty stays
//! empty.

use aws_smithy_types::DateTime;

use crate::model::{Document, Map, Value, written};

/// A struct of the SDK whose fields documents hold.
pub(super) trait Mapped {
    /// All its fields, under the AWS CLI's names.
    fn fields(self) -> Fields;
}

/// Implements [`Mapped`] for a struct of the SDK, and for others that have the same fields.
///
/// Takes a closure from the struct to its fields: `mapped!(|tag: Tag| Fields::new().text("Key", tag.key))`.
macro_rules! mapped {
    (|$struct:ident: $first:ident $(, $same:ident)*| $fields:expr) => {
        mapped!(@one $struct, $first, $fields);
        $(mapped!(@one $struct, $same, $fields);)*
    };
    (@one $struct:ident, $type:ident, $fields:expr) => {
        impl $crate::kinds::fields::Mapped for aws_sdk_ec2::types::$type {
            fn fields(self) -> $crate::kinds::fields::Fields {
                let $struct = self;
                $fields
            }
        }
    };
}
pub(super) use mapped;

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

    /// An enumeration by its wire name; an unknown name is kept as AWS sent it.
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
    pub(super) fn map(self, name: &'static str, inner: Option<impl Mapped>) -> Self {
        self.put(name, inner.map(|inner| inner.fields().value()))
    }

    /// A list of texts.
    pub(super) fn texts(self, name: &'static str, list: Option<Vec<String>>) -> Self {
        self.put(name, list.map(|list| Value::List(list.into_iter().map(Value::Text).collect())))
    }

    /// A list of structures; a list that AWS sent empty stays, as an empty list.
    pub(super) fn list(self, name: &'static str, list: Option<Vec<impl Mapped>>) -> Self {
        self.put(name, list.map(|list| Value::List(list.into_iter().map(|element| element.fields().value()).collect())))
    }

    /// A list that is left out when empty.
    pub(super) fn list_unless_empty(self, name: &'static str, list: Option<Vec<impl Mapped>>) -> Self {
        self.list(name, list.filter(|list| !list.is_empty()))
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
    use aws_sdk_ec2::types;

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
            .list("Empty", Some(Vec::<types::Tag>::new()))
            .list_unless_empty("Dropped", Some(Vec::<types::Tag>::new()))
            .document();
        assert_eq!(document.text("Sent"), Some(""));
        assert_eq!(document.get("Empty"), Some(&Value::List(Vec::new())));
        assert_eq!(document.fields().len(), 2);
    }
}

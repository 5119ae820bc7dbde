//! Tells a document part by part, in its order, to what writes it or judges it.

use super::{Map, Value};

/// What is told of a document. It begins with the first field's name.
pub trait DocumentListener {
    /// The name of a field, whose value comes next.
    fn name(&mut self, name: &str);
    /// A value that is nothing.
    fn nothing(&mut self);
    /// A value: `true` or `false`.
    fn flag(&mut self, flag: bool);
    /// A value: a whole number.
    fn number(&mut self, number: i64);
    /// A value: text.
    fn text(&mut self, text: &str);
    /// A value: a list of so many, which come next, and then its end.
    fn list(&mut self, length: usize);
    /// A value: fields, which come next, and then its end.
    fn fields(&mut self);
    /// The end of the list or of the fields that began last.
    fn end(&mut self);
}

impl Map {
    /// Tells all fields.
    pub fn tell(&self, to: &mut impl DocumentListener) {
        for (name, value) in self.iter() {
            to.name(name);
            tell_value(value, to);
        }
    }
}

fn tell_value(value: &Value, to: &mut impl DocumentListener) {
    match value {
        Value::Null => to.nothing(),
        Value::Bool(flag) => to.flag(*flag),
        Value::Int(number) => to.number(*number),
        Value::Text(text) => to.text(text),
        Value::List(list) => {
            to.list(list.len());
            for element in list {
                tell_value(element, to);
            }
            to.end();
        }
        Value::Map(fields) => {
            to.fields();
            fields.tell(to);
            to.end();
        }
    }
}

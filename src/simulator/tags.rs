//! Tags of a resource, in the order they were put on.

use std::borrow::Cow;

use crate::simulator::xml::Xml;

type Text = Cow<'static, str>;

/// A small ordered map; a resource has at most 50 tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags(Vec<(Text, Text)>);

impl Tags {
    /// Puts a tag on, replacing the value of the same key.
    pub(crate) fn put(&mut self, key: impl Into<Text>, value: impl Into<Text>) {
        let (key, value) = (key.into(), value.into());
        match self.0.iter_mut().find(|(k, _)| *k == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    pub(crate) fn remove(&mut self, key: &str) {
        self.0.retain(|(k, _)| k != key);
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_ref())
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_ref())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value.as_ref()))
    }

    /// Appends `<tagSet>`, which EC2 leaves out for untagged resources.
    pub(crate) fn write(&self, xml: &mut Xml) {
        if self.0.is_empty() {
            return;
        }
        xml.within("tagSet", |xml| {
            for (key, value) in self.iter() {
                xml.within("item", |xml| {
                    xml.text("key", key);
                    xml.text("value", value);
                });
            }
        });
    }
}

/// What a tag filter asks of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TagField {
    /// `tag:KEY`
    Value(String),
    /// `tag-key`
    Key,
}

impl TagField {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name.strip_prefix("tag:") {
            Some(key) => Some(Self::Value(key.to_owned())),
            None => (name == "tag-key").then_some(Self::Key),
        }
    }

    pub(crate) fn any(&self, tags: &Tags, matches: &mut dyn FnMut(&str) -> bool) -> bool {
        match self {
            Self::Value(key) => tags.get(key).is_some_and(matches),
            Self::Key => tags.keys().any(matches),
        }
    }
}

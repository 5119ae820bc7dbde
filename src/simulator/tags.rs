//! The tags of a resource, in the order in which they were added.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::simulator::xml::Xml;

type Text = Cow<'static, str>;

/// A small ordered map; a resource has at most 50 tags.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tags(Vec<(Text, Text)>);

impl Tags {
    /// Adds a tag, or replaces the value of the tag with the same key.
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

    /// Adds all of `others`.
    pub(crate) fn lay(&mut self, others: &Self) {
        for (key, value) in &others.0 {
            self.put(key.clone(), value.clone());
        }
    }

    /// Removes the tags for whose key and value `wanted` is false.
    pub(crate) fn keep(&mut self, wanted: impl Fn(&str, &str) -> bool) {
        self.0.retain(|(key, value)| wanted(key, value));
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

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tags that a resource made from this one gets: all except `aws:` tags, which stay where AWS put them.
    pub(crate) fn inherited(&self) -> Self {
        let mut own = self.clone();
        own.keep(|key, _| !key.starts_with("aws:"));
        own
    }

    /// The keys whose tags differ between the two, sorted.
    pub(crate) fn differing(&self, other: &Self) -> Vec<String> {
        let keys: BTreeSet<&str> = self.keys().chain(other.keys()).collect();
        keys.into_iter().filter(|key| self.get(key) != other.get(key)).map(str::to_owned).collect()
    }

    pub(crate) fn pairs(&self) -> Vec<(String, String)> {
        self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
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

/// The tags of a resource at one moment, and their version.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tagged {
    /// 1 for the first tags; increases with each change.
    pub(crate) version: u64,
    pub(crate) tags: Tags,
}

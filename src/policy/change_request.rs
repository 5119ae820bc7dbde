//! A change that a tool is about to make to one instance, with everything that rules look at.

use std::collections::BTreeMap;

use super::verdict::RuleOrigin;
use crate::model::Timestamp;

/// A change of one instance.
#[derive(Clone, Debug)]
pub struct ChangeRequest<'a> {
    /// The tool.
    pub tool: &'a str,
    /// Whether it only adds something, so that nothing that exists is interrupted or lost.
    pub adds: bool,
    /// The account that the instance is in.
    pub account: &'a str,
    /// The region that it is in.
    pub region: &'a str,
    /// Its id.
    pub instance: &'a str,
    /// Its tags, as AWS has just shown them.
    pub tags: &'a KnownTags,
    /// The instances that were changed lately, by those for whom the rules of a server count.
    pub by_server: &'a TouchedInstances,
    /// The instances that were changed lately, by those for whom the rules of a connection count.
    pub by_connection: &'a TouchedInstances,
    /// Why the audit file is not current; `None` where it is, or makes no difference.
    pub audit: Option<&'a str>,
    /// Now.
    pub now: Timestamp,
}

/// The tags of an instance, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KnownTags {
    /// All of them.
    All(BTreeMap<String, TagValue>),
    /// AWS shows none, but is known to leave all of them out now and then, and showed some before.
    Lost,
}

/// The value of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagValue {
    /// The value.
    Plain(String),
    /// The tag looks like a secret, so that Muster keeps a mark in place of its value.
    Hidden,
}

/// Instances that were changed, or were about to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TouchedInstances {
    /// When each was changed last.
    pub last: BTreeMap<String, Timestamp>,
    /// The time from which on every change is known; `None`: every change that ever was.
    pub known_since: Option<Timestamp>,
}

impl ChangeRequest<'_> {
    /// The instances that count for a cap of that origin.
    pub(super) fn touched(&self, origin: RuleOrigin) -> &TouchedInstances {
        match origin {
            RuleOrigin::Server => self.by_server,
            RuleOrigin::Connection => self.by_connection,
        }
    }
}

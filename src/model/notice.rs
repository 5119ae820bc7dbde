//! What AWS announces about an instance: an interruption, a recommended replacement, or a health event.
//!
//! AWS sends these as events only. A describe of an instance's status does not show spot interruptions and rebalance
//! recommendations, so they are added to the status document under [`FIELD`] and stay until they expire. Only AWS Health closes its
//! events. A closed notice stays until it would have expired, so that an older event that arrives late does not reopen it.
//!
//! A document holds the newest notice of each key. The order in which notices arrive does not matter: the same notices give the
//! same document.

use serde::Serialize;

use super::document::{Document, Map, Value};
use super::time::Timestamp;

/// The field of a status document that holds its notices.
pub const FIELD: &str = "Notices";

/// How many notices a document holds at most; the oldest are dropped.
const MAX_NOTICES: usize = 20;

/// One announcement. Newer ones are greater: of two notices with one key, the greater one counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Notice {
    /// When AWS sent it.
    pub at: Timestamp,
    /// Whether AWS has closed it.
    pub over: bool,
    /// What it is about: a later notice with the same key replaces it.
    pub key: String,
    /// What sort of announcement it is.
    pub kind: NoticeKind,
    /// What AWS will do, by AWS's name: `terminate`, `AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED`.
    pub code: String,
    /// AWS's description, if any.
    pub description: Option<String>,
    /// When it starts, if AWS says so.
    pub begins: Option<Timestamp>,
    /// When it expires.
    pub until: Timestamp,
}

/// The sort of a [`Notice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// A spot instance is about to be taken back.
    SpotInterruption,
    /// A spot instance is at a higher risk of being taken back.
    RebalanceRecommendation,
    /// AWS Health names the instance as affected.
    Health,
}

impl NoticeKind {
    const ALL: [(&str, NoticeKind); 3] = [
        ("spot-interruption", NoticeKind::SpotInterruption),
        ("rebalance-recommendation", NoticeKind::RebalanceRecommendation),
        ("health", NoticeKind::Health),
    ];

    /// The name in documents and answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| *name)
    }
}

impl Notice {
    /// Whether it has not expired at `now`.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        !self.over && now < self.until
    }

    /// The notice as a document holds it.
    #[must_use]
    pub fn value(&self) -> Value {
        let mut map = Map::from([
            ("Key", self.key.as_str().into()),
            ("Kind", self.kind.name().into()),
            ("Code", self.code.as_str().into()),
            ("At", printed(self.at)),
            ("Until", printed(self.until)),
        ]);
        if let Some(description) = &self.description {
            map.insert("Description", description.as_str().into());
        }
        if let Some(begins) = self.begins {
            map.insert("Begins", printed(begins));
        }
        if self.over {
            map.insert("Over", true.into());
        }
        Value::Map(map)
    }

    /// Reads a value made by [`Notice::value`]; `None` for anything else.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let Value::Map(map) = value else { return None };
        let text = |name: &str| match map.get(name) {
            Some(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        };
        let time = |name: &str| text(name).and_then(Timestamp::parse);
        let kind = text("Kind")?;
        Some(Notice {
            at: time("At")?,
            over: map.get("Over") == Some(&Value::Bool(true)),
            key: text("Key")?.to_owned(),
            kind: NoticeKind::ALL.iter().find(|(name, _)| *name == kind)?.1,
            code: text("Code")?.to_owned(),
            description: text("Description").map(str::to_owned),
            begins: time("Begins"),
            until: time("Until")?,
        })
    }
}

/// The notices of a document, including expired ones, oldest first.
#[must_use]
pub fn of(document: &Document) -> Vec<Notice> {
    let mut notices: Vec<Notice> = match document.fields().get(FIELD) {
        Some(Value::List(list)) => list.iter().filter_map(Notice::read).collect(),
        _ => Vec::new(),
    };
    notices.sort_unstable();
    notices
}

/// Adds `notice` to `document`. Nothing changes if the document has a newer one with that key, or enough newer ones.
#[must_use]
pub fn laid(document: &Document, notice: &Notice) -> Document {
    let mut notices = of(document);
    if notices.iter().any(|known| known.key == notice.key && known >= notice) {
        return document.clone();
    }
    notices.retain(|known| known.key != notice.key);
    notices.push(notice.clone());
    with(document, notices)
}

/// `described` with the notices of `known` that have not expired at `at`; `None` if there are none.
#[must_use]
pub fn carried(known: &Document, described: &Document, at: Timestamp) -> Option<Document> {
    known.fields().get(FIELD)?;
    let mut left = of(known);
    left.retain(|notice| at < notice.until);
    (!left.is_empty()).then(|| with(described, left))
}

/// `document` with exactly these notices, cut to the newest [`MAX_NOTICES`].
fn with(document: &Document, mut notices: Vec<Notice>) -> Document {
    notices.sort_unstable();
    notices.drain(..notices.len().saturating_sub(MAX_NOTICES));
    let mut fields = document.fields().clone();
    fields.insert(FIELD, Value::List(notices.iter().map(Notice::value).collect()));
    Document::new(fields)
}

/// A time as documents hold it.
fn printed(at: Timestamp) -> Value {
    let text = jiff::Timestamp::from_millisecond(at.as_millis())
        .map_or_else(|_| at.to_string(), |at| at.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string());
    Value::Text(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::fixtures::at;

    fn notice(key: &str, second: i64, until: i64) -> Notice {
        Notice {
            at: at(second),
            over: false,
            key: key.to_owned(),
            kind: NoticeKind::Health,
            code: "AWS_EC2_INSTANCE_STOP_SCHEDULED".to_owned(),
            description: Some("words".to_owned()),
            begins: Some(at(until - 1)),
            until: at(until),
        }
    }

    fn laid_all<'a>(notices: impl IntoIterator<Item = &'a Notice>) -> Document {
        notices.into_iter().fold(Document::default(), |document, notice| laid(&document, notice))
    }

    #[test]
    fn a_document_gives_back_the_notices_it_was_given() {
        let (mut first, second) = (notice("a", 10, 100), notice("b", 20, 200));
        first.over = true;
        first.description = None;
        first.begins = None;
        assert_eq!(of(&laid_all([&second, &first])), [first, second]);
        assert!(of(&Document::default()).is_empty());
    }

    #[test]
    fn the_order_and_number_of_arrivals_of_notices_does_not_matter() {
        let mut closed = notice("a", 30, 100);
        closed.over = true;
        let all = [notice("a", 10, 100), closed, notice("a", 20, 90), notice("b", 15, 50)];
        let forwards = laid_all(&all);
        let backwards = laid_all(all.iter().rev().chain(&all));
        assert_eq!(forwards, backwards);
        assert_eq!(of(&forwards).iter().map(|notice| notice.at).collect::<Vec<_>>(), [at(15), at(30)]);
    }

    #[test]
    fn a_document_holds_the_newest_notices_only() {
        let many: Vec<Notice> = (0..30).map(|n| notice(&n.to_string(), n, 100)).collect();
        let document = laid_all(&many);
        assert_eq!(of(&document).len(), MAX_NOTICES);
        assert_eq!(of(&document).first().map(|notice| notice.at), Some(at(10)));
        assert_eq!(laid(&document, &many[0]), document);
    }

    #[test]
    fn a_describe_keeps_the_notices_that_have_not_expired() {
        let known = laid_all([&notice("a", 10, 100), &notice("b", 10, 200)]);
        let shown = Document::new(Map::from([("InstanceId", "i-1".into())]));
        let carried_at = |second| carried(&known, &shown, at(second)).as_ref().map(of);
        assert_eq!(carried_at(99).map(|left| left.len()), Some(2));
        assert_eq!(carried_at(100), Some(vec![notice("b", 10, 200)]));
        assert_eq!(carried_at(200), None);
        assert_eq!(carried(&shown, &shown, at(1)), None);
    }
}

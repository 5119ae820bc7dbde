//! The history of what AWS held in one scope, as plainly as possible.

use std::collections::BTreeMap;

use crate::model::fixtures::{self, state};
use crate::model::{Document, Map, Value};

/// Milliseconds of the true time.
pub(super) type Millis = i64;

/// How long a start, a stop and a termination take.
const START: Millis = 3_000;
const STOP: Millis = 4_000;
/// How long a terminated instance is still listed.
const RETENTION: Millis = 150_000;

/// A resource as AWS held it for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) state: &'static str,
    pub(super) reason: u32,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) tagged: u64,
    pub(super) rest: u32,
}

impl Version {
    pub(super) fn document(&self, mapping: u16) -> Document {
        let mut fields = Map::from([
            ("State", state(self.state)),
            ("StateTransitionReason", self.reason.to_string().into()),
            ("Size", i64::from(self.rest).into()),
        ]);
        if mapping > 1 {
            fields.insert("Learnt", format!("{mapping}:{}", self.rest).into());
        }
        if !self.tags.is_empty() {
            fields.insert("Tags", tags_value(&self.tags));
        }
        Document::new(fields)
    }
}

/// What a document holds as these tags.
pub(super) fn tags_value(tags: &BTreeMap<String, String>) -> Value {
    fixtures::tags(tags.iter().map(|(key, value)| (key.as_str(), value.as_str())))
}

/// The content of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum News {
    State(&'static str),
    Tags { tags: BTreeMap<String, String>, version: u64 },
}

/// An event on its way: it may arrive at any time from `at` on, or never, or several times.
#[derive(Clone, Debug)]
pub(super) struct PendingEvent {
    pub(super) id: String,
    pub(super) at: Millis,
    pub(super) news: News,
}

/// One account in one region. The ids are the same in all of them, and what stands under an id is not.
pub(super) struct AwsHistory {
    /// Which one it is.
    home: u32,
    /// For each id, its versions with their start times. `None`: it does not exist.
    history: BTreeMap<String, Vec<(Millis, Option<Version>)>>,
    pub(super) notices: Vec<PendingEvent>,
    launched: u32,
    reasons: u32,
}

impl AwsHistory {
    pub(super) fn of(home: u32) -> Self {
        AwsHistory { home, history: BTreeMap::new(), notices: Vec::new(), launched: 0, reasons: 0 }
    }

    /// The resource at a moment.
    pub(super) fn at(&self, id: &str, moment: Millis) -> Option<&Version> {
        let history = self.history.get(id)?;
        let upto = history.partition_point(|(from, _)| *from <= moment);
        history[..upto].last()?.1.as_ref()
    }

    /// Everything that exists at a moment.
    pub(super) fn ids_at(&self, moment: Millis) -> impl Iterator<Item = &String> {
        self.history.keys().filter(move |id| self.at(id, moment).is_some())
    }

    /// Every id that ever existed.
    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        self.history.keys()
    }

    /// Whether some version held at some moment from `from` to `to` satisfies `matches`.
    pub(super) fn ever(&self, id: &str, from: Millis, to: Millis, matches: impl Fn(&Version) -> bool) -> bool {
        let Some(history) = self.history.get(id) else { return false };
        history.iter().enumerate().any(|(n, (begun, version))| {
            let ended = history.get(n + 1).map_or(Millis::MAX, |(next, _)| *next);
            *begun <= to && ended > from && version.as_ref().is_some_and(&matches)
        })
    }

    fn named(&self, id: &str) -> BTreeMap<String, String> {
        BTreeMap::from([("Name".to_owned(), format!("{id} of {}", self.home))])
    }

    /// What no other scope has.
    fn rest(&self, number: u32) -> u32 {
        self.home * 100_000 + number
    }

    /// A resource that always existed and does not change by itself.
    pub(super) fn found(&mut self, id: String) {
        let version = Version { state: "running", reason: 0, tags: self.named(&id), tagged: 1, rest: self.rest(1) };
        self.history.insert(id, vec![(0, Some(version))]);
    }

    pub(super) fn launch(&mut self, now: Millis) -> String {
        self.launched += 1;
        let id = format!("i-{}", self.launched);
        let (tags, rest) = (self.named(&id), self.rest(self.launched));
        let version = Version { state: "pending", reason: 0, tags, tagged: 1, rest };
        self.history.insert(id.clone(), Vec::new());
        self.put(&id, now, Some(version.clone()));
        self.put(&id, now + START, Some(Version { state: "running", ..version }));
        self.notify(&id, now, News::State("pending"));
        self.notify(&id, now + START, News::State("running"));
        id
    }

    /// Starts or stops an instance; returns the state that AWS answers, if it accepts the call.
    pub(super) fn power(&mut self, id: &str, on: bool, now: Millis) -> Option<&'static str> {
        let version = self.at(id, now)?.clone();
        let (during, after, takes) = match (on, version.state) {
            (true, "stopped") => ("pending", "running", START),
            (false, "running") => ("stopping", "stopped", STOP),
            (true, "running" | "pending") | (false, "stopped" | "stopping") => return Some(version.state),
            _ => return None,
        };
        self.transit(id, &version, during, after, takes, now);
        Some(during)
    }

    pub(super) fn terminate(&mut self, id: &str, now: Millis) {
        let Some(version) = self.at(id, now).cloned() else { return };
        if matches!(version.state, "shutting-down" | "terminated") {
            return;
        }
        self.transit(id, &version, "shutting-down", "terminated", STOP, now);
        self.put(id, now + STOP + RETENTION, None);
    }

    /// Removes a resource at once and without an event, like a deleted VPC.
    pub(super) fn delete(&mut self, id: &str, now: Millis) {
        if self.at(id, now).is_some() {
            self.forget_plans(id, now);
            self.put(id, now, None);
        }
    }

    /// Sets one of a few sets of tags; 0 is none.
    pub(super) fn retag(&mut self, id: &str, value: u8, now: Millis) {
        let tags = match value {
            0 => BTreeMap::new(),
            value => BTreeMap::from([("Name".to_owned(), format!("n{value}"))]),
        };
        let changed = self.change(id, now, |version| {
            version.tagged += 1;
            version.tags.clone_from(&tags);
        });
        if let Some(version) = changed {
            self.notify(id, now, News::Tags { tags, version });
        }
    }

    pub(super) fn resize(&mut self, id: &str, now: Millis) {
        self.change(id, now, |version| version.rest += 100);
    }

    /// Changes a resource now and in all its planned versions.
    fn change(&mut self, id: &str, now: Millis, with: impl Fn(&mut Version)) -> Option<u64> {
        let mut next = self.at(id, now)?.clone();
        with(&mut next);
        let tagged = next.tagged;
        let history = self.history.get_mut(id)?;
        let upto = history.partition_point(|(from, _)| *from <= now);
        history[upto..].iter_mut().filter_map(|(_, version)| version.as_mut()).for_each(&with);
        if history[upto - 1].0 == now {
            history[upto - 1].1 = Some(next);
        } else {
            history.insert(upto, (now, Some(next)));
        }
        Some(tagged)
    }

    fn transit(
        &mut self,
        id: &str,
        version: &Version,
        during: &'static str,
        after: &'static str,
        takes: Millis,
        now: Millis,
    ) {
        self.forget_plans(id, now);
        self.reasons += 1;
        let reason = self.reasons;
        self.put(id, now, Some(Version { state: during, reason, ..version.clone() }));
        self.put(id, now + takes, Some(Version { state: after, reason, ..version.clone() }));
        self.notify(id, now, News::State(during));
        self.notify(id, now + takes, News::State(after));
    }

    fn forget_plans(&mut self, id: &str, now: Millis) {
        if let Some(history) = self.history.get_mut(id) {
            history.retain(|(from, _)| *from <= now);
        }
        self.notices.retain(|notice| notice.id != id || notice.at <= now);
    }

    fn put(&mut self, id: &str, from: Millis, version: Option<Version>) {
        let Some(history) = self.history.get_mut(id) else { return };
        match history.last_mut() {
            // A version that held for no time was never true.
            Some(last) if last.0 == from => last.1 = version,
            _ => history.push((from, version)),
        }
    }

    fn notify(&mut self, id: &str, at: Millis, news: News) {
        self.notices.push(PendingEvent { id: id.to_owned(), at, news });
    }
}

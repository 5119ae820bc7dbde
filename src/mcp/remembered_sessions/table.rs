//! The sessions that are remembered, and which of them are forgotten first.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use rmcp::model::InitializeRequestParams;

use super::record::{SessionNews, SessionRecord};
use crate::mcp::idle::IdleQueue;
use crate::model::Timestamp;

/// How many sessions are remembered.
pub(super) const MOST: usize = 10_000;
/// How long after its last request a session is remembered.
pub(super) const KEPT: Duration = Duration::from_hours(12);
/// How many bytes all of them may need.
const BYTES: usize = 16 << 20;
/// How many bytes the opening of one session may need. A larger one is not remembered.
const OPENING: usize = 64 << 10;
/// A session in use is recorded again after this time.
const DUE: Duration = Duration::from_hours(1);

/// The sessions that are remembered.
#[derive(Default)]
pub(super) struct SessionTable {
    sessions: HashMap<String, Remembered>,
    /// Those that are not served, by when they were served last.
    unserved: IdleQueue<String>,
    bytes: usize,
}

struct Remembered {
    initialize: Box<InitializeRequestParams>,
    uris: BTreeSet<String>,
    used: Timestamp,
    bytes: usize,
    /// Its number in the queue of those that are not served.
    idle: Option<u64>,
}

impl SessionTable {
    /// Applies a record, and returns whether it says anything new.
    pub(super) fn apply(&mut self, record: &SessionRecord) -> bool {
        let at = Timestamp::from_millis(record.at);
        let session = &record.session;
        match &record.news {
            SessionNews::Opened { initialize, uris } => {
                let opening = serde_json::to_vec(initialize).map_or(usize::MAX, |bytes| bytes.len());
                if opening > OPENING {
                    return false;
                }
                self.forget(session);
                let bytes = opening + session.len() + uris.iter().map(String::len).sum::<usize>();
                let idle = Some(self.unserved.add(session.clone()));
                let uris = uris.iter().cloned().collect();
                let remembered = Remembered { initialize: initialize.clone(), uris, used: at, bytes, idle };
                self.sessions.insert(session.clone(), remembered);
                self.bytes += bytes;
                return true;
            }
            SessionNews::Ended => return self.forget(session),
            SessionNews::Subscribed { .. } | SessionNews::Unsubscribed { .. } | SessionNews::Used => {}
        }
        let Some(remembered) = self.sessions.get_mut(session) else { return false };
        match &record.news {
            SessionNews::Subscribed { uri } if remembered.uris.insert(uri.clone()) => {
                remembered.bytes += uri.len();
                self.bytes += uri.len();
            }
            SessionNews::Unsubscribed { uri } if remembered.uris.remove(uri) => {
                remembered.bytes -= uri.len();
                self.bytes -= uri.len();
            }
            SessionNews::Used => {}
            _ => return false,
        }
        remembered.used = at;
        if let Some(number) = remembered.idle {
            self.unserved.remove(number);
            remembered.idle = Some(self.unserved.add(session.clone()));
        }
        true
    }

    /// Forgets what is too old or too much. What is served is not forgotten.
    pub(super) fn trim(&mut self, now: Timestamp) {
        while let Some(session) = self.unserved.longest() {
            let is_old = self.sessions.get(session).is_none_or(|remembered| now.since(remembered.used) > KEPT);
            if !is_old && self.sessions.len() <= MOST && self.bytes <= BYTES {
                return;
            }
            let session = session.clone();
            self.forget(&session);
        }
    }

    /// Keeps a session for as long as it is served.
    pub(super) fn served(&mut self, session: &str) {
        let idle = self.sessions.get_mut(session).and_then(|remembered| remembered.idle.take());
        if let Some(number) = idle {
            self.unserved.remove(number);
        }
    }

    /// Ends what [`SessionTable::served`] began.
    pub(super) fn left(&mut self, session: &str) {
        if let Some(remembered) = self.sessions.get_mut(session)
            && remembered.idle.is_none()
        {
            remembered.idle = Some(self.unserved.add(session.to_owned()));
        }
    }

    /// Whether a session is remembered.
    pub(super) fn contains(&self, session: &str, now: Timestamp) -> bool {
        self.valid(session, now).is_some()
    }

    /// What the client of a session said when it opened it.
    pub(super) fn opening(&self, session: &str, now: Timestamp) -> Option<InitializeRequestParams> {
        self.valid(session, now).map(|remembered| (*remembered.initialize).clone())
    }

    /// What the client of a session is subscribed to.
    pub(super) fn uris(&self, session: &str) -> Vec<String> {
        self.sessions.get(session).map(|remembered| remembered.uris.iter().cloned().collect()).unwrap_or_default()
    }

    /// Whether the use of a session should be recorded again.
    pub(super) fn is_due(&self, session: &str, now: Timestamp) -> bool {
        self.sessions.get(session).is_some_and(|remembered| now.since(remembered.used) > DUE)
    }

    /// How many sessions are remembered.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// One record for each session, those first that are forgotten first.
    pub(super) fn records(&self) -> Vec<SessionRecord> {
        let mut sessions: Vec<(&String, &Remembered)> = self.sessions.iter().collect();
        sessions.sort_by_key(|(_, remembered)| (remembered.idle.unwrap_or(u64::MAX), remembered.used));
        let record = |(session, remembered): (&String, &Remembered)| SessionRecord {
            session: session.clone(),
            at: remembered.used.as_millis(),
            news: SessionNews::Opened {
                initialize: remembered.initialize.clone(),
                uris: remembered.uris.iter().cloned().collect(),
            },
        };
        sessions.into_iter().map(record).collect()
    }

    fn valid(&self, session: &str, now: Timestamp) -> Option<&Remembered> {
        let is_valid = |remembered: &&Remembered| remembered.idle.is_none() || now.since(remembered.used) <= KEPT;
        self.sessions.get(session).filter(is_valid)
    }

    fn forget(&mut self, session: &str) -> bool {
        let Some(remembered) = self.sessions.remove(session) else { return false };
        self.bytes -= remembered.bytes;
        if let Some(number) = remembered.idle {
            self.unserved.remove(number);
        }
        true
    }
}

//! The sessions that are remembered, and which of them are forgotten first.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
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
    sessions: HashMap<String, RememberedSession>,
    /// Those that are not served, by when they were served last.
    unserved: IdleQueue<String>,
    bytes: usize,
}

struct RememberedSession {
    initialize: Box<InitializeRequestParams>,
    uris: BTreeSet<String>,
    /// Whose it is.
    owner: Option<Arc<str>>,
    used: Timestamp,
    bytes: usize,
    /// Whether it is no longer served, as far as the records say.
    left: bool,
    /// Its number in the queue of those that are not served.
    idle: Option<u64>,
}

impl SessionTable {
    /// Applies a record, and returns whether it says anything new.
    pub(super) fn apply(&mut self, record: &SessionRecord) -> bool {
        let at = Timestamp::from_millis(record.at);
        let session = &record.session;
        match &record.news {
            SessionNews::Opened { initialize, uris, left, owner } => {
                let opening = serde_json::to_vec(initialize).map_or(usize::MAX, |bytes| bytes.len());
                if opening > OPENING {
                    return false;
                }
                self.forget(session);
                let bytes = opening + session.len() + uris.iter().map(String::len).sum::<usize>();
                let idle = Some(self.unserved.add(session.clone()));
                let uris = uris.iter().cloned().collect();
                let (initialize, left, owner) = (initialize.clone(), *left, owner.clone());
                let remembered = RememberedSession { initialize, uris, owner, used: at, bytes, left, idle };
                self.sessions.insert(session.clone(), remembered);
                self.bytes += bytes;
                return true;
            }
            SessionNews::Ended => return self.forget(session),
            _ => {}
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
            SessionNews::Used | SessionNews::Left => {}
            _ => return false,
        }
        remembered.used = at;
        remembered.left = record.news == SessionNews::Left;
        if let Some(number) = remembered.idle {
            self.unserved.remove(number);
            remembered.idle = Some(self.unserved.add(session.clone()));
        }
        true
    }

    /// Goes on after the end of the process that wrote the records, which still served what it did not report as left.
    pub(super) fn resume(&mut self, ended: Timestamp) {
        let SessionTable { sessions, unserved, .. } = self;
        for (session, remembered) in sessions.iter_mut().filter(|(_, remembered)| !remembered.left) {
            remembered.used = ended;
            if let Some(number) = remembered.idle {
                unserved.remove(number);
                remembered.idle = Some(unserved.add(session.clone()));
            }
        }
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

    /// Whether a session is remembered, and is somebody's; or nobody's, where nobody had to say who they are.
    pub(super) fn is_of(&self, session: &str, owner: Option<&Arc<str>>, now: Timestamp) -> bool {
        self.valid(session, now).is_some_and(|remembered| remembered.owner.as_ref() == owner)
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
        self.sessions.get(session).is_some_and(|remembered| remembered.left || now.since(remembered.used) > DUE)
    }

    /// How many sessions are remembered.
    pub(super) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// One record for each session, those first that are forgotten first.
    pub(super) fn records(&self) -> Vec<SessionRecord> {
        let mut sessions: Vec<(&String, &RememberedSession)> = self.sessions.iter().collect();
        sessions.sort_by_key(|(_, remembered)| (remembered.idle.unwrap_or(u64::MAX), remembered.used));
        let record = |(session, remembered): (&String, &RememberedSession)| SessionRecord {
            session: session.clone(),
            at: remembered.used.as_millis(),
            news: SessionNews::Opened {
                initialize: remembered.initialize.clone(),
                uris: remembered.uris.iter().cloned().collect(),
                left: remembered.left,
                owner: remembered.owner.clone(),
            },
        };
        sessions.into_iter().map(record).collect()
    }

    fn valid(&self, session: &str, now: Timestamp) -> Option<&RememberedSession> {
        let is_valid =
            |remembered: &&RememberedSession| remembered.idle.is_none() || now.since(remembered.used) <= KEPT;
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

//! What EventBridge tells of: an event arrives, again, or never.

use tokio::sync::oneshot;

use super::{CheckResult, Runner};
use crate::ingest::ledger::LedgerView;
use crate::ingest::truth::aws::{News, PendingEvent, tags_value};
use crate::ingest::truth::shelf::Backing;
use crate::ingest::work::Notifications;
use crate::ingest::{Ledger, NotifyResult};
use crate::model::fixtures::{self, at_millis};
use crate::model::{Notification, Observation, Seen, Source};

impl<S: Backing> Runner<'_, S> {
    pub(super) fn notice(&mut self, which: u8, again: bool) -> Option<PendingEvent> {
        let now = self.now;
        let notices = &mut self.here().aws.notices;
        let ready: Vec<usize> = (0..notices.len()).filter(|n| notices[*n].at <= now).collect();
        let chosen = *ready.get(usize::from(which) % ready.len().max(1))?;
        Some(if again { notices[chosen].clone() } else { notices.remove(chosen) })
    }

    /// An event reaches the writer. That of a scope that is not watched may have passed its receiver before the scope was given up.
    pub(super) fn deliver(&mut self, notice: &PendingEvent) -> CheckResult {
        // Events know seconds.
        let at = at_millis(notice.at / 1000 * 1000);
        let seen = match &notice.news {
            News::State(state) => Seen::StateAsserted(fixtures::state(state)),
            News::Tags { tags, version } => Seen::TagsAsserted { tags: tags_value(tags), version: *version },
        };
        let here = self.here();
        let observation = Observation { source: Source::Notification, at, id: here.id(&notice.id), seen };
        // Nothing happens at the same moment, and a notice is of one group.
        let event_id = format!("{}-{}-{}", here.number, notice.at, matches!(notice.news, News::State(_)));
        let (known, watched) = (here.recorded.contains(&event_id), here.watched);
        self.tally.count(if watched { "event" } else { "event of a scope that is not watched" });
        let before = self.ingest.as_ref().map(|ingest| ingest.ledger().view().map(|view| view.seq()));
        let before = before.and_then(Result::ok).unwrap_or_default();
        let (done, mut outcome) = oneshot::channel();
        let notification = Notification { event_id: event_id.clone(), observations: vec![observation], called: None };
        if let Some(ingest) = &mut self.ingest {
            // A queue may give the same event twice at once.
            let notifications = vec![notification.clone(), notification];
            ingest.notify(Notifications { notifications, done });
        }
        let taken = outcome.try_recv().expect("an outcome").expect("recorded");
        match taken[..] {
            [NotifyResult::Repeated, NotifyResult::Repeated] if known => {}
            [NotifyResult::Applied(seq), NotifyResult::Repeated] if watched && !known && seq > before => {
                self.here().recorded.insert(event_id);
            }
            // Where deciding took too long for one commit, the second is decided again.
            [NotifyResult::Unchanged, NotifyResult::Repeated | NotifyResult::Unchanged] if !known => {}
            _ => return Err(format!("{event_id} was {taken:?}, and {} before", if known { "known" } else { "new" })),
        }
        self.here().past.push(notice.clone());
        Ok(())
    }
}

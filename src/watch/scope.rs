//! What the watchers of the scopes of one account share.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::listener::EventListener;
use super::member::MemberBook;
use super::quiet::QuietRule;
use super::refresh::Dispatcher;
use super::settings::WatchSettings;
use super::tasks::Tasks;
use super::turns::SweepTurns;
use crate::aws::Aws;
use crate::ingest::{IngestHandle, WantedReceiver};
use crate::kinds::KindSpec;
use crate::model::KindSelection;
use crate::source::referred::ReferredIds;

/// What the watchers of the scopes of one account share.
#[derive(Clone)]
pub(super) struct ScopeWatchers {
    pub(super) aws: Aws,
    pub(super) ingest: IngestHandle,
    pub(super) tasks: Tasks,
    pub(super) dispatcher: Dispatcher,
    pub(super) listener: EventListener,
    pub(super) turns: SweepTurns,
    pub(super) quiet: Option<QuietRule>,
    /// Which of the kinds are to be watched.
    pub(super) kinds: watch::Receiver<KindSelection>,
    /// All kinds, each with the time from the start of one sweep to the start of the next.
    pub(super) all: Arc<[(&'static KindSpec, Duration)]>,
    /// Those of them that are watched.
    pub(super) intervals: Arc<[(&'static KindSpec, Duration)]>,
    /// Returns, by the slug of a kind, the ids of that kind that other kinds refer to.
    pub(super) referred: Arc<HashMap<&'static str, ReferredIds>>,
}

impl ScopeWatchers {
    /// Starts what needs no account: receiving from the queues given by URL, and dispatching wanted ids.
    pub(super) fn start(
        settings: WatchSettings,
        referred: HashMap<&'static str, ReferredIds>,
        aws: &Aws,
        ingest: &IngestHandle,
        wanted: WantedReceiver,
        tasks: &Tasks,
        members: Option<&MemberBook>,
    ) -> Self {
        let dispatcher = Dispatcher::default();
        tasks.spawn_until_stopped("the dispatcher", dispatcher.clone().run(wanted));
        tasks.spawn_until_stopped("the wakes", dispatcher.clone().wake_asked(ingest.freshness().clone()));
        let listener = EventListener::new(&settings, members);
        listener.receive(aws, ingest, tasks, &dispatcher);
        let all: Arc<[_]> = settings.intervals.into();
        ScopeWatchers {
            aws: aws.clone(),
            ingest: ingest.clone(),
            tasks: tasks.clone(),
            dispatcher,
            listener,
            turns: SweepTurns::new(),
            quiet: settings.quiet,
            kinds: settings.kinds,
            all: Arc::clone(&all),
            intervals: all,
            referred: Arc::new(referred),
        }
    }

    /// The same, of these kinds and with tasks of their own.
    pub(super) fn of_kinds(&self, watched: &KindSelection, tasks: Tasks) -> Self {
        let intervals = match watched {
            KindSelection::All => Arc::clone(&self.all),
            KindSelection::Only(_) => {
                self.all.iter().filter(|(spec, _)| watched.watches(&spec.kind())).copied().collect()
            }
        };
        ScopeWatchers { tasks, intervals, ..self.clone() }
    }

    /// The kinds that are to be watched now, each with its interval.
    pub(super) fn chosen(&self) -> Vec<(&'static KindSpec, Duration)> {
        let watched = self.kinds.borrow();
        self.all.iter().filter(|(spec, _)| watched.watches(&spec.kind())).copied().collect()
    }
}

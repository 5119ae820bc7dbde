//! One scope of a program: what AWS holds there, what is under way, and what is known of it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::aws::{AwsHistory, PendingEvent};
use crate::kinds::INSTANCE;
use crate::model::fixtures::kind;
use crate::model::{AccountId, ActionId, Page, Region, ResourceId, Scope, SweepStep, Timestamp};
use crate::source::refresh::queue::RefreshQueue;

/// How many there are: two accounts in two regions.
pub(super) const PLACES: u8 = 4;

/// A listing under way: two pages, each of the ids of one parity.
#[derive(Default)]
pub(super) struct RunningListing {
    pub(super) asked: u8,
    pub(super) landed: u8,
    pub(super) hides: bool,
    pub(super) loses: bool,
    pub(super) page: Option<Page>,
}

/// An answer on its way: when it was asked for, by the process's clock, and what it says.
pub(super) struct PendingAnswer {
    pub(super) page: Page,
    pub(super) missing: Vec<Arc<str>>,
    /// Since when the clock ran without a jump.
    pub(super) steady: Timestamp,
}

#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the program so far")]
pub(super) struct Place {
    pub(super) number: u8,
    pub(super) scope: Scope,
    pub(super) aws: AwsHistory,
    pub(super) queue: RefreshQueue,
    /// A sweep was asked for in place of too many refreshes.
    pub(super) due: bool,
    pub(super) listing: Option<RunningListing>,
    /// Messages of a listing that was cut off when the scope was given up. They may still arrive.
    pub(super) stray: VecDeque<SweepStep>,
    pub(super) refresh: Option<PendingAnswer>,
    pub(super) tools: VecDeque<(ActionId, String, Timestamp, &'static str)>,
    pub(super) slots: Vec<String>,
    /// Delivered events, and the ids of the recorded ones.
    pub(super) past: Vec<PendingEvent>,
    pub(super) recorded: BTreeSet<String>,
    pub(super) dead: BTreeSet<Arc<str>>,
    pub(super) removed: BTreeSet<Arc<str>>,
    pub(super) herd: bool,
    /// The last complete listing lacked some resources.
    pub(super) hid: bool,
    /// Some resources lost their tags since the last complete listing that lost none.
    pub(super) lost: bool,
    /// Whether it is watched.
    pub(super) watched: bool,
    /// Whether it was ever given up.
    pub(super) left: bool,
    /// Whether a sweep was complete since it was added, or came back: what it finds from then on appeared.
    pub(super) begun: bool,
    /// The same before the step under way.
    pub(super) begun_before: bool,
    /// Whether it was watched at any time of the step under way.
    pub(super) heard: bool,
    /// Whether it came or went in the step under way.
    pub(super) turned: bool,
    /// Whether it was swept for the first time in the step under way.
    pub(super) begins: bool,
}

impl Place {
    pub(super) fn new(number: u8) -> Self {
        let account = AccountId::new(if number.is_multiple_of(2) { "111111111111" } else { "222222222222" });
        let region = Region::new(if number < 2 { "us-east-1" } else { "eu-west-1" });
        Place {
            number,
            scope: Scope { account, region },
            aws: AwsHistory::of(u32::from(number)),
            queue: RefreshQueue::new(INSTANCE.refreshes),
            due: false,
            listing: None,
            stray: VecDeque::new(),
            refresh: None,
            tools: VecDeque::new(),
            slots: Vec::new(),
            past: Vec::new(),
            recorded: BTreeSet::new(),
            dead: BTreeSet::new(),
            removed: BTreeSet::new(),
            herd: false,
            hid: false,
            lost: false,
            watched: true,
            left: false,
            begun: false,
            begun_before: false,
            heard: true,
            turned: false,
            begins: false,
        }
    }

    pub(super) fn id(&self, id: &str) -> ResourceId {
        ResourceId::new(&self.scope, &kind(), id)
    }

    /// Whether anything ever was here.
    pub(super) fn is_used(&self) -> bool {
        self.aws.ids().next().is_some()
    }

    /// Notes how the place is before a step.
    pub(super) fn begin_step(&mut self) {
        (self.begun_before, self.heard) = (self.begun, self.watched);
        (self.turned, self.begins) = (false, false);
    }

    /// The watcher ends. Unless they are lost, up to two messages of its listing are on their way.
    pub(super) fn cut_off(&mut self, are_lost: bool) {
        self.queue = RefreshQueue::new(INSTANCE.refreshes);
        if let Some(listing) = self.listing.take().filter(|_| !are_lost) {
            let ends = listing.asked > 1;
            self.stray.extend(listing.page.map(SweepStep::Page));
            if ends {
                // Dated when it is delivered.
                self.stray.push_back(SweepStep::Completed { ended: Timestamp::EPOCH });
            }
        }
    }

    /// Nothing is under way in a new process.
    pub(super) fn forget(&mut self) {
        self.queue = RefreshQueue::new(INSTANCE.refreshes);
        (self.listing, self.refresh) = (None, None);
        self.tools.clear();
        self.stray.clear();
    }
}

//! How far one sweep has come, and what it does after an answer. Pure: the answer and the time that it took are passed in.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use super::page_walk::{Bounds, Endless, PageWalk};
use crate::aws::AwsError;
use crate::model::{LeftOut, Page};

/// How often in a row a page may fail before its sweep is given up.
const PAGE_FAILURES: u32 = 5;
/// How long a page may keep failing before its sweep is given up, so that the failure is reported while attempts time out.
const PAGE_PATIENCE: Duration = Duration::from_mins(1);
/// How often a sweep starts over because AWS no longer takes a page token.
const RESTARTS: u32 = 3;
/// The fewest resources on a page that AWS takes for a size.
pub(super) const SMALLEST: i32 = 5;

/// A sweep under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SweepProgress {
    /// The token of the next page; `None` for the first.
    pub(super) token: Option<String>,
    /// How often that page has failed in a row.
    pub(super) failures: u32,
    /// How long that page has been failing.
    pub(super) failing: Duration,
    /// How often the sweep has started over.
    pub(super) restarts: u32,
    /// Hashes of what the pages so far showed and named.
    pub(super) walk: PageWalk,
    /// The optional parameters that were left out of a page's request.
    pub(super) left_out: LeftOut,
}

/// What an answered page shows, for the walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PageShown {
    /// A hash of the ids on it; `None` when there are none.
    pub(super) content: Option<u64>,
    /// The token of the next page.
    pub(super) next: Option<String>,
}

/// What to do after an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Ask for the next page.
    Ask(SweepProgress),
    /// The last page was answered.
    Complete(SweepProgress),
    /// Ask for the same page again, after a pause: a page that succeeds on retry counts.
    Retry(SweepProgress),
    /// Start over, because AWS no longer accepts the token.
    Restart {
        /// How often, including this time.
        restarts: u32,
    },
    /// Start over with smaller pages.
    Shrink,
    /// Give up, because the walk does not end.
    Stop(Endless),
    /// Give up.
    GiveUp,
}

impl SweepProgress {
    pub(super) fn new(restarts: u32) -> Self {
        SweepProgress {
            token: None,
            failures: 0,
            failing: Duration::ZERO,
            restarts,
            walk: PageWalk::default(),
            left_out: LeftOut::default(),
        }
    }

    /// Decides the next step. `answer` is what the page shows, or the failure; `took` is how long the answer took, including the
    /// pause before it; `size` is the page size; `bounds` limits the walk.
    pub(super) fn step(
        mut self,
        answer: Result<PageShown, &AwsError>,
        took: Duration,
        size: i32,
        bounds: &Bounds,
    ) -> NextStep {
        match answer {
            Ok(PageShown { content, next }) => {
                let hash = next.as_ref().map(|token| xxh3_64(token.as_bytes()));
                match (self.walk.page(content, hash, bounds), next) {
                    // AWS goes in circles, or goes on for ever.
                    (Err(endless), _) => NextStep::Stop(endless),
                    // AWS has more: each page's token is good for the next one.
                    (Ok(()), Some(token)) => NextStep::Ask(SweepProgress {
                        token: Some(token),
                        failures: 0,
                        failing: Duration::ZERO,
                        ..self
                    }),
                    // AWS has no more.
                    (Ok(()), None) => NextStep::Complete(self),
                }
            }
            // The token is good for pages of the size that it was made for, so a smaller one needs a new walk.
            Err(error) if error.is_page_too_large() && size > SMALLEST => NextStep::Shrink,
            // The token has expired, or a deployment of AWS forgot it.
            Err(error) if self.token.is_some() && error.is_token_refused() => {
                let restarts = self.restarts + 1;
                if restarts > RESTARTS { NextStep::GiveUp } else { NextStep::Restart { restarts } }
            }
            // A passing failure: the page is requested again, with the same token.
            Err(error) if error.class.is_passing() => {
                let (failures, failing) = (self.failures + 1, self.failing + took);
                if failures >= PAGE_FAILURES || failing >= PAGE_PATIENCE {
                    NextStep::GiveUp
                } else {
                    NextStep::Retry(SweepProgress { failures, failing, ..self })
                }
            }
            // Denied or impossible: asking again now changes nothing.
            Err(_) => NextStep::GiveUp,
        }
    }
}

/// Extracts what a page shows, for the walk.
pub(super) fn shown(page: &Page) -> PageShown {
    let ids = page.items.iter().map(|item| &*item.id);
    let unchanged = page.unchanged.iter().map(|item| &*item.id);
    let unreadable = page.unreadable.iter().map(|item| item.id.as_deref().unwrap_or_default());
    // A sum, as the order says nothing: what was decoded at first may be unchanged when it comes again.
    let hashes = ids.chain(unchanged).chain(unreadable).map(|id| xxh3_64(id.as_bytes()));
    PageShown { content: hashes.reduce(u64::wrapping_add), next: page.next.clone() }
}

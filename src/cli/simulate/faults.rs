//! The flags of `muster simulate` that make things go wrong.

use std::num::NonZeroU32;

use clap::Args;

use crate::simulator::EventFaults;
use crate::simulator::faults::{ActionName, Denial, Faults, FigureError, RegionName, Scale, Share, Skew, Span};

/// The flags of the commonest faults. Each takes precedence over the scenario. Only a scenario can limit a fault to some
/// actions.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Faults")]
pub(super) struct FaultFlags {
    /// Limit requests by AWS's token buckets, multiplied by SCALE [default: off; SCALE is 1]
    ///
    /// --buckets=0.5 halves AWS's limits.
    #[arg(long, value_name = "SCALE", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    buckets: Option<Scale>,
    /// The share of calls answered `RequestLimitExceeded`, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    throttle: Option<Share>,
    /// How long every answer takes, such as 200ms [default: 0s]
    #[arg(long, value_name = "DURATION")]
    latency: Option<Span>,
    /// How much longer than --latency an answer takes at most [default: 0s]
    #[arg(long, value_name = "DURATION")]
    latency_jitter: Option<Span>,
    /// How late describes show a change at most; each resource has a lag of its own [default: 0s]
    #[arg(long, value_name = "DURATION")]
    lag: Option<Span>,
    /// Draw the lag of each resource again for every call, so that answers may go back in time
    #[arg(long)]
    lag_jitter: bool,
    /// The share of pages answered with HTTP status 500 or 503, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    failing_pages: Option<Share>,
    /// The page of each listing that always fails; 1 is the first
    #[arg(long, value_name = "PAGE")]
    failing_page: Option<NonZeroU32>,
    /// The share of page tokens that are refused as expired, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    expired_tokens: Option<Share>,
    /// The share of answers that are cut off in the middle, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    truncate: Option<Share>,
    /// The share of answers that are neither XML nor JSON, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    garble: Option<Share>,
    /// The share of answers in which one character of an item is wrong, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    alter: Option<Share>,
    /// The share of calls whose connection closes without an answer, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    cut: Option<Share>,
    /// An action that the policy denies, such as `StopInstances` (repeatable)
    #[arg(long, value_name = "ACTION")]
    denied: Vec<ActionName>,
    /// A region in which every call is answered with HTTP status 503 (repeatable)
    #[arg(long, value_name = "REGION")]
    dead_region: Vec<RegionName>,
    /// Do not answer at all in dead regions, instead of with 503
    #[arg(long)]
    hang: bool,
    /// The share of resources whose tags each listing leaves out, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    lose_tags: Option<Share>,
    /// The share of resources that each listing leaves out, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    hide: Option<Share>,
    /// The share of events that are lost, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    drop_events: Option<Share>,
    /// The share of events that come twice, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    duplicate_events: Option<Share>,
    /// The share of events that come after later ones, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    reorder_events: Option<Share>,
    /// The share of events without the field `account`, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    events_without_account: Option<Share>,
    /// How late an event comes at most, up to 1h [default: 0s]
    #[arg(long, value_name = "DURATION", value_parser = late)]
    delay_events: Option<u64>,
    /// The share of snapshots that stay pending, from 0 to 1 [default: 0]
    #[arg(long, value_name = "SHARE")]
    stuck_snapshots: Option<Share>,
    /// How far the simulated AWS's clock is ahead of this machine's, such as 90s or -1h [default: 0s]
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    skew: Option<Skew>,
}

impl FaultFlags {
    /// Returns `faults` with the values of the flags that were given.
    pub(super) fn over(self, mut faults: Faults) -> Faults {
        if let Some(scale) = self.buckets {
            (faults.buckets.on, faults.buckets.scale) = (true, scale);
        }
        put(&mut faults.throttle.share, self.throttle);
        put(&mut faults.latency.fixed, self.latency);
        put(&mut faults.latency.jitter, self.latency_jitter);
        put(&mut faults.lag.most, self.lag);
        faults.lag.jitter |= self.lag_jitter;
        put(&mut faults.failing_pages.share, self.failing_pages);
        faults.failing_pages.page = self.failing_page.or(faults.failing_pages.page);
        put(&mut faults.expired_tokens.share, self.expired_tokens);
        put(&mut faults.truncate.share, self.truncate);
        put(&mut faults.garble.share, self.garble);
        put(&mut faults.alter.share, self.alter);
        put(&mut faults.cut.share, self.cut);
        let denied: Vec<Denial> = self.denied.into_iter().map(Denial::of).collect();
        put(&mut faults.denied, Some(denied).filter(|denied| !denied.is_empty()));
        put(&mut faults.dead_regions.regions, Some(self.dead_region).filter(|regions| !regions.is_empty()));
        faults.dead_regions.hang |= self.hang;
        put(&mut faults.lose_tags.share, self.lose_tags);
        put(&mut faults.hide.share, self.hide);
        put(&mut faults.events.drop, self.drop_events.map(Share::get));
        put(&mut faults.events.duplicate, self.duplicate_events.map(Share::get));
        put(&mut faults.events.reorder, self.reorder_events.map(Share::get));
        put(&mut faults.events.without_account, self.events_without_account.map(Share::get));
        if let Some(most) = self.delay_events {
            faults.events.delay_ms = [0, most];
        }
        put(&mut faults.stuck_snapshots.share, self.stuck_snapshots);
        put(&mut faults.clock.skew, self.skew);
        faults
    }
}

/// Reads the longest delay of events, in milliseconds.
fn late(text: &str) -> Result<u64, FigureError> {
    let most = u64::try_from(text.parse::<Span>()?.get().as_millis()).ok();
    let possible = most.filter(|most| *most <= EventFaults::MAX_MS);
    possible.ok_or_else(|| FigureError::Late { given: text.to_owned() })
}

fn put<T>(field: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *field = given;
    }
}

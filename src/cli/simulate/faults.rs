//! The flags of `muster simulate` that make things go wrong.

use std::num::NonZeroU32;

use clap::Args;

use crate::simulator::EventFaults;
use crate::simulator::faults::{ActionName, Faults, FigureError, RegionName, Scale, Share, Skew, Span};

/// The commonest faults. Each takes precedence over the scenario; actions to limit them to are a scenario's business.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Faults")]
pub(super) struct FaultFlags {
    /// AWS's token buckets, scaled if a number is given [default: off]
    #[arg(long, value_name = "SCALE", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    buckets: Option<Scale>,
    /// The share of calls answered that the request limit is exceeded
    #[arg(long, value_name = "SHARE")]
    throttle: Option<Share>,
    /// How long every answer takes
    #[arg(long, value_name = "DURATION")]
    latency: Option<Span>,
    /// How much longer an answer takes at most
    #[arg(long, value_name = "DURATION")]
    latency_jitter: Option<Span>,
    /// How late describes see a change at most, each resource by its own time
    #[arg(long, value_name = "DURATION")]
    lag: Option<Span>,
    /// Draw each resource's lag anew for every call, so that answers go back in time
    #[arg(long)]
    lag_jitter: bool,
    /// The share of pages answered with an error of 500 or 503
    #[arg(long, value_name = "SHARE")]
    failing_pages: Option<Share>,
    /// The page of each walk that always fails; the first is 1
    #[arg(long, value_name = "PAGE")]
    failing_page: Option<NonZeroU32>,
    /// The share of page tokens that are refused
    #[arg(long, value_name = "SHARE")]
    expired_tokens: Option<Share>,
    /// The share of answers whose connection closes in the middle
    #[arg(long, value_name = "SHARE")]
    truncate: Option<Share>,
    /// The share of answers that are neither XML nor JSON
    #[arg(long, value_name = "SHARE")]
    garble: Option<Share>,
    /// The share of calls whose connection closes without an answer
    #[arg(long, value_name = "SHARE")]
    cut: Option<Share>,
    /// An action that the policy denies; repeatable
    #[arg(long, value_name = "ACTION")]
    denied: Vec<ActionName>,
    /// A region in which every call is answered 503; repeatable
    #[arg(long, value_name = "REGION")]
    dead_region: Vec<RegionName>,
    /// Never answer in dead regions, instead of with 503
    #[arg(long)]
    hang: bool,
    /// The share of resources whose tags each listing leaves out
    #[arg(long, value_name = "SHARE")]
    lose_tags: Option<Share>,
    /// The share of resources that each listing leaves out
    #[arg(long, value_name = "SHARE")]
    hide: Option<Share>,
    /// The share of events that are lost
    #[arg(long, value_name = "SHARE")]
    drop_events: Option<Share>,
    /// The share of events that come twice
    #[arg(long, value_name = "SHARE")]
    duplicate_events: Option<Share>,
    /// The share of events that later ones overtake
    #[arg(long, value_name = "SHARE")]
    reorder_events: Option<Share>,
    /// The share of events without `account`
    #[arg(long, value_name = "SHARE")]
    events_without_account: Option<Share>,
    /// How late every event is at most
    #[arg(long, value_name = "DURATION", value_parser = late)]
    delay_events: Option<u64>,
    /// The share of snapshots that stay pending
    #[arg(long, value_name = "SHARE")]
    stuck_snapshots: Option<Share>,
    /// How far AWS's clock is from this machine's: 90s, -1h
    #[arg(long, value_name = "DURATION", allow_hyphen_values = true)]
    skew: Option<Skew>,
}

impl FaultFlags {
    /// `faults` with what was given in place of theirs.
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
        put(&mut faults.cut.share, self.cut);
        put(&mut faults.denied, Some(self.denied).filter(|actions| !actions.is_empty()));
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

/// Reads how late events are at most, in milliseconds.
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

//! Spot instances: interruption warnings and rebalance recommendations.
//!
//! EC2 User Guide, "Spot Instance interruption notices" and "EC2 instance rebalance recommendations". The warning comes two minutes
//! ahead of the interruption; before a hibernation it comes as that begins.

use std::time::Duration;

use super::raw::{Envelope, Lacks, Occurrence, cut};
use crate::kinds;
use crate::model::{Notice, NoticeKind, Observation, Seen};

/// How long before the interruption the warning comes.
const AHEAD: Duration = Duration::from_mins(2);
/// How long a warning is shown after its interruption. State events and sweeps show the new state within that time.
const AFTER: Duration = Duration::from_mins(10);
/// How long a recommendation is shown. AWS never withdraws one, and gives no time; after a day without an interruption it says
/// little about the current risk.
const RECOMMENDED: Duration = Duration::from_hours(24);

pub(super) fn interruption(event: &Envelope, place: &Occurrence) -> Result<Vec<Observation>, Lacks> {
    let id = event.text("instance-id").ok_or("detail.instance-id")?;
    let action = event.text("instance-action").ok_or("detail.instance-action")?;
    let begins = if action == "hibernate" { place.at } else { place.at + AHEAD };
    let kind = NoticeKind::SpotInterruption;
    let notice = Notice {
        at: place.at,
        over: false,
        key: kind.name().to_owned(),
        kind,
        code: cut(action, 100),
        description: None,
        begins: Some(begins),
        until: begins + AFTER,
    };
    Ok(vec![place.saw(kinds::INSTANCE_STATUS, id, Seen::Noticed(notice))])
}

pub(super) fn rebalance(event: &Envelope, place: &Occurrence) -> Result<Vec<Observation>, Lacks> {
    let id = event.text("instance-id").ok_or("detail.instance-id")?;
    let kind = NoticeKind::RebalanceRecommendation;
    let notice = Notice {
        at: place.at,
        over: false,
        key: kind.name().to_owned(),
        kind,
        code: "rebalance".to_owned(),
        description: None,
        begins: None,
        until: place.at + RECOMMENDED,
    };
    Ok(vec![place.saw(kinds::INSTANCE_STATUS, id, Seen::Noticed(notice))])
}

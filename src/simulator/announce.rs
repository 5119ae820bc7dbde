//! Emits events that no API call causes: `POST /_simulator/emit`.
//!
//! The body is one of:
//! - `{"event": "spot-interruption", "id": "i-..", "action": "terminate"}`
//! - `{"event": "rebalance", "id": "i-.."}`
//! - `{"event": "alarm", "id": "i-..", "state": "ALARM"}`
//! - `{"event": "health", "id": "i-..", "status": "upcoming", "code": "..", "starts_in": 86400}`
//!
//! `account` and `region` choose the account; the default is the simulator's own. The events go to the bus and change
//! nothing; the instance need not exist.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulator::clock::Moment;
use crate::simulator::happening::{Happening, What};
use crate::simulator::world::{UnknownScope, World};

/// Why an announcement was not emitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AnnounceError {
    /// The body is not one of the announcements.
    #[error(
        "the body is not an event to emit: {source}; send {{\"event\": \"spot-interruption\", \"id\": \"i-..\"}}; \
         other events are rebalance, health and alarm"
    )]
    Body {
        /// The error from serde.
        #[from]
        source: serde_json::Error,
    },
    /// There is no such account or region.
    #[error(transparent)]
    Scope(#[from] UnknownScope),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Announcement {
    account: Option<String>,
    region: Option<String>,
    event: AnnouncementName,
    id: String,
    action: Option<String>,
    state: Option<String>,
    status: Option<String>,
    code: Option<String>,
    #[serde(default)]
    starts_in: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AnnouncementName {
    SpotInterruption,
    Rebalance,
    Health,
    Alarm,
}

/// Pushes the event of an announcement to the outbox.
///
/// # Errors
/// When the body is not an announcement, or the account or region does not exist.
pub(crate) fn emit(world: &World, body: &[u8]) -> Result<(), AnnounceError> {
    let asked: Announcement = serde_json::from_slice(body)?;
    let (account, region) = world.scope(asked.account.as_deref(), asked.region.as_deref())?;
    let now = world.clock().moment();
    let (account, region) = (account.to_owned(), region.to_owned());
    let what = asked.what(&account, &region, now);
    world.outbox().push(Happening { at: now, account, region, what });
    Ok(())
}

impl Announcement {
    fn what(&self, account: &str, region: &str, now: Moment) -> What {
        let id = &self.id;
        let arn = format!("arn:aws:ec2:{region}:{account}:instance/{id}");
        let or = |given: &Option<String>, default: &str| given.clone().unwrap_or_else(|| default.to_owned());
        let (source, detail_type, resources, detail): (_, _, _, Value) = match self.event {
            AnnouncementName::SpotInterruption => {
                let detail = json!({ "instance-id": id, "instance-action": or(&self.action, "terminate") });
                ("aws.ec2", "EC2 Spot Instance Interruption Warning", vec![arn], detail)
            }
            AnnouncementName::Rebalance => {
                ("aws.ec2", "EC2 Instance Rebalance Recommendation", vec![arn], json!({ "instance-id": id }))
            }
            AnnouncementName::Health => {
                let code = or(&self.code, "AWS_EC2_INSTANCE_REBOOT_MAINTENANCE_SCHEDULED");
                let starts = now.plus(Duration::from_secs(self.starts_in));
                let detail = json!({
                    "eventArn": format!("arn:aws:health:{region}::event/EC2/{code}/{code}_{id}"),
                    "service": "EC2", "eventScopeCode": "ACCOUNT_SPECIFIC", "communicationId": format!("{id}-{}", now.0),
                    "lastUpdatedTime": now.http_date(), "statusCode": or(&self.status, "upcoming"), "eventRegion": region,
                    "eventTypeCode": code, "eventTypeCategory": "scheduledChange", "startTime": starts.http_date(),
                    "endTime": starts.plus(Duration::from_hours(2)).http_date(),
                    "eventDescription": [{ "language": "en_US", "latestDescription": "A reboot is scheduled." }],
                    "affectedEntities": [{ "entityValue": id, "tags": {}, "status": "PENDING" }],
                    "affectedAccount": account, "page": "1", "totalPages": "1",
                });
                ("aws.health", "AWS Health Event", vec![id.clone()], detail)
            }
            AnnouncementName::Alarm => {
                let detail = json!({
                    "alarmName": "status-checks",
                    "alarmContributor": { "id": "6d442278dba546f6", "attributes": { "InstanceId": id } },
                    "state": { "value": or(&self.state, "ALARM"), "reason": "Threshold Crossed", "timestamp": now.iso() },
                });
                let alarm = format!("arn:aws:cloudwatch:{region}:{account}:alarm:status-checks");
                ("aws.cloudwatch", "CloudWatch Alarm Contributor State Change", vec![alarm], detail)
            }
        };
        What::Announced { source, detail_type, resources, detail }
    }
}

//! Scripts status checks and scheduled events: `POST /_simulator/status`.
//!
//! The body is one of:
//! - `{"id": "i-..", "check": "system", "impaired": true}`, which makes a check fail from now on, or pass again
//! - `{"id": "i-..", "events": [..]}`, which replaces the scheduled events; their fields are those of
//!   `DescribeInstanceStatus`
//!
//! `account` and `region` choose the account; the default is the simulator's own.

use jiff::Timestamp;
use serde::Deserialize;

use crate::simulator::account::UnknownId;
use crate::simulator::ident::hex;
use crate::simulator::instance::{Check, ScheduledEvent};
use crate::simulator::world::{UnknownScope, World};

/// Why a script was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptError {
    /// The body is not a script.
    #[error(
        "the body is not a status script: {source}; send {{\"id\", \"check\", \"impaired\"}} or {{\"id\", \"events\"}}"
    )]
    Body {
        /// The error from serde.
        #[from]
        source: serde_json::Error,
    },
    /// There is no such account or region.
    #[error(transparent)]
    Scope(#[from] UnknownScope),
    /// There is no such instance.
    #[error(transparent)]
    Unknown(#[from] UnknownId),
    /// The script changes nothing.
    #[error("the script for {id} changes nothing; give \"check\" and \"impaired\", or \"events\"")]
    Empty {
        /// The instance.
        id: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    id: String,
    account: Option<String>,
    region: Option<String>,
    check: Option<ScriptedName>,
    impaired: Option<bool>,
    events: Option<Vec<ScriptedEvent>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ScriptedName {
    Instance,
    System,
    AttachedEbs,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct ScriptedEvent {
    instance_event_id: Option<String>,
    code: String,
    #[serde(default)]
    description: String,
    not_before: Time,
    not_after: Option<Time>,
}

/// `2026-12-01T00:00:00Z`
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Time(Timestamp);

impl TryFrom<String> for Time {
    type Error = jiff::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// Applies a script.
///
/// # Errors
/// When the body is not a script or changes nothing, or names an unknown account, region or instance.
pub(crate) fn follow(world: &World, body: &[u8]) -> Result<(), ScriptError> {
    let script: Script = serde_json::from_slice(body)?;
    let (account, region) = world.scope(script.account.as_deref(), script.region.as_deref())?;
    let account = world.account(account, region);
    let scripted = script.check.zip(script.impaired);
    if scripted.is_none() && script.events.is_none() {
        return Err(ScriptError::Empty { id: script.id });
    }
    if let Some((check, impaired)) = scripted {
        let check = match check {
            ScriptedName::Instance => Check::Instance,
            ScriptedName::System => Check::System,
            ScriptedName::AttachedEbs => Check::AttachedEbs,
        };
        account.set_impaired(&script.id, check, impaired)?;
    }
    if let Some(events) = script.events {
        account.schedule(&script.id, events.into_iter().map(ScriptedEvent::scheduled).collect())?;
    }
    Ok(())
}

impl ScriptedEvent {
    fn scheduled(self) -> ScheduledEvent {
        let Self { instance_event_id, code, description, not_before, not_after } = self;
        let fresh = || {
            let mut id = "instance-event-0".to_owned();
            hex(fastrand::u64(..), &mut id);
            id
        };
        ScheduledEvent {
            id: instance_event_id.unwrap_or_else(fresh),
            code,
            description,
            not_before: not_before.0,
            not_after: not_after.map(|time| time.0),
        }
    }
}

//! One call to EventBridge's API, and the refusals that its actions share.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::simulator::clock::Moment;
use crate::simulator::json;
use crate::simulator::refusal::Refusal;
use crate::simulator::world::World;

/// One call, with everything that its answer may depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) now: Moment,
}

/// What a call is answered with.
pub(super) type Answer = Result<Value, Refusal>;

pub(super) fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "ValidationException", message)
}

pub(super) fn not_found(message: String) -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", message)
}

/// The value of a required member, or AWS's refusal if it is missing.
pub(super) fn required<'a>(member: Option<&'a str>, name: &str) -> Result<&'a str, Refusal> {
    member.filter(|text| !text.is_empty()).ok_or_else(|| {
        let reason = "failed to satisfy constraint: Member must not be null";
        invalid(format!("1 validation error detected: Value null at '{name}' {reason}"))
    })
}

/// Refuses every bus except the default one, which a call may give by name or ARN.
pub(super) fn default_bus(call: &Call, bus: Option<&str>) -> Result<(), Refusal> {
    match bus {
        None | Some("default") => Ok(()),
        Some(arn) if *arn == bus_arn(call) => Ok(()),
        Some(other) => Err(not_found(format!("Event bus {other} does not exist."))),
    }
}

pub(super) fn no_rule(name: &str) -> Refusal {
    not_found(format!("Rule {name} does not exist on EventBus default."))
}

/// A page of the items, in the order of their names, and the token of the next page.
pub(super) fn page<T>(
    items: Vec<(String, T)>,
    limit: Option<usize>,
    token: Option<&str>,
) -> Result<(Vec<T>, Option<String>), Refusal> {
    let limit = limit.unwrap_or(100);
    if !(1..=100).contains(&limit) {
        let reason = "failed to satisfy constraint: Member must have value between 1 and 100";
        return Err(invalid(format!("1 validation error detected: Value '{limit}' at 'limit' {reason}")));
    }
    let decoded = token.map(|token| URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok()));
    let from = decoded.map(|name| name.ok_or_else(|| invalid("Parameter NextToken is not valid."))).transpose()?;
    let mut left = items.into_iter().filter(|(name, _)| from.as_ref().is_none_or(|from| name >= from));
    let first = left.by_ref().take(limit).map(|(_, item)| item).collect();
    Ok((first, left.next().map(|(name, _)| URL_SAFE_NO_PAD.encode(name))))
}

impl Call<'_> {
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        json::read(self.body)
    }
}

fn bus_arn(call: &Call) -> String {
    format!("arn:aws:events:{}:{}:event-bus/default", call.region, call.account)
}

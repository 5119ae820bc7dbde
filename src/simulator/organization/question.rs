//! What is asked of AWS Organizations, and how it is answered.

use serde::Deserialize;
use serde_json::Value;

use crate::simulator::refusal::Refusal;

/// What a call is answered with.
pub(super) type Answer = Result<Value, Refusal>;

/// The members of all requests.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Question {
    pub(super) account_id: String,
    pub(super) child_id: String,
    pub(super) organizational_unit_id: String,
    pub(super) parent_id: String,
    pub(super) resource_id: String,
    pub(super) max_results: Option<i64>,
    pub(super) next_token: Option<String>,
}

pub(super) fn refuse(code: &'static str, message: &str) -> Refusal {
    Refusal::new(400, code, message)
}

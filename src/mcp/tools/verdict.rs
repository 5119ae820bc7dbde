//! How a write tool's call went for one instance. The names of the verdicts are stable: programs may match them.

use std::borrow::Cow;

use rmcp::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::aws::{AwsError, Trouble};
use crate::model::Outcome;

/// How it went for one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// AWS accepted the call.
    Done,
    /// It was so already; nothing was called.
    Already,
    /// A dry run: it would be allowed.
    WouldBeAllowed,
    /// The call was a dry run, and the endpoint carried it out all the same.
    Acted,
    /// AWS refused; nothing happened.
    Refused,
    /// AWS's answer was lost, or does not say: it may have happened.
    Unknown,
    /// There is no such instance.
    NotFound,
    /// The credentials in use are those of another account; nothing was called.
    OtherAccount,
    /// Nothing shows whose the credentials in use are; nothing was called.
    IdentityUnproved,
    /// An answer to this call, about this instance or another, cannot be trusted; nothing was called for this one.
    AnswerNotTrusted,
}

impl Verdict {
    /// Every one.
    pub const ALL: [Verdict; 10] = [
        Verdict::Done,
        Verdict::Already,
        Verdict::WouldBeAllowed,
        Verdict::Acted,
        Verdict::Refused,
        Verdict::Unknown,
        Verdict::NotFound,
        Verdict::OtherAccount,
        Verdict::IdentityUnproved,
        Verdict::AnswerNotTrusted,
    ];

    /// Its name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Done => "done",
            Verdict::Already => "already",
            Verdict::WouldBeAllowed => "would_be_allowed",
            Verdict::Acted => "acted",
            Verdict::Refused => "refused",
            Verdict::Unknown => "unknown",
            Verdict::NotFound => "not_found",
            Verdict::OtherAccount => "other_account",
            Verdict::IdentityUnproved => "identity_unproved",
            Verdict::AnswerNotTrusted => "answer_not_trusted",
        }
    }

    /// Whether the instance is, or would be, as asked.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Verdict::Done | Verdict::Already | Verdict::WouldBeAllowed)
    }

    /// What a failed look at instances means for each of them: nothing is called.
    #[must_use]
    pub fn of_look(error: &AwsError) -> Self {
        match error.trouble {
            Trouble::OtherAccount { .. } => Verdict::OtherAccount,
            Trouble::IdentityUnproved => Verdict::IdentityUnproved,
            Trouble::Unasked => Verdict::AnswerNotTrusted,
            _ => Verdict::Refused,
        }
    }

    /// What a failed call means, for the answer and for the log.
    #[must_use]
    pub fn of_call(error: &AwsError) -> (Self, Outcome) {
        if error.perhaps_done {
            return (Verdict::Unknown, Outcome::Unknown { message: error.to_string() });
        }
        let code = error.code.clone().unwrap_or_else(|| "NotSent".to_owned());
        (Verdict::of_look(error), Outcome::Refused { code, message: error.message.clone() })
    }
}

impl JsonSchema for Verdict {
    fn schema_name() -> Cow<'static, str> {
        "Verdict".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": Verdict::ALL.map(Verdict::name),
            "description": "How it went. `done` and `already` are success. `unknown`: AWS's answer was lost, so it may have \
                            happened. `acted`: this dry run was carried out, because the endpoint ignores DryRun. For \
                            `other_account`, `identity_unproved` and `answer_not_trusted` no call was made.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_named_as_it_is_written() {
        for verdict in Verdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
        }
    }
}

//! The verdict of a write tool for one instance. The names of the verdicts are stable: programs may match them.

use std::borrow::Cow;

use rmcp::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::aws::{AwsError, AwsErrorKind};
use crate::model::text::shown;
use crate::model::{ActionEnd, ActionOutcome, FailureCode};

/// The code in the log of a call that never reached AWS.
const UNSENT: &str = "NotSent";

/// The result of a write tool for one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteVerdict {
    /// AWS accepted the call.
    Done,
    /// The instance was already in that state; no call was made.
    Already,
    /// A dry run: the call would be allowed.
    WouldBeAllowed,
    /// A dry run that the endpoint carried out as a real call.
    Acted,
    /// A rule of Muster's own refuses the change; AWS was not asked.
    PolicyRefused,
    /// AWS refused; nothing happened.
    Refused,
    /// AWS's answer was lost, or does not say: it may have happened.
    Unknown,
    /// AWS never got a call for it; nothing happened.
    NotSent,
    /// Somebody has to agree first, or did not; no call was made.
    Unconfirmed,
    /// There is no such instance.
    NotFound,
    /// The credentials belong to another account; no call was made.
    OtherAccount,
    /// Nothing proves to which account the credentials belong; no call was made.
    IdentityUnproved,
    /// An answer to this call, about this instance or another, cannot be trusted; no call was made for this one.
    AnswerNotTrusted,
}

impl WriteVerdict {
    /// Every one.
    pub const ALL: [WriteVerdict; 13] = [
        WriteVerdict::Done,
        WriteVerdict::Already,
        WriteVerdict::WouldBeAllowed,
        WriteVerdict::Acted,
        WriteVerdict::PolicyRefused,
        WriteVerdict::Refused,
        WriteVerdict::Unknown,
        WriteVerdict::NotSent,
        WriteVerdict::Unconfirmed,
        WriteVerdict::NotFound,
        WriteVerdict::OtherAccount,
        WriteVerdict::IdentityUnproved,
        WriteVerdict::AnswerNotTrusted,
    ];

    /// Its name in answers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            WriteVerdict::Done => "done",
            WriteVerdict::Already => "already",
            WriteVerdict::WouldBeAllowed => "would_be_allowed",
            WriteVerdict::Acted => "acted",
            WriteVerdict::PolicyRefused => "policy_refused",
            WriteVerdict::Refused => "refused",
            WriteVerdict::Unknown => "unknown",
            WriteVerdict::NotSent => "not_sent",
            WriteVerdict::Unconfirmed => "unconfirmed",
            WriteVerdict::NotFound => "not_found",
            WriteVerdict::OtherAccount => "other_account",
            WriteVerdict::IdentityUnproved => "identity_unproved",
            WriteVerdict::AnswerNotTrusted => "answer_not_trusted",
        }
    }

    /// Whether the instance is, or would be, in the requested state.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, WriteVerdict::Done | WriteVerdict::Already | WriteVerdict::WouldBeAllowed)
    }

    /// The verdict for each instance when describing them failed, so that no call is made.
    #[must_use]
    pub fn of_look(error: &AwsError) -> Self {
        match error.kind {
            AwsErrorKind::OtherAccount { .. } => WriteVerdict::OtherAccount,
            AwsErrorKind::IdentityUnproved => WriteVerdict::IdentityUnproved,
            AwsErrorKind::Unasked | AwsErrorKind::DryRunIgnored => WriteVerdict::AnswerNotTrusted,
            AwsErrorKind::Answered => WriteVerdict::Refused,
            // Of the look nothing is known, and the change was not sent.
            _ => WriteVerdict::NotSent,
        }
    }

    /// The verdict and the log's record of a failed call.
    #[must_use]
    pub fn of_call(error: &AwsError) -> (Self, ActionEnd) {
        let (verdict, outcome) = if error.perhaps_done {
            (WriteVerdict::Unknown, ActionOutcome::Unknown { message: error.to_string() })
        } else {
            let code = error.code.clone().unwrap_or_else(|| UNSENT.to_owned());
            (WriteVerdict::of_look(error), ActionOutcome::Refused { code, message: error.message.clone() })
        };
        (verdict, ActionEnd { outcome, request_id: error.request_id.clone() })
    }

    /// The verdict and the message for what the log records as refused.
    #[must_use]
    pub fn of_recorded(code: &str, message: &str) -> (Self, String) {
        let message = shown(message, 300);
        match code {
            UNSENT => (WriteVerdict::NotSent, format!("The call did not reach AWS, so nothing happened: {message}")),
            _ => (WriteVerdict::Refused, format!("AWS refused ({}): {message}", shown(code, 80))),
        }
    }

    /// The failure of a call that ended so for its instances; `None` where it did what it was to do for one of them.
    #[must_use]
    pub fn failure(all: impl IntoIterator<Item = Self>) -> Option<FailureCode> {
        let mut failure = FailureCode::NothingDone;
        for verdict in all {
            match verdict {
                verdict if verdict.is_good() => return None,
                WriteVerdict::Unknown => failure = FailureCode::PerhapsDone,
                _ => {}
            }
        }
        Some(failure)
    }
}

impl JsonSchema for WriteVerdict {
    fn schema_name() -> Cow<'static, str> {
        "Verdict".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "enum": WriteVerdict::ALL.map(WriteVerdict::name),
            "description": "How it went. `done` and `already` are success. `unknown`: AWS's answer was lost, so it may have \
                            happened. `not_sent`: AWS got no call for it, so nothing happened. `acted`: this dry run was \
                            carried out, because the endpoint ignores DryRun. `policy_refused`: a rule of Muster's own \
                            refuses it, not AWS. `unconfirmed`: somebody has to agree first, or did not. For `other_account`, `identity_unproved` and `answer_not_trusted` no \
                            call was made.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Region;

    #[test]
    fn a_verdict_is_named_as_it_is_written() {
        for verdict in WriteVerdict::ALL {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
        }
    }

    #[test]
    fn what_never_reached_aws_is_not_told_as_refused_by_it() {
        let error = AwsError::endless("no end", "ec2:StopInstances", &Region::new("us-east-1"));
        let (verdict, end) = WriteVerdict::of_call(&error);
        assert_eq!(verdict, WriteVerdict::NotSent);
        let ActionOutcome::Refused { code, message } = end.outcome else { panic!("{end:?}") };
        let (verdict, told) = WriteVerdict::of_recorded(&code, &message);
        assert_eq!(verdict, WriteVerdict::NotSent);
        assert!(told.contains("did not reach AWS") && told.contains("no end"), "{told}");
        let (verdict, told) = WriteVerdict::of_recorded("UnauthorizedOperation", "no");
        assert_eq!((verdict, told.as_str()), (WriteVerdict::Refused, "AWS refused (UnauthorizedOperation): no"));
    }
}

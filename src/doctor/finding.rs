//! Findings of checks: a fact about one thing, a verdict, and what to do if it is not well.

use std::time::Duration;

use futures::FutureExt;
use futures::future::LocalBoxFuture;
use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, timeout};

use crate::aws::{AwsError, AwsErrorKind};
use crate::model::{ErrorClass, Region};

/// How long one question may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A check.
#[derive(Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name, which never changes.
    pub name: &'static str,
    /// What it verifies, in a sentence.
    pub title: &'static str,
}

/// The verdict of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It works.
    Ok,
    /// It works, but somebody should know.
    Warning,
    /// It does not work.
    Failed,
    /// It was not checked; the fact says why.
    Skipped,
}

/// What one check found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The check's name.
    pub check: &'static str,
    /// The region; `None` for what belongs to no region.
    pub region: Option<Region>,
    /// What was checked. Subject, fact and fix may hold text of strangers, so they must pass through `shown` before a terminal.
    pub subject: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What was found.
    pub fact: String,
    /// What to do; only for [`Verdict::Warning`] and [`Verdict::Failed`].
    pub fix: Option<String>,
    /// The IAM action that AWS denied, where the check of permissions fails for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub denied: Option<String>,
    /// The statements of an IAM policy that allow that action.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Value>,
}

/// A failed question to AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unanswered {
    /// What happened.
    pub(crate) fact: String,
    /// What to do.
    pub(crate) fix: String,
    /// How it was classified.
    pub(crate) class: ErrorClass,
    /// Whether AWS answered at all.
    pub(crate) reached: bool,
    /// The IAM action that AWS denied, which may be another than the one called.
    pub(crate) denied: Option<String>,
}

/// The answer of AWS to a question.
pub(crate) type AwsAnswer<T> = Result<T, Unanswered>;

impl Check {
    pub(crate) fn ok(&self, subject: impl Into<String>, fact: impl Into<String>) -> Finding {
        self.found(subject, Verdict::Ok, fact, None)
    }

    pub(crate) fn warning(
        &self,
        subject: impl Into<String>,
        fact: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        self.found(subject, Verdict::Warning, fact, Some(fix.into()))
    }

    pub(crate) fn failed(
        &self,
        subject: impl Into<String>,
        fact: impl Into<String>,
        fix: impl Into<String>,
    ) -> Finding {
        self.found(subject, Verdict::Failed, fact, Some(fix.into()))
    }

    pub(crate) fn skipped(&self, subject: impl Into<String>, why: impl Into<String>) -> Finding {
        self.found(subject, Verdict::Skipped, why, None)
    }

    /// Makes the finding of something that depends on a failed question. A denied one is skipped: the check of permissions names it.
    pub(crate) fn unanswered(&self, subject: impl Into<String>, why: &Unanswered) -> Finding {
        if why.class == ErrorClass::Denied {
            return self.skipped(subject, "could not be checked: see the check of the missing permission");
        }
        self.failed(subject, &*why.fact, &*why.fix)
    }

    fn found(
        &self,
        subject: impl Into<String>,
        verdict: Verdict,
        fact: impl Into<String>,
        fix: Option<String>,
    ) -> Finding {
        let (subject, fact) = (subject.into(), fact.into());
        Finding { check: self.name, region: None, subject, verdict, fact, fix, denied: None, statements: Vec::new() }
    }
}

impl Finding {
    pub(crate) fn within(self, region: &Region) -> Self {
        Finding { region: Some(region.clone()), ..self }
    }

    /// Whether checks that depend on this one can pass.
    pub(crate) fn holds(&self) -> bool {
        matches!(self.verdict, Verdict::Ok | Verdict::Warning)
    }
}

impl From<AwsError> for Unanswered {
    fn from(error: AwsError) -> Self {
        let reached =
            matches!(error.kind, AwsErrorKind::Answered | AwsErrorKind::Unasked | AwsErrorKind::OtherAccount { .. });
        let denied = (error.class == ErrorClass::Denied).then(|| error.denied_action().to_owned());
        Unanswered { fact: error.to_string(), fix: error.fix(), class: error.class, reached, denied }
    }
}

/// How long the store, and the running server, may take to answer.
pub const LOCAL: Duration = Duration::from_secs(20);

/// Makes the finding of a store or a running server that does not answer in time.
pub(crate) fn hung(check: &Check, subject: &str) -> Finding {
    let fact = format!("no answer within {} s", LOCAL.as_secs());
    check.failed(subject, fact, "Look at the server's log, and restart it.")
}

/// Asks AWS, for at most [`PATIENCE`]. Returns the answer and how long it took. The future is on the heap, since a call of the
/// SDK is large.
pub(crate) fn asked<'a, T: 'a>(
    question: impl Future<Output = Result<T, AwsError>> + 'a,
) -> LocalBoxFuture<'a, (AwsAnswer<T>, Duration)> {
    async {
        let started = Instant::now();
        let answer = timeout(PATIENCE, question).await;
        let answer = answer.map_or_else(|_| Err(no_answer()), |answer| answer.map_err(Unanswered::from));
        (answer, started.elapsed())
    }
    .boxed_local()
}

fn no_answer() -> Unanswered {
    Unanswered {
        fact: format!("no answer within {} s", PATIENCE.as_secs()),
        fix: "Check the network, a proxy (HTTPS_PROXY) and AWS_ENDPOINT_URL.".to_owned(),
        class: ErrorClass::Transient,
        reached: false,
        denied: None,
    }
}

/// Writes a duration for people, to the millisecond.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{}.{:03} s", time.as_secs(), time.subsec_millis())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A call that the policy does not allow.
    pub(in crate::doctor) fn denied(action: &str) -> Unanswered {
        Unanswered {
            fact: format!("{action}: denied"),
            fix: format!("Allow {action}"),
            class: ErrorClass::Denied,
            reached: true,
            denied: Some(action.to_owned()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_that_hangs_is_a_failure_that_says_so() {
        let (outcome, took) = asked(std::future::pending::<Result<(), AwsError>>()).await;
        let why = outcome.unwrap_err();
        assert!(why.fact.contains("within 20 s") && !why.reached && took >= PATIENCE, "{why:?}");
    }

    #[test]
    fn what_cannot_be_seen_for_a_lack_of_permission_is_skipped_and_what_breaks_fails() {
        let check = Check { name: "rule", title: "" };
        assert_eq!(check.unanswered("r", &denied("events:DescribeRule")).verdict, Verdict::Skipped);
        assert_eq!(check.unanswered("r", &no_answer()).verdict, Verdict::Failed);
        assert_eq!(seconds(Duration::from_millis(2_045)), "2.045 s");
    }
}

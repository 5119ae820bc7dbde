//! How a call is made: through the limiter, with its failure classified.

use std::future::Future;
use std::time::Duration;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use tokio::time::sleep;
use tracing::Span;

use super::Aws;
use super::error::{AwsError, AwsErrorKind, CallContext};
use super::limiter::{Admitted, AttemptOutcome, Priority};
use super::sdk::Clients;
use crate::model::{Clock, ErrorClass, Scope, Timestamp};

/// How many attempts a call that changes nothing gets. Each attempt passes the limiter.
const ATTEMPTS: u32 = 2;
/// The longest pause before the next attempt; the actual pause is random, as in the SDK.
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(1);

impl Aws {
    /// The clients of a scope; an error if its region is not watched.
    pub(super) async fn clients(&self, scope: &Scope, action: &'static str) -> Result<Clients, AwsError> {
        self.account_of(scope).clients(&scope.region, action).await
    }

    /// A call for a scope, for an error's text.
    pub(super) fn call<'a>(&self, scope: &'a Scope, action: &'static str) -> CallContext<'a> {
        self.account_of(scope).call(Some(&scope.region), action)
    }

    /// Makes a call that changes nothing, and repeats it after a passing failure. Also returns when the answered attempt was sent.
    pub(super) async fn repeatable<T, E, F>(
        &self,
        scope: &Scope,
        action: &'static str,
        priority: Priority,
        send: impl Fn() -> F,
    ) -> Result<(T, Timestamp), AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let mut attempt = 1;
        loop {
            let admitted = self.0.limiter.admit(scope, action, priority, 0).await;
            let sent_at = self.0.clock.now();
            match self.finished(admitted, scope, action, send().await) {
                // A sweep repeats it by itself, and meanwhile reports what AWS does not answer.
                Err(error) if priority == Priority::Sweep && error.kind == AwsErrorKind::TimedOut => return Err(error),
                Err(error) if attempt < ATTEMPTS && error.class.is_passing() => {
                    tracing::debug!(%error, attempt, "asked again");
                    attempt += 1;
                    sleep(BETWEEN_ATTEMPTS.mul_f64(fastrand::f64())).await;
                }
                answer => return answer.map(|answer| (answer, sent_at)),
            }
        }
    }

    /// Reports to the limiter how a call ended, and classifies its failure.
    pub(super) fn finished<T, E>(
        &self,
        admitted: Admitted,
        scope: &Scope,
        action: &'static str,
        answer: Result<T, SdkError<E>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.settled(admitted, scope, self.classified(scope, action, answer))
    }

    /// Reports to the limiter how a call ended whose failure is classified.
    pub(super) fn settled<T>(
        &self,
        admitted: Admitted,
        scope: &Scope,
        answer: Result<T, AwsError>,
    ) -> Result<T, AwsError> {
        match &answer {
            Ok(_) => self.account_of(scope).answered(&scope.region),
            Err(error) => mark_failed(admitted.span(), error),
        }
        admitted.finished(match answer.as_ref().map_err(|error| error.class) {
            Ok(_) | Err(ErrorClass::NotFound | ErrorClass::DryRun) => AttemptOutcome::Answered,
            Err(ErrorClass::Throttled) => AttemptOutcome::Throttled,
            Err(ErrorClass::Denied | ErrorClass::Transient | ErrorClass::Fatal) => AttemptOutcome::Failed,
        });
        answer
    }

    pub(super) fn classified<T, E>(
        &self,
        scope: &Scope,
        action: &'static str,
        answer: Result<T, SdkError<E>>,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        answer.map_err(|failure| {
            let error = AwsError::new(&failure, &self.call(scope, action));
            self.account_of(scope).failed(error, &scope.region)
        })
    }
}

/// Notes in the span of a call how it failed. A dry run fails as it should.
fn mark_failed(span: &Span, error: &AwsError) {
    if let Some(id) = &error.request_id {
        span.record("aws.request_id", id.as_str());
    }
    if error.class != ErrorClass::DryRun {
        let code = error.code.as_deref().unwrap_or("_OTHER");
        span.record("otel.status_code", "ERROR").record("error.type", code);
    }
}

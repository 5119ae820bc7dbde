//! Reads that are passed on to AWS for somebody else: with the credentials of an account, to the endpoint of a region, and through the
//! limiter, as all calls go. What is asked is the caller's form, and AWS's answer is handed on as it is.

use std::error::Error as StdError;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    AfterDeserializationInterceptorContextRef, BeforeDeserializationInterceptorContextMut,
    BeforeTransmitInterceptorContextMut,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use http_body_util::{LengthLimitError, Limited};
use parking_lot::Mutex;
use thiserror::Error;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

use super::Aws;
use super::error::{AwsError, AwsErrorKind};
use super::identity::IDENTIFY;
use super::limiter::{Admitted, Priority, Unadmitted};
use super::masked::{MaskedAnswer, masked};
use super::pass_turns::{PassTurn, PassTurns};
use super::sdk::Sdk;
use super::signed_by::SignedBy;
use crate::model::{ErrorClass, Scope};

/// The longest answer that is handed on: more than any page of AWS has.
pub const LONGEST_PASSED: usize = 32 << 20;

/// How much of the time of a call is left for AWS's answer, and for asking whose credentials they are, when it is made.
const RESERVED: Duration = Duration::from_secs(8);

/// An answer of AWS, as it is but for the values of redacted tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedAnswer {
    /// The status of HTTP.
    pub status: u16,
    /// AWS's id of the request.
    pub request_id: Option<String>,
    /// The document.
    pub body: Vec<u8>,
}

/// Why there is no answer of AWS to hand on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PassFault {
    /// Muster's share of AWS's limits did not allow the call in time, so that AWS was not asked.
    #[error("the share of AWS's limits did not allow the call in time")]
    Share,
    /// Others had all turns all the time, so that AWS was not asked.
    #[error("others had all turns")]
    Turn,
    /// AWS was asked, and did not answer in time.
    #[error("AWS was asked and did not answer within {} s", _0.as_secs())]
    Late(Duration),
    /// AWS's answer is longer than what is handed on.
    #[error("AWS's answer is longer than {} MiB", LONGEST_PASSED >> 20)]
    TooLong,
    /// AWS was not reached, its answer is none, or it is about Muster's own credentials.
    #[error(transparent)]
    Failed(#[from] AwsError),
}

impl From<Unadmitted> for PassFault {
    fn from(lacked: Unadmitted) -> Self {
        match lacked {
            Unadmitted::Share => PassFault::Share,
            Unadmitted::Turn => PassFault::Turn,
        }
    }
}

impl Aws {
    /// Asks AWS in `scope` what a form asks, once, after all calls that Muster makes for itself, and until then. `action` is the
    /// permission that it needs. The caller answers for it that the form only reads. With the answer comes the one of `turns` that it
    /// has: what is not yet sent takes memory.
    ///
    /// # Errors
    /// [`PassFault`]: it was not AWS's turn to be asked, AWS was not reached, its answer could not be read, or it refused Muster's own
    /// credentials or did not allow them to ask, or they belong to another account than `scope` names. Any other error of AWS is its
    /// answer.
    pub async fn pass(
        &self,
        scope: &Scope,
        action: &'static str,
        form: String,
        turns: &PassTurns,
        until: Instant,
    ) -> Result<(PassedAnswer, PassTurn), PassFault> {
        // What cannot be asked does not wait.
        self.sdk_until(scope, action, until).await?;
        // What could be asked only when its time is nearly over is not asked: nobody would wait for the answer.
        let left = until.saturating_duration_since(Instant::now());
        let admission = until - RESERVED.min(2 * left / 5);
        let (admitted, turn) = self.0.limiter.admit_in_turn(scope, action, turns, admission).await?;
        Ok((Box::pin(self.pass_admitted((scope, action), form, admitted, until)).await?, turn))
    }

    async fn pass_admitted(
        &self,
        (scope, action): (&Scope, &'static str),
        form: String,
        admitted: Admitted,
        until: Instant,
    ) -> Result<PassedAnswer, PassFault> {
        // As it is now: it may have been read again while the call waited.
        let sdk = self.sdk_until(scope, action, until).await?;
        let (passing, signed) = (PassedForm { form, answer: Arc::default() }, SignedBy::default());
        let answer = Arc::clone(&passing.answer);
        let (request, begun) = (sdk.clients(&scope.region).passing().describe_regions().customize(), Instant::now());
        let sent = timeout_at(until, request.interceptor(passing).interceptor(signed.clone()).send()).await;
        let Ok(sent) = sent else {
            let is_sent = signed.key().is_some();
            return Err(if is_sent { PassFault::Late(begun.elapsed()) } else { self.unready(scope, action).into() });
        };
        if sent.as_ref().is_err_and(is_too_long) {
            self.settled(admitted, scope, Ok(()))?;
            return Err(PassFault::TooLong);
        }
        let Some(mut answer) = answer.lock().take() else {
            let failed = self.finished(admitted, scope, action, sent.map(drop)).err();
            return Err(failed.unwrap_or_else(|| self.unreadable("it has no body", scope, action)).into());
        };
        // The SDK takes a success for a broken answer of another call. What it keeps of that is as large as the answer.
        let is_success = (200..300).contains(&answer.status);
        let refusal = match sent.map(drop) {
            Err(error) if !is_success && !is_about_resource(&error) => self.classified(scope, action, Err(error)),
            _ => Ok(()),
        };
        let body = self.masked(mem::take(&mut answer.body), scope, action).await;
        let judged = if is_success {
            body.as_ref().map_err(Clone::clone).and_then(|body| self.answers(body, scope, action))
        } else {
            refusal
        };
        let judged = self.settled(admitted, scope, judged);
        let is_throttled = judged.as_ref().is_err_and(|error| error.class == ErrorClass::Throttled);
        if let Err(error) = judged {
            let is_about_muster = error.is_about_scope() || error.class == ErrorClass::Denied;
            if is_about_muster || error.kind != AwsErrorKind::Answered {
                return Err(error.into());
            }
        }
        // Credentials can change under a running process, and what they read then is another account's. Looked at afterwards, because they
        // may have changed for this call. That AWS throttles tells nothing of an account.
        if !is_throttled {
            let confirmed = self.confirm_signed((scope, action), &sdk, &signed, Priority::Passed);
            let confirmed = timeout_at(until, Box::pin(confirmed)).await;
            confirmed.unwrap_or_else(|_| Err(AwsError::late(&self.call(scope, IDENTIFY))))?;
        }
        Ok(PassedAnswer { body: body?.body, ..answer })
    }

    /// The SDK for a call, if its configuration is read in time.
    async fn sdk_until(&self, scope: &Scope, action: &'static str, until: Instant) -> Result<Arc<Sdk>, AwsError> {
        let account = self.account_of(scope);
        let ready = timeout_at(until, Box::pin(account.ready(&scope.region, action))).await;
        ready.unwrap_or_else(|_| Err(self.unready(scope, action)))
    }

    async fn masked(&self, body: Vec<u8>, scope: &Scope, action: &'static str) -> Result<MaskedAnswer, AwsError> {
        let secrets = Arc::clone(&self.0.secrets);
        match spawn_blocking(move || masked(body, &secrets)).await {
            Ok(masked) => masked.map_err(|broken| self.unreadable(&broken.to_string(), scope, action)),
            Err(error) => Err(self.unreadable(&error.to_string(), scope, action)),
        }
    }

    /// Checks that a document is what AWS answers to an action with: whatever else answers in its place may be well-formed as well, such
    /// as the page of a network that wants a password.
    fn answers(&self, answer: &MaskedAnswer, scope: &Scope, action: &'static str) -> Result<(), AwsError> {
        let name = action.split_once(':').map_or(action, |(_, name)| name);
        if answer.root.strip_suffix("Response") == Some(name) {
            return Ok(());
        }
        Err(self.unreadable(&format!("it is no {name}Response"), scope, action))
    }

    fn unreadable(&self, what: &str, scope: &Scope, action: &'static str) -> AwsError {
        AwsError::unreadable(what, &self.call(scope, action))
    }

    /// That the credentials for a call were not there in time.
    fn unready(&self, scope: &Scope, action: &'static str) -> AwsError {
        let what = Some("not in time".to_owned());
        AwsError::of(AwsErrorKind::CredentialsFailed, ErrorClass::Transient, what, &self.call(scope, action))
    }
}

/// Whether an answer is longer than what is handed on.
fn is_too_long(error: &impl StdError) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.downcast_ref::<LengthLimitError>().is_some() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether AWS refuses something that a form names, by a code that it has for credentials as well.
fn is_about_resource(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("AuthFailure") && error.message().is_some_and(|said| said.starts_with("Not authorized for"))
}

/// Puts a form in place of the request that the SDK has made, before it is signed, and takes the answer before the SDK reads it.
#[derive(Debug)]
struct PassedForm {
    form: String,
    answer: Arc<Mutex<Option<PassedAnswer>>>,
}

impl Intercept for PassedForm {
    fn name(&self) -> &'static str {
        "PassedForm"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        request.headers_mut().insert("content-length", self.form.len().to_string());
        *request.body_mut() = SdkBody::from(self.form.as_str());
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = mem::replace(context.response_mut().body_mut(), SdkBody::taken());
        *context.response_mut().body_mut() = SdkBody::from_body_1_x(Limited::new(body, LONGEST_PASSED));
        Ok(())
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let id = ["x-amzn-requestid", "x-amz-request-id"].into_iter().find_map(|name| response.headers().get(name));
        *self.answer.lock() = response.body().bytes().map(|body| PassedAnswer {
            status: response.status().as_u16(),
            request_id: id.map(str::to_owned),
            body: body.to_vec(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt;
    use tokio::net::TcpListener;

    use super::*;
    use crate::aws::scripted::{Reply, Rotating, Scripted, at, signed};
    use crate::model::fixtures::scope;

    const ACTION: &str = "ec2:DescribeKeyPairs";
    const FORM: &str = "Action=DescribeKeyPairs&Version=2016-11-15&KeyName.1=a";

    async fn passed_by(aws: &Aws, patience: Duration) -> Result<PassedAnswer, PassFault> {
        let (turns, until) = (PassTurns::new(1), Instant::now() + patience);
        aws.pass(&scope(), ACTION, FORM.to_owned(), &turns, until).await.map(|(answer, _)| answer)
    }

    async fn passed(server: &Scripted) -> Result<PassedAnswer, PassFault> {
        passed_by(&server.aws(), Duration::from_secs(20)).await
    }

    async fn failed(server: &Scripted) -> AwsError {
        match passed(server).await {
            Err(PassFault::Failed(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn the_form_is_signed_and_sent_once_and_the_answer_comes_as_it_is() {
        let tags = "<tagSet><item><key>token</key><value>hush</value></item></tagSet>";
        let server =
            Scripted::confirmed([Reply::ok(&format!("<keySet><item><keyName>a</keyName>{tags}</item></keySet>"))])
                .await;
        let answer = passed(&server).await.unwrap();
        let body = String::from_utf8(answer.body).unwrap();
        assert!(answer.status == 200 && body.contains("<keyName>a</keyName>"), "{body}");
        assert!(body.contains("<value>redacted</value>") && !body.contains("hush"), "{body}");
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!((requests[0].body.as_str(), requests[0].key.is_empty()), (FORM, false));
    }

    #[tokio::test]
    async fn an_error_of_aws_is_its_answer_unless_it_is_about_muster() {
        for (status, code, said) in [
            (400, "InvalidKeyPair.NotFound", "said"),
            (503, "RequestLimitExceeded", "said"),
            (412, "DryRunOperation", "said"),
            (403, "AuthFailure", "Not authorized for image:ami-0123456789abcdef0"),
        ] {
            let server = Scripted::confirmed([Reply::error(status, code, said)]).await;
            let answer = passed(&server).await.unwrap();
            assert_eq!(answer.status, status);
            assert!(String::from_utf8(answer.body).unwrap().contains(&format!("<Code>{code}</Code>")));
            assert_eq!(server.asked().len(), 1, "{code} is answered after one attempt");
        }
        for (status, code) in [(403, "UnauthorizedOperation"), (401, "AuthFailure"), (400, "RequestExpired")] {
            let error = failed(&Scripted::confirmed([Reply::error(status, code, "no")]).await).await;
            assert_eq!(error.code.as_deref(), Some(code));
        }
    }

    #[tokio::test]
    async fn what_another_account_answers_is_not_handed_on() {
        for reply in [Reply::ok("<keySet/>"), Reply::error(400, "InvalidKeyPair.NotFound", "said")] {
            let server = Scripted::answering(move |form| {
                if form.contains("Action=GetCallerIdentity") {
                    Reply::identified("210987654321")
                } else {
                    reply.clone()
                }
            })
            .await;
            let error = failed(&server).await;
            assert_eq!(error.kind, AwsErrorKind::OtherAccount { expected: scope().account }, "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_is_none_and_one_that_is_too_long_says_so() {
        let cut = failed(&Scripted::confirmed([Reply::ok("<keySet>")]).await).await;
        assert_eq!(cut.kind, AwsErrorKind::Unreadable, "{cut}");
        let long = Scripted::confirmed([Reply::ok(&format!("<keySet>{}</keySet>", "x".repeat(LONGEST_PASSED)))]).await;
        assert_eq!(passed(&long).await, Err(PassFault::TooLong));
    }

    #[tokio::test]
    async fn a_document_that_answers_another_action_is_no_answer() {
        // Only what has status 200 is put into the element of an answer.
        for body in ["<html><p>Please sign in to the network</p></html>", "<DescribeVpcsResponse/>", "<Response/>"] {
            let server = Scripted::confirmed([Reply { status: 203, date: None, body: body.to_owned() }]).await;
            let aws = server.aws();
            match passed_by(&aws, Duration::from_secs(20)).await {
                Err(PassFault::Failed(error)) => assert_eq!(error.kind, AwsErrorKind::Unreadable, "{error}"),
                other => panic!("{body}: {other:?}"),
            }
            assert_eq!(aws.calls().iter().map(|count| count.failed).sum::<u64>(), 1, "{body}");
        }
        let body = "<e:DescribeKeyPairsResponse xmlns:e='u'/>".to_owned();
        let server = Scripted::confirmed([Reply { status: 203, date: None, body }]).await;
        assert!(passed(&server).await.is_ok());
    }

    #[tokio::test]
    async fn what_credentials_read_that_were_exchanged_since_is_not_handed_on() {
        let server = Scripted::confirmed([Reply::ok("<keySet/>")]).await;
        let aws = signed(server.endpoint(), Rotating::new(&["A", "B"]));
        match passed_by(&aws, Duration::from_secs(20)).await {
            Err(PassFault::Failed(error)) => assert_eq!(error.kind, AwsErrorKind::CredentialsExchanged, "{error}"),
            other => panic!("{other:?}"),
        }
        assert!(passed_by(&aws, Duration::from_secs(20)).await.is_ok(), "by the same key");
    }

    #[tokio::test]
    async fn what_a_key_read_that_is_known_and_was_renewed_since_is_handed_on() {
        let server = Scripted::confirmed([Reply::ok("<keySet/>")]).await;
        // It is proved, then signs the call, and another one asks whose it is.
        let aws = signed(server.endpoint(), Rotating::new(&["A", "A", "B"]));
        aws.confirm(&scope()).await.unwrap();
        passed_by(&aws, Duration::from_secs(20)).await.unwrap();
        assert_eq!(server.requests()[0].key, "A");
    }

    #[tokio::test]
    async fn a_call_whose_turn_would_come_when_no_time_is_left_for_the_answer_is_not_made() {
        const RARE: &str = "ec2:DescribeCapacityBlockOfferings";
        let server = Scripted::confirmed([Reply::ok("<capacityBlockOfferingSet/>")]).await;
        let (aws, turns) = (server.aws(), PassTurns::new(1));
        let form = || "Action=DescribeCapacityBlockOfferings&Version=2016-11-15".to_owned();
        aws.pass(&scope(), RARE, form(), &turns, Instant::now() + Duration::from_secs(20)).await.unwrap();
        tokio::time::pause();
        for (patience, waited) in [(20, 12_000), (10, 6_000)] {
            let begun = Instant::now();
            let unasked = aws.pass(&scope(), RARE, form(), &turns, begun + Duration::from_secs(patience)).await;
            let took = begun.elapsed().as_millis();
            assert!(matches!(unasked, Err(PassFault::Share)), "{unasked:?}");
            assert!((waited..waited + 100).contains(&took), "{took}");
        }
        assert_eq!(server.asked().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_turn_is_given_back_wherever_a_call_is_given_up() {
        let slow = |slow: &'static str| {
            Scripted::answering(move |form| {
                if form.contains(slow) {
                    tokio::task::block_in_place(|| std::thread::sleep(Duration::from_secs(2)));
                }
                if form.contains("Action=GetCallerIdentity") {
                    Reply::identified(scope().account.as_str())
                } else {
                    Reply::ok("<keySet/>")
                }
            })
        };
        let scope = scope();
        for stage in ["Action=DescribeKeyPairs", "Action=GetCallerIdentity"] {
            let (server, turns) = (slow(stage).await, PassTurns::new(1));
            let aws = server.aws();
            let until = Instant::now() + Duration::from_secs(20);
            let call = aws.pass(&scope, ACTION, FORM.to_owned(), &turns, until);
            assert!(tokio::time::timeout(Duration::from_millis(500), call).await.is_err(), "{stage}");
            assert!(turns.turn(&scope).now_or_never().is_some(), "{stage}");
        }
        let (server, turns) = (slow("nothing").await, PassTurns::new(1));
        let held = turns.turn(&scope).await;
        let (aws, until) = (server.aws(), Instant::now() + Duration::from_secs(20));
        let call = aws.pass(&scope, ACTION, FORM.to_owned(), &turns, until);
        assert!(tokio::time::timeout(Duration::from_millis(100), call).await.is_err(), "it waits for a turn");
        drop(held);
        assert!(aws.pass(&scope, ACTION, FORM.to_owned(), &turns, until).await.is_ok());
    }

    #[tokio::test]
    async fn aws_is_said_to_be_asked_where_it_was_and_only_there() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = at(&format!("http://{}", silent.local_addr().unwrap()));
        let late = passed_by(&aws, Duration::from_millis(300)).await;
        assert!(matches!(late, Err(PassFault::Late(_))), "{late:?}");
        let (turns, until) = (PassTurns::new(0), Instant::now() + Duration::from_millis(100));
        let unasked = aws.pass(&scope(), ACTION, FORM.to_owned(), &turns, until).await;
        assert_eq!(unasked.map(|(answer, _)| answer), Err(PassFault::Turn));
    }
}

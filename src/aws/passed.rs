//! Reads that are passed on to AWS for somebody else: with the credentials of an account, to the endpoint of a region, and through the
//! limiter, as all calls go. What is asked is the caller's form, and AWS's answer is handed on as it is.

use std::mem;
use std::sync::Arc;

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
use http_body_util::Limited;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use super::Aws;
use super::error::{AwsError, AwsErrorKind};
use super::limiter::Priority;
use super::masked::masked;
use crate::model::{ErrorClass, Scope};

/// The longest answer that is handed on: more than any page of AWS has.
const LONGEST: usize = 32 << 20;

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

impl Aws {
    /// Asks AWS in `scope` what a form asks, once, after all calls that Muster makes for itself. `action` is the permission that it needs.
    /// The caller answers for it that the form only reads.
    ///
    /// # Errors
    /// [`AwsError`]: AWS was not reached, its answer could not be read, or it refused Muster's own credentials or did not allow them to
    /// ask, or they belong to another account than `scope` names. Any other error of AWS is its answer.
    pub async fn pass(&self, scope: &Scope, action: &'static str, form: String) -> Result<PassedAnswer, AwsError> {
        let client = self.clients(scope, action).await?.passing();
        let passing = PassedForm { form, answer: Arc::default() };
        let answer = Arc::clone(&passing.answer);
        let admitted = self.0.limiter.admit(scope, action, Priority::Passed, 0).await;
        let sent = client.describe_regions().customize().interceptor(passing).send().await;
        let taken = answer.lock().take();
        // The SDK takes a success for a broken answer of another call.
        let is_success = taken.as_ref().is_some_and(|answer| (200..300).contains(&answer.status));
        let is_answer = is_success || sent.as_ref().is_err_and(is_about_resource);
        let judged = if is_answer { Ok(()) } else { sent.map(drop) };
        let judged = self.finished(admitted, scope, action, judged);
        let Some(mut answer) = taken else {
            return Err(judged
                .err()
                .unwrap_or_else(|| AwsError::unreadable("it has no body", &self.call(scope, action))));
        };
        let is_throttled = judged.as_ref().is_err_and(|error| error.class == ErrorClass::Throttled);
        if let Err(error) = judged {
            let is_about_muster = error.is_about_scope() || error.class == ErrorClass::Denied;
            if is_about_muster || error.kind != AwsErrorKind::Answered {
                return Err(error);
            }
        }
        // Credentials can change under a running process, and what they read then is another account's. Looked at afterwards, because they
        // may have changed for this call. That AWS throttles tells nothing of an account.
        if !is_throttled {
            Box::pin(self.confirm(scope)).await?;
        }
        let secrets = Arc::clone(&self.0.secrets);
        let body = mem::take(&mut answer.body);
        let body = spawn_blocking(move || masked(body, &secrets)).await;
        match body {
            Ok(Ok(body)) => Ok(PassedAnswer { body, ..answer }),
            Ok(Err(broken)) => Err(AwsError::unreadable(&broken.to_string(), &self.call(scope, action))),
            Err(error) => Err(AwsError::unreadable(&error.to_string(), &self.call(scope, action))),
        }
    }
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
        *context.response_mut().body_mut() = SdkBody::from_body_1_x(Limited::new(body, LONGEST));
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
    use super::*;
    use crate::aws::scripted::{Reply, Scripted};
    use crate::model::fixtures::scope;

    const ACTION: &str = "ec2:DescribeKeyPairs";
    const FORM: &str = "Action=DescribeKeyPairs&Version=2016-11-15&KeyName.1=a";

    async fn passed(server: &Scripted) -> Result<PassedAnswer, AwsError> {
        server.aws().pass(&scope(), ACTION, FORM.to_owned()).await
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
            let error = passed(&Scripted::confirmed([Reply::error(status, code, "no")]).await).await.unwrap_err();
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
            let error = passed(&server).await.unwrap_err();
            assert_eq!(error.kind, AwsErrorKind::OtherAccount { expected: scope().account }, "{error}");
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_cut_off_or_too_long_is_none() {
        for body in ["<keySet>".to_owned(), format!("<keySet>{}</keySet>", "x".repeat(LONGEST))] {
            let error = passed(&Scripted::confirmed([Reply::ok(&body)]).await).await.unwrap_err();
            assert_eq!(error.kind, AwsErrorKind::Unreadable, "{error}");
        }
    }
}

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::error::SdkError;

use super::*;
use crate::aws::scripted::{Reply, Scripted, named};
use crate::kinds;
use crate::model::fixtures::scope;

async fn failed(status: u16, code: &str, message: &str) -> AwsError {
    let server = Scripted::new([Reply::described(&["i-1"]), Reply::error(status, code, message)]).await;
    let (aws, named) = (server.aws().pinned().await, named(&["i-1"]));
    let chosen = named.choose(&scope(), |_| true);
    aws.look(&chosen).await.unwrap();
    aws.start_instances(&chosen, false).await.unwrap_err()
}

#[tokio::test]
async fn throttling_is_distinguished_from_other_server_errors() {
    let error = failed(503, "RequestLimitExceeded", "Request limit exceeded.").await;
    assert_eq!((error.class, error.perhaps_done), (ErrorClass::Throttled, false));
    assert_eq!(failed(503, "Unavailable", "Try later").await.class, ErrorClass::Transient);
}

#[tokio::test]
async fn a_denial_loses_its_blob_and_names_the_action_to_allow() {
    let message = "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/r/me is \
                   not authorized to perform: ec2:CreateTags on resource: arn:aws:ec2:us-east-1::snapshot/* because no \
                   identity-based policy allows it. Encoded authorization failure message: 4VRYs0meB10b-and-more";
    let error = failed(403, "UnauthorizedOperation", message).await;
    assert_eq!(error.class, ErrorClass::Denied);
    assert!(!error.to_string().contains("s0meB10b") && error.to_string().contains("assumed-role/r/me"), "{error}");
    assert!(error.fix().contains("ec2:CreateTags"), "{}", error.fix());
    assert!(!error.perhaps_done);
}

#[tokio::test]
async fn a_denial_by_the_organization_is_not_blamed_on_the_credentials() {
    let message = "You are not authorized to perform this operation. User: arn:aws:sts::123456789012:assumed-role/r/me is \
                   not authorized to perform: ec2:StartInstances with an explicit deny in a service control policy";
    let error = failed(403, "UnauthorizedOperation", message).await;
    assert!(
        error.fix().contains("service control policy of the organization denies ec2:StartInstances"),
        "{}",
        error.fix()
    );
    assert!(!error.fix().contains("policy iam"), "{}", error.fix());
}

#[tokio::test]
async fn not_found_names_the_ids_that_do_not_exist() {
    let message = "The instance IDs 'i-0123456789abcdef0, i-1a2b3c4d' do not exist";
    let error = failed(400, "InvalidInstanceID.NotFound", message).await;
    assert_eq!(
        (error.class, error.ids.as_slice()),
        (ErrorClass::NotFound, &["i-0123456789abcdef0", "i-1a2b3c4d"].map(str::to_owned)[..])
    );
    let error = failed(400, "InvalidInstanceID.Malformed", "Invalid id: \"i-nonsense\"").await;
    assert_eq!((error.class, error.ids.as_slice()), (ErrorClass::NotFound, &["i-nonsense".to_owned()][..]));
    let message = "Value (vol-00000000000000000) for parameter volumes is invalid. Expected: 'vol-...'.";
    let error = failed(400, "InvalidParameterValue", message).await;
    assert_eq!((error.class, error.is_malformed()), (ErrorClass::NotFound, true));
    assert_eq!(error.ids, ["vol-00000000000000000"]);
    let message = "The image ID 'ami-0fedcba9876543210' is no longer available";
    let error = failed(400, "InvalidAMIID.Unavailable", message).await;
    assert_eq!((error.class, error.ids.as_slice()), (ErrorClass::NotFound, &["ami-0fedcba9876543210".to_owned()][..]));
    let error = failed(400, "NatGatewayNotFound", "The Nat Gateway nat-04a10f3c19c940fad was not found").await;
    assert_eq!((error.class, error.ids.as_slice()), (ErrorClass::NotFound, &["nat-04a10f3c19c940fad".to_owned()][..]));
    let error = failed(400, "InvalidGroup.NotFound", "The security group 'sg-0fedcba987654321a' does not exist").await;
    assert_eq!(error.ids, ["sg-0fedcba987654321a"]);
}

#[tokio::test]
async fn refused_credentials_say_what_to_renew() {
    for code in ["AuthFailure", "RequestExpired", "ExpiredToken", "InvalidClientTokenId"] {
        let error = failed(401, code, "no").await;
        assert_eq!(error.class, ErrorClass::Fatal, "{code}");
        assert!(error.fix().contains("Renew the credentials"), "{}", error.fix());
        assert_eq!(error.is_about_expiry(), ["RequestExpired", "ExpiredToken"].contains(&code), "{code}");
    }
}

#[tokio::test]
async fn key_ids_do_not_show() {
    let error = failed(403, "InvalidAccessKeyId", "The key AKIAIOSFODNN7EXAMPLE does not exist").await;
    assert!(!error.to_string().contains("AKIA"), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_not_from_aws_is_a_passing_failure() {
    let server = Scripted::new([Reply { status: 502, date: None, body: "<html>Bad Gateway</html>".to_owned() }]).await;
    let error = server.aws().page(&scope(), kinds::by_slug("vpc").unwrap(), None).await.unwrap_err();
    assert_eq!((error.class, &error.kind), (ErrorClass::Transient, &AwsErrorKind::Unreadable));
    assert!(error.to_string().contains("502"), "{error}");
}

#[tokio::test]
async fn only_a_refused_token_restarts_a_listing() {
    assert!(failed(400, "InvalidNextToken", "x").await.is_token_refused());
    assert!(failed(400, "InvalidParameterValue", "Unable to parse pagination token").await.is_token_refused());
    assert!(!failed(400, "InvalidParameterValue", "maxResults is too small").await.is_token_refused());
}

fn unsent(error: CredentialsError) -> AwsError {
    let dispatch = aws_smithy_runtime_api::client::result::ConnectorError::other(Box::new(error), None);
    let failure: SdkError<ErrorMetadata> = SdkError::dispatch_failure(dispatch);
    AwsError::new(
        &failure,
        &CallContext { action: "ec2:DescribeVpcs", region: None, origin: Origin::Profile("work".into()), bundle: None },
    )
}

#[test]
fn an_expired_sso_session_names_the_command() {
    let cause = CredentialsError::provider_error("the SSO token has expired and cannot be refreshed");
    let error = unsent(CredentialsError::provider_error(cause));
    assert_eq!((error.class, &error.kind), (ErrorClass::Fatal, &AwsErrorKind::SsoExpired));
    assert_eq!(error.fix(), "Run: aws sso login --profile work");
}

#[test]
fn missing_credentials_say_how_to_set_them() {
    for cause in ["no providers in chain provided credentials", "failed to load IMDS session token"] {
        let error = unsent(CredentialsError::not_loaded(cause));
        assert_eq!(error.kind, AwsErrorKind::NoCredentials);
        assert!(error.fix().contains("AWS_PROFILE") && error.fix().contains("AWS_ACCESS_KEY_ID"));
    }
}

#[test]
fn the_output_of_a_credential_helper_is_not_shown() {
    let error = unsent(CredentialsError::provider_error("Error retrieving credentials: Stderr: hunter2"));
    assert_eq!(error.kind, AwsErrorKind::CredentialsFailed);
    assert!(!format!("{error:?} {error} {}", error.fix()).contains("hunter2"));
}

#[test]
fn an_unreachable_login_service_is_a_passing_failure() {
    let error =
        unsent(CredentialsError::provider_error("dispatch failure: io error: client error (Connect): dns error"));
    assert_eq!((error.class, error.perhaps_done), (ErrorClass::Transient, false));
}

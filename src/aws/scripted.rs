//! A server on loopback that gives the answers a test sets, and records the requests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::future::ProvideCredentials as ProvideFuture;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use parking_lot::Mutex;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::clock::AwsClock;
use super::sdk::{Sdk, emulated};
use super::{Aws, AwsError, AwsErrorKind, AwsSettings, Details, Origin, Regions};
use crate::mcp::tools::arguments;
use crate::mcp::tools::arguments::instances::InstanceArguments;
use crate::mcp::tools::stop_instance;
use crate::model::fixtures::scope;
use crate::model::{AccountId, ErrorClass, Named, Region};

/// An answer: status, `Date` header if any, body.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) date: Option<&'static str>,
    pub(crate) body: String,
}

impl Reply {
    /// A success with this body; the server wraps it in the response element of the requested action.
    pub(crate) fn ok(body: &str) -> Self {
        Reply { status: 200, date: None, body: body.to_owned() }
    }

    /// The answer to a describe of instances of the account of [`scope`].
    pub(crate) fn described(ids: &[&str]) -> Self {
        let items: Vec<String> = ids.iter().map(|id| format!("<item><instanceId>{id}</instanceId></item>")).collect();
        Reply::ok(&format!(
            "<reservationSet><item><reservationId>r-1</reservationId><ownerId>{}</ownerId>\
             <instancesSet>{}</instancesSet></item></reservationSet>",
            scope().account,
            items.concat()
        ))
    }

    /// That STS names this account.
    pub(crate) fn identified(account: &str) -> Self {
        Reply::ok(&format!("<GetCallerIdentityResult><Account>{account}</Account></GetCallerIdentityResult>"))
    }

    /// EC2's error document.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
             <RequestID>r</RequestID></Response>"
        );
        Reply { status, date: None, body }
    }
}

/// A request: the access key that signed it, its form body, and the marks of who asks.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) key: String,
    pub(crate) body: String,
    pub(crate) asks: String,
}

/// Maps the body of a request to an answer.
type Script = Arc<dyn Fn(&str) -> Reply + Send + Sync>;

/// Gives its answers in order, then repeats the last one; or answers by a function.
pub(crate) struct Scripted {
    endpoint: String,
    asked: Arc<Mutex<Vec<Request>>>,
    /// Whether STS answers by itself.
    is_confirmed: bool,
    _serving: JoinSet<()>,
}

impl Scripted {
    pub(crate) async fn new(answers: impl IntoIterator<Item = Reply>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        Scripted::answering(move |_| {
            let mut answers = answers.lock();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers.front().unwrap().clone() }
        })
        .await
    }

    /// Like [`Scripted::new`], for credentials of the account of [`scope`]: STS says so by itself, and is not among what was asked.
    pub(crate) async fn confirmed(answers: impl IntoIterator<Item = Reply>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect::<VecDeque<_>>());
        let server = Scripted::answering(move |form| {
            if is_identity(form) {
                return Reply::identified(scope().account.as_str());
            }
            let mut answers = answers.lock();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers.front().unwrap().clone() }
        })
        .await;
        Scripted { is_confirmed: true, ..server }
    }

    /// Answers each form body with the result of `script`.
    pub(crate) async fn answering(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (asked, script): (_, Script) = (Arc::default(), Arc::new(script));
        let mut serving = JoinSet::new();
        let seen = Arc::clone(&asked);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&seen), Arc::clone(&script)));
            }
        });
        Scripted { endpoint, asked, is_confirmed: false, _serving: serving }
    }

    /// The form bodies of all requests, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.requests().into_iter().map(|request| request.body).collect()
    }

    /// All requests, in order.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let mut asked = self.asked.lock().clone();
        asked.retain(|request| !self.is_confirmed || !is_identity(&request.body));
        asked
    }

    /// Forgets the recorded requests.
    pub(crate) fn forget(&self) {
        self.asked.lock().clear();
    }

    /// Its URL.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// A connection to this server with made-up credentials.
    pub(crate) fn aws(&self) -> Aws {
        at(&self.endpoint)
    }

    /// The same, for a given account.
    pub(crate) fn aws_of(&self, account: Option<&str>) -> Aws {
        of(&self.endpoint, account.map(AccountId::new))
    }
}

/// Whether a form asks STS whose credentials these are.
fn is_identity(form: &str) -> bool {
    form.contains("Action=GetCallerIdentity")
}

/// A connection to `endpoint` with made-up credentials.
pub(crate) fn at(endpoint: &str) -> Aws {
    connected(&emulated(endpoint), None)
}

/// Like [`at`], watching `regions`.
pub(crate) fn across(endpoint: &str, regions: &[&str]) -> Aws {
    watching(&emulated(endpoint), None, regions.iter().map(|region| Region::new(*region)).collect())
}

/// A connection to `endpoint` with credentials that `provider` gives on each request.
pub(crate) fn signed(endpoint: &str, provider: impl ProvideCredentials + 'static) -> Aws {
    let provider = SharedCredentialsProvider::new(provider);
    connected(&emulated(endpoint).into_builder().credentials_provider(provider).build(), None)
}

/// Credentials that have always expired and belong to the next of `accounts` each time they are requested.
#[derive(Clone, Debug)]
pub(crate) struct Rotating {
    accounts: Arc<Mutex<VecDeque<String>>>,
}

impl Rotating {
    pub(crate) fn new(accounts: &[&str]) -> Self {
        Rotating { accounts: Arc::new(Mutex::new(accounts.iter().map(|account| (*account).to_owned()).collect())) }
    }

    /// From now on the credentials belong to `account`.
    pub(crate) fn rotate(&self, account: &str) {
        *self.accounts.lock() = VecDeque::from([account.to_owned()]);
    }
}

impl ProvideCredentials for Rotating {
    fn provide_credentials<'a>(&'a self) -> ProvideFuture<'a>
    where
        Self: 'a,
    {
        let mut accounts = self.accounts.lock();
        let account = if accounts.len() > 1 { accounts.pop_front() } else { accounts.front().cloned() };
        let key = account.unwrap();
        ProvideFuture::ready(Ok(Credentials::new(key, "secret", None, Some(SystemTime::UNIX_EPOCH), "rotating")))
    }
}

fn of(endpoint: &str, account: Option<AccountId>) -> Aws {
    connected(&emulated(endpoint), account)
}

fn connected(config: &SdkConfig, account: Option<AccountId>) -> Aws {
    watching(config, account, vec![scope().region])
}

fn watching(config: &SdkConfig, account: Option<AccountId>, regions: Vec<Region>) -> Aws {
    let clock = Arc::new(AwsClock::default());
    // Where it is read again, it is made up again.
    let emulator = config.endpoint_url().map(str::to_owned);
    let settings = AwsSettings { regions: Regions::Named(regions), account, emulator, ..AwsSettings::default() };
    Aws::new(settings.clone(), Sdk::new(config, &settings.regions, &clock), clock)
}

/// The instances that a tool's arguments name.
pub(crate) fn named(ids: &[&str]) -> Named {
    let Value::Object(given) = serde_json::json!({"instance_ids": ids}) else { panic!("an object") };
    let clean = stop_instance::SPEC.clean(given).unwrap();
    arguments::read::<InstanceArguments<50>>(clean).unwrap().named().unwrap()
}

/// A failure that AWS answered with this code.
pub(crate) fn failure(class: ErrorClass, code: &str) -> AwsError {
    AwsError::from(Details {
        class,
        kind: AwsErrorKind::Answered,
        code: Some(code.to_owned()),
        message: format!("{code}: made up"),
        action: "ec2:DescribeInstances",
        region: None,
        ids: Vec::new(),
        origin: Origin::Emulator,
        perhaps_done: false,
        request_id: None,
        encoded: None,
    })
}

/// That AWS knows none of these ids.
pub(crate) fn not_found(ids: &[String]) -> AwsError {
    let failure = failure(ErrorClass::NotFound, "InvalidInstanceID.NotFound");
    AwsError::from(Details { ids: ids.to_vec(), ..(*failure).clone() })
}

async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<Request>>>, script: Script) {
    let mut received = Vec::new();
    while let Some((request, end)) = read(&mut stream, &mut received).await {
        received.drain(..end);
        let body = &request.body;
        let action = body.split('&').find_map(|part| part.strip_prefix("Action=")).unwrap_or_default().to_owned();
        let answer = script(body);
        asked.lock().push(request);
        let body = match answer.status {
            // A body without an action is JSON, not a form.
            200 if !action.is_empty() => format!("<{action}Response>{}</{action}Response>", answer.body),
            _ => answer.body,
        };
        let date = answer.date.map(|date| format!("Date: {date}\r\n")).unwrap_or_default();
        let head = format!("HTTP/1.1 {} X\r\n{date}Content-Length: {}\r\n\r\n", answer.status, body.len());
        if stream.write_all(format!("{head}{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The next request and where it ends; `None` if the client has hung up.
async fn read(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<(Request, usize)> {
    loop {
        let text = String::from_utf8_lossy(received).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.unwrap_or(0);
            if rest.len() >= length {
                let signed = head.split_once("Credential=").and_then(|(_, signed)| signed.split_once('/'));
                let key = signed.map(|(key, _)| key.to_owned()).unwrap_or_default();
                let asks = head.lines().find_map(|line| line.strip_prefix("x-muster-asks: ")).unwrap_or_default();
                let request = Request { key, body: rest[..length].to_owned(), asks: asks.to_owned() };
                return Some((request, head.len() + 4 + length));
            }
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}

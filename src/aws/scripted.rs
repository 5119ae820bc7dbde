//! A server on loopback that answers what a test tells it to, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::clock::AwsClock;
use super::sdk::{Sdk, emulated};
use super::{Aws, Regions, Settings};
use crate::model::{AccountId, Region, Scope};

/// An answer: status, `Date` header if any, body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) date: Option<&'static str>,
    pub(crate) body: String,
}

impl Answer {
    /// A success with this body; the server puts it into the response element of the action that was asked.
    pub(crate) fn ok(body: &str) -> Self {
        Answer { status: 200, date: None, body: body.to_owned() }
    }

    /// EC2's error document.
    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
             <RequestID>r</RequestID></Response>"
        );
        Answer { status, date: None, body }
    }
}

/// Plays its answers in order, then repeats the last one.
pub(crate) struct Scripted {
    endpoint: String,
    asked: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Scripted {
    pub(crate) async fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (asked, answers) = (Arc::default(), Arc::new(Mutex::new(answers.into_iter().collect::<VecDeque<_>>())));
        let mut serving = JoinSet::new();
        let seen = Arc::clone(&asked);
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&seen), Arc::clone(&answers)));
            }
        });
        Scripted { endpoint, asked, _serving: serving }
    }

    /// The form bodies of all requests, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }

    /// A connection to this server with made-up credentials.
    pub(crate) fn aws(&self) -> Aws {
        at(&self.endpoint)
    }

    /// The same, where a person named the account.
    pub(crate) fn aws_of(&self, account: Option<&str>) -> Aws {
        of(&self.endpoint, account.map(AccountId::new))
    }
}

/// A connection to `endpoint` with made-up credentials.
pub(crate) fn at(endpoint: &str) -> Aws {
    of(endpoint, None)
}

fn of(endpoint: &str, account: Option<AccountId>) -> Aws {
    let config = emulated(endpoint);
    let clock = Arc::new(AwsClock::default());
    let settings = Settings { regions: Regions::Named(vec![scope().region]), account, ..Settings::default() };
    Aws::new(settings.clone(), Sdk::new(&config, &settings.regions, &clock), clock)
}

pub(crate) fn scope() -> Scope {
    Scope { account: AccountId::new("123456789012"), region: Region::new("us-east-1") }
}

async fn serve(mut stream: TcpStream, asked: Arc<Mutex<Vec<String>>>, answers: Arc<Mutex<VecDeque<Answer>>>) {
    let mut received = Vec::new();
    while let Some((body, end)) = read(&mut stream, &mut received).await {
        received.drain(..end);
        let action = body.split('&').find_map(|part| part.strip_prefix("Action=")).unwrap_or_default().to_owned();
        asked.lock().push(body);
        let answer = {
            let mut answers = answers.lock();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers.front().unwrap().clone() }
        };
        let body = match answer.status {
            // What names no action is no form, but JSON.
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

/// The next request's body and where it ends; `None` when the client has hung up.
async fn read(stream: &mut TcpStream, received: &mut Vec<u8>) -> Option<(String, usize)> {
    loop {
        let text = String::from_utf8_lossy(received).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let length: usize = length.unwrap_or(0);
            if rest.len() >= length {
                return Some((rest[..length].to_owned(), head.len() + 4 + length));
            }
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}

//! A proxy that writes down what clients ask of EC2's API, and where each answer came from.
//!
//! Every connection carries one request. Requests are passed on as they are, their signatures too.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};

use super::relay;

/// The header of an answer that says who gave it, where that is not the copy.
const SOURCE: &str = "x-muster-source";

/// How a call was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answered {
    /// From the copy.
    Copy,
    /// By AWS, which Muster passed it on to.
    Passed,
    /// With an error of this code.
    Error(String),
}

/// A call that a client made.
#[derive(Clone, Debug)]
pub(crate) struct AskedCall {
    /// What it asked for.
    pub(crate) action: String,
    /// The names of its parameters, without what stands after the first dot.
    pub(crate) parameters: BTreeSet<String>,
    /// What the client calls itself.
    pub(crate) agent: String,
    /// How it was answered.
    pub(crate) answered: Answered,
}

/// A running recorder.
pub(crate) struct Recorder {
    url: String,
    calls: Arc<Mutex<Vec<AskedCall>>>,
}

impl Recorder {
    /// Opens one before `upstream`.
    pub(crate) fn before(upstream: &str) -> Recorder {
        let calls: Arc<Mutex<Vec<AskedCall>>> = Arc::default();
        let written = Arc::clone(&calls);
        let address = relay::open(upstream, move |client, authority| pass(client, authority, &written));
        let url = format!("http://{address}");
        Recorder { url, calls }
    }

    /// Where it listens.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What was asked since the last time that it was taken, in the order of the answers.
    pub(crate) fn take(&self) -> Vec<AskedCall> {
        std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Passes one request on, and its answer back.
fn pass(mut client: TcpStream, authority: &str, calls: &Mutex<Vec<AskedCall>>) -> std::io::Result<()> {
    let (head, body) = relay::request(&mut client)?;
    let answer = relay::passed_on(&head, &body, authority)?;
    if let Some(call) = read(&head, &String::from_utf8_lossy(&body), &String::from_utf8_lossy(&answer)) {
        calls.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }
    client.write_all(&answer)?;
    client.flush()
}

/// The call of a request and its answer; `None` if it is none of EC2's API.
fn read(head: &str, body: &str, answer: &str) -> Option<AskedCall> {
    let target = head.split(' ').nth(1).unwrap_or_default();
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let given: Vec<(&str, &str)> =
        query.split('&').chain(body.split('&')).filter_map(|pair| pair.split_once('=')).collect();
    let action = given.iter().find(|(name, _)| *name == "Action")?.1.to_owned();
    let names = given.iter().map(|(name, _)| name.split('.').next().unwrap_or_default());
    let own = names.filter(|name| !["Action", "Version"].contains(name) && !name.starts_with("X-Amz-"));
    let header = |text: &str, wanted: &str| {
        let lines = text.lines().skip(1).take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
        let mut found = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.next().map(|(_, value)| value.trim().to_owned())
    };
    let code = || answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code);
    let status = answer.split(' ').nth(1).unwrap_or_default();
    let answered = match (header(answer, SOURCE).as_deref(), status) {
        (Some("aws"), _) => Answered::Passed,
        (_, "200") => Answered::Copy,
        _ => Answered::Error(code().unwrap_or(status).to_owned()),
    };
    let agent = header(head, "user-agent").unwrap_or_default();
    Some(AskedCall { action, parameters: own.map(str::to_owned).collect(), agent, answered })
}

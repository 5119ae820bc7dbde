//! The simulator's tests: it is called as a client calls it, mostly without a socket.

use std::time::Duration;

use crate::simulator::account::Account;
use crate::simulator::clock::Moment;
use crate::simulator::ec2::{Call, answer};
use crate::simulator::happening::{RecordedCaller, What};
use crate::simulator::plan::{Plan, Shape};
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::view::View;
use crate::simulator::world::World;
use crate::simulator::{Clock, Options};

mod addresses;
mod control;
mod describe;
mod errors;
mod events;
mod faults;
mod fleets;
mod http;
mod interfaces;
mod journal;
mod launches;
mod lifecycle;
mod networks;
mod organizations;
mod paging;
mod roles;
mod rules;
mod sights;
mod snapshots;
mod sqs;
mod subnets;
mod tagging;
mod versions;
mod volumes;

const START: &str = "2026-11-22T12:00:00Z";

fn options(instances: usize) -> Options {
    Options { instances, clock: Clock::manual(START.parse().unwrap()), ..Options::default() }
}

/// The formula of an account that begins at the time where the tests' clock starts.
pub(crate) fn plan(count: u64) -> Plan {
    let shape = Shape { count, stopped_percent: 10, terminated_percent: 2, retention: Duration::from_hours(1) };
    Plan::new(1, "123456789012", "us-east-1", shape, Moment::of(START.parse().unwrap()))
}

/// A world with a manual clock, and helpers that call it.
struct Aws(World);

impl Aws {
    fn with(instances: usize) -> Self {
        Self(World::new(options(instances)))
    }

    fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> Result<String, Refusal> {
        let now = self.0.clock().moment();
        Self::ask_of(&self.0.home(), View::clear(now), action, parameters)
    }

    /// A call to any account, through any view.
    fn ask_of(account: &Account, view: View, action: &str, parameters: &[(&str, &str)]) -> Result<String, Refusal> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", "2016-11-15").extend_pairs(parameters);
        let params = Params::parse("", form.finish().as_bytes());
        answer(
            &Call { params: &params, account, now: view.now(), view, request: "r", by: &RecordedCaller::default() },
            action,
        )
    }

    fn get(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        self.ask(action, parameters).unwrap()
    }

    fn refused(&self, action: &str, parameters: &[(&str, &str)]) -> (u16, String, String) {
        let refusal = self.ask(action, parameters).unwrap_err();
        (refusal.status, refusal.code.into_owned(), refusal.message)
    }

    /// All pages of an action, each as its list of ids.
    fn pages(&self, action: &str, id: &str, parameters: &[(&str, &str)]) -> Vec<Vec<String>> {
        let mut pages = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let mut parameters = parameters.to_vec();
            parameters.extend(token.as_deref().map(|token| ("NextToken", token)));
            let xml = self.get(action, &parameters);
            pages.push(texts(&xml, id));
            token = texts(&xml, "nextToken").pop();
            if token.is_none() {
                return pages;
            }
        }
    }

    /// An instance in a state that is not managed by another principal.
    fn first(&self, state: &str) -> String {
        let home = self.0.home();
        let managed = |id: &String| {
            let reading = home.reading();
            reading.instance(reading.number(id).unwrap().unwrap(), reading.now()).unwrap().managed
        };
        home.instance_ids_in(state).into_iter().find(|id| !managed(id)).unwrap()
    }

    /// The happenings that became due since the last call of this function.
    fn happened(&self) -> Vec<What> {
        self.0.outbox().due(self.0.clock().moment()).into_iter().map(|happening| happening.what).collect()
    }

    fn advance(&self, seconds: u64) {
        self.0.clock().advance(Duration::from_secs(seconds));
    }
}

/// The texts of all elements with this name.
fn texts(xml: &str, tag: &str) -> Vec<String> {
    let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
    let inside = |part: &str| part.split_once(&close).map(|(text, _)| text.to_owned());
    xml.split(&open).skip(1).filter_map(inside).collect()
}

/// The text of the only element with this name.
fn text(xml: &str, tag: &str) -> String {
    let found = texts(xml, tag);
    assert_eq!(found.len(), 1, "{tag} in {xml}");
    found.into_iter().next().unwrap()
}

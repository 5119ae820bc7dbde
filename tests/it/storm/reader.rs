//! A client that reads all the time, and holds every answer against what AWS held.
//!
//! An answer is true when each group of it equals what AWS held for that group at some moment up to the read, or is marked
//! as provisional. It is of its date when that moment is not before its `as_of` either, but for the time that AWS itself is
//! late.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use muster::kinds::KindSpec;
use muster::model::{Group, Timestamp};
use serde_json::{Map, Value, json};

use super::oracle::{Ms, Oracle, kind, now, part};
use crate::harness::muster::Endpoint;
use crate::harness::rpc::Client;

/// How often it looks for what is new.
const LOOK: Ms = 3_000;

/// How many complaints of a sort are kept.
const KEPT: usize = 20;

/// What the reading client found.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Answers that were held against AWS.
    pub(super) reads: u64,
    /// Groups of fields in them.
    pub(super) groups: u64,
    /// Of those, marked as provisional.
    pub(super) provisional: u64,
    /// Answers that a known resource is not there.
    pub(super) not_found: u64,
    /// Answers that a resource is not there which Muster had not seen yet.
    pub(super) unseen: u64,
    /// Unmarked and never so.
    pub(super) untrue: Complaints,
    /// So once, but not since `as_of`.
    pub(super) misdated: Complaints,
    /// Not found, though AWS lists it.
    pub(super) missing: Complaints,
    /// No answer at all.
    pub(super) failed: Complaints,
}

/// What was found wrong.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    pub(super) count: u64,
    pub(super) first: Vec<String>,
}

impl Complaints {
    fn add(&mut self, what: String) {
        self.count += 1;
        if self.first.len() < KEPT {
            self.first.push(what);
        }
    }
}

/// A reading client at work.
pub(super) struct Reader {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Tally>,
}

impl Reader {
    /// Begins to read. AWS may be as late as `lag`.
    pub(super) fn start(endpoint: &Endpoint, http: &str, lag: Duration) -> Reader {
        let stop = Arc::new(AtomicBool::new(false));
        let reading = Reading {
            oracle: Oracle::new(endpoint),
            client: Client::http(http),
            // Events are dated to the second.
            slack: Ms::try_from(lag.as_millis()).unwrap() + 1_000,
            known: HashSet::new(),
            tally: Tally::default(),
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || reading.run(&stopped));
        Reader { stop, thread }
    }

    /// Ends it, and tells what it found.
    pub(super) fn stop(self) -> Tally {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

struct Reading {
    oracle: Oracle,
    client: Client,
    slack: Ms,
    /// What was read once.
    known: HashSet<String>,
    tally: Tally,
}

/// What an answer says about one resource.
struct Said<'a> {
    kind: &'static KindSpec,
    id: &'a str,
    document: &'a Value,
    as_of: Option<Ms>,
    /// The same by group, where they differ.
    groups: &'a Value,
    /// The names of the groups that are marked.
    provisional: Vec<&'a str>,
    /// Top-level fields that were left out or shortened.
    omitted: bool,
}

impl Reading {
    fn run(mut self, stop: &AtomicBool) -> Tally {
        let mut rng = fastrand::Rng::with_seed(7);
        let begun = now();
        let slugs = ["instance", "volume", "network-interface", "security-group"];
        let all: Vec<Vec<String>> =
            slugs.iter().map(|slug| self.oracle.all(kind(slug), begun).into_keys().collect()).collect();
        let (mut touched, mut looked) = (Vec::new(), 0);
        while !stop.load(Ordering::SeqCst) {
            if now() - looked > LOOK {
                (touched, looked) = (self.oracle.touched(), now());
                touched.retain(|id| slug_of(id).is_some());
            }
            let drawn = match rng.u8(..100) {
                0..5 => {
                    self.search(&mut rng);
                    continue;
                }
                5..50 if !touched.is_empty() => &touched,
                5..75 => &all[0],
                75..85 => &all[1],
                85..95 => &all[2],
                _ => &all[3],
            };
            let id = drawn[rng.usize(..drawn.len())].clone();
            if rng.u8(..10) == 0 {
                self.call(&id);
            } else {
                self.read(&id);
            }
        }
        self.tally
    }

    /// Reads a resource over `resources/read`.
    fn read(&mut self, id: &str) {
        let slug = slug_of(id).unwrap();
        let asked = now();
        match self.client.try_read(&format!("ec2://{slug}/{id}")) {
            Ok(body) => {
                let until = now();
                let marked = |pending: &Value| pending["group"].as_str().map(str::to_owned);
                let provisional: Vec<String> =
                    body["provisional"].as_array().unwrap().iter().filter_map(marked).collect();
                self.hold(
                    &Said {
                        kind: kind(slug),
                        id,
                        document: &body["document"],
                        as_of: date(&body["as_of"]),
                        groups: &body["groups"],
                        provisional: provisional.iter().map(String::as_str).collect(),
                        omitted: false,
                    },
                    until,
                );
                if body["status"].is_object() {
                    let (status, as_of) = (&body["status"]["document"], date(&body["status"]["as_of"]));
                    let kind = kind("instance-status");
                    let groups = &Value::Null;
                    let said =
                        Said { kind, id, document: status, as_of, groups, provisional: Vec::new(), omitted: false };
                    self.hold(&said, until);
                }
            }
            Err(error) if error.code == -32602 => self.absent(id, slug, asked, &error.message),
            Err(error) => self.tally.failed.add(format!("{id}: {error:?}")),
        }
    }

    /// Reads a resource over the tool.
    fn call(&mut self, id: &str) {
        let slug = slug_of(id).unwrap();
        let asked = now();
        let answer = self.client.call("get_resource", &json!({"kind": slug, "id": id, "full": true})).unwrap();
        if answer.is_error {
            if answer.code == "removed" || answer.code == "not_found" {
                self.absent(id, slug, asked, &answer.text);
            } else {
                self.tally.failed.add(format!("{id}: {}", answer.text));
            }
            return;
        }
        let body = answer.structured;
        let provisional = body["provisional"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let (document, as_of) = (&body["document"], date(&body["as_of"]));
        let omitted = body["omitted"].is_array();
        let groups = &body["groups"];
        self.hold(&Said { kind: kind(slug), id, document, as_of, groups, provisional, omitted }, now());
    }

    /// Reads rows of instances in a state, most of which have just come into it.
    fn search(&mut self, rng: &mut fastrand::Rng) {
        let states = ["pending", "stopping", "shutting-down", "stopped", "terminated"];
        let state = states[rng.usize(..states.len())];
        let filters = json!([{"Name": "instance-state-name", "Values": [state]}]);
        let answer = self.client.call("search_inventory", &json!({"filters": filters, "limit": 5})).unwrap();
        if answer.is_error {
            self.tally.failed.add(answer.text);
            return;
        }
        let until = now();
        self.tally.reads += 1;
        for row in answer.structured["rows"].as_array().unwrap() {
            self.tally.groups += 1;
            if row["provisional"] == "true" {
                self.tally.provisional += 1;
                continue;
            }
            let id = row["id"].as_str().unwrap();
            let versions = self.oracle.versions(kind("instance"), id, until);
            let held = |document: &Value| document["State"]["Name"] == row["state"];
            if !versions.iter().any(|(_, document)| document.as_deref().is_some_and(held)) {
                self.tally.untrue.add(format!("{id} was never {}: {row}", row["state"]));
            }
        }
    }

    /// Holds what was said against what AWS held up to `until`.
    fn hold(&mut self, said: &Said<'_>, until: Ms) {
        let Said { kind, id, document, groups, ref provisional, omitted, .. } = *said;
        self.known.insert(id.to_owned());
        self.tally.reads += 1;
        let versions = self.oracle.versions(kind, id, until);
        for group in Group::ALL {
            let name = serde_json::to_value(group).unwrap();
            self.tally.groups += 1;
            if provisional.iter().any(|marked| name == *marked) {
                self.tally.provisional += 1;
                continue;
            }
            if omitted && group == Group::Rest {
                continue;
            }
            let as_of = date(&groups[name.as_str().unwrap()]).or(said.as_of);
            let served = part(document, group);
            let same = |held: &Option<Arc<Value>>| held.as_deref().is_some_and(|held| part(held, group) == served);
            let ends = versions.iter().skip(1).map(|(from, _)| *from).chain([Ms::MAX]);
            let ended = versions.iter().zip(ends).filter(|((_, held), _)| same(held)).map(|(_, end)| end).max();
            let complaint = || {
                let held = versions.iter().map(|(from, held)| {
                    let held = held.as_deref().map(|held| part(held, group));
                    let differs = held.map_or_else(|| "nothing".to_owned(), |held| differing(&held, &served));
                    format!("\n    AWS from {from}: {differs}")
                });
                let held: String = held.collect();
                format!("{} {id} {group:?} as of {as_of:?}, read at {until}, differs from what{held}", kind.slug)
            };
            match ended {
                None => self.tally.untrue.add(complaint()),
                Some(end) if as_of.is_some_and(|as_of| end < as_of - self.slack) => {
                    self.tally.misdated.add(complaint());
                }
                Some(_) => {}
            }
        }
    }

    /// Takes in that there is no such resource.
    fn absent(&mut self, id: &str, slug: &'static str, asked: Ms, said: &str) {
        self.tally.reads += 1;
        if !self.known.contains(id) {
            self.tally.unseen += 1;
            return;
        }
        self.tally.not_found += 1;
        let until = now();
        let versions = self.oracle.versions(kind(slug), id, until);
        let ends = versions.iter().skip(1).map(|(from, _)| *from).chain([Ms::MAX]);
        let listed = versions.iter().zip(ends).filter(|(_, end)| *end > asked).all(|((_, held), _)| held.is_some());
        if listed {
            self.tally.missing.add(format!("{id} at {asked}: {said}"));
        }
    }
}

/// The fields in which what AWS held differs from what was served.
pub(super) fn differing(held: &Map<String, Value>, served: &Map<String, Value>) -> String {
    let names: BTreeSet<&String> = held.keys().chain(served.keys()).collect();
    let shown = |side: Option<&Value>| side.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let differs = names.into_iter().filter(|name| held.get(*name) != served.get(*name));
    let lines: Vec<String> = differs
        .map(|name| format!("{name} {} but served {}", shown(held.get(name)), shown(served.get(name))))
        .collect();
    lines.join("; ")
}

/// The kind that an id is of, among those that are read.
fn slug_of(id: &str) -> Option<&'static str> {
    match id.split('-').next()? {
        "i" => Some("instance"),
        "vol" => Some("volume"),
        "eni" => Some("network-interface"),
        "sg" => Some("security-group"),
        _ => None,
    }
}

fn date(value: &Value) -> Option<Ms> {
    Timestamp::parse(value.as_str()?).map(Timestamp::as_millis)
}

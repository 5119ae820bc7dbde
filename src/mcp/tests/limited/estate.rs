//! Two servers: one that holds everything and is asked by somebody who sees a part, and one that holds that part and nothing else.
//!
//! The second one is made by a plain model: what was visible of each resource after each record, by maps and loops. Where a record is
//! hidden, the second log holds one that nobody sees, so that both have the same numbers.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::aws::scripted;
use crate::ingest::{Ingest, KindEntry};
use crate::kinds::{self, KINDS};
use crate::mcp::Core;
use crate::mcp::touched::TouchBook;
use crate::model::event::Overlay;
use crate::model::fixtures::{SetClock, json_document};
use crate::model::{
    AccountId, ActionId, ActionOutcome, ActionRequest, ApiCall, Cause, Document, Event, Evidence, Group, Region,
    ResourceId, Scope, Source, Timestamp,
};
use crate::notify::ChangeHub;
use crate::policy::{Grant, TagValues, Visibility};
use crate::store::{self, CommitBatch, StoreOptions, Watermark, Writer};

pub(super) const ACCOUNTS: [&str; 2] = ["111111111111", "222222222222"];
pub(super) const REGIONS: [&str; 2] = ["eu-central-1", "us-east-1"];
/// The kinds of the resources that come and go.
pub(super) const SLUGS: [&str; 3] = ["instance", "volume", "vpc"];
pub(super) const TEAMS: [&str; 3] = ["payments", "payments-eu", "quarry"];
/// How many of each kind there are in each scope.
const EACH: usize = 2;

/// Something that happens.
#[derive(Clone, Debug)]
pub(super) enum Op {
    /// It is there, in this state, of this team or of none.
    Put(usize, bool, Option<&'static str>),
    /// The status checks of an instance that is there show this.
    Check(usize, bool),
    /// It is gone, with its status checks.
    Remove(usize),
    /// Somebody calls AWS's API on both.
    Call(usize, usize),
    /// A tool is called on both.
    Act(usize, usize),
}

/// A grant in plain words.
#[derive(Clone, Debug)]
pub(super) struct PlainGrant {
    pub(super) account: Option<&'static str>,
    pub(super) region: Option<&'static str>,
    pub(super) slug: Option<&'static str>,
    /// The beginning of the team's name.
    pub(super) team: Option<&'static str>,
}

pub(super) const PLACES: usize = EACH * SLUGS.len() * ACCOUNTS.len() * REGIONS.len();

pub(super) fn ops() -> impl Strategy<Value = Vec<Op>> {
    let team = || prop::option::weighted(0.8, select(&TEAMS[..]));
    let op = prop_oneof![
        8 => (0..PLACES, any::<bool>(), team()).prop_map(|(place, on, team)| Op::Put(place, on, team)),
        2 => (0..PLACES).prop_map(Op::Remove),
        4 => (0..PLACES, any::<bool>()).prop_map(|(place, is_ok)| Op::Check(place, is_ok)),
        1 => (0..PLACES, 0..PLACES).prop_map(|(one, other)| Op::Call(one, other)),
        1 => (0..PLACES, 0..PLACES).prop_map(|(one, other)| Op::Act(one, other)),
    ];
    prop::collection::vec(op, 10..70)
}

pub(super) fn grants() -> impl Strategy<Value = Vec<PlainGrant>> {
    let some = |names: &'static [&'static str], often| prop::option::weighted(often, select(names));
    let grant = (some(&ACCOUNTS, 0.5), some(&REGIONS, 0.3), some(&SLUGS, 0.3), some(&["payments", "quarry"], 0.6));
    let grant = grant.prop_map(|(account, region, slug, team)| PlainGrant { account, region, slug, team });
    prop::collection::vec(grant, 1..3)
}

pub(super) fn visibility(grants: &[PlainGrant]) -> Visibility {
    Visibility::of(grants.iter().map(|grant| Grant {
        name: "test".into(),
        accounts: grant.account.map(|account| [AccountId::new(account)].into()),
        regions: grant.region.map(|region| [Region::new(region)].into()),
        kinds: grant.slug.map(|slug| [kinds::by_slug(slug).unwrap().kind()].into()),
        tags: grant.team.map(|team| ("team".to_owned(), TagValues::new([format!("{team}*")]))).into_iter().collect(),
        writes: false,
    }))
}

/// Whether any grant holds a resource with this document.
fn holds(grants: &[PlainGrant], id: &ResourceId, document: &Document) -> bool {
    grants.iter().any(|grant| {
        may_hold(grant, &id.scope(), kinds::of(&id.kind).unwrap().slug)
            && grant.team.is_none_or(|team| document.tag("team").is_some_and(|value| value.starts_with(team)))
    })
}

fn may_hold(grant: &PlainGrant, scope: &Scope, slug: &str) -> bool {
    grant.account.is_none_or(|account| account == scope.account.as_str())
        && grant.region.is_none_or(|region| region == scope.region.as_str())
        && grant.slug.is_none_or(|held| held == slug || (held == "instance" && slug == "instance-status"))
}

pub(super) fn scopes() -> impl Iterator<Item = Scope> {
    let scope =
        |(account, region): (&str, &str)| Scope { account: AccountId::new(account), region: Region::new(region) };
    ACCOUNTS.into_iter().flat_map(|account| REGIONS.map(|region| (account, region))).map(scope)
}

/// The id of a place.
pub(super) fn id(place: usize) -> ResourceId {
    let scope = scopes().nth(place % 4).unwrap();
    let spec = kinds::by_slug(SLUGS[place / 4 % SLUGS.len()]).unwrap();
    let prefix = spec.prefix.unwrap();
    ResourceId::new(&scope, &spec.kind(), format!("{prefix}{place:017x}"))
}

fn document(place: usize, is_on: bool, team: Option<&str>) -> Document {
    let id = id(place);
    let name = format!("n{place}");
    let tags: Vec<Value> = [("Name", Some(name.as_str())), ("team", team)]
        .into_iter()
        .filter_map(|(key, value)| Some(json!({"Key": key, "Value": value?})))
        .collect();
    let body = match kinds::of(&id.kind).unwrap().slug {
        "instance" => json!({
            "InstanceId": &*id.id, "InstanceType": "t3.micro", "VpcId": &*self::id(place + 8).id,
            "State": {"Name": if is_on { "running" } else { "stopped" }},
            "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": &*self::id(if place < 12 { place + 16 } else { place - 8 }).id}}],
            "Tags": tags,
        }),
        "volume" => json!({
            "VolumeId": &*id.id, "Size": 8, "VolumeType": "gp3", "State": if is_on { "in-use" } else { "available" },
            "Attachments": [{"InstanceId": &*self::id(if place < 12 { place + 8 } else { place - 16 }).id}], "Tags": tags,
        }),
        _ => json!({"VpcId": &*id.id, "State": if is_on { "available" } else { "pending" }, "Tags": tags}),
    };
    json_document(&body)
}

/// The status checks of an instance.
fn checks_of(instance: &ResourceId) -> ResourceId {
    ResourceId { kind: kinds::by_slug("instance-status").unwrap().kind(), ..instance.clone() }
}

fn checks(instance: &ResourceId, is_ok: bool) -> Document {
    let status = if is_ok { "ok" } else { "impaired" };
    json_document(&json!({
        "InstanceId": &*instance.id, "InstanceState": {"Name": "running"},
        "InstanceStatus": {"Status": status, "Details": [{"Name": "reachability", "Status": if is_ok { "passed" } else { "failed" }}]},
    }))
}

/// When record `seq` is committed.
pub(super) fn at(seq: u64) -> Timestamp {
    Timestamp::parse("2026-11-20T00:00:00Z").unwrap() + std::time::Duration::from_secs(60 * seq)
}

/// The records of a log, as one server has it and as the other.
#[derive(Default)]
pub(super) struct TwoLogs {
    pub(super) whole: Vec<(Cause, Event)>,
    pub(super) part: Vec<(Cause, Event)>,
    /// Whether status checks came into sight, or went out of it, with their instance alone. In the log of the part they do so by a
    /// record of their own, so that what is told of the log differs by that; what there is now does not.
    pub(super) has_turned: bool,
}

/// A record that nobody sees whom a server knows by a grant.
fn hidden(seq: u64) -> (Cause, Event) {
    (Cause::Sweep, Event::Called { at: at(seq), targets: Vec::new() })
}

impl TwoLogs {
    pub(super) fn of(ops: &[Op], grants: &[PlainGrant]) -> Self {
        let (mut logs, mut held) = (TwoLogs::default(), BTreeMap::<ResourceId, Document>::new());
        let mut checked = BTreeMap::<ResourceId, (Document, Evidence)>::new();
        for op in ops {
            match op {
                Op::Put(place, is_on, team) => {
                    let (id, after) = (id(*place), document(*place, *is_on, *team));
                    let before = held.insert(id.clone(), after.clone());
                    let sees = |document: &Document| holds(grants, &id, document);
                    let (was_seen, is_seen) = (before.as_ref().is_some_and(sees), sees(&after));
                    let is_first = before.is_none();
                    logs.put(&id, (before, was_seen), (&after, is_seen), place % 3 == 0);
                    if let Some(checks) = checked.get(&checks_of(&id)).filter(|_| !is_first && was_seen != is_seen) {
                        logs.turn(&checks_of(&id), checks, is_seen);
                    }
                }
                Op::Check(place, is_ok) => {
                    let id = id(*place);
                    let Some(instance) = held.get(&id).filter(|_| id.kind == kinds::INSTANCE.kind()) else { continue };
                    let (checks, after) = (checks_of(&id), checks(&id, *is_ok));
                    let evidence = Evidence { source: Source::Sweep, at: at(logs.next()) };
                    let before = checked.get(&checks).map(|(before, _)| before.clone());
                    if before.as_ref() != Some(&after) {
                        checked.insert(checks.clone(), (after.clone(), evidence));
                        let is_seen = holds(grants, &id, instance);
                        logs.put(&checks, (before, is_seen), (&after, is_seen), place % 2 == 0);
                    }
                }
                Op::Remove(place) => {
                    let id = id(*place);
                    let Some(before) = held.remove(&id) else { continue };
                    let checks = checked.remove(&checks_of(&id)).map(|_| checks_of(&id));
                    let mut gone: Vec<ResourceId> = checks.into_iter().chain([id.clone()]).collect();
                    if place % 2 == 0 {
                        gone.reverse();
                    }
                    for gone in gone {
                        let event = Event::Removed { id: gone, at: at(logs.next()) };
                        let seen = holds(grants, &id, &before).then(|| (Cause::Sweep, event.clone()));
                        logs.add((Cause::Sweep, event), seen);
                    }
                }
                Op::Call(one, other) => {
                    let call =
                        ApiCall { name: "DoSomething".into(), actor: "someone".into(), address: None, agent: None };
                    let cause = Cause::Call { event_id: format!("e-{}", logs.next()), call };
                    let targets = targets(&held, *one, *other);
                    let called = |targets, at| Event::Called { at, targets };
                    let at = at(logs.next());
                    let seen = seen_of(grants, &held, &targets).map(|targets| (cause.clone(), called(targets, at)));
                    logs.add((cause, called(targets, at)), seen);
                }
                Op::Act(one, other) => logs.act(grants, &held, &targets(&held, *one, *other)),
            }
        }
        logs
    }

    fn next(&self) -> u64 {
        self.whole.len() as u64 + 1
    }

    fn add(&mut self, whole: (Cause, Event), part: Option<(Cause, Event)>) {
        let filler = hidden(self.next());
        self.whole.push(whole);
        self.part.push(part.unwrap_or(filler));
    }

    /// Something is there that was so before, and whether it was and is visible. A first sweep may be what found it.
    fn put(
        &mut self,
        id: &ResourceId,
        (before, was_seen): (Option<Document>, bool),
        (after, is_seen): (&Document, bool),
        is_baseline: bool,
    ) {
        let evidence = Evidence { source: Source::Sweep, at: at(self.next()) };
        let mapping = kinds::of(&id.kind).unwrap().mapping;
        let discovered =
            |document: &Document| Event::Discovered { id: id.clone(), document: document.clone(), evidence, mapping };
        let Some(before) = before else {
            let is_found = self.whole.iter().any(|(_, event)| event.resource() == Some(id));
            let cause = if is_baseline && !is_found { Cause::Baseline } else { Cause::Sweep };
            let event = (cause, discovered(after));
            let seen = is_seen.then(|| event.clone());
            return self.add(event, seen);
        };
        let changes = before.changes_to(after);
        if changes.is_empty() {
            return;
        }
        let evidence = Group::ALL.map(|group| (group, evidence)).to_vec();
        let moved = Event::Changed { id: id.clone(), changes, evidence, overlay: Overlay::Keep };
        let seen = match (was_seen, is_seen) {
            (true, true) => Some(moved.clone()),
            (false, true) => Some(discovered(after)),
            (true, false) => Some(Event::Removed { id: id.clone(), at: at(self.next()) }),
            (false, false) => None,
        };
        self.add((Cause::Sweep, moved), seen.map(|event| (Cause::Sweep, event)));
    }

    /// Status checks come into sight with their instance, or go out of it.
    fn turn(&mut self, id: &ResourceId, (document, evidence): &(Document, Evidence), is_seen: bool) {
        let (id, mapping) = (id.clone(), kinds::of(&id.kind).unwrap().mapping);
        let event = if is_seen {
            Event::Discovered { id, document: document.clone(), evidence: *evidence, mapping }
        } else {
            Event::Removed { id, at: at(self.next()) }
        };
        let filler = hidden(self.next());
        self.add(filler, Some((Cause::Sweep, event)));
        self.has_turned = true;
    }

    fn act(&mut self, grants: &[PlainGrant], held: &BTreeMap<ResourceId, Document>, targets: &[ResourceId]) {
        if targets.is_empty() {
            return;
        }
        let action = ActionId(self.next());
        let cause = || Cause::Tool { action };
        let request = |targets: Vec<ResourceId>, arguments: Option<String>| {
            ActionRequest { tool: "stop_instance".to_owned(), targets, arguments, ..ActionRequest::default() }
                .requested(action)
        };
        let seen = seen_of(grants, held, targets);
        let told = || Some("{\"instance_ids\": []}".to_owned());
        let whole = seen.as_ref().map(|seen| seen.len() == targets.len());
        let part = seen.map(|seen| {
            let arguments = if seen.len() == targets.len() { told() } else { None };
            (cause(), request(seen, arguments))
        });
        self.add((cause(), request(targets.to_vec(), told())), part);
        // AWS names what it refuses.
        let named: Vec<&str> = targets.iter().map(|target| &*target.id).collect();
        let (code, message) =
            ("IncorrectInstanceState".to_owned(), format!("not in the right state: {}", named.join(", ")));
        let end = |message, request_id| Event::ActionFinished {
            action,
            outcome: ActionOutcome::Refused { code: code.clone(), message },
            request_id,
        };
        let told = end(message, Some("a-request".to_owned()));
        let seen = whole.map(|is_whole| if is_whole { told.clone() } else { end(String::new(), None) });
        self.add((cause(), told), seen.map(|seen| (cause(), seen)));
    }
}

fn targets(held: &BTreeMap<ResourceId, Document>, one: usize, other: usize) -> Vec<ResourceId> {
    let mut targets: Vec<ResourceId> = [one, other].map(id).into_iter().filter(|id| held.contains_key(id)).collect();
    targets.dedup();
    targets
}

fn seen_of(
    grants: &[PlainGrant],
    held: &BTreeMap<ResourceId, Document>,
    targets: &[ResourceId],
) -> Option<Vec<ResourceId>> {
    let seen: Vec<ResourceId> = targets.iter().filter(|id| holds(grants, id, &held[*id])).cloned().collect();
    (!seen.is_empty()).then_some(seen)
}

/// A server over a log, without AWS behind it.
pub(super) struct Estate {
    pub(super) core: Arc<Core>,
    _dir: TempDir,
    _ingest: Ingest<Writer>,
}

impl Estate {
    /// The server of a log, of which the scopes that any of the `grants` may hold something of were watched; all of them without grants.
    pub(super) fn new(log: &[(Cause, Event)], grants: Option<&[PlainGrant]>) -> Self {
        Estate::in_batches(log, grants, 1)
    }

    /// The same, of whose records so many are committed at once.
    pub(super) fn in_batches(log: &[(Cause, Event)], grants: Option<&[PlainGrant]>, size: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { cache_bytes: 4 << 20, ..StoreOptions::new(dir.path(), kinds::project) };
        let (mut writer, store) = store::open(options).unwrap();
        for (entries, nth) in log.chunks(size).zip(1..) {
            let batch = CommitBatch { recorded_at: at(nth), entries: entries.to_vec(), ..CommitBatch::default() };
            writer.commit(batch).unwrap();
        }
        let ended = log.len().div_ceil(size) as u64;
        let end = at(ended);
        let is_watched = |scope: &Scope, slug: &str| {
            grants.is_none_or(|grants| grants.iter().any(|grant| may_hold(grant, scope, slug)))
        };
        let watched = scopes().flat_map(|scope| KINDS.iter().map(move |kind| (scope.clone(), *kind)));
        let watched = watched.filter(|(scope, kind)| is_watched(scope, kind.slug));
        let watermarks = watched.map(|(scope, kind)| Watermark {
            scope,
            kind: kind.kind(),
            since: at(0),
            started: end,
            ended: end,
            complete: true,
        });
        writer
            .commit(CommitBatch { recorded_at: end, watermarks: watermarks.collect(), ..CommitBatch::default() })
            .unwrap();
        store.build_index().unwrap();
        let clock = Arc::new(SetClock::new(at(ended + 5)));
        let hub = ChangeHub::new(Vec::new());
        let entries = KINDS.iter().map(|kind| KindEntry {
            kind: kind.kind(),
            rules: kind.rules(),
            interval: kind.interval,
            event_rules: None,
        });
        let stop = CancellationToken::new();
        let clock: crate::model::SharedClock = clock;
        let (ingest, handle, _) =
            Ingest::new(writer, hub.clone(), Arc::clone(&clock), entries.collect(), stop).unwrap();
        let core = Arc::new(Core {
            store,
            ingest: handle,
            hub,
            clock,
            aws: scripted::across("http://127.0.0.1:9", &REGIONS),
            tasks: TaskTracker::new(),
            looks: Arc::default(),
            touched: TouchBook::default(),
            baselines: crate::query::changes::BaselineRuns::default(),
            dropped_log_lines: || 0,
            keys: crate::mcp::key_book::KeyBook::default(),
            ends: Arc::default(),
            audit: crate::audit::AuditProgress::default(),
            prices: None,
        });
        Estate { core, _dir: dir, _ingest: ingest }
    }

    /// What somebody with this visibility asks.
    pub(super) fn seen_by(&self, visibility: &Visibility) -> Arc<Core> {
        Arc::new(self.core.seen_by(visibility))
    }
}

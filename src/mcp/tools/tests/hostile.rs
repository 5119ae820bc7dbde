//! An endpoint that answers what it likes cannot make a write tool touch anything that was not named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rmcp::model::{CallToolResponse, CallToolResult, JsonObject};

use super::*;
use crate::audit::AuditProgress;
use crate::aws::scripted::{Reply, Scripted, across, at};
use crate::ingest::Lane;
use crate::mcp::Core;
use crate::mcp::key_book::KeyBook;
use crate::mcp::tools::spec::CallSetting;
use crate::mcp::touched::TouchBook;
use crate::model::fixtures::scope;
use crate::model::{Cause, Document, Map, Observation, Region, ResourceId, Scope, Seen, Source};
use crate::query::changes::BaselineRuns;
use crate::store::disk::memory::{FileCall, InjectedFaults, Memory};

/// Every tool that changes AWS, with the state of instances in which it calls.
const WRITES: [(&str, &str); 4] = [
    ("start_instance", "stopped"),
    ("stop_instance", "running"),
    ("create_snapshot", "running"),
    ("reboot_instance", "running"),
];

/// Whether AWS's answer to the tool's call names resources. To a reboot AWS only says that it took the call.
fn names_resources(tool: &str) -> bool {
    tool != "reboot_instance"
}

/// How an answer's ids differ from those asked for.
#[derive(Clone, Debug)]
enum Ids {
    Honest,
    /// More than were asked for.
    More(Vec<String>),
    /// Only others.
    Others(Vec<String>),
    /// All but the first.
    Fewer,
    Twice,
    None,
    /// In capital letters.
    Shouted,
    /// With a space behind.
    Spaced,
    /// NotFound, which names others.
    NotFound(Vec<String>),
    /// NotFound, which names nobody, for a call that asks for several; honest for one that asks for a single instance.
    Apart,
    /// In a look: the first in a form that cannot be read.
    Garbled,
}

impl Ids {
    /// The ids of the answer; an error where it is one.
    fn of(&self, asked: &[String]) -> Result<Vec<String>, Vec<String>> {
        let asked = asked.to_vec();
        Ok(match self {
            Ids::Apart if asked.len() > 1 => return Err(Vec::new()),
            Ids::Honest | Ids::Apart | Ids::Garbled => asked,
            Ids::More(others) => [asked, others.clone()].concat(),
            Ids::Others(others) => others.clone(),
            Ids::Fewer => asked.into_iter().skip(1).collect(),
            Ids::Twice => [asked.clone(), asked].concat(),
            Ids::None => Vec::new(),
            Ids::Shouted => asked.iter().map(|id| id.to_uppercase()).collect(),
            Ids::Spaced => asked.iter().map(|id| format!("{id} ")).collect(),
            Ids::NotFound(others) => return Err(others.clone()),
        })
    }
}

/// Whose account an answer shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Theirs,
    Untold,
}

/// One call, and how the endpoint answers it.
#[derive(Clone, Debug)]
struct Case {
    tool: usize,
    named: Vec<String>,
    dry_run: bool,
    /// Ids and owner that the look shows.
    look: Ids,
    owner: Whose,
    /// What STS says.
    identity: Whose,
    /// Ids that the answer to the change shows.
    change: Ids,
    heeds_dry_run: bool,
    /// Whether the instances are in a state in which the tools call for each of them alone.
    transient: bool,
}

impl Case {
    fn state(&self) -> &'static str {
        match WRITES[self.tool] {
            ("start_instance", _) if self.transient => "stopping",
            ("stop_instance" | "reboot_instance", _) if self.transient => "pending",
            (_, state) => state,
        }
    }

    /// Whether the answer to a call that would change the instances `asked` shows that the endpoint is not to be trusted.
    fn shows_distrust(&self, asked: &[String]) -> bool {
        let Ok(ids) = self.change.of(asked) else { return false };
        let is_stray = |id: &String| match WRITES[self.tool].0 {
            "create_snapshot" => is_foreign(id),
            // Its answer names nobody.
            "reboot_instance" => false,
            _ => !asked.contains(id),
        };
        let heeded = self.dry_run && self.heeds_dry_run;
        !heeded && (self.dry_run || ids.iter().any(is_stray))
    }
}

/// Whether the endpoint says that the snapshot of this instance belongs to another account.
fn is_foreign(id: &str) -> bool {
    id == STRANGER
}

/// No instance of the account.
const STRANGER: &str = "i-0000000000000dead";

const POOL: [&str; 6] = [
    "i-00000000000000001",
    "i-00000000000000002",
    "i-00000000000000003",
    "i-00000000000000004",
    "i-0000000000000000a",
    // Nowhere in the inventory.
    "i-0000000000000000b",
];

fn others() -> impl Strategy<Value = Vec<String>> {
    // Beyond the pool as well as in it: another instance of the account, and another account's.
    let strange = [STRANGER, "", "i-", "vol-1", "i-00000000000000001\u{202e}", "*"];
    let any = POOL.iter().chain(&strange).map(|id| (*id).to_owned()).collect::<Vec<String>>();
    proptest::collection::vec(proptest::sample::select(any), 1..4)
}

fn ids() -> impl Strategy<Value = Ids> {
    prop_oneof![
        4 => Just(Ids::Honest),
        2 => others().prop_map(Ids::More),
        1 => others().prop_map(Ids::Others),
        1 => Just(Ids::Fewer),
        1 => Just(Ids::Twice),
        1 => Just(Ids::None),
        1 => Just(Ids::Shouted),
        1 => Just(Ids::Spaced),
        1 => others().prop_map(Ids::NotFound),
        1 => Just(Ids::Apart),
        1 => Just(Ids::Garbled),
    ]
}

fn whose() -> impl Strategy<Value = Whose> {
    prop_oneof![3 => Just(Whose::Ours), 1 => Just(Whose::Theirs), 1 => Just(Whose::Untold)]
}

fn case() -> impl Strategy<Value = Case> {
    let named = proptest::sample::subsequence(POOL.map(str::to_owned).to_vec(), 1..4);
    (0..WRITES.len(), named, any::<bool>(), ids(), whose(), whose(), ids(), any::<bool>(), any::<bool>()).prop_map(
        |(tool, named, dry_run, look, owner, identity, change, heeds_dry_run, transient)| Case {
            tool,
            named,
            dry_run,
            look,
            owner,
            identity,
            change,
            heeds_dry_run,
            transient,
        },
    )
}

fn account(whose: Whose) -> &'static str {
    if whose == Whose::Ours { "123456789012" } else { "999999999999" }
}

fn xml(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// What the endpoint answers to `form` under `case`; before there is one, it is honest.
fn reply(form: &str, case: Option<&Case>) -> Reply {
    let form: BTreeMap<String, String> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let asked = instances(&form);
    let state = case.map_or("running", Case::state);
    match form["Action"].as_str() {
        "GetCallerIdentity" => match case.map_or(Whose::Ours, |case| case.identity) {
            Whose::Untold => Reply::error(403, "AccessDenied", "not allowed"),
            whose => Reply::ok(&format!(
                "<GetCallerIdentityResult><Account>{}</Account></GetCallerIdentityResult>",
                account(whose)
            )),
        },
        "DescribeInstances" if form.get("DryRun").is_some_and(|flag| flag == "true") => {
            Reply::error(412, "DryRunOperation", "Request would have succeeded")
        }
        "DescribeInstances" => {
            let Some(case) = case.filter(|_| !asked.is_empty()) else {
                let known: Vec<String> = POOL[..5].iter().map(|id| (*id).to_owned()).collect();
                return Reply::ok(&described(&known, "123456789012", state, None));
            };
            let owner = if case.owner == Whose::Untold { "" } else { account(case.owner) };
            match case.look.of(&asked) {
                Ok(ids) => {
                    let garbled = asked.first().filter(|_| matches!(case.look, Ids::Garbled));
                    Reply::ok(&described(&ids, owner, state, garbled))
                }
                Err(others) => not_found(&others),
            }
        }
        "DescribeSnapshots" => Reply::ok("<snapshotSet/>"),
        action => {
            let case = case.expect("a call");
            if form.get("DryRun").is_some_and(|flag| flag == "true") && case.heeds_dry_run {
                return Reply::error(412, "DryRunOperation", "Request would have succeeded");
            }
            let ids = match case.change.of(&asked) {
                Ok(ids) => ids,
                Err(others) => return not_found(&others),
            };
            Reply::ok(&match action {
                "CreateSnapshots" => snapshots(&ids),
                "RebootInstances" => "<return>true</return>".to_owned(),
                _ => changes(&ids),
            })
        }
    }
}

fn not_found(ids: &[String]) -> Reply {
    let message = format!("The instance IDs '{}' do not exist", xml(&ids.join(", ")));
    Reply::error(400, "InvalidInstanceID.NotFound", &message)
}

fn described(ids: &[String], owner: &str, state: &str, garbled: Option<&String>) -> String {
    let item = |id: &String| {
        let launched = if garbled == Some(id) { "<launchTime>yesterday</launchTime>" } else { "" };
        let id = xml(id);
        format!(
            "<item><instanceId>{id}</instanceId>{launched}<instanceState><code>0</code><name>{state}</name></instanceState>\
             <blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-{id}</volumeId></ebs></item>\
             </blockDeviceMapping></item>"
        )
    };
    let items: String = ids.iter().map(item).collect();
    format!(
        "<reservationSet><item><reservationId>r-1</reservationId><ownerId>{owner}</ownerId>\
         <instancesSet>{items}</instancesSet></item></reservationSet>"
    )
}

fn changes(ids: &[String]) -> String {
    let item = |id: &String| {
        format!("<item><instanceId>{}</instanceId><currentState><name>pending</name></currentState></item>", xml(id))
    };
    format!("<instancesSet>{}</instancesSet>", ids.iter().map(item).collect::<String>())
}

fn snapshots(ids: &[String]) -> String {
    let item = |id: &String| {
        let id = xml(id);
        let owner = account(if is_foreign(&id) { Whose::Theirs } else { Whose::Ours });
        format!(
            "<item><snapshotId>snap-{id}</snapshotId><volumeId>vol-{id}</volumeId><ownerId>{owner}</ownerId></item>"
        )
    };
    format!("<snapshotSet>{}</snapshotSet>", ids.iter().map(item).collect::<String>())
}

/// The instances that a form names.
fn instances(form: &BTreeMap<String, String>) -> Vec<String> {
    let names = form.iter().filter(|(name, _)| name.contains("InstanceId"));
    names.map(|(_, id)| id.clone()).collect()
}

/// The calls that would change AWS, by the instances they name.
fn changing(asked: &[String]) -> Vec<Vec<String>> {
    let forms = asked.iter().map(|form| form_urlencoded::parse(form.as_bytes()).into_owned().collect());
    let changes = forms.filter(|form: &BTreeMap<String, String>| {
        !form["Action"].starts_with("Describe") && form["Action"] != "GetCallerIdentity"
    });
    changes.map(|form| instances(&form)).collect()
}

/// A second region that is watched.
const ELSEWHERE: &str = "eu-west-1";

struct Stage {
    world: World,
    server: Scripted,
    case: Arc<Mutex<Option<Case>>>,
}

impl Stage {
    async fn new() -> Self {
        let case: Arc<Mutex<Option<Case>>> = Arc::default();
        let told = Arc::clone(&case);
        let server = Scripted::answering(move |form| reply(form, told.lock().as_ref())).await;
        let world = World::connected(simulator::Options { instances: 1, ..fast() }, |_| at(server.endpoint())).await;
        world.sweep_kind(INSTANCE, usize::MAX).await;
        Stage { world, server, case }
    }

    /// Records that an instance is in a region, whether or not the first sweep is stored yet.
    async fn place(&self, id: &str, region: &str) {
        let scope = Scope { region: Region::new(region), ..scope() };
        let seen = Observation {
            source: Source::Refresh,
            at: self.world.core.now(),
            id: ResourceId::new(&scope, &INSTANCE.kind(), id),
            seen: Seen::Described(Arc::new(Document::new(Map::new()))),
        };
        self.world.core.ingest.observe(Lane::Tools, vec![seen], Cause::Refresh).await.unwrap();
    }

    /// Calls the tool; gives its answer, and the calls that would change AWS.
    async fn play(&self, case: &Case) -> (CallToolResult, Vec<Vec<String>>) {
        *self.case.lock() = Some(case.clone());
        self.server.forget();
        let Core { store, ingest, hub, clock, tasks, .. } = &*self.world.core;
        // A connection of its own: the limits of the one before would make it wait.
        let core = Core {
            store: store.clone(),
            ingest: ingest.clone(),
            hub: hub.clone(),
            clock: Arc::clone(clock),
            aws: across(self.server.endpoint(), &["us-east-1", ELSEWHERE]),
            tasks: tasks.clone(),
            looks: Arc::default(),
            touched: TouchBook::default(),
            baselines: BaselineRuns::default(),
            dropped_log_lines: || 0,
            keys: KeyBook::default(),
            ends: Arc::default(),
            audit: AuditProgress::default(),
            prices: None,
        };
        let spec = find(WRITES[case.tool].0, &Writes::allowed()).unwrap();
        let Value::Object(mut given) = json!({"instance_ids": case.named, "dry_run": case.dry_run}) else { panic!() };
        let (core, stop, setting) = (Arc::new(core), CancellationToken::new(), CallSetting::default());
        let call = async |given: JsonObject| {
            let response = call(spec, Arc::clone(&core), Some(given), Writes::allowed(), &stop, setting.clone()).await;
            let CallToolResponse::Complete(result) = response else { panic!("{response:?}") };
            result
        };
        let mut answer = call(given.clone()).await;
        // Whoever is shown a plan agrees.
        if let Some(token) = answer.structured_content.as_ref().and_then(|told| told.pointer("/confirmation/token")) {
            given.insert("confirmation".to_owned(), token.clone());
            answer = call(given).await;
        }
        (answer, changing(&self.server.asked()))
    }

    /// Plays a case, and checks what must hold for all of them.
    async fn check(&self, case: &Case) {
        let before = self.world.core.snapshot().unwrap().seq();
        let (answer, calls) = self.play(case).await;
        let (said, is_error) = (text(&answer).to_owned(), answer.is_error == Some(true));
        let told = answer.structured_content.unwrap();
        conforms(find(WRITES[case.tool].0, &Writes::allowed()).unwrap(), &told);

        let named: BTreeSet<&String> = case.named.iter().collect();
        for id in calls.iter().flatten() {
            assert!(named.contains(id), "{id} was not named, and was called for\n{said}");
        }
        assert!(calls.iter().all(|ids| !ids.is_empty()), "a call that names nobody\n{said}");
        let rows: Vec<&str> =
            told["results"].as_array().unwrap().iter().map(|row| row["instance_id"].as_str().unwrap()).collect();
        assert_eq!(rows, case.named, "one row for each that was named, and no other\n{said}");

        let strays = |ids: &Ids| ids.of(&case.named).is_ok_and(|ids| ids.iter().any(|id| !named.contains(id)));
        let silent = matches!(case.look, Ids::None | Ids::NotFound(_))
            || matches!(&case.look, Ids::Fewer | Ids::Garbled if named.len() == 1);
        if strays(&case.look) || silent {
            assert!(calls.is_empty() && is_error, "the look was about others\n{said}");
        }
        let proof = match (case.owner, silent) {
            (Whose::Untold, _) | (_, true) => case.identity,
            (owner, false) => owner,
        };
        if proof != Whose::Ours {
            assert!(calls.is_empty() && is_error, "it was not proved whose credentials these are\n{said}");
            assert!(!told.to_string().contains("\"not_found\""), "another account knows none of the ids\n{said}");
        }
        let distrusted = calls.iter().position(|asked| case.shows_distrust(asked));
        if let Some(at) = distrusted {
            assert_eq!(at + 1, calls.len(), "called on after an answer that is not to be trusted: {calls:?}\n{said}");
            assert!(is_error, "{said}");
        }
        let carried_out = !case.dry_run || !case.heeds_dry_run;
        let names_instances = !matches!(WRITES[case.tool].0, "create_snapshot" | "reboot_instance");
        if strays(&case.change) && carried_out && !calls.is_empty() && names_instances {
            assert!(is_error && said.contains("ERROR") && told["unasked_total"].as_u64() > Some(0), "{said}");
        }
        let verdicts = told["results"].to_string();
        assert!(
            case.dry_run || !verdicts.contains("\"acted\"") && !verdicts.contains("\"would_be_allowed\""),
            "{said}"
        );
        assert!(!case.dry_run || !verdicts.contains("\"done\""), "{said}");
        // What was carried out is in the log, dry run or not; a dry run that was none is not.
        let records = self.world.core.snapshot().unwrap().records(before.next(), usize::MAX).unwrap();
        let requested: Vec<Vec<String>> = records
            .iter()
            .filter_map(|record| match &record.event {
                Event::ActionRequested { targets, .. } => Some(targets.iter().map(|id| id.id.to_string()).collect()),
                _ => None,
            })
            .collect();
        let is_recorded = |asked: &Vec<String>| !case.dry_run || !case.heeds_dry_run && case.change.of(asked).is_ok();
        let expected = calls.into_iter().filter(is_recorded).collect();
        assert_eq!(sorted(requested), sorted(expected), "{said}");
    }
}

fn sorted(calls: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let mut calls: Vec<Vec<String>> = calls;
    for ids in &mut calls {
        ids.sort();
    }
    calls.sort();
    calls
}

#[test]
fn no_answer_makes_a_write_tool_call_for_what_was_not_named() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stage = runtime.block_on(Stage::new());
    let config = Config { cases: 160, failure_persistence: None, ..Config::default() };
    let played = TestRunner::new(config).run(&case(), |case| {
        runtime.block_on(stage.check(&case));
        Ok(())
    });
    runtime.block_on(async { drop(stage) });
    played.unwrap();
}

fn honest(tool: usize) -> Case {
    Case {
        tool,
        named: vec![POOL[0].to_owned()],
        dry_run: false,
        look: Ids::Honest,
        owner: Whose::Ours,
        identity: Whose::Ours,
        change: Ids::Honest,
        heeds_dry_run: true,
        transient: false,
    }
}

/// The verdicts of an answer, in the order of its rows.
fn verdicts(told: &Value) -> Vec<&str> {
    told["results"].as_array().unwrap().iter().map(|row| row["verdict"].as_str().unwrap()).collect()
}

fn three() -> Vec<String> {
    POOL[..3].iter().map(|id| (*id).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_disk_fails_halfway_the_calls_that_were_made_are_told_and_no_more_are_made() {
    for (tool, (name, _)) in WRITES.iter().enumerate() {
        let (disk, case) = (Memory::default(), Arc::<Mutex<Option<Case>>>::default());
        let (failing, told) = (disk.clone(), Arc::clone(&case));
        let server = Scripted::answering(move |form| {
            let case = told.lock().clone();
            if case.is_some() && !changing(&[form.to_owned()]).is_empty() {
                let calls = &[FileCall::SetLen, FileCall::Sync, FileCall::Write];
                let kind = std::io::ErrorKind::StorageFull;
                failing.fail(Some(InjectedFaults { from: 0, to: u64::MAX, calls, most: u64::MAX, kind }));
            }
            reply(form, case.as_ref())
        });
        let server = server.await;
        let world = World::connected_on(&disk, |_| at(server.endpoint())).await;
        world.sweep_kind(INSTANCE, usize::MAX).await;
        let stage = Stage { world, server, case };
        // Each is called alone.
        let (answer, calls) = stage.play(&Case { named: three(), transient: true, ..honest(tool) }).await;
        let said = text(&answer).to_owned();
        assert_eq!(calls, [vec![POOL[0].to_owned()]], "{name}: {said}");
        let told = answer.structured_content.unwrap_or_else(|| panic!("{name}: {said}"));
        conforms(find(name, &Writes::allowed()).unwrap(), &told);
        assert_eq!(verdicts(&told), ["done", "not_sent", "not_sent"], "{name}: {said}");
        let why = told["results"][2]["message"].as_str().unwrap();
        assert!(why.contains("could not be recorded") && why.contains("this instance alone"), "{name}: {why}");
    }
}

#[tokio::test]
async fn after_a_dry_run_that_was_carried_out_nothing_more_is_called() {
    let stage = Stage::new().await;
    for (tool, (name, _)) in WRITES.iter().enumerate() {
        // Each alone from the start, and each alone after AWS refused them together.
        for (transient, change, earlier) in
            [(true, Ids::Honest, 0), (false, Ids::Apart, usize::from(*name != "create_snapshot"))]
        {
            let case = Case { named: three(), dry_run: true, heeds_dry_run: false, transient, change, ..honest(tool) };
            let (answer, calls) = stage.play(&case).await;
            let said = text(&answer).to_owned();
            assert_eq!(calls[earlier..], [vec![POOL[0].to_owned()]], "{name}: {calls:?}\n{said}");
            assert_eq!(answer.is_error, Some(true), "{said}");
            let told = answer.structured_content.unwrap();
            assert_eq!(verdicts(&told), ["acted", "answer_not_trusted", "answer_not_trusted"], "{name}: {said}");
            let why = told["results"][2]["message"].as_str().unwrap();
            let lead =
                if earlier == 0 { "No call was made for this instance" } else { "no other call was made for it" };
            assert!(why.contains(lead) && why.contains("ignores DryRun"), "{name}: {why}");
        }
    }
}

#[tokio::test]
async fn after_an_answer_about_others_nothing_more_is_called() {
    let stage = Stage::new().await;
    for (tool, (name, _)) in WRITES.iter().enumerate().filter(|(_, (name, _))| names_resources(name)) {
        let change = Ids::More(vec![STRANGER.to_owned()]);
        let case = Case { named: three(), transient: true, change, ..honest(tool) };
        let (answer, calls) = stage.play(&case).await;
        let said = text(&answer).to_owned();
        assert_eq!(calls, [vec![POOL[0].to_owned()]], "{name}: {said}");
        assert!(answer.is_error == Some(true) && said.contains("ERROR"), "{name}: {said}");
        let told = answer.structured_content.unwrap();
        assert_eq!(verdicts(&told), ["done", "answer_not_trusted", "answer_not_trusted"], "{name}: {said}");
    }
}

#[tokio::test]
async fn one_instance_that_cannot_be_read_keeps_no_other_from_its_call() {
    let stage = Stage::new().await;
    for (tool, (name, _)) in WRITES.iter().enumerate() {
        let case = Case { named: three(), look: Ids::Garbled, ..honest(tool) };
        let (answer, calls) = stage.play(&case).await;
        let told = answer.structured_content.unwrap();
        assert_eq!(verdicts(&told), ["answer_not_trusted", "done", "done"], "{name}: {told}");
        assert_eq!(calls.concat(), POOL[1..3], "{name}: {told}");
        let why = told["results"][0]["message"].as_str().unwrap();
        assert!(why.contains("launchTime \"yesterday\" cannot be read"), "{name}: {why}");
    }
}

#[tokio::test]
async fn what_one_region_answers_keeps_a_call_from_the_next() {
    let stage = Stage::new().await;
    stage.place(POOL[0], "us-east-1").await;
    stage.place(POOL[5], ELSEWHERE).await;
    let strays = Ids::More(vec![STRANGER.to_owned()]);
    for (tool, (name, _)) in WRITES.iter().enumerate() {
        let named = vec![POOL[0].to_owned(), POOL[5].to_owned()];
        let trusted = Case { named, ..honest(tool) };
        let (answer, calls) = stage.play(&trusted).await;
        assert_eq!(calls.len(), 2, "{name}: one call in each region: {}", text(&answer));
        for case in [
            Case { dry_run: true, heeds_dry_run: false, ..trusted.clone() },
            Case { change: strays.clone(), ..trusted.clone() },
        ] {
            if !case.dry_run && !names_resources(name) {
                continue;
            }
            let (answer, calls) = stage.play(&case).await;
            assert_eq!(calls.len(), 1, "{name}: {}", text(&answer));
            let told = answer.structured_content.unwrap();
            let left = verdicts(&told).into_iter().filter(|verdict| *verdict == "answer_not_trusted").count();
            assert_eq!(left, 1, "{name}: {told}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_ignores_the_ids_of_a_look_stops_no_tool_from_counting_only_what_was_named() {
    let stage = Stage::new().await;
    let others = || Ids::More(vec![POOL[1].to_owned(), POOL[2].to_owned()]);
    for (tool, (name, _)) in WRITES.iter().enumerate() {
        for dry_run in [false, true] {
            let (answer, calls) = stage.play(&Case { look: others(), dry_run, ..honest(tool) }).await;
            let said = text(&answer);
            assert_eq!((answer.is_error, calls.len()), (Some(true), 0), "{name}: {said}");
            assert!(
                said.contains(POOL[1]) && said.contains("nobody named") && said.contains("answer_not_trusted"),
                "{said}"
            );
            assert!(said.contains("0 of 1") && !said.contains("of 3"), "{name}: {said}");
        }
    }
}

#[tokio::test]
async fn what_a_call_did_to_others_is_told_recorded_and_never_taken_for_a_result_of_ours() {
    let stage = Stage::new().await;
    let case = Case { change: Ids::Others(vec![POOL[1].to_owned()]), ..honest(1) };
    let (answer, calls) = stage.play(&case).await;
    assert_eq!((answer.is_error, calls), (Some(true), vec![vec![POOL[0].to_owned()]]));
    let told = answer.structured_content.unwrap();
    assert_eq!(told["results"][0]["verdict"], "unknown", "{told}");
    assert_eq!(told["unasked"][0]["instance_id"], POOL[1], "{told}");
    let records = stage.world.core.snapshot().unwrap().records(Seq(1), usize::MAX).unwrap();
    let outcome = records.iter().rev().find_map(|record| match &record.event {
        Event::ActionFinished { outcome: ActionOutcome::Unknown { message }, .. } => Some(message.clone()),
        _ => None,
    });
    assert!(outcome.unwrap().contains(POOL[1]));
}

#[tokio::test]
async fn without_an_owner_and_without_sts_nothing_is_written_and_the_code_says_why() {
    let stage = Stage::new().await;
    for (tool, (name, _)) in WRITES.iter().enumerate() {
        for (dry_run, look) in
            [(false, Ids::Honest), (true, Ids::Honest), (false, Ids::NotFound(vec![POOL[0].to_owned()]))]
        {
            let case = Case { look, dry_run, owner: Whose::Untold, identity: Whose::Untold, ..honest(tool) };
            let (answer, calls) = stage.play(&case).await;
            assert_eq!((answer.is_error, calls.len()), (Some(true), 0), "{name}: {}", text(&answer));
            assert!(text(&answer).contains("sts:GetCallerIdentity"), "{}", text(&answer));
            let told = answer.structured_content.unwrap();
            assert_eq!(told["results"][0]["verdict"], "identity_unproved", "{name}: {told}");
        }
    }
}

#[tokio::test]
async fn an_owner_in_the_look_is_proof_enough_where_sts_cannot_be_reached() {
    let stage = Stage::new().await;
    for (tool, (name, _)) in WRITES.iter().enumerate() {
        let (answer, calls) = stage.play(&Case { identity: Whose::Untold, ..honest(tool) }).await;
        assert_eq!(calls.len(), 1, "{name}: {}", text(&answer));
        assert!(!stage.server.asked().iter().any(|form| form.contains("GetCallerIdentity")), "{name}");
    }
}

#[tokio::test]
async fn a_not_found_that_names_only_others_is_no_proof_that_an_instance_is_gone() {
    let stage = Stage::new().await;
    let case = Case {
        look: Ids::NotFound(vec![POOL[3].to_owned()]),
        named: vec![POOL[0].to_owned(), POOL[1].to_owned()],
        ..honest(1)
    };
    let (answer, calls) = stage.play(&case).await;
    let told = answer.structured_content.unwrap();
    assert!(calls.is_empty());
    for row in told["results"].as_array().unwrap() {
        assert_eq!(row["verdict"], "answer_not_trusted", "{told}");
    }
}

#[tokio::test]
async fn a_dry_run_that_the_endpoint_carries_out_is_told_recorded_and_read_at_its_seq() {
    let stage = Stage::new().await;
    for (tool, (name, _)) in WRITES.iter().enumerate() {
        let case = Case { dry_run: true, heeds_dry_run: false, ..honest(tool) };
        let before = stage.world.core.snapshot().unwrap().seq();
        let (answer, _) = stage.play(&case).await;
        let said = text(&answer).to_owned();
        assert!(
            answer.is_error == Some(true) && said.contains("WARNING: the endpoint ignores DryRun"),
            "{name}: {said}"
        );
        let told = answer.structured_content.unwrap();
        assert_eq!(told["results"][0]["verdict"], "acted", "{name}: {told}");
        let records = stage.world.core.snapshot().unwrap().records(before.next(), usize::MAX).unwrap();
        let requested =
            records.iter().find(|record| matches!(&record.event, Event::ActionRequested { tool, .. } if tool == name));
        let finished = records.iter().find(|record| matches!(&record.event, Event::ActionFinished { .. })).unwrap();
        assert!(requested.unwrap().seq < finished.seq && told["seq"].as_u64().unwrap() >= finished.seq.0, "{told}");
        if !matches!(*name, "create_snapshot" | "reboot_instance") {
            let id = crate::model::ResourceId::new(&scope(), &INSTANCE.kind(), POOL[0]);
            let held = stage.world.core.snapshot().unwrap().current(&id).unwrap().unwrap();
            assert!(format!("{held:?}").contains("pending"), "a read at the seq shows what the answer said: {held:?}");
        }
    }
}

#[tokio::test]
async fn snapshots_beyond_the_plan_and_volumes_without_one_are_listed() {
    let stage = Stage::new().await;
    let more = Case { change: Ids::More(vec![POOL[1].to_owned()]), ..honest(2) };
    let (answer, _) = stage.play(&more).await;
    assert_ne!(answer.is_error, Some(true), "which volumes an instance has is for AWS to resolve");
    let told = answer.structured_content.unwrap();
    assert_eq!(told["results"][0]["beyond_plan"], json!([format!("snap-{}", POOL[1])]), "{told}");
    assert_eq!(told["results"][0].get("missing_volumes"), None, "{told}");
    let others = Case { change: Ids::Others(vec![POOL[1].to_owned()]), ..honest(2) };
    let told = stage.play(&others).await.0.structured_content.unwrap();
    assert_eq!(told["results"][0]["missing_volumes"], json!([format!("vol-{}", POOL[0])]), "{told}");
}

//! Every way to change AWS in every case that is not the usual one: what the client saw, what AWS saw, what the log holds.
//!
//! The paths are the tools, each with one instance and with two ([`path`]). The cases are rules that refuse, confirmations that count
//! and that do not, clients of both eras that can ask somebody or nobody, and faults of AWS ([`cases`]); calls that time out
//! ([`timeouts`]) and servers that are killed before or after a call ([`crashes`]). A confirmation that is too old needs two minutes, so
//! that `src/mcp/tools/tests/expired.rs` shows it, where time can be moved. [`withdrawn`] has questions that nobody waits for any more.

mod cases;
mod crashes;
mod held;
mod path;
mod timeouts;
mod withdrawn;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::cases::{ANSWERS, CLAIMS, Case, Expected, FAULTS, RULES, Sent, Steps};
use self::held::{held, seen};
use self::path::{PATHS, WritePath};
use crate::harness::caller::{Caller, Question, Reply, Way, text, verdicts};
use crate::harness::hand::Hand;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// How many instances each table has.
const INSTANCES: usize = 600;

/// A server, its AWS, and the instances that no row has used yet.
struct Stage {
    simulator: Simulator,
    sandbox: Sandbox,
    server: crate::harness::muster::Serve,
    hand: Hand,
    instances: Pool,
}

/// Instances by state.
pub(crate) struct Pool(BTreeMap<&'static str, Vec<String>>);

impl Pool {
    /// Those that the inventory of a server lists.
    pub(crate) fn of(http: &str) -> Pool {
        let mut client = Client::http(http);
        let mut pool = BTreeMap::new();
        for state in ["running", "stopped"] {
            let (mut ids, mut cursor) = (Vec::new(), Value::Null);
            loop {
                let mut question =
                    json!({"kind": "instance", "filters": {"instance-state-name": [state]}, "limit": 100});
                if !cursor.is_null() {
                    question["cursor"] = cursor;
                }
                let mut found = client.call("search_inventory", &question).unwrap().structured;
                let rows = found["rows"].as_array().unwrap();
                ids.extend(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()));
                cursor = found["next_cursor"].take();
                if cursor.is_null() {
                    break;
                }
            }
            pool.insert(state, ids);
        }
        Pool(pool)
    }

    /// Takes so many that were in a state when all were listed.
    pub(crate) fn take(&mut self, state: &str, count: usize) -> Vec<String> {
        let ids = self.0.get_mut(state).unwrap();
        assert!(ids.len() >= count, "too few instances are {state}");
        ids.split_off(ids.len() - count)
    }
}

impl Stage {
    fn open() -> Stage {
        let simulator = Simulator::start(INSTANCES, &["--start-delay", "1s", "--stop-delay", "1s"]);
        let sandbox = Sandbox::new(&simulator.endpoint());
        let server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
        server.swept();
        let hand = Hand::on(&simulator.endpoint());
        let instances = Pool::of(&server.http);
        Stage { simulator, sandbox, server, hand, instances }
    }

    /// Runs all rows of a table, and says where what came of them is not what is expected.
    fn run(mut self, cases: &[Case]) {
        let mut rows = Vec::new();
        for case in cases {
            for path in PATHS {
                self.simulator.control("PUT", "/faults", &(case.faults)(path.action));
                for way in case.ways {
                    rows.push(self.row(case, path, *way));
                }
            }
        }
        self.server.terminate();
        let held = held(&self.sandbox);
        let mut wrong = Vec::new();
        for Row { name, ids, path, way, told, expected } in &rows {
            let found = verdicts(told);
            if found != [expected.verdict] {
                wrong.push(format!("{name}: the client is told {found:?}: {told}"));
            }
            wrong.extend(
                expected
                    .says
                    .iter()
                    .filter(|part| !text(told).contains(**part))
                    .map(|part| format!("{name}: the client is not told {part:?}: {}", text(told))),
            );
            // What AWS throttles, CloudTrail does not have, and more calls would be throttled as well.
            let is_split = expected.sent.is_some_and(|sent| sent.ended.ends_with("refused") && sent.seen.is_some());
            let calls = if expected.sent.is_some() { path.calls(is_split) } else { 0 };
            let asked = expected.sent.and_then(|sent| sent.seen).map_or_else(Vec::new, |seen| vec![seen; calls]);
            let saw = seen(&self.simulator, path.action, ids);
            if saw != asked {
                wrong.push(format!("{name}: AWS saw {saw:?} instead of {asked:?}"));
            }
            let own = held.iter().filter(|(by, targets, _)| by == name && targets.iter().all(|id| ids.contains(id)));
            let own: Vec<&str> = own.map(|(_, _, word)| word.as_str()).collect();
            let before = expected.before.iter().map(|word| word.replace("WAY", way.name()));
            let ended = expected.sent.map_or_else(Vec::new, |Sent { ended, .. }| vec![ended.to_owned(); calls]);
            let mut all: Vec<String> = before.chain(ended).collect();
            let mut own_sorted: Vec<String> = own.iter().map(|word| (*word).to_owned()).collect();
            all.sort_unstable();
            own_sorted.sort_unstable();
            if own_sorted != all {
                wrong.push(format!("{name}: the log holds {own:?} instead of {all:?}"));
            }
        }
        assert!(wrong.is_empty(), "{} of {} rows: {wrong:#?}", wrong.len(), rows.len());
        eprintln!("{} rows", rows.len());
    }

    fn row(&mut self, case: &Case, path: WritePath, way: Way) -> Row {
        let name = format!("{}, {}, {way:?}", path.name(), case.name);
        let ids = self.instances.take(path.state, path.count);
        if let Some((key, value)) = case.tag {
            self.hand.tag(&ids, key, value);
        }
        let mut caller = Caller::open(&self.sandbox, case.flags, way, &name);
        let tool = path.tool;
        let arguments = json!({"instance_ids": ids});
        if case.steps == Steps::Another {
            let other = self.instances.take("running", 1);
            let made = caller.call("create_snapshot", &json!({"instance_ids": other}));
            assert!(matches!(&made, Reply::Told(made) if verdicts(made) == ["done"]), "{name}: {made:?}");
        }
        if case.steps == Steps::Forge {
            let told = caller.bring(tool, &arguments, "v1.abcdef.abcdef");
            return Row { name, ids, path, way, told, expected: case.expected(path) };
        }
        let altered = |said: &str| format!("{said}x");
        let told = match (case.steps, caller.call(tool, &arguments)) {
            (Steps::Alter, Reply::Offered(_, token)) => caller.bring(tool, &arguments, &altered(&token)),
            (Steps::Alter, Reply::Asked(Question::Result(state))) => {
                caller.answer(tool, &arguments, &Question::Result(altered(&state)), "accept")
            }
            (Steps::Call, Reply::Told(result) | Reply::Offered(result, _)) | (_, Reply::Told(result)) => result,
            (Steps::Say(said), Reply::Asked(question)) => caller.answer(tool, &arguments, &question, said),
            (Steps::Replay, reply) => {
                caller.agree(tool, &arguments, &reply);
                caller.agree(tool, &arguments, &reply)
            }
            (Steps::Change, reply) => {
                self.hand.tag(&ids[..1], "Env", "dev");
                caller.agree(tool, &arguments, &reply)
            }
            (Steps::Agree | Steps::Another, reply) => caller.agree(tool, &arguments, &reply),
            (steps, reply) => panic!("{name}: {steps:?} at {reply:?}"),
        };
        Row { name, ids, path, way, told, expected: case.expected(path) }
    }
}

/// A row that was run.
struct Row {
    /// Also the name of the client.
    name: String,
    ids: Vec<String>,
    path: WritePath,
    way: Way,
    /// What the client was told last.
    told: Value,
    expected: Expected,
}

#[test]
fn what_a_rule_refuses_never_reaches_aws_and_is_recorded_with_the_rule() {
    Stage::open().run(&RULES);
}

#[test]
fn a_call_acts_only_with_the_confirmation_of_its_own_plan_and_once() {
    Stage::open().run(&ANSWERS);
}

#[test]
fn a_confirmation_that_is_not_that_of_the_plan_as_it_is_now_does_nothing() {
    Stage::open().run(&CLAIMS);
}

#[test]
fn what_aws_refuses_or_leaves_unanswered_is_told_and_recorded_as_that() {
    Stage::open().run(&FAULTS);
}

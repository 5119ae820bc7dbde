//! A server that is killed right before or right after it calls AWS: the client is told what the log and AWS show, and a repeat with
//! the same key changes nothing.

use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::Pool;
use super::held::{held, seen};
use super::path::{PATHS, WritePath};
use crate::harness::caller::{Caller, Reply, Way, text, verdicts};
use crate::harness::eventually;
use crate::harness::middle::{Fate, Middle};
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::simulator::Simulator;

/// When a server is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// When it calls AWS, which hears nothing of it.
    Before,
    /// When AWS has done what it was asked for.
    After,
}

/// What must come of it: the verdict of each instance, how often AWS was called, and what the log holds of the call.
fn expected(moment: Moment, path: WritePath) -> (&'static [&'static str], usize, &'static str) {
    match (moment, path.tool, path.count) {
        // What was not begun is known from the log.
        (Moment::Before, "create_snapshot", 2) => (&["unknown", "not_sent"], 0, "requested"),
        // AWS shows the instances as they were, but a call may be slow.
        (Moment::Before, ..) => (&["unknown"], 0, "requested"),
        (Moment::After, "create_snapshot", 2) => (&["done", "not_sent"], 1, "requested, succeeded"),
        // A reboot shows nowhere.
        (Moment::After, "reboot_instance", _) => (&["unknown"], 1, "requested"),
        // The instances' states, and the snapshots' tags, show it.
        (Moment::After, ..) => (&["done"], 1, "requested, succeeded"),
    }
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// What was told of a call, and whom to ask for the rest.
struct Crashed {
    name: String,
    ids: Vec<String>,
    path: WritePath,
}

fn crashes(moment: Moment) {
    let simulator = Simulator::start(120, &["--start-delay", "1s", "--stop-delay", "1s"]);
    let armed: Arc<Mutex<Option<(&'static str, i32)>>> = Arc::default();
    let shared = Arc::clone(&armed);
    let middle = Middle::plain(&simulator.endpoint(), move |_, body| {
        let mut armed = shared.lock().unwrap_or_else(PoisonError::into_inner);
        match (moment, armed.take_if(|(action, _)| body.contains(&format!("Action={action}&")))) {
            (_, None) => Fate::Pass,
            (Moment::Before, Some((_, pid))) => {
                kill(pid);
                Fate::Drop
            }
            (Moment::After, Some((_, pid))) => Fate::Kill(pid),
        }
    });
    let sandbox = Sandbox::new(&middle.endpoint());
    let flags = [&RARELY[..], &["--allow-writes"]].concat();
    let mut instances = {
        let mut server = sandbox.serve(&flags);
        server.swept();
        let instances = Pool::of(&server.http);
        server.terminate();
        instances
    };
    let mut rows = Vec::new();
    for path in PATHS {
        let name = format!("{}, {moment:?}", path.name());
        let ids = instances.take(path.state, path.count);
        let mut caller = Caller::open(&sandbox, &flags, Way::Token, &name);
        let arguments = json!({"instance_ids": ids, "idempotency_key": name});
        let reply = path.needs_agreement().then(|| caller.call(path.tool, &arguments));
        // Its front end has started a server, if there was none.
        drop(caller.call("get_inventory_summary", &json!({})));
        let pid = sandbox.server_pid().unwrap();
        *armed.lock().unwrap_or_else(PoisonError::into_inner) = Some((path.action, pid));
        let told = match reply {
            Some(reply) => caller.agree(path.tool, &arguments, &reply),
            None => told(caller.call(path.tool, &arguments)),
        };
        let (verdict, calls, _) = expected(moment, path);
        let repeated = told_again(&mut caller, path, &arguments);
        for (which, said) in [("the call", &told), ("its repeat", &repeated)] {
            assert_eq!(verdicts(said), verdict, "{name}: {which}: {}", text(said));
        }
        assert_ne!(sandbox.server_pid(), Some(pid), "{name}: another server serves");
        assert_eq!(seen(&simulator, path.action, &ids), vec!["OK"; calls], "{name}");
        rows.push(Crashed { name, ids, path });
    }
    kill(sandbox.server_pid().unwrap());
    let held = held(&sandbox);
    for Crashed { name, ids, path } in rows {
        let own = held.iter().filter(|(by, targets, _)| *by == name && targets.iter().all(|id| ids.contains(id)));
        let own: Vec<&str> = own.map(|(_, _, word)| word.as_str()).collect();
        let word = expected(moment, path).2;
        let all = if path.needs_agreement() { vec!["accepted by token", word] } else { vec![word] };
        assert_eq!(own, all, "{name}");
    }
}

fn told(reply: Reply) -> Value {
    match reply {
        Reply::Told(result) => result,
        other => panic!("the call asks: {other:?}"),
    }
}

/// What the same call is told once more, which needs no other confirmation.
fn told_again(caller: &mut Caller, path: WritePath, arguments: &Value) -> Value {
    eventually("the next server answers", || match caller.call(path.tool, arguments) {
        Reply::Told(result) if result["_meta"]["muster/code"] == "try_again" => None,
        reply => Some(told(reply)),
    })
}

#[test]
fn a_server_killed_before_it_calls_aws_leaves_a_call_that_is_not_made_again() {
    crashes(Moment::Before);
}

#[test]
fn a_server_killed_after_aws_acted_leaves_a_call_whose_end_aws_shows() {
    crashes(Moment::After);
}

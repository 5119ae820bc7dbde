//! Calls of AWS that time out after half a minute: those that AWS has carried out, and those that it never got. Neither is known to
//! the server, so both are told as that, and a repeat with the same key tells what AWS shows by then.
//!
//! All rows wait at the same time. Two snapshots are not among them: their calls come one after the other, so that they would wait
//! a minute; answers lost at once are in [`cases`](super::cases).

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::json;

use super::Pool;
use super::held::{held, seen};
use super::path::{PATHS, WritePath};
use crate::harness::caller::{Caller, Way, text, verdicts};
use crate::harness::middle::{Fate, Middle};
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::simulator::Simulator;

/// Longer than a server waits for AWS.
const TOO_LONG: Duration = Duration::from_secs(33);

/// A row: whether AWS acts, and what is called.
struct Slow {
    name: String,
    acts: bool,
    path: WritePath,
    ids: Vec<String>,
}

/// An action on an instance that takes too long.
struct SlowCall {
    action: &'static str,
    id: String,
    acts: bool,
}

#[test]
fn a_call_that_times_out_is_told_as_unknown_whether_or_not_aws_carried_it_out() {
    let simulator = Simulator::start(150, &[]);
    let slow: Arc<Mutex<Vec<SlowCall>>> = Arc::default();
    let shared = Arc::clone(&slow);
    let middle = Middle::plain(&simulator.endpoint(), move |_, body| {
        let slow = shared.lock().unwrap_or_else(PoisonError::into_inner);
        let is_about =
            |call: &&SlowCall| body.contains(&format!("Action={}&", call.action)) && body.contains(call.id.as_str());
        let acts = slow.iter().find(is_about).map(|call| call.acts);
        drop(slow);
        match acts {
            None => Fate::Pass,
            Some(true) => Fate::Late(TOO_LONG),
            Some(false) => {
                thread::sleep(TOO_LONG);
                Fate::Drop
            }
        }
    });
    let sandbox = Sandbox::new(&middle.endpoint());
    let mut server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
    server.swept();
    let mut instances = Pool::of(&server.http);
    let mut rows = Vec::new();
    for path in PATHS.into_iter().filter(|path| !path.is_snapshot() || path.count == 1) {
        for acts in [true, false] {
            let ids = instances.take(path.state, path.count);
            let mut slow = slow.lock().unwrap_or_else(PoisonError::into_inner);
            slow.extend(ids.iter().map(|id| SlowCall { action: path.action, id: id.clone(), acts }));
            let word = if acts { "AWS acts" } else { "AWS does not act" };
            rows.push(Slow { name: format!("{}, {word}", path.name()), acts, path, ids });
        }
    }
    thread::scope(|scope| {
        for Slow { name, path, ids, acts } in &rows {
            let sandbox = &sandbox;
            let is_shown = *acts && path.tool != "reboot_instance";
            scope.spawn(move || {
                let mut caller = Caller::open(sandbox, &["--allow-writes"], Way::Token, name);
                let arguments = json!({"instance_ids": ids, "idempotency_key": name});
                let reply = caller.call(path.tool, &arguments);
                let told = caller.agree(path.tool, &arguments, &reply);
                assert_eq!(verdicts(&told), ["unknown"], "{name}: {}", text(&told));
                assert!(text(&told).contains("It may have happened"), "{name}: {}", text(&told));
                // A repeat calls nothing, and looks whether AWS shows what was done. A reboot shows nowhere.
                let again = caller.call(path.tool, &arguments);
                let again = caller.agree(path.tool, &arguments, &again);
                let expected = if is_shown { "done" } else { "unknown" };
                assert_eq!(verdicts(&again), [expected], "{name}: {}", text(&again));
            });
        }
    });
    server.terminate();
    let held = held(&sandbox);
    for Slow { name, acts, path, ids } in rows {
        let expected: &[&str] = if acts { &["OK"] } else { &[] };
        assert_eq!(seen(&simulator, path.action, &ids), expected, "{name}");
        let own: Vec<&str> = held.iter().filter(|(by, ..)| *by == name).map(|(_, _, word)| word.as_str()).collect();
        let mut all = vec!["requested, unknown"];
        if path.needs_agreement() {
            all.insert(0, "accepted by token");
        }
        assert_eq!(own, all, "{name}");
    }
}

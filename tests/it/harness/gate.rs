//! A way to AWS that kills the server at a chosen moment.
//!
//! It passes every request on, one connection each, and looks for two: the answer to `ReceiveMessage` that holds messages, and
//! `DeleteMessageBatch`. What it does there is set before each; the kill is `SIGKILL`, sent from here, so that nothing happens in
//! between.

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::muster::Endpoint;
use super::relay;

/// When the server is to be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kill {
    /// So long after messages were handed to it.
    Received(Duration),
    /// When it asks for messages to be deleted, which are not.
    Deleting,
}

/// Whom to kill, and when.
#[derive(Clone, Copy, Debug)]
struct Armed {
    pid: u32,
    kill: Kill,
}

/// A running gate.
pub(crate) struct Gate {
    endpoint: Endpoint,
    armed: Arc<Mutex<Option<Armed>>>,
}

impl Gate {
    /// Opens a gate to `upstream`; nothing is armed.
    pub(crate) fn open(upstream: &Endpoint) -> Gate {
        let armed = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&armed);
        let address = relay::open(&upstream.url, move |client, authority| pass(client, authority, &shared));
        let url = format!("http://{address}");
        Gate { endpoint: Endpoint { url, region: upstream.region.clone() }, armed }
    }

    /// Where AWS is, for Muster.
    pub(crate) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// Kills the process at the next such moment.
    pub(crate) fn arm(&self, pid: u32, kill: Kill) {
        *self.armed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Armed { pid, kill });
    }
}

/// Takes the kill that is due now, if it is `due`.
fn take(armed: &Mutex<Option<Armed>>, due: impl Fn(Kill) -> bool) -> Option<Armed> {
    armed.lock().unwrap_or_else(PoisonError::into_inner).take_if(|armed| due(armed.kill))
}

fn kill(armed: Armed) {
    let pid = Pid::from_raw(i32::try_from(armed.pid).unwrap()).unwrap();
    // It may have ended by itself: the test looks for that.
    kill_process(pid, Signal::KILL).ok();
}

/// Passes one request on, and its answer back.
fn pass(mut client: TcpStream, authority: &str, armed: &Mutex<Option<Armed>>) -> std::io::Result<()> {
    let (head, mut body) = relay::request(&mut client)?;
    let target =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("x-amz-target: ").map(str::to_owned));
    let is = |action: &str| target.as_deref().is_some_and(|target| target.trim().ends_with(action));
    if is(".deletemessagebatch")
        && let Some(armed) = take(armed, |kill| kill == Kill::Deleting)
    {
        kill(armed);
        return Ok(());
    }
    if is(".receivemessage") {
        // A long poll of a server that was killed would go on, and take messages that nobody sees.
        let text = String::from_utf8_lossy(&body).replace("\"WaitTimeSeconds\":20", "\"WaitTimeSeconds\":1");
        body = text.into_bytes();
    }
    let answer = relay::passed_on(&head, &body, authority)?;
    let holds_messages = is(".receivemessage") && String::from_utf8_lossy(&answer).contains("\"ReceiptHandle\"");
    client.write_all(&answer)?;
    client.flush()?;
    if holds_messages && let Some(armed) = take(armed, |kill| matches!(kill, Kill::Received(_))) {
        if let Kill::Received(after) = armed.kill {
            std::thread::sleep(after);
        }
        kill(armed);
    }
    Ok(())
}

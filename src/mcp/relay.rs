//! The stdio front end: carries JSON-RPC lines between an MCP client and a server process, and goes on with another one when that
//! ends.
//!
//! Lines of the client go through [`normalise`](super::normalise), which answers invalid requests. What is sent where is decided
//! by [`RelayState`], which is pure; here lines are read and written. A client thus does not notice that a server ended, except
//! that an answer takes longer. If there is no other server, or it hangs, every request is answered with the reason.

mod line_queue;
mod request;
mod rewrite;
mod server_requests;
mod session;
mod silence;
pub mod state;

use std::future::pending;
use std::io;
use std::time::Duration;

use futures::FutureExt;
use futures::future::Fuse;
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, info, warn};

use super::lines::{LineRead, Lines, MAX_LINE};
use line_queue::LineQueue;
use state::{RelayInput, RelayOutput, RelayState, Welcome};

/// How long answers may still arrive after the client closed its end.
const DRAIN: Duration = Duration::from_secs(8);
/// How many messages may wait for a server that does not take them before the client is not read any more.
const BACKLOG: usize = 64;

/// How a relay ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayEnd {
    /// The client closed its end, and a server was there until then.
    ClientClosed,
    /// There was no server when the client closed its end.
    ServerEnded,
}

/// A connection to a server, after the handshake.
#[derive(Debug)]
pub struct ServerEnds<R, W> {
    /// From the server.
    pub reader: R,
    /// To the server.
    pub writer: W,
    /// What the server said of itself.
    pub welcome: Welcome,
}

/// Carries lines until the client closes its end.
///
/// `input` and `output` face the client. `connect` finds or starts another server; its error says why there is none. `probe` asks the
/// present server on another connection whether it answers at all.
///
/// # Errors
/// When the client's end can no longer be read or written.
pub async fn relay<R, W>(
    input: impl AsyncBufRead + Unpin,
    output: impl AsyncWrite + Unpin,
    first: ServerEnds<R, W>,
    mut connect: impl AsyncFnMut() -> Result<ServerEnds<R, W>, String>,
    probe: impl AsyncFn() -> bool,
) -> io::Result<RelayEnd>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let state = RelayState::new(first.welcome.clone(), fastrand::u64(..));
    let mut relay = Relay::new(output, state);
    let mut input = Lines::new(input, MAX_LINE);
    let mut server = Some(first);
    let mut end = RelayEnd::ServerEnded;
    loop {
        if let Some(ends) = server.take() {
            let left_before = relay.leaves_at.is_some();
            relay.serve(&mut input, ends, &probe).await?;
            if !left_before && relay.leaves_at.is_some() {
                end = RelayEnd::ClientClosed;
            }
            relay.step(RelayInput::ServerLost);
        }
        match relay.wanted.take() {
            Some(pause) => match relay.another(&mut input, pause, connect()).await? {
                Some(Ok(ends)) => {
                    if !ends.welcome.is_stand_in {
                        info!(server.pid = ends.welcome.pid, "another server serves from now on");
                    }
                    relay.step(RelayInput::Connected(ends.welcome.clone()));
                    server = Some(ends);
                }
                Some(Err(why)) => {
                    warn!(error = why, "there is no server");
                    relay.step(RelayInput::Unreachable(&why));
                }
                None => {
                    relay.step(RelayInput::Unreachable("the client closed its end meanwhile"));
                    break;
                }
            },
            None if relay.leaves_at.is_some() => break,
            None => {
                relay.wait(&mut input, pending::<()>()).await?;
            }
        }
    }
    while !relay.to_client.is_done() {
        relay.to_client.advance(&mut relay.output).await?;
    }
    Ok(end)
}

/// A relay at work.
struct Relay<O> {
    output: O,
    to_client: LineQueue,
    to_server: LineQueue,
    state: RelayState,
    began: Instant,
    /// When to end, once the client closed its end.
    leaves_at: Option<Instant>,
    /// Whether the state wants the connection closed.
    hangs_up: bool,
    /// Whether the state wants another server, and after which pause.
    wanted: Option<Duration>,
    /// Whether the state wants the server probed.
    probes: bool,
}

impl<O: AsyncWrite + Unpin> Relay<O> {
    fn new(output: O, state: RelayState) -> Self {
        Relay {
            output,
            to_client: LineQueue::default(),
            to_server: LineQueue::default(),
            state,
            began: Instant::now(),
            leaves_at: None,
            hangs_up: false,
            wanted: None,
            probes: false,
        }
    }

    fn step(&mut self, input: RelayInput<'_>) {
        for output in self.state.step(input, self.began.elapsed()) {
            match output {
                RelayOutput::ToClient(line) => self.to_client.push(line),
                RelayOutput::ToServer(line) => self.to_server.push(line),
                RelayOutput::HangUp => self.hangs_up = true,
                RelayOutput::Connect(pause) => self.wanted = Some(pause),
                RelayOutput::Probe => self.probes = true,
            }
        }
    }

    /// Takes what was read from the client.
    fn hear(&mut self, read: &LineRead<'_>) {
        match read {
            LineRead::Whole(line) => self.step(RelayInput::Client(line)),
            LineRead::TooLong(start) => self.step(RelayInput::ClientTooLong(start)),
            LineRead::End => {
                self.leaves_at = Some(Instant::now() + DRAIN);
                self.step(RelayInput::ClientLeft);
            }
        }
    }

    /// Carries lines until the server is lost, or has closed the connection because the client left.
    async fn serve<R, W>(
        &mut self,
        input: &mut Lines<impl AsyncBufRead + Unpin>,
        ends: ServerEnds<R, W>,
        probe: &impl AsyncFn() -> bool,
    ) -> io::Result<()>
    where
        R: AsyncBufRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let ServerEnds { reader, mut writer, welcome: Welcome { pid, .. } } = ends;
        let mut from_server = Lines::new(reader, MAX_LINE);
        (self.to_server, self.hangs_up, self.probes) = (LineQueue::default(), false, false);
        let probing = Fuse::terminated();
        tokio::pin!(probing);
        // False once it no longer reads, or was told that nothing more comes.
        let mut server_reads = true;
        while !self.hangs_up {
            if server_reads && self.to_server.is_empty() && self.state.has_next() {
                self.step(RelayInput::ServerReady);
            }
            if server_reads && self.leaves_at.is_some() && self.to_server.is_done() && !self.state.has_more() {
                server_reads = false;
                if let Err(error) = writer.shutdown().await {
                    debug!(server.pid = pid, %error, "the server's end was closed already");
                }
            }
            if std::mem::take(&mut self.probes) {
                probing.set(probe().fuse());
            }
            let probe_at = self.state.probe_at().map(|at| self.began + at);
            let has_room = self.to_client.has_room() && self.state.waiting() < BACKLOG;
            tokio::select! {
                read = from_server.next(), if self.to_client.has_room() => match read {
                    // What a server that is killed said last may be cut off.
                    Ok(LineRead::Whole(line)) if line.ends_with(b"\n") => self.step(RelayInput::Server(line)),
                    Ok(LineRead::Whole(_) | LineRead::End) => return Ok(()),
                    Ok(LineRead::TooLong(_)) => {
                        warn!(server.pid = pid, "dropped a line of more than {MAX_LINE} bytes from the server");
                    }
                    Err(error) => {
                        warn!(server.pid = pid, %error, "reading from the server failed");
                        return Ok(());
                    }
                },
                read = input.next(), if self.leaves_at.is_none() && has_room => self.hear(&read?),
                written = self.to_client.advance(&mut self.output), if !self.to_client.is_done() => written?,
                written = self.to_server.advance(&mut writer), if server_reads && !self.to_server.is_done() => {
                    if let Err(error) = written {
                        // Its last answers may still come.
                        debug!(server.pid = pid, %error, "the server no longer reads");
                        server_reads = false;
                    }
                }
                is_alive = &mut probing => {
                    if !is_alive {
                        warn!(server.pid = pid, "the server does not answer");
                    }
                    self.step(RelayInput::Probed(is_alive));
                }
                () = at(probe_at) => self.step(RelayInput::Silent),
                () = at(self.leaves_at) => {
                    let waited = DRAIN.as_secs();
                    warn!(server.pid = pid, "the server did not close the connection within {waited} s of the client leaving");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Lets `connecting` find or start another server after a pause, or at once where the client asks for something meanwhile.
    /// `None` as [`Relay::wait`].
    async fn another<T>(
        &mut self,
        input: &mut Lines<impl AsyncBufRead + Unpin>,
        mut pause: Duration,
        connecting: impl Future<Output = T>,
    ) -> io::Result<Option<T>> {
        while self.wait(input, sleep(pause)).await?.is_none() {
            match self.wanted.take() {
                Some(sooner) => pause = sooner,
                None => return Ok(None),
            }
        }
        tokio::pin!(connecting);
        loop {
            let outcome = self.wait(input, connecting.as_mut()).await?;
            // What is wanted meanwhile is on its way.
            if outcome.is_some() || self.wanted.take().is_none() {
                return Ok(outcome);
            }
        }
    }

    /// Hears the client while there is no server, until `connecting` is done or another server is wanted. `None` if the client
    /// closed its end and nothing more is to be done for it.
    async fn wait<T>(
        &mut self,
        input: &mut Lines<impl AsyncBufRead + Unpin>,
        connecting: impl Future<Output = T>,
    ) -> io::Result<Option<T>> {
        tokio::pin!(connecting);
        while self.wanted.is_none() {
            tokio::select! {
                outcome = &mut connecting => return Ok(Some(outcome)),
                read = input.next(), if self.leaves_at.is_none() && self.to_client.has_room() => self.hear(&read?),
                written = self.to_client.advance(&mut self.output), if !self.to_client.is_done() => written?,
                () = at(self.leaves_at) => return Ok(None),
            }
            if self.leaves_at.is_some() && self.state.is_idle() {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

/// Waits until a moment; for ever if there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;

//! The requests to stop that a process gets from outside.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C and SIGTERM. From the moment it exists, these no longer kill the process; nor does SIGXFSZ, for a file that a limit keeps
/// from growing: the write fails, as on a full disk.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    _too_large: Signal,
}

impl Signals {
    /// Takes the signals over.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn take() -> io::Result<Self> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            _too_large: signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()))?,
        })
    }

    /// Waits for the next one, and says which.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

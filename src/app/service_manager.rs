//! What a server tells the manager that runs it as a service: systemd, by its notification socket. Without one nothing is told.

use std::convert::Infallible;

use sd_notify::NotifyState;
use tokio::time::sleep;

/// Says that the server is ready: its store is open.
pub(super) fn ready() {
    tell(&[NotifyState::Ready, NotifyState::Status("serving")]);
}

/// Says that the server ends.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the server starts again in the same process. It is not said to end: systemd kills what still runs some time after that.
pub(super) fn starting_again() {
    tell(&[NotifyState::Status("starting again")]);
}

/// Says again and again that the server runs, as often as the manager wants to hear it. A server that hangs says nothing, and is
/// started again.
pub(super) async fn reassure() -> Infallible {
    let Some(period) = sd_notify::watchdog_enabled().filter(|period| !period.is_zero()) else {
        return std::future::pending().await;
    };
    loop {
        tell(&[NotifyState::Watchdog]);
        sleep(period / 3).await;
    }
}

fn tell(what: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "the service manager cannot be told about this server");
    }
}

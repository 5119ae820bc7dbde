//! What makes a server end: a signal, or an admin request of a client.

use std::io;
use std::path::PathBuf;

use tokio::sync::mpsc;

use super::signals::Signals;

/// Why a server ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopOrder {
    /// A signal came.
    Signal(&'static str),
    /// Somebody ran `muster stop`.
    Stop,
    /// It is to start again.
    Restart(NextProgram),
    /// The server of a service waits for its place.
    GiveWay,
}

/// The program that a server turns into when it starts again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextProgram {
    /// The program; `None` for the same.
    pub program: Option<PathBuf>,
    /// Its arguments; `None` for the same.
    pub arguments: Option<Vec<String>>,
}

/// Where the orders for one server come in.
#[derive(Debug)]
pub struct StopOrders {
    signals: Signals,
    asked: mpsc::Receiver<StopOrder>,
}

/// How clients give orders.
#[derive(Clone, Debug)]
pub struct StopSender(mpsc::Sender<StopOrder>);

impl StopOrders {
    /// Takes the signals of the process over.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn take() -> io::Result<(Self, StopSender)> {
        let (sender, asked) = mpsc::channel(1);
        Ok((StopOrders { signals: Signals::take()?, asked }, StopSender(sender)))
    }

    /// Waits for the next order.
    pub async fn next(&mut self) -> StopOrder {
        tokio::select! {
            signal = self.signals.next() => StopOrder::Signal(signal),
            Some(order) = self.asked.recv() => order,
        }
    }
}

impl StopSender {
    /// A sender whose orders nobody hears, for a server that ends otherwise.
    #[must_use]
    pub fn unheard() -> Self {
        StopSender(mpsc::channel(1).0)
    }

    /// Gives an order; one that comes while the server ends already says nothing new.
    pub fn order(&self, order: StopOrder) {
        if let Err(error) = self.0.try_send(order) {
            tracing::debug!(%error, "the server ends already");
        }
    }
}

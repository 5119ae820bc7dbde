//! Counts the clients that are connected to a server's socket.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Counts the clients that are connected. Clones share the count.
#[derive(Clone, Debug)]
pub struct ClientCount(Arc<watch::Sender<usize>>);

/// Counts one client, until it is dropped.
#[derive(Debug)]
pub struct CountedClient(ClientCount);

impl ClientCount {
    /// A count of no clients.
    #[must_use]
    pub fn none() -> Self {
        ClientCount(Arc::new(watch::Sender::new(0)))
    }

    /// Counts one client more, until the returned value is dropped.
    #[must_use]
    pub fn enter(&self) -> CountedClient {
        self.0.send_modify(|count| *count += 1);
        CountedClient(self.clone())
    }

    /// How many clients are connected now.
    #[must_use]
    pub fn now(&self) -> usize {
        *self.0.borrow()
    }

    /// Waits until no client has been connected for `linger`. Time before this call does not count.
    pub async fn gone_for(&self, linger: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // The sender is alive, so waiting cannot fail.
            drop(count.wait_for(|count| *count == 0).await);
            if tokio::time::timeout(linger, count.wait_for(|count| *count > 0)).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for CountedClient {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::time::{Instant, sleep, timeout};

    #[tokio::test(start_paused = true)]
    async fn a_client_that_comes_back_in_time_starts_the_count_anew() {
        let clients = ClientCount::none();
        let begun = Instant::now();
        let first = clients.enter();
        let visits = async {
            sleep(Duration::from_secs(100)).await;
            drop(first);
            sleep(Duration::from_secs(50)).await;
            let _second = clients.enter();
            sleep(Duration::from_secs(1)).await;
        };
        let ((), ()) = tokio::join!(visits, clients.gone_for(Duration::from_mins(1)));
        assert_eq!(begun.elapsed().as_secs(), 211);
    }

    #[tokio::test(start_paused = true)]
    async fn while_somebody_is_there_nothing_ends() {
        let clients = ClientCount::none();
        let _client = clients.enter();
        assert!(timeout(Duration::from_hours(1), clients.gone_for(Duration::from_secs(1))).await.is_err());
    }
}

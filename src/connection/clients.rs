//! How many clients a server has on its socket, and for how long it has had none.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Counts clients. Clones share the count.
#[derive(Clone, Debug)]
pub struct Clients(Arc<watch::Sender<usize>>);

/// One client's presence, until dropped.
#[derive(Debug)]
pub struct Present(Clients);

impl Clients {
    /// Nobody.
    #[must_use]
    pub fn none() -> Self {
        Clients(Arc::new(watch::Sender::new(0)))
    }

    /// Counts one more.
    #[must_use]
    pub fn enter(&self) -> Present {
        self.0.send_modify(|count| *count += 1);
        Present(self.clone())
    }

    /// Waits until there has been no client for `linger`, counted from this call at the earliest.
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

impl Drop for Present {
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
        let clients = Clients::none();
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
        let clients = Clients::none();
        let _client = clients.enter();
        assert!(timeout(Duration::from_hours(1), clients.gone_for(Duration::from_secs(1))).await.is_err());
    }
}

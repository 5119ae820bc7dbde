//! Carries what events say to the writer, and lets them go once it is durable.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::aws::Aws;
use crate::aws::queue::Queue;
use crate::ingest::{Handle, IngestError, Lane};
use crate::model::Cause;
use crate::source::events::envelope::Says;
use crate::source::events::{Listener, Received};

/// How long nothing is received after the store could not be written: the messages come again by themselves.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// Receives from a queue until the writer takes nothing more. Several may receive from one queue.
pub async fn run(aws: Aws, queue: Arc<Queue>, ingest: Handle) {
    let clock = aws.clock();
    let mut listener = Listener::new(aws, Arc::clone(&queue));
    loop {
        let mut done = Vec::new();
        for Received { receipt, message, told } in listener.next().await {
            let told = match told {
                Ok(told) => told,
                Err(error) => {
                    tracing::warn!(%queue, message, %error, "an event cannot be read, and is left in the queue");
                    continue;
                }
            };
            if let Some(scope) = told.trail() {
                ingest.freshness().call_seen(&scope, clock.now());
            }
            let notification = match told.says {
                Says::Resources(notification) => notification,
                Says::Canary(canary) => {
                    ingest.freshness().canary_seen(&canary, clock.now());
                    done.push(receipt);
                    continue;
                }
                Says::Call(_) => {
                    done.push(receipt);
                    continue;
                }
                Says::Nothing => {
                    tracing::debug!(detail_type = told.detail_type, "an event says nothing of what is watched");
                    done.push(receipt);
                    continue;
                }
            };
            let cause = Cause::Notification { event_id: notification.event_id };
            match ingest.observe(Lane::Notifications, notification.observations, cause).await {
                Ok(_) => done.push(receipt),
                Err(IngestError::Stopped) => return,
                Err(error) => {
                    tracing::warn!(%queue, %error, "an event is not recorded; it comes again");
                    sleep(AFTER_TROUBLE).await;
                    break;
                }
            }
        }
        if let Err(error) = listener.let_go(&done).await {
            tracing::warn!(%queue, %error, "events stay in the queue, and come again");
        }
    }
}

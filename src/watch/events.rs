//! Passes the content of events to the writer, and deletes the messages once it is durable.
//!
//! ```text
//! receive 10 --> decode --> writer (one commit for all that wait) --> delete
//!      \--> receive the next 10 meanwhile, while fewer than UNDER_WAY batches are between receive and delete
//! ```
//!
//! A message is deleted only after the commit with its content is durable. While the store is slow or fails, the message is held:
//! its visibility is extended repeatedly and its content submitted again, so that it is neither delivered twice nor moved to the
//! dead-letter queue because of a full disk. A message that meets a damaged record is left to be delivered again.
//!
//! An unreadable message is left to be delivered again, too, so that a dead-letter queue gets it if there is one. After
//! `carrier::PARK_AFTER` receives there is none: the message is kept in the store ([`Parked`](crate::model::Parked)), where `muster
//! doctor` shows it, and is deleted from the queue once that is durable. Otherwise it would be delivered until it expires.

mod carrier;
mod reach;

use std::pin::pin;
use std::sync::Arc;

use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use self::carrier::{Carried, Carrier};
use crate::aws::Aws;
use crate::aws::queue::Queue;
use crate::freshness::{EventCount, Signal};
use crate::ingest::IngestHandle;
use crate::model::Timestamp;
use crate::source::events::QueueListener;

pub(super) use self::carrier::Unreadable;
pub(super) use self::reach::{EventReach, QueueSpeaker};

/// How many batches a receiver may have between receive and delete while the writer is busy.
const UNDER_WAY: usize = 8;

/// Receives from a queue until the writer stops. Several receivers may share a queue.
pub(super) async fn run(aws: Aws, queue: Arc<Queue>, ingest: IngestHandle, unreadable: Unreadable, reach: EventReach) {
    let clock = aws.clock();
    let mut listener = QueueListener::new(aws, Arc::clone(&queue));
    let carrier = Arc::new(Carrier { mailbox: listener.mailbox(), queue, ingest, clock, unreadable, reach });
    let mut under_way = FuturesUnordered::new();
    let mut failing: Option<Timestamp> = None;
    loop {
        while under_way.len() >= UNDER_WAY {
            if under_way.next().await == Some(Carried::Stopped) {
                return;
            }
        }
        let received = {
            // Never cancelled half-way: SQS would deliver the messages again only after their visibility timeout.
            let owner = || carrier.reach.owner(&carrier.queue);
            let mut receiving = pin!(listener.next(owner));
            loop {
                tokio::select! {
                    received = &mut receiving => break received,
                    Some(end) = under_way.next(), if !under_way.is_empty() => if end == Carried::Stopped { return },
                }
            }
        };
        match received {
            Ok(messages) => {
                if failing.take().is_some() {
                    carrier.receiving(None);
                    tracing::info!(queue = %carrier.queue, "events are received again");
                }
                if !messages.is_empty() {
                    under_way.push(Arc::clone(&carrier).carry(messages).boxed());
                }
            }
            Err(error) => {
                carrier.ingest.signal(Signal::Counted(EventCount::ReceiveFailures, 1));
                let since = *failing.get_or_insert_with(|| carrier.clock.now());
                carrier.receiving(Some(error.to_trouble(since)));
                tracing::warn!(queue = %carrier.queue, %error, fix = error.fix(), "no events can be received");
                let mut pausing = pin!(listener.pause());
                loop {
                    tokio::select! {
                        () = &mut pausing => break,
                        Some(end) = under_way.next(), if !under_way.is_empty() => {
                            if end == Carried::Stopped { return }
                        }
                    }
                }
            }
        }
    }
}

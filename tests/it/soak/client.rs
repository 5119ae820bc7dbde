//! The clients: each has one connection and one thing that it does for ever.

use std::sync::Mutex;

use http_body_util::BodyExt;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::PAUSE;
use crate::harness::web::WebClient;

/// How many ids readers choose from at most.
const IDS: usize = 2_000;

/// How many rows a search asks for.
const ROWS: usize = 25;

/// What all clients know and count.
#[derive(Debug, Default)]
pub(super) struct Shared {
    counts: Mutex<Counts>,
    /// Instances that a search has shown.
    ids: Mutex<Vec<String>>,
}

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// How long each read took, in microseconds.
    pub(super) reads: Vec<u64>,
    /// How long each search took, in microseconds.
    pub(super) searches: Vec<u64>,
    pub(super) heard: u64,
    pub(super) gone: u64,
    errors: Vec<String>,
}

impl Shared {
    /// What was counted since the last time, but for the errors.
    pub(super) fn take(&self) -> Counts {
        let mut counts = self.counts.lock().unwrap();
        let errors = std::mem::take(&mut counts.errors);
        std::mem::replace(&mut counts, Counts { errors, ..Counts::default() })
    }

    /// Everything that went wrong.
    pub(super) fn errors(&self) -> Vec<String> {
        self.counts.lock().unwrap().errors.clone()
    }

    fn fails(&self, why: String) {
        self.counts.lock().unwrap().errors.push(why);
    }

    /// Reads one instance after the other.
    pub(super) async fn read(&self, mut client: WebClient) {
        let mut random = fastrand::Rng::new();
        loop {
            let id = random.choice(self.ids.lock().unwrap().iter()).cloned().expect("a search has shown some");
            let question = json!({"uri": format!("ec2://instance/{id}")});
            let (begun, answer) = (Instant::now(), client.answer("resources/read", &question).await);
            let took = u64::try_from(begun.elapsed().as_micros()).unwrap();
            // It was terminated after a search had shown it.
            let is_gone = answer.as_ref().is_some_and(|answer| answer["error"]["data"] == question);
            if is_gone || answer.as_ref().is_some_and(|answer| answer["result"]["contents"].is_array()) {
                let mut counts = self.counts.lock().unwrap();
                counts.reads.push(took);
                counts.gone += u64::from(is_gone);
            } else {
                self.fails(format!("{question}: {answer:?}"));
                client = client.again().await.expect("the server listens");
            }
            sleep(PAUSE).await;
        }
    }

    /// Searches for what has one of many ids, again and again.
    pub(super) async fn search(&self, mut client: WebClient) {
        let mut random = fastrand::Rng::new();
        loop {
            if !self.look(&mut client, &format!("i-*{:x}", random.u8(..16))).await {
                client = client.again().await.expect("the server listens");
            }
            sleep(PAUSE).await;
        }
    }

    /// One search. Whether it was answered.
    pub(super) async fn look(&self, client: &mut WebClient, ids: &str) -> bool {
        let filters = json!({"instance-state-name": ["running"], "instance-id": [ids]});
        let question = json!({"name": "search_inventory", "arguments": {"filters": filters, "limit": ROWS}});
        let (begun, answer) = (Instant::now(), client.answer("tools/call", &question).await);
        let took = u64::try_from(begun.elapsed().as_micros()).unwrap();
        let rows = answer.as_ref().and_then(|answer| answer["result"]["structuredContent"]["rows"].as_array());
        let Some(rows) = rows else {
            self.fails(format!("{question}: {answer:?}"));
            return false;
        };
        let shown = rows.iter().filter_map(|row| row["id"].as_str()).map(str::to_owned);
        let mut known = self.ids.lock().unwrap();
        known.extend(shown);
        let many = known.len().saturating_sub(IDS);
        known.drain(..many);
        drop(known);
        self.counts.lock().unwrap().searches.push(took);
        true
    }

    /// Listens to what changes anywhere, and to some instances.
    pub(super) async fn listen(&self, client: WebClient) {
        let mut uris = vec!["ec2://inventory/changes".to_owned(), "ec2://inventory/summary".to_owned()];
        uris.extend(self.ids.lock().unwrap().iter().take(10).map(|id| format!("ec2://instance/{id}")));
        let mut stream = client.subscribe(&uris).await;
        while let Some(Ok(frame)) = stream.body_mut().frame().await {
            let data = frame.into_data().unwrap_or_default();
            let updates = data.windows(8).filter(|bytes| *bytes == b"/updated").count();
            self.counts.lock().unwrap().heard += updates as u64;
        }
        self.fails("a stream of notifications ended".to_owned());
    }
}

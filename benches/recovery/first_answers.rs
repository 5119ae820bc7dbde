//! The first answers of a server, to three clients that ask at once.

use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::connection;
use crate::question::Question;

/// How long a client goes on asking.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long it waits after an answer that is none.
const AGAIN: Duration = Duration::from_millis(2);

/// How long the server took, from its start.
pub(crate) struct FirstAnswers {
    pub(crate) tools: Duration,
    pub(crate) list: Duration,
    pub(crate) search: Duration,
}

impl FirstAnswers {
    /// Those of the server at `authority`, which was started then.
    pub(crate) async fn of(authority: &str, started: Instant) -> anyhow::Result<Self> {
        let tools = Question::new("tools/list", None, json!({}));
        let list = Question::new("resources/list", None, json!({}));
        let search = Question::new(
            "tools/call",
            Some("search_inventory"),
            json!({
                "name": "search_inventory",
                "arguments": {
                    "kind": "instance",
                    "filters": [{ "Name": "instance-state-name", "Values": ["running"] }],
                    "limit": 20,
                },
            }),
        );
        let (tools, list, search) = tokio::try_join!(
            first(authority, started, &tools, |answer| holds(answer, "/tools/0")),
            first(authority, started, &list, |answer| holds(answer, "/resources/0")),
            first(authority, started, &search, |answer| holds(answer, "/structuredContent/rows/0")),
        )?;
        Ok(FirstAnswers { tools, list, search })
    }
}

fn holds(answer: &Value, place: &str) -> bool {
    answer.pointer(place).is_some()
}

/// Asks until the answer is one, and tells when it came.
async fn first(
    authority: &str,
    started: Instant,
    question: &Question,
    is_answer: impl Fn(&Value) -> bool,
) -> anyhow::Result<Duration> {
    connection::with(authority, |mut connection| async move {
        let mut last = None;
        while started.elapsed() < PATIENCE {
            match connection.result(question).await {
                Ok(answer) if is_answer(&answer) => return Ok(started.elapsed()),
                other => last = Some(other),
            }
            sleep(AGAIN).await;
        }
        bail!("there is no answer to {question:?}, the last one is {last:?}")
    })
    .await
}

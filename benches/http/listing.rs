//! What a server lists.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::connection;
use crate::question::Question;

/// What the server lists.
pub(crate) struct Listing {
    /// How many pages there are.
    pub(crate) count: usize,
    /// Every page but a last one that is not half full, as a question.
    pub(crate) pages: Arc<[Question]>,
    /// The ids of all instances.
    pub(crate) instances: Vec<String>,
    /// Entries of all pages.
    pub(crate) entries: usize,
    /// The one of `pages` in the middle.
    pub(crate) middle: Question,
    /// Its result.
    pub(crate) result: Value,
}

impl Question {
    /// `resources/list` from a cursor, or the first page.
    fn list(cursor: Option<&str>) -> Self {
        let params = cursor.map_or_else(|| json!({}), |cursor| json!({ "cursor": cursor }));
        Self::new("resources/list", None, params)
    }
}

/// Pages through everything, and sees that nothing comes twice.
pub(crate) async fn list(authority: &str) -> anyhow::Result<Listing> {
    connection::with(authority, |mut connection| async move {
        let mut pages = vec![Question::list(None)];
        let (mut uris, mut sizes) = (Vec::new(), Vec::new());
        loop {
            let question = pages.last().context("there is no page")?;
            let result = connection.result(question).await?;
            let before = uris.len();
            uris.extend(entries(&result).filter_map(|entry| entry.get("uri")?.as_str().map(str::to_owned)));
            sizes.push(uris.len() - before);
            match result.get("nextCursor").and_then(Value::as_str) {
                Some(cursor) => pages.push(Question::list(Some(cursor))),
                None => break,
            }
        }
        let (count, entries) = (pages.len(), uris.len());
        uris.sort_unstable();
        uris.dedup();
        ensure!(uris.len() == entries, "of {entries} listed resources only {} differ", uris.len());
        let ids = uris.iter().filter_map(|uri| uri.strip_prefix("ec2://instance/"));
        let instances = ids.filter(|id| !id.contains('/')).map(str::to_owned).collect();
        if sizes.last() < sizes.first().map(|size| size / 2).as_ref() {
            pages.pop();
        }
        let middle = pages.get(pages.len() / 2).context("there is no page")?.clone();
        let result = connection.result(&middle).await?;
        Ok(Listing { count, pages: pages.into(), instances, entries, middle, result })
    })
    .await
}

/// The entries of a list's result.
pub(crate) fn entries(result: &Value) -> impl Iterator<Item = &Value> {
    result.get("resources").and_then(Value::as_array).into_iter().flatten()
}

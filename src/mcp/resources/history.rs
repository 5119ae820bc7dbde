//! The newest changes: of one resource, or of everything.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Content;
use crate::kinds::KindSpec;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::tools::list_changes::newest;

/// How many changes a read shows.
const CHANGES: usize = 25;

/// The newest changes of one resource, or of everything, and the calls that show older and newer ones.
///
/// # Errors
/// When nothing is known about the resource, or the store cannot be read.
pub async fn history(
    core: &Arc<Core>,
    of: Option<(&'static KindSpec, &str)>,
    uri: &str,
) -> Result<Content, RequestError> {
    let (found, arguments) = newest(core, of, CHANGES).await?;
    let mut body = Map::new();
    body.insert("uri".to_owned(), json!(uri));
    if let Some((kind, id)) = of {
        body.insert("kind".to_owned(), json!(kind.slug));
        body.insert("id".to_owned(), json!(id));
    }
    body.insert("now".to_owned(), json!(core.now()));
    body.extend(found);
    for (name, cursor) in [("older", "next_cursor"), ("newer", "newest_cursor")] {
        let Some(cursor) = body.remove(cursor) else { continue };
        let mut arguments = arguments.clone();
        arguments.insert(if name == "older" { "cursor" } else { "since" }.to_owned(), cursor);
        body.insert(name.to_owned(), json!({"tool": "list_changes", "arguments": arguments}));
    }
    Ok(Content::fleeting(Value::Object(body).to_string()))
}

//! Sends all rows of a statement, as far as a command line can use them.

use std::io;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::AsyncWrite;

use crate::connection::admin::AdminWriter;
use crate::mcp::Core;
use crate::mcp::error::RequestError;
use crate::mcp::tools::query_inventory;
use crate::query::sql::Most;

/// How much of an answer is sent: many times what a model is given, and little beside the server's memory.
const MOST: Most = Most { rows: 1_000_000, bytes: 32 << 20 };

/// How many bytes of rows are put together before they are sent.
const CHUNK: usize = 64 << 10;

/// Sends the rows, each as an array of its values. What is said of them is the answer to the request. The outer error is the
/// reader's, the inner one the statement's.
pub(super) async fn query<W: AsyncWrite + Unpin>(
    core: &Arc<Core>,
    sql: String,
    as_of: Option<String>,
    out: &mut AdminWriter<'_, W>,
) -> io::Result<Result<Value, RequestError>> {
    let as_of = as_of.map(Into::into);
    let asked = match query_inventory::ask(core, sql, as_of.as_ref(), MOST).await {
        Ok(asked) => asked,
        Err(fault) => return Ok(Err(fault)),
    };
    let mut lines = Vec::new();
    for row in &asked.found.rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
        if lines.len() >= CHUNK {
            out.records(&lines).await?;
            lines.clear();
        }
    }
    out.records(&lines).await?;
    Ok(Ok(Value::Object(asked.fields(asked.found.rows.len()))))
}

//! What a tool answers.

use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock, InputRequiredResult};
use serde::Serialize;
use serde_json::{Value, json};

use crate::mcp::error::CODE;
use crate::model::FailureCode;
use crate::model::text::readable;

/// Text for the model and the same as data.
#[derive(Clone, Debug)]
pub struct ToolResult {
    /// A few sentences and a compact table.
    pub text: String,
    /// Conforms to the tool's output schema.
    pub structured: Value,
    /// The kind of failure, when nothing of the request could be done.
    pub failure: Option<FailureCode>,
    /// A question that the client has to answer first; then it is the whole answer.
    pub input: Option<Box<InputRequiredResult>>,
}

impl ToolResult {
    /// An answer whose structured content is `body`.
    ///
    /// # Errors
    /// When the body cannot be put into JSON, which is a fault of Muster.
    pub fn new(text: impl Into<String>, body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(ToolResult { text: text.into(), structured: serde_json::to_value(body)?, failure: None, input: None })
    }

    /// As rmcp's answer.
    #[must_use]
    pub fn response(mut self) -> CallToolResponse {
        match self.input.take() {
            Some(input) => (*input).into(),
            None => self.result().into(),
        }
    }

    /// As rmcp's result.
    #[must_use]
    pub fn result(self) -> CallToolResult {
        let content = vec![ContentBlock::text(readable(self.text))];
        let mut result = match self.failure {
            Some(_) => CallToolResult::error(content),
            None => CallToolResult::success(content),
        };
        if let Some(code) = self.failure {
            result.meta.get_or_insert_default().insert(CODE.to_owned(), json!(code));
        }
        result.structured_content = Some(self.structured);
        result
    }
}

//! A failed request as a JSON-RPC error.

use rmcp::ErrorData;
use serde_json::json;

use super::RequestError;

impl RequestError {
    /// The error as a JSON-RPC error, about `uri` if the request named one.
    #[must_use]
    pub fn protocol(&self, uri: Option<&str>) -> ErrorData {
        let message = self.said();
        let about = || uri.map(|uri| json!({"uri": uri}));
        match self {
            // In a resource's URI the scope is part of the name, and so is the kind, so an unwatched one means not found.
            RequestError::NotWatched { .. } | RequestError::KindHidden { .. } | RequestError::KindNotWatched { .. }
                if uri.is_none() =>
            {
                ErrorData::invalid_params(message, None)
            }
            // The message says what more is known: clients take an error for this one only if its data is exactly the URI.
            RequestError::NotFound { .. }
            | RequestError::NotThen { .. }
            | RequestError::NotInAws { .. }
            | RequestError::NotWatched { .. }
            | RequestError::KindHidden { .. }
            | RequestError::KindNotWatched { .. }
            | RequestError::Removed { .. } => ErrorData::resource_not_found(message, about()),
            RequestError::Uri(_)
            | RequestError::Cursor(_)
            | RequestError::Filter(_)
            | RequestError::Argument(_)
            | RequestError::Sql(_)
            | RequestError::Past(_)
            | RequestError::Changes(_)
            | RequestError::UnknownTool { .. }
            | RequestError::OnlyReads { .. }
            | RequestError::UnknownPrompt { .. }
            | RequestError::NothingToComplete { .. }
            | RequestError::NoSession { .. }
            | RequestError::TooManySubscriptions(_) => ErrorData::invalid_params(message, about()),
            RequestError::WritesOff { .. } | RequestError::CallOver => ErrorData::invalid_request(message, None),
            RequestError::Opening
            | RequestError::KeyUnderWay
            | RequestError::NotAudited { .. }
            | RequestError::SqlBusy
            | RequestError::Failed(_)
            | RequestError::Stopping
            | RequestError::Read(_)
            | RequestError::Ingest(_)
            | RequestError::Aws(_)
            | RequestError::NotSeenYet { .. }
            | RequestError::Unsure { .. }
            | RequestError::FateUnknown { .. }
            | RequestError::Unsealed
            | RequestError::Unreadable { .. }
            | RequestError::Bodiless(_)
            | RequestError::Encode(_) => {
                let retryable = match self {
                    RequestError::Failed(_)
                    | RequestError::Bodiless(_)
                    | RequestError::Encode(_)
                    | RequestError::FateUnknown { .. }
                    | RequestError::Unsealed => false,
                    RequestError::Read(error) => error.is_retryable(),
                    _ => true,
                };
                let data = match uri {
                    Some(uri) => json!({"uri": uri, "retryable": retryable}),
                    None => json!({"retryable": retryable}),
                };
                ErrorData::internal_error(message, Some(data))
            }
        }
    }
}

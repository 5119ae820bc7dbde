//! Why nothing can be answered yet or any more, as EC2's read API says it.

use crate::ec2_api::copy_fault::CopyFault;
use crate::mcp::error::RequestError;

/// Why nothing can be answered, as EC2's read API says it.
pub(super) fn unready(error: RequestError) -> CopyFault {
    match error {
        RequestError::Opening => CopyFault::Opening,
        RequestError::Stopping => CopyFault::Stopping,
        RequestError::Read(error) => error.into(),
        error => CopyFault::Store(error.to_string()),
    }
}

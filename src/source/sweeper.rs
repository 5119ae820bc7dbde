//! Lists the pages of sweeps: from the scope's own account, and without decoding what is as it was.

use std::sync::Arc;

use super::poll::ListPages;
use super::refresh::DescribeIds;
use crate::aws::{Aws, AwsError};
use crate::kinds::KindSpec;
use crate::model::{ItemMemory, Page, Scope};

/// AWS, as the sweeps of one kind in one scope ask it.
#[derive(Clone)]
pub struct Sweeper {
    aws: Aws,
    memory: Option<Arc<dyn ItemMemory>>,
}

impl Sweeper {
    /// Makes a source of pages. Without a `memory` of the kind in the scope, every item is decoded.
    #[must_use]
    pub fn new(aws: Aws, memory: Option<Arc<dyn ItemMemory>>) -> Self {
        Sweeper { aws, memory }
    }
}

impl ListPages for Sweeper {
    /// Confirms at both ends of a listing that it is the scope's account that answers: credentials can change under a
    /// running process, and another account's empty listing would read as everything gone.
    async fn page(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        token: Option<String>,
        size: i32,
    ) -> Result<Page, AwsError> {
        let first = token.is_none();
        if first {
            Box::pin(self.aws.confirm(scope)).await?;
        }
        // On the heap while it is asked: the SDK's futures are large, and every kind of every scope has a task that rests most of
        // the time.
        let page = Box::pin(self.aws.page_of(scope, spec, token, size, self.memory.as_ref())).await?;
        if page.next.is_none() {
            Box::pin(self.aws.confirm(scope)).await?;
        }
        Ok(page)
    }
}

impl DescribeIds for Sweeper {
    async fn describe(&self, scope: &Scope, spec: &'static KindSpec, ids: &[String]) -> Result<Page, AwsError> {
        Box::pin(DescribeIds::describe(&self.aws, scope, spec, ids)).await
    }
}

//! The data that all checks of one region share.

use super::local::RunningServer;
use crate::aws::Aws;
use crate::aws::queue::Queue;
use crate::config::Config;
use crate::kinds::rules::DEFAULT_NAME;
use crate::model::Scope;

/// A region with its configuration, its connection to AWS and the running server.
pub(crate) struct Examined<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) scope: Scope,
    pub(crate) config: &'a Config,
    pub(crate) server: Option<&'a dyn RunningServer>,
}

impl Examined<'_> {
    /// Whether a queue is in this region. A queue without a region is in the first one that is watched.
    pub(crate) fn has(&self, queue: &Queue) -> bool {
        let first = || self.aws.regions().into_iter().next();
        queue.region().cloned().or_else(first).as_ref() == Some(&self.scope.region)
    }

    /// Returns the sentence that says how to mend what `muster setup` made here under a name.
    pub(crate) fn mending(&self, name: &str) -> String {
        let profile = self.config.selection.profile.as_ref();
        let profile = profile.map(|profile| format!(" --profile {profile}")).unwrap_or_default();
        let named = if name == DEFAULT_NAME { String::new() } else { format!(" --name {name}") };
        format!("Run `muster setup{profile} --region {}{named}`.", self.scope.region)
    }
}

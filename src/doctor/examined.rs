//! What all checks of one region share.

use super::local::RunningServer;
use crate::aws::Aws;
use crate::aws::queue::Queue;
use crate::config::Config;
use crate::kinds::rules::DEFAULT_NAME;
use crate::model::Scope;

/// One region, what is asked about it, and whom.
pub(crate) struct Examined<'a> {
    pub(crate) aws: &'a Aws,
    pub(crate) scope: Scope,
    pub(crate) config: &'a Config,
    pub(crate) server: Option<&'a dyn RunningServer>,
}

impl Examined<'_> {
    /// Whether a queue is in this region; one that does not say is in the first that is watched.
    pub(crate) fn has(&self, queue: &Queue) -> bool {
        let first = || self.aws.regions().into_iter().next();
        queue.region().cloned().or_else(first).as_ref() == Some(&self.scope.region)
    }

    /// The command that mends what `muster setup` makes here under a name.
    pub(crate) fn mending(&self, name: &str) -> String {
        let profile = self.config.selection.profile.as_ref();
        let profile = profile.map(|profile| format!(" --profile {profile}")).unwrap_or_default();
        let named = if name == DEFAULT_NAME { String::new() } else { format!(" --name {name}") };
        format!("Run `muster setup{profile} --region {}{named}`.", self.scope.region)
    }
}

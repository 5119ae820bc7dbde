//! The errors of setup and teardown.

use crate::aws::AwsError;
use crate::model::Region;

/// Why a region was not set up or torn down.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A call failed.
    #[error("{source}. {}", source.advice())]
    Aws {
        /// The failure.
        #[from]
        source: AwsError,
    },
    /// A queue or rule of somebody else has one of the names.
    #[error(
        "{} without the tag muster:created-by=muster, so nothing was changed in {region}: choose other names with --name, or \
         give --adopt to let Muster take over and change what exists",
        others(things)
    )]
    Foreign {
        /// The region.
        region: Region,
        /// The queues and rules, such as `the rule muster-tags`.
        things: Vec<String>,
    },
    /// EventBridge interprets a pattern in another way than intended.
    #[error(
        "EventBridge says that the pattern of the rule {rule} {fault}; nothing was changed in {region}. This is a fault of \
         Muster: report it with the version of Muster and this message"
    )]
    Pattern {
        /// The region.
        region: Region,
        /// The rule.
        rule: String,
        /// What is wrong with the pattern.
        fault: &'static str,
    },
    /// SQS still blocks the name of a deleted queue.
    #[error(
        "SQS blocks the name of a deleted queue for 60 seconds, and still blocks {queue} after {waited} s: run the command again \
         in a minute"
    )]
    KeptBack {
        /// The queue.
        queue: String,
        /// How long setup waited, in seconds.
        waited: u64,
    },
    /// A queue was deleted meanwhile.
    #[error("somebody deleted the queue {queue} meanwhile: run the command again")]
    Gone {
        /// The queue.
        queue: String,
    },
}

fn others(things: &[String]) -> String {
    let verb = if things.len() == 1 { "exists" } else { "exist" };
    format!("{} {verb}", things.join(", "))
}

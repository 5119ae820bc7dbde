//! Why a region is not as ordered.

use crate::aws::AwsError;
use crate::model::Region;

/// Why a region is not as ordered.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A call failed.
    #[error("{source}. {}", source.advice())]
    Aws {
        /// How.
        #[from]
        source: AwsError,
    },
    /// Something of another has one of the names.
    #[error(
        "{} without the tag muster:created-by=muster, so nothing was changed in {region}: choose other names with --name, or \
         let Muster take over and change what is there with --adopt",
        others(things)
    )]
    Foreign {
        /// Where.
        region: Region,
        /// What it is, such as `the rule muster-tags`.
        things: Vec<String>,
    },
    /// AWS reads a pattern in another way than it is meant.
    #[error(
        "EventBridge says that the pattern of the rule {rule} {fault}; nothing was changed in {region}. This is a fault of \
         Muster: report it with the version of Muster and this message"
    )]
    Pattern {
        /// Where.
        region: Region,
        /// The rule.
        rule: String,
        /// In which way.
        fault: &'static str,
    },
    /// The name of a deleted queue is still kept back.
    #[error(
        "SQS keeps the name of a deleted queue back for 60 seconds, and {queue} still after {waited} s: run it again in a \
         minute"
    )]
    KeptBack {
        /// The queue.
        queue: String,
        /// How long was waited, in seconds.
        waited: u64,
    },
    /// A queue went away while it was worked on.
    #[error("the queue {queue} is gone since it was looked at: run it again")]
    Gone {
        /// The queue.
        queue: String,
    },
}

fn others(things: &[String]) -> String {
    let verb = if things.len() == 1 { "exists" } else { "exist" };
    format!("{} {verb}", things.join(", "))
}

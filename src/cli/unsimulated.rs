//! `muster demo` and `muster simulate` in a build without the simulator: both say how to build it in.

use std::ffi::OsString;

use clap::Args;

/// Arguments that are ignored.
#[derive(Clone, Debug, Args)]
pub(super) struct Unsimulated {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

impl Unsimulated {
    /// Fails, and says what to do.
    #[expect(clippy::unused_async, reason = "takes the place of a command that runs")]
    pub(super) async fn run(self) -> anyhow::Result<()> {
        anyhow::bail!(
            "this Muster was built without its simulator; build it with the feature `simulator`, which is on by default"
        )
    }
}

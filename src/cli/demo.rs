//! `muster demo`.

use std::io::{self, IsTerminal};

use clap::Args;

use super::output::Output;
use crate::app::demo;

/// How many instances are simulated without `--instances`.
const INSTANCES: usize = 2000;

/// The arguments of `muster demo`.
#[derive(Clone, Debug, Args)]
pub(super) struct Demo {
    /// Afterwards serve the simulated account over HTTP until Ctrl-C, and print what to paste into a client
    #[arg(long)]
    keep: bool,
    /// How many instances the simulated account has [default: 2000]
    #[arg(long, value_name = "N")]
    instances: Option<usize>,
}

impl Demo {
    /// Runs the demo, and prints its steps on standard output.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let plain = set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let demo = demo::DemoOptions {
            instances: self.instances.unwrap_or(INSTANCES),
            keep: self.keep,
            colours: io::stdout().is_terminal() && !plain,
            progress: io::stderr().is_terminal() && !plain,
        };
        demo.run(&mut Output::stdout()).await
    }
}

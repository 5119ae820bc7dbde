//! `muster prices`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::table::{Medium, Table};
use super::warnings;
use crate::aws::AwsClock;
use crate::config::{ConfigError, Environment};
use crate::model::Clock;
use crate::model::text::shown;
use crate::query::prices::{Coverage, LEAVES_OUT, PriceTable};

/// Which prices.
#[derive(Clone, Debug, Args)]
pub(super) struct Prices {
    /// A file of list prices in place of those that Muster carries
    #[arg(long, env = "MUSTER_PRICES", value_name = "FILE", hide_env_values = true)]
    #[expect(clippy::struct_field_names, reason = "named as its flag")]
    prices: Option<PathBuf>,
    /// Print the whole table that Muster carries, in the form that --prices takes
    #[arg(long, conflicts_with_all = ["json", "prices"])]
    print: bool,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

impl Prices {
    /// Shows date and coverage on standard output.
    pub(super) fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let mut output = Output::stdout();
        if self.print {
            return Ok(output.text(PriceTable::carried_text().as_bytes())?);
        }
        let given = self.prices.filter(|path| !path.as_os_str().is_empty());
        let table = match &given {
            None => PriceTable::carried(),
            Some(path) => Arc::new(PriceTable::read(path).map_err(|error| ConfigError::Prices {
                source_name: environment.source("--prices", &path.to_string_lossy()),
                why: error.to_string(),
            })?),
        };
        let Coverage { regions, instance_types, instance_prices, volume_types } = table.coverage();
        let is_old = table.is_old(AwsClock::default().now());
        let [source, taken_from] = [table.source(), table.taken_from()].map(|text| shown(text, 200));
        if self.json {
            let answer = json!({
                "published": table.published(), "may_have_changed": is_old, "source": source, "taken_from": taken_from,
                "regions": regions, "instance_types": instance_types, "instance_prices": instance_prices,
                "volume_types": volume_types, "leaves_out": LEAVES_OUT,
            });
            return Ok(output.line(&format!("{answer:#}"))?);
        }
        let mut shown = Table::new(&["prices", "value"]);
        let mut put = |name: &str, value: String| shown.row(vec![name.to_owned(), value]);
        put("published by AWS", table.published().to_string());
        put("price list", source);
        put("taken from", taken_from);
        put("regions", format!("{}: {}", regions.len(), regions.join(" ")));
        put("instance types", format!("{instance_types}, with {instance_prices} prices"));
        put("volume types", volume_types.join(" "));
        put("also", "snapshots, public IPv4 addresses".to_owned());
        put("leaves out", LEAVES_OUT.to_owned());
        output.text(shown.print(Medium::stdout()).as_bytes())?;
        if is_old {
            warnings::say("old: AWS published these prices more than 180 days ago; list prices may have changed");
        }
        Ok(())
    }
}

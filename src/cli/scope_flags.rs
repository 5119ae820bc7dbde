//! The flags that narrow a question to some accounts, beside `--region`.

use clap::Args;
use serde_json::{Map, Value, json};

/// Which accounts a question is about; all that are watched without them.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ScopeFlags {
    /// Only this AWS account, by number or name
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// Only accounts below this organizational unit, by path or name, such as /Workloads
    #[arg(long, value_name = "OU")]
    ou: Option<String>,
}

impl ScopeFlags {
    /// Puts them, and the region, into the arguments of a tool.
    pub(super) fn put(&self, region: Option<&String>, arguments: &mut Map<String, Value>) {
        let given = [("account", self.account.as_ref()), ("ou", self.ou.as_ref()), ("region", region)];
        for (name, value) in given {
            if let Some(value) = value {
                arguments.insert(name.to_owned(), json!(value));
            }
        }
    }
}

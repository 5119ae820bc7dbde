//! Several accounts, each reached by a role: their configuration file, and boto3 in one of them.

use std::fs;
use std::path::PathBuf;

use super::muster::Sandbox;

/// The ARN of the role by which an account is reached.
pub(crate) fn role(account: &str) -> String {
    format!("arn:aws:iam::{account}:role/path/reader")
}

/// The configuration file of a sandbox that lists accounts.
pub(crate) struct AccountsFile {
    path: PathBuf,
    regions: Vec<String>,
}

impl AccountsFile {
    /// A file with these regions for all accounts, and no accounts yet.
    pub(crate) fn new(sandbox: &Sandbox, regions: &[&str]) -> AccountsFile {
        let regions = regions.iter().map(|region| (*region).to_owned()).collect();
        AccountsFile { path: sandbox.path().join("muster.toml"), regions }
    }

    /// Writes it with these accounts: what each is called, and its number.
    pub(crate) fn write(&self, accounts: &[(&str, &str)]) {
        let with_ids = accounts.iter().map(|(name, account)| (*name, *account, None));
        self.write_with_ids(&with_ids.collect::<Vec<_>>());
    }

    /// The same, with the external ids that the roles ask for.
    pub(crate) fn write_with_ids(&self, accounts: &[(&str, &str, Option<&str>)]) {
        let head = format!("regions = {:?}\n", self.regions);
        let entries = accounts.iter().map(|(name, account, external_id)| {
            let entry = format!("\n[[accounts]]\nname = {name:?}\nrole_arn = {:?}\n", role(account));
            entry + &external_id.map(|id| format!("external_id = {id:?}\n")).unwrap_or_default()
        });
        let text: String = std::iter::once(head).chain(entries).collect();
        fs::write(&self.path, text).unwrap();
    }

    /// Its path.
    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}

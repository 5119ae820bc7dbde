//! `muster config init`: a first configuration file, from the profiles at hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::Value;

use super::super::output::Output;
use crate::aws::profiles::known::{KnownProfile, known_profiles};
use crate::config::{Environment, is_region};
use crate::model::AccountId;
use crate::telemetry;

/// The name that stands for standard output.
const STDOUT: &str = "-";

/// The arguments of `muster config init`.
#[derive(Clone, Debug, Args)]
pub(super) struct InitialFile {
    /// The file to write, or - to print it; one that exists is never overwritten
    #[arg(value_name = "FILE", default_value = "muster.toml")]
    file: PathBuf,
}

/// Why the file was not written.
#[derive(Debug, thiserror::Error)]
enum InitialFileError {
    /// It is there already.
    #[error("{} exists already: give another name, or - to print it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("cannot write {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system answered.
        #[source]
        source: std::io::Error,
    },
}

impl InitialFile {
    /// Writes the file, and says what to do with it.
    ///
    /// # Errors
    /// [`InitialFileError`].
    pub(super) fn run(self, environment: &Environment) -> anyhow::Result<()> {
        let text = text(&known_profiles());
        if self.file == Path::new(STDOUT) {
            return Ok(Output::stdout().text(text.as_bytes())?);
        }
        let path = environment.absolute(&self.file);
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(InitialFileError::Exists { path }.into());
            }
            opened => opened.map_err(|source| InitialFileError::Io { path: path.clone(), source })?,
        };
        file.write_all(text.as_bytes()).map_err(|source| InitialFileError::Io { path: path.clone(), source })?;
        Output::stdout().line(&format!("wrote {}", path.display()))?;
        telemetry::say("Read it, and check it with `muster config check`. Name it with --config or MUSTER_CONFIG.");
        Ok(())
    }
}

/// The text of a file that watches the accounts of these profiles.
fn text(profiles: &[KnownProfile]) -> String {
    let mut text = String::from(
        "# The configuration of Muster. `muster help configuration` explains every key, `muster config check FILE` says what\n\
         # the file means, and `muster serve --config FILE` uses it. It holds no secrets.\n\n\
         # Settings have the names of the flags of `muster serve`, with _ for -. Some of them:\n\
         # aws_share = 0.25\n\
         # list = \"auto\"\n\
         # kinds = [\"instance\", \"vpc\", \"subnet\", \"security-group\"]\n\
         # interval = { instance = \"60s\", all = \"5m\" }\n\
         # events = true\n\
         # retain_age = \"30d\"\n\n",
    );
    let is_common = profiles.iter().any(|profile| region(profile).is_none());
    text.push_str("# The regions of accounts that name none: \"all\" that are enabled, or names.\n");
    text.push_str(if is_common { "regions = \"all\"\n" } else { "# regions = \"all\"\n" });
    if profiles.is_empty() {
        text.push_str(
            "\n# No profile was found in AWS's configuration files. An account is given by a profile:\n\
             [[accounts]]\n\
             name = \"default\"\n\
             profile = \"default\"\n",
        );
        text = text.replace("# regions = ", "regions = ");
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for profile in profiles {
        let before = profile.account.as_deref().and_then(|account| seen.insert(account, &profile.name));
        entry(profile, before, &mut text);
    }
    text.push_str(
        "\n# An account can also be given by a role, which a profile or AWS's own chain assumes:\n\
         # [[accounts]]\n\
         # name = \"production\"\n\
         # role_arn = \"arn:aws:iam::111122223333:role/muster\"\n\
         # external_id = \"muster-7\"\n\
         # source_profile = \"hub\"\n\
         # via = [{ role_arn = \"arn:aws:iam::444455556666:role/hub\" }]\n\
         # regions = [\"eu-west-1\", \"us-east-1\"]\n",
    );
    text.push_str(
        "\n# All accounts of an organization can be watched, by a role that each of them has:\n\
         # [organization]\n\
         # profile = \"management\"\n\
         # role_name = \"muster\"\n\
         # exclude = [\"/Sandbox\", \"444455556666\", \"tag:muster=no\"]\n",
    );
    text
}

/// Adds the entry of a profile, as a comment where the profile `before` leads to the same account.
fn entry(profile: &KnownProfile, before: Option<&str>, text: &mut String) {
    let mut lines = vec!["[[accounts]]".to_owned()];
    if !AccountId::is_valid(&profile.name) {
        lines.push(format!("name = {}", quoted(&profile.name)));
    }
    lines.push(format!("profile = {}", quoted(&profile.name)));
    if let Some(account) = profile.account.as_deref().filter(|account| AccountId::is_valid(account)) {
        lines.push(format!("account = {}", quoted(account)));
    }
    if let Some(region) = region(profile) {
        lines.push(format!("regions = [{}]", quoted(region)));
    }
    text.push('\n');
    if let Some(role) = &profile.role {
        let by = profile.source.as_ref().map(|source| format!(" by profile {}", quoted(source))).unwrap_or_default();
        remark(text, &format!("It assumes {}{by}.", quoted(role)));
    }
    if let Some(before) = before {
        remark(
            text,
            &format!("It leads to the same account as profile {}, and an account stands once.", quoted(before)),
        );
    }
    for line in lines {
        let sign = if before.is_some() { "# " } else { "" };
        // Writing to a text does not fail.
        let _written = writeln!(text, "{sign}{line}");
    }
}

fn remark(text: &mut String, remark: &str) {
    text.push_str("# ");
    text.push_str(remark);
    text.push('\n');
}

fn region(profile: &KnownProfile) -> Option<&str> {
    profile.region.as_deref().filter(|region| is_region(region))
}

/// A text of TOML. That of JSON is one too, but for a character that JSON leaves as it is.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

#[cfg(test)]
mod tests {
    use super::super::super::server_flags::ServerFlags;
    use super::*;
    use crate::aws::Regions;

    fn profile(name: &str, account: Option<&str>, region: Option<&str>) -> KnownProfile {
        KnownProfile {
            name: name.to_owned(),
            region: region.map(str::to_owned),
            account: account.map(str::to_owned),
            role: account.map(|account| format!("arn:aws:iam::{account}:role/muster")),
            source: Some("hub".to_owned()),
        }
    }

    #[test]
    fn the_file_that_is_written_can_be_read_whatever_the_profiles_are() {
        let (one, other) = (Some("111122223333"), Some("444455556666"));
        let several = vec![
            profile("dev", one, Some("eu-west-1")),
            profile("dev \"admin\"\n", one, None),
            profile("123456789012", other, Some("<region>")),
            profile("prod", None, None),
        ];
        for (profiles, expected) in [(several, 3), (vec![profile("a", one, Some("eu-west-1"))], 1), (vec![], 1)] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("muster.toml");
            std::fs::write(&path, text(&profiles)).unwrap();
            let environment = Environment::of(&[], Some("/state"));
            let config = ServerFlags::of_file(path).config(&environment).unwrap();
            assert_eq!(config.accounts.len(), expected, "{}", text(&profiles));
            let is_all = config.accounts[0].regions == Regions::All { home: None };
            assert_eq!(is_all, profiles.is_empty(), "{}", text(&profiles));
        }
    }
}

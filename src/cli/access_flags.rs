//! The flags that say who is let in over HTTP.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};

use crate::config::tidy::bare;
use crate::config::{AccessOptions, Environment};
use crate::mcp::auth::PublicUrl;

/// Who is let in over HTTP.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct AccessFlags {
    /// Let only those in over HTTP who have a token of this file, which `muster token` writes
    ///
    /// The file holds no tokens, only their hashes. It is read again on SIGHUP, `muster reload` and by `muster token`. Issuers of
    /// OAuth stand in the configuration file: see `muster help http-auth`.
    #[arg(long, env = "MUSTER_TOKEN_FILE", value_name = "FILE", value_parser = given_path(), hide_env_values = true)]
    pub(super) token_file: Option<PathBuf>,
    /// The URL at which clients reach the server, by which OAuth names it, such as `https://muster.example.com/mcp`
    ///
    /// Without it, it is made of the Host header of a request.
    #[arg(long, env = "MUSTER_PUBLIC_URL", value_name = "URL", hide_env_values = true)]
    pub(super) public_url: Option<PublicUrl>,
}

/// Reads the path of a file of tokens. A blank one is refused: as no path at all it would let everybody in.
pub(super) fn given_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path: PathBuf| {
        let is_blank = path.to_str().is_some_and(|text| bare(text).is_empty());
        if is_blank { Err("it is blank: give the path of a file, or leave it out") } else { Ok(path) }
    })
}

impl AccessFlags {
    /// The flags that give the settings of `options` that flags can give.
    pub(super) fn of(options: &AccessOptions) -> Self {
        AccessFlags { token_file: options.token_file.clone(), public_url: options.public_url.clone() }
    }

    /// The flags as settings. What the file says of issuers is not among them.
    pub(super) fn options(self, environment: &Environment) -> AccessOptions {
        AccessOptions {
            token_file: self.token_file.map(|path| environment.absolute(&path)),
            public_url: self.public_url,
            ..AccessOptions::default()
        }
    }

    /// The flags as arguments, if they are given.
    pub(super) fn words(&self) -> Vec<OsString> {
        let file = self.token_file.iter().flat_map(|path| ["--token-file".into(), path.clone().into()]);
        let url = self.public_url.iter().flat_map(|url| ["--public-url".into(), url.to_string().into()]);
        file.chain(url).collect()
    }
}

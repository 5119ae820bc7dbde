//! Who is let in over HTTP, as flags and the configuration file say.

use std::path::PathBuf;

use crate::mcp::auth::{IssuerPlan, PublicUrl};
use crate::policy::GrantBook;

/// Who is let in over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessOptions {
    /// The file of the server's own tokens, as an absolute path.
    pub token_file: Option<PathBuf>,
    /// The URL at which clients reach the server; `None`: what their `Host` header says.
    pub public_url: Option<PublicUrl>,
    /// The issuers whose access tokens are accepted.
    pub issuers: Vec<IssuerPlan>,
    /// The grants that tokens and issuers refer to.
    pub grants: GrantBook,
}

impl AccessOptions {
    /// Whether clients have to say who they are.
    #[must_use]
    pub fn lets_in_known_only(&self) -> bool {
        self.token_file.is_some() || !self.issuers.is_empty()
    }

    /// The settings of flags, and those of a file where they are not given.
    #[must_use]
    pub fn over(self, file: AccessOptions) -> Self {
        AccessOptions {
            token_file: self.token_file.or(file.token_file),
            public_url: self.public_url.or(file.public_url),
            ..file
        }
    }

    /// The issuers, each with what its tokens must be for: what it names, else `server` as its metadata says it.
    ///
    /// # Errors
    /// An issuer for which there is neither: tokens of it for other servers would count here.
    pub fn plans(&self, server: Option<&PublicUrl>) -> Result<Vec<IssuerPlan>, String> {
        let plan = |plan: &IssuerPlan| match server {
            _ if !plan.audiences.is_empty() => Ok(plan.clone()),
            Some(server) => Ok(IssuerPlan { audiences: [server.to_string()].into(), ..plan.clone() }),
            None => Err(plan.issuer.clone()),
        };
        self.issuers.iter().map(plan).collect()
    }

    /// These settings with the issuers and grants of `file`.
    #[must_use]
    pub fn with_lists_of(self, file: AccessOptions) -> Self {
        AccessOptions { issuers: file.issuers, grants: file.grants, ..self }
    }
}

//! Whether a server with these settings could serve: what a running server asks before it ends for one with other flags.
//!
//! What keeps a server from starting counts, and so does what only shows later: a profile that there is not, an audit file that cannot
//! be written. Whoever gave the flags is there now to be told.

use std::net::SocketAddr;

use super::doors::{DoorError, bind_http};
use crate::app::access::AccessDesk;
use crate::app::ec2_keys::{Ec2Keys, Ec2KeysError};
use crate::app::tls_files::{TlsError, TlsFiles};
use crate::audit::AuditProgress;
use crate::aws::Aws;
use crate::aws::profiles::Weight;
use crate::config::{Config, ServerOptions};
use crate::mcp::auth::token_file::TokenFileError;

/// Why a server with these settings could not serve.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It could not listen.
    #[error(transparent)]
    Door(#[from] DoorError),
    /// It could not use its file of tokens.
    #[error(transparent)]
    Tokens(#[from] TokenFileError),
    /// It could not use its file of the keys of EC2's read API.
    #[error(transparent)]
    Ec2Keys(#[from] Ec2KeysError),
    /// It could not use its certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// It could not write its audit file.
    #[error("{why}: make its directory, or name another file with --audit-file")]
    Audit {
        /// What is wrong with the file.
        why: String,
    },
    /// AWS's configuration files do not hold its profile.
    #[error("the profile {profile} cannot be used: {faults}")]
    Profile {
        /// The profile.
        profile: String,
        /// What is wrong with the files.
        faults: String,
    },
}

/// Checks whether a server of `config` could serve once the one that listens at `held` has ended.
///
/// # Errors
/// Why it could not.
pub async fn check(config: &Config, options: &ServerOptions, held: Option<SocketAddr>) -> Result<(), TrialError> {
    if let Some((certificate, key)) = options.listen.tls() {
        drop(TlsFiles::open(certificate, key)?);
    }
    let ec2_api = &options.listen.ec2_api;
    if let Some(keys) = ec2_api.keys.as_deref().filter(|_| ec2_api.address.is_some()) {
        Ec2Keys::read(keys, &options.access.grants)?;
    }
    if let Some(address) = options.listen.http_address().filter(|address| held != Some(*address)) {
        drop(bind_http(address).await?);
    }
    AccessDesk::open(&options.access, None)?;
    if let Some(audit) = &config.audit
        && let Some(why) = AuditProgress::of(audit).obstacle_soon().await
    {
        return Err(TrialError::Audit { why });
    }
    // A profile of a variable is one way among others to get credentials; that of the flag is the only one.
    let Some(profile) = &config.selection.profile else { return Ok(()) };
    let mut faults = Aws::load(config.aws_settings()).await.file_faults();
    // A file that is missing does no harm where the other one has the profile.
    faults.retain(|fault| fault.weight != Weight::Missing || fault.what.contains(&format!("profile {profile}")));
    if faults.is_empty() {
        return Ok(());
    }
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Err(TrialError::Profile { profile: profile.clone(), faults: faults.join("; ") })
}

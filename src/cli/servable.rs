//! What a server needs to listen as its settings say.

use crate::app::ec2_keys::Ec2Keys;
use crate::config::{AccessOptions, ListenSettings};

/// Checks what a server needs to listen as `listen` says, and lets in whom `access` says.
///
/// # Errors
/// When `muster serve` would not start with these settings.
pub(super) fn servable(listen: &ListenSettings, access: &AccessOptions) -> anyhow::Result<()> {
    listen.check(access.lets_in_known_only())?;
    listen.check_effect()?;
    if let Some(keys) = &listen.ec2_api.keys {
        Ec2Keys::read(keys, &access.grants)?;
    }
    Ok(())
}

//! Credentials that are resolved once and then kept.

use std::fmt;

use aws_smithy_runtime_api::client::identity::{
    Identity, IdentityFuture, ResolveCachedIdentity, ResolveIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use tokio::sync::OnceCell;

/// Gives every call the identity that the first call resolved.
pub(super) struct HeldIdentity {
    /// The shared cache, which the first call uses, so that it costs no more than other calls: it may renew expired credentials.
    shared: Option<SharedIdentityCache>,
    identity: OnceCell<Identity>,
}

impl HeldIdentity {
    pub(super) fn new(shared: Option<SharedIdentityCache>) -> Self {
        HeldIdentity { shared, identity: OnceCell::new() }
    }
}

impl fmt::Debug for HeldIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeldIdentity").finish_non_exhaustive()
    }
}

impl ResolveCachedIdentity for HeldIdentity {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            let first = || async {
                match &self.shared {
                    Some(shared) => shared.resolve_cached_identity(resolver, components, bag).await,
                    None => resolver.resolve_identity(components, bag).await,
                }
            };
            self.identity.get_or_try_init(first).await.cloned()
        })
    }
}

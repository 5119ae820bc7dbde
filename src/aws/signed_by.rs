//! Which key signs a call, so that its answer counts only for the account of that key.
//!
//! Credentials can change while a call waits or is under way: somebody writes another key into a file, or a helper gives another one.
//! Who is asked afterwards whose credentials they are then tells of the new ones.

use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use futures::FutureExt;
use parking_lot::Mutex;

use super::Aws;
use super::error::AwsError;
use super::limiter::Priority;
use super::sdk::Sdk;
use crate::model::Scope;

/// Notes the key that signs a call. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct SignedBy(Arc<Mutex<Option<String>>>);

impl SignedBy {
    /// The id of the key; `None` before the call is signed.
    pub(super) fn key(&self) -> Option<String> {
        self.0.lock().clone()
    }
}

impl Intercept for SignedBy {
    fn name(&self) -> &'static str {
        "SignedBy"
    }

    fn read_after_signing(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let signature = context.request().headers().get("authorization").unwrap_or_default();
        let credential = signature.split_once("Credential=").and_then(|(_, rest)| rest.split_once('/'));
        *self.0.lock() = credential.map(|(key, _)| key.to_owned());
        Ok(())
    }
}

impl Aws {
    /// Checks that the credentials that a call was made with belong to the account of `scope`: those of `sdk`, by the key `signed`.
    ///
    /// # Errors
    /// As [`Aws::confirm_for`]; also if the credentials were exchanged since the call was signed.
    pub(super) async fn confirm_signed(
        &self,
        (scope, action): (&Scope, &'static str),
        sdk: &Arc<Sdk>,
        signed: &SignedBy,
        priority: Priority,
    ) -> Result<(), AwsError> {
        // A key that is known has told the truth, also where another one took its place meanwhile.
        let is_known = || {
            let (signed, now) = (signed.key(), self.account_of(scope).loaded());
            signed.is_some_and(|key| [sdk, &now].iter().any(|sdk| sdk.loaded.belongs(&key, &scope.account)))
        };
        if is_known() {
            return Ok(());
        }
        self.confirm_for(scope, priority).boxed().await?;
        let now = self.account_of(scope).loaded();
        let is_same = match (signed.key(), now.loaded.key()) {
            (Some(signed), Some(loaded)) => signed == loaded || is_known(),
            _ => Arc::ptr_eq(&now, sdk),
        };
        if is_same { Ok(()) } else { Err(AwsError::exchanged(&self.call(scope, action))) }
    }
}

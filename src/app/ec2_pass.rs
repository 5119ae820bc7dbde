//! Passes on to AWS what the copy cannot answer, a few calls at a time.

use std::sync::{Arc, LazyLock};

use tokio::time::Instant;

use super::named_place::NamedPlace;
use crate::aws::{PassTurn, PassTurns, PassedAnswer};
use crate::config::{Ec2ApiPass, Ec2ApiSettings};
use crate::ec2_api::action::Ec2Action;
use crate::ec2_api::copy_fault::CopyFault;
use crate::ec2_api::fault::Ec2Fault;
use crate::ec2_api::pass_desk::{AT_ONCE, PassDesk};
use crate::ec2_api::passed_call::PassedCall;
use crate::ec2_api::passing::{PassTerms, passed_call};
use crate::mcp::Core;
use crate::model::SecretTags;

/// No tags at all.
static NO_SECRETS: LazyLock<SecretTags> = LazyLock::new(|| SecretTags::new::<&str>(&[], &[0; 32]));

/// What passes calls on.
#[derive(Clone)]
pub(super) struct Ec2Pass {
    is_on: bool,
    turns: Arc<PassTurns>,
}

/// A request as it came: its action, the query of its URL, and its body.
#[derive(Clone, Copy)]
pub(super) struct ArrivedCall<'r> {
    pub(super) action: Ec2Action,
    pub(super) query: &'r str,
    pub(super) body: &'r [u8],
}

impl Ec2Pass {
    pub(super) fn new(settings: &Ec2ApiSettings) -> Self {
        Ec2Pass { is_on: settings.pass == Some(Ec2ApiPass::Reads), turns: Arc::new(PassTurns::new(AT_ONCE)) }
    }

    /// Refuses a request whose action is not held and not passed on either, before anybody is asked or waited for because of it.
    /// `is_whole` says that who asks sees everything.
    pub(super) fn check(&self, arrived: ArrivedCall<'_>, is_whole: bool) -> Result<(), CopyFault> {
        match arrived.action {
            Ec2Action::Describe(_) => Ok(()),
            Ec2Action::Change(name) => Err(Ec2Fault::Changes(name).into()),
            Ec2Action::Other(name) => {
                self.call(Ec2Fault::NotHeld(name).into(), arrived, is_whole, &NO_SECRETS).map(drop)
            }
        }
    }

    /// AWS's answer to a request that the copy cannot answer because of `fault`, and the turn that it takes until it is sent. Its client
    /// may wait until then.
    ///
    /// # Errors
    /// The fault, with why AWS is not asked; or why it did not answer.
    pub(super) async fn answer(
        &self,
        fault: CopyFault,
        arrived: ArrivedCall<'_>,
        core: &Core,
        named: &NamedPlace,
        until: Instant,
    ) -> Result<(PassedAnswer, PassTurn), CopyFault> {
        let call = self.call(fault, arrived, core.visibility().is_everything(), core.aws.secrets())?;
        let turns = Arc::clone(&self.turns);
        let desk = PassDesk { aws: core.aws.clone(), freshness: core.ingest.freshness().clone(), turns };
        desk.answer(call, named.asked(), until).await
    }

    fn call(
        &self,
        fault: CopyFault,
        arrived: ArrivedCall<'_>,
        is_whole: bool,
        secrets: &SecretTags,
    ) -> Result<PassedCall, CopyFault> {
        let ArrivedCall { action, query, body } = arrived;
        passed_call(fault, action, query, body, PassTerms { is_on: self.is_on, is_whole, secrets })
    }
}

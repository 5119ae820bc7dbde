//! Has AWS answer what the copy cannot.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::asked_scope::asked_scope;
use super::copy_fault::CopyFault;
use super::passed_call::PassedCall;
use super::place::AskedPlace;
use crate::aws::{Aws, AwsError, LONGEST_PASSED, PassFault, PassedAnswer};
use crate::freshness::Freshness;
use crate::model::{ErrorClass, Scope};

/// How many calls are made at once, with their answers, which may take some megabytes each.
pub const AT_ONCE: usize = 8;

/// How long an answer may take, with waiting for Muster's share of AWS's limits and for a turn. Clients wait for a minute.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where AWS's answers come from.
pub struct PassDesk {
    /// Asks AWS.
    pub aws: Aws,
    /// Which scopes are watched.
    pub freshness: Freshness,
    /// The turns to be answered, [`AT_ONCE`] of them.
    pub turns: Arc<Semaphore>,
}

impl PassDesk {
    /// What AWS answers to a call, with the credentials that Muster has for its account and region. It is asked once, as soon as Muster's
    /// share of AWS's limits allows. The turn is over once the answer is sent.
    ///
    /// # Errors
    /// [`CopyFault`]: Muster does not watch the place, or AWS did not answer, or only about Muster's own credentials.
    pub async fn answer(
        &self,
        call: PassedCall,
        asked: AskedPlace<'_>,
    ) -> Result<(PassedAnswer, OwnedSemaphorePermit), CopyFault> {
        let until = Instant::now() + PATIENCE;
        let watched: BTreeSet<Scope> = self.freshness.scopes().into_iter().map(|state| state.scope).collect();
        let scope = asked_scope(&self.freshness, asked, &watched)?;
        let permission = call.read.permission();
        let answer = self.aws.pass(&scope, permission, call.form, &self.turns, until).await;
        answer.map_err(|fault| match fault {
            PassFault::Share => CopyFault::Crowded { permission },
            PassFault::Turn => CopyFault::Queued { most: AT_ONCE },
            PassFault::TooLong => CopyFault::Overlong { most: LONGEST_PASSED },
            PassFault::Late(waited) => CopyFault::Unanswered {
                why: format!("{permission} was asked of AWS, and it did not answer within {} s", waited.as_secs()),
                fix: "Ask again later, or send this call to AWS, by a client without AWS_ENDPOINT_URL_EC2".to_owned(),
            },
            PassFault::Failed(error) => unanswered(&error),
        })
    }
}

/// Why AWS answered nothing that could be handed on.
fn unanswered(error: &AwsError) -> CopyFault {
    let (why, fix) = (error.to_string().trim_end_matches('.').to_owned(), error.fix());
    match error.class {
        ErrorClass::Denied => CopyFault::Forbidden { why, fix },
        _ => CopyFault::Unanswered { why, fix },
    }
}

//! Has AWS answer what the copy cannot.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::asked_scope::asked_scope;
use super::copy_fault::CopyFault;
use super::passed_call::PassedCall;
use super::place::AskedPlace;
use crate::aws::{Aws, AwsError, LONGEST_PASSED, PassFault, PassTurn, PassTurns, PassedAnswer};
use crate::freshness::Freshness;
use crate::model::{ErrorClass, Scope};

/// How many calls are made at once, with their answers, which may take some megabytes each.
pub const AT_ONCE: usize = 8;

/// How long an answer may take, with waiting for Muster's share of AWS's limits and for a turn. Clients wait for a minute.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client can do whose call AWS did not answer.
const ELSEWHERE: &str = "Ask again later, or send this call to AWS, by a client without AWS_ENDPOINT_URL_EC2";

/// Where AWS's answers come from.
pub struct PassDesk {
    /// Asks AWS.
    pub aws: Aws,
    /// Which scopes are watched.
    pub freshness: Freshness,
    /// The turns to be answered.
    pub turns: Arc<PassTurns>,
}

impl PassDesk {
    /// What AWS answers to a call, with the credentials that Muster has for its account and region. It is asked once, as soon as Muster's
    /// share of AWS's limits allows, and waited for until then at most. The turn is over once the answer is sent.
    ///
    /// # Errors
    /// [`CopyFault`]: Muster does not watch the place, or AWS did not answer, or only about Muster's own credentials.
    pub async fn answer(
        &self,
        call: PassedCall,
        asked: AskedPlace<'_>,
        until: Instant,
    ) -> Result<(PassedAnswer, PassTurn), CopyFault> {
        let now = Instant::now();
        let watched: BTreeSet<Scope> = self.freshness.scopes().into_iter().map(|state| state.scope).collect();
        let scope = asked_scope(&self.freshness, asked, &watched)?;
        let permission = call.read.permission();
        if until <= now {
            return Err(CopyFault::Crowded { permission });
        }
        let answer = self.aws.pass(&scope, permission, call.form, &self.turns, until.min(now + PATIENCE)).await;
        answer.map_err(|fault| match fault {
            PassFault::Share => CopyFault::Crowded { permission },
            PassFault::Turn => CopyFault::Queued { most: self.turns.most(), of_scope: self.turns.most_of_scope() },
            PassFault::TooLong => CopyFault::Overlong { most: LONGEST_PASSED },
            PassFault::Late(waited) => CopyFault::Unanswered {
                why: format!("{permission} was asked of AWS, and it did not answer within {} s", waited.as_secs()),
                fix: ELSEWHERE.to_owned(),
                is_sent: true,
            },
            PassFault::Failed(error) => unanswered(&error),
        })
    }
}

/// Why AWS answered nothing that could be handed on.
fn unanswered(error: &AwsError) -> CopyFault {
    let (why, advice) = (error.to_string().trim_end_matches('.').to_owned(), error.advice());
    match error.class {
        ErrorClass::Denied => CopyFault::Forbidden { why, fix: advice },
        // Nobody makes it again by itself, as sweeps are.
        _ => CopyFault::Unanswered { why, fix: format!("{advice} {ELSEWHERE}"), is_sent: !error.is_local() },
    }
}

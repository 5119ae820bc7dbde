//! Has AWS answer what the copy cannot.

use std::collections::BTreeSet;

use tokio::time::{Instant, timeout_at};

use super::asked_scope::asked_scope;
use super::copy_fault::CopyFault;
use super::passed_call::PassedCall;
use super::place::AskedPlace;
use crate::aws::{Aws, AwsError, PassedAnswer};
use crate::freshness::Freshness;
use crate::model::{ErrorClass, Scope};

/// Where AWS's answers come from.
pub struct PassDesk {
    /// Asks AWS.
    pub aws: Aws,
    /// Which scopes are watched.
    pub freshness: Freshness,
}

impl PassDesk {
    /// What AWS answers to a call until then, with the credentials that Muster has for its account and region. It is asked once, as soon
    /// as Muster's share of AWS's limits allows.
    ///
    /// # Errors
    /// [`CopyFault`]: Muster does not watch the place, or AWS did not answer, or only about Muster's own credentials.
    pub async fn answer(
        &self,
        call: PassedCall,
        asked: AskedPlace<'_>,
        until: Instant,
    ) -> Result<PassedAnswer, CopyFault> {
        let watched: BTreeSet<Scope> = self.freshness.scopes().into_iter().map(|state| state.scope).collect();
        let scope = asked_scope(&self.freshness, asked, &watched)?;
        let permission = call.read.permission();
        match timeout_at(until, self.aws.pass(&scope, permission, call.form)).await {
            Ok(answer) => answer.map_err(|error| unanswered(&error)),
            Err(_) => Err(CopyFault::Crowded { permission }),
        }
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

//! `ClientToken`: a repeated request creates nothing and is answered with what the first one created.

use xxhash_rust::xxh3::xxh3_64;

use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::tables::{Tables, TokenTaken};

/// The token of a request, if it has one, and a hash of what the request asks for.
pub(super) struct ClientToken<'a> {
    action: &'static str,
    token: Option<&'a str>,
    asked: u64,
}

impl<'a> ClientToken<'a> {
    pub(super) fn of(params: &'a Params, action: &'static str) -> Self {
        let mut text = String::new();
        for (name, value) in params.pairs().filter(|(name, _)| !matches!(*name, "ClientToken" | "DryRun" | "Version")) {
            text.extend([name, "=", value, "\n"]);
        }
        Self { action, token: params.get("ClientToken"), asked: xxh3_64(text.as_bytes()) }
    }

    /// The number of what an earlier request with the same token made.
    pub(super) fn again(&self, tables: &Tables) -> Result<Option<u64>, Refusal> {
        let Some(token) = self.token else { return Ok(None) };
        tables.again(self.action, token, self.asked).map_err(|TokenTaken| {
            let message = "The client token you have provided is associated with a resource that has already been \
                           created with different parameters.";
            Refusal::new(400, "IdempotentParameterMismatch", message)
        })
    }

    /// Remembers what the request made.
    pub(super) fn keep(&self, tables: &mut Tables, number: u64) {
        if let Some(token) = self.token {
            tables.keep(self.action, token, self.asked, number);
        }
    }
}

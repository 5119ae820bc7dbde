//! Asks whether a call may act, in the way that its client knows, and reads what comes back.
//!
//! | client | way |
//! |---|---|
//! | protocol 2026-07-28, declares `elicitation` | the call is answered with a question and a sealed claim; the client repeats it with both |
//! | older, declares `elicitation` | the server sends `elicitation/create` while the call waits |
//! | any other | the call is answered with its plan and a token, which the client sends with the same call |
//!
//! The first two ask a person. A token proves only that the client means the call, so its plan says to ask the user.

use std::sync::Arc;

use rmcp::model::{
    BooleanSchema, CancelledNotificationParam, ClientCapabilities, ClientResult, ElicitRequest, ElicitRequestParams,
    ElicitResult, ElicitationAction, ElicitationSchema, ErrorCode, InputRequest, InputRequests, InputRequiredResult,
    InputResponses, JsonObject, PrimitiveSchemaDefinition, RequestId, ServerRequest,
};
use rmcp::service::{OriginatingRequestId, Peer, PeerRequestOptions, RoleServer, ServiceError};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::claim_desk::ClaimDesk;
use super::error::RequestError;
use super::told::ProgressNote;
use crate::model::ConfirmationWay;
use crate::policy::confirmation::{Claim, HOLDS, Unconfirmed};

/// The name of the question, and of its one field.
const CONFIRM: &str = "confirm";

/// How the client of a call can be asked.
#[derive(Clone, Default)]
pub enum AskWay {
    /// In the result of the call, which comes again with the answers and the claim.
    Result {
        /// The answers, when the call comes again.
        answers: Option<InputResponses>,
        /// The sealed claim, when the call comes again.
        claim: Option<String>,
    },
    /// By a request to the client, while the call waits.
    Request {
        /// The client.
        peer: Peer<RoleServer>,
        /// The call that waits, whose stream carries the question over HTTP.
        call: RequestId,
        /// Cancelled when nobody waits for the call any more.
        ended: CancellationToken,
        /// Cancelled when the client has closed its end.
        closed: CancellationToken,
        /// Cancelled when the server is about to stop, before it waits for calls that change AWS.
        stopping: CancellationToken,
    },
    /// Not at all: it can only be shown the plan.
    #[default]
    Token,
}

/// That a call may act, if its plan is still the one that was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    claim: Claim,
    /// How.
    pub way: ConfirmationWay,
}

/// The answer of a client that was shown a plan.
pub enum AskedClient {
    /// The person agreed.
    Agreed(Agreement),
    /// The call comes again with this token.
    Offered(String),
    /// The call comes again with the answer to the question of this result.
    Input(Box<InputRequiredResult>),
}

/// Asks for one call.
#[derive(Clone, Default)]
pub struct Confirmer {
    desk: Arc<ClaimDesk>,
    /// Who makes the call: a claim counts only for whom it was given to.
    holder: Arc<str>,
    way: AskWay,
    /// The holder, tool and arguments, to which claims are bound.
    binding: Arc<[u8]>,
    token: Option<String>,
}

impl Confirmer {
    /// For a call of `holder`.
    #[must_use]
    pub fn new(desk: Arc<ClaimDesk>, holder: Arc<str>, way: AskWay) -> Self {
        Confirmer { desk, holder, way, binding: Arc::default(), token: None }
    }

    /// Binds claims to the tool, the instances and the other arguments, and notes the token that the call came with. Arguments that
    /// say the same as none count as none.
    pub fn bind(&mut self, tool: &str, arguments: &JsonObject, instances: &[String], token: Option<String>) {
        let counts = |(name, value): &(&String, &Value)| {
            !name.starts_with("instance_id") && !value.is_null() && **value != Value::Bool(false)
        };
        let mut counted: Vec<_> = arguments.iter().filter(counts).collect();
        counted.sort_unstable_by_key(|(name, _)| *name);
        let mut instances: Vec<&String> = instances.iter().collect();
        instances.sort_unstable();
        self.binding = json!([&*self.holder, tool, instances, counted]).to_string().into_bytes().into();
        self.token = token;
    }

    /// How the client is asked.
    #[must_use]
    pub fn way(&self) -> ConfirmationWay {
        match (&self.way, &self.token) {
            (_, Some(_)) | (AskWay::Token, None) => ConfirmationWay::Token,
            (AskWay::Result { .. }, None) => ConfirmationWay::Input,
            (AskWay::Request { .. }, None) => ConfirmationWay::Elicitation,
        }
    }

    /// Whether somebody still waits for a call that a person was asked about, so that it may act.
    ///
    /// # Errors
    /// Why nobody does.
    pub fn is_awaited(&self) -> Result<(), Unconfirmed> {
        match &self.way {
            AskWay::Request { ended, closed, .. } if ended.is_cancelled() || closed.is_cancelled() => {
                Err(Unconfirmed::Cancelled)
            }
            AskWay::Request { stopping, .. } if stopping.is_cancelled() => Err(Unconfirmed::Stopped),
            AskWay::Request { .. } | AskWay::Result { .. } | AskWay::Token => Ok(()),
        }
    }

    /// To what a claim is bound that is given out in this way: what a person was to answer is no token.
    fn bound(&self, way: ConfirmationWay) -> Vec<u8> {
        [way.name().as_bytes(), b" ", &self.binding].concat()
    }

    /// The agreement that the call came with; `None` if it came with none. A claim whose question was answered otherwise is
    /// used up.
    ///
    /// # Errors
    /// Why what it came with does not count.
    pub fn brought(&self) -> Result<Option<Agreement>, Unconfirmed> {
        if let AskWay::Result { answers: Some(answers), claim } = &self.way
            && let Some(answer) = answers.get(CONFIRM)
        {
            let Some(sealed) = claim else { return Err(Unconfirmed::Altered) };
            let claim = self.desk.open(sealed, &self.bound(ConfirmationWay::Input))?;
            let Err(why) = serde_json::from_value(answer.clone()).map_or(Err(Unconfirmed::Closed), |said| heard(&said))
            else {
                return Ok(Some(Agreement { claim, way: ConfirmationWay::Input }));
            };
            // Whether or not it was used before, it is used up now, and the answer is no yes.
            let spent = self.desk.spend(&claim, &claim.plan);
            tracing::debug!(?spent, %why, "a person did not agree to a plan");
            return Err(why);
        }
        let Some(token) = &self.token else { return Ok(None) };
        let claim = self.desk.open(token, &self.bound(ConfirmationWay::Token))?;
        Ok(Some(Agreement { claim, way: ConfirmationWay::Token }))
    }

    /// Shows the client the plan that has this digest, and asks. `title` says in a few words what is done.
    ///
    /// # Errors
    /// When there is no key. The inner error says why nobody has agreed.
    pub async fn ask(
        &self,
        title: &str,
        text: &str,
        digest: &str,
        note: &ProgressNote,
    ) -> Result<Result<AskedClient, Unconfirmed>, RequestError> {
        let seal = |way| self.desk.seal(digest, &self.bound(way));
        let (peer, call, ended, closed, stopping) = match &self.way {
            AskWay::Token => return Ok(Ok(AskedClient::Offered(seal(ConfirmationWay::Token)?))),
            AskWay::Result { .. } => {
                let question = InputRequest::Elicitation(ElicitRequest::new(question(title, text)));
                let questions = InputRequests::from([(CONFIRM.to_owned(), question)]);
                let claim = seal(ConfirmationWay::Input)?;
                return Ok(Ok(AskedClient::Input(Box::new(InputRequiredResult::new(Some(questions), Some(claim))))));
            }
            AskWay::Request { peer, call, ended, closed, stopping } => (peer, call, ended, closed, stopping),
        };
        if let Err(why) = self.is_awaited() {
            return Ok(Err(why));
        }
        note.put("a person is asked to confirm".to_owned(), HOLDS);
        let mut request = ElicitRequest::new(question(title, text));
        request.extensions.insert(OriginatingRequestId(call.clone()));
        let request = ServerRequest::ElicitRequest(request);
        let sent = peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await;
        let Ok(mut sent) = sent else { return Ok(Err(Unconfirmed::Cancelled)) };
        let (why, ending) = tokio::select! {
            // A cancelled call does nothing, whatever was answered at the same moment.
            biased;
            () = ended.cancelled() => ("the call was cancelled", Unconfirmed::Cancelled),
            () = closed.cancelled() => return Ok(Err(Unconfirmed::Cancelled)),
            () = stopping.cancelled() => ("the server stops", Unconfirmed::Stopped),
            answered = timeout(HOLDS, &mut sent.rx) => match answered {
                Ok(Ok(Ok(ClientResult::ElicitResult(answer)))) => {
                    if let Err(why) = heard(&answer) {
                        return Ok(Err(why));
                    }
                    // The claim holds from the answer on, not from the question.
                    let way = ConfirmationWay::Elicitation;
                    let claim = self.desk.open(&seal(way)?, &self.bound(way));
                    return Ok(claim.map(|claim| AskedClient::Agreed(Agreement { claim, way })));
                }
                // It has nobody to ask after all.
                Ok(Ok(Err(ServiceError::McpError(error)))) if error.code == ErrorCode::METHOD_NOT_FOUND => {
                    return Ok(Ok(AskedClient::Offered(seal(ConfirmationWay::Token)?)));
                }
                // Neither another answer nor a question that failed is a person's word.
                Ok(Ok(_)) => return Ok(Err(Unconfirmed::Closed)),
                // The connection is gone.
                Ok(Err(_)) => return Ok(Err(Unconfirmed::Cancelled)),
                Err(_) => ("nobody answered within two minutes", Unconfirmed::Expired),
            },
        };
        let cancelled = CancelledNotificationParam::new(Some(sent.id.clone()), Some(why.to_owned()));
        drop(peer.notify_cancelled(cancelled).await);
        Ok(Err(ending))
    }

    /// Uses an agreement for the plan that has this digest now.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn spend(&self, agreement: &Agreement, digest: &str) -> Result<(), Unconfirmed> {
        self.desk.spend(&agreement.claim, digest)
    }
}

/// Whether a client with these capabilities shows forms to a person.
#[must_use]
pub fn shows_forms(capabilities: &ClientCapabilities) -> bool {
    capabilities.elicitation.as_ref().is_some_and(|modes| modes.form.is_some() || modes.url.is_none())
}

/// What a person answered. Only a form that was sent with its box ticked is a yes; a no is a person's too, and whatever else there is
/// came without one.
fn heard(answer: &ElicitResult) -> Result<(), Unconfirmed> {
    let ticked = answer.content.as_ref().and_then(|content| content.get(CONFIRM)).and_then(Value::as_bool);
    match (&answer.action, ticked) {
        (ElicitationAction::Accept, Some(true)) => Ok(()),
        (ElicitationAction::Decline, _) | (ElicitationAction::Accept, Some(false)) => Err(Unconfirmed::Declined),
        _ => Err(Unconfirmed::Closed),
    }
}

/// A form with a box to tick.
fn question(title: &str, text: &str) -> ElicitRequestParams {
    let field = BooleanSchema::new().title(title.to_owned()).with_default(false);
    let fields = [(CONFIRM.to_owned(), PrimitiveSchemaDefinition::Boolean(field))];
    let schema = ElicitationSchema::new(fields.into()).with_required(vec![CONFIRM.to_owned()]);
    ElicitRequestParams::FormElicitationParams { meta: None, message: text.to_owned(), requested_schema: schema }
}

//! What `tools/call` does on one connection.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult};
use rmcp::service::{RequestContext, RoleServer};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Handler;
use super::requests::is_modern;
use crate::mcp::call_origin::CallOrigin;
use crate::mcp::calls::CallMeta;
use crate::mcp::confirmer::{AskWay, Confirmer, shows_forms};
use crate::mcp::core::{Core, Readiness, View};
use crate::mcp::error::{CODE, RequestError};
use crate::mcp::own_task::within_operation;
use crate::mcp::told::ProgressNote;
use crate::mcp::tools;
use crate::mcp::tools::arguments::confirmation;
use crate::mcp::tools::fate;
use crate::mcp::tools::spec::CallSetting;

/// How many refusals, and what else runs for clients, may wait for the store to open.
const MAX_WAITING: usize = 1_000;
/// Where an answer about several resources names those that it does not tell of.
const NOT_KNOWN: &str = "not_known";

impl Handler {
    /// Serves a call of a tool.
    ///
    /// # Errors
    /// When there is no such tool.
    pub(super) async fn served_call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let mut response = match tools::find(&request.name, &self.writes) {
            Ok(spec) => {
                // A call that changes AWS is never repeated.
                let again = |response: &CallToolResponse| !spec.is_write() && failed(response).is_some();
                let stop = &self.stop;
                let (note, readiness) = (ProgressNote::default(), &self.server.0.readiness);
                let CallMeta { name, elapsed: before } = CallMeta::of(&context.meta);
                let begun = Instant::now();
                let mut running = self.server.0.calls.begin(name.as_ref().filter(|_| spec.is_write()));
                if let Some(running) = running.as_mut().filter(|_| spec.is_write()) {
                    running.origin.by = Some(self.principal(&context));
                }
                let confirmer = if spec.is_write() {
                    self.confirmer(&request, &context)
                } else {
                    // Nobody is asked about what only reads.
                    Confirmer::new(Arc::clone(&self.server.0.claims), Arc::default(), AskWay::Token)
                };
                let call = |core| {
                    let (arguments, running, note) = (request.arguments.clone(), running.clone(), note.clone());
                    let (confirmer, ended) = (confirmer.clone(), context.ct.clone());
                    let writes = self.writes.clone();
                    async move {
                        match running {
                            Some(running) => {
                                // One that comes again has waited for this server as well.
                                let here = if before.is_zero() { Duration::ZERO } else { begun.elapsed() };
                                let elapsed = before + here;
                                let setting = CallSetting { note, elapsed, running, confirmer, ended };
                                tools::call(spec, core, arguments, writes, stop, setting).await
                            }
                            None => RequestError::CallOver.result().into(),
                        }
                    }
                };
                let notifier = self.notifier(&context);
                let calling = Readiness::serve(readiness, &self.view, again, call);
                let called = tokio::select! {
                    called = notifier.during(spec.name, &note, (readiness, &self.view), calling) => called,
                    // Nobody waits for the answer any more. A call that changes AWS continues anyway.
                    () = context.ct.cancelled(), if !spec.is_write() => Err(RequestError::Stopping),
                };
                let response = called.unwrap_or_else(|fault| fault.result().into());
                if refuses(&response) {
                    self.view.unhurried(begun).await;
                }
                if let Some(result) = failed(&response) {
                    let code = result.meta.as_ref().and_then(|meta| meta.get(CODE));
                    notifier.failed(spec.name, code).await;
                }
                response
            }
            Err(fault @ RequestError::WritesOff { tool, .. }) => {
                self.record_refusal(tool, &request, &context).await;
                fault.result().into()
            }
            Err(fault) => return Err(fault.protocol(None)),
        };
        match &mut response {
            CallToolResponse::Complete(result) => result.meta.get_or_insert_default().extend(self.meta()),
            CallToolResponse::InputRequired(result) => result.meta.get_or_insert_default().extend(self.meta()),
            _ => {}
        }
        Ok(response)
    }

    /// Says what became of a call that an earlier server, or another connection, did not answer.
    pub(super) async fn call_fate(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let spec = tools::TOOLS.iter().find(|spec| spec.name == request.name && spec.is_write());
        let Some(spec) = spec else { return self.served_call(request, context).await };
        let Some(name) = CallMeta::of(&context.meta).name else {
            return Err(ErrorData::invalid_params(format!("{} does not name the call", fate::METHOD), None));
        };
        let user = self.principal(&context).user;
        self.server.0.calls.settle(&name).await;
        let told = async {
            // It is asked once.
            let core = opened(&self.server.0.readiness, &self.view).await?;
            fate::fate(spec, core, (name, user), request.arguments.unwrap_or_default()).await
        };
        let mut result = match told.await {
            Ok(told) => told.result(),
            // What the tool would have refused was not sent to AWS.
            Err(fault @ RequestError::Argument(_)) => fault.with_example(spec.example).result(),
            Err(fault) => RequestError::FateUnknown { why: fault.to_string() }.result(),
        };
        result.meta.get_or_insert_default().extend(self.meta());
        Ok(result.into())
    }

    /// Records that a tool was called which is off on this connection, as soon as the store is open. It is refused all the same.
    async fn record_refusal(
        &self,
        tool: &'static str,
        request: &CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) {
        let spec = tools::TOOLS.iter().find(|spec| spec.name == tool);
        let Some(rule) = spec.and_then(|spec| self.writes.bar(spec.name, spec.only_adds())) else { return };
        let mut origin = CallOrigin { by: Some(self.principal(context)), ..CallOrigin::default() };
        let mut arguments = request.arguments.clone().unwrap_or_default();
        // A token is nobody's business but the server's and the client's.
        arguments.remove(confirmation::NAME);
        origin.note_arguments(&arguments);
        let attempt = origin.attempt(tool, Vec::new());
        let found = self.server.0.readiness.borrow().clone();
        match found {
            Readiness::Ready(core) => core.record_refusal(attempt, rule).await,
            Readiness::Failed(_) => {}
            // The client does not wait for that.
            Readiness::Opening if self.server.0.tasks.len() < MAX_WAITING => {
                let (readiness, stop) = (self.server.0.readiness.clone(), self.server.0.stop.clone());
                let recording = async move {
                    // It is only written.
                    if let Ok(core) = opened(&readiness, &View::whole()).await {
                        core.record_refusal(attempt, rule).await;
                    }
                };
                let recording = async move { stop.run_until_cancelled(recording).await };
                self.server.0.tasks.spawn(within_operation(recording));
            }
            Readiness::Opening => {
                tracing::warn!(tool, "a refusal is not in the log: too many wait for the store to open");
            }
        }
    }

    /// Asks for the confirmation of a call, in the way that its client knows.
    fn confirmer(&self, request: &CallToolRequestParams, context: &RequestContext<RoleServer>) -> Confirmer {
        let way = if is_modern(context) {
            match context.client_capabilities().filter(shows_forms) {
                Some(_) => {
                    AskWay::Result { answers: request.input_responses.clone(), claim: request.request_state.clone() }
                }
                None => AskWay::Token,
            }
        } else if context.peer.peer_info().is_some_and(|client| shows_forms(&client.capabilities)) {
            let (peer, call) = (context.peer.clone(), context.id.clone());
            let (ended, closed) = (context.ct.clone(), self.stop.clone());
            AskWay::Request { peer, call, ended, closed, stopping: self.server.0.stopping.clone() }
        } else {
            AskWay::Token
        };
        // Over HTTP a request has no connection of its own, but a name, and perhaps a session.
        let holder = if self.link.http {
            serde_json::to_string(&self.principal(context)).unwrap_or_default().into()
        } else {
            Arc::clone(&self.holder)
        };
        Confirmer::new(Arc::clone(&self.server.0.claims), holder, way)
    }
}

/// What requests are served from, as soon as it is there: this waits as long as the store needs to open.
async fn opened(readiness: &watch::Receiver<Readiness>, view: &View) -> Result<Arc<Core>, RequestError> {
    loop {
        match Readiness::ready(readiness, view).await {
            Err(RequestError::Opening) => {}
            core => return core,
        }
    }
}

/// Whether a call is refused, or some of what it asks about.
fn refuses(response: &CallToolResponse) -> bool {
    let CallToolResponse::Complete(result) = response else { return false };
    let unknown = result.structured_content.as_ref().and_then(|content| content.get(NOT_KNOWN)?.as_array());
    failed(response).is_some() || unknown.is_some_and(|unknown| !unknown.is_empty())
}

/// The result of a call that failed.
fn failed(response: &CallToolResponse) -> Option<&CallToolResult> {
    match response {
        CallToolResponse::Complete(result) if result.is_error == Some(true) => Some(result),
        _ => None,
    }
}

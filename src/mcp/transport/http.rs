//! The middleware between HTTP and rmcp.
//!
//! It normalises a body like a line of the socket, answers JSON to a client that accepts only JSON, and turns every refusal into
//! a JSON-RPC error with the id of the request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use memchr::memmem;
use parking_lot::Mutex;
use rmcp::model::{ProtocolVersion, RequestId};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::accept::{self, Accepted, JSON, STREAM};
use super::answered_body::AnsweredBody;
use super::client_guard::ClientGuard;
use super::open_connections::OpenConnection;
use super::precedents::Precedents;
use super::sessions::HttpSessions;
use super::unread_body::unread;
use crate::mcp::auth::KnownCaller;
use crate::mcp::normalise::{self, Conversation, ErrorResponse, MessageDecision, MessageKind};
use crate::mcp::operations::HttpRefusal;
use crate::mcp::protocol::SESSION;
use crate::mcp::tools::arguments::wait_seconds;

/// The largest request. Requests are small; answers are large.
pub(super) const BODY: usize = 1024 * 1024;
/// The header that names the protocol of a message.
const PROTOCOL: &str = "mcp-protocol-version";
/// The method whose answer is always a stream.
const LISTEN: &str = "subscriptions/listen";
/// The `Accept` header with both media types, which rmcp requires.
const BOTH: &str = "application/json, text/event-stream";
/// How long the body of a request may take.
const ARRIVAL: Duration = Duration::from_secs(30);
/// How much of a too large body is read before it is refused, so that its connection goes on. One that says that it is larger is refused
/// before it is read.
const READ_AWAY: usize = 16 * BODY;
/// The longest refusal of rmcp that is read.
const REASON: usize = 64 * 1024;

/// What the middleware needs.
pub(super) struct HttpFace {
    /// The sessions that are served.
    pub(super) sessions: Arc<HttpSessions>,
    /// Answers without rmcp, where the server's own handler serves.
    pub(super) precedents: Option<Precedents>,
    /// Decides who may ask.
    pub(super) guard: ClientGuard,
    /// Bounds how many requests are served at once, from when they have arrived. Streams count only until they have begun.
    pub(super) work: Semaphore,
    /// Bounds how many calls wait for something to happen, which may take long, also after their clients have left.
    pub(super) waiting: Arc<Semaphore>,
}

/// Serves one HTTP request. `next` is rmcp.
pub(super) async fn normalised(State(face): State<Arc<HttpFace>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Some(refusal) = face.guard.refusal(&mut parts) {
        return refusal;
    }
    // It must not reach rmcp, which keeps the parts of some requests as long as their session.
    let connection = parts.extensions.remove::<Arc<OpenConnection>>();
    let received = if parts.method == Method::POST { Some(collect(&parts.headers, body).await) } else { None };
    let answering = connection.map(OpenConnection::answer);
    let response = match received {
        None => without_message(&face, parts, next).await,
        Some(Ok(bytes)) => with_message(&face, parts, &bytes, next).await,
        Some(Err(RefusedBody { status, start, why, rest })) => {
            if status == StatusCode::PAYLOAD_TOO_LARGE {
                face.guard.note(HttpRefusal::Size);
            }
            unread(refuse(status, &ErrorResponse::invalid(normalise::seen_id(&start), why)), rest)
        }
    };
    match answering {
        Some(answering) => answering.until_sent(response),
        None => response,
    }
}

/// Serves a request that opens a stream or ends a session.
async fn without_message(face: &HttpFace, mut parts: Parts, next: Next) -> Response {
    let sessions = &*face.sessions;
    if parts.method == Method::GET && Accepted::of(&parts.headers).stream {
        parts.headers.insert(header::ACCEPT, HeaderValue::from_static(STREAM));
    }
    let session = text(&parts.headers, SESSION).map(str::to_owned);
    let is_older =
        text(&parts.headers, PROTOCOL).is_none_or(|version| version < ProtocolVersion::NO_INITIALIZE.as_str());
    let session = session.filter(|_| is_older);
    if parts.method == Method::DELETE && session.as_ref().is_some_and(|session| !sessions.is_known(session)) {
        return refuse(StatusCode::NOT_FOUND, &ErrorResponse::invalid(None, "there is no such session".to_owned()));
    }
    let _turn = match &session {
        Some(session) if parts.method == Method::GET => sessions.restoring(session).await,
        _ => None,
    };
    let Ok(_place) = face.work.acquire().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    with_reason(next.run(Request::from_parts(parts, Body::empty())).await, None).await
}

/// Serves a request with a message.
async fn with_message(face: &HttpFace, mut parts: Parts, bytes: &[u8], next: Next) -> Response {
    let HttpFace { sessions, precedents, guard, work, waiting } = face;
    // What answers without a handler does not know who asks.
    let precedents = precedents.as_ref().filter(|_| !KnownCaller::is_limited_now());
    let case = precedents.and_then(|precedents| Some((precedents, Precedents::case(&parts, bytes)?)));
    if let Some((precedents, case)) = &case
        && let Some(answer) = precedents.answer(case).await
    {
        return answer;
    }
    let accepted = Accepted::of(&parts.headers);
    if let Some((status, why)) = unusable(&parts.headers, accepted) {
        return refuse(status, &ErrorResponse::invalid(normalise::seen_id(bytes), why.to_owned()));
    }
    if normalise::is_blank(bytes) {
        let why = "the body is empty: send one JSON-RPC message".to_owned();
        return refuse(StatusCode::BAD_REQUEST, &ErrorResponse::unreadable(None, why));
    }
    let message = match normalise::read(bytes) {
        Ok(Some(message)) => message,
        Ok(None) => return StatusCode::ACCEPTED.into_response(),
        Err(refusals) => return refuse_one(refusals),
    };
    let (id, is_listen) = match message.said() {
        MessageKind::Request { id, method } => (Some(id.clone()), method == LISTEN),
        MessageKind::Notification { .. } | MessageKind::Response => (None, false),
    };
    let echo = id.clone().map(RequestId::into_json_value);
    if is_listen && !accepted.stream {
        let why = format!("{LISTEN} answers with a stream: send Accept: {STREAM}");
        return refuse(StatusCode::NOT_ACCEPTABLE, &ErrorResponse::invalid(echo, why));
    }
    let protocol = text(&parts.headers, PROTOCOL);
    let session = text(&parts.headers, SESSION).filter(|_| message.is_of_a_session(protocol)).map(str::to_owned);
    let _turn = match &session {
        Some(session) => sessions.restoring(session).await,
        None => None,
    };
    if let (Some(session), Some(id)) = (&session, &id) {
        sessions.gone(session, id).await;
    }
    let is_lasting = session.as_deref().is_some_and(|session| sessions.conversation(session).is_some());
    let conversation = conversation(sessions, session.as_deref(), protocol);
    let outcome = conversation.lock().admit(message);
    let message = match outcome {
        MessageDecision::Forward(message) => message,
        MessageDecision::Answer(refusals) => return refuse_one(refusals),
        MessageDecision::Drop => return StatusCode::ACCEPTED.into_response(),
    };
    let mut in_flight = InFlight { conversation, id: id.clone() };
    let body = Bytes::copy_from_slice(message.bytes());
    parts.headers.insert(header::ACCEPT, HeaderValue::from_static(BOTH));
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    parts.headers.remove(header::TRANSFER_ENCODING);
    let (working, place) = if is_waiting(&body) {
        (None, Arc::clone(waiting).try_acquire_owned().ok())
    } else {
        (work.acquire().await.ok(), None)
    };
    if working.is_none() && place.is_none() {
        let why = "too many calls wait for something already: ask again without wait_seconds, or later".to_owned();
        guard.note(HttpRefusal::Waiting);
        let refusal = refuse(StatusCode::SERVICE_UNAVAILABLE, &ErrorResponse::failed(echo, why));
        return ([(header::RETRY_AFTER, "5")], refusal).into_response();
    }
    // A conversation of this message alone ends before an answer that is a stream does.
    let kept = match (&id, place) {
        (Some(id), Some(place)) if is_lasting => {
            in_flight.conversation.lock().hold(id, place);
            None
        }
        (_, place) => place,
    };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if !response.status().is_success() {
        return with_reason(response, echo).await;
    }
    // From here on the session frees the id when the request is answered, whether or not the client still reads.
    in_flight.id = None;
    let response = match case {
        Some((precedents, case)) if session.is_none() && accepted.json => precedents.note(case, response).await,
        _ => response,
    };
    let response = match id {
        Some(id) if !is_listen => shaped(response, accepted, &id).await,
        _ => response,
    };
    match kept {
        Some(place) => AnsweredBody::keeping(response, place),
        None => response,
    }
}

/// Whether a message may be a call that waits: each names how long. To take another for one does no harm.
fn is_waiting(message: &[u8]) -> bool {
    memmem::find(message, wait_seconds::NAME.as_bytes()).is_some()
}

/// The conversation of a message: that of its session, or one of its own. rmcp refuses an unknown session, and begins the
/// conversation of one that it restores.
fn conversation(sessions: &HttpSessions, session: Option<&str>, protocol: Option<&str>) -> Arc<Mutex<Conversation>> {
    let own = match session {
        Some(session) => match sessions.conversation(session) {
            Some(conversation) => return conversation,
            None => Conversation::opened(),
        },
        None => {
            Conversation::single(protocol.is_some_and(|version| version >= ProtocolVersion::NO_INITIALIZE.as_str()))
        }
    };
    Arc::new(Mutex::new(own))
}

/// The value of a header that is text.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A request on its way to its session. If it is dropped before it arrives, its id is freed.
struct InFlight {
    conversation: Arc<Mutex<Conversation>>,
    id: Option<RequestId>,
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if let Some(id) = &self.id {
            self.conversation.lock().answered(id);
        }
    }
}

/// A body that is refused.
struct RefusedBody {
    status: StatusCode,
    /// The bytes that were read.
    start: Vec<u8>,
    why: String,
    /// What was not read.
    rest: Body,
}

/// Reads a body of at most [`BODY`] bytes within [`ARRIVAL`].
async fn collect(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, RefusedBody> {
    let too_large = |start, rest| {
        let why = format!("the body is longer than {} MiB and was not read: ask for less at once", BODY >> 20);
        RefusedBody { status: StatusCode::PAYLOAD_TOO_LARGE, start, why, rest }
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > READ_AWAY as u64) {
        return Err(too_large(Vec::new(), body));
    }
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut length = 0;
    let deadline = Instant::now() + ARRIVAL;
    loop {
        let Ok(chunk) = timeout_at(deadline, chunks.next()).await else {
            let why = format!("the body did not arrive within {} s", ARRIVAL.as_secs());
            return Err(RefusedBody { status: StatusCode::REQUEST_TIMEOUT, start: bytes, why, rest: Body::empty() });
        };
        let Some(chunk) = chunk else { break };
        let Ok(chunk) = chunk else {
            let why = "the body ended before it was complete".to_owned();
            return Err(RefusedBody { status: StatusCode::BAD_REQUEST, start: bytes, why, rest: Body::empty() });
        };
        length += chunk.len();
        bytes.extend(chunk.iter().take(BODY - bytes.len()));
        if length > READ_AWAY {
            return Err(too_large(bytes, Body::from_stream(chunks)));
        }
    }
    if length <= BODY { Ok(bytes) } else { Err(too_large(bytes, Body::empty())) }
}

/// Why the headers of a request make it impossible to read or answer.
fn unusable(headers: &HeaderMap, accepted: Accepted) -> Option<(StatusCode, &'static str)> {
    if !accept::is_json(headers) {
        return Some((StatusCode::UNSUPPORTED_MEDIA_TYPE, "the Content-Type of a request must be application/json"));
    }
    if !accept::is_plain(headers) {
        return Some((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the body of a request must be sent without Content-Encoding",
        ));
    }
    let is_acceptable = accepted.json || accepted.stream;
    (!is_acceptable).then_some((
        StatusCode::NOT_ACCEPTABLE,
        "answers are application/json or text/event-stream: accept at least one of them",
    ))
}

/// Converts an answer to a media type that the client accepts.
async fn shaped(response: Response, accepted: Accepted, id: &RequestId) -> Response {
    let form = form(response.headers());
    if form == STREAM && accepted.prefers_json() {
        return gathered(response, id).await;
    }
    if form == JSON && !accepted.json {
        let (mut parts, body) = response.into_parts();
        let Ok(answer) = to_bytes(body, usize::MAX).await else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        };
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(STREAM));
        parts.headers.remove(header::CONTENT_LENGTH);
        let event = [b"data: ".as_slice(), &answer, b"\n\n"].concat();
        return Response::from_parts(parts, Body::from(event));
    }
    response
}

/// Takes the answer to `id` out of a stream, as plain JSON.
async fn gathered(response: Response, id: &RequestId) -> Response {
    let (mut parts, body) = response.into_parts();
    let mut chunks = body.into_data_stream();
    let mut pending: Vec<u8> = Vec::new();
    while let Some(Ok(chunk)) = chunks.next().await {
        pending.extend_from_slice(&chunk);
        while let Some(end) = pending.windows(2).position(|pair| pair == b"\n\n") {
            let event: Vec<u8> = pending.drain(..end + 2).collect();
            let data = data(&event);
            if normalise::answered_by(&data).as_ref() == Some(id) {
                for name in [header::CACHE_CONTROL, header::TRANSFER_ENCODING, header::CONTENT_LENGTH] {
                    parts.headers.remove(name);
                }
                parts.headers.remove("x-accel-buffering");
                parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
                return Response::from_parts(parts, Body::from(data));
            }
        }
    }
    let why = "the request was cancelled, or its session ended, before there was an answer".to_owned();
    refuse(StatusCode::OK, &ErrorResponse::failed(Some(id.clone().into_json_value()), why))
}

/// The data of one event of a stream.
fn data(event: &[u8]) -> Vec<u8> {
    let lines = event.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let lines: Vec<&[u8]> = lines.map(|line| line.strip_prefix(b" ").unwrap_or(line)).collect();
    lines.join(&b'\n')
}

/// A refusal of rmcp, which is plain text, as a JSON-RPC error with the same status.
async fn with_reason(response: Response, id: Option<Value>) -> Response {
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    if !is_refusal || form(response.headers()) == JSON {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let reason = to_bytes(body, REASON).await.unwrap_or_default();
    let reason = String::from_utf8_lossy(&reason).trim().to_owned();
    if reason.is_empty() {
        return Response::from_parts(parts, Body::empty());
    }
    let refusal =
        if status.is_server_error() { ErrorResponse::failed(id, reason) } else { ErrorResponse::invalid(id, reason) };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    Response::from_parts(parts, Body::from(refusal.line()))
}

/// The media type of a message, without its parameters.
fn form(headers: &HeaderMap) -> &str {
    let text = text(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim()
}

/// Answers a body with one error. Several errors become one without an id.
fn refuse_one(refusals: Vec<ErrorResponse>) -> Response {
    let mut refusals = refusals.into_iter();
    match (refusals.next(), refusals.next()) {
        (Some(first), None) => refuse(StatusCode::BAD_REQUEST, &first),
        (Some(first), Some(_)) => refuse(StatusCode::BAD_REQUEST, &first.without_id()),
        (None, _) => StatusCode::ACCEPTED.into_response(),
    }
}

pub(super) fn refuse(status: StatusCode, refusal: &ErrorResponse) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], refusal.line()).into_response()
}

#[cfg(test)]
mod tests;

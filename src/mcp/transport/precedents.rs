//! Answers reads and lists of clients that rmcp has answered before, without asking it again.
//!
//! Half of the time of a read is spent on what rmcp does around it: the request becomes a tree three times, and each one has a
//! service, two tasks and four channels of its own. All of that decides the same for requests that differ in nothing but their id
//! and the URI or the cursor. So rmcp answers the first two of them, and with it decides about everything else: the host, the
//! protocol, the headers, the metadata. A later one that is alike, byte for byte, is answered here, if that takes no waiting. Every
//! error, and everything else, goes to rmcp.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{self, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Version};
use axum::response::Response;
use parking_lot::{Mutex, RwLock};
use rmcp::model::RequestId;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use super::accept::JSON;
use super::frames::Frames;
use super::plain_request::{self, PlainQuestion, PlainRequest};
use crate::mcp::operations::{AskedOperation, NetworkTransport, OperationKey};
use crate::mcp::request_trace;
use crate::mcp::server::McpServer;
use crate::model::DurationTally;

/// The header that names the protocol.
const PROTOCOL: &str = "mcp-protocol-version";
/// The header that repeats the method.
const METHOD: &str = "mcp-method";
/// The methods that are answered here.
const METHODS: [&[u8]; 2] = [b"resources/read", b"resources/list"];
/// The header that repeats the URI of a read.
const NAME: &str = "mcp-name";
/// How a header says that its text is encoded. Such a text means another one.
const ENCODED: &str = "=?base64?";
/// How a request names the span that it belongs to, in a header or in its metadata.
const TRACED: &[u8] = b"traceparent";
/// How many precedents are kept. When there are more, all are forgotten.
const MOST: usize = 256;
/// How many requests that came once are remembered, by their hashes: only what comes again becomes a precedent, so that a client
/// whose requests are all different puts none out.
const MOST_ONCE: usize = 4_096;
/// How many pages of a list are made at once. Further requests go to rmcp, which has a limit of its own.
const PAGES: usize = 64;
/// The longest precedent.
const LENGTH: usize = 8 * 1024;

/// Answers what is like something that rmcp has answered.
pub(super) struct Precedents {
    server: McpServer,
    /// Everything but id, URI and cursor of requests that rmcp answered with a result, by their hashes.
    known: RwLock<HashMap<u64, Precedent>>,
    /// The hashes of those that came once.
    once: Mutex<HashSet<u64>>,
    pages: Semaphore,
}

/// Requests that rmcp has answered.
struct Precedent {
    /// Everything but id, URI and cursor.
    alike: Box<[u8]>,
    /// Where they are counted.
    times: Arc<DurationTally>,
}

/// A request that may have a precedent.
pub(super) struct PrecedentCase<'a> {
    request: PlainRequest<'a>,
    /// Everything but id, URI and cursor.
    alike: Vec<u8>,
    hash: u64,
    asked: AskedOperation,
}

impl Precedents {
    pub(super) fn new(server: McpServer) -> Self {
        Precedents { server, known: RwLock::default(), once: Mutex::default(), pages: Semaphore::new(PAGES) }
    }

    /// The request as a case; `None` for one that rmcp has to answer whatever it has answered before.
    pub(super) fn case<'a>(parts: &Parts, message: &'a [u8]) -> Option<PrecedentCase<'a>> {
        // Cheap, for all the others.
        let method = parts.headers.get(METHOD)?.as_bytes();
        if !METHODS.contains(&method) || parts.method != Method::POST || parts.version != Version::HTTP_11 {
            return None;
        }
        let request = PlainRequest::read(message)?;
        let (uri, method) = match request.question {
            PlainQuestion::Read(uri) => (Some(uri), "resources/read"),
            PlainQuestion::List(_) => (None, "resources/list"),
        };
        let protocol = parts.headers.get(PROTOCOL).and_then(|version| version.to_str().ok());
        let asked = AskedOperation::new(method, NetworkTransport::Tcp).in_protocol(protocol);
        let mut alike = Vec::with_capacity(1024);
        plain_request::put_text(&mut alike, parts.uri.authority().map_or("", |authority| authority.as_str()));
        plain_request::put_text(&mut alike, parts.uri.path_and_query().map_or("", |path| path.as_str()));
        let mut names = 0;
        for (name, value) in &parts.headers {
            if name == CONTENT_LENGTH {
                continue;
            }
            plain_request::put_text(&mut alike, name.as_str());
            if name == NAME
                && let Some(uri) = uri
            {
                // rmcp compares the two: where they are equal, they are so in every request that is alike.
                if value.to_str().ok() != Some(uri) || uri.starts_with(ENCODED) {
                    return None;
                }
                names += 1;
                continue;
            }
            plain_request::put(&mut alike, value.as_bytes());
        }
        if uri.is_some() && names != 1 {
            return None;
        }
        alike.extend_from_slice(&request.rest);
        if request_trace::is_collected() && memchr::memmem::find(&alike, TRACED).is_some() {
            // It belongs to a trace, which only its own span can tell.
            return None;
        }
        let hash = xxh3_64(&alike);
        Some(PrecedentCase { request, alike, hash, asked })
    }

    /// The answer to a case that has a precedent; `None` where it has none, or rmcp has to answer all the same.
    pub(super) async fn answer(&self, case: &PrecedentCase<'_>) -> Option<Response> {
        let times = {
            let known = self.known.read();
            let precedent = known.get(&case.hash).filter(|known| *known.alike == *case.alike)?;
            Arc::clone(&precedent.times)
        };
        let begun = Instant::now();
        let span = request_trace::plain(&case.asked, &case.request.id);
        let Some(frames) = self.frames(case).await else {
            request_trace::leave_out(&span);
            return None;
        };
        times.note(begun.elapsed());
        let mut response = Response::new(Body::new(Frames::new(frames)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        Some(response)
    }

    /// The parts of the answer to a case that has a precedent; `None` where rmcp has to answer it.
    async fn frames(&self, case: &PrecedentCase<'_>) -> Option<Vec<Bytes>> {
        let head = head(&case.request.id)?;
        Some(match case.request.question {
            PlainQuestion::Read(uri) => {
                let mut answer = head;
                self.server.read_at_once(uri, &mut answer)?;
                answer.push(b'}');
                vec![answer.into()]
            }
            PlainQuestion::List(cursor) => {
                let _turn = self.pages.try_acquire().ok()?;
                let page = self.server.page_at_once(cursor).await?;
                vec![head.into(), page.head, page.entries, Bytes::from_static(b"]}}")]
            }
        })
    }

    /// Makes a case a precedent, if rmcp's `response` to it is a result, which the client takes as JSON.
    pub(super) async fn note(&self, case: PrecedentCase<'_>, response: Response) -> Response {
        let is_known = self.known.read().contains_key(&case.hash);
        let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|form| form == JSON);
        let may_be = is_json && response.status() == StatusCode::OK && case.alike.len() <= LENGTH;
        if is_known || !may_be || self.is_first(case.hash) {
            return response;
        }
        let (parts, body) = response.into_parts();
        let Ok(answer) = to_bytes(body, usize::MAX).await else {
            return Response::from_parts(parts, Body::empty());
        };
        // Only what begins as the answers here do is one that they can stand for.
        if head(&case.request.id).is_some_and(|head| answer.starts_with(&head)) {
            let mut all = self.known.write();
            if all.len() >= MOST {
                all.clear();
            }
            let times = self.server.operations().tally(OperationKey { asked: case.asked, error: None });
            all.insert(case.hash, Precedent { alike: case.alike.into_boxed_slice(), times });
        }
        Response::from_parts(parts, Body::from(answer))
    }

    /// Whether a request with this hash has not come before.
    fn is_first(&self, hash: u64) -> bool {
        let mut once = self.once.lock();
        if once.len() >= MOST_ONCE {
            once.clear();
        }
        once.insert(hash)
    }
}

/// How an answer with a result begins.
fn head(id: &RequestId) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(8 * 1024);
    head.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    serde_json::to_writer(&mut head, id).ok()?;
    head.extend_from_slice(br#","result":"#);
    Some(head)
}

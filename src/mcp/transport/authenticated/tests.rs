use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::http::Request as HttpRequest;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::aws::AwsClock;
use crate::mcp::auth::tests::{Documents, KEYS, TestKey, Yard, plan};
use crate::mcp::auth::token_hash::TokenHash;
use crate::mcp::auth::{AccessRules, IssuerPlan, PublicUrl, TokenBook, TokenEntry};
use crate::mcp::remembered_sessions::RememberedSessions;
use crate::mcp::tests::World;
use crate::mcp::transport::precedents::Precedents;
use crate::mcp::transport::{HttpOptions, PATH, router};
use crate::model::Clock;

/// A server that asks who asks.
struct House {
    _world: World,
    router: Router,
    gate: AccessGate,
    sessions: Arc<HttpSessions>,
}

/// What came back.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

fn entry(name: &str) -> TokenEntry {
    let hash = TokenHash::of(&format!("token-of-{name}"));
    TokenEntry { name: name.to_owned(), hash, created: None, expires: None, grants: None, read_only: false }
}

fn book(entries: &[TokenEntry]) -> AccessRules {
    let mut book = TokenBook::default();
    for entry in entries {
        book.add(entry.clone()).unwrap();
    }
    AccessRules { tokens: Some(book), ..AccessRules::default() }
}

impl House {
    /// A server with tokens of `alice` and `bob`, and no OAuth.
    async fn of_tokens() -> House {
        let rules = book(&[entry("alice"), entry("bob")]);
        House::of(AccessGate::new(rules, None, Arc::new(Documents::default()), Arc::new(AwsClock::default()))).await
    }

    async fn of(gate: AccessGate) -> House {
        let world = World::small().await;
        let remembered = Arc::new(RememberedSessions::open(None, Arc::new(AwsClock::default())).await);
        let sessions = Arc::new(HttpSessions::new(remembered, 256));
        let options = HttpOptions { gate: Some(gate.clone()), ..HttpOptions::default() };
        let (precedents, streams) = (Some(Precedents::new(world.server.clone())), CancellationToken::new());
        let router = router(&world.server, |handler| handler, precedents, &options, &streams, &sessions);
        House { _world: world, router, gate, sessions }
    }

    async fn respond(&self, method: Method, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
        let mut request = HttpRequest::builder().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap()
    }

    async fn ask(&self, method: Method, headers: &[(&str, &str)], body: impl Into<Body>) -> Reply {
        read(self.respond(method, PATH, headers, body).await).await
    }

    async fn post(&self, token: &str, headers: &[(&str, &str)], body: &Value) -> Reply {
        let own = [("content-type", "application/json"), ("authorization", token)];
        self.ask(Method::POST, &[own.as_slice(), headers].concat(), body.to_string()).await
    }

    /// A session of the older era.
    async fn session(&self, token: &str) -> String {
        let params = json!({"protocolVersion": "2025-11-25", "clientInfo": {"name": "house"}, "capabilities": {}});
        let opening = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let reply = self.post(token, &[], &opening).await;
        let session = reply.header("mcp-session-id").unwrap_or_else(|| panic!("{reply:?}")).to_owned();
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.post(token, &[("mcp-session-id", &session)], &initialized).await.status, 202);
        session
    }

    async fn tools(&self, token: &str, session: &str) -> Reply {
        self.post(token, &[("mcp-session-id", session)], &tools()).await
    }

    /// The stream of a session.
    async fn stream(&self, token: &str, session: &str) -> Response {
        let headers = [("authorization", token), ("mcp-session-id", session), ("accept", "text/event-stream")];
        self.respond(Method::GET, PATH, &headers, Body::empty()).await
    }
}

async fn read(response: Response) -> Reply {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let reading = to_bytes(response.into_body(), usize::MAX);
    let body = tokio::time::timeout(Duration::from_secs(20), reading).await.expect("the answer ends").unwrap();
    Reply { status, headers, text: String::from_utf8(body.to_vec()).unwrap() }
}

fn tools() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
}

/// A request of the newer era.
fn modern(method: &str) -> Value {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta, "notifications": {}}})
}

const ALICE: &str = "Bearer token-of-alice";
const BOB: &str = "Bearer token-of-bob";

#[tokio::test]
async fn without_a_token_nothing_is_served_by_any_method_and_no_body_is_read() {
    let house = House::of_tokens().await;
    for method in [Method::POST, Method::GET, Method::DELETE, Method::PUT, Method::HEAD, Method::OPTIONS] {
        for token in [None, Some("Bearer nobody"), Some("Basic YTpi"), Some("token-of-alice")] {
            let headers: Vec<(&str, &str)> = token.map(|token| ("authorization", token)).into_iter().collect();
            // A body that never comes: the answer is there before.
            let body = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
            let response = house.respond(method.clone(), PATH, &headers, body).await;
            assert_eq!(response.status(), 401, "{method} {token:?}");
            drop(response);
            let reply = house.ask(method.clone(), &headers, Body::empty()).await;
            assert_eq!(reply.status, 401, "{method} {token:?}");
            let challenge = reply.header("www-authenticate").unwrap();
            assert!(!challenge.contains("resource_metadata"), "{challenge}");
            let said = reply.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(said.contains("There is no OAuth here") && said.contains("muster token add"), "{said}");
            assert!(!reply.text.contains("token-of-alice"), "a token is not repeated");
        }
    }
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")];
    assert!(house.post(ALICE, &headers, &modern("tools/list")).await.json()["result"].is_object());
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let reply = read(house.respond(Method::GET, path, &[], Body::empty()).await).await;
        assert_eq!(reply.status, 404, "there is no OAuth");
    }
}

#[tokio::test]
async fn what_comes_of_the_body_of_somebody_who_is_not_let_in_is_read_and_dropped() {
    let house = House::of_tokens().await;
    let read_so_far = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&read_so_far);
    let chunks = futures::stream::repeat_with(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok::<_, std::io::Error>(vec![b' '; 64 * 1024])
    });
    let response = house.respond(Method::POST, PATH, &[], Body::from_stream(chunks.take(10_000))).await;
    assert_eq!((response.status().as_u16(), read_so_far.load(std::sync::atomic::Ordering::SeqCst)), (401, 0));
    assert!(read(response).await.text.contains("muster token add"));
    let read_at_last = read_so_far.load(std::sync::atomic::Ordering::SeqCst);
    assert!((2..=18).contains(&read_at_last), "{read_at_last} chunks");
}

#[tokio::test]
async fn host_and_origin_come_before_the_token() {
    let house = House::of_tokens().await;
    for token in [ALICE, "Bearer nobody"] {
        for foreign in [("host", "evil.test"), ("origin", "http://evil.test")] {
            let reply = house.post(token, &[foreign], &modern("tools/list")).await;
            assert_eq!(reply.status, 403, "{foreign:?} {token}");
            assert!(reply.header("www-authenticate").is_none());
        }
    }
    // A page of an accepted origin can read why it is refused, and its preflight needs no token.
    let page = ("origin", "http://localhost:5173");
    let reply = house.post("Bearer nobody", &[page], &modern("tools/list")).await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (401, Some(page.1)));
    let preflight = [page, ("access-control-request-method", "POST")];
    assert_eq!(house.ask(Method::OPTIONS, &preflight, Body::empty()).await.status, 204);
    let reply = house
        .post(
            ALICE,
            &[page, ("mcp-protocol-version", "2026-07-28"), ("mcp-method", "tools/list")],
            &modern("tools/list"),
        )
        .await;
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, Some(page.1)));
}

#[tokio::test]
async fn a_page_can_read_that_its_token_lacks_a_scope() {
    let key = TestKey::curve();
    let yard = Yard::of(vec![IssuerPlan { scopes: ["muster.write".to_owned()].into(), ..plan() }]);
    yard.documents.put(KEYS, &json!({"keys": [key.public("a")]}));
    let house = House::of(yard.gate.clone()).await;
    let token = format!("Bearer {}", key.token("a", &json!({})));
    let page = ("origin", "http://localhost:5173");
    yard.during(async {
        let reply = house.post(&token, &[page], &modern("tools/list")).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (403, Some(page.1)), "{reply:?}");
        assert!(reply.header("www-authenticate").unwrap().contains("insufficient_scope"), "{reply:?}");
        assert!(reply.header("access-control-expose-headers").unwrap().contains("www-authenticate"), "{reply:?}");
        // Pages of other origins can read nothing, and learn nothing.
        let reply = house.post(&token, &[("origin", "http://evil.test")], &modern("tools/list")).await;
        assert_eq!((reply.status, reply.header("access-control-allow-origin")), (403, None), "{reply:?}");
        assert!(reply.header("www-authenticate").is_none(), "{reply:?}");
    })
    .await;
}

#[tokio::test]
async fn the_session_of_somebody_else_is_as_unknown_as_one_that_never_was() {
    let house = House::of_tokens().await;
    let session = house.session(ALICE).await;
    assert!(house.tools(ALICE, &session).await.text.contains("search_inventory"));
    let nobody = "5d2c9c9e-0000-4000-8000-000000000000";
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let ask = async |token: &str, session: &str| {
            let headers = [
                ("content-type", "application/json"),
                ("accept", "application/json, text/event-stream"),
                ("authorization", token),
                ("mcp-session-id", session),
            ];
            let body = if method == Method::POST { tools().to_string() } else { String::new() };
            let reply = house.ask(method.clone(), &headers, body).await;
            (reply.status, reply.text)
        };
        let of_other = ask(BOB, &session).await;
        assert_eq!(of_other.0, 404, "{method}: {}", of_other.1);
        assert_eq!(of_other, ask(BOB, nobody).await, "{method}");
        assert_eq!(of_other, ask(ALICE, nobody).await, "{method}");
    }
    assert!(house.tools(ALICE, &session).await.text.contains("search_inventory"), "it is still there");
    let headers = [("authorization", ALICE), ("mcp-session-id", session.as_str())];
    assert!(house.ask(Method::DELETE, &headers, Body::empty()).await.status < 300);
    assert_eq!(house.tools(ALICE, &session).await.status, 404);
}

#[tokio::test]
async fn a_session_that_is_restored_belongs_to_whoever_opened_it() {
    let house = House::of_tokens().await;
    let session = house.session(ALICE).await;
    // It is no longer served, and remembered.
    house.sessions.rest(&session.as_str().into()).await;
    assert_eq!(house.tools(BOB, &session).await.status, 404);
    assert!(house.tools(ALICE, &session).await.text.contains("search_inventory"));
    assert_eq!(house.tools(BOB, &session).await.status, 404);
}

#[tokio::test]
async fn what_is_only_remembered_of_a_session_is_not_for_the_next_token_of_the_same_name() {
    let house = House::of_tokens().await;
    let session = house.session(ALICE).await;
    house.sessions.rest(&session.as_str().into()).await;
    house.gate.set(book(&[entry("bob")]));
    let next = TokenEntry { hash: TokenHash::of("next-token-of-alice"), ..entry("alice") };
    house.gate.set(book(&[next, entry("bob")]));
    assert_eq!(house.tools(ALICE, &session).await.status, 401);
    assert_eq!(house.tools("Bearer next-token-of-alice", &session).await.status, 404);
}

#[tokio::test]
async fn on_revocation_sessions_and_streams_end_and_those_of_others_go_on() {
    let house = House::of_tokens().await;
    let [of_alice, of_bob] = [house.session(ALICE).await, house.session(BOB).await];
    let mut streams = Vec::new();
    for (token, session) in [(ALICE, &of_alice), (BOB, &of_bob)] {
        let stream = house.stream(token, session).await;
        assert_eq!(stream.status(), 200);
        streams.push(stream.into_body().into_data_stream());
    }
    let listen = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "subscriptions/listen"),
        ("content-type", "application/json"),
        ("authorization", ALICE),
        ("accept", "text/event-stream"),
    ];
    let listening = house.respond(Method::POST, PATH, &listen, modern("subscriptions/listen").to_string()).await;
    assert_eq!(listening.status(), 200);
    streams.push(listening.into_body().into_data_stream());
    let [mut alice, mut bob, mut listening] = <[_; 3]>::try_from(streams).ok().unwrap();
    let revoking = async {
        // In flight meanwhile: it would wait for 40 seconds.
        let wait = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "list_changes", "arguments": {"wait_seconds": 40}}});
        let headers = [("mcp-session-id", of_alice.as_str())];
        let waiting = house.post(ALICE, &headers, &wait);
        let revoke = async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            house.gate.set(book(&[entry("bob")]));
        };
        let (waited, ()) = tokio::join!(waiting, revoke);
        assert_eq!(waited.status, 401, "{waited:?}");
        assert!(waited.text.contains("it was revoked"), "{waited:?}");
        while alice.next().await.is_some() {}
        while listening.next().await.is_some() {}
        assert_eq!(house.tools(ALICE, &of_alice).await.status, 401);
        while house.sessions.conversation(&of_alice).is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(house.tools(BOB, &of_bob).await.text.contains("search_inventory"));
        let still =
            tokio::time::timeout(Duration::from_millis(100), async { while bob.next().await.is_some() {} }).await;
        assert!(still.is_err(), "the stream of somebody else has ended");
    };
    tokio::select! {
        () = house.sessions.keep_to_owners(&house.gate) => unreachable!(),
        () = revoking => {}
    }
    // The same token once more does not bring the session back.
    house.gate.set(book(&[entry("alice")]));
    assert_eq!(house.tools(ALICE, &of_alice).await.status, 404);
}

#[tokio::test]
async fn what_a_token_opened_ends_with_it_and_the_same_somebody_goes_on_with_another() {
    let clock = Arc::new(AwsClock::default());
    let ending = TokenEntry { expires: Some(clock.now() + Duration::from_secs(1)), ..entry("alice") };
    let rules = book(&[ending, entry("bob")]);
    let house = House::of(AccessGate::new(rules.clone(), None, Arc::new(Documents::default()), clock)).await;
    let session = house.session(ALICE).await;
    let mut stream = house.stream(ALICE, &session).await.into_body().into_data_stream();
    let ending = async {
        while stream.next().await.is_some() {}
        let reply = house.tools(ALICE, &session).await;
        assert!(reply.status == 401 && reply.text.contains("it ended at"), "{reply:?}");
        house.gate.set(rules);
        while house.sessions.conversation(&session).is_some() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        house.gate.set(book(&[entry("alice"), entry("bob")]));
        assert_eq!(house.tools(BOB, &session).await.status, 404);
        assert!(house.tools(ALICE, &session).await.text.contains("search_inventory"));
    };
    tokio::select! {
        () = house.sessions.keep_to_owners(&house.gate) => unreachable!(),
        () = ending => {}
    }
}

#[tokio::test]
async fn where_there_is_oauth_a_refusal_leads_to_the_issuer() {
    let Yard { gate, .. } = Yard::of(vec![plan()]);
    let url: PublicUrl = "https://muster.example.com/mcp".parse().unwrap();
    for (gate, resource) in [
        (gate.clone(), "http://127.0.0.1/mcp"),
        (
            AccessGate::new(gate.rules(), Some(url), Arc::new(Documents::default()), Arc::clone(gate.clock())),
            "https://muster.example.com/mcp",
        ),
    ] {
        let house = House::of(gate).await;
        let reply = house.ask(Method::POST, &[], tools().to_string()).await;
        let origin = resource.strip_suffix("/mcp").unwrap();
        let metadata = format!("{origin}/.well-known/oauth-protected-resource/mcp");
        assert_eq!(
            (reply.status, reply.header("www-authenticate").unwrap()),
            (401, &*format!("Bearer resource_metadata=\"{metadata}\""))
        );
        for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
            let reply =
                read(house.respond(Method::GET, path, &[("origin", "https://any.test")], Body::empty()).await).await;
            assert_eq!((reply.status, reply.header("access-control-allow-origin")), (200, Some("*")));
            let said = reply.json();
            assert_eq!(
                (said["resource"].as_str(), &said["authorization_servers"]),
                (Some(resource), &json!([crate::mcp::auth::tests::ISSUER]))
            );
        }
    }
}

#[tokio::test]
async fn the_token_reaches_neither_handlers_nor_what_is_kept_of_requests() {
    let house = House::of_tokens().await;
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "resources/list")];
    // Requests that differ in nothing but the token are alike.
    for token in [ALICE, BOB, ALICE, BOB] {
        let reply = house.post(token, &headers, &modern("resources/list")).await;
        assert!(reply.json()["result"]["resources"].is_array(), "{reply:?}");
        assert!(!reply.text.contains("token-of"));
    }
}

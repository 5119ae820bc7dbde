//! Sessions that nobody ends: idle ones are restored when they are needed, with everything that they were subscribed to.

use std::collections::HashSet;
use std::path::Path;

use axum::body::BodyDataStream;

use super::*;

const URI: &str = "ec2://inventory/summary";

/// The beginning of a stream, as far as all of `needles` are in it.
async fn until(response: Response, needles: &[&str]) -> String {
    read_on(&mut response.into_body().into_data_stream(), needles).await
}

/// What comes next in a stream, as far as all of `needles` are in it.
async fn read_on(chunks: &mut BodyDataStream, needles: &[&str]) -> String {
    let mut text = String::new();
    let reading = async {
        while !needles.iter().all(|needle| text.contains(needle)) {
            let chunk = chunks.next().await.expect("the stream goes on").unwrap();
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(20), reading).await;
    read.unwrap_or_else(|_| panic!("{needles:?} do not come: {text}"));
    text
}

impl Desk {
    async fn in_session(&self, session: &str, method: &str, params: &Value) -> Reply {
        self.post(&[("mcp-session-id", session)], request("r", method, params)).await
    }

    async fn subscribe(&self, session: &str) {
        let reply = self.in_session(session, "resources/subscribe", &json!({"uri": URI})).await;
        assert_eq!(reply.json()["result"], json!({}), "{reply:?}");
    }

    async fn stream(&self, session: &str, headers: &[(&str, &str)]) -> Response {
        let headers = [&[("mcp-session-id", session), ("accept", STREAM)], headers].concat();
        let response = self.respond(Method::GET, &headers, Body::empty()).await;
        assert_eq!(response.status(), StatusCode::OK);
        response
    }

    async fn remembering_in(dir: &Path) -> Desk {
        let world = World::small().await;
        let path = Some(dir.join("sessions.jsonl"));
        let remembered = RememberedSessions::open(path, Arc::new(AwsClock::default())).await;
        let router = router(
            &world.server,
            |handler| handler,
            None,
            &HttpOptions::default(),
            &CancellationToken::new(),
            &Arc::new(HttpSessions::new(Arc::new(remembered), 256)),
        );
        Desk { world, router }
    }
}

#[tokio::test]
async fn an_idle_session_too_many_is_restored_by_its_next_request_and_hears_that_everything_may_have_changed() {
    let desk = Desk::with_idle_sessions(1).await;
    let first = desk.session(&[]).await;
    desk.subscribe(&first).await;
    let others = [desk.session(&[]).await, desk.session(&[]).await, desk.session(&[]).await];
    for session in others.iter().chain([&first]) {
        let reply = desk.in_session(session, "tools/list", &json!({})).await;
        assert!(reply.json()["result"]["tools"].is_array(), "{reply:?}");
    }
    // It was restored by the request, and by nothing but the stream it would be as well.
    for _ in 0..2 {
        let told = until(desk.stream(&first, &[]).await, &[URI, "list_changed"]).await;
        assert!(told.contains("notifications/resources/updated"), "{told}");
        assert_eq!(desk.in_session(&others[0], "ping", &json!({})).await.status, 200);
    }
    let reply = desk.in_session(&first, "resources/unsubscribe", &json!({"uri": URI})).await;
    assert_eq!(reply.json()["result"], json!({}));
    assert_eq!(desk.in_session(&others[0], "ping", &json!({})).await.status, 200);
    let told = until(desk.stream(&first, &[]).await, &["list_changed"]).await;
    assert!(!told.contains(URI), "it is not subscribed any more: {told}");
}

#[tokio::test]
async fn a_session_with_an_open_stream_stays_served() {
    let desk = Desk::with_idle_sessions(1).await;
    let first = desk.session(&[]).await;
    desk.subscribe(&first).await;
    let mut stream = desk.stream(&first, &[]).await.into_body().into_data_stream();
    for _ in 0..3 {
        for _ in 0..3 {
            desk.session(&[]).await;
        }
        desk.world.core.hub.mark_all();
        read_on(&mut stream, &[URI, "list_changed"]).await;
    }
}

#[tokio::test]
async fn many_requests_at_once_restore_a_session_once() {
    let desk = Desk::with_idle_sessions(1).await;
    let session = desk.session(&[]).await;
    for round in 0..20 {
        // Another session, so that this one is no longer served.
        desk.session(&[]).await;
        let ask = |number: i32| {
            let (desk, session) = (&desk, &session);
            async move {
                let headers = [("mcp-session-id", session.as_str())];
                let reply = desk.post(&headers, request(format!("{round}-{number}"), "tools/list", &json!({}))).await;
                assert!(reply.json()["result"]["tools"].is_array(), "{reply:?}");
            }
        };
        futures::future::join_all((0..8).map(ask)).await;
    }
}

#[tokio::test]
async fn a_session_outlives_the_server_and_ends_by_delete() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::remembering_in(dir.path()).await;
    let [session, ended] = [desk.session(&[]).await, desk.session(&[]).await];
    desk.subscribe(&session).await;
    let delete = |desk: Desk, session: String| async move {
        let reply = desk.ask(Method::DELETE, &[("mcp-session-id", &session)], Body::empty()).await;
        (reply.status, desk)
    };
    let (status, desk) = delete(desk, ended.clone()).await;
    assert_eq!(status, 202);
    drop(desk);
    let desk = Desk::remembering_in(dir.path()).await;
    until(desk.stream(&session, &[("last-event-id", "00000001-3")]).await, &[URI, "list_changed"]).await;
    assert_eq!(desk.in_session(&session, "ping", &json!({})).await.json()["result"], json!({}));
    drop(desk);
    // It can be ended although it is not served.
    let desk = Desk::remembering_in(dir.path()).await;
    assert_eq!(desk.in_session(&ended, "ping", &json!({})).await.status, 404);
    let (status, desk) = delete(desk, session.clone()).await;
    assert_eq!(status, 202);
    for _ in 0..2 {
        assert_eq!(desk.in_session(&session, "ping", &json!({})).await.status, 404);
        let reply = desk.ask(Method::DELETE, &[("mcp-session-id", &session)], Body::empty()).await;
        assert_eq!(reply.refusal(), (404, Value::Null, -32600));
    }
}

#[tokio::test]
async fn what_changed_while_no_stream_was_open_is_told_by_the_next_one() {
    let desk = Desk::new().await;
    let session = desk.session(&[]).await;
    desk.subscribe(&session).await;
    let quiet = until(desk.stream(&session, &[]).await, &["retry: 3000"]).await;
    assert!(!quiet.contains("notifications"), "nothing was missed: {quiet}");
    for _ in 0..50 {
        // More than rmcp keeps.
        desk.world.core.hub.mark_all();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until(desk.stream(&session, &[]).await, &[URI, "list_changed"]).await;
    // Once more, with nothing that changed: what went out on the stream that broke may not have arrived.
    until(desk.stream(&session, &[("last-event-id", "garbage")]).await, &[URI, "list_changed"]).await;
}

#[tokio::test]
async fn no_two_events_of_a_session_have_the_same_id() {
    let desk = Desk::with_idle_sessions(1).await;
    let both = [("accept", BOTH), ("content-type", JSON)];
    let params = json!({"protocolVersion": "2025-11-25"});
    let response = desk.respond(Method::POST, &both, request(0, "initialize", &params)).await;
    let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
    let mut text = until(response, &["serverInfo"]).await;
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string();
    assert_eq!(desk.post(&[("mcp-session-id", &session)], initialized).await.status, 202);
    desk.subscribe(&session).await;
    // Told to nobody: the first stream that opens is told that something may have been missed.
    desk.world.core.hub.mark_all();
    for number in 0..3 {
        let headers = [both[0], both[1], ("mcp-session-id", session.as_str())];
        let response = desk.respond(Method::POST, &headers, request(number, "tools/list", &json!({}))).await;
        text.push_str(&until(response, &["\"tools\":["]).await);
        text.push_str(&until(desk.stream(&session, &[]).await, &[URI, "list_changed"]).await);
        // Another session, so that this one is restored.
        desk.session(&[]).await;
    }
    let ids: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("id:")).map(str::trim).collect();
    let different: HashSet<&str> = ids.iter().copied().collect();
    assert!(ids.len() >= 9 && different.len() == ids.len(), "{ids:?}");
}

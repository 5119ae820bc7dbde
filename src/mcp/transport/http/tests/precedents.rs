//! Requests that are like earlier ones.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A server that rmcp answers for alone, and one that answers what has a precedent, over one inventory.
struct Pair {
    alone: Desk,
    both: Router,
    /// How many handlers the second one made.
    handlers: Arc<AtomicUsize>,
}

impl Pair {
    async fn new() -> Pair {
        let mut alone = Desk::new().await;
        let handlers = Arc::new(AtomicUsize::new(0));
        let remembered = || async { Arc::new(RememberedSessions::open(None, Arc::new(AwsClock::default())).await) };
        let (server, options, streams) = (&alone.world.server, HttpOptions::default(), CancellationToken::new());
        let counted = {
            let handlers = Arc::clone(&handlers);
            move |handler| {
                handlers.fetch_add(1, Ordering::Relaxed);
                handler
            }
        };
        let precedents = Some(Precedents::new(server.clone()));
        let sessions = async || Arc::new(HttpSessions::new(remembered().await, 8));
        let both = router(server, counted, precedents, &options, &streams, &sessions().await);
        let without = router(server, |handler| handler, None, &options, &streams, &sessions().await);
        alone.router = without;
        Pair { alone, both, handlers }
    }

    /// Asks both; their answers have to be the same, byte for byte. Returns the answer, and whether rmcp was asked by the second.
    async fn ask(&mut self, headers: &[(&str, &str)], body: &str) -> (Reply, bool) {
        let alone = self.alone.post(headers, body.to_owned()).await;
        let before = self.handlers.load(Ordering::Relaxed);
        std::mem::swap(&mut self.alone.router, &mut self.both);
        let both = self.alone.post(headers, body.to_owned()).await;
        std::mem::swap(&mut self.alone.router, &mut self.both);
        assert_eq!((both.status, &both.text), (alone.status, &alone.text), "{body}");
        assert_eq!(both.headers, alone.headers, "{body}");
        (both, self.handlers.load(Ordering::Relaxed) > before)
    }

    async fn read(&mut self, id: impl Into<Value>, uri: &str) -> (Reply, bool) {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "resources/read"), ("mcp-name", uri)];
        self.ask(&headers, &read(id, uri)).await
    }
}

fn read(id: impl Into<Value>, uri: &str) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "desk", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    });
    request(id, "resources/read", &json!({"uri": uri, "_meta": meta}))
}

#[tokio::test]
async fn a_read_like_an_earlier_one_gets_the_answer_that_rmcp_gives_without_it() {
    let mut pair = Pair::new().await;
    let client = pair.alone.world.client(false).await;
    let [one, other] =
        [pair.alone.world.instance(&client, "running").await, pair.alone.world.instance(&client, "stopped").await];
    let one = format!("ec2://instance/{one}");
    for _ in 0..2 {
        assert!(pair.read(1, &one).await.1, "what comes for the second time becomes a precedent");
    }
    for (id, uri) in [
        (json!(2), one.clone()),
        (json!("three"), one.clone()),
        (json!(-4), format!("EC2://Instance/{other}/")),
        (json!(5), format!("ec2://instance/{other}/status")),
        (json!("\u{202E}\"\n"), one.clone()),
    ] {
        let (reply, asked) = pair.read(id.clone(), &uri).await;
        assert!(!asked, "{uri}");
        assert_eq!((&reply.json()["id"], &reply.json()["result"]["contents"][0]["uri"]), (&id, &json!(uri)));
    }
    for uri in ["ec2://instance/i-0123456789abcdef0", "ec2://inventory/freshness", "ec2://instances/x", "x", ""] {
        let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "resources/read"), ("mcp-name", uri)];
        let before = pair.handlers.load(Ordering::Relaxed);
        std::mem::swap(&mut pair.alone.router, &mut pair.both);
        pair.alone.post(&headers, read(6, uri)).await.json();
        std::mem::swap(&mut pair.alone.router, &mut pair.both);
        assert!(pair.handlers.load(Ordering::Relaxed) > before, "{uri}");
    }
}

#[tokio::test]
async fn a_list_like_an_earlier_one_gets_the_answer_that_rmcp_gives_without_it() {
    let mut pair = Pair::new().await;
    let headers = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "resources/list")];
    for nth in 0..4 {
        let (reply, asked) = pair.ask(&headers, &modern(nth, "resources/list")).await;
        assert_eq!(asked, nth < 2);
        assert!(reply.json()["result"]["resources"].as_array().unwrap().len() > 12);
    }
}

#[tokio::test]
async fn what_differs_in_anything_else_is_rmcps_to_decide() {
    let mut pair = Pair::new().await;
    let client = pair.alone.world.client(false).await;
    let uri = format!("ec2://instance/{}", pair.alone.world.instance(&client, "running").await);
    let usual = [("mcp-protocol-version", "2026-07-28"), ("mcp-method", "resources/read"), ("mcp-name", uri.as_str())];
    pair.read(1, &uri).await;
    pair.read(1, &uri).await;
    assert!(!pair.read(1, &uri).await.1);
    let body = read(1, &uri);
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    for (headers, body, status) in [
        ([usual.as_slice(), &[("origin", "https://evil.example")]].concat(), body.clone(), 403),
        ([usual.as_slice(), &[("mcp-name", uri.as_str())]].concat(), body.clone(), 400),
        ([&usual[..2], &[("mcp-name", "ec2://vpc/x")]].concat(), body.clone(), 400),
        (usual[..2].to_vec(), body.clone(), 400),
        ([&usual[..1], &usual[2..]].concat(), body.clone(), 400),
        ([&[("mcp-protocol-version", "2025-11-25")], &usual[1..]].concat(), body.clone(), 400),
        (usual.to_vec(), body.replace("2026-07-28", "2026-07-29"), 400),
        (usual.to_vec(), body.replace(capabilities, "x"), 400),
        (usual.to_vec(), body.replace("\"2.0\"", "\"1.0\""), 400),
        (usual.to_vec(), body.replacen("\"id\"", "\"id\":7,\"id\"", 1), 400),
        (usual.to_vec(), body.replace("resources/read", "resources/list"), 400),
        ([usual.as_slice(), &[("accept", "image/png")]].concat(), body.clone(), 406),
        ([usual.as_slice(), &[("content-encoding", "gzip")]].concat(), body.clone(), 415),
    ] {
        let reply = pair.ask(&headers, &body).await.0;
        let refused = reply.status == status || reply.status == 403 || reply.json().get("error").is_some();
        assert!(refused, "{headers:?} {body}: {reply:?}");
    }
    let elsewhere = HttpRequest::post(PATH).header("host", "evil.example").header("content-type", JSON);
    let elsewhere = usual.iter().fold(elsewhere, |request, (name, value)| request.header(*name, *value));
    let refused = pair.both.clone().oneshot(elsewhere.body(Body::from(body)).unwrap()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    assert!(!pair.read(2, &uri).await.1, "the precedent stands");
}

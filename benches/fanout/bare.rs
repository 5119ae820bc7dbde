//! The baseline: a bare rmcp server that tells its subscribers of whatever it is told to.
//!
//! `POST /notify` with an array of URIs has all of them told to every subscriber of either era. It keeps no inventory, so what is
//! left between the two servers is what Muster adds: receiving and recording a change, and finding who subscribed to it. It runs in
//! a process of its own: this program again, with [`ARGUMENT`].

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt as _;
use rmcp::model::{
    ErrorData, Implementation, ResourceUpdatedNotificationParam, ServerCapabilities, ServerConfig,
    SubscribeRequestParams, SubscriptionFilter,
};
use rmcp::service::{RequestContext, SubscriptionContext};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// Makes this program the bare server.
pub(crate) const ARGUMENT: &str = "bare-notifier";

/// How many rounds of news a subscriber may be behind.
const BEHIND: usize = 1_024;

type News = Arc<[String]>;

/// Serves until killed. The first line on standard output says where, as `muster serve` does.
pub(crate) fn serve() -> anyhow::Result<()> {
    let news = broadcast::Sender::new(BEHIND);
    let notifying = news.clone();
    let service = StreamableHttpService::new(
        move || Ok(Notifier { news: notifying.clone(), begun: AtomicBool::new(false) }),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default().with_json_response(true),
    );
    let router = axum::Router::new().route("/notify", post(notify)).with_state(news).nest_service("/mcp", service);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let banner = json!({ "http": format!("http://{}/mcp", listener.local_addr()?) });
        writeln!(std::io::stdout(), "{banner}")?;
        Ok(axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), router).await?)
    })
}

/// Tells everybody, and answers how many they are.
async fn notify(State(news): State<broadcast::Sender<News>>, body: Bytes) -> Result<String, StatusCode> {
    let uris: Vec<String> = serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(news.send(uris.into()).unwrap_or_default().to_string())
}

struct Notifier {
    news: broadcast::Sender<News>,
    /// Whether the session's client is told already.
    begun: AtomicBool,
}

impl ServerHandler for Notifier {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder().enable_resources().enable_resources_subscribe().build();
        ServerConfig::new(capabilities).with_server_info(Implementation::new("bare", env!("CARGO_PKG_VERSION")))
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut news = self.news.subscribe();
        loop {
            let uris = tokio::select! {
                () = context.cancelled() => return Ok(()),
                uris = news.recv() => uris,
            };
            for uri in uris.iter().flat_map(|uris| uris.iter()) {
                if context.sink().notify_resource_updated(uri).await.is_err() {
                    return Ok(());
                }
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "nobody waits for the tasks of this program, which is killed")]
    async fn subscribe(
        &self,
        _request: SubscribeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        if self.begun.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let (mut news, peer) = (self.news.subscribe(), context.peer);
        tokio::spawn(async move {
            while let Ok(uris) = news.recv().await {
                for uri in uris.iter() {
                    if peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(())
    }
}

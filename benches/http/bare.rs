//! The baseline: a bare rmcp server that clones and returns a constant.
//!
//! Built as Muster's own HTTP server is (rmcp's streamable HTTP service with the same settings, in axum), and with our own
//! bytes as the constant, so that what is left between the two is what Muster adds: finding the resource and making
//! its text. It runs in a process of its own: this program again, with [`ARGUMENT`].

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use axum::serve::ListenerExt as _;
use rmcp::model::{
    ErrorData, Implementation, ListResourcesResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Makes this program the bare server. Followed by the path of a file that [`write`] made.
pub(crate) const ARGUMENT: &str = "bare-server";

/// Writes what the bare server is to answer: `result` of a read and of a list.
pub(crate) fn write(path: &Path, read: &Value, list: &Value) -> anyhow::Result<()> {
    std::fs::write(path, json!({ "read": read, "list": list }).to_string())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Serves until killed. The first line on standard output says where, as `muster serve` does.
pub(crate) fn serve(path: &Path) -> anyhow::Result<()> {
    let answers = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let constant: Arc<Constant> = Arc::new(serde_json::from_slice(&answers).context("the constant is none of ours")?);
    let service = StreamableHttpService::new(
        move || Ok(constant.clone()),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default()
            .with_json_response(true)
            .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"])
            .enforce_origin_validation(),
    );
    let router = axum::Router::new().nest_service("/mcp", service);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let banner = json!({ "http": format!("http://{}/mcp", listener.local_addr()?) });
        writeln!(std::io::stdout(), "{banner}")?;
        Ok(axum::serve(listener.tap_io(|stream| drop(stream.set_nodelay(true))), router).await?)
    })
}

#[derive(serde::Deserialize)]
struct Constant {
    read: ReadResourceResult,
    list: ListResourcesResult,
}

impl ServerHandler for Constant {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_resources().build())
            .with_server_info(Implementation::new("bare", env!("CARGO_PKG_VERSION")))
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(self.list.clone())
    }

    async fn read_resource(
        &self,
        _request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        Ok(self.read.clone().into())
    }
}

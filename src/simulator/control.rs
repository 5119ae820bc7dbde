//! What the simulator is asked about itself, under `/_simulator/`, beside the AWS it plays.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::simulator::world::World;

/// Every control path begins so; no AWS path does.
pub(crate) const PREFIX: &str = "/_simulator/";

/// Answers one control call.
pub(crate) async fn answer(_world: &World, method: &Method, path: &str, _body: &[u8]) -> Response<Body> {
    let unknown = format!("the simulator has no {method} {path}");
    reply(StatusCode::NOT_FOUND, &json!({ "error": unknown }))
}

fn reply(status: StatusCode, value: &Value) -> Response<Body> {
    let built = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
    built.body(Body::from(value.to_string())).unwrap_or_else(|_| Response::new(Body::empty()))
}

//! How many calls the simulator has answered.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::Context as _;
use serde_json::Value;

/// The calls that reached a simulator.
pub(crate) struct Calls {
    /// In the last minute, for each account and region that was asked anything, on average.
    pub(crate) mean: f64,
    /// The most of an account and region.
    pub(crate) most: f64,
    /// How often roles were assumed since the start.
    pub(crate) assumed: f64,
}

impl Calls {
    /// Asks a simulator.
    pub(crate) fn of(authority: &str) -> anyhow::Result<Self> {
        let counted = get(authority, "/_simulator/requests")?;
        let counted = counted.get("requests").and_then(Value::as_array).context("the simulator counts no requests")?;
        let (mut by_scope, mut assumed) = (BTreeMap::<(String, String), f64>::new(), 0.0);
        for one in counted {
            let text = |key: &str| one.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            let number = |key: &str| one.get(key).and_then(Value::as_f64).unwrap_or_default();
            if text("action") == "AssumeRole" {
                assumed += number("total");
            } else {
                *by_scope.entry((text("account"), text("region"))).or_default() += number("last_minute");
            }
        }
        let all: f64 = by_scope.values().sum();
        let mean = all / by_scope.len().max(1) as f64;
        Ok(Calls { mean, most: by_scope.into_values().fold(0.0, f64::max), assumed })
    }
}

fn get(authority: &str, path: &str) -> anyhow::Result<Value> {
    let mut stream = TcpStream::connect(authority)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {authority}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").context("the simulator's answer has no body")?;
    serde_json::from_str(body).with_context(|| format!("{path} is no JSON"))
}

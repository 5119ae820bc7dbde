//! Where a server listens, as it announces it.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::app::metrics_route;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listens {
    line: Value,
}

impl Listens {
    /// Where the server of `data_dir` listens: on its socket, and over HTTP.
    pub(super) fn new(data_dir: &Path, socket: &Path, http: Option<&str>) -> Self {
        Listens {
            line: json!({"socket": socket.to_string_lossy(), "http": http, "data_dir": data_dir.to_string_lossy()}),
        }
    }

    /// The same with the address of the metrics, if they have one of their own.
    pub(super) fn and_metrics(mut self, address: Option<SocketAddr>) -> Self {
        if let (Value::Object(line), Some(address)) = (&mut self.line, address) {
            line.insert("metrics".to_owned(), format!("http://{address}{}", metrics_route::PATH).into());
        }
        self
    }

    /// The same with the address of EC2's read API, if it is answered, and whether by TLS.
    pub(super) fn and_ec2_api(mut self, address: Option<SocketAddr>, by_tls: bool) -> Self {
        if let (Value::Object(line), Some(address)) = (&mut self.line, address) {
            let scheme = if by_tls { "https" } else { "http" };
            line.insert("ec2_api".to_owned(), format!("{scheme}://{address}").into());
        }
        self
    }

    /// One line of JSON: `socket`, `http` (a URL or null), `data_dir`; `metrics` (a URL) where they have an address of their own, and
    /// `ec2_api` (a URL) where EC2's read API is answered.
    #[must_use]
    pub fn line(&self) -> String {
        self.line.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::serve::doors::url;

    #[test]
    fn the_announcement_is_one_line_of_json() {
        let listens =
            Listens::new(Path::new("/d"), Path::new("/d/muster.sock"), Some(&url("[::1]:80".parse().unwrap(), false)));
        let line: Value = serde_json::from_str(&listens.line()).unwrap();
        assert_eq!(line, json!({"socket": "/d/muster.sock", "http": "http://[::1]:80/mcp", "data_dir": "/d"}));
        assert_eq!(Listens::new(Path::new("/d"), Path::new("/s"), None).line["http"], Value::Null);
    }
}

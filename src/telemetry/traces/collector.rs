//! The collector that spans are sent to, over the HTTP client that AWS is called with: its authorities, its proxy.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use tokio::runtime::{self, Runtime};

use crate::aws::web_documents::WebDocuments;
use crate::model::text::shown;

/// How much of an error is told.
const TOLD: usize = 200;

/// Sends to one collector, on the thread of whoever sends.
pub(super) struct Collector {
    web: WebDocuments,
    /// OpenTelemetry's thread has none. It has a thread, which notices a connection that the collector closes meanwhile.
    runtime: Runtime,
    patience: Duration,
    /// Whether the last attempt failed. It is told of once.
    fails: AtomicBool,
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collector").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Collector {
    /// For a URL, whose host is asked directly where it is this machine.
    ///
    /// # Errors
    /// What is wrong with the URL, after the name of what gave it.
    pub(super) fn of(url: &str, patience: Duration) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("is no URL: it begins with neither http:// nor https://")?;
        if !["http", "https"].contains(&scheme.to_ascii_lowercase().as_str()) {
            return Err(format!("begins with {:?}, and neither http:// nor https://", shown(scheme, 20)));
        }
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() || host.contains('@') {
            return Err("names no host alone: credentials belong into OTEL_EXPORTER_OTLP_HEADERS".to_owned());
        }
        let runtime = runtime::Builder::new_multi_thread().worker_threads(1).thread_name("traces").enable_all().build();
        let runtime = runtime.map_err(|error: io::Error| format!("is not reached: {error}"))?;
        Ok(Collector { web: WebDocuments::of_host(host), runtime, patience, fails: AtomicBool::new(false) })
    }

    /// Logs that sending fails, or that it works again, once each.
    fn note(&self, failure: Option<&str>) {
        let failed = self.fails.swap(failure.is_some(), Ordering::Relaxed);
        match failure {
            Some(why) if !failed => {
                tracing::warn!(
                    why = shown(why, TOLD),
                    "the collector of traces takes none; those that find no room are dropped"
                );
            }
            None if failed => tracing::info!("the collector takes traces again"),
            Some(_) | None => {}
        }
    }
}

#[async_trait]
impl HttpClient for Collector {
    /// Blocks: it is OpenTelemetry's own thread that waits for it.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.runtime.block_on(self.web.exchange(request, self.patience));
        match &answer {
            Ok(answer) if answer.status().is_success() => self.note(None),
            Ok(answer) => self.note(Some(&format!("it answers {}", answer.status().as_u16()))),
            Err(why) => self.note(Some(why)),
        }
        answer.map_err(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_cannot_be_a_collector_is_refused_without_what_may_be_secret_in_it() {
        for (url, why) in [
            ("localhost:4318", "neither http:// nor https://"),
            ("grpc://localhost:4317", "\"grpc\""),
            ("http://", "no host"),
            ("https://user:sesame@collector.example.com/v1", "OTEL_EXPORTER_OTLP_HEADERS"),
        ] {
            let said = Collector::of(url, Duration::from_secs(1)).map(drop).unwrap_err();
            assert!(said.contains(why) && !said.contains("sesame"), "{said}");
        }
        Collector::of("HTTPS://collector.example.com/otlp", Duration::from_secs(1)).unwrap();
    }
}

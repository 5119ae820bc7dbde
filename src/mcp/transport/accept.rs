//! The media types that an HTTP client accepts and sends.

use axum::http::{HeaderMap, HeaderName, header};

/// The media type of a plain answer.
pub(super) const JSON: &str = "application/json";
/// The media type of a stream of messages.
pub(super) const STREAM: &str = "text/event-stream";

/// The media types that a client accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Accepted {
    /// Plain JSON.
    pub(super) json: bool,
    /// A stream of events.
    pub(super) stream: bool,
    /// A stream that is named, not matched by a wildcard, so that the client can surely read one.
    pub(super) names_stream: bool,
}

impl Accepted {
    /// Reads the `Accept` header. A client without one accepts anything, as HTTP defines it.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let ranges = ranges(headers, &header::ACCEPT);
        if ranges.is_empty() {
            return Accepted { json: true, stream: true, names_stream: false };
        }
        let takes = |form: &str| {
            let family = form.split_once('/').map_or(form, |(family, _)| family);
            // The most precise range counts.
            let of = |range: &str| ranges.iter().find(|(name, _)| name == range).map(|(_, is_wanted)| *is_wanted);
            of(form).or_else(|| of(&format!("{family}/*"))).or_else(|| of("*/*")).unwrap_or(false)
        };
        let names_stream = ranges.iter().any(|(name, is_wanted)| name == STREAM && *is_wanted);
        Accepted { json: takes(JSON), stream: takes(STREAM), names_stream }
    }

    /// Whether to convert a stream with one answer to a plain answer.
    pub(super) fn prefers_json(self) -> bool {
        self.json && !self.names_stream
    }
}

/// Whether a body is sent as JSON. A body without a type counts as JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let ranges = ranges(headers, &header::CONTENT_TYPE);
    let is_json = |name: &str| {
        matches!(name, JSON | "text/json" | "application/json-rpc" | "application/jsonrequest")
            || name.ends_with("+json")
    };
    ranges.iter().all(|(name, _)| is_json(name))
}

/// Whether a body is sent uncompressed.
pub(super) fn is_plain(headers: &HeaderMap) -> bool {
    ranges(headers, &header::CONTENT_ENCODING).iter().all(|(name, _)| name == "identity")
}

/// The entries of a header, without their parameters and in lower case; `false` beside one with `q=0`.
fn ranges(headers: &HeaderMap, name: &HeaderName) -> Vec<(String, bool)> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let entries = values.flat_map(|value| value.split(','));
    let range = |entry: &str| {
        let mut parts = entry.split(';').map(str::trim);
        let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
        let is_unwanted = parts.any(|part| {
            let quality = part.split_once('=').filter(|(key, _)| key.trim().eq_ignore_ascii_case("q"));
            quality.and_then(|(_, value)| value.trim().parse().ok()) == Some(0.0)
        });
        Some((name, !is_unwanted))
    };
    entries.filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn json_is_taken_by_whoever_does_not_exclude_it() {
        let of = |values: &[&'static str]| {
            let Accepted { json, stream, names_stream } = Accepted::of(&headers(&header::ACCEPT, values));
            (json, stream, names_stream)
        };
        for (values, expected) in [
            (&[] as &[&str], (true, true, false)),
            (&[""], (true, true, false)),
            (&["*/*"], (true, true, false)),
            (&["application/json"], (true, false, false)),
            (&["Application/JSON; charset=utf-8"], (true, false, false)),
            (&["application/*;q=0.5"], (true, false, false)),
            (&["text/html, */*;q=0.1"], (true, true, false)),
            (&["application/json, text/event-stream"], (true, true, true)),
            (&["application/json", "text/event-stream"], (true, true, true)),
            (&["text/event-stream"], (false, true, true)),
            (&["text/*"], (false, true, false)),
            (&["application/json, text/event-stream;q=0"], (true, false, false)),
            (&["application/json;q=0.0, */*"], (false, true, false)),
            (&["application/json;q=zero"], (true, false, false)),
            (&["text/html", "image/png"], (false, false, false)),
        ] {
            assert_eq!(of(values), expected, "{values:?}");
        }
    }

    #[test]
    fn json_has_several_names_and_none() {
        let is = |values: &[&'static str]| is_json(&headers(&header::CONTENT_TYPE, values));
        for taken in [
            &[] as &[&str],
            &["application/json"],
            &["application/json; charset=utf-8"],
            &["APPLICATION/JSON;charset=UTF-8"],
            &["text/json"],
            &["application/vnd.api+json"],
        ] {
            assert!(is(taken), "{taken:?}");
        }
        for refused in
            ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/html"]
        {
            assert!(!is(&[refused]), "{refused}");
        }
        assert!(is_plain(&HeaderMap::new()) && is_plain(&headers(&header::CONTENT_ENCODING, &["identity"])));
        assert!(!is_plain(&headers(&header::CONTENT_ENCODING, &["gzip"])));
    }
}

//! Answers that arrive damaged.

use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderValue, Response};
use futures::stream;

use crate::simulator::dice::Dice;

/// How the body of an answer is damaged. The number, which the fault draws, decides where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mangling {
    /// The connection closes in the second or third quarter of the announced length.
    Truncate(u64),
    /// The body contains bytes that are valid in neither XML nor JSON, in its second or third quarter; its length is
    /// correct.
    Garble(u64),
}

/// Malformed everywhere in XML (text, tags, attributes) and in JSON (strings and between tokens).
const RUBBISH: &str = "<&\u{0}";

impl Mangling {
    /// The answer as the client receives it.
    pub(crate) fn apply(self, answer: Response<Body>, body: &str) -> Response<Body> {
        let (mut parts, _) = answer.into_parts();
        match self {
            Self::Truncate(drawn) => {
                parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                let half = body.as_bytes().get(..middle(body, drawn)).unwrap_or_default();
                Response::from_parts(parts, interrupted(Bytes::copy_from_slice(half)))
            }
            Self::Garble(drawn) => Response::from_parts(parts, Body::from(garbled(body, drawn))),
        }
    }
}

fn garbled(body: &str, drawn: u64) -> String {
    let mut out = body.to_owned();
    out.insert_str(middle(body, drawn), RUBBISH);
    out
}

/// A position in the second or third quarter, on a character boundary.
fn middle(body: &str, drawn: u64) -> usize {
    let half = u64::try_from(body.len() / 2).unwrap_or(0);
    let within = usize::try_from(Dice::new(drawn, 0).below(half)).unwrap_or(0);
    body.floor_char_boundary(body.len() / 4 + within)
}

/// A body that fails after `first`. The pause lets the server send `first` before it sees the error.
fn interrupted(first: Bytes) -> Body {
    let broken = || std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Body::from_stream(stream::unfold(Some(first), move |first| async move {
        match first {
            Some(first) if !first.is_empty() => Some((Ok(first), Some(Bytes::new()))),
            Some(_) => {
                tokio::task::yield_now().await;
                Some((Err(broken()), None))
            }
            None => None,
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_garbled_answer_is_neither_xml_nor_json_wherever_it_is_struck() {
        let json = r#"{"Messages":[{"Body":"zwölf","MessageId":"1"}],"Count":12}"#;
        for drawn in 0..200 {
            let text = garbled(json, drawn);
            assert!(serde_json::from_str::<serde_json::Value>(&text).is_err(), "{text}");
            assert_eq!(text, garbled(json, drawn));
        }
        assert_eq!(garbled("", 1), RUBBISH);
    }
}

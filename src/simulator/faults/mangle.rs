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
    /// One character of one item differs from what the account holds: a letter of a text or a digit of a number, and none of an
    /// id. The body is as long as before, and every value in it is one that AWS could have given. Answers without items stay as
    /// they are.
    Alter(u64),
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
            Self::Alter(drawn) => Response::from_parts(parts, Body::from(altered(body, drawn))),
        }
    }
}

fn garbled(body: &str, drawn: u64) -> String {
    let mut out = body.to_owned();
    out.insert_str(middle(body, drawn), RUBBISH);
    out
}

/// The body with another letter or digit at one of the places where that leaves it readable.
fn altered(body: &str, drawn: u64) -> String {
    let places: Vec<usize> = values(body).flat_map(|(at, text)| characters(at, text)).collect();
    let drawn = Dice::new(drawn, 0).below(u64::try_from(places.len()).unwrap_or(0).max(1));
    let at = usize::try_from(drawn).ok().and_then(|drawn| places.get(drawn).copied());
    let other = at.and_then(|at| body.as_bytes().get(at).copied()).map(other);
    let (Some(at), Some(other)) = (at, other) else { return body.to_owned() };
    let (before, after) = (body.get(..at).unwrap_or_default(), body.get(at + 1..).unwrap_or_default());
    format!("{before}{}{after}", char::from(other))
}

/// The texts of elements inside items that are no ids, times, words for true and false, or escaped; with their places.
fn values(body: &str) -> impl Iterator<Item = (usize, &str)> {
    let within = body.find("<item>").unwrap_or(body.len())..body.rfind("</item>").unwrap_or(body.len());
    let starts = body.get(within.clone()).unwrap_or_default().match_indices('<').map(move |(at, _)| within.start + at);
    starts.filter_map(|start| {
        let (name, rest) = body.get(start + 1..)?.split_once('>')?;
        let (text, end) = rest.split_once('<')?;
        let is_leaf = end.strip_prefix('/').is_some_and(|end| end.starts_with(name));
        let is_free = !name.ends_with("Id") && !text.contains([':', '&']) && !matches!(text, "true" | "false");
        (is_leaf && is_free).then_some((start + 1 + name.len() + 1, text))
    })
}

/// Where the letters and digits of a text at `at` stand.
fn characters(at: usize, text: &str) -> impl Iterator<Item = usize> {
    text.bytes().enumerate().filter(|(_, byte)| byte.is_ascii_alphanumeric()).map(move |(place, _)| at + place)
}

/// Another letter or digit than this one.
const fn other(byte: u8) -> u8 {
    match byte {
        b'z' | b'Z' => byte - 1,
        b'a'..=b'y' | b'A'..=b'Y' => byte + 1,
        _ => byte ^ 1,
    }
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

    #[test]
    fn an_altered_answer_has_one_other_character_in_a_value_of_an_item() {
        let body = "<R><id>r-1</id><s><item><aId>vol-1</aId><size>8</size><on>true</on><at>2026-11-29T00:00:00Z</at>\
                    <tags><item><key>Name</key><value>a&amp;b</value></item><item><key>z</key></item></tags></item></s>\
                    <next>t-1</next></R>";
        let mut places = std::collections::BTreeSet::new();
        for drawn in 0..200 {
            let text = altered(body, drawn);
            assert_eq!(text.len(), body.len());
            let differ: Vec<usize> =
                (0..body.len()).filter(|at| body.as_bytes()[*at] != text.as_bytes()[*at]).collect();
            assert_eq!(differ.len(), 1, "{text}");
            assert_eq!(text, altered(body, drawn));
            places.extend(differ);
        }
        let values = ["8<", "Name<", "ame<", "me<", "e</key", "z<"].map(|value| body.find(value).unwrap());
        assert_eq!(places, values.into());
        assert_eq!(altered("{}", 1), "{}");
    }
}

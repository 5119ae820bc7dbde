//! Takes the values of redacted tags out of an answer that is handed on as AWS gave it.

use std::borrow::Cow;
use std::ops::Range;

use super::markup::{Broken, MarkKind, Marks};
use crate::model::SecretTags;

/// What stands in place of a value. Marks of documents tell one value of a resource from another; here nobody knows the resource.
const MASK: &str = "redacted";

/// An answer that may be handed on.
#[derive(Clone, Debug)]
pub(super) struct MaskedAnswer {
    /// The local name of its root.
    pub(super) root: String,
    pub(super) body: Vec<u8>,
}

/// An element that is open.
#[derive(Default)]
struct OpenElement<'a> {
    name: &'a str,
    /// Where its content begins.
    from: usize,
    /// What its child `key` holds, and where the content of its child `value` is.
    key: Option<Range<usize>>,
    value: Option<Range<usize>>,
}

/// The answer `body` with masks in place of the values of redacted tags, wherever in it there are tags: an element with a key and a
/// value.
///
/// # Errors
/// [`Broken`]: the body is no complete document, so that nobody knows what it holds.
pub(super) fn masked(body: Vec<u8>, secrets: &SecretTags) -> Result<MaskedAnswer, Broken> {
    let (root, hidden) = hidden(&body, secrets)?;
    if hidden.is_empty() {
        return Ok(MaskedAnswer { root, body });
    }
    let (mut out, mut at) = (Vec::with_capacity(body.len()), 0);
    for value in hidden {
        out.extend_from_slice(body.get(at..value.start).unwrap_or_default());
        out.extend_from_slice(MASK.as_bytes());
        at = value.end;
    }
    out.extend_from_slice(body.get(at..).unwrap_or_default());
    Ok(MaskedAnswer { root, body: out })
}

/// The name of the root, and where the values of redacted tags are, in order.
fn hidden(body: &[u8], secrets: &SecretTags) -> Result<(String, Vec<Range<usize>>), Broken> {
    let (mut marks, mut open, mut hidden) = (Marks::new(body)?, Vec::new(), Vec::new());
    let mut root = String::new();
    while let Some(mark) = marks.next()? {
        if let (MarkKind::Start(name) | MarkKind::Empty(name), 0) = (mark.what, mark.depth) {
            name.clone_into(&mut root);
        }
        match mark.what {
            MarkKind::Start(name) => open.push(OpenElement { name, from: mark.at.end, ..OpenElement::default() }),
            MarkKind::End => {
                let Some(ended) = open.pop() else { continue };
                if let (Some(key), Some(value)) = (ended.key, ended.value)
                    && body.get(key).is_some_and(|key| is_secret(key, secrets))
                {
                    hidden.push(value);
                }
                let content = ended.from..mark.at.start;
                if let Some(around) = open.last_mut() {
                    if ended.name.eq_ignore_ascii_case("key") {
                        around.key = Some(content);
                    } else if ended.name.eq_ignore_ascii_case("value") && !content.is_empty() {
                        around.value = Some(content);
                    }
                }
            }
            MarkKind::Empty(_) | MarkKind::Text | MarkKind::Aside => {}
        }
    }
    hidden.sort_by_key(|value| value.start);
    // A value within a value goes with it.
    let mut end = 0;
    hidden.retain(|value| {
        let is_outer = value.start >= end;
        end = end.max(value.end);
        is_outer
    });
    Ok((root, hidden))
}

fn is_secret(written: &[u8], secrets: &SecretTags) -> bool {
    let text = String::from_utf8_lossy(written);
    secrets.is_secret(&read(&text))
}

/// What a text in markup stands for.
fn read(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return text.into();
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let letter = after.split_once(';').and_then(|(name, behind)| Some((letter(name)?, behind)));
        let (letter, behind) = letter.unwrap_or(('&', after));
        out.push(letter);
        rest = behind;
    }
    out.push_str(rest);
    out.into()
}

fn letter(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::secret_tags::SECRET_KEYS;

    fn of(body: &str) -> Result<String, Broken> {
        let secrets = SecretTags::new(&SECRET_KEYS, &[0; 32]);
        masked(body.as_bytes().to_vec(), &secrets).map(|answer| String::from_utf8(answer.body).unwrap())
    }

    #[test]
    fn an_answer_says_what_it_answers_by_its_root() {
        let secrets = SecretTags::new(&SECRET_KEYS, &[0; 32]);
        for (body, root) in
            [("<a/>", "a"), ("<?xml version='1.0'?><x:a xmlns:x='u'><b/></x:a>", "a"), ("<b>\n</b>", "b")]
        {
            assert_eq!(masked(body.as_bytes().to_vec(), &secrets).unwrap().root, root, "{body}");
        }
    }

    #[test]
    fn values_of_redacted_tags_are_masked_wherever_they_stand() {
        let tag = |key: &str, value: &str| format!("<item><key>{key}</key><value>{value}</value></item>");
        let body = |password: &str, token: &str| {
            let tags = [tag("Name", "web"), tag("db-Password", password), tag("a&amp;b", "c")].concat();
            let other = format!("<tagSet><item>\n <value>{token}</value> <key>API_&#84;oken</key></item></tagSet>");
            format!("<?xml version=\"1.0\"?><r><tagSet>{tags}</tagSet><x>{other}<key>password</key></x></r>")
        };
        assert_eq!(of(&body("hush", "hush&lt;")).unwrap(), body(MASK, MASK));
        let empty = "<r><item><key>password</key><value></value></item><item><key>password</key><value/></item></r>";
        assert_eq!(of(empty).unwrap(), empty);
        let plain = "<r><item><key>Name</key><value>password</value></item></r>";
        assert_eq!(of(plain).unwrap(), plain);
    }

    #[test]
    fn what_cannot_be_read_to_its_end_is_not_handed_on() {
        for body in ["", "<r>", "<r></r><r/>", "{}", "<r><item><key>password</key><value>x</r>", "<html><br></html>"] {
            assert!(of(body).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn a_secret_never_stays_and_nothing_else_goes(
            tags in prop::collection::vec(("[a-z<&]{0,3}(password)?", "[a-z<&>\"]{1,8}"), 0..8),
        ) {
            let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            let body = |masks: bool| {
                let tag = |(key, value): &(String, String)| {
                    let shown = if masks && key.contains("password") { MASK.to_owned() } else { escape(value) };
                    format!("<item><key>{}</key><value>{shown}</value></item>", escape(key))
                };
                format!("<r><tagSet>{}</tagSet></r>", tags.iter().map(tag).collect::<String>())
            };
            prop_assert_eq!(of(&body(false)).unwrap(), body(true));
        }
    }
}

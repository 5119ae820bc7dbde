//! Refuses answers that are not whole.
//!
//! The SDK's XML decoder takes the end of its input, and anything it cannot read, as the end of every open element. A body
//! that a middlebox cut off (with its framing in order, so that HTTP sees no fault) would then pass as a shorter page without
//! a next one, or as an instance without its tags: absences that nobody claimed. So an answer counts only when its markup
//! is balanced from the root's start to its end. JSON needs none of this: its decoder fails where the text ends early.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::AfterDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// Fails every call that succeeded by an answer that is not whole. It shows as an answer that could not be read.
#[derive(Debug)]
pub(super) struct WholeAnswers;

/// Why an answer is not whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Broken {
    /// It ends inside an element or a tag, or there is nothing.
    #[error("the answer ends too early, after {0} bytes; ask again")]
    CutOff(usize),
    /// A tag that is none, or that closes another element than the one open.
    #[error("the answer's markup is broken at byte {0}; ask again")]
    Malformed(usize),
    /// Bytes that are no text.
    #[error("the answer is not UTF-8; ask again")]
    NotText(#[from] std::str::Utf8Error),
}

impl Intercept for WholeAnswers {
    fn name(&self) -> &'static str {
        "WholeAnswers"
    }

    /// A failure stays what the SDK made of it: its status says enough.
    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match (context.output_or_error(), context.response().body().bytes()) {
            (Ok(_), Some(body)) => Ok(whole(body)?),
            _ => Ok(()),
        }
    }
}

/// Whether `body` is one element with balanced content, and nothing else but prologue and blanks.
///
/// # Errors
/// [`Broken`]: the first place where it is not.
fn whole(body: &[u8]) -> Result<(), Broken> {
    let text = std::str::from_utf8(body)?;
    let mut open: Vec<&str> = Vec::new();
    let (mut at, mut roots) = (0, 0);
    while let Some(rest) = text.get(at..) {
        let Some(tag) = rest.find('<') else {
            let ended = roots == 1 && open.is_empty();
            return if ended && is_blank(rest) { Ok(()) } else { Err(Broken::CutOff(body.len())) };
        };
        let (before, rest) = rest.split_at(tag);
        if before.contains("]]>") || !before.chars().all(is_xml) || (open.is_empty() && !is_blank(before)) {
            return Err(Broken::Malformed(at));
        }
        at += tag;
        let end = ["<!--", "<![CDATA[", "<?", "<"].iter().zip(["-->", "]]>", "?>", ">"]);
        let Some((start, end)) = end.into_iter().find(|(start, _)| rest.starts_with(**start)) else {
            return Err(Broken::Malformed(at));
        };
        let inner = rest.get(start.len()..).unwrap_or_default();
        let Some(length) = inner.find(end) else { return Err(Broken::CutOff(body.len())) };
        if *start == "<" {
            let tag = Tag::read(inner.get(..length).unwrap_or_default()).ok_or(Broken::Malformed(at))?;
            let fits = match tag {
                Tag::Start(name) => {
                    roots += usize::from(open.is_empty());
                    open.push(name);
                    roots == 1
                }
                Tag::End(name) => open.pop() == Some(name),
                Tag::Empty => {
                    roots += usize::from(open.is_empty());
                    roots == 1
                }
            };
            if !fits {
                return Err(Broken::Malformed(at));
            }
        }
        at += start.len() + length + end.len();
    }
    Err(Broken::CutOff(body.len()))
}

/// What stands between `<` and `>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag<'a> {
    Start(&'a str),
    End(&'a str),
    Empty,
}

impl<'a> Tag<'a> {
    /// `None` where it is no tag. An attribute's value with a `>` in it, which AWS does not write, is none either.
    fn read(inner: &'a str) -> Option<Self> {
        if let Some(name) = inner.strip_prefix('/') {
            let name = name.trim_end();
            return is_name(name).then_some(Tag::End(name));
        }
        let (inner, empty) = match inner.strip_suffix('/') {
            Some(inner) => (inner, true),
            None => (inner, false),
        };
        let (name, mut attributes) = inner.split_once(is_space).unwrap_or((inner, ""));
        if !is_name(name) {
            return None;
        }
        loop {
            attributes = attributes.trim_start();
            if attributes.is_empty() {
                return Some(if empty { Tag::Empty } else { Tag::Start(name) });
            }
            let (name, value) = attributes.split_once('=')?;
            let value = value.trim_start();
            let quote = value.chars().next().filter(|first| matches!(first, '"' | '\''))?;
            let (value, rest) = value.get(1..)?.split_once(quote)?;
            if !is_name(name.trim_end()) || value.contains('<') {
                return None;
            }
            attributes = rest;
        }
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':'))
}

fn is_space(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

/// Nothing but spaces; a byte order mark may stand before the root.
fn is_blank(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').chars().all(is_space)
}

/// Whether XML 1.0 allows a character: the SDK's decoder stops at any other.
fn is_xml(letter: char) -> bool {
    is_space(letter) || (letter >= ' ' && !matches!(letter, '\u{fffe}' | '\u{ffff}'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAGE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <DescribeInstancesResponse xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\">\n  <!-- > -->\
         <reservationSet><item><instanceId>i-1</instanceId><tagSet/><name>a &lt; b</name></item></reservationSet>\
         <note><![CDATA[</x>]]></note><nextToken >t</nextToken ></DescribeInstancesResponse>\n";

    #[test]
    fn a_whole_answer_passes() {
        for body in [PAGE, "<a/>", "<a b='1' c = \"2\" />", "\u{feff}<a>\n</a>"] {
            assert_eq!(whole(body.as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn an_answer_cut_anywhere_before_its_last_tag_ends_does_not() {
        let last = PAGE.trim_end().len();
        for end in 0..last {
            assert_eq!(whole(&PAGE.as_bytes()[..end]), Err(Broken::CutOff(end)), "{}", &PAGE[..end]);
        }
        assert_eq!(whole(&PAGE.as_bytes()[..last]), Ok(()));
    }

    #[test]
    fn broken_markup_does_not_pass() {
        for body in [
            "<a><b></a></b>",
            "<a></a><a></a>",
            "<a/><b/>",
            "<a></a>x",
            "x<a></a>",
            "<a><b c></b></a>",
            "<a>< b></a>",
            "<a><1></1></a>",
            "<a>\u{0}</a>",
            "<a>]]></a>",
            "<a><b c=\"<\"></b></a>",
            "</a>",
            "<a b=1></a>",
            "<>",
            "{}",
        ] {
            assert!(whole(body.as_bytes()).is_err(), "{body}");
        }
        assert!(matches!(whole(b"<a>\xff</a>"), Err(Broken::NotText(_))));
    }

    proptest! {
        /// What is checked is at least what the SDK's decoder needs to reach the end: no input makes it panic or hang.
        #[test]
        fn any_text_is_judged(text in "[<>/!?a\"'= \\[\\]-]{0,40}") {
            drop(whole(text.as_bytes()));
        }
    }
}

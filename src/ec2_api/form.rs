//! The form that a request is written in: names and values in the query of its URL, in its body, or in both.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The longest body that is read.
pub const LONGEST: usize = 1 << 20;

/// What is wrong with a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormFault {
    /// It is longer than any request.
    #[error("The request is longer than {LONGEST} bytes.")]
    TooLong,
    /// Its body does not come as its head says.
    #[error(
        "The body of the request does not arrive as its head says: its length or its chunks are wrong, or it breaks off."
    )]
    Broken,
    /// A `%` is not followed by two digits.
    #[error("The request has a % that no two hexadecimal digits follow.")]
    Percent,
    /// What is written is no text.
    #[error("The request has a name or a value that is not UTF-8.")]
    Encoding,
}

/// The names and values of a request, those of the URL's query first.
///
/// # Errors
///
/// When it is too long, or not written as a form is.
pub fn pairs(query: &str, body: &[u8]) -> Result<Vec<(String, String)>, FormFault> {
    if query.len() > LONGEST || body.len() > LONGEST {
        return Err(FormFault::TooLong);
    }
    let parts = query.as_bytes().split(|byte| *byte == b'&').chain(body.split(|byte| *byte == b'&'));
    let pair = |part: &[u8]| {
        let end = part.iter().position(|byte| *byte == b'=').unwrap_or(part.len());
        let (name, value) = part.split_at(end);
        Ok((decoded(name)?, decoded(value.get(1..).unwrap_or_default())?))
    };
    parts.filter(|part| !part.is_empty()).map(pair).collect()
}

fn decoded(written: &[u8]) -> Result<String, FormFault> {
    let spaced: Cow<'_, [u8]> = if written.contains(&b'+') {
        written.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect::<Vec<u8>>().into()
    } else {
        written.into()
    };
    let is_escape = |rest: &[u8]| matches!(rest, [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if !spaced.split(|byte| *byte == b'%').skip(1).all(is_escape) {
        return Err(FormFault::Percent);
    }
    let text = percent_decode(&spaced).decode_utf8();
    text.map(Cow::into_owned).map_err(|_| FormFault::Encoding)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_and_values_are_decoded() {
        let read = pairs("Action=A&&x", b"Value.1=a+b%2B%26%3D%C3%A9&=v&n=a=b").unwrap();
        let read: Vec<(&str, &str)> = read.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("Action", "A"), ("x", ""), ("Value.1", "a b+&=é"), ("", "v"), ("n", "a=b")]);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        assert_eq!(pairs("a=%4", b""), Err(FormFault::Percent));
        assert_eq!(pairs("", b"a=%zz"), Err(FormFault::Percent));
        assert_eq!(pairs("", b"a=%ff"), Err(FormFault::Encoding));
        assert_eq!(pairs("", b"\xff=1"), Err(FormFault::Encoding));
        assert_eq!(pairs("", &vec![b'a'; LONGEST + 1]), Err(FormFault::TooLong));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_again(given in prop::collection::vec((".{1,8}", ".{0,12}"), 0..6)) {
            let written = form_urlencoded::Serializer::new(String::new()).extend_pairs(&given).finish();
            prop_assert_eq!(pairs("", written.as_bytes()).unwrap(), given.clone());
            prop_assert_eq!(pairs(&written, b"").unwrap(), given);
        }

        #[test]
        fn any_bytes_are_read_or_refused(query in ".{0,60}", body in prop::collection::vec(any::<u8>(), 0..80)) {
            drop(pairs(&query, &body));
        }
    }
}

//! A tokenizer for XML bodies: one pass, no copies.
//!
//! The check that an answer is complete ([`super::whole`]) and the splitter of lists ([`super::split`]) use it. It is stricter than
//! the SDK's decoder in every point that matters to them: that decoder takes the end of its input, and anything it cannot read, as
//! the end of every open element. A body that this reads to its end is also read to its end by the decoder. Names are ASCII, as all
//! of AWS's are; a document type is refused.

use std::ops::Range;

use memchr::memmem;

/// How many bytes are searched for control characters at once.
const CHUNK: usize = 4_096;

/// Why a body is not complete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    /// It ends inside an element or a tag, or is empty.
    #[error("the answer ends too early, after {0} bytes; ask again")]
    CutOff(usize),
    /// A tag is invalid or closes another element than the open one.
    #[error("the answer's markup is broken at byte {0}; ask again")]
    Malformed(usize),
    /// The bytes are not text.
    #[error("the answer is not UTF-8; ask again")]
    NotText(#[from] std::str::Utf8Error),
}

/// The kind of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MarkKind<'a> {
    /// The start tag of an element with this local name.
    Start(&'a str),
    /// An element with this local name and no content: `<name/>`.
    Empty(&'a str),
    /// The end tag of the innermost open element.
    End,
    /// Characters, possibly with references, or a CDATA section.
    Text,
    /// A comment or a processing instruction.
    Aside,
}

/// One tag, text or comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark<'a> {
    /// Its kind.
    pub(super) what: MarkKind<'a>,
    /// Its position, in bytes.
    pub(super) at: Range<usize>,
    /// The number of elements open around it, without the element of a start or end tag itself.
    pub(super) depth: usize,
}

/// The marks of a body, in order, up to the first broken one.
#[derive(Debug)]
pub(super) struct Marks<'a> {
    text: &'a str,
    at: usize,
    /// The full names of the open elements.
    open: Vec<&'a str>,
    /// Whether the root element was read.
    rooted: bool,
}

impl<'a> Marks<'a> {
    /// Starts to read.
    ///
    /// # Errors
    /// If `body` is not text, or holds a character that XML does not allow.
    pub(super) fn new(body: &'a [u8]) -> Result<Self, Broken> {
        let text = std::str::from_utf8(body)?;
        if let Some(at) = control_character(body) {
            return Err(Broken::Malformed(at));
        }
        for noncharacter in ["\u{fffe}", "\u{ffff}"] {
            if let Some(at) = memmem::find(body, noncharacter.as_bytes()) {
                return Err(Broken::Malformed(at));
            }
        }
        // A byte order mark may precede everything else.
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Ok(Marks { text, at, open: Vec::new(), rooted: false })
    }

    /// The next mark; `None` at the end of a complete body.
    ///
    /// # Errors
    /// The first place where the body is broken. Nothing can be read after it.
    pub(super) fn next(&mut self) -> Result<Option<Mark<'a>>, Broken> {
        let bytes = self.text.as_bytes();
        let Some(rest) = bytes.get(self.at..).filter(|rest| !rest.is_empty()) else {
            let ended = self.rooted && self.open.is_empty();
            return if ended { Ok(None) } else { Err(Broken::CutOff(bytes.len())) };
        };
        let from = self.at;
        if let Some(mark) = self.plain_tag(rest) {
            return Ok(Some(mark));
        }
        let length = match memchr::memchr2(b'<', b'>', rest) {
            // Rare in text.
            Some(found) if rest.get(found) == Some(&b'>') => memchr::memchr(b'<', rest).unwrap_or(rest.len()),
            found => found.unwrap_or(rest.len()),
        };
        if length == 0 {
            return self.markup(from).map(Some);
        }
        let text = rest.get(..length).unwrap_or_default();
        if self.open.is_empty() && !text.iter().all(|byte| is_space(*byte)) {
            return Err(if self.rooted || length < rest.len() {
                Broken::Malformed(from)
            } else {
                Broken::CutOff(bytes.len())
            });
        }
        if memchr::memchr(b'>', text).is_some() && memmem::find(text, b"]]>").is_some() {
            return Err(Broken::Malformed(from));
        }
        self.at += length;
        Ok(Some(Mark { what: MarkKind::Text, at: from..self.at, depth: self.open.len() }))
    }

    /// Reads a tag as nearly all are: `<name>` or `</name>`, with neither prefix, blank nor attribute. `None` for anything else, and
    /// for what is broken.
    fn plain_tag(&mut self, rest: &'a [u8]) -> Option<Mark<'a>> {
        let (b'<', after) = rest.split_first()? else { return None };
        let from = self.at;
        if let Some(tag) = after.strip_prefix(b"/") {
            let name = self.open.last()?;
            if tag.strip_prefix(name.as_bytes())?.first() != Some(&b'>') {
                return None;
            }
            self.at = from + "</".len() + name.len() + ">".len();
            self.open.pop();
            return Some(Mark { what: MarkKind::End, at: from..self.at, depth: self.open.len() });
        }
        let length = after.iter().position(|byte| !is_name_byte(*byte))?;
        let first = *after.first()?;
        if after.get(length) != Some(&b'>') || !(first.is_ascii_alphabetic() || first == b'_') {
            return None;
        }
        if self.rooted && self.open.is_empty() {
            return None;
        }
        let name = self.text.get(from + 1..from + 1 + length)?;
        let depth = self.open.len();
        self.rooted = true;
        self.open.push(name);
        self.at = from + "<".len() + length + ">".len();
        Some(Mark { what: MarkKind::Start(name), at: from..self.at, depth })
    }

    /// Reads a mark that starts with `<`.
    fn markup(&mut self, from: usize) -> Result<Mark<'a>, Broken> {
        let rest = self.rest(from);
        let until = |start: usize, end: &str| {
            let inner = rest.get(start..).unwrap_or_default();
            let length = memmem::find(inner.as_bytes(), end.as_bytes()).ok_or(Broken::CutOff(self.text.len()))?;
            Ok::<_, Broken>((inner.get(..length).unwrap_or_default(), from + start + length + end.len()))
        };
        let (what, end) = match rest.as_bytes().get(1) {
            None => return Err(Broken::CutOff(self.text.len())),
            Some(b'!') if rest.starts_with("<!--") => {
                let (inner, end) = until(4, "-->")?;
                if inner.contains("--") || inner.ends_with('-') {
                    return Err(Broken::Malformed(from));
                }
                (MarkKind::Aside, end)
            }
            Some(b'!') if rest.starts_with("<![CDATA[") && !self.open.is_empty() => {
                (MarkKind::Text, until("<![CDATA[".len(), "]]>")?.1)
            }
            Some(b'!') => {
                let begun = ["<!--", "<![CDATA["].iter().any(|start| start.starts_with(rest));
                return Err(if begun { Broken::CutOff(self.text.len()) } else { Broken::Malformed(from) });
            }
            Some(b'?') => {
                let (inner, end) = until(2, "?>")?;
                let target = inner.split(|letter: char| letter.is_ascii_whitespace()).next().unwrap_or_default();
                let is_declaration = target.eq_ignore_ascii_case("xml");
                let is_first = from == 0 || self.text.get(..from) == Some("\u{feff}");
                if !is_name(target) || (is_declaration && !is_first) {
                    return Err(Broken::Malformed(from));
                }
                (MarkKind::Aside, end)
            }
            Some(b'/') => {
                let (inner, end) = until(2, ">")?;
                let name = inner.trim_end_matches(|letter: char| letter.is_ascii_whitespace());
                if self.open.pop() != Some(name) {
                    return Err(Broken::Malformed(from));
                }
                (MarkKind::End, end)
            }
            Some(_) => return self.start(from),
        };
        self.at = end;
        Ok(Mark { what, at: from..end, depth: self.open.len() })
    }

    /// Reads a start tag with its attributes, whose values may hold a `>`.
    fn start(&mut self, from: usize) -> Result<Mark<'a>, Broken> {
        let (text, cut) = (self.text, Broken::CutOff(self.text.len()));
        let byte = |at: usize| text.as_bytes().get(at).copied();
        let word = |from: usize| {
            let ends = |byte: &u8| is_space(*byte) || matches!(byte, b'/' | b'>' | b'=' | b'<' | b'"' | b'\'');
            let rest = text.as_bytes().get(from..).unwrap_or_default();
            from + rest.iter().position(ends).unwrap_or(rest.len())
        };
        let blanks = |mut at: usize| {
            while byte(at).is_some_and(is_space) {
                at += 1;
            }
            at
        };
        let name_end = word(from + 1);
        let name = text.get(from + 1..name_end).unwrap_or_default();
        if byte(name_end).is_none() {
            return Err(cut);
        }
        if !is_name(name) || (self.rooted && self.open.is_empty()) {
            return Err(Broken::Malformed(from));
        }
        let mut at = name_end;
        let (empty, end) = loop {
            let next = blanks(at);
            match byte(next) {
                None => return Err(cut),
                Some(b'>') => break (false, next + 1),
                Some(b'/') => match byte(next + 1) {
                    None => return Err(cut),
                    Some(b'>') => break (true, next + 2),
                    Some(_) => return Err(Broken::Malformed(from)),
                },
                // Attributes are separated by blanks.
                Some(_) if next == at => return Err(Broken::Malformed(from)),
                Some(_) => {}
            }
            let key_end = word(next);
            let equals = blanks(key_end);
            let quote_at = blanks(equals + 1);
            let (Some(sign), Some(quote)) = (byte(equals), byte(quote_at)) else { return Err(cut) };
            if !is_name(text.get(next..key_end).unwrap_or_default()) || sign != b'=' || !matches!(quote, b'"' | b'\'') {
                return Err(Broken::Malformed(from));
            }
            let rest = text.as_bytes().get(quote_at + 1..).unwrap_or_default();
            let Some(length) = memchr::memchr(quote, rest) else { return Err(cut) };
            if rest.get(..length).is_none_or(|value| value.contains(&b'<')) {
                return Err(Broken::Malformed(from));
            }
            at = quote_at + 1 + length + 1;
        };
        let (local, depth) = (name.split_once(':').map_or(name, |(_, local)| local), self.open.len());
        self.rooted = true;
        if !empty {
            self.open.push(name);
        }
        self.at = end;
        let what = if empty { MarkKind::Empty(local) } else { MarkKind::Start(local) };
        Ok(Mark { what, at: from..end, depth })
    }

    fn rest(&self, from: usize) -> &'a str {
        self.text.get(from..).unwrap_or_default()
    }
}

/// Whether `name` is a name, perhaps with a namespace prefix.
fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && part.bytes().all(is_name_byte)
    };
    match name.split_once(':') {
        Some((prefix, local)) => is_part(prefix) && is_part(local),
        None => is_part(name),
    }
}

/// Whether a name may hold it, apart from the colon after a prefix.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The first character below the blank that XML does not allow.
fn control_character(body: &[u8]) -> Option<usize> {
    let is_bad = |byte: u8| byte < b' ' && !is_space(byte);
    // Without an early exit, many bytes are compared at once.
    let holds = |chunk: &[u8]| chunk.iter().fold(false, |holds, byte| holds | is_bad(*byte));
    let (number, chunk) = body.chunks(CHUNK).enumerate().find(|(_, chunk)| holds(chunk))?;
    Some(number * CHUNK + chunk.iter().position(|byte| is_bad(*byte))?)
}

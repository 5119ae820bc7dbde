//! An XML writer that only appends. It has just what EC2's answers need, and is fast.

use std::fmt::{Display, Write as _};

/// XML text under construction. Tag names are the caller's constants and are not escaped; text is.
#[derive(Debug, Default)]
pub(crate) struct Xml {
    out: String,
}

impl Xml {
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes) }
    }

    pub(crate) fn finish(self) -> String {
        self.out
    }

    pub(crate) fn open(&mut self, tag: &str) {
        self.out.push('<');
        self.out.push_str(tag);
        self.out.push('>');
    }

    pub(crate) fn close(&mut self, tag: &str) {
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// `<tag/>`
    pub(crate) fn empty(&mut self, tag: &str) {
        self.out.push('<');
        self.out.push_str(tag);
        self.out.push_str("/>");
    }

    /// An element around whatever `inside` writes.
    pub(crate) fn within(&mut self, tag: &str, inside: impl FnOnce(&mut Self)) {
        self.open(tag);
        inside(self);
        self.close(tag);
    }

    /// An element whose text is escaped.
    pub(crate) fn text(&mut self, tag: &str, text: &str) {
        self.open(tag);
        self.escape(text);
        self.close(tag);
    }

    /// An element whose text `write` appends. The text must not need escaping (ids, addresses, numbers).
    pub(crate) fn plain(&mut self, tag: &str, write: impl FnOnce(&mut String)) {
        self.open(tag);
        write(&mut self.out);
        self.close(tag);
    }

    pub(crate) fn number(&mut self, tag: &str, number: impl Display) {
        self.open(tag);
        // Writing into a String cannot fail.
        write!(self.out, "{number}").ok();
        self.close(tag);
    }

    pub(crate) fn flag(&mut self, tag: &str, flag: bool) {
        self.text(tag, if flag { "true" } else { "false" });
    }

    /// Appends text that is already XML, such as a fragment that was prepared once.
    pub(crate) fn raw(&mut self, xml: &str) {
        self.out.push_str(xml);
    }

    fn escape(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\r']) {
            let (clean, tail) = rest.split_at(at);
            self.out.push_str(clean);
            let mut chars = tail.chars();
            self.out.push_str(match chars.next() {
                Some('&') => "&amp;",
                Some('<') => "&lt;",
                Some('>') => "&gt;",
                Some('"') => "&quot;",
                _ => "&#13;",
            });
            rest = chars.as_str();
        }
        self.out.push_str(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_the_rest_is_appended_as_it_is() {
        let mut xml = Xml::default();
        xml.within("item", |xml| {
            xml.text("key", r#"R&D <"é">"#);
            xml.empty("reason");
            xml.number("code", 16);
            xml.flag("ok", true);
        });
        assert_eq!(
            xml.finish(),
            "<item><key>R&amp;D &lt;&quot;é&quot;&gt;</key><reason/><code>16</code><ok>true</ok></item>"
        );
    }
}

//! Receipt handles: opaque to clients, and new with every receive.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Identifies one receive of a message in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle {
    /// The queue's secret. A handle of another queue is invalid here.
    pub(crate) queue: u64,
    pub(crate) message: u64,
    /// How often the message had been received then.
    pub(crate) receive: u32,
}

impl Handle {
    /// Reads what [`Handle`]'s `Display` wrote; `None` for any other text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let plain = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
        let mut parts = plain.split('/');
        let queue = u64::from_str_radix(parts.next()?, 16).ok()?;
        let message = parts.next()?.parse().ok()?;
        let receive = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { queue, message, receive })
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = format!("{:016x}/{}/{}", self.queue, self.message, self.receive);
        f.write_str(&STANDARD.encode(plain))
    }
}
